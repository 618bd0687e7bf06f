"""No token, address or signing secret shows, whatever the far side does."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from monitoring.alerts.senders.telegram.sender import TelegramSender
from monitoring.alerts.senders.webhook import WebhookSender
from monitoring.base.errors import SendError
from tests.support import fake_telegram as telegram
from tests.support.fake_telegram import BOT_TOKEN, TelegramStandIn
from tests.support.fake_webhook import SECRET, Answer, FakeWebhook
from tests.support.senders import (
    CHAT_OF,
    HOOK,
    REFUSED,
    TOKEN_VARIABLE,
    TRANSIENT,
    apprise_case,
    message,
)

# Apprise imports a module of the standard library that Python 3.13 no longer has (it brings its own stand-in).
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


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


@pytest.mark.parametrize("case", [*TRANSIENT, *REFUSED, "401", "404", "migrated", "accepted"])
def test_no_answer_makes_telegrams_token_show(
    case: str, sender: TelegramSender, bot_api: TelegramStandIn, log: EveryRecord
) -> None:
    answers = {
        **{name: answer for name, (answer, _) in TRANSIENT.items()},
        **REFUSED,
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
    sender = TelegramSender({TOKEN_VARIABLE: BOT_TOKEN, "TELEGRAM_API_URL": url}, 5)

    with closing(sender):
        told = tell(lambda: sender.send(message(), CHAT_OF))

    assert "Error" in told
    assert BOT_TOKEN.split(":")[1] not in told + "\n".join(log.texts)


@pytest.mark.parametrize("token", ["new\nline", "sl/ash?query#part", "größe", "lone\udcff", "a" * 70_000])
def test_no_malformed_token_shows_or_escapes_its_place(token: str, bot_api: TelegramStandIn, log: EveryRecord) -> None:
    secret = f"{token}-tail-of-the-token"
    sender = TelegramSender({TOKEN_VARIABLE: secret, "TELEGRAM_API_URL": bot_api.url}, 5)

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
    sender = WebhookSender({"WEBHOOK_URL_CAP": url, "WEBHOOK_SECRET": SECRET + "\udcff"}, 5)

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
