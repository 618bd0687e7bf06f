"""Shipped monitors against a real node, at their real addresses: quiet, firing, over, blind; and what that costs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from monitoring.checks.drill.file import DrilledMonitor, load_drilled
from monitoring.checks.drill.rehearsal import StoppedClock
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.conditions.outcome import Reason, TransitionKind
from tests.support import anvil, parts
from tests.support.answers import forget_answer, put_answer, put_answers, put_multicall
from tests.support.anvil import Anvil
from tests.support.drills import PROTOCOLS
from tests.support.evaluating import evaluate_checks, outcomes_of

pytestmark = pytest.mark.node
FILES = [f"{name}/monitor.yaml" for name in ("aave", "cap", "threejane", "ustb")]


@pytest.fixture(scope="module")
def node() -> Iterator[Anvil]:
    if anvil.binary() is None:
        parts.missing(anvil.HOW_TO_GET_IT)
    with anvil.running("--chain-id", "1") as running:
        put_multicall(running)
        yield running


class Watch:
    """A monitor run again and again on a chain."""

    def __init__(self, node: Anvil, scene: DrilledMonitor) -> None:
        self.node, self.scene = node, scene
        self.now = datetime.fromtimestamp(node.now, UTC)
        self.conditions: dict[ConditionKey, Condition] = {}
        self.requests = self.passes = 0
        put_answers(node, scene.answers(self.now))

    def run(self) -> dict[ConditionKey, Any]:
        environ = {"PROVIDER_URL_MAINNET": self.node.url, "PROVIDER_PUBLIC": "off"}
        at = EvaluationPoint(environ, StoppedClock(self.now))
        evaluation = evaluate_checks(self.scene.parts, None, self.conditions, self.now, at=at)
        outcomes = outcomes_of(evaluation)
        self.conditions = {key: one.condition for key, one in outcomes.items()}
        self.requests, self.passes = at.chains.requests, len(evaluation.readings.passes)
        return outcomes


@pytest.mark.parametrize("file", FILES)
def test_each_check_fires_on_the_chain_and_is_over_when_the_chain_is_well_again(node: Anvil, file: str) -> None:
    scene = load_drilled(PROTOCOLS / file)
    watch = Watch(node, scene)
    assert {one.reason for one in watch.run().values()} <= {Reason.GOOD, Reason.SEEDED, Reason.DOES_NOT_APPLY}
    for drill in scene.drills:
        well = scene.answers(watch.now)
        changed = {call: value for call, value in scene.answers(watch.now, drill.when).items() if well[call] != value}
        put_answers(node, changed)
        told = [watch.run(), watch.run()]

        fired = {key.check for outcomes in told for key, one in outcomes.items() if one.transition}
        assert drill.check in fired <= {drill.check, *drill.also}
        put_answers(node, {call: well[call] for call in changed})
        over = watch.run()
        kinds = {one.transition.kind for one in over.values() if one.transition}
        assert kinds <= {TransitionKind.RECOVERED, TransitionKind.FIRED}  # what only jumps, jumps back


@pytest.mark.parametrize("file", FILES)
def test_a_run_costs_one_multicall_a_pass_and_the_head(node: Anvil, file: str) -> None:
    watch = Watch(node, load_drilled(PROTOCOLS / file))
    watch.run()

    assert watch.requests <= watch.passes + 2  # the chain's id and its head


def test_a_getter_that_reverts_blinds_its_own_checks_only(node: Anvil) -> None:
    watch = Watch(node, load_drilled(PROTOCOLS / "cap/monitor.yaml"))
    watch.run()
    lost = next(call for call in watch.scene.answers(watch.now) if call.signature.startswith("lockedProfit"))
    forget_answer(node, lost)

    outcomes = watch.run()

    assert {key.check for key, one in outcomes.items() if one.reason is Reason.UNKNOWN} == {"backing"}
    put_answer(node, lost, 2 * 10**18)
    assert {one.reason for one in watch.run().values()} == {Reason.GOOD, Reason.NOTHING_NEW}
