"""Python monitors at past blocks: the function is run at each step, with the chains and the time of then.

`python -m monitoring.checks backtest` starts it as `python -m utils.backtest` where a file is a script. What the
function reads by `m` is of the step. What it reads without `m`, as the clock of the machine, is of now.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from monitoring.alerts.recording.store_alert import NOBODY, Recorded
from monitoring.alerts.recording.unit_of_work import Fire, Resolve, Step
from monitoring.base.errors import UsageError
from monitoring.base.settings import Settings, load_settings
from monitoring.checks.backtest.command import backtest_files, parsed
from monitoring.checks.backtest.history import PastHistory
from monitoring.checks.backtest.past import NO_PAST, PastClock, PastWorld, past_point
from monitoring.checks.backtest.steps import PastRun
from monitoring.checks.messages.listing_value import value_in_words
from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.conditions.outcome import Reason
from monitoring.conditions.values import Unknown
from utils.context import Context
from utils.explain import monitors_of
from utils.judging import EvaluationSession, Judged
from utils.script import run_function

_ASKED = re.compile(rf"([\w.-]+): {NO_PAST}")


class _PastContext(Context):
    """The context of one step: it reads in the past, and notes what it judged and sent."""

    def __init__(self, main: Any, settings: Settings, world: PastWorld, at: datetime, script: ScriptOfThePast) -> None:  # noqa: ANN401 - made by `@monitor`
        clock = PastClock(at)
        super().__init__(main.monitor, main.channel, settings, clock, origin=NOBODY, guidance=main.guidance)
        self._world = world
        self._script = script
        self.before: dict[ConditionKey, Condition] = {}
        self.sent: list[tuple[Fire | Resolve, Recorded]] = []

    @cached_property
    def _bench(self) -> EvaluationSession:
        bench = super()._bench
        at = bench.at
        bench.at = past_point(self._world, at.clock.now(), at.memory, self._redact)
        return bench

    def _write(self, steps: list[Step], judged: Sequence[Judged], *, ends: bool) -> list[Recorded]:
        messages = [step for step in steps if isinstance(step, Fire | Resolve)]
        if self._world.stopped:
            return [Recorded(None, Reason.UNKNOWN) for _ in messages]
        kept = [one for one in judged if not self._has_no_past(one)]
        self.before |= {one.part.key: self._remembered(one.part.key) for one in kept}
        recorded = super()._write(steps, kept, ends=ends)
        self.sent += [pair for pair in zip(messages, recorded, strict=True) if pair[1].is_sent]
        return recorded

    def _remembered(self, key: ConditionKey) -> Condition:
        return self._bench.before("/".join(part for part in (key.check, key.subject) if part), key.chain)

    def _has_no_past(self, judged: Judged) -> bool:
        reading = judged.part.reading
        found = _ASKED.search(reading.reason) if isinstance(reading, Unknown) else None
        if found is not None:
            self._script.left_out[judged.part.key] = f"asks {found[1]}"
        return found is not None

    def note(self, history: PastHistory) -> None:
        """Give the history what this step judged and sent."""
        for one in self._evaluated:
            transition = one.outcome.transition
            title = one.part.compose(transition, self._bench.at).title if transition else ""
            before = self.before.get(one.key) or Condition(one.key)
            history.follow(one, before, str(title), value_in_words(one.part, one.reading))
        for step, _ in self.sent:
            if isinstance(step, Resolve):
                history.resolve(step.key, messages=1)
            else:
                key = step.key or ConditionKey(self.name, "(no key)")
                history.fire(key, step.alert.severity, step.alert.title, is_once=step.key is None)

    def say(self, text: str) -> None:
        """Say nothing: a line for each step would hide what came of all."""


@dataclass
class ScriptOfThePast:
    """One monitor of a script."""

    main: Any
    settings: Settings
    left_out: dict[ConditionKey, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return str(self.main.monitor)

    def step(self, world: PastWorld, at: datetime, run: PastRun) -> None:
        folder = str(run.store.path.parent)
        os.environ.update({"CACHE_DIR": folder, "MONITORING_ENV_FILE": ""})  # for utils.cache, too
        settings = load_settings({**self.settings.environ, "CACHE_DIR": folder, "MONITORING_ENV_FILE": ""})
        with closing(_PastContext(self.main, settings, world, at, self)) as m:
            with suppress(SystemExit):
                run_function(m, self.main.function)
            if not world.stopped:
                m.note(run.history)


def _loaded(files: Sequence[str], settings: Settings) -> Sequence[ScriptOfThePast]:
    return [ScriptOfThePast(main, settings) for file in files for main in monitors_of(Path(file))]


def main(argv: Sequence[str]) -> int:
    """Play files, scripts among them."""
    try:
        return backtest_files(parsed(argv), _loaded)
    except UsageError as error:
        sys.stderr.write(f"{error}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
