"""Notes of runs that could not write the ledger, kept in a reserve until a process can import them.

Called by the runner and by `reconcile`.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from monitoring.base.clock import from_text, to_text
from monitoring.base.secrets.redact import excerpt
from monitoring.ledger.cron import Cron
from monitoring.ledger.ticks import nearby, tick_for
from monitoring.store.db.database import Database
from monitoring.store.spool.reserve import BLANK, Reserve, opened
from monitoring.store.tables import runs, schedules
from monitoring.store.tables.runs import RunRow, RunStatus

RESERVE = Reserve("unrecorded.log", "unrecorded", 64 * 1024)
_REASON_CHARS = 300
_FIRST = b'{"ledger_since"'


@dataclass(frozen=True, slots=True)
class SpooledRun:
    """One run, or one tick that came in vain, as the ledger would have had it; `trouble` is why it has not."""

    profile: str
    trigger: str
    tick_at: datetime | None
    started_at: datetime
    ended_at: datetime
    status: RunStatus
    reason: str
    trouble: str
    process: str
    revision: str = ""
    tasks_total: int = 0

    def as_run(self, tick_at: datetime | None) -> RunRow:
        """Return the row.

        Where the ledger was broken the run has failed whatever its tasks did; where it was only busy, nothing was lost.
        """
        ran = self.status in ("ok", "failed") and bool(self.trouble)
        why = f"the ledger could not be written ({cause_of(self.trouble)})"
        reason = f"{why}; {self.reason}" if self.reason else why
        return RunRow(
            id=0, profile=self.profile, tick_at=tick_at, trigger=self.trigger,
            status="failed" if ran else self.status, reason=reason if ran else self.reason,
            started_at=self.started_at, ended_at=self.ended_at, exit_code=self._exit_code(),
            revision=self.revision, held_by=None, process=self.process, tasks_total=self.tasks_total,
        )  # fmt: skip

    def _exit_code(self) -> int | None:
        if self.status == "skipped":
            return None
        return int(self.status != "ok" or bool(self.trouble))


def cause_of(trouble: str) -> str:
    """Return the store's complaint as a few words."""
    if "disk is full" in trouble or "No space left" in trouble:
        return "disk full"
    return excerpt(trouble, _REASON_CHARS)


def places(directory: Path) -> tuple[Path, ...]:
    """Return where notes may lie, the preallocated file of the state directory first."""
    return RESERVE.places(directory)


def own_file(directory: Path) -> Path:
    return RESERVE.own_file(directory)


def prepare(directory: Path, now: datetime) -> None:
    """Allocate the file while there is room.

    Its first line says since when this host keeps a ledger, which outlives a deleted database.
    """
    RESERVE.prepare(directory, json.dumps({"ledger_since": to_text(now)}).encode() + BLANK)


def ledger_since(directory: Path) -> datetime | None:
    """Return since when this host keeps a ledger, by the first line of the file."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError), own_file(directory).open("rb") as file:
        return from_text(json.loads(file.readline())["ledger_since"])
    return None


def write_note(note: SpooledRun, directory: Path) -> Path | None:
    """Keep a note in the first place that takes it; return where, None if no place did."""
    line = json.dumps(
        {
            **{name: getattr(note, name) for name in ("profile", "trigger", "status", "process", "revision")},
            "tick_at": note.tick_at and to_text(note.tick_at),
            "started_at": to_text(note.started_at),
            "ended_at": to_text(note.ended_at),
            "reason": excerpt(note.reason, _REASON_CHARS),
            "trouble": cause_of(note.trouble),
            "tasks_total": note.tasks_total,
        }
    ).encode()
    return next(
        (place for place in places(directory) if _append(place, line, grows=place != own_file(directory))), None
    )


def _append(path: Path, line: bytes, *, grows: bool) -> bool:
    with contextlib.suppress(OSError), opened(path, create=grows) as descriptor:
        return RESERVE.append(descriptor, line)
    return False


def import_notes(database: Database) -> list[RunRow]:
    """Write the rows of all notes into the ledger and forget the notes; return what was written."""
    imported: list[RunRow] = []
    for place in places(database.path.parent):
        if not place.exists():
            continue
        with contextlib.suppress(OSError), opened(place, create=False) as descriptor:
            lines = RESERVE.lines(descriptor)
            notes = [note for note in map(_read, lines) if note is not None]
            if notes:
                imported += _import(database, notes)
                kept = [line for line in lines if line.startswith(_FIRST)]
                RESERVE.rewrite(descriptor, kept, keeps_size=place == own_file(database.path.parent))
    return imported


def _import(database: Database, notes: Sequence[SpooledRun]) -> list[RunRow]:
    written = []
    for note in notes:
        run = note.as_run(note.tick_at or _tick_of(database, note))
        if run.status == "skipped" and run.tick_at is None:
            continue
        with database.write() as tx:
            if runs.import_unrecorded(tx, run):
                written.append(run)
    return written


def _tick_of(database: Database, note: SpooledRun) -> datetime | None:
    """Find the tick a start by the cron daemon answered; the schedule could not be read at the time."""
    cron = schedules.in_force_at(database, note.profile, note.started_at) if note.trigger == "cron" else None
    if cron is None:
        return None
    after, until = nearby(note.started_at)
    answered = runs.answered_ticks(database, note.profile, after, until, but_missed=True)
    return tick_for(Cron.parse(cron), note.started_at, answered)


def _read(line: bytes) -> SpooledRun | None:
    """Read a note; a torn line, or what somebody else wrote there, is none."""
    try:
        found: dict[str, Any] = json.loads(line)
        instants = {name: from_text(found[name]) for name in ("started_at", "ended_at")}
        tick_at = from_text(found["tick_at"]) if found["tick_at"] else None
        return SpooledRun(**{**found, **instants, "tick_at": tick_at})
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
