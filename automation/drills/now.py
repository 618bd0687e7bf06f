"""`drill --people`: asks people now, and shows which of their destinations accepted the message, and after how long."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from automation.drills.ask import ask, can_answer
from automation.drills.step import has_destination
from automation.on_call import path_of
from automation.on_call.chats import with_people
from automation.on_call.load import load_on_call
from automation.on_call.model import OnCall
from monitoring.alerts.delivery.loop import Delivery
from monitoring.alerts.recording.store_alert import AlertOrigin
from monitoring.base.clock import Clock
from monitoring.base.errors import UsageError
from monitoring.base.formatting import format_duration
from monitoring.base.locks.chat_reader import bot_read_now
from monitoring.base.settings import Settings
from monitoring.base.suggest import instead_of
from monitoring.store.db.database import Database
from monitoring.store.maintenance.repair import open_or_repair
from monitoring.store.people import people_drills

_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class PersonAsked:
    """What came of one message: each destination, and after how long it accepted it; none: not yet."""

    person: str
    alert_id: int
    took: dict[str, timedelta | None]
    has_button: bool

    @property
    def is_accepted(self) -> bool:
        return bool(self.took) and None not in self.took.values()

    def as_json(self) -> dict[str, object]:
        took = {name: each.total_seconds() if each is not None else None for name, each in self.took.items()}
        return {"person": self.person, "alert_id": self.alert_id, "accepted_s": took, "has_button": self.has_button}


def people_named(jobs_file: Path, names: Sequence[str]) -> tuple[OnCall, list[str]]:
    """Return the people of on_call.yaml, and whom to drill: those named, else everybody.

    Raises:
        UsageError: nobody is named there, or one of these is not, or is disabled.
        ConfigError: the file has mistakes.
    """
    path = path_of(jobs_file)
    team = load_on_call(path)
    if team is None:
        raise UsageError(f"there is no {path}, so nobody can be drilled: docs/on-call.md shows how to write it")
    for name in names:
        if name not in team.people:
            raise UsageError(f"no person is named {name!r}: {instead_of(name, team.people)}")
        if name not in team.available:
            raise UsageError(f"{name} is disabled in {path.name}: enable them first")
    return team, list(dict.fromkeys(names)) or list(team.available)


def drill_people(
    settings: Settings,
    jobs_file: Path,
    team: OnCall,
    names: Sequence[str],
    clock: Clock,
    *,
    by: str,
    within: timedelta,
    timeout_s: float,
) -> list[PersonAsked]:
    """Ask these people, deliver, and wait until each message is accepted or the time is up.

    Raises:
        UsageError: somebody has no destination of their own, or nothing is sent in this environment.
        StoreError: it could not be stored.
    """
    if settings.in_test_mode or settings.debug:
        raise UsageError("in test mode and with LOG_LEVEL=DEBUG nobody is drilled: remove that from the env file")
    lost = [name for name in names if not has_destination(team, name, settings.environ)]
    if lost:
        raise UsageError(f"{', '.join(lost)}: no destination: set telegram_id in on_call.yaml")
    now = clock.now()
    is_read = bool(bot_read_now(settings.locks, now))
    database, _ = open_or_repair(settings.database, clock)
    with database:
        with database.write() as tx:
            asked: dict[str, int] = {}
            for name in names:
                drill_id = people_drills.plan(tx, name, by, now)
                drill = next(each for each in people_drills.open_ones(tx) if each.id == drill_id)
                limit = within if can_answer(team, name, is_read=is_read) else None
                asked[name] = ask(tx, drill, now, AlertOrigin(), limit)
        sender = Delivery(with_people(settings, jobs_file), settings.database, clock, since=now, at_once=True)
        stop = threading.Event()
        thread = threading.Thread(target=sender.run, args=(stop,), name="delivery", daemon=True)
        thread.start()
        try:
            return _wait(database, asked, clock, timeout_s)
        finally:
            stop.set()
            thread.join()


def _wait(database: Database, asked: dict[str, int], clock: Clock, timeout_s: float) -> list[PersonAsked]:
    deadline, pause = clock.monotonic() + timeout_s, threading.Event()
    while True:
        with database.snapshot() as tx:
            found = [
                PersonAsked(
                    name, alert_id, people_drills.accepted(tx, alert_id), people_drills.had_button(tx, alert_id)
                )
                for name, alert_id in asked.items()
            ]
        if all(each.is_accepted for each in found) or clock.monotonic() > deadline:
            return found
        pause.wait(_POLL_S)


def lines(found: Sequence[PersonAsked], within: timedelta) -> Iterator[tuple[str, str, str]]:
    """Yield person, destination and what came of it."""
    for each in found:
        for destination, took in each.took.items() or [("none", None)]:
            words = f"accepted after {format_duration(took)}" if took is not None else "not accepted yet"
            if destination == "telegram" and took is not None:
                answer = f"waits {format_duration(within)} for the tap" if each.has_button else "no button"
                words = f"{words}, {answer}"
            yield each.person, destination, words
