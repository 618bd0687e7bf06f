"""B.5: `silence --for 999999999d` ended in a traceback.

Every option of every verb that takes a time or a number refuses one that is too large, in one line that says what to
write, exit 2; nothing is stored.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from automation.cli.commands import command_names, load_command
from tests.support.host import Host

pytestmark = pytest.mark.case("B.5")

# What each verb needs beside the option itself.
MORE = {
    "silence --for": ["--protocol", "aave", "--reason", "r"],
    "silence --until": ["--protocol", "aave", "--reason", "r"],
    "pause --for": ["--profile", "hourly", "--reason", "r"],
    "pause --until": ["--profile", "hourly", "--reason", "r"],
    "drill --within": ["--people"],
    "backtest --since": ["monitor.yaml"],
    "backtest --until": ["--since", "1d", "monitor.yaml"],
    "backtest --every": ["--since", "1d", "monitor.yaml"],
    "restore --wait": ["nothing.db"],
    "stop --grace": ["hourly"],
}


def options(of: str) -> list[tuple[str, str]]:
    """Every option of every verb whose value is a time (or a number), as (verb, option)."""
    found = []
    for verb in command_names():
        parser = argparse.ArgumentParser()
        load_command(verb).add_arguments(parser)
        wanted = (each for each in parser._actions if (each.metavar == "TIME" if of == "time" else each.type is int))
        found += [(verb, each.option_strings[0]) for each in wanted if each.option_strings]
    return found


@pytest.fixture
def host(tmp_path: Path) -> Host:
    made = Host(tmp_path)
    made.profile({})
    return made


def test_the_sweep_finds_the_options_there_are() -> None:
    assert ("silence", "--for") in options("time")
    assert len(options("time")) >= 10
    assert ("silence", "--end") in options("number")


@pytest.mark.parametrize(("verb", "option"), options("time"))
def test_a_time_that_is_too_long_is_refused_in_one_line(host: Host, verb: str, option: str) -> None:
    done = host.automation(verb, option, "999999999d", *MORE.get(f"{verb} {option}", []))
    assert (done.returncode, done.stdout) == (2, "")
    assert "error: '999999999d' is too long a duration: write 36500d at most" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "text", ["9" * 5000, "9" * 5000 + "d", "9999-12-31T23:59-12:00", "0001-01-01T00:00+14:00", "30d1h", "31d", "∞"]
)
def test_an_end_of_a_silence_that_is_none_is_refused(host: Host, text: str) -> None:
    for option in ("--for", "--until"):
        done = host.automation("silence", "--protocol", "aave", "--reason", "r", option, text)
        assert (done.returncode, done.stdout) == (2, "")
        assert "Traceback" not in done.stderr
        assert len(done.stderr) < 400, "it does not repeat thousands of digits"
    assert not (host.cache / "monitoring.db").exists() or host.rows("SELECT * FROM silences") == []


@pytest.mark.parametrize(("verb", "option"), options("number"))
def test_a_number_that_no_database_can_hold_is_no_traceback(host: Host, verb: str, option: str) -> None:
    done = host.automation(verb, option, "9" * 30)
    assert done.returncode in (0, 1, 2)
    assert "Traceback" not in done.stderr
