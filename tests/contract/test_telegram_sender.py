"""The Telegram sender against a Bot API on a real socket, through every answer it can give."""

from __future__ import annotations

import json
import socket
import threading
import time

import pytest

from monitoring.alerts.message.text import bold, kv, line, link, since
from monitoring.alerts.senders import Accepted, Sent
from monitoring.alerts.senders.telegram import TelegramChat
from monitoring.alerts.senders.telegram.sender import TelegramSender
from monitoring.base.errors import ChatMigratedError, CredentialsError, RefusedError, SendError
from tests.support import fake_telegram as telegram
from tests.support.fake_telegram import BOT_TOKEN, CHAT, TelegramStandIn
from tests.support.fake_webhook import Answer
from tests.support.senders import (
    AT,
    CHAT_OF,
    REFUSED,
    TOKEN_VARIABLE,
    TOPIC,
    TRANSIENT,
    Progress,
    message,
    send_once,
    three_parts,
)

# -- Telegram: what is sent -------------------------------------------------------------------------------------------


def test_an_alert_arrives_with_its_entities(sender: TelegramSender, bot_api: TelegramStandIn) -> None:
    sent = sender.send(message(line("see ", link("this", "https://e.org/")), kv(a=1)), CHAT_OF)

    (received,) = bot_api.messages
    assert sent == Sent((Accepted(received.message_id, 1),))
    assert received.text == "🚨 HIGH cap: Backing\nsee this\na: 1"
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

    assert bot_api.messages[0].text.startswith("[cap] 🚨 HIGH Backing")


def test_ages_are_counted_to_the_time_of_raising(sender: TelegramSender, bot_api: TelegramStandIn) -> None:
    sender.send(message(since(AT)), CHAT_OF)

    assert "2026-11-23 22:32 UTC (0 s before this alert)" in bot_api.messages[0].text


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


@pytest.mark.parametrize("case", TRANSIENT)
def test_what_may_pass_is_tried_again(case: str, sender: TelegramSender, bot_api: TelegramStandIn) -> None:
    answer, retry_after_s = TRANSIENT[case]
    bot_api.script(answer)
    started_s = time.monotonic()

    with pytest.raises(SendError) as caught:
        sender.send(message(), CHAT_OF)

    assert type(caught.value) is SendError
    assert caught.value.retry_after_s == retry_after_s
    assert time.monotonic() - started_s < 20
    assert sender.send(message(), CHAT_OF).message_ids == (1,)


@pytest.mark.parametrize("case", REFUSED)
def test_a_chat_that_refuses_is_not_asked_twice_and_says_why(
    case: str, sender: TelegramSender, bot_api: TelegramStandIn
) -> None:
    bot_api.script(REFUSED[case])

    with pytest.raises(SendError) as caught:
        sender.send(message(), CHAT_OF)

    assert isinstance(caught.value, RefusedError)
    assert not caught.value.of_text
    assert json.loads(REFUSED[case].body)["description"] in str(caught.value)
    assert CHAT in str(caught.value)
    assert len(bot_api.requests) == 1


@pytest.mark.parametrize("answer", [telegram.UNAUTHORISED, telegram.NOT_FOUND], ids=["401", "404"])
def test_a_revoked_token_waits_for_a_new_one(answer: Answer, sender: TelegramSender, bot_api: TelegramStandIn) -> None:
    bot_api.script(answer)

    with pytest.raises(CredentialsError, match=f"{TOKEN_VARIABLE} was refused") as caught:
        sender.send(message(), CHAT_OF)

    assert not isinstance(caught.value, RefusedError)


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
    assert not isinstance(caught.value, RefusedError)
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


def test_a_chat_that_talks_of_topics_where_none_was_asked_for_refuses(
    sender: TelegramSender, bot_api: TelegramStandIn
) -> None:
    bot_api.script(telegram.error(400, "Bad Request: TOPIC_CLOSED"))

    with pytest.raises(SendError) as caught:
        sender.send(message(), CHAT_OF)

    assert isinstance(caught.value, RefusedError)


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

    assert (bot_api.messages[0].text, bot_api.messages[0].entities) == ("🚨 HIGH cap: Backing\nloud", ())
    assert sent.notes == (f"sent without formatting: 400 {description}",)


def test_a_text_refused_twice_is_a_refusal_of_this_message(sender: TelegramSender, bot_api: TelegramStandIn) -> None:
    refusal = telegram.error(400, "Bad Request: text must be non-empty")
    bot_api.script(refusal, refusal)

    with pytest.raises(SendError) as caught:
        sender.send(message(), CHAT_OF)

    assert isinstance(caught.value, RefusedError)
    assert caught.value.of_text
    assert len(bot_api.requests) == 2


def test_a_text_found_too_long_goes_in_smaller_pieces(sender: TelegramSender, bot_api: TelegramStandIn) -> None:
    bot_api.script(telegram.error(400, "Bad Request: message is too long"))

    sent = sender.send(message("x" * 2500), CHAT_OF)

    assert "".join(received.text for received in bot_api.messages) == "🚨 HIGH cap: Backing\n" + "x" * 2500
    assert "smaller pieces" in sent.notes[0]
    assert sent.message_ids == (3,)


def test_pieces_found_too_long_are_a_refusal_of_this_message(sender: TelegramSender, bot_api: TelegramStandIn) -> None:
    refusal = telegram.error(400, "Bad Request: MESSAGE_TOO_LONG")
    bot_api.script(refusal, refusal)

    with pytest.raises(SendError) as caught:
        sender.send(message("x" * 2500), CHAT_OF)

    assert isinstance(caught.value, RefusedError)


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


def test_a_name_that_does_not_resolve_and_a_closed_port_may_pass() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    for url in (f"http://127.0.0.1:{port}", "http://no-such-host.invalid"):
        with pytest.raises(SendError, match="cannot connect") as caught:
            send_once({TOKEN_VARIABLE: BOT_TOKEN, "TELEGRAM_API_URL": url})
        assert not isinstance(caught.value, RefusedError)


def test_a_far_side_that_speaks_no_tls_may_pass(bot_api: TelegramStandIn) -> None:
    environ = {TOKEN_VARIABLE: BOT_TOKEN, "TELEGRAM_API_URL": bot_api.url.replace("http:", "https:")}

    with pytest.raises(SendError, match="cannot connect: TLS") as caught:
        send_once(environ)

    assert not isinstance(caught.value, RefusedError)


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
        with pytest.raises(SendError, match="no answer within 1 s"):
            send_once({TOKEN_VARIABLE: BOT_TOKEN, "TELEGRAM_API_URL": url}, timeout_s=1)
        assert time.monotonic() - started_s < 20
        stop.set()
        thread.join(30)
