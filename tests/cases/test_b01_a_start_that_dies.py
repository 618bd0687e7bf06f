"""B.1: a merge after which, from some moment on, no start of the scheduler reaches its row: not even the sync runs.

Input: a commit that passes its proof and its first run, and whose command line dies at every start from then on.
Right: the launcher in the venv, which no merge changes, goes back at the third start; that tick has its row, the chat
hears of the commit once, and the next good commit lands by itself.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.bad_commits import ON_THE_HOST, Bad
from tests.support.fake_telegram import BOT_TOKEN, CHAT, TelegramStandIn
from tests.support.following import Following
from tests.support.host import ROOT

pytestmark = [pytest.mark.case("B.1"), pytest.mark.ci]
LAUNCHER = ROOT / "deploy/launcher"


@pytest.fixture
def telegram() -> Iterator[TelegramStandIn]:
    with TelegramStandIn() as stand_in:
        yield stand_in


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    """A venv as `make sync` leaves it: the same packages, and the launcher."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True, timeout=60)
    (site,) = (tmp_path / "venv/lib").glob("python*/site-packages")
    (site / "packages.pth").write_text(sysconfig.get_path("purelib"))
    for file in LAUNCHER.glob("automation_launcher.*"):
        (site / file.name).write_text(file.read_text())
    return tmp_path / "venv/bin/python"


class Scheduled:
    """Starts runs as the scheduler does: with the venv's Python and the cron daemon's trigger."""

    def __init__(self, directory: Path, python: Path, telegram: TelegramStandIn) -> None:
        self.followed = Following(directory)
        self._python = python
        self.followed.host.environ |= {
            "AUTOMATION_TRIGGER": "cron",
            "TELEGRAM_API_URL": telegram.url,
            "TELEGRAM_BOT_TOKEN_DEFAULT": BOT_TOKEN,
            "TELEGRAM_CHAT_ID_DEFAULT": CHAT,
        }

    def tick(self) -> subprocess.CompletedProcess[str]:
        host = self.followed.host
        argv = [str(self._python), "-m", "automation", "run", "multisig"]
        return subprocess.run(
            argv, cwd=host.checkout, env=host.environ, capture_output=True, text=True, check=False, timeout=120
        )


def test_the_third_start_goes_back_runs_the_tick_and_reports_it(
    tmp_path: Path, venv: Path, telegram: TelegramStandIn
) -> None:
    scheduled = Scheduled(tmp_path, venv, telegram)
    followed, flag = scheduled.followed, tmp_path / "from now on"
    before = followed.host.checkout.joinpath(".git/refs/heads/main").read_text().strip()
    assert "look | revision one" in scheduled.tick().stderr
    dies = f"{ON_THE_HOST}if os.path.exists({str(flag)!r}): raise SystemExit(3)"
    bad = Bad("automation/cli/main.py", dies, "")
    good = bad.apply(followed.author)
    commit = followed.push("bad")
    assert "look | revision one" in scheduled.tick().stderr
    flag.write_text("")
    assert [scheduled.tick().returncode for _ in range(2)] == [3, 3]
    third = scheduled.tick()
    assert f"{commit[:12]} was taken back to {before[:12]}" in third.stderr
    assert "look | revision one" in third.stderr
    assert followed.host.rows("SELECT status, revision FROM runs ORDER BY id DESC LIMIT 1") == [("ok", before)]
    assert "look | revision one" in scheduled.tick().stderr, "it does not come again by itself"
    (message,) = telegram.messages
    assert f"Commit {commit[:12]} was taken back, {before[:12]} runs again" in message.text
    assert "multisig was started 2 times" in message.text
    (followed.author / bad.path).write_text(good)
    followed.write("protocols/test/look.py", "print('revision two')")
    fixed = followed.push("good")
    assert "look | revision two" in scheduled.tick().stderr
    assert "look | revision two" in scheduled.tick().stderr
    assert fixed[:12] in telegram.messages[-1].text
    assert not list(followed.host.checkout.glob(".git/monitoring-starts/*")), "a run accounts for its start"
