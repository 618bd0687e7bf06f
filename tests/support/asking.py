"""A reader over the answerers of built-in types, and one round of a monitor file through it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from monitoring.checks.builtin import TYPES
from monitoring.checks.config.load import load_monitor
from monitoring.checks.engine.plan import judge_all, read_all
from monitoring.checks.engine.tools import Tools
from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.conditions.outcome import Outcome


class Asking:
    """Answers questions by the answerers of the built-in types."""

    def __init__(self, tools: Tools) -> None:
        self.tools = tools

    def read(self, questions: Sequence[Any]) -> Mapping[Any, Any]:
        found: dict[Any, Any] = {}
        answers = {kind: answer for one in TYPES.values() for kind, answer in one.answers.items()}
        for kind, answer in answers.items():
            asked = [question for question in questions if isinstance(question, kind)]
            if asked:
                found |= answer(asked, self.tools)
        return found


def judge_file(
    path: Path, reader: Any, conditions: Mapping[ConditionKey, Condition], now: datetime
) -> tuple[dict[ConditionKey, Outcome], dict[ConditionKey, Any]]:
    """Read and judge one monitor file; return the outcomes and the parts by key."""
    parts = load_monitor(path, TYPES).parts()
    outcomes = judge_all(parts, read_all(parts, reader, conditions=conditions), conditions, now)
    return outcomes, {part.key: part for part in parts}
