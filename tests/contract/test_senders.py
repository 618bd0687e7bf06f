"""Every sender against a far side on a real socket, through every answer it can give."""

from __future__ import annotations

import gc
import io
import json
import logging
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime

import pytest

from monitoring.alerts.destinations import AppriseUrl, Console, Destination, TelegramChat, Webhook
from monitoring.alerts.model import Alert
from monitoring.alerts.routing import fingerprint
from monitoring.alerts.senders import Message, Sent
from monitoring.alerts.senders.apprise import AppriseSender
from monitoring.alerts.senders.console import ConsoleSender
from monitoring.alerts.senders.dispatch import Senders
from monitoring.alerts.senders.telegram import TelegramSender
from monitoring.alerts.senders.webhook import WebhookSender
from monitoring.alerts.text import bold, kv, line, link, since
from monitoring.errors import ChatMigratedError, CredentialsError, SendError
from tests.support import fake_telegram as telegram
from tests.support.fake_telegram import BOT_TOKEN, CHAT, TelegramStandIn
from tests.support.fake_webhook import SECRET, Answer, FakeWebhook, is_signed

# Apprise imports a module of the standard library that Python 3.13 no longer has (it brings its own stand-in).
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

AT = datetime(2026, 11, 23, 22, 32, tzinfo=UTC)
TOKEN_VARIABLE = "TELEGRAM_BOT_TOKEN_DEFAULT"
CHAT_OF = TelegramChat(CHAT, TOKEN_VARIABLE)
TOPIC = TelegramChat(CHAT, TOKEN_VARIABLE, thread_id=45)


def message(*blocks: object, severity: str = "high", parts_sent: int = 0, **more: object) -> Message:
    alert = Alert(severity, "Backing", *(blocks or ("text",)), protocol="cap", key="backing")
    return Message(12, AT, alert, parts_sent, **more)  # type: ignore[arg-type]


def three_parts(parts_sent: int = 0) -> Message:
    return message("a" * 3000, "b" * 3000, "c" * 3000, parts_sent=parts_sent)


class Progress:
    """Remembers what was reported as accepted."""

    def __init__(self) -> None:
        self.parts: list[tuple[int, int]] = []

    def __call__(self, parts_sent: int, message_id: int) -> None:
        self.parts.append((parts_sent, message_id))


@pytest.fixture
def bot_api() -> Iterator[TelegramStandIn]:
    with TelegramStandIn(tokens=[BOT_TOKEN]) as stand_in:
        yield stand_in


@pytest.fixture
def sender(bot_api: TelegramStandIn) -> Iterator[TelegramSender]:
    environ = {TOKEN_VARIABLE: BOT_TOKEN, "TELEGRAM_API_URL": bot_api.url + "/"}
    with closing(TelegramSender(environ, 5, 1)) as made:
        yield made


@pytest.fixture
def hook() -> Iterator[FakeWebhook]:
    with FakeWebhook() as fake:
        yield fake


HOOK_PATH = "/hooks/path-that-no-log-may-show"


@pytest.fixture
def webhook(hook: FakeWebhook) -> Iterator[WebhookSender]:
    with closing(WebhookSender(webhook_environ(hook), 5, 1, now_s=lambda: 1_800_000_000.9)) as made:
        yield made


def webhook_environ(hook: FakeWebhook) -> dict[str, str]:
    return {"WEBHOOK_URL_CAP": hook.url + HOOK_PATH, "WEBHOOK_SECRET": SECRET}


def send_once(environ: dict[str, str], destination: TelegramChat = CHAT_OF, total_timeout_s: float = 5) -> Sent:
    with closing(TelegramSender(environ, 5, total_timeout_s)) as once:
        return once.send(message(), destination)


HOOK = Webhook("WEBHOOK_URL_CAP")


# -- Telegram: what is sent -------------------------------------------------------------------------------------------


def test_an_alert_arrives_with_its_entities(sender: TelegramSender, bot_api: TelegramStandIn) -> None:
    sent = sender.send(message(line("see ", link("this", "https://e.org/")), kv(a=1)), CHAT_OF)

    (received,) = bot_api.messages
    assert sent == Sent((received.message_id,))
    assert received.text == "🚨 Backing\nsee this\na: 1"
    assert (received.marked("bold"), received.marked("text_link")) == (["Backing", "a"], ["this"])
    assert (received.token, received.chat_id, received.thread_id) == (BOT_TOKEN, CHAT, None)


