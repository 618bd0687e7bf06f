"""A deployed checkout that belongs to user nobody, as a host has one; whoever loads its files is written down."""

from __future__ import annotations

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
from tests.support.checkouts import AS_SHIPPED
from tests.support.git import run_git
from tests.support.host import DEAF, PACKAGES, ROOT

NOBODY = pwd.getpwnam("nobody").pw_uid
_TIMEOUT_S = 60
_RECORD = "import os\nwith open({file!r}, 'a') as record:\n    record.write({what!r} + f' {{os.geteuid()}}\\n')\n"


@dataclass(frozen=True)
class Checkout:
    """A deployed checkout of user nobody, whose files write down who loads them."""

    path: Path
    cache: Path
    records: Path

    def loaded(self) -> dict[str, set[int]]:
        """Return which planted file was loaded as whom."""
        found: dict[str, set[int]] = {}
        for line in self.records.read_text().splitlines():
            what, _, uid = line.partition(" ")
            found.setdefault(what, set()).add(int(uid))
        return found

    def write(self, name: str, text: str) -> None:
        """Write a file of the checkout as its owner."""
        path = self.path / name
        for made in (path.parent, path):
            if made is path:
                path.write_text(text)
            else:
                made.mkdir(exist_ok=True)
            os.chown(made, NOBODY, -1)

    def python(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Type `.venv/bin/python …` as root in the checkout: not the way to do it, but done."""
        done = self.type(str(self.path / ".venv/bin/python"), *arguments, cwd=self.path, **environ)
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def type(self, *argv: str, cwd: Path = Path("/"), **environ: str) -> subprocess.CompletedProcess[str]:
        """Type a command as root, with an environment as sudo leaves it."""
        env = {"PATH": os.environ["PATH"], "HOME": "/root", "MONITORING_ENV_FILE": "", "CACHE_DIR": str(self.cache)}
        return subprocess.run(
            argv,
            cwd=cwd,
            env={**env, **DEAF, **environ},
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIMEOUT_S,
        )


@pytest.fixture(name="checkout")
def deployed_checkout() -> Iterator[Checkout]:
    if os.geteuid() != 0:
        pytest.skip("only root can be kept from running a file")
    with tempfile.TemporaryDirectory(prefix="root-runs-nothing-") as name:
        base = Path(name)
        base.chmod(0o755)
        found = Checkout(base / "checkout", base / "cache", base / "records")
        for package in PACKAGES:
            shutil.copytree(ROOT / package, found.path / package, ignore=AS_SHIPPED)
        shutil.copytree(ROOT / "deploy", found.path / "deploy")
        for path in ("pyproject.toml", "requirements.lock"):
            shutil.copy(ROOT / path, found.path)
        found.cache.mkdir()
        found.records.touch(0o666)
        found.records.chmod(0o666)
        _make_venv(found)
        _plant(found)
        for path in (found.path, *found.path.rglob("*"), found.cache):
            os.chown(path, NOBODY, pwd.getpwnam("nobody").pw_gid, follow_symlinks=False)
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
    (site / "at_start.py").write_text(_RECORD.format(file=str(checkout.records), what="venv"))


def _plant(checkout: Checkout) -> None:
    for package in ("automation", "monitoring", "utils"):
        with (checkout.path / package / "__init__.py").open("a") as file:
            file.write(_RECORD.format(file=str(checkout.records), what=package))
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
