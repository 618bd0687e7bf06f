"""B.8: a run that a cron daemon starts at 05:48:43 and that is ready only at 05:49:30 answers the tick of 05:48.

Also where a hundred profiles a minute start slowly: each row names the tick its process was started for, and nothing is
said not to have run. A daemon fires early by its clock only if that was set back while it waited.
"""

from __future__ import annotations

import itertools
import random
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from automation.runner.run_record import RunRecord
from monitoring.base.clock import to_text
from monitoring.base.process_identity import Boot, Host, ProcessId
from monitoring.store.db.schema import open_database
from monitoring.store.tables import schedules
from monitoring.store.tables.schedules import Schedule
from tests.support import host as hosts
from tests.support.shown_clock import ShownClock
from tests.support.simulated_host import SimulatedClock, state_directory

pytestmark = pytest.mark.case("B.8")

TICK = datetime(2026, 3, 4, 5, 48, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOST_UP = timedelta(days=3)


@pytest.fixture
def host(tmp_path: Path) -> hosts.Host:
    made = hosts.Host(tmp_path)
    made.profile({"good": "print('fine')"}, cron="* * * * *")
    return made


def test_a_start_at_43_seconds_that_loads_into_the_next_minute_answers_the_minute_it_began_in(
    host: hosts.Host, tmp_path: Path
) -> None:
    ready_at = TICK + timedelta(seconds=90)
    environ = ShownClock(tmp_path).shows(ready_at, loaded_for_s=47)
    done = host.automation("run", "hourly", AUTOMATION_TRIGGER="cron", **environ)
    assert done.returncode == 0, done.stderr
    assert host.rows("SELECT tick_at, status FROM runs") == [("2026-03-04T05:48:00.000000Z", "ok")]
    assert str(host.rows("SELECT started_at FROM runs")[0][0]).startswith("2026-03-04T05:48:4")


def test_a_second_start_in_the_same_minute_takes_no_tick_ahead(host: hosts.Host, tmp_path: Path) -> None:
    clock = ShownClock(tmp_path)
    for second in (20, 40):
        environ = clock.shows(TICK + timedelta(seconds=second))
        assert host.automation("run", "hourly", AUTOMATION_TRIGGER="cron", **environ).returncode == 0
    ahead = host.rows("SELECT tick_at FROM runs WHERE tick_at > '2026-03-04T05:48:00.000000Z'")
    assert ahead == []


def test_a_daemon_whose_clock_was_set_back_while_it_waited_fires_early_for_the_tick_it_waited_for(
    host: hosts.Host, tmp_path: Path
) -> None:
    clock = ShownClock(tmp_path)
    first = clock.shows(TICK + timedelta(seconds=59.8))
    back = clock.gained(timedelta(seconds=float(first["TEST_CLOCK_GAINED_S"])) - timedelta(seconds=90))
    for environ in (first, back):  # the daemon waited for 05:49, and the clock now shows 05:47:30
        assert host.automation("run", "hourly", AUTOMATION_TRIGGER="cron", **environ).returncode == 0
    ticks = [str(row[0])[11:16] for row in host.rows("SELECT tick_at FROM runs ORDER BY id")]
    assert ticks == ["05:48", "05:49"]


@pytest.mark.parametrize("trigger", ["embedded", "cron"])
def test_a_start_that_the_kernel_rounds_down_is_not_recorded_as_before_its_tick(host: hosts.Host, trigger: str) -> None:
    tick = datetime.now(UTC).replace(second=0, microsecond=0)
    named = {"AUTOMATION_TICK": to_text(tick)} if trigger == "embedded" else {}
    rounded = to_text(tick - timedelta(milliseconds=3))
    done = host.automation("run", "hourly", AUTOMATION_TRIGGER=trigger, AUTOMATION_STARTED_AT=rounded, **named)
    assert done.returncode == 0, done.stderr
    assert host.rows("SELECT tick_at, started_at FROM runs") == [(to_text(tick), to_text(tick))]


@pytest.fixture
def path() -> Iterator[Path]:
    with state_directory() as directory:
        yield directory / "monitoring.db"


def test_in_waves_of_a_hundred_slow_profiles_each_row_names_its_tick_and_nothing_is_called_missed(path: Path) -> None:
    names = [f"p{number:03}" for number in range(100)]
    with open_database(path) as database, database.write() as tx:
        schedules.record_in_force(tx, [Schedule(name, "* * * * *") for name in names], TICK - MINUTE, "cron")
    dice, clock, pids = random.Random(8), SimulatedClock(TICK), itertools.count(1000)
    unanswered = []
    for wave in range(3):
        tick = TICK + wave * MINUTE
        # A shell starts within a second or two of the tick; an interpreter on a busy host is ready up to 100 s later.
        starts = [(tick + timedelta(seconds=dice.uniform(0.01, 4)), name) for name in names]
        for ready_at, started_at, name in sorted(
            (start + timedelta(seconds=dice.uniform(1, 100)), start, name) for start, name in starts
        ):
            clock.true = ready_at
            up_s = (started_at - tick + HOST_UP + wave * MINUTE).total_seconds()
            process = ProcessId(next(pids), int(up_s * 100), "boot")
            view = Host(lambda process=process: process, lambda: Boot("boot", TICK - HOST_UP), lambda _process: True)
            record = RunRecord(path, name, "cron", clock, started_at, view)
            record.begin(Schedule(name, "* * * * *"), None, "revision", 1)
            unanswered += record.reconcile().unanswered
            assert record.tick_at == tick
            record.finish("ok", 0, "")
            record.close()
    assert unanswered == []


@pytest.mark.proof
def test_a_hundred_real_processes_that_load_across_the_minute_answer_the_minute_they_were_started_in(
    host: hosts.Host, tmp_path: Path
) -> None:
    names = [f"p{number:03}" for number in range(100)]
    script = host.script("good", "print('fine')")
    tasks = f"tasks: [{{name: good, script: {script}}}]"
    host.jobs("profiles:\n" + "".join(f"  {name}: {{cron: '* * * * *', {tasks}}}\n" for name in names))
    environ = ShownClock(tmp_path).shows(TICK + timedelta(seconds=45))
    started = [
        subprocess.Popen(
            host.command("run", name), cwd=host.checkout, env={**host.environ, "AUTOMATION_TRIGGER": "cron", **environ},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )
        for name in names
    ]  # fmt: skip
    ended = [(child.communicate(timeout=550)[1], child.returncode) for child in started]
    assert [stderr for stderr, code in ended if code] == []
    answered = host.rows("SELECT tick_at, count(*) FROM runs WHERE status = 'ok' GROUP BY tick_at")
    assert answered == [("2026-03-04T05:48:00.000000Z", 100)]
    assert host.rows("SELECT message FROM alert_events WHERE title = 'Checks did not run'") == []