def test_only_what_is_needed_is_sent_and_never_a_null(sender: TelegramSender, bot_api: TelegramStandIn) -> None:
    sender.send(message(), CHAT_OF)

    assert set(bot_api.messages[0].payload) == {"chat_id", "text", "entities", "link_preview_options"}
    assert bot_api.messages[0].payload["link_preview_options"] == {"is_disabled": True}
    assert "parse_mode" not in bot_api.messages[0].payload


def test_low_alerts_make_no_sound(sender: TelegramSender, bot_api: TelegramStandIn) -> None:
    for severity in ("low", "medium", "high", "critical"):
        sender.send(message(severity=severity), CHAT_OF)

    assert [received.silent for received in bot_api.messages] == [True, False, False, False]


def test_a_topic_gets_its_thread(sender: TelegramSender, bot_api: TelegramStandIn) -> None:
    sender.send(message(), TOPIC)

    assert bot_api.messages[0].thread_id == 45


def test_a_chat_may_have_a_name(sender: TelegramSender, bot_api: TelegramStandIn) -> None:
    sender.send(message(), TelegramChat("@cap_alerts", TOKEN_VARIABLE))

    assert bot_api.messages[0].payload["chat_id"] == "@cap_alerts"


def test_the_test_chat_sees_the_protocol(sender: TelegramSender, bot_api: TelegramStandIn) -> None:
    sender.send(message(), TelegramChat(CHAT, TOKEN_VARIABLE, labelled=True))

    assert bot_api.messages[0].text.startswith("[cap] 🚨 Backing")


def test_ages_are_counted_to_the_time_of_raising(sender: TelegramSender, bot_api: TelegramStandIn) -> None:
    sender.send(message(since(AT)), CHAT_OF)

    assert "0.0 s ago (2026-11-23 22:32 UTC)" in bot_api.messages[0].text


def test_one_connection_serves_many_messages_and_survives_a_refusal(
    sender: TelegramSender, bot_api: TelegramStandIn
) -> None:
    bot_api.script(None, telegram.error(500, "Internal Server Error"))
    sender.send(message(), CHAT_OF)
    with pytest.raises(SendError):
        sender.send(message(), CHAT_OF)
    sender.send(message(), CHAT_OF)

    assert len(bot_api.messages) == 2
    assert bot_api.connections == 1


def test_a_connection_the_server_closed_is_opened_again(sender: TelegramSender, bot_api: TelegramStandIn) -> None:
    bot_api.script(None, telegram.NO_ANSWER)
    sender.send(message(), CHAT_OF)
    with pytest.raises(SendError, match="the connection broke off"):
        sender.send(message(), CHAT_OF)

    sender.send(message(), CHAT_OF)

    assert len(bot_api.messages) == 2


# -- Telegram: every answer -------------------------------------------------------------------------------------------

TRANSIENT = {
    "500": (telegram.error(500, "Internal Server Error"), None),
    "502 in HTML": (Answer(502, b"<html>Bad Gateway</html>"), None),
    "503 with a header": (Answer(503, b"", {"Retry-After": "7"}), 7),
    "408": (telegram.error(408, "Request Timeout"), None),
    "429": (telegram.too_many_requests(17), 17),
    "429 in a header": (Answer.of_json(429, {"ok": False, "description": "Slow"}, {"Retry-After": "9"}), 9),
    "429 in words": (telegram.error(429, "Too Many Requests: retry after 21"), 21),
    "429 without a time": (telegram.error(429, "Too Many Requests"), None),
    "429 with nonsense": (telegram.error(429, "Too Many Requests", retry_after=-4), None),
    "429 from a proxy": (Answer(429, b"slow down", {"Retry-After": "3"}), 3),
    "200 that says 500": (Answer.of_json(200, {"ok": False, "error_code": 500, "description": "x"}), None),
    "hang": (telegram.HANG, None),
    "drip": (telegram.DRIP, None),
    "reset": (telegram.RESET, None),
    "no answer": (telegram.NO_ANSWER, None),
    "half a body": (telegram.HALF_A_BODY, None),
    "a hotel's welcome page": (telegram.HTML, None),
    "wrong JSON": (telegram.WRONG_JSON, None),
    "JSON that says ok in words": (Answer.of_json(200, {"ok": "yes"}), None),
    "an error that claims to be ok": (Answer.of_json(503, {"ok": True, "result": {"message_id": 5}}), None),
    "a redirect": (Answer(302, b"", {"Location": "https://example.org/"}), None),
    "403 from a proxy": (Answer(403, b"<html>Blocked</html>"), None),
    "an answer without end": (Answer(200, b" " * 2_000_000), None),
    "not even UTF-8": (Answer(200, b"\xff\xfe"), None),
}


