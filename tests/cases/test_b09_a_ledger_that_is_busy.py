"""Another process keeps the write lock for longer than a run waits for it.

Right: the run's rows, its tasks' rows and its messages are written when the lock is free, at the latest by the next
run; nothing is called unstorable, the exit code is that of the tasks, and no row of a task stays `running` under a run
that has ended.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from automation.executor.task import TaskResult, TaskStatus
from automation.runner.run_record import RunRecord
from monitoring.base.clock import SystemClock
from monitoring.ledger.spool import import_notes
from monitoring.store.db.schema import open_database
from monitoring.store.db.write_lock import FairLock
from monitoring.store.tables import runs
from tests.support.fake_telegram import BOT_TOKEN, CHAT, TelegramStandIn
from tests.support.host import Host, wait_until

pytestmark = pytest.mark.case("B.9")

NOW = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
SHORT_S = 0.1


@contextmanager
def write_lock_taken(directory: Path) -> Iterator[None]:
    """Hold what writers queue for, as a writer that hangs."""
    with FairLock(directory / "locks" / "write.lock").hold(10):
        yield


def record(directory: Path) -> RunRecord:
    return RunRecord(directory / "monitoring.db", "hourly", "manual", SystemClock(), NOW, busy_timeout_s=SHORT_S)


def ended(name: str) -> TaskResult:
    return TaskResult(name, TaskStatus.OK, "", NOW, NOW + timedelta(seconds=1), duration_s=1.0)


def rows(directory: Path) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    with open_database(directory / "monitoring.db") as database:
        return (
            database.rows("SELECT status, exit_code, reason FROM runs"),
            database.rows("SELECT name, status FROM task_runs ORDER BY id"),
        )


def test_what_the_ledger_could_not_take_is_written_with_the_end(tmp_path: Path) -> None:
    mine = record(tmp_path)
    mine.begin(None, None, "abc", 2)
    mine.task_started("one")
    with write_lock_taken(tmp_path):
        mine.task_ended(ended("one"))
        mine.task_started("two")
        mine.task_ended(ended("two"))
    mine.finish("ok", 0, "")
    assert mine.trouble is None
    mine.close()
    assert rows(tmp_path) == ([("ok", 0, "")], [("one", "ok"), ("two", "ok")])


def test_a_row_that_could_not_even_be_begun_is_written_with_the_end(tmp_path: Path) -> None:
    open_database(tmp_path / "monitoring.db").close()
    mine = record(tmp_path)
    with write_lock_taken(tmp_path):
        mine.begin(None, None, "abc", 1)
        mine.task_started("one")
        mine.task_ended(ended("one"))
    mine.finish("failed", 1, "why")
    mine.close()
    assert mine.trouble is None
    assert rows(tmp_path) == ([("failed", 1, "why")], [("one", "ok")])


def test_a_lock_held_beyond_the_end_leaves_a_note_that_blames_nothing(tmp_path: Path) -> None:
    mine = record(tmp_path)
    mine.begin(None, None, "abc", 1)
    mine.task_started("one")
    with write_lock_taken(tmp_path):
        mine.task_ended(ended("one"))
        mine.finish("ok", 0, "")
        mine.close()
        assert mine.trouble is None
    with open_database(tmp_path / "monitoring.db") as database:
        import_notes(database)
    assert rows(tmp_path) == ([("ok", 0, "")], [("one", "aborted")])


@pytest.mark.parametrize("status", ["ok", "failed", "aborted"])
def test_a_run_that_ends_leaves_no_task_running(tmp_path: Path, status: runs.RunStatus) -> None:
    mine = record(tmp_path)
    mine.begin(None, None, "abc", 2)
    mine.task_started("done")
    mine.task_ended(ended("done"))
    mine.task_started("lost")
    mine.finish(status, 0, "")
    mine.close()
    assert rows(tmp_path)[1] == [("done", "ok"), ("lost", "aborted")]


@pytest.mark.ci
def test_a_run_during_which_the_lock_is_taken_for_long_is_as_good_as_any(tmp_path: Path) -> None:
    host = Host(tmp_path)
    mark, go = tmp_path / "mark", tmp_path / "go"
    host.profile(
        {
            "waits": f"import pathlib, time\npathlib.Path({str(mark)!r}).touch()\n"
            f"while not pathlib.Path({str(go)!r}).exists(): time.sleep(0.02)\n",
            "next": "print('fine')",
        }
    )
    heard: list[str] = []
    with TelegramStandIn() as telegram:
        environ = {
            "TELEGRAM_API_URL": telegram.url, "TELEGRAM_BOT_TOKEN_DEFAULT": BOT_TOKEN, "TELEGRAM_CHAT_ID_DEFAULT": CHAT,
        }  # fmt: skip
        with host.start("run", "hourly", **environ) as run:
            wait_until(mark.exists, "the task runs")
            reader = threading.Thread(target=lambda: heard.extend(run.stdout or ()))
            with write_lock_taken(host.cache):
                go.touch()
                reader.start()
                wait_until(lambda: any("the ledger is busy" in line for line in heard), "it waited in vain")
            assert run.wait(60) == 0, heard
            reader.join()
        assert telegram.messages == []
    assert host.rows("SELECT status, exit_code FROM runs") == [("ok", 0)]
    assert host.rows("SELECT name, status FROM task_runs ORDER BY id") == [("waits", "ok"), ("next", "ok")]
