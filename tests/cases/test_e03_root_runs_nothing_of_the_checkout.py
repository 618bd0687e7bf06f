"""E.3: root types what the pages say, while files of the checkout record who loads them.

The user of the units can write the checkout: what its venv loads at every start, a package's `__init__`, a program
that the repository's own configuration names (`core.fsmonitor`). Whatever root types, none of them may run as root.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.support.deployed_by_nobody import NOBODY, Checkout, deployed_checkout
from tests.support.host import ROOT

pytestmark = pytest.mark.case("E.3")

checkout = deployed_checkout


def _in_script(name: str, words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run words with the functions of a script of `deploy/`, without its `main`."""
    functions = "".join((ROOT / "deploy" / name).read_text().splitlines(keepends=True)[:-1])
    env = {"PATH": os.environ["PATH"], "HOME": "/root", **variables}
    done = subprocess.run(
        ["bash", "-c", f"{functions}\ncd /\n{words}"], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(name="command")
def _command(checkout: Checkout) -> str:
    """Install what install.sh would install as /usr/local/bin/monitoring."""
    words = f"TARGET_GROUP=nogroup SUPERCRONIC_BIN=/nowhere TEMPLATES={ROOT}/deploy; render monitoring"
    env = {"REPO_DIR": str(checkout.path), "CACHE_DIR": str(checkout.cache), "ETC_DIR": "/etc/monitoring"}
    path = checkout.path.parent / "monitoring"
    path.write_text(_in_script("install.sh", words, TARGET_USER="nobody", **env).stdout)
    path.chmod(0o755)
    return str(path)


def _roots_files(checkout: Checkout) -> list[Path]:
    return [path for path in checkout.cache.rglob("*") if path.stat().st_uid == 0]


@pytest.mark.parametrize("verb", [("status",), ("deliver",)])
def test_the_installed_command_changes_the_user_first(checkout: Checkout, command: str, verb: tuple[str, ...]) -> None:
    done = checkout.type(command, *verb)
    assert "Traceback" not in done.stderr
    assert done.stdout, done.stderr
    loaded = checkout.loaded()
    assert {"venv", "automation", "monitoring"} <= set(loaded)
    assert set().union(*loaded.values()) == {NOBODY}
    assert _roots_files(checkout) == []


def test_the_installed_command_keeps_what_is_given_and_drops_what_is_roots(checkout: Checkout, command: str) -> None:
    script = checkout.path / "automation/cli/commands/list.py"
    script.write_text(
        "import json, os\nHELP = \"x\"\nEXAMPLES = ''\ndef add_arguments(parser): pass\n"
        "def run(args, settings):\n    print(json.dumps(dict(os.environ) | {'groups': os.getgroups()}))\n    return 7\n"
    )
    done = checkout.type(command, "list", LOG_LEVEL="ERROR", PYTHONPATH="/root", XDG_RUNTIME_DIR="/run/0")
    assert done.returncode == 7, done.stderr
    seen = json.loads(done.stdout)
    assert seen["LOG_LEVEL"] == "ERROR"
    assert seen["USER"] == "nobody"
    assert seen["PATH"].startswith(f"{checkout.path}/.venv/bin:")
    assert "PYTHONPATH" not in seen
    assert "XDG_RUNTIME_DIR" not in seen
    assert 0 not in seen["groups"]


def test_another_user_is_sent_to_sudo(checkout: Checkout, command: str) -> None:
    done = checkout.type("setpriv", "--reuid=12345", "--clear-groups", "--", command, "status")
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
    assert set().union(*loaded.values()) == {NOBODY}
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
    assert checkout.loaded() == {"fsmonitor": {NOBODY}}


@pytest.mark.parametrize("place", ["REPO_DIR", "CLONE"])
def test_installing_again_asks_git_as_the_owner(checkout: Checkout, place: str) -> None:
    variables = {"REPO_DIR": "/nowhere", "CLONE": "", place: str(checkout.path)}
    words = "REPO_URL=; find_repository; echo $REPO_URL"
    assert _in_script("install.sh", words, **variables).stdout == "https://git.example/monitoring.git\n"
    assert 0 not in checkout.loaded().get("fsmonitor", set())