@pytest.mark.parametrize("case", TRANSIENT)
def test_what_may_pass_is_tried_again(case: str, sender: TelegramSender, bot_api: TelegramStandIn) -> None:
    answer, retry_after_s = TRANSIENT[case]
    bot_api.script(answer)
    started_s = time.monotonic()

    with pytest.raises(SendError) as caught:
        sender.send(message(), CHAT_OF)

    assert type(caught.value) is SendError
    assert not caught.value.permanent
    assert caught.value.retry_after_s == retry_after_s
    assert time.monotonic() - started_s < 20
    assert sender.send(message(), CHAT_OF).message_ids == (1,)


PERMANENT = {
    "kicked": telegram.error(403, "Forbidden: bot was kicked from the supergroup chat"),
    "blocked": telegram.error(403, "Forbidden: bot was blocked by the user"),
    "deactivated": telegram.error(403, "Forbidden: user is deactivated"),
    "chat not found": telegram.error(400, "Bad Request: chat not found"),
    "no right to write": telegram.error(400, "Bad Request: not enough rights to send text messages to the chat"),
    "an upgrade without an address": telegram.error(400, "Bad Request: group chat was upgraded to a supergroup chat"),
    "unknown": telegram.error(418, "I am a teapot"),
    "too large": telegram.error(413, "Request Entity Too Large"),
}


@pytest.mark.parametrize("case", PERMANENT)
def test_what_cannot_pass_is_not_tried_again_and_says_why(
    case: str, sender: TelegramSender, bot_api: TelegramStandIn
) -> None:
    bot_api.script(PERMANENT[case])

    with pytest.raises(SendError) as caught:
        sender.send(message(), CHAT_OF)

    assert caught.value.permanent
    assert json.loads(PERMANENT[case].body)["description"] in str(caught.value)
    assert CHAT in str(caught.value)
    assert len(bot_api.requests) == 1


@pytest.mark.parametrize("answer", [telegram.UNAUTHORISED, telegram.NOT_FOUND], ids=["401", "404"])
def test_a_revoked_token_waits_for_a_new_one(answer: Answer, sender: TelegramSender, bot_api: TelegramStandIn) -> None:
    bot_api.script(answer)

    with pytest.raises(CredentialsError, match=f"{TOKEN_VARIABLE} was refused") as caught:
        sender.send(message(), CHAT_OF)

    assert not caught.value.permanent


@pytest.mark.parametrize("environ", [{}, {TOKEN_VARIABLE: "  "}])
def test_a_missing_token_waits(environ: dict[str, str]) -> None:
    with pytest.raises(CredentialsError, match=f"{TOKEN_VARIABLE} is not set"):
        send_once(environ)


def test_a_missing_chat_waits() -> None:
    with pytest.raises(CredentialsError, match="a chat id is not set"):
        send_once({TOKEN_VARIABLE: BOT_TOKEN}, TelegramChat("", TOKEN_VARIABLE))


@pytest.mark.parametrize("url", ["ftp://example.org", "api.example.org"])
def test_a_server_that_is_no_address_waits(url: str) -> None:
    environ = {TOKEN_VARIABLE: BOT_TOKEN, "TELEGRAM_API_URL": url}

    with pytest.raises(CredentialsError, match="TELEGRAM_API_URL is no http or https address"):
        send_once(environ)


def test_a_group_that_became_a_supergroup_tells_where_it_went(sender: TelegramSender, bot_api: TelegramStandIn) -> None:
    bot_api.migrated[CHAT] = "-1009876543210"

    with pytest.raises(ChatMigratedError) as caught:
        sender.send(message(), CHAT_OF)

    assert caught.value.new_chat_id == "-1009876543210"
    assert not caught.value.permanent
    assert sender.send(message(), TelegramChat(caught.value.new_chat_id, TOKEN_VARIABLE)).message_ids == (1,)


