"""A task's output stays within bounds and cannot harm a log."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automation.executor.output import FORWARDED_BYTES, LINE_BYTES, TAIL_BYTES, Output, readable


def test_whole_lines_are_forwarded_as_they_come() -> None:
    output = Output()
    assert output.feed(b"one\ntwo\nth") == ["one", "two"]
    assert output.feed(b"ree") == []
    assert output.feed(b"\n\n") == ["three", ""]
    assert output.feed(b"no newline") == []
    assert output.end_attempt() == ["no newline"]
    assert output.summary() == []
    assert (output.bytes, output.lines) == (25, 5)
    assert output.tail() == "one\ntwo\nthree\n\nno newline"


def test_a_task_that_prints_nothing_has_no_lines() -> None:
    output = Output()
    assert output.end_attempt() == []
    assert (output.bytes, output.lines, output.tail(), output.summary()) == (0, 0, "", [])


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b"a\ttab stays", "a\ttab stays"),
        (b"dos line\r", "dos line"),
        (b"10%\r20%", r"10%\r20%"),
        (b"\x1b[1;31mred\x1b[0m", "red"),
        (b"\x1b]0;title\x07text \x1b]8;;http://x\x1b\\link", "text link"),
        (b"\x1b(B\x1b=\x1b7plain", "plain"),
        (b"half an escape \x1b", r"half an escape \x1b"),
        (b"bell\x07 null\x00 del\x7f", r"bell\x07 null\x00 del\x7f"),
        (b"bad \xff\xfe utf-8 \xc3", r"bad \xff\xfe utf-8 \xc3"),
        ("ünïcödé \N{SNOWMAN} 😀".encode(), "ünïcödé \N{SNOWMAN} 😀"),
        ("csi \x9b31m".encode(), r"csi \x9b31m"),
        ("line\u2028sep and \u202eoverride".encode(), r"line\u2028sep and \u202eoverride"),
    ],
)
def test_what_a_terminal_would_obey_is_neutralised(line: bytes, text: str) -> None:
    assert readable(line) == text


@given(st.binary())
def test_no_line_ever_holds_a_control_character(line: bytes) -> None:
    assert not {character for character in readable(line) if ord(character) < 32 or ord(character) == 127} - {"\t"}


def test_a_very_long_line_is_cut_between_characters() -> None:
    output = Output()
    text = "ä€😀x" * 5000
    lines = output.feed(text.encode() + b"\n")
    assert "".join(lines) == text
    assert len(lines) > 5
    assert all(LINE_BYTES - 4 < len(line.encode()) <= LINE_BYTES for line in lines[:-1])
    assert output.lines == 1


def test_a_line_without_an_end_does_not_pile_up() -> None:
    output = Output()
    shown = [line for _ in range(100) for line in output.feed(b"x" * 1000)]
    assert len(shown) == 100_000 // LINE_BYTES
    assert output.end_attempt() == ["x" * (100_000 % LINE_BYTES)]


def test_after_the_first_megabyte_there_is_a_count_and_the_tail() -> None:
    output = Output()
    shown = [line for number in range(300_000) for line in output.feed(b"line %06d\n" % number)]
    assert sum(len(line) + 1 for line in shown) == pytest.approx(FORWARDED_BYTES, abs=20)
    assert shown[-1] == f"line {len(shown) - 1:06}"
    assert output.end_attempt() == []
    count, *tail = output.summary()
    hidden = 300_000 - len(shown)
    assert count == f"[{hidden * 12:,} bytes in {hidden:,} lines left out; the last lines:]"
    assert tail == [f"line {number:06}" for number in range(300_000 - TAIL_BYTES // 12, 300_000)]
    assert output.tail().split("\n") == tail
    assert (output.bytes, output.lines) == (3_600_000, 300_000)


def test_the_tail_of_one_endless_line_is_its_end() -> None:
    output = Output()
    output.feed("é".encode() * 2_000_000)
    output.feed(b"x")
    tail = output.tail()
    assert tail.endswith("éx")
    assert set(tail) == {"é", "x"}
    assert len(tail.encode()) <= TAIL_BYTES


def test_attempts_share_the_bound_and_do_not_run_into_each_other() -> None:
    output = Output()
    output.feed(b"first without end")
    assert output.end_attempt() == ["first without end"]
    assert output.feed(b"second\n") == ["second"]
    assert output.tail() == "first without end\nsecond"
    output.feed(b"y" * FORWARDED_BYTES + b"\n")
    output.end_attempt()
    assert output.feed(b"not shown") == []
    assert output.end_attempt() == []
    count, *tail = output.summary()
    assert count.startswith("[")
    assert tail[-1] == "not shown"


@given(st.lists(st.binary(max_size=3000), max_size=12), st.integers(1, 5000))
def test_how_the_output_is_sliced_changes_nothing(chunks: list[bytes], size: int) -> None:
    data = b"".join(chunks)
    whole, sliced = Output(), Output()
    shown = whole.feed(data) + whole.end_attempt()
    again = [line for at in range(0, len(data), size) for line in sliced.feed(data[at : at + size])]
    again += sliced.end_attempt()
    if all(len(line) <= LINE_BYTES for line in data.split(b"\n")):
        assert shown == again
    assert (whole.bytes, whole.lines, whole.tail()) == (sliced.bytes, sliced.lines, sliced.tail())


@given(st.lists(st.sampled_from([b"", b"short", b"x" * 700, b"y" * 9000]), max_size=400))
def test_shown_and_left_out_add_up(lines: list[bytes]) -> None:
    output = Output()
    shown = [text for line in lines for text in output.feed(line + b"\n")]
    counted = output.summary()
    left_out = int(counted[0][1:].split()[0].replace(",", "")) if counted else 0
    cuts = sum(-(-len(line) // LINE_BYTES) - 1 for line in lines if line)  # parts of one line share a newline
    assert sum(map(len, shown)) + len(shown) + left_out == pytest.approx(output.bytes, abs=cuts + 1)
