"""Results on stdout: aligned lines, and nothing shortened."""

from __future__ import annotations

import io
import json

import pytest

from automation.cli.console import aligned, wants_table, write_json, write_table


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


def test_a_dumb_terminal_or_no_color_gets_lines() -> None:
    assert wants_table(Terminal(), {"TERM": "xterm", "NO_COLOR": ""})
    assert not wants_table(Terminal(), {"TERM": "dumb"})
    assert not wants_table(Terminal(), {"TERM": "xterm", "NO_COLOR": "1"})
    assert not wants_table(io.StringIO(), {"TERM": "xterm"})


def test_json_keeps_every_letter_readable() -> None:
    stream = io.StringIO()
    write_json([{"name": "größe"}], stream)
    assert "größe" in stream.getvalue()
    assert json.loads(stream.getvalue()) == [{"name": "größe"}]