@pytest.mark.parametrize(
    "answer",
    [
        telegram.error(400, "Bad Request: message thread not found"),
        telegram.error(400, "Bad Request: TOPIC_CLOSED"),
        telegram.error(400, "Bad Request: TOPIC_DELETED"),
    ],
    ids=["not found", "closed", "deleted"],
)
def test_a_topic_that_is_gone_gives_way_to_its_chat(
    answer: Answer, sender: TelegramSender, bot_api: TelegramStandIn
) -> None:
    bot_api.script(answer)

    sent = sender.send(message(), TOPIC)

    assert bot_api.messages[0].thread_id is None
    assert "topic 45 is closed or gone" in sent.notes[0]


def test_the_parts_after_a_closed_topic_go_straight_to_the_chat(
    sender: TelegramSender, bot_api: TelegramStandIn
) -> None:
    bot_api.closed_topics.add(45)

    sender.send(three_parts(), TOPIC)

    assert len(bot_api.requests) == 4
    assert [received.thread_id for received in bot_api.messages] == [None] * 3


def test_a_chat_that_talks_of_topics_where_none_was_asked_for_is_given_up(
    sender: TelegramSender, bot_api: TelegramStandIn
) -> None:
    bot_api.script(telegram.error(400, "Bad Request: TOPIC_CLOSED"))

    with pytest.raises(SendError) as caught:
        sender.send(message(), CHAT_OF)

    assert caught.value.permanent


@pytest.mark.parametrize(
    "description",
    [
        "Bad Request: can't parse entities: unexpected end",
        "Bad Request: ENTITY_BOUNDS_INVALID",
        "Bad Request: never seen",
    ],
)
def test_a_text_that_is_refused_goes_once_more_without_formatting(
    description: str, sender: TelegramSender, bot_api: TelegramStandIn
) -> None:
    bot_api.script(telegram.error(400, description))

    sent = sender.send(message(bold("loud")), CHAT_OF)

    assert (bot_api.messages[0].text, bot_api.messages[0].entities) == ("🚨 Backing\nloud", ())
    assert sent.notes == (f"sent without formatting: 400 {description}",)


def test_a_text_refused_twice_is_given_up(sender: TelegramSender, bot_api: TelegramStandIn) -> None:
    refusal = telegram.error(400, "Bad Request: text must be non-empty")
    bot_api.script(refusal, refusal)

    with pytest.raises(SendError) as caught:
        sender.send(message(), CHAT_OF)

    assert caught.value.permanent
    assert len(bot_api.requests) == 2


def test_a_text_found_too_long_goes_in_smaller_pieces(sender: TelegramSender, bot_api: TelegramStandIn) -> None:
    bot_api.script(telegram.error(400, "Bad Request: message is too long"))

    sent = sender.send(message("x" * 2500), CHAT_OF)

    assert "".join(received.text for received in bot_api.messages) == "🚨 Backing\n" + "x" * 2500
    assert "smaller pieces" in sent.notes[0]
    assert sent.message_ids == (3,)


def test_pieces_found_too_long_are_given_up(sender: TelegramSender, bot_api: TelegramStandIn) -> None:
    refusal = telegram.error(400, "Bad Request: MESSAGE_TOO_LONG")
    bot_api.script(refusal, refusal)

    with pytest.raises(SendError) as caught:
        sender.send(message("x" * 2500), CHAT_OF)

    assert caught.value.permanent


def test_an_accepted_message_without_a_number_is_not_sent_again(
    sender: TelegramSender, bot_api: TelegramStandIn
) -> None:
    bot_api.script(Answer.of_json(200, {"ok": True, "result": "strange"}))

    assert sender.send(message(), CHAT_OF).message_ids == (0,)


# -- Telegram: parts --------------------------------------------------------------------------------------------------


def test_every_part_is_reported_as_soon_as_it_is_accepted(sender: TelegramSender, bot_api: TelegramStandIn) -> None:
    progress = Progress()

    sent = sender.send(three_parts(), CHAT_OF, progress)

    assert sent.message_ids == (1, 2, 3)
    assert progress.parts == [(1, 1), (2, 2), (3, 3)]


