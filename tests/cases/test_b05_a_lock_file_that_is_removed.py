"""B.5: somebody removes a lock file (or all of `$CACHE_DIR/locks`) while a run holds it.

The profile still never runs twice at once: a second start exits 75 and names the run that goes on; `stop` and `status`
find it; the tick that came in vain is a row.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from automation.runner.lock_keeper import LockKeeper
from monitoring.base.errors import LockedError
from monitoring.base.locks.profile_lock import ProfileLock, is_held
from tests.support.host import Host, wait_until

pytestmark = pytest.mark.case("B.5")

SLOW = """
import pathlib, time
pathlib.Path({mark!r}).touch()
while not pathlib.Path({go!r}).exists():
    time.sleep(0.02)
"""


@pytest.fixture
def host(tmp_path: Path) -> Host:
    made = Host(tmp_path)
    made.profile({"slow": SLOW.format(mark=str(tmp_path / "mark"), go=str(tmp_path / "go"))})
    return made


@pytest.fixture
def going(host: Host, tmp_path: Path) -> Iterator[None]:
    """A run of the profile, as long as the test lasts."""
    first = host.start("run", "hourly")
    wait_until((tmp_path / "mark").exists, "the task runs")
    yield
    (tmp_path / "go").touch()
    output, _ = first.communicate(timeout=60)
    assert first.returncode == 0, output


def remove_file(host: Host) -> None:
    (host.cache / "locks" / "run.hourly.lock").unlink()


def remove_all(host: Host) -> None:
    shutil.rmtree(host.cache / "locks")


@pytest.mark.usefixtures("going")
@pytest.mark.parametrize("remove", [remove_file, remove_all])
def test_a_second_run_is_refused_at_once_and_names_the_first(host: Host, remove: Callable[[Host], None]) -> None:
    remove(host)
    second = host.automation("run", "hourly")
    assert second.returncode == 75, second.stderr
    assert "hourly is already running: run 1" in second.stderr
    assert host.rows("SELECT id FROM runs WHERE status = 'running'") == [(1,)]


@pytest.mark.usefixtures("going")
def test_the_run_takes_the_lock_again_so_that_stop_finds_it(host: Host) -> None:
    path = host.cache / "locks" / "run.hourly.lock"
    remove_file(host)
    wait_until(lambda: path.exists() and is_held(path), "the lock is taken again")
    holder = is_held(path)
    assert holder is not None
    assert holder.run_id == 1, "it still says which run it is"
    assert host.automation("run", "hourly").returncode == 75


def test_a_keeper_that_finds_another_run_in_the_new_file_leaves_it_to_that_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lock = ProfileLock.acquire(tmp_path, "hourly")
    lock.path.unlink()
    second = ProfileLock.acquire(tmp_path, "hourly")
    assert second.is_new
    with LockKeeper(lock, every_s=0.01):
        wait_until(lambda: "another run has the new one" in caplog.text, "it says so")
        time.sleep(0.1)
    assert caplog.text.count("another run has the new one") == 1
    assert not lock.keep()
    lock.release()
    with pytest.raises(LockedError):
        ProfileLock.acquire(tmp_path, "hourly")
    second.release()
