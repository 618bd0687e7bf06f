"""Without `.env` the first advice of `doctor` was a restart that cannot work; a disabled profile was "no longer in
jobs.yaml"; `run nope` first logged "jobs.yaml cannot be used"; `.git/config` with a token was readable by all.

Right: each says what is the matter.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.host import Host

pytestmark = pytest.mark.case("G.6")


@pytest.fixture
def host(tmp_path: Path) -> Host:
    made = Host(tmp_path)
    made.profile({"good": "print('fine')"})
    return made


def test_a_disabled_profile_is_called_disabled(host: Host) -> None:
    host.automation("render-crontab", "--activate", str(host.cache / "crontab"))
    path = host.checkout / "automation" / "jobs.yaml"
    path.write_text(path.read_text().replace("  hourly:\n", "  hourly:\n    enabled: false\n"))
    shown = host.automation("status").stdout

    assert "disabled" in shown
    assert "removed from jobs.yaml" not in shown


def test_an_unknown_profile_is_the_only_thing_said(host: Host) -> None:
    done = host.automation("run", "nope")

    assert done.returncode == 2
    assert "hourly" in done.stderr
    assert "cannot be used" not in done.stderr


def test_doctor_finds_a_readable_git_config_with_a_token(host: Host) -> None:
    subprocess.run(["git", "init", "-q", "."], cwd=host.checkout, check=True)
    remote = "https://user:a-token-of-the-forge@forge.example/watch.git"
    subprocess.run(["git", "remote", "add", "origin", remote], cwd=host.checkout, check=True)
    (host.checkout / ".git" / "config").chmod(0o644)

    assert ".git/config" in host.automation("doctor").stdout
