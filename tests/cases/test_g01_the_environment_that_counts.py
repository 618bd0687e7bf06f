"""G.1: the env file is edited, and the scheduler is not restarted.

`TELEGRAM_TEST_CHAT_ID` commented out still diverts every alert; a new token in the file is not the one the scheduler
has; a variable added to the file was live at the next tick, one removed or changed was not. One rule instead: the
scheduler's environment counts until its restart. `status`, `doctor` and `audit` name what differs, never its value, and
a drill goes the scheduler's way.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from automation.schedule.unit_environment import compare
from tests.support.fake_telegram import BOT_TOKEN, CHAT, TelegramStandIn
from tests.support.held_scheduler import scheduler
from tests.support.host import Host, wait_until

pytestmark = pytest.mark.case("G.1")
TEST_CHAT = "-100999"
SHOW = """
import os, pathlib
seen = [os.environ.get(name, "not there") for name in ("NEW_MODE", "OLD_MODE")]
pathlib.Path(os.environ["CACHE_DIR"], "seen").write_text(" ".join(seen))
"""


class Site:
    """A host whose scheduler was started with the env file as it was."""

    def __init__(self, directory: Path, telegram: TelegramStandIn) -> None:
        self.host = Host(directory)
        self.host.profile({"show": SHOW}, cron="0 0 1 1 *")
        self.file = directory / "env"
        self.values = {
            "TELEGRAM_API_URL": telegram.url,
            "TELEGRAM_BOT_TOKEN_DEFAULT": BOT_TOKEN,
            "TELEGRAM_CHAT_ID_DEFAULT": CHAT,
        }
        self.host.environ["MONITORING_ENV_FILE"] = str(self.file)
        self.write()

    def write(self, **more: str) -> None:
        self.file.write_text("".join(f"{name}={value}\n" for name, value in {**self.values, **more}.items()))
        self.file.chmod(0o640)

    def scheduler(self) -> AbstractContextManager[int]:
        """Let a scheduler run that was started with the env file of this moment."""
        return scheduler(self.host, dict(line.split("=", 1) for line in self.file.read_text().splitlines()))

    def said(self, verb: str) -> str:
        done = self.host.automation(verb)
        assert "Traceback" not in done.stderr
        assert BOT_TOKEN not in done.stdout
        return done.stdout


@pytest.fixture
def telegram() -> Iterator[TelegramStandIn]:
    with TelegramStandIn() as running:
        yield running


@pytest.fixture
def site(tmp_path: Path, telegram: TelegramStandIn) -> Site:
    return Site(tmp_path, telegram)


@pytest.mark.parametrize("verb", ["status", "doctor", "audit"])
def test_a_test_chat_taken_out_of_the_file_is_loudly_still_in_force(site: Site, verb: str) -> None:
    site.write(TELEGRAM_TEST_CHAT_ID=TEST_CHAT)
    with site.scheduler():
        site.write()
        told = site.said(verb)
    assert "STILL IN USE, although the env file has changed" in told
    assert "sudo systemctl restart monitoring" in told
    assert "TELEGRAM_TEST_CHAT_ID is set: all alerts go only to the test chat" in told
    assert TEST_CHAT not in told


@pytest.mark.parametrize("verb", ["status", "doctor", "audit"])
def test_a_test_chat_that_only_the_file_has_is_said_to_be_only_here(site: Site, verb: str) -> None:
    with site.scheduler():
        site.write(TELEGRAM_TEST_CHAT_ID=TEST_CHAT)
        told = site.said(verb)
    assert "only in this shell, not in the running scheduler: TELEGRAM_TEST_CHAT_ID" in told


@pytest.mark.parametrize("verb", ["status", "doctor", "audit"])
def test_what_the_file_says_otherwise_is_named_and_never_shown(site: Site, verb: str) -> None:
    with site.scheduler():
        site.values["TELEGRAM_BOT_TOKEN_DEFAULT"] = "987654321:AAThe-new-token_that_nobody_may_see_000"
        site.write(PRIVATE_FEED_URL="https://example.org/a-key-of-ours")
        told = site.said(verb)
    changed = "(new: PRIVATE_FEED_URL; changed: TELEGRAM_BOT_TOKEN_DEFAULT)"
    assert f"the env file changed since the scheduler started {changed}" in told
    assert "sudo systemctl restart monitoring" in told
    for value in ("AAThe-new", "a-key-of-ours"):
        assert value not in told


def test_a_scheduler_that_holds_what_the_file_says_is_fine(site: Site) -> None:
    with site.scheduler():
        site.file.write_text("# a comment more\n" + site.file.read_text())
        assert "the env file changed" not in site.said("status")
        done = site.host.automation("doctor", "--json")
    assert ("fine", "supercronic uses its current values") in [
        (each["level"], each["text"]) for each in json.loads(done.stdout)
    ]


def test_the_drill_goes_the_way_of_the_scheduler_and_says_what_it_does_not_prove(
    site: Site, telegram: TelegramStandIn
) -> None:
    site.write(TELEGRAM_TEST_CHAT_ID=TEST_CHAT)
    with site.scheduler():
        site.write()
        told = site.host.automation("drill", "--unit")
        assert told.returncode == 0, told.stderr
        assert "with the environment of supercronic (pid" in told.stdout
        assert site.host.automation("drill", "--here").returncode == 0
    assert [message.chat_id for message in telegram.messages] == [TEST_CHAT, CHAT]


def test_a_drill_after_a_rotation_without_a_restart_says_that_it_proves_nothing_of_the_new_token(site: Site) -> None:
    with site.scheduler():
        site.values["TELEGRAM_BOT_TOKEN_DEFAULT"] = "987654321:AAThe-new-token_that_nobody_may_see_000"
        site.write()
        told = site.host.automation("drill").stdout
    assert "changed: TELEGRAM_BOT_TOKEN_DEFAULT" in told
    assert "this drill did not use the new values" in told


def test_a_drill_asked_of_a_scheduler_that_does_not_run_is_refused(site: Site) -> None:
    told = site.host.automation("drill", "--unit")
    assert (told.returncode, told.stdout) == (2, "")
    assert "drill --here" in told.stderr


def test_a_tick_sees_what_the_scheduler_held_and_a_run_by_hand_what_the_file_says(site: Site) -> None:
    """Added, removed or changed: one rule."""
    site.write(OLD_MODE="removed-later")
    held = dict(line.split("=", 1) for line in site.file.read_text().splitlines())
    site.write(NEW_MODE="added-later")
    assert seen_by_a_run(site, AUTOMATION_TRIGGER="cron", **held) == "not there removed-later"
    held["NEW_MODE"] = "before"
    assert seen_by_a_run(site, AUTOMATION_TRIGGER="cron", **held) == "before removed-later"
    assert seen_by_a_run(site) == "added-later not there"


def seen_by_a_run(site: Site, **environ: str) -> str:
    done = site.host.automation("run", "hourly", **environ)
    assert done.returncode == 0, done.stderr
    return (site.host.cache / "seen").read_text()


def test_a_task_is_given_its_environment_and_reads_no_file(site: Site) -> None:
    """`utils.cache` looks at CACHE_BACKEND: in a task it is the run's, whatever the file has been made to say since."""
    site.host.profile({"show": "from utils import cache\ncache.set('cache-id.txt', 'a', '1')\n"}, cron="0 0 1 1 *")
    site.write(CACHE_BACKEND="file")
    assert site.host.automation("run", "hourly", AUTOMATION_TRIGGER="cron", **site.values).returncode == 0
    assert not (site.host.cache / "cache-id.txt").exists()
    assert site.host.automation("run", "hourly").returncode == 0
    assert (site.host.cache / "cache-id.txt").read_text() == "a:1\n"


def test_names_that_systemd_brings_along_are_no_difference() -> None:
    held = {"PATH": "/bin", "INVOCATION_ID": "a", "USER": "monitoring", "SET": "by the manager", "A": "1", "B": "2"}
    found = compare(held, {"A": "1"}, frozenset({"SET"}))
    assert (found.new, found.changed, found.gone) == ((), (), ("B",))
    assert str(found) == "removed: B"
    assert not compare(held, {"A": "1"}, None)


def test_a_file_written_after_up_began_is_said(site: Site) -> None:
    up = site.host.start("up", "--no-web")
    try:
        wait_until(lambda: site.host.peek("SELECT 1 FROM scheduler_starts"), "the scheduler is up")
        assert "the env file was written since" not in site.said("status")
        later = site.file.stat().st_mtime + 60
        os.utime(site.file, (later, later))
        assert "the env file was written since the scheduler started: stop `up` and start it again" in site.said(
            "status"
        )
    finally:
        up.terminate()
        up.communicate(timeout=60)
