"""A run at a terminal: what is fine is left out, the summary is last, and the live line is gone at the end."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest

from automation.cli.live import LiveDisplay, display_for
from automation.cli.screen import Screen, for_people
from automation.executor.task import TaskResult, TaskStatus
from monitoring.base.log import SurvivingHandler
from monitoring.base.secrets.redact import Redactor

AT = datetime(2026, 12, 1, tzinfo=UTC)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def run_on(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch, *, verbose: bool, is_manual: bool = True) -> str:
    monkeypatch.setattr("sys.stderr", stream)
    with for_people({"TERM": "xterm", "NO_COLOR": "1", "COLUMNS": "80"}):
        display = display_for(SurvivingHandler(Redactor({})), is_manual=is_manual, verbose=verbose)
        display.begin("hourly", ["aave"])
        display.task_started("aave")
        display.line("aave", "aave/backing/1  firing")
        display.line("aave", "3 checks: 2 ok, 1 firing, 0 no data")
        display.task_ended(TaskResult("aave", TaskStatus.OK, "", AT, AT, duration_s=0.5), "3 checks: 2 ok, 1 firing")
        display.end("hourly: 3 checks: 2 ok, 1 firing, 0 no data; 1 task ok; 1 s")
        display.line("aave", "what comes later")
        display.close()
    return stream.getvalue()


def test_a_person_sees_what_is_not_fine_and_the_summary_last(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = run_on(Terminal(), monkeypatch, verbose=False)
    assert "0 of 1 tasks done; aave" in shown
    lasting = [line.rpartition("\r\x1b[K")[2] for line in shown.removesuffix("\n").split("\n")]
    assert lasting == [
        "aave | aave/backing/1  firing",
        "✓ aave: ok in 0.5 s; 3 checks: 2 ok, 1 firing",
        "aave | what comes later",
        "hourly: 3 checks: 2 ok, 1 firing, 0 no data; 1 task ok; 1 s",
    ]


def test_verbose_shows_every_line_of_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "aave | 3 checks: 2 ok, 1 firing, 0 no data\n" in run_on(Terminal(), monkeypatch, verbose=True)


@pytest.mark.parametrize(("stream", "is_manual"), [(io.StringIO(), True), (Terminal(), False)])
def test_a_log_and_a_run_of_a_scheduler_get_the_lines_of_tasks_and_the_summary(
    stream: io.StringIO, is_manual: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_on(stream, monkeypatch, verbose=False, is_manual=is_manual).splitlines() == [
        "aave | aave/backing/1  firing",
        "aave | 3 checks: 2 ok, 1 firing, 0 no data",
        "hourly: 3 checks: 2 ok, 1 firing, 0 no data; 1 task ok; 1 s",
        "aave | what comes later",
    ]


def test_the_live_display_is_for_a_screen() -> None:
    assert LiveDisplay(SurvivingHandler(Redactor({})), Screen(Terminal(), {}), verbose=True).is_brief is False
