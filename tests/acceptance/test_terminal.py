"""Every command as a person sees it: a pseudo-terminal of 80 columns, on a host with long ids that fires and waits."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from contextlib import closing

import pytest

from automation.cli.commands import command_names
from monitoring.alerts.message.model import Alert
from monitoring.alerts.recording.store_alert import raise_in
from monitoring.base.clock import SystemClock
from monitoring.conditions.condition import ConditionKey
from monitoring.store.db.schema import open_database
from tests.support.host import Host

WIDTH = 80
ADDRESS = f"0x{'d8236031' * 5}"
STYLE = re.compile(r"\x1b\[[0-9;]*m|[^\n]*?\r\x1b\[K")  # and what the live line was before it was cleared
# What each command is tried with, next to `--help`.
TRIED: dict[str, list[list[str]]] = {
    "alerts": [[], ["show", "1"], ["--route", "TIMELOCKS"], ["--tz", "Europe/Berlin"]],
    "audit": [[], ["--tz", "Europe/Berlin"]],
    "backup": [[]],
    "catch-up": [["--profile", "hourly"]],
    "deliver": [["--within", "1s"]],
    "doctor": [["--all"]],
    "drill": [["--timeout", "1s", "--here"]],
    "incidents": [[], ["--all"], ["--done", "nothing/of/this/name"]],
    "init": [["--dry-run", "--yes"]],
    "list": [[], ["--tz", "America/Argentina/Buenos_Aires"]],
    "probe": [["not-an-address"]],
    "prune": [[]],
    "restore": [[]],
    "run": [["hourly"], ["hourly", "--dry-run"], ["nothing"]],
    "silence": [["--list"], ["--protocol", "timeloks", "--for", "2h", "--reason", "r"]],
    "status": [[], ["--tz", "Europe/Berlin"]],
    "stop": [["hourly"]],
    "explain": [["nothing.yaml"]],
    "test": [["nothing.yaml"]],
    "validate": [[]],
}
# All in one process: what is tried is the output, and not twenty starts of Python.
CHILD = """
import json, logging, sys
from automation.cli.main import main
for argv in json.loads(sys.argv[1]):
    sys.__stdout__.write("\\n\\x02" + json.dumps(argv) + "\\n"); sys.__stdout__.flush()
    try:
        main(argv)
    except SystemExit:
        pass
    sys.stdout.flush(); sys.stderr.flush()
"""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Host:
    made = Host(tmp_path_factory.mktemp("terminal"))
    made.profile(
        {"aave": "print('fine')", "a-task-with-a-rather-long-name": "raise SystemExit('it ends with an error')"}
    )
    with closing(open_database(made.cache / "monitoring.db")) as database, database.write() as tx:
        for number in range(3):
            key = ConditionKey("timelocks", "timelocks", 1, f"{ADDRESS[:-1]}{number}")
            alert = Alert(
                "HIGH", "a batch of 3 calls was scheduled by an account that is not expected " * 2, protocol="timelocks"
            )
            raise_in(tx, alert, now=SystemClock().now(), key=key)
        hostile = ConditionKey("acme", "red\x1b[31mkey\x1b]0;title\x07")
        raise_in(tx, Alert("CRITICAL", "a coloured key", protocol="acme"), now=SystemClock().now(), key=hostile)
    made.automation(
        "silence", "--protocol", "timelocks", "--key", "timelocks/1/*", "--for", "2h", "--reason", "known " * 20
    )
    return made


def shown(host: Host, tried: list[list[str]], **environ: str) -> dict[str, str]:
    """Return what each command line writes to a terminal, with its styles."""
    ours, theirs = pty.openpty()
    env = {
        **host.environ,
        "TERM": "xterm-256color",
        "COLUMNS": str(WIDTH),
        "LANG": "C.UTF-8",
        "PYTHONUTF8": "1",
        **environ,
    }
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, json.dumps(tried)], cwd=host.checkout, env=env, stdin=subprocess.DEVNULL,
        stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    parts = []
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:
            break
        if not part:
            break
        parts.append(part)
    os.close(ours)
    assert child.wait(60) == 0
    text = b"".join(parts).decode().replace("\r\n", "\n")
    found = dict(part.split("\n", 1) for part in text.split("\n\x02")[1:])
    assert len(found) == len(tried)
    return found


def words(text: str) -> set[str]:
    return {word.rstrip(":").lower() for word in STYLE.sub("", text).split() if not re.search(r"\d|…|\\", word)}


@pytest.mark.ci
def test_every_command_keeps_words_whole_within_the_terminal_and_passes_no_control_character_on(host: Host) -> None:
    tried = [[name, *more] for name in command_names() for more in TRIED.get(name, [])]
    tried += [[name, "--help"] for name in command_names()] + [["--help"]]
    unfolded = shown(host, tried, TERM="dumb")
    folded = shown(host, tried)
    again = shown(host, [line for line in tried if line[0] in ("alerts", "audit", "doctor", "status")], TERM="dumb")
    known = {word for texts in (unfolded, again) for text in texts.values() for word in words(text)}
    for line, text in folded.items():
        clean = STYLE.sub("", text)
        assert not {"\x1b", "\x07"} & set(clean + unfolded[line]), line
        assert [each for each in clean.splitlines() if len(each) > WIDTH] == [], line
        assert "Traceback" not in clean, line
        if not line.startswith('["run"'):  # a person at a terminal sees another run than a log
            assert words(text) - known == set(), line


def test_states_have_a_colour_unless_it_is_not_wanted(host: Host) -> None:
    tried = [["incidents"], ["alerts", "--help"]]
    assert "\x1b[1;31mCRITICAL\x1b[0m" in shown(host, tried)['["incidents"]']
    assert not re.search(r"\x1b\[[0-9;]+m", "".join(shown(host, tried, NO_COLOR="1").values()))


def test_long_ids_are_short_where_they_do_not_fit_and_silence_takes_them_so(host: Host) -> None:
    (text,) = shown(host, [["incidents"]], NO_COLOR="1").values()
    short = "timelocks/1/0xd823…6032"
    assert short in text
    done = host.automation("silence", "--protocol", "timelocks", "--key", short, "--for", "1h", "--reason", "r")
    assert (done.returncode, done.stdout.splitlines()[1]) == (0, "it covers 1 incident now")
