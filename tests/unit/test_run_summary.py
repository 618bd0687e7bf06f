"""The line a run ends with, from the counts that its tasks wrote."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from automation.executor.task import TaskResult, TaskStatus
from automation.runner.summary import CheckCounts, is_count, summary

AT = datetime(2026, 12, 1, tzinfo=UTC)


def ended(*statuses: TaskStatus) -> list[TaskResult]:
    return [TaskResult(f"task-{number}", status, "", AT, AT) for number, status in enumerate(statuses)]


def test_the_checks_of_all_tasks_are_added_up_with_the_sources_that_were_not_read() -> None:
    checks = CheckCounts()
    checks.note("one", "100 checks: 1 ok, 0 firing, 99 no data (mainnet 90, base 9)")
    checks.note("one", "32 checks: 0 ok, 0 firing, 32 no data (mainnet 28, base 2, a 1, b 1)")  # tried again
    checks.note("two", "10 checks: 9 ok, 1 firing, 0 no data")
    checks.note("two", "a line about 3 checks: nothing to count")
    line = summary("hourly", ended(TaskStatus.OK, TaskStatus.OK), "", checks, timedelta(seconds=9))
    assert line == ("hourly: 42 checks: 9 ok, 1 firing, 32 no data (mainnet 28, base 2, a 1, …); 2 tasks ok; 9 s")


def test_a_source_named_with_a_colon_is_shown_whole() -> None:
    checks = CheckCounts()
    checks.note("one", "3 checks: 0 ok, 0 firing, 3 no data (mainnet: asset() of 0x056B…5eCc 1, base 2)")
    assert str(checks).endswith("(base 2, mainnet: asset() of 0x056B…5eCc 1)")


def test_a_run_without_checks_counts_its_tasks_and_a_failed_one_gives_its_reason() -> None:
    took = timedelta(seconds=2)
    assert summary("daily", ended(TaskStatus.OK), "", CheckCounts(), took) == "daily: 1 task ok; 2 s"
    failed = summary("daily", ended(TaskStatus.FAILED), "1 of 1 tasks failed: task-0", CheckCounts(), took)
    assert failed == "daily: 1 of 1 tasks failed: task-0; 2 s"


def test_only_a_whole_line_is_a_count() -> None:
    assert is_count("1 check: 1 ok, 0 firing, 0 no data")
    assert not is_count("no data: 32 of 32 checks")
    assert not is_count("it found 1 check: 1 ok")
