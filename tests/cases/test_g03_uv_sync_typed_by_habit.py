"""G.3: `uv sync --frozen --extra ai`, typed by habit in the checkout, and what follows when a package is missing.

uv said "unmanaged" and no remedy, the block went on, the task died of ModuleNotFoundError, its digest did not say how
to repair that, and doctor said that the last good revision runs while the refused one did. Now uv on a host does what
is meant or says what to type; `make sync` refuses before it makes anything; the digest and doctor name what is.
"""

from __future__ import annotations

import getpass
import json
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from monitoring.alerts.message.digest import DigestInput, DigestKind, TaskOutcome, compose
from tests.support import parts
from tests.support.git import run_git
from tests.support.host import ROOT, Host

pytestmark = pytest.mark.case("G.3")
UV = """#!/bin/sh
echo "$(id -u) $*" >>{record}
"""


@dataclass(frozen=True)
class Site:
    """A deployed checkout with a uv that only writes down what it was asked for, and by whom."""

    base: Path
    checkout: Path
    command: Path
    record: Path

    def type(self, *argv: str, where: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            argv, cwd=where or self.checkout, env={"PATH": os.environ["PATH"], "HOME": "/nowhere"},
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

    def uv(self, *words: str, where: Path | None = None) -> subprocess.CompletedProcess[str]:
        return self.type(str(self.command), *words, where=where)

    def asked(self) -> list[str]:
        return self.record.read_text().splitlines()


def made(base: Path, user: str) -> Site:
    base.chmod(0o755)
    site = Site(base, base / "checkout", base / "uv", base / "record")
    site.checkout.mkdir()
    for name in ("Makefile", "requirements.lock", "requirements-notify.lock"):
        shutil.copy(ROOT / name, site.checkout)
    shutil.copytree(ROOT / "deploy/launcher", site.checkout / "deploy/launcher")
    packages = site.checkout / ".venv/packages"
    packages.mkdir(parents=True)
    (site.checkout / ".venv/pyvenv.cfg").touch()
    python = site.checkout / ".venv/bin/python"
    python.parent.mkdir()
    python.write_text(f"#!/bin/sh\necho {packages}\n")  # asked only where its packages lie
    python.chmod(0o755)
    run_git(site.checkout, "init", "--quiet")
    run_git(site.checkout, "config", "monitoring.sync", "true")
    site.record.touch()
    site.record.chmod(0o666)
    real = base / "real-uv"
    real.write_text(UV.format(record=site.record))
    real.chmod(0o755)
    template = (ROOT / "deploy/uv").read_text()
    for name, value in {"UV": real, "REPO_DIR": site.checkout, "USER": user}.items():
        template = template.replace(f"@{name}@", str(value))
    site.command.write_text(template)
    site.command.chmod(0o755)
    return site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return made(tmp_path, getpass.getuser())


@pytest.fixture
def foreign() -> Iterator[Site]:
    """One that belongs to nobody, looked at by root."""
    if os.geteuid() != 0:
        parts.missing("only root can make a checkout of somebody else")
    nobody = pwd.getpwnam("nobody")
    with tempfile.TemporaryDirectory(prefix="uv-") as directory:
        site = made(Path(directory), "nobody")
        for path in (site.checkout, *site.checkout.rglob("*")):
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
        yield site


@pytest.mark.parametrize(
    ("words", "lock"),
    [
        (("--frozen",), "requirements.lock"),
        (("--frozen", "--extra", "notify"), "requirements-notify.lock"),
        (("--frozen", "--extra=notify"), "requirements-notify.lock"),
    ],
)
def test_uv_sync_in_the_checkout_is_make_sync(site: Site, words: tuple[str, ...], lock: str) -> None:
    done = site.uv("sync", *words)
    assert (done.returncode, done.stderr) == (0, "")
    (asked,) = site.asked()
    assert asked.endswith(f"pip sync --quiet --require-hashes --compile-bytecode --python .venv {lock}")


def test_the_line_that_operators_know_by_heart_works(site: Site) -> None:
    done = site.uv("sync", "--frozen", "--extra", "ai")
    assert done.returncode == 0, done.stderr
    assert done.stderr == "uv: this release has no extra ai and needs none: the venv is made from requirements.lock\n"
    assert site.asked()[0].endswith(" requirements.lock")


def test_what_has_no_meaning_here_is_refused_with_what_to_type(site: Site) -> None:
    done = site.uv("sync", "--upgrade")
    assert done.returncode == 2
    assert done.stderr.endswith("type: make sync [EXTRAS=NAME]\n")
    assert site.asked() == []


def test_everything_else_is_uv_as_it_is(site: Site) -> None:
    assert site.uv("run", "python", "-m", "automation", "list").returncode == 0
    assert site.uv("sync", "--upgrade", where=site.base).returncode == 0
    assert [line.partition(" ")[2] for line in site.asked()] == ["run python -m automation list", "sync --upgrade"]


def test_root_in_the_checkout_is_its_owner(foreign: Site) -> None:
    assert foreign.uv("sync", "--frozen").returncode == 0
    assert foreign.uv("run", "python").returncode == 0
    assert {line.partition(" ")[0] for line in foreign.asked()} == {str(pwd.getpwnam("nobody").pw_uid)}


def test_somebody_else_is_told_whom_it_belongs_to(foreign: Site) -> None:
    done = foreign.type("setpriv", "--reuid=12345", "--clear-groups", "--", str(foreign.command), "sync", "--frozen")
    assert done.returncode == 2
    assert done.stderr == f"uv: this venv belongs to nobody; type: sudo -u nobody make -C {foreign.checkout} sync\n"


def test_make_sync_as_root_leaves_nothing_and_says_what_to_type(foreign: Site) -> None:
    before = sorted(foreign.checkout.rglob("*"))
    done = foreign.type("make", "sync", "UV=/nowhere/uv")
    assert done.returncode == 2
    assert f"this checkout belongs to nobody; type: sudo -u nobody make -C {foreign.checkout} sync." in done.stderr
    assert sorted(foreign.checkout.rglob("*")) == before


def test_make_sync_of_an_extra_that_is_not_there_names_those_that_are(site: Site) -> None:
    done = site.type("make", "sync", "EXTRAS=ai")
    assert done.returncode == 2
    assert "there is no extra 'ai' in this release; type: make sync, or EXTRAS= one of notify." in done.stderr


# -- afterwards --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        ("ModuleNotFoundError: No module named 'openai'", "The venv lacks openai: type `make sync` in the checkout"),
        ("ModuleNotFoundError: No module named 'google.api'", "The venv lacks google: type `make sync`"),
        ("ModuleNotFoundError: No module named 'utils.gone'", ""),
        ("ValueError: no", ""),
    ],
)
def test_the_digest_of_a_missing_package_says_what_to_type(line: str, remedy: str) -> None:
    outcome = TaskOutcome("ai", failed=True, reason="exit code 1", last_lines=("Traceback", line))
    alert = compose(DigestInput("hourly", (outcome,)), DigestKind.NEW, None)
    assert (remedy in alert.to_json()) if remedy else ("make sync" not in alert.to_json())


