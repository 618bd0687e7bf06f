"""Whether somebody reads a bot's chat on this host now: asked by senders before they put buttons under a message.

The reader (`python -m automation listen`) holds `listen.lock` and writes `listen.json` next to it after each poll.
Both must agree: a lock alone says that a process lives, a file alone that one did.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

from monitoring.base.clock import instant_or_none, to_text
from monitoring.base.locks.profile_lock import Holder, is_held, single_lock_path, usable_locks

KIND = "listen"
FILE = "listen.json"
# A poll takes half a minute and an outage of the network is reported at once: after this nobody reads.
FRESH = timedelta(minutes=3)
_LONGEST = 4096  # ours take some hundred bytes; what is longer, however deep it nests, is not ours


@dataclass(frozen=True, slots=True)
class ReaderState:
    """What a reader says of itself: its bot (the number of the account and the name), its newest poll that worked.

    `problem` says why it does not read, since `since`; empty while it does. Instants as text of ours.
    """

    bot: str = ""
    username: str = ""
    polled_at: str = ""
    problem: str = ""
    since: str = ""


def bot_read_now(locks: Path, now: datetime) -> str:
    """Return the number of the bot whose chats are read on this host now, nothing if none is.

    It costs one look at a file where nobody reads, and never raises.
    """
    directory = usable_locks(locks)
    if not (directory / FILE).exists():
        return ""
    state = read_state(directory)
    polled_at = instant_or_none(state.polled_at)
    is_fresh = polled_at is not None and abs(now - polled_at) <= FRESH
    return state.bot if is_fresh and not state.problem and holder(directory) is not None else ""


def holder(locks: Path) -> Holder | None:
    """Return the process that reads the chat, whether its polls work or not."""
    return is_held(single_lock_path(usable_locks(locks), KIND))


def read_state(locks: Path) -> ReaderState:
    """Return what the reader wrote last; what cannot be read says nothing."""
    try:
        with (usable_locks(locks) / FILE).open("rb") as file:
            found = json.loads(file.read(_LONGEST))
        return ReaderState(**{name: str(found[name]) for name in ReaderState.__slots__})
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return ReaderState()


def write_state(locks: Path, state: ReaderState) -> None:
    """Replace what was written; a full disk makes the reader look dead, which costs buttons and nothing else."""
    path = locks / FILE
    draft = path.with_name(f".{FILE}.{os.getpid()}")
    with suppress(OSError):
        draft.write_text(json.dumps(asdict(state)), encoding="utf-8")
        draft.replace(path)


def state_of_poll(before: ReaderState, now: datetime, problem: str = "") -> ReaderState:
    """Return the state after one poll; a problem keeps the instant since which it is there."""
    if not problem:
        return ReaderState(before.bot, before.username, to_text(now))
    since = before.since if before.problem == problem else to_text(now)
    return ReaderState(before.bot, before.username, before.polled_at, problem, since)
