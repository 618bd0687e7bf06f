"""A breach that goes on was reported once and never again, and a round of a price feed that went back was forgotten.

Input: shipped monitors whose checks fire and go on firing for days; a feed whose round goes back and stays back.
Right result: CRITICAL is repeated every six hours and HIGH every day until it is over, unless the file says otherwise;
the round stays an incident until the feed is past the highest round it had.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from monitoring.alerts.message.model import Severity
from monitoring.checks.builtin import TYPES
from monitoring.checks.config.load import load_monitor
from monitoring.checks.drill.file import load_drilled
from monitoring.conditions.condition import Condition, ConditionKey, State
from monitoring.conditions.outcome import TransitionKind
from tests.support.drills import drilled_files
from tests.support.evaluating import evaluate_checks, outcomes_of

pytestmark = pytest.mark.case("D.6")
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SUPPLY = """
monitor: one
chain: 1
contracts: {{a: "0x1111111111111111111111111111111111111111"}}
checks: [{{id: floor, require: a.totalSupply() >= 100, severity: {severity}{more}}}]
"""


class Answers:
    def __init__(self, value: Any) -> None:
        self.value = value

    def read(self, questions: Any) -> Mapping[Any, Any]:
        return dict.fromkeys(questions, self.value)


@pytest.mark.parametrize(
    ("severity", "more", "hours"),
    [
        ("critical", "", [0, 6, 12, 18, 24, 30, 36, 42, 48]),
        ("high", "", [0, 24, 48]),
        ("medium", "", [0]),
        ("critical", ", remind: 1d", [0, 24, 48]),
        ("critical", ", remind: never", [0]),
    ],
)
def test_a_standing_breach_is_repeated_by_its_severity(
    tmp_path: Path, severity: str, more: str, hours: list[int]
) -> None:
    path = tmp_path / "monitor.yaml"
    path.write_text(SUPPLY.format(severity=severity, more=more))
    parts = load_monitor(path, TYPES).parts()
    conditions: dict[ConditionKey, Condition] = {}
    told = []
    for hour in range(49):
        outcomes = outcomes_of(evaluate_checks(parts, Answers(5), conditions, NOW + hour * HOUR))
        conditions = {key: one.condition for key, one in outcomes.items()}
        told += [hour for one in outcomes.values() if one.transition]
    assert told == hours


def test_the_steps_of_a_deadline_are_its_reminders(tmp_path: Path) -> None:
    path = tmp_path / "monitor.yaml"
    text = SUPPLY.format(severity="high", more=", steps: [3d, 1d]")
    path.write_text(text.replace("require: a.totalSupply() >= 100", "deadline: a.totalSupply()"))
    parts = load_monitor(path, TYPES).parts()
    conditions: dict[ConditionKey, Condition] = {}
    told = []
    for hour in range(5 * 24):
        reader = Answers(int((NOW + 4 * 24 * HOUR).timestamp()))
        outcomes = outcomes_of(evaluate_checks(parts, reader, conditions, NOW + hour * HOUR))
        conditions = {key: one.condition for key, one in outcomes.items()}
        told += [hour for one in outcomes.values() if one.transition]
    assert told == [24, 72, 96]


@pytest.mark.parametrize("path", drilled_files(), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_shipped_check_that_lasts_is_repeated_where_it_is_loud(path: Path) -> None:
    # A check over a list has one part above its rows, which holds the check.
    checks = {part.key: getattr(part, "part", part).check for part in load_drilled(path).parts}
    policies = {key: check.policy for key, check in checks.items() if check.verb in LASTING}
    loud = [key for key, policy in policies.items() if policy.severity >= Severity.HIGH]
    assert [key for key in loud if policies[key].remind_after(policies[key].severity) is None] == []


LASTING = ("limit", "flag", "never_falls", "diverge", "age")


def test_a_round_that_went_back_stays_an_incident_until_the_feed_is_past_it() -> None:
    (path,) = [one for one in drilled_files() if one.parent.name == "pegs" and one.stem == "monitor"]
    scene = load_drilled(path)
    conditions: dict[ConditionKey, Condition] = {}
    told: list[tuple[int, TransitionKind]] = []
    at = iter(range(10_000))

    def run(round_: int) -> State:
        hour = next(at)
        now = NOW + hour * HOUR
        call = "erc20(f.feed).latestRoundData()"
        answers = scene.answers(now, {call: [str(round_), "1e8", "now-1h", "now-1h", str(round_)]})
        outcomes = outcomes_of(evaluate_checks(scene.parts, None, conditions, now, answers))
        conditions.update({key: one.condition for key, one in outcomes.items()})
        told.extend((hour, one.transition.kind) for key, one in outcomes.items() if key == ROUND and one.transition)
        return conditions[ROUND].state

    assert run(1000) is State.OK
    assert [run(999) for _ in range(7)] == [State.FIRING] * 7
    assert run(1000) is State.OK
    assert told == [(1, TransitionKind.FIRED), (7, TransitionKind.REMINDER), (8, TransitionKind.RECOVERED)]


ROUND = ConditionKey("pegs", "round", 1, "USDC/USD")