@pytest.fixture
def refused(tmp_path: Path) -> Host:
    """A host whose sync refused a commit."""
    host = Host(tmp_path)
    host.profile({"good": "print('fine')"}, cron="0 0 1 1 *")
    run_git(host.checkout, "init", "--quiet")
    run_git(host.checkout, "config", "monitoring.sync", "true")
    run_git(host.checkout, "add", "--all")
    run_git(host.checkout, "commit", "--quiet", "--message", "good")
    return host


def refuse(host: Host, commit: str) -> None:
    now = datetime.now(UTC).isoformat()
    verdict = {"candidate": commit, "venv": "v", "accepted": False, "at": now, "reason": "needs openai"}
    state = {"status": "refused", "reason": "needs openai", "at": now, "verdict": verdict}
    (host.cache / "sync").mkdir()
    (host.cache / "sync/state.json").write_text(json.dumps(state))


@pytest.mark.parametrize("verb", ["status", "doctor"])
def test_a_refused_commit_that_was_put_here_by_hand_is_said_to_run(refused: Host, verb: str) -> None:
    head = run_git(refused.checkout, "rev-parse", "HEAD")
    refuse(refused, head)
    told = refused.automation(verb).stdout
    assert f"the running commit {head[:12]} was checked out by hand; the sync had refused it: needs openai" in told
    assert "keeps running" not in told


@pytest.mark.parametrize("verb", ["status", "doctor"])
def test_a_refused_commit_that_does_not_run_is_named_with_the_one_that_does(refused: Host, verb: str) -> None:
    head = run_git(refused.checkout, "rev-parse", "HEAD")
    refuse(refused, "f" * 40)
    assert f"newest commit ffffffffffff was refused, {head[:12]} keeps running: needs openai" in (
        refused.automation(verb).stdout
    )


def test_a_fresh_machine_makes_its_venv_for_the_demo_from_the_lock(tmp_path: Path) -> None:
    """Input: `make demo` without any venv; `sync` is then no goal that was typed. Right: the lock is named."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copy(ROOT / "requirements.lock", tmp_path)
    done = subprocess.run(["make", "-n", "demo"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert "--python .venv requirements.lock" in done.stdout, done.stderr
