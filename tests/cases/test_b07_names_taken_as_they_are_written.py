"""B.7: a lock directory in /tmp that somebody else made, `CACHE_DIR=~/cache`, `MONITORING_API_HOST=[::1]`, `--help`.

Right: locks lie where nobody else can hold them; `~` is the home directory; the address in brackets is listened on;
`python -m monitoring.web --help` prints help and starts nothing.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from monitoring.base.errors import UsageError
from monitoring.base.locks.profile_lock import usable_locks
from monitoring.base.settings import load_settings
from tests.support.host import ROOT, wait_until
from tests.support.somebody import NOBODY

pytestmark = pytest.mark.case("B.7")


@pytest.fixture
def unwritable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state directory in whose place a file lies, and a temporary directory of the test's own."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    (tmp_path / "cache").write_text("")
    return tmp_path / "cache" / "locks"


def test_the_stand_in_for_the_lock_directory_is_private(unwritable: Path) -> None:
    locks = usable_locks(unwritable)
    assert locks.stat().st_mode & 0o777 == 0o700
    assert usable_locks(unwritable) == locks, "the next run finds the same one"


def test_a_directory_that_others_can_write_to_or_a_link_is_not_used(unwritable: Path, tmp_path: Path) -> None:
    squatted = usable_locks(unwritable)
    squatted.chmod(0o777)
    second = usable_locks(unwritable)
    assert second != squatted
    second.rmdir()
    second.symlink_to(tmp_path)
    third = usable_locks(unwritable)
    assert third not in (squatted, second)
    assert third.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a directory of somebody else")
def test_a_directory_of_somebody_else_is_not_used(unwritable: Path) -> None:
    squatted = usable_locks(unwritable)
    os.chown(squatted, NOBODY, NOBODY)
    assert usable_locks(unwritable) != squatted


def test_a_tilde_in_cache_dir_is_the_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    env_file = tmp_path / "env"
    env_file.write_text('CACHE_DIR="~/cache"\n')
    assert load_settings({"MONITORING_ENV_FILE": str(env_file)}).cache_dir == tmp_path / "cache"
    with pytest.raises(UsageError, match="CACHE_DIR=~nobody-of-this-name/cache"):
        load_settings({"MONITORING_ENV_FILE": "", "CACHE_DIR": "~nobody-of-this-name/cache"})


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.parametrize("written", ["[::1]", "::1", " [::1] "])
@pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")
def test_an_address_in_brackets_is_listened_on(tmp_path: Path, written: str) -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as found:
        port = found.getsockname()[1]
    environ = {"MONITORING_API_HOST": written, "MONITORING_API_PORT": str(port)}
    with started(tmp_path, **environ) as web:
        wait_until(lambda: answers("::1", port) or web.poll() is not None, "it listens")
        assert web.poll() is None


@pytest.mark.parametrize(("argument", "code"), [("--help", 0), ("--port=80", 2), ("serve", 2)])
def test_help_and_arguments_that_there_are_not_start_no_server(tmp_path: Path, argument: str, code: int) -> None:
    with started(tmp_path, argument, MONITORING_API_PORT="0") as web:
        output, errors = web.communicate(timeout=30)
    assert web.returncode == code
    assert "python -m monitoring.web" in (output or errors)


@contextmanager
def started(cache_dir: Path, *arguments: str, **environ: str) -> Iterator[subprocess.Popen[str]]:
    web = subprocess.Popen(
        [sys.executable, "-m", "monitoring.web", *arguments],
        cwd=ROOT, env={"PATH": os.environ["PATH"], "CACHE_DIR": str(cache_dir), "MONITORING_ENV_FILE": "", **environ},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield web
    finally:
        web.terminate()
        web.communicate(timeout=30)


def answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True
