"""The process around the reader: its lock, its signals, its thread for the minutes, and its restart after an update."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

from automation.listen.answers import AnswerQueue
from automation.listen.dispatch import Dispatcher
from automation.listen.edits import Edits
from automation.listen.loop import MAX_ANSWER_BYTES, ChatReader
from automation.listen.minutes import Minutes
from automation.on_call import path_of
from automation.on_call.load import load_on_call
from automation.on_call.model import OnCall
from automation.schedule.chat_child import PARENT
from automation.sync.git import current_revision
from monitoring.alerts.senders.registry import load_senders
from monitoring.alerts.senders.telegram import DEFAULT_TOKEN
from monitoring.alerts.senders.telegram.bot import BotAccount
from monitoring.base.clock import SystemClock
from monitoring.base.errors import ConfigError, LockedError, UsageError
from monitoring.base.http.client import HttpClient
from monitoring.base.locks.chat_reader import KIND
from monitoring.base.locks.profile_lock import SingleLock, TreeLock, usable_locks
from monitoring.base.process_identity import end_with_parent
from monitoring.base.settings import Settings
from monitoring.store.db.handle import SteadyStore

log = logging.getLogger("automation.listen")

_JOIN_S = 10.0  # how long a delivery in flight may take to end; what is cut off is sent again by the next run


class _Interrupt(BaseException):
    """A signal ends a wait at once. No error: nothing but this module may catch it."""


def listen(settings: Settings, jobs_file: Path) -> int:
    """Read the chat until a signal.

    Raises:
        LockedError: another process of this host reads it already.
    """
    if (parent := settings.environ.get(PARENT)) and not end_with_parent(parent):
        raise UsageError(f"{PARENT}={parent} is not the parent of this process: unset it")
    locks = usable_locks(settings.locks)
    lock = SingleLock(locks, KIND)
    try:
        lock.take_or_refuse()
    except LockedError as error:
        raise LockedError(f"the chat is read already, by {error.holder}: one process of a host is enough") from None
    load_senders()
    load = People(path_of(jobs_file))
    minutes = Minutes(settings, jobs_file, load.to_ask, SystemClock())
    reader = _reader(settings, locks, load, minutes)
    edits = _edits(settings)
    changed = _Revision(settings, locks)
    work = (("minutes", minutes.run), ("edits", edits.run))
    threads = [threading.Thread(target=run, name=name, daemon=True) for name, run in work]
    with _stopping(reader):
        for thread in threads:
            thread.start()
        try:
            reader.run(until=changed)
        finally:
            minutes.stop()
            edits.stop()
            for thread in threads:
                thread.join(_JOIN_S)
    lock.release()
    if not reader.stop.is_set():
        log.info("the checkout is at another revision: starting again with its code")
        sys.stdout.flush()
        sys.stderr.flush()
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - no shell wanted
    return 0


def _reader(settings: Settings, locks: Path, load: Callable[[], OnCall | None], minutes: Minutes) -> ChatReader:
    token = settings.environ[DEFAULT_TOKEN].strip()
    bot = BotAccount(token, settings.environ, HttpClient(settings.environ, max_bytes=MAX_ANSWER_BYTES))
    store, clock = SteadyStore(settings.database, SystemClock()), SystemClock()
    dispatcher = Dispatcher(settings, store, load, token.partition(":")[0])
    return ChatReader(bot, dispatcher, AnswerQueue(store, bot), locks, clock, wake=minutes.wake.set)


def _edits(settings: Settings) -> Edits:
    """Make what changes messages: with a connection of its own, since its thread has its own pace."""
    token, clock = settings.environ[DEFAULT_TOKEN].strip(), SystemClock()
    account = BotAccount.of(token, settings.environ)
    return Edits(SteadyStore(settings.database, clock), account, token.partition(":")[0], clock)


@contextlib.contextmanager
def _stopping(reader: ChatReader) -> Iterator[None]:
    """Let SIGTERM and Ctrl-C end the reader: a wait at once, anything else when it is done."""

    def on_signal(number: int, _frame: FrameType | None) -> None:
        log.info("%s: reading ends", signal.Signals(number).name)
        reader.stop.set()
        if reader.is_waiting:
            raise _Interrupt

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    with contextlib.suppress(_Interrupt):
        yield


class People:
    """on_call.yaml as it is now, read again when it changes; nobody where it has mistakes, which a run reports."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._mark: tuple[int, int, int] | None = None
        self._team: OnCall | None = None
        self._last: OnCall | None = None
        self._lock = threading.Lock()

    def __call__(self) -> OnCall | None:
        with self._lock:
            mark = _mark(self._path)
            if mark != self._mark:
                self._mark, self._team = mark, self._read()
                self._last = self._team or (self._last if mark is not None else None)
            return self._team

    def to_ask(self) -> OnCall | None:
        """Return whom to ask: while the file has mistakes those of its last sound version, rather than nobody."""
        return self() or self._last

    def _read(self) -> OnCall | None:
        try:
            return load_on_call(self._path)
        except ConfigError:
            log.warning("%s has mistakes: nobody may act from the chat; `validate` lists them", self._path)
            return None


class _Revision:
    """Whether the checkout is at another revision than the code of this process, and no sync is changing it."""

    def __init__(self, settings: Settings, locks: Path) -> None:
        self._checkout = settings.checkout
        self._locks = locks
        self._log = settings.checkout / ".git" / "logs" / "HEAD"  # written whenever HEAD moves
        self._mark = _mark(self._log)
        self._loaded = current_revision(settings.checkout)

    def __call__(self) -> bool:
        mark = _mark(self._log)
        if mark == self._mark:
            return False
        tree = TreeLock(self._locks)
        if not tree.hold_shared(0):
            return False
        tree.release()
        self._mark = mark
        return current_revision(self._checkout) != self._loaded


def _mark(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
