"""Results on stdout: aligned lines, and nothing shortened."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automation.cli.console import aligned, write_json, write_table
from automation.cli.layout import fold, table
from automation.cli.screen import Screen, exactly


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_columns_stand_under_each_other_and_no_line_ends_in_spaces() -> None:
    assert aligned([("NAME", "CRON"), ("hourly", "5 * * * *"), ("x", "")]) == ("NAME    CRON\nhourly  5 * * * *\nx\n")


def test_without_a_terminal_a_table_is_plain_lines() -> None:
    stream = io.StringIO()
    write_table(("A", "B"), [("1", "2")], stream)
    assert stream.getvalue() == "A  B\n1  2\n"


def test_on_a_terminal_nothing_is_shortened_and_nothing_is_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Terminal()
    write_table(("NAME", "TEXT"), [("[red]x[/red]", "word " * 60)], stream)
    assert "[red]x[/red]" in stream.getvalue()
    assert stream.getvalue().count("word") == 60
    assert "…" not in stream.getvalue()


@pytest.mark.parametrize(
    ("terminal", "environ", "is_folded", "has_colour"),
    [
        (True, {"TERM": "xterm", "NO_COLOR": ""}, True, True),
        (True, {"TERM": "xterm", "NO_COLOR": "1"}, True, False),
        (True, {"TERM": "dumb"}, False, False),
        (False, {"TERM": "xterm"}, False, False),
    ],
)
def test_no_color_takes_the_colour_and_only_a_terminal_is_folded(
    terminal: bool, environ: dict[str, str], is_folded: bool, has_colour: bool
) -> None:
    stream = Terminal() if terminal else io.StringIO()
    screen = Screen(stream, environ)
    screen.write(f"NOT VERIFIED: {'word ' * 30}\n")
    assert ("\x1b[1;31mNOT VERIFIED\x1b[0m" in stream.getvalue()) == has_colour
    assert (stream.getvalue().count("\n") > 1) == is_folded


def test_control_characters_from_outside_are_shown_on_any_stream() -> None:
    stream = io.StringIO()
    Screen(stream, {}).write("red\x1b[31mkey\x07\u202e\tfine\nnext\n")
    assert stream.getvalue() == "red\\x1b[31mkey\\x07\\u202e\tfine\nnext\n"


def test_hints_name_the_command_as_it_was_called_and_data_is_left_alone() -> None:
    stream = io.StringIO()
    screen = Screen(stream, {"AUTOMATION_CALLED_AS": "sudo monitoring"})
    screen.write("see `python -m automation audit`\n")
    exactly(screen).write("python -m automation run hourly\n")
    assert stream.getvalue() == "see `sudo monitoring audit`\npython -m automation run hourly\n"


def test_the_live_line_is_taken_away_before_other_text_and_comes_back() -> None:
    stream = Terminal()
    screen = Screen(stream, {"TERM": "xterm", "NO_COLOR": "1", "COLUMNS": "20"})
    screen.show_at_bottom("running one, two and three")
    screen.write("a line\n")
    screen.show_at_bottom("")
    bottom = "running one, two a…"
    assert stream.getvalue() == f"\r\x1b[K{bottom}\r\x1b[Ka line\n{bottom}\r\x1b[K"


words = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z", "M"]), min_size=1, max_size=40)


@given(st.lists(words, max_size=12), st.integers(20, 100))
def test_a_folded_line_is_never_wider_and_breaks_only_between_words_that_fit(found: list[str], width: int) -> None:
    lines = fold(" ".join(found), width, "")
    assert all(len(line) <= width for line in lines if line.isascii() and "://" not in line)
    if all(len(word) <= width // 2 - 2 and word.isascii() for word in found):
        assert " ".join(lines).split() == " ".join(found).split() or any("0x" in word for word in found)


def test_a_command_to_type_stays_whole_or_goes_on_behind_a_backslash() -> None:
    command = "monitoring silence --protocol cap --key share-price/1/stcUSD --for 2h"
    shown = fold(f"what to do about it when it comes again: {command}", 80, "monitoring")
    assert shown == ["what to do about it when it comes again:", f"  {command}"]
    broken = fold(f"  {command} --reason {'word ' * 6}", 60, "monitoring")
    assert all(line.endswith(" \\") for line in broken[1:-1])
    assert " ".join(line.removesuffix("\\").strip() for line in broken if line.strip()).split() == (
        f"{command} --reason {'word ' * 6}".split()
    )


def test_ids_are_shortened_only_where_a_line_would_be_too_long() -> None:
    line = f"timelocks/1/0x{'ab' * 20}  ok  since noon"
    assert fold(line, 80, "") == [line]
    assert fold(line, 40, "") == ["timelocks/1/0xabab…abab  ok  since noon"]


def test_what_may_be_copied_or_compared_is_whole_in_a_sentence_and_in_a_link() -> None:
    one, other = f"0xE4{'e4' * 19}", f"0xe4{'e4' * 19}"
    shown = " ".join(fold(f"error: {one} has a wrong checksum: the right form is {other}", 80, ""))
    assert one in shown
    assert other in shown
    link = f"https://app.safe.global/transactions/tx?safe=eth:{one}&id=multisig_{one}_0x{'ab' * 32}"
    assert fold(f"link  {link}", 80, "")[-1].strip() == link
    assert link in "\n".join(table([("A", "LINK"), ("1", link)], 60))


def test_a_command_is_never_broken_inside_quotes() -> None:
    command = "monitoring silence --protocol cap --key share-price --reason 'the team knows, until Friday'"
    *_, first, last = fold(f"  {command}", 80, "monitoring")
    assert first.endswith("share-price --reason \\")
    assert last.strip() == "'the team knows, until Friday'"


def test_a_table_that_is_too_wide_wraps_its_widest_column_or_puts_the_widest_ones_below() -> None:
    assert table([("A", "TITLE"), ("1", "word " * 10)], 40) == [
        "A  TITLE",
        "1  word word word word word word word",
        "   word word word",
    ]
    wide = table([("ID", "KEY", "N", "TITLE"), ("1", "k" * 35, "2", "a title of some words")], 40)
    assert wide == ["ID  N  TITLE", "1   2  a title of some words", f"    key: {'k' * 31}", f"        {'k' * 4}"]


def test_json_keeps_every_letter_readable() -> None:
    stream = io.StringIO()
    write_json([{"name": "größe"}], stream)
    assert "größe" in stream.getvalue()
    assert json.loads(stream.getvalue()) == [{"name": "größe"}]
