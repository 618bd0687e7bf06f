"""What the tests of senders share: messages, destinations, and every answer a far side can give."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime

from monitoring.alerts.message.model import Alert
from monitoring.alerts.senders import Accepted, Message, Sent, fingerprint
from monitoring.alerts.senders.apprise import AppriseSender, AppriseUrl
from monitoring.alerts.senders.telegram import TelegramChat
from monitoring.alerts.senders.telegram.sender import TelegramSender
from monitoring.alerts.senders.webhook import Webhook
from tests.support import fake_telegram as telegram
from tests.support.fake_telegram import CHAT
from tests.support.fake_webhook import SECRET, Answer, FakeWebhook

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

    def __call__(self, parts_sent: int, messages: Sequence[Accepted]) -> None:
        self.parts.append((parts_sent, messages[-1].message_id if messages else 0))


HOOK_PATH = "/hooks/path-that-no-log-may-show"


def webhook_environ(hook: FakeWebhook) -> dict[str, str]:
    return {"WEBHOOK_URL_CAP": hook.url + HOOK_PATH, "WEBHOOK_SECRET": SECRET}


def send_once(environ: dict[str, str], destination: TelegramChat = CHAT_OF, timeout_s: float = 5) -> Sent:
    with closing(TelegramSender(environ, timeout_s)) as once:
        return once.send(message(), destination)


HOOK = Webhook("WEBHOOK_URL_CAP")


def apprise_case(hook: FakeWebhook) -> tuple[AppriseSender, AppriseUrl]:
    url = hook.url.replace("http://", "json://") + "/path-that-no-log-may-show"
    sender = AppriseSender({"NOTIFY_URLS_CAP": f"json://127.0.0.1:1/other, {url}"})
    return sender, AppriseUrl("NOTIFY_URLS_CAP", fingerprint(url))


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

REFUSED = {
    "kicked": telegram.error(403, "Forbidden: bot was kicked from the supergroup chat"),
    "blocked": telegram.error(403, "Forbidden: bot was blocked by the user"),
    "deactivated": telegram.error(403, "Forbidden: user is deactivated"),
    "chat not found": telegram.error(400, "Bad Request: chat not found"),
    "no right to write": telegram.error(400, "Bad Request: not enough rights to send text messages to the chat"),
    "an upgrade without an address": telegram.error(400, "Bad Request: group chat was upgraded to a supergroup chat"),
    "unknown": telegram.error(418, "I am a teapot"),
    "too large": telegram.error(413, "Request Entity Too Large"),
}
