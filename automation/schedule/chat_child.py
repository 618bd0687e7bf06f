"""The reader of the chat as a child of `up`: started where on_call.yaml names somebody with a Telegram account."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from automation.schedule.tended_child import TendedChild
from monitoring.base.errors import ConfigError
from monitoring.base.settings import Settings

PARENT = "AUTOMATION_LISTEN_PARENT"
_TOKEN = "TELEGRAM_BOT_TOKEN_DEFAULT"  # noqa: S105 - a variable's name


def chat_child(
    command: Sequence[str], environ: Mapping[str, str], settings: Settings, jobs_file: Path
) -> tuple[TendedChild | None, str]:
    """Return the child that reads the chat, None where there is nothing to read, and a line that says which."""
    path = jobs_file.with_name("on_call.yaml")
    if not path.exists():
        return None, ""
    from automation.on_call.load import load_on_call  # noqa: PLC0415 - most hosts have no such file

    try:
        team = load_on_call(path)
    except ConfigError:
        return None, f"the chat is not read: {path.name} has mistakes, `validate` lists them"
    names = [name for name, person in team.people.items() if person.telegram_id is not None] if team else []
    if not names:
        return None, f"the chat is not read: nobody in {path.name} has a telegram_id"
    if not settings.environ.get(_TOKEN, "").strip() or settings.debug:
        return None, "the chat is not read: there is no bot, or LOG_LEVEL=DEBUG"
    child = TendedChild("the reader of the chat", {**environ, PARENT: str(os.getpid())}, command)
    return child, f"reading the chat: {', '.join(names)} may act from there"
