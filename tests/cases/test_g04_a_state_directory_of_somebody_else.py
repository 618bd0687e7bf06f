"""G.4: the scheduler ticks, and only the state directory has been given to another owner.

`status` and `doctor` then said NOT RUNNING and advised a restart. The scheduler runs, and what is wrong is the owner.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from automation.schedule.scheduler_liveness import RESET, RESTART, SchedulerLife, look
from monitoring.base.settings import Settings
from monitoring.store.db.schema import open_readonly
from tests.support import parts
from tests.support.held_scheduler import scheduler
from tests.support.host import Host

pytestmark = pytest.mark.case("G.4")
SOMEBODY = 12345
DEPLOY = 12346
AN_HOUR = timedelta(hours=1)


@pytest.fixture
def host() -> Iterator[Host]:
    if os.geteuid() != 0:
        parts.missing("only root can give files away")
    with tempfile.TemporaryDirectory(prefix="given-") as directory:
        Path(directory).chmod(0o755)
        made = Host(Path(directory))
        made.profile({"good": "print('fine')"}, cron="* * * * *")
        yield made


def seen(host: Host, *, after: timedelta = timedelta(0)) -> SchedulerLife:
    """Look as `status` and `doctor` do; root, who may look at everything, would become the owner of the state."""
    settings = Settings(host.environ, host.checkout, host.cache)
    with open_readonly(settings.database) as database:
        return look(settings, database, datetime.now(UTC) + after)


def test_a_scheduler_that_ticks_is_not_said_to_be_gone(host: Host) -> None:
    with scheduler(host) as pid:
        os.chown(host.cache, SOMEBODY, SOMEBODY)
        found = seen(host)
    assert found.is_alive
    assert str(found).startswith(f"alive: supercronic (pid {pid}")


def test_ticks_whose_rows_cannot_be_written_are_not_said_to_be_not_started(host: Host) -> None:
    """A minute's tick has no row: nobody may write the state. The remedy is chown, not a restart."""
    with scheduler(host, user=DEPLOY):
        os.chown(host.checkout, DEPLOY, DEPLOY)
        give(host, SOMEBODY)
        found = seen(host, after=AN_HOUR)
        give(host, DEPLOY)
        after = seen(host, after=AN_HOUR)
    assert not found.is_alive
    assert str(found).startswith("its runs are not recorded: supercronic (pid")
    assert f"{host.cache} belongs to uid {SOMEBODY} and not to uid {DEPLOY}" in str(found)
    assert found.remedy == f"sudo chown -R {DEPLOY}: {host.cache}"
    assert str(after).startswith("NOT SERVING"), "with its owner back, no row means that nothing was started"
    assert after.remedy == RESTART


def give(host: Host, uid: int) -> None:
    for path in (host.cache, host.cache / "monitoring.db"):
        os.chown(path, uid, uid)


@pytest.mark.parametrize(
    ("unit", "remedy"), [("failed", RESET), ("inactive", RESTART), (None, "python -m automation up")]
)
def test_a_unit_that_failed_is_not_merely_restarted(unit: str | None, remedy: str) -> None:
    """The sixth start within a minute is refused until the count is cleared."""
    assert SchedulerLife(None, None, (), unit).remedy.startswith(remedy)