def test_a_retry_goes_on_at_the_part_that_failed(sender: TelegramSender, bot_api: TelegramStandIn) -> None:
    progress = Progress()
    bot_api.script(None, telegram.too_many_requests(5))
    with pytest.raises(SendError):
        sender.send(three_parts(), CHAT_OF, progress)
    assert progress.parts == [(1, 1)]

    sent = sender.send(three_parts(parts_sent=1), CHAT_OF, progress)

    assert sent.message_ids == (2, 3)
    assert [parts for parts, _ in progress.parts] == [1, 2, 3]
    assert [received.text[-1] for received in bot_api.messages] == ["a", "b", "c"]


def test_a_message_sent_whole_is_not_sent_again(sender: TelegramSender, bot_api: TelegramStandIn) -> None:
    assert sender.send(three_parts(parts_sent=3), CHAT_OF) == Sent()
    assert bot_api.requests == []


def test_blocks_left_out_are_noted(sender: TelegramSender, bot_api: TelegramStandIn) -> None:
    sent = sender.send(message(*("x" * 3000 for _ in range(9))), CHAT_OF)

    assert sent.notes == ("4 blocks were too long and left out",)


# -- the webhook ------------------------------------------------------------------------------------------------------


def test_a_machine_gets_the_alert_signed_over_the_exact_bytes(webhook: WebhookSender, hook: FakeWebhook) -> None:
    progress = Progress()
    told = message("größer", condition="cap/backing/1/", level="HIGH", link="https://e.org/alerts/12")

    assert webhook.send(told, HOOK, progress) == Sent()

    (request,) = hook.requests
    assert hook.verified == [
        {
            "event_type": "alert", "id": 12, "created_at": "2026-11-23T22:32:00.000000Z", "protocol": "cap",
            "channel": "cap", "severity": "HIGH", "title": "Backing", "message": "🚨 Backing\ngrößer", "key": "backing",
            "condition": "cap/backing/1/", "level": "HIGH", "link": "https://e.org/alerts/12",
        }
    ]  # fmt: skip
    assert (request.method, request.path) == ("POST", HOOK_PATH)
    assert request.headers["content-type"] == "application/json"
    assert request.headers["x-webhook-timestamp"] == "1800000000"
    assert not is_signed(request, "another secret")
    assert progress.parts == [(1, 0)]


def test_a_link_that_does_not_exist_is_left_out(webhook: WebhookSender, hook: FakeWebhook) -> None:
    webhook.send(message(), HOOK)

    assert "link" not in hook.verified[0]
    assert hook.verified[0]["level"] == "HIGH"


def test_a_retry_carries_the_same_bytes_under_the_same_key(webhook: WebhookSender, hook: FakeWebhook) -> None:
    hook.script(Answer(503), None)
    with pytest.raises(SendError):
        webhook.send(message(since(AT)), HOOK)
    webhook.send(message(since(AT)), HOOK)

    first, second = hook.requests
    assert first.body == second.body
    assert (
        first.headers["idempotency-key"] == second.headers["idempotency-key"] == "alert-12-2026-11-23T22:32:00.000000Z"
    )


def test_an_alert_of_a_new_database_has_another_key(webhook: WebhookSender, hook: FakeWebhook) -> None:
    webhook.send(message(), HOOK)
    webhook.send(Message(12, AT.replace(year=2027), message().alert), HOOK)

    assert len({request.headers["idempotency-key"] for request in hook.requests}) == 2


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_any_2xx_is_accepted(status: int, webhook: WebhookSender, hook: FakeWebhook) -> None:
    hook.script(Answer(status))

    assert webhook.send(message(), HOOK) == Sent()


