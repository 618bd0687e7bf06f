"""What the runner, the store and delivery report of themselves, for the file of all messages."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from automation.runner.notifications import Reporting
from automation.runner.run_record import RunRecord
from automation.runner.store_failure import text_of
from automation.sync.attempt import SyncResult
from automation.sync.probation import Probation
from automation.sync.state import SyncStatus
from monitoring.alerts.delivery import outbox
from monitoring.alerts.delivery.coalesce import Folded, Why, fold
from monitoring.alerts.delivery.fallback_send import send_directly
from monitoring.alerts.delivery.spooled import Unstored, keep, store_kept
from monitoring.alerts.drill import drill
from monitoring.alerts.message.model import Alert, Severity
from monitoring.alerts.recording.store_alert import NOBODY, record
from monitoring.base.clock import Clock, SystemClock
from monitoring.base.errors import ConfigError
from monitoring.ledger.reconcile import Reconciled
from monitoring.ledger.ticks import Unanswered
from monitoring.store.db.lost import reopen
from monitoring.store.db.schema import open_database
from monitoring.store.maintenance.repair import open_or_repair
from monitoring.store.maintenance.restore import put_in_place, staged
from monitoring.store.spool import unstored
from monitoring.store.spool.unstored import Kept
from tests.support.chain_clock import ManualClock
from tests.support.fake_telegram import TelegramStandIn
from tests.support.outbox import Outbox, settings_for

REVISION, BEFORE, REFUSED = "5c" * 20, "a1" * 20, "e7" * 20


def _reporting(store: Path, clock: Clock) -> Reporting:
    store.mkdir(exist_ok=True)
    record_of_run = RunRecord(store / "monitoring.db", "hourly", "cron", clock, clock.now())
    settings = settings_for(store, {})
    return Reporting(settings, record_of_run, clock, settings.checkout / "automation" / "jobs.yaml")


def played_sync(folder: Path, start: datetime) -> Path:
    store, clock = folder / "store-sync", ManualClock(start)
    reporting = _reporting(store, clock)
    gone = Probation(REFUSED, REVISION, start, taken_back="profile hourly ended with 1 three times in a row")
    for result in (
        SyncResult(SyncStatus.REFUSED, REVISION, "jobs.yaml, line 12: unknown key `tiemout`", candidate=REFUSED),
        SyncResult(SyncStatus.UPDATED, REVISION, ""),
        SyncResult(SyncStatus.FAILED, REVISION, "git fetch: could not resolve host github.com", failures=6),
        SyncResult(SyncStatus.UNCHANGED, REVISION, ""),
        SyncResult(SyncStatus.REFUSED, REVISION, gone.taken_back, candidate=REFUSED, taken_back=gone),
    ):
        reporting.synced(result)
        clock.advance(600)
    return store


def played_runs(folder: Path, start: datetime) -> Path:
    store, clock = folder / "store-runs", ManualClock(start)
    reporting = _reporting(store, clock)
    reporting.refused_config("hourly", ConfigError(["jobs.yaml:12: unknown key `tiemout`: did you mean timeout?"]))
    clock.advance(600)
    reporting.accepted_config("hourly")
    ticks = [Unanswered("hourly", start - timedelta(hours=hours), "missed", "the host was off") for hours in (3, 2, 1)]
    skipped = Unanswered("multisig", start, "skipped", "the run before was still going")
    reporting.unanswered(Reconciled([41], [*ticks, skipped]))
    return store


def played_drill(folder: Path, start: datetime) -> Path:
    store = folder / "store-drill"
    store.mkdir()
    drill(settings_for(store, {}), ManualClock(start), channel="aave", timeout_s=-1, origin=NOBODY, delivers=False)
    return store


def played_restore(folder: Path, start: datetime) -> Path:
    store, clock = folder / "store-restored", ManualClock(start)
    path, backup = store / "monitoring.db", folder / "monitoring-2026-01-01.db"
    store.mkdir()
    open_database(backup).close()
    open_database(path).close()
    with staged(backup, path) as ready:
        put_in_place(ready, backup, path, clock, by="ops", is_alive=lambda _: False)
    return store


def played_lost(folder: Path, start: datetime) -> Path:
    store, clock = folder / "store-lost", ManualClock(start)
    path = store / "monitoring.db"
    store.mkdir()
    lost = open_database(path)
    record(lost, Alert("HIGH", "USDC is 95% borrowed", protocol="aave"), now=start)
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    reopen(lost, clock).close()
    return store


def played_damage(folder: Path, start: datetime) -> Path:
    store, clock = folder / "store-damaged", ManualClock(start)
    path = store / "monitoring.db"
    store.mkdir()
    path.write_bytes(b"not a database, " * 1000)
    open_or_repair(path, clock)[0].close()
    return store


def played_delivery(folder: Path, start: datetime) -> Path:
    store = folder / "store-delivery"
    with open_database(store / "monitoring.db") as database:
        record(database, Alert("HIGH", "USDC is 95% borrowed", protocol="aave"), now=start)
        with database.write() as tx:
            outbox.drop(tx, [1], who="ops", reason="the group was deleted", now=start)
        record(database, Alert("HIGH", "DAI is 95% borrowed", protocol="aave"), now=start)
        with database.write() as tx:
            outbox.give_up_old(tx, start + timedelta(days=31), NOBODY)
    return store


class _WallClock(SystemClock):
    """A wall clock that is set by hand, over a stopwatch that runs."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


def played_refusal(folder: Path, start: datetime) -> Path:
    store, clock = folder / "store-refusal", _WallClock(start)
    with TelegramStandIn() as telegram:
        box = Outbox(store, telegram.url, {"TELEGRAM_CHAT_ID_AAVE": "-100777"}, clock=clock)
        telegram.kicked_from.add("-100777")
        record(box.database, Alert("HIGH", "USDC is 95% borrowed", protocol="aave"), now=start)
        box.drain(within_s=5)
        telegram.kicked_from.clear()
        clock.at += timedelta(minutes=2)
        box.drain(within_s=5)
        box.close()
    return store


def played_full_reserve(folder: Path, start: datetime) -> Path:
    store = folder / "store-reserve"
    with open_database(store / "monitoring.db") as database:
        unstored.prepare(store)
        found = [Unstored(Alert("LOW", f"low {number}", "x" * 2000, protocol="aave")) for number in range(200)]
        keep(found, store, start, NOBODY)
        store_kept(database, start)
        with database.write() as tx:
            tx.execute("DELETE FROM deliveries")
            tx.execute("DELETE FROM alert_events WHERE source <> 'ops_error'")
    return store


def direct_messages(folder: Path) -> Iterator[str]:
    """What goes around the database."""
    (folder / "direct").mkdir()
    with TelegramStandIn() as telegram:
        box = Outbox(folder / "direct", telegram.url)
        settings = settings_for(folder, box.environ)
        lost = ["aave: CRITICAL aave: USDC is 99% borrowed", "pegs: HIGH pegs: stETH: depegged"]
        text = text_of("the disk is full", Kept(), lost, "/var/lib/monitoring")
        assert send_directly(settings, text) == []
        why = "hourly did not run: too few file descriptors (Too many open files): look at `ulimit -n`"
        assert send_directly(settings, why, title="Checks do not run") == []
        box.close()
        yield from (f"{message.text}\n" for message in telegram.messages)


def fold_of_many(start: datetime) -> Alert:
    severities = (Severity.LOW, Severity.HIGH, Severity.LOW)
    found = [
        Folded(number, each, "aave", f"market {number}: bad debt", start) for number, each in enumerate(severities, 1)
    ]
    return fold(found, next(iter(Why)), start)
