"""A run that soon ends loads what delivers and reports only if there may be something to deliver or to report."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from automation.runner import outgoing, run_delivery
from automation.runner.run_delivery import RunDelivery
from automation.runner.run_record import RunRecord
from monitoring.alerts.delivery.loop import Delivery
from monitoring.alerts.message.model import Alert, Severity
from monitoring.alerts.recording.acknowledge import acknowledge_in
from monitoring.alerts.recording.store_alert import raise_in
from monitoring.base.clock import SystemClock
from monitoring.conditions.condition import ConditionKey
from monitoring.store.db.database import Database
from monitoring.store.db.schema import open_database
from monitoring.store.queries.delivery_work import has_work
from monitoring.store.tables import conditions, deliveries, rate_limits, silences
from tests.support.child import run_child
from tests.support.fake_telegram import BOT_TOKEN, CHAT, TelegramStandIn
from tests.support.outbox import settings_for

NOW = datetime.now(UTC)
BEFORE = NOW - timedelta(hours=2)
KEY = ConditionKey("aave", "utilisation", 1, "USDC")
REPORTS = """
import sys
from pathlib import Path
from automation.executor.task import TaskResult, TaskStatus
from automation.jobs.model import Profile
from automation.jobs.referenced_monitors import ReferencedMonitors
from automation.runner.notifications import Reporting
from automation.runner.run_delivery import RunDelivery
from automation.runner.run_record import RunRecord
from monitoring.base.clock import SystemClock
from monitoring.base.settings import Settings
from monitoring.ledger.cron import Cron

folder, clock = Path(sys.argv[1]), SystemClock()
settings = Settings({}, folder, folder)
record = RunRecord(settings.database, "hourly", "cron", clock, clock.now())
record.begin(None, None, "", 1)
reporting = Reporting(settings, record, clock, folder / "jobs.yaml")
profile = Profile(name="hourly", cron=Cron.parse("5 * * * *"), tasks=())
reporting.accepted_config("hourly")
reporting.no_longer_watched(ReferencedMonitors(frozenset({"aave"}), frozenset({"aave"})))
reporting.digest(profile, [TaskResult("one", TaskStatus.OK, "", clock.now(), clock.now())])
reporting.first_day()
reporting.ended_pauses()
reporting.escalate()
assert RunDelivery(settings, record, clock, folder / "jobs.yaml").drain() is None
record.close()
print(*sys.modules)
"""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with open_database(tmp_path / "monitoring.db") as opened:
        yield opened


def fire(database: Database, at: datetime) -> None:
    with database.write() as tx:
        raise_in(tx, Alert(Severity.HIGH, "The vault is empty", protocol="aave", key=KEY.text), now=at, key=KEY)


def send_all(database: Database) -> None:
    with database.write() as tx:
        tx.execute("UPDATE deliveries SET status = 'delivered'")


def silence(database: Database, ends_at: datetime) -> None:
    with database.write() as tx:
        silences.add(tx, "aave", None, now=BEFORE, ends_at=ends_at, reason="upgrade", created_by="ana")


def waiting(database: Database) -> None:
    fire(database, BEFORE)


def firing_while_silenced(database: Database) -> None:
    silence(database, NOW - timedelta(hours=1))
    fire(database, BEFORE + timedelta(minutes=1))


def acknowledged(database: Database) -> None:
    fire(database, BEFORE)
    with database.write() as tx:
        found = conditions.get(tx, KEY)
        assert found is not None
        acknowledge_in(tx, found, by="ana", note="", now=BEFORE)
    send_all(database)


def refused(database: Database) -> None:
    with database.write() as tx:
        rate_limits.put(tx, rate_limits.Lane("telegram:1", block_reason=rate_limits.refused_with("m"), failures=1))


@pytest.mark.parametrize("plant", [waiting, firing_while_silenced, acknowledged, refused])
def test_delivery_has_work_where_something_waits_or_may_be_due(
    database: Database, plant: Callable[[Database], None]
) -> None:
    with database.write() as tx:
        assert not has_work(tx, NOW)
    plant(database)
    with database.write() as tx:
        assert has_work(tx, NOW)


def test_a_clean_run_loads_nothing_that_reports_or_sends(tmp_path: Path) -> None:
    loaded = run_child(REPORTS, tmp_path).stdout.split()
    assert "automation.runner.notifications" in loaded
    reporting = ("monitoring.alerts.", "automation.drills", "automation.on_call.", "automation.runner.outgoing")
    assert [name for name in loaded if name.startswith(reporting)] == []


@pytest.fixture
def telegram() -> Iterator[TelegramStandIn]:
    with TelegramStandIn() as standing_in:
        yield standing_in


@pytest.fixture
def delivery(tmp_path: Path, database: Database, telegram: TelegramStandIn) -> Iterator[RunDelivery]:
    environ = {"TELEGRAM_API_URL": telegram.url, "TELEGRAM_BOT_TOKEN_DEFAULT": BOT_TOKEN}
    settings = settings_for(tmp_path, {**environ, "TELEGRAM_CHAT_ID_DEFAULT": CHAT})
    run = RunRecord(settings.database, "hourly", "cron", SystemClock(), NOW)
    run.begin(None, None, "", 0)
    yield RunDelivery(settings, run, SystemClock(), tmp_path / "jobs.yaml")
    run.close()


def ends_before_its_deliverer_is_loaded(delivery: RunDelivery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_delivery, "_LOADED_AFTER_S", 3600.0)  # however slow this machine is, the run is short
    with delivery.in_background():
        pass


def ends_while_its_deliverer_is_loaded(delivery: RunDelivery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_delivery, "_LOADED_AFTER_S", 0.0)
    is_loading, has_ended = threading.Event(), threading.Event()

    class SlowToLoad(Delivery):
        def run(self, stop: threading.Event, wake: threading.Event | None = None) -> None:
            is_loading.set()
            has_ended.wait(30)
            stop.wait(30)
            super().run(stop, wake)

    monkeypatch.setattr(outgoing, "Delivery", SlowToLoad)
    with delivery.in_background():
        assert is_loading.wait(30)
        has_ended.set()


@pytest.mark.parametrize("end", [ends_before_its_deliverer_is_loaded, ends_while_its_deliverer_is_loaded])
def test_what_a_silence_held_back_is_sent_by_the_end_of_a_run_too_short_to_deliver_meanwhile(
    database: Database,
    delivery: RunDelivery,
    telegram: TelegramStandIn,
    monkeypatch: pytest.MonkeyPatch,
    end: Callable[[RunDelivery, pytest.MonkeyPatch], None],
) -> None:
    firing_while_silenced(database)
    assert database.read(deliveries.count_waiting) == 0
    end(delivery, monkeypatch)
    assert telegram.messages == []
    drained = delivery.drain()
    assert drained is not None
    assert (drained.delivered, drained.waiting) == (1, 0)
    assert delivery.drain() is None
    assert "The vault is empty" in telegram.messages[0].text


def test_a_row_that_cannot_be_read_ends_no_run(database: Database, delivery: RunDelivery) -> None:
    acknowledged(database)
    with database.write() as tx:
        tx.execute("UPDATE acknowledgements SET severity = 'of a later release'")
    assert delivery.drain(timedelta(0)) is not None