@pytest.mark.parametrize(
    ("answer", "permanent", "retry_after_s"),
    [
        (Answer(408), False, None),
        (Answer(425), False, None),
        (Answer(429, headers={"Retry-After": "30"}), False, 30),
        (Answer(500), False, None),
        (Answer(503, headers={"Retry-After": "Mon, 23 Nov 2026 22:32:00 GMT"}), False, None),
        (Answer(manner="hang"), False, None),
        (Answer(manner="reset"), False, None),
        (Answer(manner="close"), False, None),
        (Answer(200, b"x" * 100, manner="half"), False, None),
        (Answer(301, headers={"Location": "/elsewhere"}), True, None),
        (Answer(400), True, None),
        (Answer(401), True, None),
        (Answer(404, headers={"Retry-After": "30"}), True, None),
        (Answer(410), True, None),
    ],
)
def test_a_webhooks_refusal_is_classified(
    answer: Answer, permanent: bool, retry_after_s: float | None, webhook: WebhookSender, hook: FakeWebhook
) -> None:
    hook.script(answer)

    with pytest.raises(SendError, match="webhook WEBHOOK_URL_CAP") as caught:
        webhook.send(message(), HOOK)

    assert (caught.value.permanent, caught.value.retry_after_s) == (permanent, retry_after_s)
    assert len(hook.requests) == 1


@pytest.mark.parametrize("missing", ["WEBHOOK_URL_CAP", "WEBHOOK_SECRET"])
def test_nothing_is_sent_unsigned(missing: str, hook: FakeWebhook) -> None:
    sender = WebhookSender({**webhook_environ(hook), missing: " "})

    with closing(sender), pytest.raises(CredentialsError, match=f"{missing} is not set"):
        sender.send(message(), HOOK)

    assert hook.requests == []


def test_a_webhook_already_called_is_not_called_again(webhook: WebhookSender, hook: FakeWebhook) -> None:
    assert webhook.send(message(parts_sent=1), HOOK) == Sent()
    assert hook.requests == []


# -- Apprise and the console ------------------------------------------------------------------------------------------


def apprise_case(hook: FakeWebhook) -> tuple[AppriseSender, AppriseUrl]:
    url = hook.url.replace("http://", "json://") + "/path-that-no-log-may-show"
    sender = AppriseSender({"NOTIFY_URLS_CAP": f"json://127.0.0.1:1/other, {url}"})
    return sender, AppriseUrl("NOTIFY_URLS_CAP", fingerprint(url))


def test_apprise_delivers_to_the_one_address_that_is_meant(hook: FakeWebhook) -> None:
    sender, destination = apprise_case(hook)
    progress = Progress()

    assert sender.send(message("text"), destination, progress) == Sent()

    body = json.loads(hook.requests[0].body)
    assert (body["title"], body["type"]) == ("🚨 Backing", "failure")
    assert "text" in body["message"]
    assert progress.parts == [(1, 0)]


def test_apprise_tells_only_that_it_failed(hook: FakeWebhook) -> None:
    sender, destination = apprise_case(hook)
    hook.script(Answer(500))

    with pytest.raises(SendError, match="Apprise could not deliver") as caught:
        sender.send(message(), destination)

    assert not caught.value.permanent


@pytest.mark.parametrize(("value", "why"), [("nonsense://x", "does not understand"), ("", "no longer holds")])
def test_an_apprise_address_that_is_gone_or_malformed_is_given_up(value: str, why: str) -> None:
    sender = AppriseSender({"NOTIFY_URLS_CAP": value})

    with pytest.raises(SendError, match=why) as caught:
        sender.send(message(), AppriseUrl("NOTIFY_URLS_CAP", fingerprint("nonsense://x")))

    assert caught.value.permanent


def test_apprise_already_told_is_not_told_again(hook: FakeWebhook) -> None:
    sender, destination = apprise_case(hook)

    assert sender.send(message(parts_sent=1), destination) == Sent()
    assert hook.requests == []


def test_without_the_extra_the_alert_waits_and_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)  # what Python does when a package is not there

    with pytest.raises(CredentialsError, match="the optional extra `notify`: run `make sync EXTRAS=notify`"):
        AppriseSender({}).send(message(), AppriseUrl("NOTIFY_URLS_CAP", "00000000"))


def test_the_console_prints_the_alert() -> None:
    stream, progress = io.StringIO(), Progress()

    ConsoleSender(stream).send(message("text"), Console(), progress)

    assert stream.getvalue() == "🚨 Backing  [HIGH cap]\n   text\n"
    assert progress.parts == [(1, 0)]


def test_a_console_that_knows_only_ascii_still_prints() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")

    ConsoleSender(stream).send(message("größer"), Console())

    assert b"gr\\xf6\\xdfer" in raw.getvalue()


def test_a_console_that_is_gone_is_given_up() -> None:
    stream = io.StringIO()
    stream.close()

    with pytest.raises(SendError, match="the console is gone") as caught:
        ConsoleSender(stream).send(message(), Console())

    assert caught.value.permanent


