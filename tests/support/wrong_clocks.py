"""Lives of a simulated host whose clock is wrong for a while, and what a watch beside the host expects of its ledger.

The watch knows the true time, which processes started, and since when the clock was wrong; it reads no database.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from monitoring.clock import from_text, to_text
from monitoring.errors import StoreError
from monitoring.ledger.cron import Cron
from monitoring.ledger.forgetting import prune_by_a_trusted_clock
from monitoring.store import alerts
from monitoring.store.schema import open_database
from tests.support.simulated_host import Chat, SimulatedHost

BEGINS_AT = datetime(2026, 9, 1, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
CRONS = {"hourly": "5 * * * *", "multisig": "0/10 * * * *"}
JOBS = "profiles:\n" + "".join(
    f"  {name}: {{cron: '{cron}', tasks: [{{name: task, script: check.py}}]}}\n" for name, cron in CRONS.items()
)
# Rows of the right clock before a step stand for the first minutes that come again after it.
_AFTER_A_STEP = 25 * MINUTE


@dataclass(frozen=True)
class Wrong:
    """The clock is off `by` from `since` (true time after the beginning) on, for `lasting`."""

    by: timedelta
    since: timedelta
    lasting: timedelta


@dataclass
class Life:
    """One host through some wrong clocks; in the hour after the second that follows each its scheduler is stopped."""

    directory: Path
    chat: Chat
    wrong: Sequence[Wrong]
    refusals: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.host = SimulatedHost(self.directory, BEGINS_AT, self.chat, JOBS)
        self.host.start_daemon()
        self._started: list[tuple[str, datetime]] = []
        with open_database(self.host.settings.database) as database, database.write() as tx:
            for days in (80, 89):
                alerts.insert(tx, alerts.NewAlert("aave", "HIGH", f"{days} days"), [], BEGINS_AT - days * DAY)

    def live(self, until: timedelta) -> None:
        start_run = self.host.start_run

        def watched(name: str, trigger: str, **more: object) -> None:
            self._started.append((name, self.host.clock.true))
            start_run(name, trigger, **more)  # type: ignore[arg-type]

        self.host.start_run = watched  # type: ignore[method-assign]
        for wrong in self.wrong:
            begins, ends = BEGINS_AT + wrong.since, BEGINS_AT + wrong.since + wrong.lasting
            self.host.at(begins, lambda by=wrong.by: self.host.step_clock(by))
            self.host.at(begins + wrong.lasting / 2, self._prune)
            self.host.at(ends, lambda by=wrong.by: self.host.step_clock(-by))
            # A cron daemon waits on by the clock it armed its timers with; the runbook says to restart it.
            self.host.at(ends + MINUTE, self.host.start_daemon)
            self.host.at(ends + 2 * HOUR, self.host.stop_daemon)
            self.host.at(ends + 3 * HOUR, self.host.start_daemon)
        self.host.until(BEGINS_AT + until)

    def _prune(self) -> None:
        try:
            with open_database(self.host.settings.database) as database:
                prune_by_a_trusted_clock(database, self.host.clock.now(), self.host.boot_seen(), 90 * DAY)
        except StoreError as error:
            self.refusals.append(str(error))

    def _is_judged(self, tick: datetime) -> bool:
        """The clock was right at the tick and some minutes before."""
        return not any(
            BEGINS_AT + wrong.since - MINUTE <= tick <= BEGINS_AT + wrong.since + wrong.lasting + _AFTER_A_STEP
            for wrong in self.wrong
        )

    def expected(self) -> dict[tuple[str, datetime], bool]:
        """Return every tick whose fate the watch knows, and whether a process was started for it."""
        until = self.host.clock.true - 10 * MINUTE
        return {
            (profile, tick): any(name == profile and tick <= at < tick + MINUTE for name, at in self._started)
            for profile, cron in CRONS.items()
            for tick in Cron.parse(cron).ticks(BEGINS_AT, until)
            if self._is_judged(tick)
        }

    def told(self) -> dict[tuple[str, datetime], bool]:
        """Return every tick that the ledger knows of, and whether it says that it ran; as an audit sees it now."""
        facts = self.host.facts(BEGINS_AT - 2 * DAY, self.host.clock.now())
        return {(fate.profile, fate.tick_at): fate.status == "ok" for fate in facts.ticks}

    def reported(self) -> str:
        """Return all that people were told of ticks that did not run."""
        with open_database(self.host.settings.database) as database:
            rows = database.rows("SELECT message FROM alert_events WHERE title = 'Checks did not run' ORDER BY id")
        return "\n".join(row[0] for row in rows)

    def dated_ahead(self) -> list[tuple[object, ...]]:
        """Return what still claims a tick, or a schedule's time, that is still to come."""
        now = to_text(self.host.clock.now() + MINUTE)
        with open_database(self.host.settings.database) as database:
            return database.rows(
                "SELECT tick_at, status FROM runs WHERE tick_at > :now UNION ALL "
                "SELECT reconciled_to, profile FROM schedules WHERE max(reconciled_to, effective_from) > :now",
                {"now": now},
            )

    def kept(self) -> list[datetime]:
        with open_database(self.host.settings.database) as database:
            rows = database.rows("SELECT created_at FROM alert_events WHERE protocol = 'aave' ORDER BY id")
        return [from_text(row[0]) for row in rows]
