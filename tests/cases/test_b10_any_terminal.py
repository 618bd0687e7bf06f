"""B.10: `status`, `incidents`, `alerts` on a terminal that is not UTF-8; a `CACHE_DIR` with a byte outside UTF-8.

What the terminal cannot show is written as an escape, JSON stays JSON; such a `CACHE_DIR` is one clear line and exit 2.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from monitoring.alerts.message.model import Alert, Severity
from monitoring.alerts.recording.store_alert import record
from monitoring.base.clock import SystemClock
from monitoring.store.maintenance.repair import open_or_repair
from tests.support.host import Host

pytestmark = pytest.mark.case("B.10")

TITLE = "utilisation of GHÖ is 99 % 🔴 at é"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Host:
    made = Host(tmp_path_factory.mktemp("host"))
    made.profile({})
    clock = SystemClock()
    database, _ = open_or_repair(made.cache / "monitoring.db", clock)
    with database:
        record(database, Alert(Severity.HIGH, TITLE, protocol="aave", key="ghö"), now=clock.now())
    return made


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
@pytest.mark.parametrize("verb", [("status",), ("incidents",), ("alerts",), ("doctor",), ("alerts", "--json")])
def test_a_verb_ends_well_on_any_terminal(host: Host, encoding: str, verb: tuple[str, ...]) -> None:
    done = subprocess.run(
        host.command(*verb),
        cwd=host.checkout,
        env={**host.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert b"Error" not in done.stderr
    shown = done.stdout.decode(encoding)
    if verb == ("alerts", "--json"):
        assert TITLE in json.dumps(json.loads(shown), ensure_ascii=False)
    elif verb != ("doctor",):
        assert "utilisation of GH" in shown
        assert "\\ud83d\\udd34" in shown


@pytest.mark.parametrize("verb", [("status",), ("run", "hourly"), ("list",), ("audit",)])
def test_a_cache_dir_that_is_not_utf8_is_one_clear_line(host: Host, verb: tuple[str, ...], tmp_path: Path) -> None:
    environ = {os.fsencode(name): os.fsencode(value) for name, value in host.environ.items()}
    done = subprocess.run(
        host.command(*verb),
        cwd=host.checkout,
        env={**environ, b"CACHE_DIR": bytes(tmp_path) + b"/caf\xe9"},
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("error: CACHE_DIR=")
    assert line.endswith("is not UTF-8: name a directory whose path is UTF-8")


def test_a_tilde_in_cache_dir_is_the_home_directory(host: Host, tmp_path: Path) -> None:
    done = host.automation("status", CACHE_DIR="~/state", HOME=str(tmp_path))
    assert f"state       {tmp_path}/state" in done.stdout
    assert not (host.checkout / "~").exists()