# -- all of them ------------------------------------------------------------------------------------------------------


def test_every_destination_finds_its_sender(bot_api: TelegramStandIn, hook: FakeWebhook) -> None:
    stream = io.StringIO()
    _, apprise = apprise_case(hook)
    environ = {
        TOKEN_VARIABLE: BOT_TOKEN, "TELEGRAM_API_URL": bot_api.url, **webhook_environ(hook),
        "NOTIFY_URLS_CAP": hook.url.replace("http://", "json://") + "/path-that-no-log-may-show",
    }  # fmt: skip

    with Senders(environ, stream) as senders:
        for _ in range(2):
            for destination in (CHAT_OF, HOOK, apprise, Console()):
                senders.send(message(), destination)

    assert (len(bot_api.messages), bot_api.connections) == (2, 1)
    assert len(hook.requests) == 4
    assert stream.getvalue().count("Backing") == 2


def test_a_name_that_does_not_resolve_and_a_closed_port_may_pass() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    for url in (f"http://127.0.0.1:{port}", "http://no-such-host.invalid"):
        with pytest.raises(SendError, match="cannot connect") as caught:
            send_once({TOKEN_VARIABLE: BOT_TOKEN, "TELEGRAM_API_URL": url})
        assert not caught.value.permanent


def test_a_far_side_that_speaks_no_tls_may_pass(bot_api: TelegramStandIn) -> None:
    environ = {TOKEN_VARIABLE: BOT_TOKEN, "TELEGRAM_API_URL": bot_api.url.replace("http:", "https:")}

    with pytest.raises(SendError, match="cannot connect: TLS") as caught:
        send_once(environ)

    assert not caught.value.permanent


