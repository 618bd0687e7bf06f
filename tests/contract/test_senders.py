"""The other senders against far sides on real sockets, and the dispatch to all of them."""

from __future__ import annotations

import gc
import io
import json
import sys
import threading
from contextlib import closing
from dataclasses import replace

import pytest

from monitoring.alerts.message.model import Alert
from monitoring.alerts.message.text import since
from monitoring.alerts.senders import Destination, Message, Sent, fingerprint
from monitoring.alerts.senders.apprise import AppriseSender, AppriseUrl
from monitoring.alerts.senders.console import Console, ConsoleSender
from monitoring.alerts.senders.registry import Senders
from monitoring.alerts.senders.webhook import WebhookSender
from monitoring.base.errors import CredentialsError, RefusedError, SendError
from tests.support.fake_telegram import BOT_TOKEN, TelegramStandIn
from tests.support.fake_webhook import Answer, FakeWebhook, is_signed
from tests.support.senders import (
    AT,
    CHAT_OF,
    HOOK,
    HOOK_PATH,
    TOKEN_VARIABLE,
    Progress,
    apprise_case,
    message,
    webhook_environ,
)

# Apprise imports a module of the standard library that Python 3.13 no longer has (it brings its own stand-in).
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


# -- the webhook ------------------------------------------------------------------------------------------------------


def test_a_machine_gets_the_alert_signed_over_the_exact_bytes(webhook: WebhookSender, hook: FakeWebhook) -> None:
    progress = Progress()
    told = message("größer", condition="cap/backing/1/", level="HIGH", link="https://e.org/alerts/12")

    assert webhook.send(told, HOOK, progress) == Sent()

    (request,) = hook.requests
    assert hook.verified == [
        {
            "event_type": "alert", "id": 12, "created_at": "2026-11-23T22:32:00.000000Z", "protocol": "cap",
            "channel": "cap", "severity": "HIGH", "title": "Backing", "message": "🚨 HIGH cap: Backing\ngrößer",
            "key": "backing", "condition": "cap/backing/1/", "level": "HIGH", "link": "https://e.org/alerts/12",
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
    ("answer", "refused", "retry_after_s"),
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
        (Answer(200, b"\n<!DOCTYPE html><h1>We are back soon</h1>"), True, None),
    ],
)
def test_a_webhooks_refusal_is_classified(
    answer: Answer, refused: bool, retry_after_s: float | None, webhook: WebhookSender, hook: FakeWebhook
) -> None:
    hook.script(answer)

    with pytest.raises(SendError, match="webhook WEBHOOK_URL_CAP") as caught:
        webhook.send(message(), HOOK)

    assert (isinstance(caught.value, RefusedError), caught.value.retry_after_s) == (refused, retry_after_s)
    assert len(hook.requests) == 1


@pytest.mark.parametrize(
    ("status", "location", "said"),
    [
        (301, "https://new.example/hook/s3cret", "redirects to https://new.example/…"),
        (307, "https://user:s3cret@new.example:8443/x", "redirects to https://new.example:8443/…"),
        (308, "//new.example/s3cret", "redirects to http://new.example/…"),
        (302, "/s3cret", "redirects to another path of the same host"),
        (303, "http://[s3cret", "redirects to no address"),
    ],
)
def test_a_redirect_names_the_host_it_leads_to_and_nothing_that_may_be_a_key(
    status: int, location: str, said: str, webhook: WebhookSender, hook: FakeWebhook
) -> None:
    hook.script(Answer(status, headers={"Location": location}))

    with pytest.raises(RefusedError) as caught:
        webhook.send(message(), HOOK)

    assert f"HTTP {status}, {said}" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_apprise_follows_no_redirect_which_would_lose_the_text(hook: FakeWebhook) -> None:
    sender, destination = apprise_case(hook)
    hook.script(Answer(301, headers={"Location": hook.url + "/elsewhere"}))

    with pytest.raises(RefusedError, match="HTTP 301, a redirect"):
        sender.send(message(), destination)

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


def test_apprise_delivers_to_the_one_address_that_is_meant(hook: FakeWebhook) -> None:
    sender, destination = apprise_case(hook)
    progress = Progress()

    assert sender.send(message("text"), destination, progress) == Sent()

    body = json.loads(hook.requests[0].body)
    assert (body["title"], body["type"]) == ("🚨 HIGH cap: Backing", "failure")
    assert body["message"] == "text", "the first line is the title, and is not sent a second time"
    assert progress.parts == [(1, 0)]


def test_apprise_sends_an_alert_of_one_line_as_the_text(hook: FakeWebhook) -> None:
    sender, destination = apprise_case(hook)

    sender.send(replace(message(), alert=Alert("high", "Backing", protocol="cap")), destination)

    body = json.loads(hook.requests[0].body)
    assert (body["title"], body["message"]) == ("", "🚨 HIGH cap: Backing")


def test_apprise_tells_only_that_it_failed(hook: FakeWebhook) -> None:
    sender, destination = apprise_case(hook)
    hook.script(Answer(500))

    with pytest.raises(SendError, match="Apprise could not deliver") as caught:
        sender.send(message(), destination)

    assert not isinstance(caught.value, RefusedError)


@pytest.mark.parametrize(("value", "why"), [("nonsense://x", "does not understand"), ("", "no longer holds")])
def test_an_apprise_address_that_is_gone_or_malformed_is_refused(value: str, why: str) -> None:
    sender = AppriseSender({"NOTIFY_URLS_CAP": value})

    with pytest.raises(SendError, match=why) as caught:
        sender.send(message(), AppriseUrl("NOTIFY_URLS_CAP", fingerprint("nonsense://x")))

    assert isinstance(caught.value, RefusedError)


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

    assert stream.getvalue() == "🚨 HIGH cap: Backing\n   text\n"
    assert progress.parts == [(1, 0)]


def test_a_console_that_knows_only_ascii_still_prints() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")

    ConsoleSender(stream).send(message("größer"), Console())

    assert b"gr\\xf6\\xdfer" in raw.getvalue()


def test_a_console_that_is_gone_is_refused() -> None:
    stream = io.StringIO()
    stream.close()

    with pytest.raises(SendError, match="the console is gone") as caught:
        ConsoleSender(stream).send(message(), Console())

    assert isinstance(caught.value, RefusedError)


# -- all of them ------------------------------------------------------------------------------------------------------


def test_every_destination_finds_its_sender(
    bot_api: TelegramStandIn, hook: FakeWebhook, capsys: pytest.CaptureFixture[str]
) -> None:
    _, apprise = apprise_case(hook)
    environ = {
        TOKEN_VARIABLE: BOT_TOKEN, "TELEGRAM_API_URL": bot_api.url, **webhook_environ(hook),
        "NOTIFY_URLS_CAP": hook.url.replace("http://", "json://") + "/path-that-no-log-may-show",
    }  # fmt: skip

    with Senders(environ) as senders:
        for _ in range(2):
            for destination in (CHAT_OF, HOOK, apprise, Console()):
                senders.send(message(), destination)

    assert (len(bot_api.messages), bot_api.connections) == (2, 1)
    assert len(hook.requests) == 4
    assert capsys.readouterr().out.count("Backing") == 2


def test_a_closed_sender_leaves_nothing_open(bot_api: TelegramStandIn) -> None:
    destinations: list[Destination] = [CHAT_OF]
    with Senders({TOKEN_VARIABLE: BOT_TOKEN, "TELEGRAM_API_URL": bot_api.url}) as senders:
        for destination in destinations:
            senders.send(message(), destination)

    gc.collect()  # an unclosed socket would be a warning, and warnings are errors
    assert threading.active_count() < 50
