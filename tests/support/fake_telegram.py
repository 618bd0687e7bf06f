"""The Bot API tests send to, and every answer of it that they script."""

from __future__ import annotations

from tools.scripted_server import Answer
from tools.telegram_stand_in import Received, TelegramStandIn, main

__all__ = [
    "BOT_TOKEN",
    "CHAT",
    "DRIP",
    "HALF_A_BODY",
    "HANG",
    "HTML",
    "NOT_FOUND",
    "NO_ANSWER",
    "RESET",
    "UNAUTHORISED",
    "WRONG_JSON",
    "Answer",
    "Received",
    "TelegramStandIn",
    "error",
    "migrated_to",
    "too_many_requests",
]

BOT_TOKEN = "123456789:AAExample-token_that_no_log_may_show_0"
CHAT = "-1001234567890"


def error(code: int, description: str, **parameters: object) -> Answer:
    """Return a refusal as the Bot API writes it."""
    body: dict[str, object] = {"ok": False, "error_code": code, "description": description}
    return Answer.of_json(code, body | ({"parameters": parameters} if parameters else {}))


def too_many_requests(retry_after: int) -> Answer:
    return error(429, f"Too Many Requests: retry after {retry_after}", retry_after=retry_after)


def migrated_to(chat_id: int) -> Answer:
    return error(400, "Bad Request: group chat was upgraded to a supergroup chat", migrate_to_chat_id=chat_id)


NOT_FOUND = error(404, "Not Found")
UNAUTHORISED = error(401, "Unauthorized")
HANG = Answer(manner="hang")
RESET = Answer(manner="reset")
NO_ANSWER = Answer(manner="close")
HALF_A_BODY = Answer(200, b'{"ok":true,"result":{"message_id":7}}', manner="half")
DRIP = Answer(200, b'{"ok":true,"result":{"message_id":7}}' + b" " * 10_000, manner="drip")
HTML = Answer(200, b"<html>Welcome to the hotel's network</html>", {"Content-Type": "text/html"})
WRONG_JSON = Answer(200, b'["ok"]', {"Content-Type": "application/json"})

if __name__ == "__main__":
    main()