def test_a_far_side_that_drips_its_head_is_cut_off(bot_api: TelegramStandIn) -> None:
    """Each read succeeds in time, so only a limit for the whole exchange ends it."""
    stop = threading.Event()

    def drip(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            try:
                for byte in b"HTTP/1.1 200 OK\r\nX-Pad: " + b"x" * 100_000:
                    connection.send(bytes([byte]))
                    if stop.wait(0.05):
                        return
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=drip, args=(server,), daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        started_s = time.monotonic()
        with pytest.raises(SendError, match="no complete answer within 1 s"):
            send_once({TOKEN_VARIABLE: BOT_TOKEN, "TELEGRAM_API_URL": url}, total_timeout_s=1)
        assert time.monotonic() - started_s < 20
        stop.set()
        thread.join(30)


# -- secrets ----------------------------------------------------------------------------------------------------------


def every_text_of(error: BaseException) -> str:
    """Return all an error could tell: its repr, its attributes, its traceback with locals, and whatever led to it."""
    texts, pending, seen = [], [error], set()
    while pending:
        one = pending.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        texts += [repr(one), str(one), repr(vars(one)), repr(getattr(one, "__notes__", ""))]
        texts += traceback.TracebackException.from_exception(one, capture_locals=True).format()
        pending += [other for other in (one.__cause__, one.__context__) if other is not None]
    return "\n".join(texts)


class EveryRecord(logging.Handler):
    """Keeps all that anything logs, at any level."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(f"{record.name} {record.getMessage()} {record.args!r} {record.exc_text}")


@pytest.fixture
def log() -> Iterator[EveryRecord]:
    handler, root = EveryRecord(), logging.getLogger()
    level = root.level
    loggers = [logging.getLogger(name) for name in ("httpx2", "httpcore2", "apprise", "urllib3", "asyncio")]
    levels = [logger.level for logger in loggers]
    root.addHandler(handler)
    root.setLevel(1)
    for logger in loggers:
        logger.setLevel(1)
    yield handler
    root.removeHandler(handler)
    root.setLevel(level)
    for logger, old in zip(loggers, levels, strict=True):
        logger.setLevel(old)


def tell(send: Callable[[], object]) -> str:
    """Return every text of what a send raises, or of what it returns."""
    try:
        return repr(send())
    except SendError as error:
        return every_text_of(error)


@pytest.mark.parametrize("case", [*TRANSIENT, *PERMANENT, "401", "404", "migrated", "accepted"])
def test_no_answer_makes_telegrams_token_show(
    case: str, sender: TelegramSender, bot_api: TelegramStandIn, log: EveryRecord
) -> None:
    answers = {
        **{name: answer for name, (answer, _) in TRANSIENT.items()},
        **PERMANENT,
        "401": telegram.UNAUTHORISED,
        "404": telegram.NOT_FOUND,
        "migrated": telegram.migrated_to(-5),
    }
    bot_api.script(answers.get(case))

    told = tell(lambda: sender.send(message(), CHAT_OF)) + repr(sender)

    assert BOT_TOKEN.split(":")[1] not in told + "\n".join(log.texts)
    assert any(record.startswith("httpcore2") for record in log.texts), "the log must have been listening"


BROKEN_SERVERS = [
    "http://127.0.0.1:1",
    "http://no-such-host.invalid",
    "http://[",
    "http://",
    "https://exa mple",
    "http://x:99999",
]


@pytest.mark.parametrize("url", BROKEN_SERVERS)
def test_no_broken_address_makes_telegrams_token_show(url: str, log: EveryRecord) -> None:
    sender = TelegramSender({TOKEN_VARIABLE: BOT_TOKEN, "TELEGRAM_API_URL": url}, 5, 5)

    with closing(sender):
        told = tell(lambda: sender.send(message(), CHAT_OF))

    assert "Error" in told
    assert BOT_TOKEN.split(":")[1] not in told + "\n".join(log.texts)


@pytest.mark.parametrize("token", ["new\nline", "sl/ash?query#part", "größe", "lone\udcff", "a" * 70_000])
def test_no_malformed_token_shows_or_escapes_its_place(token: str, bot_api: TelegramStandIn, log: EveryRecord) -> None:
    secret = f"{token}-tail-of-the-token"
    sender = TelegramSender({TOKEN_VARIABLE: secret, "TELEGRAM_API_URL": bot_api.url}, 5, 5)

    with closing(sender):
        told = tell(lambda: sender.send(message(), CHAT_OF))

    assert "Error" in told
    assert "tail-of-the-token" not in told + "\n".join(log.texts)
    assert all(request.path.startswith("/bot") for request in bot_api.requests)


@pytest.mark.parametrize("status", [204, 302, 404, 500])
def test_no_answer_makes_a_webhooks_address_or_secret_show(
    status: int, webhook: WebhookSender, hook: FakeWebhook, log: EveryRecord
) -> None:
    hook.script(Answer(status, headers={"Location": "https://example.org/"}))

    told = tell(lambda: webhook.send(message(), HOOK)) + repr(webhook) + "\n".join(log.texts)

    assert SECRET not in told
    assert "path-that-no-log-may-show" not in told


@pytest.mark.parametrize(
    "url", ["http://", "https://[", "no address SECRETPART", "http://127.0.0.1:1/SECRETPART", "http://a.invalid/\udcff"]
)
def test_no_broken_webhook_shows_its_address_or_secret(url: str, log: EveryRecord) -> None:
    sender = WebhookSender({"WEBHOOK_URL_CAP": url, "WEBHOOK_SECRET": SECRET + "\udcff"}, 5, 5)

    with closing(sender):
        told = tell(lambda: sender.send(message(), HOOK)) + "\n".join(log.texts)

    assert "SendError" in told
    assert SECRET not in told
    assert "SECRETPART" not in told


@pytest.mark.parametrize("answer", [None, Answer(500), Answer(manner="reset")], ids=["accepted", "500", "reset"])
def test_no_answer_makes_an_apprise_address_show(answer: Answer | None, hook: FakeWebhook, log: EveryRecord) -> None:
    sender, destination = apprise_case(hook)
    hook.script(answer)

    told = tell(lambda: sender.send(message(), destination)) + repr(sender) + "\n".join(log.texts)

    assert "path-that-no-log-may-show" not in told


def test_a_closed_sender_leaves_nothing_open(bot_api: TelegramStandIn) -> None:
    destinations: list[Destination] = [CHAT_OF]
    with Senders({TOKEN_VARIABLE: BOT_TOKEN, "TELEGRAM_API_URL": bot_api.url}) as senders:
        for destination in destinations:
            senders.send(message(), destination)

    gc.collect()  # an unclosed socket would be a warning, and warnings are errors
    assert threading.active_count() < 50
