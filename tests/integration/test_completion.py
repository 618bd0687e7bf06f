"""The completion script in a real bash: what it offers, and that a name from outside is never executed."""

from __future__ import annotations

import os
import shlex
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from monitoring.alerts.message.model import Alert
from monitoring.alerts.recording.store_alert import raise_in
from monitoring.base.clock import SystemClock
from monitoring.conditions.condition import ConditionKey
from monitoring.store.db.schema import open_database
from tests.support.host import Host

TRY = """
source {script}
COMP_WORDS=({words}); COMP_CWORD=$(({count} - 1)); _monitoring; printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Host:
    made = Host(tmp_path_factory.mktemp("completion"))
    made.profile({"aave": "", "lido": ""})
    with closing(open_database(made.cache / "monitoring.db")) as database, database.write() as tx:
        for key in ("peg/USDC USD", f"$(touch {made.cache}/executed)"):
            raise_in(tx, Alert("HIGH", "x", protocol="acme"), now=SystemClock().now(), key=ConditionKey("acme", key))
    script = made.automation("completion", "bash").stdout
    (made.cache / "script").write_text(script)
    command = made.cache / "monitoring"
    command.write_text(f'#!/bin/sh\nexec {shlex.join(made.command())} "$@"\n')
    command.chmod(0o755)
    return made


def offered(host: Host, *typed: str) -> list[str]:
    words = [str(host.cache / "monitoring"), *typed]
    text = TRY.format(script=host.cache / "script", words=shlex.join(words), count=len(words))
    done = subprocess.run(
        ["bash", "-c", text],
        cwd=host.checkout,
        env=host.environ,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return [line for line in done.stdout.splitlines() if line]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (["sil"], ["silence"]),
        (["run", ""], ["hourly"]),
        (["run", "hourly", "--task", ""], ["aave", "lido"]),
        (["silence", "--protocol", "aa"], ["aave"]),
        (["silence", "--fo"], ["--for", "--force"]),
        (["--tz", "Europe/Berl"], ["Europe/Berlin"]),
        (["silence", "--protocol", "acme", "--key", "peg"], ["peg/USDC\\ USD"]),
    ],
)
def test_it_offers_commands_flags_and_names_of_this_host(host: Host, typed: list[str], expected: list[str]) -> None:
    assert offered(host, *typed) == expected


def test_a_name_from_outside_is_quoted_and_not_executed(host: Host) -> None:
    assert any(line.startswith("\\$\\(touch") for line in offered(host, "silence", "--key", ""))
    assert not (host.cache / "executed").exists()


def test_names_that_cannot_be_read_are_no_error(tmp_path: Path) -> None:
    empty = Host(tmp_path)
    empty.jobs("not: a jobs file\n")
    for kind in ("profiles", "keys", "silences", "unknown"):
        done = empty.automation("completion", "--names", kind)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), kind


def test_each_shell_has_a_script_that_names_every_command(host: Host) -> None:
    for shell in ("bash", "zsh", "fish"):
        script = host.automation("completion", shell).stdout
        assert all(name in script for name in ("silence", "render-crontab", "completion", "--names"[2:])), shell
    assert os.fspath(host.cache) not in script
