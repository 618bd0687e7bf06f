"""A phone for the stand-in of the Bot API: what arrives as lines of a terminal, and lines that tap and write.

`tap 3` taps the only button under message 3, `tap 3 2` its second one, `tap 3 mute` the one whose label begins so. What
begins with / is written to the chat of the newest message, `private /start` to the bot alone, and after `as 222222` you
are another account.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tools.telegram_stand_in import Received, TelegramStandIn

HELP = "Type: tap MESSAGE [BUTTON], /firing, private /start, as ACCOUNT, help"


class Phone:
    """One person at a time, by the number of the account."""

    def __init__(self, stand_in: TelegramStandIn, account: int) -> None:
        self._stand_in = stand_in
        self._account = account

    def do(self, line: str) -> str:
        """Do what a line says; return what to show, nothing where the answer shows it."""
        word, _, rest = line.strip().partition(" ")
        if word.startswith("/"):
            return self._write(line.strip())
        if word == "private" and rest:
            self._stand_in.write(self._account, rest)
            return ""
        if word == "as" and rest.isdecimal():
            self._account = int(rest)
            return f"You are account {self._account} now."
        return self._tap(rest) if word == "tap" and rest else HELP if word else ""

    def _write(self, text: str) -> str:
        newest = self._stand_in.messages[-1] if self._stand_in.messages else None
        chat, topic = (newest.chat_id, newest.thread_id) if newest else ("", None)
        self._stand_in.write(self._account, text, chat, topic=topic)
        return ""

    def _tap(self, said: str) -> str:
        number, _, which = said.partition(" ")
        shown = [each for each in self._stand_in.every_message() if str(each.message_id) == number]
        if not shown:
            return f"There is no message {number}."
        found = _chosen(buttons_of(shown[0]), which.strip().lower())
        if found is None:
            labels = ", ".join(str(button["text"]) for button in buttons_of(shown[0])) or "none"
            return f"Which button? Message {number} has: {labels}"
        self._stand_in.tap(self._account, str(found["callback_data"]), shown[0])
        return f"Account {self._account} taps: {found['text']}"


def buttons_of(message: Received) -> list[Mapping[str, object]]:
    rows = message.payload.get("reply_markup", {}).get("inline_keyboard", [])
    return [button for row in rows for button in row]


def readable(message: Received, what: str = "message") -> str:
    """Return a message as lines of a terminal, with its buttons."""
    topic = "" if message.thread_id is None else f" topic {message.thread_id}"
    sound = "" if what != "message" else ", silently" if message.silent else ", with sound"
    text = "\n".join(f"  | {line}" for line in message.text.split("\n"))
    dates = ", ".join(message.marked("date_time"))
    text += f"\n  (in the reader's own time zone: {dates})" if dates else ""
    labels = " ".join(f"[{number} {button['text']}]" for number, button in enumerate(buttons_of(message), start=1))
    text += f"\n  {labels}" if labels else ""
    reply = f", a reply to {message.reply_to}" if message.reply_to else ""
    place = f"{what} {message.message_id} to chat {message.chat_id}{topic}{sound}{reply}"
    return f"Telegram stand-in: {place}\n{text}"


def _chosen(buttons: Sequence[Mapping[str, object]], which: str) -> Mapping[str, object] | None:
    if not which:
        return buttons[0] if len(buttons) == 1 else None
    if which.isdecimal():
        return buttons[int(which) - 1] if 0 < int(which) <= len(buttons) else None
    return next((button for button in buttons if str(button["text"]).lower().startswith(which)), None)
