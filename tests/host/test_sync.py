"""A merge reaches a live host by itself, in the unit's sandbox; a bad one is refused and told once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.bad_commits import ON_THE_HOST
from tests.support.deployed import Deployed, Script, jobs
from tests.support.fake_telegram import TelegramStandIn
from tests.support.host import ROOT

pytestmark = pytest.mark.host
RUN = "python -m automation run multisig"
LOCK = "requirements.lock"


def at_version(version: int) -> dict[str, str | None]:
    """Return a sound tree whose one task tells its version."""
    profile = 'cron: "0/10 * * * *"\nsync_before_run: true'
    return jobs({"multisig": profile}, {"multisig": [Script("tell", f"print('version {version}')\n")]})


RUNNER, CLI = "automation/runner/run.py", "automation/cli/main.py"
SOUND = {**at_version(1), **{name: (ROOT / name).read_text() for name in (LOCK, RUNNER, CLI)}}
FLAG = "/srv/cache/from-now-on"
BAD_MERGES = {
    "broken YAML": ({"automation/jobs.yaml": "profiles: [\n"}, "jobs.yaml:"),
    "import error": ({"protocols/test/tell.py": "from json import nothing_like_it\n"}, "cannot be imported"),
    "a run that cannot start": (
        {RUNNER: f"{SOUND[RUNNER]}\nRunner.run = lambda self: self.no_such_method()\n"},
        "no_such_method",
    ),
    "missing script": (
        {"automation/jobs.yaml": (at_version(2)["automation/jobs.yaml"] or "").replace("tell.py", "gone.py")},
        "gone.py",
    ),
    "new dependency": (
        {LOCK: SOUND[LOCK] + f"absent-package==1.0 \\\n    --hash=sha256:{'0' * 64}\n"},
        "needs packages this venv lacks: absent-package; run: git fetch",
    ),
}


@pytest.fixture(scope="module", autouse=True)
def _landed(host: Deployed) -> None:
    host.write_env()
    host.land(SOUND)
    host.restart()


@pytest.fixture
def telegram(host: Deployed) -> Iterator[TelegramStandIn]:
    with host.chat() as stand_in:
        yield stand_in


def test_an_edit_reaches_the_next_run_without_anybody_at_the_host(host: Deployed) -> None:
    commit = host.push({**SOUND, **at_version(2)})
    told = host.once(RUN)
    assert "pre-run git sync: updated" in told
    assert "tell | version 2" in told
    assert host.rows("SELECT revision FROM runs ORDER BY id DESC LIMIT 1") == [(commit,)]


def test_a_local_edit_is_discarded_and_an_untracked_file_stays(host: Deployed) -> None:
    host.shell("echo 'print(1)' >protocols/test/tell.py && echo mine >notes.txt")
    assert "tell | version 2" in host.once(RUN)
    assert host.shell("cat notes.txt").stdout == "mine\n"


@pytest.mark.parametrize("kind", BAD_MERGES)
def test_a_bad_merge_is_refused_told_once_and_the_old_revision_runs_on(
    host: Deployed, telegram: TelegramStandIn, kind: str
) -> None:
    files, reason = BAD_MERGES[kind]
    before = host.shell("git rev-parse HEAD").stdout.strip()
    commit = host.push({**SOUND, **at_version(2), **files}, kind)
    assert "tell | version 2" in host.once(RUN)
    assert "pre-run git sync: refused" in host.once(RUN)
    assert host.shell("git rev-parse HEAD").stdout.strip() == before
    (message,) = telegram.messages
    assert f"Commit {commit[:12]} is refused, {before[:12]} keeps running" in message.text
    assert reason in message.text


def test_a_merge_whose_first_run_dies_is_taken_back_in_that_tick(host: Deployed, telegram: TelegramStandIn) -> None:
    before = host.shell("git rev-parse HEAD").stdout.strip()
    dies = f"{ON_THE_HOST}Runner.run = lambda self: self.no_such_method()"
    commit = host.push({**SOUND, **at_version(9), RUNNER: f"{SOUND[RUNNER]}\n{dies}\n"})
    assert "tell | version 2" in host.once(RUN)
    assert "tell | version 2" in host.once(RUN)
    (message,) = telegram.messages
    assert f"Commit {commit[:12]} was taken back, {before[:12]} runs again" in message.text


def test_a_merge_whose_starts_die_one_day_is_taken_back_by_the_launcher_of_the_venv(
    host: Deployed, telegram: TelegramStandIn
) -> None:
    dies = f"{ON_THE_HOST}if os.path.exists({FLAG!r}): raise SystemExit(3)"
    commit = host.push({**SOUND, **at_version(2), CLI: f"{SOUND[CLI]}\n{dies}\n"})
    assert "tell | version 2" in host.once(RUN)
    host.shell(f"touch {FLAG}")
    for _ in range(2):
        host.once(RUN, check=False)
    assert "tell | version 2" in host.once(RUN)
    host.once(RUN)
    texts = [message.text for message in telegram.messages if "was taken back" in message.text]
    assert len(texts) == 1
    assert commit[:12] in texts[0]


def test_the_repair_lands_by_itself_and_is_told_once(host: Deployed, telegram: TelegramStandIn) -> None:
    commit = host.push({**SOUND, **at_version(3)})
    assert "tell | version 3" in host.once(RUN)
    host.once(RUN)
    (message,) = telegram.messages
    assert f"the checkout is synced again, at {commit[:12]}" in message.text


def test_a_changed_cron_line_waits_for_a_restart_and_status_says_so(host: Deployed) -> None:
    changed = (at_version(3)["automation/jobs.yaml"] or "").replace("0/10 * * * *", "7 * * * *")
    host.push({"automation/jobs.yaml": changed})
    host.once(RUN)
    waits = "cron is 7 * * * * in jobs.yaml, but still 0/10 * * * * in the scheduler"
    assert waits in host.automation("status", check=False).stdout
    host.restart()
    assert "jobs.yaml, but still" not in host.automation("status", check=False).stdout
