"""`init`: from a clone to alerts that arrive: bot, chat, endpoints and what is watched, asked for or by flags."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from automation.cli.console import write_exactly
from automation.setup.chain_child import ChainReader
from automation.setup.dialogue import Dialogue
from automation.setup.endpoints import checked, read_wish, variable
from automation.setup.file_plan import FilePlan
from automation.setup.finish import finish
from automation.setup.state_before import state_before
from automation.setup.telegram import ChatWish, chat_variables, checked_bot, chosen_chat
from automation.setup.watch import WatchWish, read_watch
from automation.setup.watching import Watching
from monitoring.alerts.senders.telegram import DEFAULT_CHAT, DEFAULT_TOKEN
from monitoring.base.clock import parse_duration
from monitoring.base.errors import UsageError
from monitoring.base.settings import ENV_FILE, Settings, load_settings

HELP = "set up bot, chat, endpoints and your own watch; again to change them"
EXAMPLES = """\
python -m automation init                                  # asks; run again, it asks only for what is missing
python -m automation init --chat -1001234567890 --yes      # asks nothing, changes the chat
export BOT=123:AAE…
python -m automation init --bot-token-env BOT --chat -1001234567890     # the variable of the line above
python -m automation init --dry-run                        # shows the files, writes none"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    token = parser.add_mutually_exclusive_group()
    token.add_argument("--bot-token-env", metavar="NAME", help="the bot's token is in this environment variable")
    token.add_argument("--bot-token-stdin", action="store_true", help="the bot's token is the first line of stdin")
    parser.add_argument("--chat", default="", metavar="ID", help="chat that gets the alerts")
    parser.add_argument("--topic", default="", metavar="ID", help="topic of that chat")
    parser.add_argument(
        "--rpc", action="append", default=[], metavar="CHAIN=URL", help="your endpoint of a chain; may be repeated"
    )
    watched = (
        "safe:CHAIN:ADDRESS (or timelock, vault, token, contract), an address of mainnet, http:URL or host; "
        "may be repeated"
    )
    parser.add_argument("--watch", action="append", dest="wishes", default=[], metavar="WHAT", help=watched)
    named = "name of the --watch before it"
    parser.add_argument("--name", action="append", dest="wishes", type=_WishName, metavar="NAME", help=named)
    parser.add_argument("--examples", choices=("on", "off"), default="", help="switch the shipped examples")
    parser.add_argument("--env-file", type=Path, metavar="PATH", help="env file to write (default: the one in use)")
    parser.add_argument("--wait", default="2m", metavar="TIME", help="how long to wait for a message (default 2m)")
    parser.add_argument("--yes", action="store_true", help="ask nothing")
    parser.add_argument("--dry-run", action="store_true", help="show the files, write none, send nothing")


def run(args: argparse.Namespace, settings: Settings) -> int:
    plan = FilePlan(_env_file(args, settings), settings.checkout)
    dialogue = Dialogue.on_this_terminal(is_wanted=not (args.yes or args.bot_token_stdin))
    known = {**plan.values, **settings.environ}
    wish = ChatWish(_token(args), args.chat, _topic(args.topic), parse_duration(args.wait).total_seconds())

    def reader() -> ChainReader:
        return ChainReader(settings.checkout, {**known, **plan.env})

    token, bot = checked_bot(wish, known, dialogue)
    chat, topic = chosen_chat(wish, bot, known, dialogue)
    for chain, url in map(read_wish, args.rpc):
        plan.env[variable(chain)] = checked(chain, url, reader(), dialogue)
    watching = Watching(plan, args.config, dialogue, reader)
    watched = [watching.add(one) for one in _wishes(args.wishes)] or watching.ask()
    watching.examples(args.examples or _asked_examples(watching, dialogue))
    found = {DEFAULT_TOKEN: token} if token else {}
    found |= chat_variables(chat, topic, [watch.name for watch in watched])
    plan.env |= {name: value for name, value in found.items() if known.get(name) != value}

    write_exactly(f"\n{plan.shown()}")  # files are shown as they are: no line of them is wrapped, no address shortened
    if not _is_agreed(plan, settings, dialogue, is_dry=args.dry_run):
        return 0
    for name in plan.write():
        dialogue.say(f"written: {name}")
    for name in (name for name in plan.env if os.environ.get(name, plan.env[name]) != plan.env[name]):
        dialogue.say(f"note: this shell sets {name}, which goes before the env file here")
    return finish(
        args.config, settings.checkout, plan.env_file, dialogue, drill=_can_send({**plan.values, **settings.environ})
    )


def _is_agreed(plan: FilePlan, settings: Settings, dialogue: Dialogue, *, is_dry: bool) -> bool:
    """Say where alerts are stored and what waits there; then ask whether to send that and to write the files."""
    before = state_before(_settings_then(plan, settings).database)
    dialogue.say(before.line)
    questions = ["Write this?"] if plan.changes() else []
    if before.waiting and not {DEFAULT_TOKEN, DEFAULT_CHAT}.isdisjoint(plan.env):
        dialogue.say(before.warning)
        questions.insert(0, "Send what waits from before?")
    if is_dry:
        return False
    is_agreed = all(dialogue.confirm(question) for question in questions)
    if not is_agreed:
        dialogue.say("Nothing was written.")
    return is_agreed


def _settings_then(plan: FilePlan, settings: Settings) -> Settings:
    """Return the settings of a run after this: those by the env file that is written."""
    if not plan.env_file.exists():
        return settings
    return load_settings({**os.environ, "MONITORING_ENV_FILE": str(plan.env_file)}, settings.checkout)


class _WishName(str):
    """The value of a `--name`, which stands between those of `--watch`."""

    __slots__ = ()


def _wishes(given: list[str]) -> list[WatchWish]:
    """Return each `--watch` with the `--name` behind it."""
    found: list[WatchWish] = []
    for place, text in enumerate(given):
        following = given[place + 1] if place + 1 < len(given) else ""
        if not isinstance(text, _WishName):
            found.append(read_watch(text, following if isinstance(following, _WishName) else ""))
        elif place == 0 or isinstance(given[place - 1], _WishName):
            raise UsageError(f"--name {text} names the --watch before it: write --watch WHAT --name {text}")
    return found


def _asked_examples(watching: Watching, dialogue: Dialogue) -> str:
    """Ask once, when the team's own file is begun."""
    if not dialogue.is_open or watching.jobs_file.exists():
        return ""
    wanted = dialogue.confirm("Run the shipped examples too? They watch protocols of other people", default=False)
    return "on" if wanted else "off"


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
