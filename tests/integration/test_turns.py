"""Where many profiles are due at once, runs start a few at a time, and one of them delivers for all."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from automation import turns
from automation.executor.reaper import StopRequest
from automation.runner.run_delivery import RunDelivery
from automation.runner.run_record import RunRecord
from monitoring.alerts.recording.store_alert import record
from monitoring.base.clock import SystemClock
from monitoring.base.locks.profile_lock import FileLock
from monitoring.store.db.schema import open_database
from tests.support.fake_telegram import BOT_TOKEN, CHAT, TelegramStandIn, too_many_requests
from tests.support.host import Host, wait_until
from tests.support.outbox import alert, settings_for

MANY = 2 * len(os.sched_getaffinity(0))
RAISES = """
from utils.monitor import HIGH, monitor

@monitor("aave")
def main(m):
    m.alert(HIGH, "The vault is empty")

if __name__ == "__main__":
    main()
"""


@pytest.fixture
def host(tmp_path: Path) -> Host:
    made = Host(tmp_path)
    made.environ |= {"LOG_LEVEL": "INFO"}
    (made.cache / "locks").mkdir()
    return made


@pytest.fixture(autouse=True)
def _no_turn_is_kept() -> Iterator[None]:
    yield
    turns.end_turn()


@contextlib.contextmanager
def all_turns(locks: Path) -> Iterator[list[int]]:
    """Hold every turn, as runs that are starting do."""
    held = [os.open(locks / f"start-{number}.lock", os.O_RDWR | os.O_CREAT) for number in range(MANY)]
    for descriptor in held:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield held
    finally:
        for descriptor in held:
            os.close(descriptor)


def opened(pid: int) -> set[str]:
    """Return the names of the files that a process has open."""
    names = set()
    for link in Path(f"/proc/{pid}/fd").glob("*"):
        with contextlib.suppress(OSError):  # closed meanwhile
            names.add(link.readlink().name)
    return names


def take(tmp_path: Path, **more: str) -> None:
    environ = {"AUTOMATION_TRIGGER": "cron", "CACHE_DIR": str(tmp_path), **more}
    turns.await_turn(["run", "hourly"], environ, str(tmp_path), patience_s=0.3)


def test_a_start_of_the_scheduler_waits_with_nothing_loaded_while_others_start(host: Host) -> None:
    host.profile({"quiet": "print('seen')"})
    with all_turns(host.cache / "locks") as held:
        run = host.start("run", "hourly", AUTOMATION_TRIGGER="cron")
        wait_until(lambda: f"start-{MANY - 1}.lock" in opened(run.pid), "the run waits for a turn")
        assert "apsw" not in Path(f"/proc/{run.pid}/maps").read_text()
        assert not (host.cache / "monitoring.db").exists()
        os.close(held.pop())
        output, _ = run.communicate(timeout=60)
    assert run.returncode == 0, output
    assert host.rows("SELECT status FROM runs") == [("ok",)]


def test_a_run_by_hand_never_waits(host: Host) -> None:
    host.profile({"quiet": "print('seen')"})
    with all_turns(host.cache / "locks"):
        assert host.automation("run", "hourly").returncode == 0


def test_the_turn_is_free_again_while_a_run_goes_on_delivering_and_only_one_does(host: Host) -> None:
    host.profile({"raises": RAISES})
    with TelegramStandIn() as telegram:
        telegram.script(*[too_many_requests(300)] * 20)
        environ = {
            "AUTOMATION_TRIGGER": "cron",
            "TELEGRAM_API_URL": telegram.url,
            "TELEGRAM_BOT_TOKEN_DEFAULT": BOT_TOKEN,
            "TELEGRAM_CHAT_ID_DEFAULT": CHAT,
        }
        first = host.start("run", "hourly", **environ)
        try:
            wait_until(lambda: "delivering.lock" in opened(first.pid), "the first run stays", limit_s=60)
            assert not {name for name in opened(first.pid) if name.startswith("start-")}
            second = host.automation("run", "hourly", **environ)
        finally:
            first.kill()
            first.communicate()
    assert "another run goes on with them" in second.stdout + second.stderr


def test_patience_ends_and_the_run_starts_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "locks").mkdir()
    with all_turns(tmp_path / "locks"):
        before = opened(os.getpid())
        take(tmp_path)
        assert opened(os.getpid()) == before, "nothing is left open"
    assert not {name for name in opened(os.getpid()) if name.startswith("start-")}
    take(tmp_path)
    assert "start-0.lock" in opened(os.getpid())


@pytest.mark.parametrize("more", [{"AUTOMATION_TRIGGER": "manual"}, {"AUTOMATION_SYNCED": "1"}, {"CACHE_DIR": "/no"}])
def test_nobody_waits_who_holds_locks_already_or_where_none_can_be_taken(tmp_path: Path, more: dict[str, str]) -> None:
    (tmp_path / "locks").mkdir()
    with all_turns(tmp_path / "locks"):
        before = opened(os.getpid())
        take(tmp_path, **more)
        assert opened(os.getpid()) == before


def test_the_next_may_start_while_tasks_take_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "locks").mkdir()
    monkeypatch.setattr(turns, "_HOLD_S", 0.01)
    take(tmp_path)
    with (tmp_path / "locks" / "start-0.lock").open() as file:
        with pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        turns.end_turn_later()
        fcntl.flock(file, fcntl.LOCK_EX)


@pytest.mark.parametrize("is_first_sent_by_another", [False, True])
def test_what_is_left_to_the_one_that_delivers_while_it_ends_is_delivered(
    tmp_path: Path, is_first_sent_by_another: bool
) -> None:
    clock, path = SystemClock(), tmp_path / "monitoring.db"

    class LeftMeanwhile(FileLock):
        """The lock of the one that delivers; once, another run leaves it an alert in the last instant."""

        left = False

        def take(self, operation: int) -> bool:
            if is_first_sent_by_another and not self.left:
                with open_database(path) as database, database.write() as tx:
                    tx.execute("UPDATE deliveries SET status = 'delivered'")
            return super().take(operation)

        def release(self) -> None:
            if not self.left:
                type(self).left = True
                with open_database(path) as database:
                    record(database, alert("stored while the one ended"), now=clock.now())
            super().release()

    with TelegramStandIn() as telegram, open_database(path) as database:
        settings = settings_for(
            tmp_path,
            {
                "TELEGRAM_API_URL": telegram.url,
                "TELEGRAM_BOT_TOKEN_DEFAULT": BOT_TOKEN,
                "TELEGRAM_CHAT_ID_DEFAULT": CHAT,
            },
        )
        run = RunRecord(path, "hourly", "cron", clock, clock.now())
        run.begin(None, None, "", 0)
        record(database, alert("stored by this run"), now=clock.now())
        delivery = RunDelivery(settings, run, clock, tmp_path / "jobs.yaml")
        lock = LeftMeanwhile(tmp_path / "delivering.lock", {})
        delivery.drain_before_next_tick(clock.now() + timedelta(seconds=60), StopRequest(), lock)
        run.close()
        titles = [message.text.splitlines()[0] for message in telegram.messages]
    assert len(titles) == (1 if is_first_sent_by_another else 2), titles
    assert not lock.held
