"""`silence --protocol avae` was accepted; without the venv a command ended in 40 lines of traceback; escape sequences
in a condition's key reached the terminal; a run that read nothing exited 0 without a summary.

Right: an unknown protocol is refused with the nearest name; one line says what to type; control characters are shown.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from monitoring.alerts.message.model import Alert
from monitoring.alerts.recording.store_alert import raise_in
from monitoring.base.clock import SystemClock
from monitoring.conditions.condition import ConditionKey
from monitoring.store.db.schema import open_database
from tests.support.child import CHECKOUT
from tests.support.host import Host

pytestmark = pytest.mark.case("D.9")


@pytest.fixture
def host(tmp_path: Path) -> Host:
    made = Host(tmp_path)
    made.profile({"aave": "print('fine')"})
    return made


def test_a_silence_of_an_unknown_protocol_is_refused_with_the_nearest_name(host: Host) -> None:
    done = host.automation("silence", "--protocol", "avae", "--for", "2h", "--reason", "maintenance")

    assert done.returncode == 2
    assert "aave" in done.stderr


def test_without_the_venv_one_line_says_what_to_type() -> None:
    done = subprocess.run(
        [sys.executable, "-S", "-m", "automation", "status"],
        cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=60, env={"MONITORING_ENV_FILE": ""},
    )  # fmt: skip

    assert "make sync" in done.stderr
    assert len(done.stderr.splitlines()) <= 2


def test_control_characters_of_a_key_do_not_reach_the_terminal(host: Host) -> None:
    key = ConditionKey("acme", "red\x1b[31mkey\x1b]0;title\x07")
    with closing(open_database(host.cache / "monitoring.db")) as database, database.write() as tx:
        raise_in(tx, Alert("HIGH", "a coloured key", protocol="acme"), now=SystemClock().now(), key=key)
    shown = host.automation("incidents").stdout + host.automation("status").stdout

    assert "key" in shown
    assert not {"\x1b", "\x07"} & set(shown)


def test_a_run_ends_with_one_summary_line(host: Host) -> None:
    done = host.automation("run", "hourly")

    assert "hourly: 1 task ok" in done.stderr
