"""E.3: root types what the pages say, while files of the checkout record who loads them.

The user of the units can write the checkout: what its venv loads at every start, a package's `__init__`, a program
that the repository's own configuration names (`core.fsmonitor`). Whatever root types, none of them may run as root.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import parts
from tests.support.git import run_git
from tests.support.host import DEAF, PACKAGES, ROOT

pytestmark = pytest.mark.case("E.3")

RECORD = "import os\nwith open({file!r}, 'a') as record:\n    record.write({what!r} + f' {{os.geteuid()}}\\n')\n"


@dataclass(frozen=True)
class Checkout:
    """A deployed checkout of user nobody, whose files write down who loads them."""

    path: Path
    cache: Path
    records: Path
    command: Path

    def loaded(self) -> dict[str, set[int]]:
        """Return which planted file was loaded as whom."""
        found: dict[str, set[int]] = {}
        for line in self.records.read_text().splitlines():
            what, _, uid = line.partition(" ")
            found.setdefault(what, set()).add(int(uid))
        return found

    def type(self, *argv: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Type a command as root, with an environment as sudo leaves it."""
        env = {"PATH": os.environ["PATH"], "HOME": "/root", "MONITORING_ENV_FILE": "", "CACHE_DIR": str(self.cache)}
        return subprocess.run(
            argv, cwd="/", env={**env, **DEAF, **environ}, capture_output=True, text=True, check=False, timeout=60
        )


