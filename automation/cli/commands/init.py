"""`init`: from a clone to alerts that arrive: bot, chat, endpoints and what is watched, asked for or by flags."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from automation.setup.dialogue import Dialogue
from automation.setup.file_plan import FilePlan
from automation.setup.finish import finish
from automation.setup.telegram import ChatWish, chat_variables, checked_bot
from monitoring.alerts.senders.telegram import DEFAULT_CHAT, DEFAULT_TOKEN
from monitoring.base.clock import parse_duration
from monitoring.base.errors import UsageError
from monitoring.base.settings import ENV_FILE, Settings

HELP = "set up bot, chat, endpoints and your own watch; again to change them"
EXAMPLES = """\
python -m automation init                                  # asks; run again, it asks only for what is missing
python -m automation init --chat -1001234567890 --yes      # asks nothing, changes the chat
BOT=123:AAE… python -m automation init --bot-token-env BOT --chat -1001234567890
python -m automation init --dry-run                        # shows the files, writes none"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    token = parser.add_mutually_exclusive_group()
    token.add_argument("--bot-token-env", metavar="NAME", help="the bot's token is in this environment variable")
    token.add_argument("--bot-token-stdin", action="store_true", help="the bot's token is the first line of stdin")
    parser.add_argument("--chat", default="", metavar="ID", help="chat that gets the alerts")
    parser.add_argument("--topic", default="", metavar="ID", help="topic of that chat")
    parser.add_argument("--env-file", type=Path, metavar="PATH", help="env file to write (default: the one in use)")
    parser.add_argument("--wait", default="2m", metavar="TIME", help="how long to wait for a message (default 2m)")
    parser.add_argument("--yes", action="store_true", help="ask nothing")
    parser.add_argument("--dry-run", action="store_true", help="show the files, write none, send nothing")


def run(args: argparse.Namespace, settings: Settings) -> int:
    plan = FilePlan(_env_file(args, settings), settings.checkout)
    dialogue = Dialogue.on_this_terminal(is_wanted=not (args.yes or args.bot_token_stdin))
    known = {**settings.environ, **plan.values}
    wish = ChatWish(_token(args), args.chat, _topic(args.topic), parse_duration(args.wait).total_seconds())

    token, bot = checked_bot(wish, known, dialogue)
    found = {DEFAULT_TOKEN: token} if token else {}
    found |= chat_variables(wish, bot, known, [], dialogue)
    plan.env |= {name: value for name, value in found.items() if known.get(name) != value}

    dialogue.say(f"\n{plan.shown()}")
    if args.dry_run:
        return 0
    if plan.changes() and not dialogue.confirm("Write this?"):
        dialogue.say("Nothing was written.")
        return 0
    for name in plan.write():
        dialogue.say(f"written: {name}")
    for name in (name for name in plan.env if os.environ.get(name, plan.env[name]) != plan.env[name]):
        dialogue.say(f"note: this shell sets {name}, which goes before the env file here")
    return finish(args.config, settings.checkout, plan.env_file, dialogue, drill=_can_send({**known, **plan.values}))


def _env_file(args: argparse.Namespace, settings: Settings) -> Path:
    """Return the file to write: the one asked for, the one in use, a host's, else one in the checkout."""
    if args.env_file:
        return Path(args.env_file).expanduser().absolute()
    if settings.env_file is not None:
        return settings.env_file.absolute()
    return ENV_FILE if ENV_FILE.parent.is_dir() else settings.checkout / ".env"


def _token(args: argparse.Namespace) -> str:
    if args.bot_token_stdin:
        return sys.stdin.readline().strip()
    if not args.bot_token_env:
        return ""
    token = os.environ.get(args.bot_token_env, "").strip()
    if not token:
        raise UsageError(f"--bot-token-env {args.bot_token_env}: this variable is not set or empty")
    return token


def _topic(text: str) -> str:
    if text and not re.fullmatch(r"[1-9][0-9]{0,17}", text):
        raise UsageError(f"--topic {text} is not a topic id: write a positive integer")
    return text


def _can_send(environ: Mapping[str, str]) -> bool:
    return all(environ.get(name, "").strip() for name in (DEFAULT_TOKEN, DEFAULT_CHAT))
