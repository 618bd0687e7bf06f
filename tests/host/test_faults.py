"""What goes wrong on real hosts: a state directory of the wrong owner, a full disk, a task that takes all memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.deployed import CACHE, CHECKOUT, USER, Deployed, Script, jobs
from tests.support.fake_telegram import TelegramStandIn
from tests.support.machine import memory_limited

pytestmark = pytest.mark.host
RUN = "python -m automation run hourly"
HUNGRY = "hog = bytearray(600 * 1024**2)\nprint('too much for nobody')\n"
LOOK = "print('checked')\n"


@pytest.fixture(scope="module", autouse=True)
def _landed(host: Deployed) -> None:
    host.write_env()
    hourly, hungry = 'cron: "5 * * * *"', 'cron: "6 * * * *"'
    tasks = {"hourly": [Script("look", LOOK)], "hungry": [Script("hog", HUNGRY), Script("look", LOOK)]}
    host.land(jobs({"hourly": hourly, "hungry": hungry}, tasks))
    host.restart()


def assert_it_checks_and_says_once_that_nothing_can_be_stored(host: Deployed, telegram: TelegramStandIn) -> None:
    for _ in range(2):
        told = host.once(RUN, check=False)
        assert "look | checked" in told, told
        assert host.state_of("once")["Result"] == "exit-code"
    (message,) = telegram.messages
    assert message.text.startswith("Checks run, but nothing can be stored:") or "nothing can be stored" in message.text


def assert_all_is_well_again(host: Deployed) -> None:
    """The next run is ok, and the two that could not write their rows have them now."""
    host.once(RUN)
    last, *before = host.rows("SELECT status, reason FROM runs ORDER BY started_at DESC LIMIT 3")
    assert last == ("ok", "")
    assert [row for row in before if row[0] == "failed" and "the ledger could not be written" in str(row[1])] == before


def test_checks_run_and_say_so_when_the_state_belongs_to_somebody_else(
    host: Deployed, telegram: TelegramStandIn
) -> None:
    host.machine.run(f"chown -R root: {CACHE} && chmod -R go-rwx {CACHE}")
    try:
        assert_it_checks_and_says_once_that_nothing_can_be_stored(host, telegram)
        doctor = host.automation("doctor", check=False)
        assert "Traceback" not in doctor.stderr
        assert "FAIL   state directory: /srv/cache (owner root) cannot be written by this user" in doctor.stdout
    finally:
        host.machine.run(f"chown -R {USER}: {CACHE}")
    assert_all_is_well_again(host)


@contextmanager
def small_disk(host: Deployed) -> Iterator[None]:
    """Put the state on a file system of its own with little room, and leave none."""
    host.machine.run(
        f"cp -a {CACHE} /mnt/ && mount -t tmpfs -o size=4m small {CACHE} && cp -aT /mnt/cache {CACHE} && "
        f"head -c 8M /dev/zero >{CACHE}/fill || df {CACHE}"
    )
    try:
        yield
    finally:
        host.machine.run(f"umount {CACHE}")


def test_checks_run_and_say_so_on_a_full_disk_and_go_on_once_there_is_room(
    host: Deployed, telegram: TelegramStandIn
) -> None:
    with small_disk(host):
        assert_it_checks_and_says_once_that_nothing_can_be_stored(host, telegram)
        host.machine.run(f"rm {CACHE}/fill")
        assert_all_is_well_again(host)


def test_a_task_that_takes_all_memory_is_one_failed_task(host: Deployed, telegram: TelegramStandIn) -> None:
    """The kernel itself ends it. The unit's own MemoryMax cannot act here: the limit is set around a run by hand."""
    with memory_limited(256 * 1024**2) as inside:
        done = host.machine.run(
            f"cd {CHECKOUT} && uv run python -m automation run hungry", user=USER, check=False, before=inside
        )
    assert done.returncode == 1
    assert "look | checked" in done.stderr
    tasks = "SELECT name, status, reason FROM task_runs WHERE run_id = (SELECT max(id) FROM runs) ORDER BY name"
    hog, look = host.rows(tasks)
    assert (hog[:2], look[:2]) == (("hog", "failed"), ("look", "ok"))
    assert "SIGKILL" in str(hog[2])
    (digest,) = telegram.messages
    assert "hog" in digest.text
    assert "look" not in digest.text