@pytest.fixture
def checkout() -> Iterator[Checkout]:
    if os.geteuid() != 0:
        parts.missing("only root can be kept from running a file")
    nobody = pwd.getpwnam("nobody")
    with tempfile.TemporaryDirectory(prefix="root-runs-nothing-") as name:
        base = Path(name)
        base.chmod(0o755)
        found = Checkout(base / "checkout", base / "cache", base / "records", base / "monitoring")
        for package in PACKAGES:
            shutil.copytree(ROOT / package, found.path / package, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(ROOT / "deploy", found.path / "deploy")
        for path in ("pyproject.toml", "requirements.lock"):
            shutil.copy(ROOT / path, found.path)
        found.cache.mkdir()
        found.records.touch(0o666)
        found.records.chmod(0o666)
        _make_venv(found)
        _plant(found)
        found.command.write_text(_installed_command(found))
        found.command.chmod(0o755)
        for path in (found.path, *found.path.rglob("*"), found.cache):
            os.chown(path, nobody.pw_uid, nobody.pw_gid, follow_symlinks=False)
        yield found


def _python() -> str:
    """Return a Python like this one that user nobody may run: one in root's home is closed to them."""
    as_nobody = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--", "/usr/bin/env")
    tried = f"import sys; sys.path.append({sysconfig.get_path('purelib')!r}); import apsw, pydantic, yaml"
    programs = (os.path.realpath(sys.executable), f"/usr/bin/python3.{sys.version_info.minor}")
    for program in programs:
        done = subprocess.run([*as_nobody, program, "-c", tried], cwd="/", capture_output=True, check=False)
        if done.returncode == 0:
            return program
    return parts.missing("no Python of this version, or no package of this venv, can be loaded by user nobody")


def _make_venv(checkout: Checkout) -> None:
    subprocess.run([_python(), "-m", "venv", "--without-pip", checkout.path / ".venv"], check=True)
    (site,) = (checkout.path / ".venv/lib").glob("python*/site-packages")
    # As a sitecustomize acts, which the distribution's own may hide.
    (site / "ours.pth").write_text(sysconfig.get_path("purelib") + "\nimport at_start\n")
    (site / "at_start.py").write_text(RECORD.format(file=str(checkout.records), what="venv"))


def _plant(checkout: Checkout) -> None:
    for package in ("automation", "monitoring", "utils"):
        with (checkout.path / package / "__init__.py").open("a") as file:
            file.write(RECORD.format(file=str(checkout.records), what=package))
    (checkout.path / ".gitignore").write_text("/.venv/\n__pycache__/\n")
    run_git(checkout.path, "init", "--quiet")
    run_git(checkout.path, "add", "--all")
    run_git(checkout.path, "commit", "--quiet", "--message", "as it is")
    run_git(checkout.path, "remote", "add", "origin", "https://git.example/monitoring.git")
    hook = checkout.path / ".git/monitor"
    hook.write_text(f'#!/bin/sh\necho "fsmonitor $(id -u)" >>{checkout.records}\n')
    hook.chmod(0o755)
    for name, value in (("core.fsmonitor", str(hook)), ("monitoring.sync", "true")):
        run_git(checkout.path, "config", name, value)


def _in_script(name: str, words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run words with the functions of a script of `deploy/`, without its `main`."""
    functions = "".join((ROOT / "deploy" / name).read_text().splitlines(keepends=True)[:-1])
    env = {"PATH": os.environ["PATH"], "HOME": "/root", **variables}
    done = subprocess.run(
        ["bash", "-c", f"{functions}\ncd /\n{words}"], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done


def _installed_command(checkout: Checkout) -> str:
    words = f"TARGET_GROUP=nogroup SUPERCRONIC_BIN=/nowhere TEMPLATES={ROOT}/deploy; render monitoring"
    env = {"REPO_DIR": str(checkout.path), "CACHE_DIR": str(checkout.cache), "ETC_DIR": "/etc/monitoring"}
    return _in_script("install.sh", words, TARGET_USER="nobody", **env).stdout


def _roots_files(checkout: Checkout) -> list[Path]:
    return [path for path in checkout.cache.rglob("*") if path.stat().st_uid == 0]


@pytest.mark.parametrize("verb", [("status",), ("doctor",), ("list",), ("deliver",)])
def test_the_installed_command_changes_the_user_before_python_starts(checkout: Checkout, verb: tuple[str, ...]) -> None:
    done = checkout.type(str(checkout.command), *verb)
    assert "Traceback" not in done.stderr
    assert done.stdout, done.stderr
    loaded = checkout.loaded()
    assert {"venv", "automation", "monitoring"} <= set(loaded)
    assert set().union(*loaded.values()) == {pwd.getpwnam("nobody").pw_uid}
    assert _roots_files(checkout) == []


def test_the_installed_command_keeps_what_is_given_and_drops_what_is_roots(checkout: Checkout) -> None:
    script = checkout.path / "automation/verbs/list.py"
    script.write_text(
        "import json, os\nEXAMPLES = ''\ndef add_arguments(parser): pass\n"
        "def run(args, settings):\n    print(json.dumps(dict(os.environ) | {'groups': os.getgroups()}))\n    return 7\n"
    )
    done = checkout.type(str(checkout.command), "list", LOG_LEVEL="ERROR", PYTHONPATH="/root", XDG_RUNTIME_DIR="/run/0")
    assert done.returncode == 7, done.stderr
    seen = json.loads(done.stdout)
    assert seen["LOG_LEVEL"] == "ERROR"
    assert seen["USER"] == "nobody"
    assert seen["PATH"].startswith(f"{checkout.path}/.venv/bin:")
    assert "PYTHONPATH" not in seen
    assert "XDG_RUNTIME_DIR" not in seen
    assert 0 not in seen["groups"]


def test_another_user_is_sent_to_sudo(checkout: Checkout) -> None:
    done = checkout.type("setpriv", "--reuid=12345", "--clear-groups", "--", str(checkout.command), "status")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "monitoring: run this as nobody or as root: sudo monitoring status\n"
    assert checkout.loaded() == {}


def test_the_import_of_old_caches_changes_the_user_before_python_starts(checkout: Checkout) -> None:
    (checkout.cache / "nonces.txt").write_text("safe:7\n")
    (checkout.cache / "nonces.txt").chmod(0o644)
    done = checkout.type(str(checkout.path / "deploy/migrate-file-cache-to-db.sh"))
    assert "nonces.txt: 1 imported" in done.stdout, done.stderr
    loaded = checkout.loaded()
    assert {"venv", "utils", "monitoring"} <= set(loaded)
    assert set().union(*loaded.values()) == {pwd.getpwnam("nobody").pw_uid}
    assert [path for path in _roots_files(checkout) if path.name != "nonces.txt"] == []


def test_taking_it_away_asks_git_as_the_owner_of_the_checkout(checkout: Checkout) -> None:
    done = _in_script("uninstall.sh", "remove_checkout", REPO_DIR=str(checkout.path))
    assert done.stdout == f"{checkout.path} removed\n", done.stderr
    assert not checkout.path.exists()
    assert 0 not in checkout.loaded().get("fsmonitor", set())


def test_a_file_of_ones_own_in_the_checkout_is_seen_by_the_owners_git(checkout: Checkout) -> None:
    (checkout.path / "notes.txt").touch()
    done = _in_script("uninstall.sh", "remove_checkout", REPO_DIR=str(checkout.path))
    assert done.stdout == f"{checkout.path} stays: files of yours are in it, as notes.txt\n", done.stderr
    assert checkout.loaded() == {"fsmonitor": {pwd.getpwnam("nobody").pw_uid}}


@pytest.mark.parametrize("place", ["REPO_DIR", "CLONE"])
def test_installing_again_asks_git_as_the_owner(checkout: Checkout, place: str) -> None:
    variables = {"REPO_DIR": "/nowhere", "CLONE": "", place: str(checkout.path)}
    words = "REPO_URL=; find_repository; echo $REPO_URL"
    assert _in_script("install.sh", words, **variables).stdout == "https://git.example/monitoring.git\n"
    assert 0 not in checkout.loaded().get("fsmonitor", set())
