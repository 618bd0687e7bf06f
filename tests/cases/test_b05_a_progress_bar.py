"""B.5: a task draws a progress bar (`10%`, a carriage return, `20%` …) and fails.

Journal, row and digest hold its last state, not two kilobytes of them.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automation.executor.output import FORWARDED_BYTES, Output
from tests.support.host import Host

pytestmark = pytest.mark.case("B.5")

BAR = """
import sys
print("reading blocks", flush=True)
for percent in range(0, 101):
    sys.stderr.write(f"\\r{percent:3}% |{'#' * (percent // 2):50}|")
    sys.stderr.flush()
sys.exit(3)
"""
DONE = f"100% |{'#' * 50}|"


def test_of_a_bar_only_its_last_state_is_in_the_log_the_row_and_the_digest(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.profile({"bar": BAR})
    done = host.automation("run", "hourly")
    assert done.returncode == 1
    assert [line for line in done.stderr.splitlines() if line.startswith("bar | ")] == [
        "bar | reading blocks",
        f"bar | {DONE}",
    ]
    assert host.rows("SELECT output_tail FROM task_runs") == [(f"reading blocks\n{DONE}",)]
    [(digest,)] = host.rows("SELECT message FROM alert_events WHERE source = 'automation_digest'")
    assert DONE in str(digest)
    assert "99%" not in str(digest)


def lines(*pieces: bytes) -> tuple[list[str], str, list[str]]:
    output = Output()
    shown = [line for piece in pieces for line in output.feed(piece)]
    return shown + output.end_attempt(), output.tail(), output.summary()


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (b"10%\r20%\r30%\n", ["30%"]),
        (b"10%\r20%\r30%\r\n", ["30%"]),
        (b"\r10%\r20%", ["20%"]),
        (b"10%\r20%\r", ["20%"]),
        (b"a line of Windows\r\nanother\r\n", ["a line of Windows", "another"]),
        (b"10%\r20%\nafter it\n", ["20%", "after it"]),
        (b"\r\r\r\n", [""]),
    ],
)
def test_the_last_state_stays_however_it_is_written(written: bytes, shown: list[str]) -> None:
    assert lines(written) == (shown, "\n".join(shown), [])


@given(st.lists(st.binary(max_size=12), max_size=12))
def test_where_the_pipe_cuts_makes_no_difference(pieces: list[bytes]) -> None:
    assert lines(*pieces)[:2] == lines(b"".join(pieces))[:2]


def test_a_bar_of_megabytes_takes_no_room_of_other_lines() -> None:
    bar = b"".join(b"\r%7d of a long way" % number for number in range(2 * FORWARDED_BYTES // 22))
    shown, _, left_out = lines(bar, b"\n", b"the end\n")
    assert shown[-1] == "the end"
    assert len(shown) == 2
    assert left_out == []
