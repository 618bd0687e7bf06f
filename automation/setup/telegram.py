"""The bot and the chat: checked with Telegram before they are written, found where nobody knows the id.

Updates are read only from a bot that nobody else reads: not with a webhook, not after a conflict.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from automation.setup.dialogue import Dialogue
from monitoring.alerts.channels import DIGEST_CHANNEL, variable_part
from monitoring.alerts.senders.telegram import DEFAULT_CHAT, DEFAULT_TOKEN, TOPICS_CHAT
from monitoring.alerts.senders.telegram.bot import BotAccount, BotError, BotProblem, Chat
from monitoring.base.errors import UsageError

HOW_TO_GET_A_BOT = """\
Alerts go to a Telegram chat by a bot of your own. To get one, open
https://t.me/BotFather in Telegram, send /newbot, choose a name, and copy the
token it answers with."""
HOW_TO_BE_FOUND = """\
Write any message to @{bot} now.
For a group: add the bot to it and write /start@{bot} there,
for a topic in that topic. Waiting up to {seconds:.0f} s …"""
_TOKEN = re.compile(r"[0-9]{1,20}:[A-Za-z0-9_-]{10,}")
_CHAT_ID = re.compile(r"-?[0-9]{1,20}|@[A-Za-z][A-Za-z0-9_]{3,31}")
_TOPIC_OF_ALL = f"TELEGRAM_TOPIC_ID_{variable_part(DIGEST_CHANNEL)}"
_PAUSE_S = 2.0


@dataclass(frozen=True, slots=True)
class ChatWish:
    """What the command line says of bot and chat; empty where it says nothing."""

    token: str = field(default="", repr=False)
    chat: str = ""
    topic: str = ""
    wait_s: float = 120


def checked_bot(wish: ChatWish, known: Mapping[str, str], dialogue: Dialogue) -> tuple[str, BotAccount | None]:
    """Return the token to use and its bot: of the command line, else of the env file, else asked for; checked by getMe.

    Raises:
        UsageError: the token is refused, or Telegram cannot be asked.
    """
    token = wish.token or known.get(DEFAULT_TOKEN, "").strip()
    if token:
        return token, _bot(token, known, dialogue)
    if not dialogue.is_open:
        return "", None
    dialogue.say(HOW_TO_GET_A_BOT)
    found: list[BotAccount | None] = []

    def use(answer: str) -> str:
        found[:] = [_bot(answer, known, dialogue) if answer else None]
        return answer

    return dialogue.until_usable(lambda: dialogue.secret("Bot token, Enter to do it later"), use), found[0]


def _bot(token: str, environ: Mapping[str, str], dialogue: Dialogue) -> BotAccount:
    if not _TOKEN.fullmatch(token):
        raise UsageError("this is not a bot token: it looks like 123456789:AAE… (number, colon, letters)")
    bot = BotAccount.of(token, environ)
    try:
        name = bot.username()
    except BotError as error:
        if error.problem is BotProblem.TOKEN_REFUSED:
            raise UsageError(f"Telegram refuses this token ({error}): copy it again from @BotFather") from None
        raise UsageError(f"Telegram could not be asked about the token: {error}") from None
    dialogue.say(f"ok: the token belongs to @{name}")
    return bot


def chosen_chat(
    wish: ChatWish, bot: BotAccount | None, known: Mapping[str, str], dialogue: Dialogue
) -> tuple[str, str]:
    """Return chat and topic: of the command line, else of the env file, else found; empty where none was chosen.

    Raises:
        UsageError: the chat is not visible to the bot, or its id is malformed.
    """
    usual = known.get(_TOPIC_OF_ALL, "").strip()
    if wish.chat:
        _look_at(wish.chat, bot, dialogue)
        return wish.chat, wish.topic or usual
    chat = known.get(DEFAULT_CHAT, "").strip()
    if chat or bot is None:
        return chat, wish.topic or usual
    found = find_chat(bot, dialogue, wish.wait_s)
    return (found.id, wish.topic or str(found.thread_id or "")) if found else ("", "")


def chat_variables(chat: str, topic: str, channels: Sequence[str]) -> dict[str, str]:
    """Return the variables of a chat; of a topic one for the digest and for each channel."""
    if not chat:
        return {}
    if not topic:
        return {DEFAULT_CHAT: chat}
    named = {f"TELEGRAM_TOPIC_ID_{variable_part(channel)}": topic for channel in (DIGEST_CHANNEL, *channels)}
    return {DEFAULT_CHAT: chat, TOPICS_CHAT: chat, **named}


def _look_at(chat: str, bot: BotAccount | None, dialogue: Dialogue) -> None:
    """Show a chat whose id was given; one that the bot cannot see is refused."""
    if not _CHAT_ID.fullmatch(chat):
        raise UsageError(f"{chat!r} is not a chat id: write an integer such as -1001234567890, or @name")
    if bot is None:
        return
    try:
        dialogue.say(f"ok: the chat is {bot.chat(chat)}")
    except BotError as error:
        raise UsageError(
            f"the bot cannot see chat {chat} ({error}): add the bot to the group, or write to it once, then try again"
        ) from None


def find_chat(
    bot: BotAccount,
    dialogue: Dialogue,
    wait_s: float,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> Chat | None:
    """Return the chat in which somebody wrote to the bot, after the person said yes to it; None if there is none.

    Without a person to ask nothing is read and nothing is found.
    """
    if not dialogue.is_open:
        return None
    try:
        if bot.has_webhook():
            dialogue.say("This bot has a webhook: another program gets its messages.\nThey are not read here.")
            return _by_id(bot, dialogue)
        dialogue.say(HOW_TO_BE_FOUND.format(bot=bot.username(), seconds=wait_s))
        refused: set[tuple[str, int | None]] = set()
        deadline = clock() + wait_s
        while clock() < deadline:
            for chat in (one for one in bot.chats() if (one.id, one.thread_id) not in refused):
                if dialogue.confirm(f"Found {chat}. Send alerts there?"):
                    return chat
                refused.add((chat.id, chat.thread_id))
            pause(_PAUSE_S)
        dialogue.say("No message arrived.")
    except BotError as error:
        words = error.problem.value if error.problem is BotProblem.OTHER_READER else str(error)
        dialogue.say(f"Its messages cannot be read here: {words}.")
    return _by_id(bot, dialogue)


def _by_id(bot: BotAccount, dialogue: Dialogue) -> Chat | None:
    def use(answer: str) -> str:
        if answer:
            _look_at(answer, bot, dialogue)
        return answer

    asked = dialogue.until_usable(lambda: dialogue.ask("Chat id, Enter to do it later"), use)
    return Chat(asked, "chat", "") if asked else None
