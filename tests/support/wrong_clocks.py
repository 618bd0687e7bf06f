"""Lives of a simulated host whose clock is wrong for a while, and what a watch beside the host expects of its ledger.

The watch knows the true time, which processes started, and since when the clock was wrong; it reads no database.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from monitoring.base.clock import from_text, to_text
from monitoring.base.errors import StoreError
from monitoring.ledger.cron import Cron
from monitoring.ledger.forgetting import prune_by_a_trusted_clock
from monitoring.store.db.schema import open_database
from monitoring.store.tables import alerts
from tests.support.simulated_host import SimulatedHost
from tests.support.wrong_clock_alerts import Alerts, MoodyChat

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
    chat: MoodyChat
    wrong: Sequence[Wrong]
    refusals: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.host = SimulatedHost(self.directory, BEGINS_AT, self.chat, JOBS)
        self.alerts = Alerts(self.host, self.chat)
        self.host.start_daemon()
        self._started: list[tuple[str, datetime]] = []

    def live(self, until: timedelta) -> None:
        """Live until then; an alert that is an hour too young to go at the end is there from the beginning."""
        self.young = BEGINS_AT + until - 90 * DAY + HOUR
        with open_database(self.host.settings.database) as database, database.write() as tx:
            alerts.insert(tx, alerts.NewAlert("aave", "HIGH", "young"), [], self.young)
        start_run = self.host.start_run

        def watched(name: str, trigger: str, **more: object) -> None:
            self._started.append((name, self.host.clock.true))
            start_run(name, trigger, **more)  # type: ignore[arg-type]

        self.host.start_run = watched  # type: ignore[method-assign]
        for wrong in self.wrong:
            begins, ends = BEGINS_AT + wrong.since, BEGINS_AT + wrong.since + wrong.lasting
            self.alerts.plant(begins, ends)
            self.host.at(begins, lambda by=wrong.by: self.host.step_clock(by))
            self.host.at(begins + wrong.lasting / 2, self._prune)
            self.host.at(ends, lambda by=wrong.by: self.host.step_clock(-by))
            # A cron daemon waits on by the clock it armed its timers with; the runbook says to restart it.
            self.host.at(ends + MINUTE, self.host.start_daemon)
            self.host.at(ends + 2 * HOUR, self.host.stop_daemon)
            self.host.at(ends + 3 * HOUR, self.host.start_daemon)
        self.host.until(BEGINS_AT + until)

    @property
    def runs(self) -> list[datetime]:
        """When a run started, by the true time."""
        return [at for _, at in self._started]

    def _prune(self) -> None:
        try:
            with open_database(self.host.settings.database) as database:
                prune_by_a_trusted_clock(database, self.host.clock.now(), self.host.boot_seen(), 90 * DAY)
        except StoreError as error:
            self.refusals.append(str(error))

    def _is_judged(self, tick: datetime) -> bool:
        """The clock was right around the tick, and did not show that time once more while it was wrong."""
        return not any(
            begins - MINUTE <= tick <= begins + wrong.lasting + _AFTER_A_STEP
            for wrong in self.wrong
            for begins in (BEGINS_AT + wrong.since, BEGINS_AT + wrong.since + min(wrong.by, timedelta(0)))
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

    def dated_ahead(self) -> list[tuple[object, ...]]:
        """Return what is said to have been missed, or accounted for, that is still to come; runs two days ahead."""
        now, far = (to_text(self.host.clock.now() + by) for by in (MINUTE, 2 * DAY))
        with open_database(self.host.settings.database) as database:
            return database.rows(
                "SELECT tick_at, status FROM runs WHERE tick_at > iif(process IS NULL, :now, :far) UNION ALL "
                "SELECT reconciled_to, profile FROM schedules WHERE max(reconciled_to, effective_from) > :now",
                {"now": now, "far": far},
            )

    def kept(self) -> list[datetime]:
        with open_database(self.host.settings.database) as database:
            rows = database.rows("SELECT created_at FROM alert_events WHERE protocol = 'aave' ORDER BY id")
        return [from_text(row[0]) for row in rows]
