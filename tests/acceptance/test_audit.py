"""The verb `audit` at a terminal, and every example of docs/audit.md."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitoring.ledger.causes import ALIVE
from monitoring.ledger.findings import ProblemKind
from monitoring.store.db.write_lock import FairLock
from tests.support.audit_page import live
from tests.support.host import ROOT, Host
from tests.support.simulated_host import state_directory

PAGE = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")
_DAY = ("--since", "2024-09-01", "--until", "2024-09-02")


@pytest.fixture
def host(tmp_path: Path) -> Host:
    made = Host(tmp_path)
    made.profile({"good": "print('fine')"})
    return made


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A host with the two days of the page."""
    made = Host(tmp_path_factory.mktemp("page"))
    with state_directory() as directory:
        live(directory)
        made.environ["CACHE_DIR"] = str(directory)
        made.cache = directory
        yield made


def examples() -> list[tuple[str, str, int]]:
    """Return (arguments, output, exit code) of every example; without an `echo $?` behind it, 0 is meant."""
    found = []
    for block in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL):
        (command, shown), *rest = re.findall(r"\$ (.*)\n((?:(?!\$ ).*\n)*)", block)
        found.append((command.removeprefix(".venv/bin/monitoring "), shown, int(rest[0][1]) if rest else 0))
    return found


@pytest.mark.parametrize(("arguments", "shown", "code"), examples(), ids=lambda value: str(value)[:60])
def test_an_example_of_the_page_prints_what_the_page_shows(lived: Host, arguments: str, shown: str, code: int) -> None:
    done = lived.automation(*shlex.split(arguments))
    assert (done.stdout, done.returncode) == (shown, code)


def test_the_page_names_every_cause() -> None:
    source = (ROOT / "monitoring" / "ledger" / "causes.py").read_text()
    causes = [*re.findall(r'f?"((?:the host|the scheduler|the clock) was [a-z ]+?)(?= \(|"| \{)', source), ALIVE]
    assert len(causes) >= 5
    for cause in causes:
        assert cause.partition(" (")[0] in PAGE


def test_without_a_database_nothing_is_proved_and_none_is_made(host: Host) -> None:
    done = host.automation("audit")
    assert (done.returncode, done.stdout) == (1, "")
    assert "monitoring.db does not exist: nothing can be verified. Check CACHE_DIR" in done.stderr
    as_json = host.automation("audit", "--json")
    assert as_json.returncode == 1
    assert json.loads(as_json.stdout)["ok"] is False
    assert "does not exist" in json.loads(as_json.stdout)["error"]
    assert list(host.cache.glob("*.db")) == []


def test_a_damaged_database_proves_nothing_and_is_left_as_it_is(host: Host) -> None:
    damaged = b"no database at all" * 1000
    (host.cache / "monitoring.db").write_bytes(damaged)
    done = host.automation("audit")
    assert done.returncode == 1
    assert "nothing can be verified" in done.stderr
    assert (host.cache / "monitoring.db").read_bytes() == damaged


def test_a_ledger_that_others_keep_locked_is_read_as_it_is(lived: Host) -> None:
    with FairLock(lived.cache / "locks" / "write.lock").hold(10):
        done = lived.automation("audit", *_DAY)
    assert done.returncode == 0
    assert "\nVERIFIED: every due tick ran ok" in done.stdout
    assert "the ledger could not be brought up to date and is read as it is" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--since", "yesterday"], "'yesterday' is not a time: write a duration such as 24h, or"),
        (["--since", "1h", "--until", "2h"], "--since 1h is not before --until 2h"),
        (["--until", "2999-01-01"], "--until 2999-01-01 is in the future: only the past can be audited"),
        (["--drill-older-than", "a week"], "'a week' is not a duration"),
    ],
)
def test_a_span_that_means_nothing_is_refused(lived: Host, arguments: list[str], says: str) -> None:
    done = lived.automation("audit", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr


def test_an_unknown_profile_proves_nothing_and_the_known_ones_are_named(lived: Host) -> None:
    done = lived.automation("audit", *_DAY, "--profile", "hurly")
    assert done.returncode == 1
    assert (
        "hurly: the ledger has no schedule and no run of this profile in this period; known profiles: daily, hourly"
        in done.stderr
    )
    assert ProblemKind.NOTHING_SCHEDULED in done.stdout


def test_a_reader_who_goes_away_is_no_error(lived: Host) -> None:
    command = shlex.join([*lived.command("audit", *_DAY), "--json"]) + " | head -1"
    done = subprocess.run(
        ["sh", "-c", command], cwd=lived.checkout, env=lived.environ, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("{\n", "")
