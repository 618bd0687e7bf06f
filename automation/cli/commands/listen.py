"""`listen`: reads what people write to the bot, and asks people each minute about incidents on which nobody acts."""

from __future__ import annotations

import argparse
from pathlib import Path

from monitoring.base.errors import UsageError
from monitoring.base.settings import Settings

HELP = "read the chat: buttons, commands, escalation each minute"
EXAMPLES = """\
python -m automation listen   # until Ctrl-C; usually the unit monitoring-chat or `up` starts it"""
_TOKEN = "TELEGRAM_BOT_TOKEN_DEFAULT"  # noqa: S105 - a variable's name


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take none but the common ones."""
    del parser


def run(args: argparse.Namespace, settings: Settings) -> int:
    if not settings.environ.get(_TOKEN, "").strip():
        raise UsageError(f"{_TOKEN} is not set: there is no bot to read")
    if settings.debug:
        raise UsageError("LOG_LEVEL=DEBUG sends nothing, so nobody could be answered: set another level")
    from automation.listen.process import listen

    return listen(settings, Path(args.config).absolute())
