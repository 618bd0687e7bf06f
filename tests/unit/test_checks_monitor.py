"""Monitor files: the sound ones, how they are planned, and what they judge."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.base.errors import UsageError
from monitoring.chains.abi.values import Unknown
from monitoring.checks.config.load import load_monitor
from monitoring.checks.engine.evaluation import Readings
from monitoring.checks.engine.plan import CheckInstance
from monitoring.checks.engine.plugin import registry
from monitoring.checks.engine.read import MAX_PASSES
from monitoring.checks.engine.resolvers import calls_by_chain
from monitoring.checks.expression.evaluate import ViewRead
from monitoring.checks.expression.values import NONE
from monitoring.checks.rules.age import DeadlinePolicy
from monitoring.checks.rules.delta import DeltaPolicy, Move
from monitoring.checks.rules.limit import LimitPolicy, Side
from monitoring.checks.rules.members import MembersPolicy
from monitoring.checks.rules.never_falls import NeverFallsPolicy, Rebase
from monitoring.checks.rules.steps import Step
from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.conditions.outcome import Outcome, TransitionKind
from monitoring.conditions.policy import PendingPolicy
from tests.support.evaluating import evaluate_checks, outcomes_of
from tests.support.roll_call import KIND, TYPES
from tests.support.spec import through_data

GOOD = Path(__file__).parents[1] / "data" / "monitors" / "good"
NOW = datetime(2026, 5, 1, tzinfo=UTC)
TOKEN = 10**6


class Chain:
    """Answers from a table: function (and contract, where it matters) to a value or a function of the arguments."""

    def __init__(self, table: dict[str, Any], names: dict[str, str] | None = None) -> None:
        self.table, self.names = table, {address.lower(): name for name, address in (names or {}).items()}
        self.batches: list[tuple[ViewRead, ...]] = []

    def read(self, calls: Any) -> dict[ViewRead, Any]:
        self.batches.append(tuple(calls))
        return {call: self._answer(call) for call in calls}

    def _answer(self, call: ViewRead) -> Any:
        function = call.signature.split("(")[0]
        found = self.table.get(f"{self.names.get(call.target, '')}.{function}", self.table.get(function))
        if found is None:
            return Unknown("execution reverted")
        return found(*call.arguments) if callable(found) else found


def addresses_of(file: str) -> dict[str, str]:
    monitor = load_monitor(GOOD / file, TYPES)
    return {name: by_chain[monitor.chains[0]] for name, by_chain in monitor.contracts.items()}


THREEJANE = {
    "convertToAssets": lambda amount: amount * 107 // 100,
    "getMarketLiquidity": (10**13, 5 * 10**12, 4 * 10**13, 0),
    "balanceOf": 10**13,
    "totalAssets": 50 * 10**12,
    "availableWithdrawLimit": 5_000_000 * TOKEN,
    "isShutdown": False,
    "config": lambda key: 0,
    "getDebtCap": 10**14,
}


def run(
    file: str, chain: Chain, conditions: dict[ConditionKey, Condition] | None = None, now: datetime = NOW, **more: Any
) -> Any:
    monitor = load_monitor(GOOD / file, TYPES)
    parts = monitor.parts()
    evaluation = evaluate_checks(parts, chain, conditions or {}, now, more.get("sources"))
    return evaluation.readings, outcomes_of(evaluation)


def read_all(parts: Sequence[CheckInstance], chain: Chain) -> Readings:
    return evaluate_checks(parts, chain, {}, NOW).readings


def judge_all(parts: Sequence[CheckInstance], chain: Chain) -> dict[ConditionKey, Outcome]:
    return outcomes_of(evaluate_checks(parts, chain, {}, NOW))


def told(outcomes: Any) -> dict[str, str]:
    return {
        "/".join(
            filter(None, (key.check, key.subject))
        ): f"{one.transition.kind} {one.transition.severity.name.lower()}"
        for key, one in outcomes.items()
        if one.transition
    }


@pytest.mark.parametrize(
    ("file", "checks", "parts"),
    [
        ("cap.yaml", 3, 3),
        ("threejane.yaml", 14, 14),
        ("utilisation.yaml", 1, 3),
        ("ethena.yaml", 2, 2),
        ("queues.yaml", 0, 4),
        ("everything.yaml", 14, 28),
    ],
)
def test_a_sound_file_loads(file: str, checks: int, parts: int) -> None:
    monitor = load_monitor(GOOD / file, TYPES)
    assert (len(monitor.checks), len(monitor.parts())) == (checks, parts)
    assert len({part.key for part in monitor.parts()}) == parts


def test_the_sample_of_fourteen_checks_takes_forty_lines_and_two_passes() -> None:
    chain = Chain(THREEJANE)
    readings, outcomes = run("threejane.yaml", chain)
    assert len((GOOD / "threejane.yaml").read_text().splitlines()) <= 40
    assert len(readings.passes) == len(chain.batches) == 2
    assert len(chain.batches[0]) == len(set(chain.batches[0]))
    assert [call.signature for call in chain.batches[1]] == ["convertToAssets(uint256)(uint256)"]
    assert told(outcomes) == {}


def test_several_monitors_share_their_passes_and_calls() -> None:
    chain = Chain(THREEJANE)
    parts = load_monitor(GOOD / "threejane.yaml").parts()
    alone = len(read_all(parts, chain).passes)
    both = [*parts, *load_monitor(GOOD / "cap.yaml").parts(), *load_monitor(GOOD / "everything.yaml").parts()]
    together = read_all(both, Chain(THREEJANE))
    assert len(together.passes) == alone
    calls = [call for batch in together.passes for call in batch]
    assert len(calls) == len(set(calls))
    assert set(calls_by_chain(calls)) == {1, 8453}


def drive(*steps: dict[str, Any]) -> list[dict[str, str]]:
    """Run the sample once per step, an hour apart, each step changing the chain; states go through their rows."""
    conditions: dict[ConditionKey, Condition] = {}
    names, said = addresses_of("threejane.yaml"), []
    for hour, changes in enumerate(steps):
        chain = Chain({**THREEJANE, **changes}, names)
        _, outcomes = run("threejane.yaml", chain, conditions, NOW + timedelta(hours=hour))
        conditions = {key: through_data(one.condition) for key, one in outcomes.items()}
        said.append(told(outcomes))
    return said


DRILLS = {
    "shutdown": (
        [{}, {"usd3.isShutdown": True}, {}],
        [{}, {"usd3-shutdown": "fired critical"}, {"usd3-shutdown": "recovered critical"}],
    ),
    "paused": ([{}, {"config": lambda key: 1}], [{}, {"paused": "fired critical", "backing-floor": "fired medium"}]),
    "debt cap": ([{}, {"getDebtCap": 1}], [{}, {"debt-cap": "fired low"}]),
    "exit": (
        [{}, {"availableWithdrawLimit": 4_000_000 * TOKEN}, {"availableWithdrawLimit": 4_000_000 * TOKEN - 1}],
        [{}, {}, {"exit-liquidity": "fired medium"}],
    ),
    "a share price one billionth lower": (
        [{"susd3.convertToAssets": lambda x: x}, {"susd3.convertToAssets": lambda x: x - x // 10**9}],
        [{}, {"susd3-share-price": "fired high"}],
    ),
    "outflow": (
        [{"wausdc.balanceOf": 10**12}, {"wausdc.balanceOf": 9 * 10**11}],
        [{}, {"insurance-fund": "fired medium"}],
    ),
    "thinner junior tranche": (
        [{}, {"usd3.balanceOf": 5 * 10**12}, {"usd3.balanceOf": 3 * 10**12}, {"usd3.balanceOf": 10**13}],
        [
            {},
            {"junior-buffer": "fired high"},
            {"junior-buffer": "worsened high", "senior-coverage": "fired high"},
            {"junior-buffer": "recovered high", "senior-coverage": "recovered high"},
        ],
    ),
    "nothing deployed does not apply": (
        [{"usd3.balanceOf": 10**12}, {"getMarketLiquidity": (0, 0, 0, 0)}],
        [
            {"junior-buffer": "fired high", "senior-coverage": "fired critical"},
            {"junior-buffer": "recovered high", "senior-coverage": "recovered critical"},
        ],
    ),
}


@pytest.mark.parametrize("drill", DRILLS)
def test_the_sample_fires_and_recovers(drill: str) -> None:
    steps, expected = DRILLS[drill]
    assert drive(*steps) == expected


def test_a_view_that_reverts_blinds_only_what_reads_it() -> None:
    table = {name: answer for name, answer in THREEJANE.items() if name != "getMarketLiquidity"}
    conditions: dict[ConditionKey, Condition] = {}
    for hour in range(3):
        _, outcomes = run("threejane.yaml", Chain(table), conditions, NOW + timedelta(hours=hour))
        conditions = {key: one.condition for key, one in outcomes.items()}
        assert told(outcomes) == {}
    blind = {key.check: one.source.detail for key, one in outcomes.items() if one.source}
    assert blind == {"junior-buffer": "execution reverted", "senior-coverage": "execution reverted"}


def test_calls_left_out_and_answers_of_no_kind_are_unknown() -> None:
    class Odd:
        def read(self, calls: Any) -> Any:
            return {call: 1.5 for call in calls if "totalAssets" in call.signature}

    readings, _ = run("threejane.yaml", Odd())  # type: ignore[arg-type]
    found = {key.check: str(one) for key, one in readings.by_key.items()}
    assert found["usd3-assets"] == "unknown: the answer is a float, which is no value"
    assert found["debt-cap"] == "unknown: no answer came"


def test_answers_are_brought_into_one_form() -> None:
    owner = "0x4507B5B23340D248457d955a211C8B0634D29935"
    table = {"reserves": [5, [[owner, 7]]], "totalAssets": 10 * TOKEN, "get_default_queue": [owner]}
    readings, _ = run("everything.yaml", Chain(table))
    found = {key.check: one for key, one in readings.by_key.items() if key.chain == 1}
    assert found["owner"] == owner.lower()
    assert found["reserve"] == 7
    assert found["queue-members"] == (owner.lower(),)


def test_rows_have_conditions_of_their_own() -> None:
    weth = "0x4d5f47fa6a74757f35c14fd3a6ef8e3c9bc514e8"
    table = {"totalSupply": 1000, "balanceOf": lambda holder: 5 if holder == weth else 500}
    readings, outcomes = run("utilisation.yaml", Chain(table))
    assert len(readings.passes) == 1
    assert told(outcomes) == {"utilisation/WETH": "fired medium"}
    assert ConditionKey("aave-utilisation", "utilisation", 1, "DAI") in outcomes


def test_sources_come_from_outside() -> None:
    sources = {("ethena", "collateral"): 900, ("ethena", "reserve"): 50, ("ethena", "supply"): Fraction(1001)}
    _, outcomes = run("ethena.yaml", Chain({"totalSupply": 1000 * 10**18}), sources=sources)
    assert told(outcomes) == {"backing": "fired critical"}
    readings, _ = run("ethena.yaml", Chain({"totalSupply": 10**21}), sources={("ethena", "reserve"): 1})
    assert {str(one) for one in readings.by_key.values() if isinstance(one, Unknown)} == {
        "unknown: the source collateral was not read"
    }


def test_a_source_keeps_what_makes_it_trustworthy() -> None:
    sources = load_monitor(GOOD / "ethena.yaml").sources
    assert (sources["supply"].scale, sources["supply"].max_age) == (10**18, timedelta(hours=3))
    assert sources["reserve"].number == "queryIndex[0].yields[-1].value"
    ok = sources["collateral"].ok
    assert ok is not None
    assert ok.names == {"code"}


def test_a_built_in_type_is_planned_beside_formulas() -> None:
    readings, outcomes = run("queues.yaml", Chain({"isShutdown": True}))
    assert [len(batch) for batch in readings.passes] == [4]
    assert {one.transition.kind for one in outcomes.values() if one.transition} == {TransitionKind.FIRED}


def test_two_monitors_of_one_name_are_refused() -> None:
    parts = load_monitor(GOOD / "cap.yaml").parts()
    with pytest.raises(UsageError, match="two checks share one condition, cap/backing"):
        read_all([*parts, *parts], Chain({}))


def test_types_do_not_share_a_name() -> None:
    with pytest.raises(ValueError, match="share a name"):
        registry(KIND, KIND)


def test_one_class_of_question_has_one_answerer() -> None:
    """Of two the last would win, and the first type's checks would be answered by a stranger."""

    def one(_questions: Any, _tools: Any) -> dict[Any, Any]:
        return {}

    def other(_questions: Any, _tools: Any) -> dict[Any, Any]:
        return {}

    kinds = [
        replace(KIND, key=replace(KIND.key, name=name), answers={ViewRead: how})
        for name, how in (("a", one), ("b", one), ("c", other))
    ]
    assert list(registry(*kinds[:2])) == ["a", "b"]
    with pytest.raises(ValueError, match="a and c answer a ViewRead in two ways"):
        registry(*kinds)


def policies() -> dict[str, Any]:
    return {check.name: check.policy for check in load_monitor(GOOD / "everything.yaml").checks}


def test_policies_are_what_was_written() -> None:
    found = policies()
    assert (found["quorum"].hold, found["quorum"].remind) == (PendingPolicy(runs=3), timedelta(days=1))
    large = found["too-large"]
    assert isinstance(large, LimitPolicy)
    assert (large.side, large.at_bound, large.levels[0].bound, large.clear) == (Side.ABOVE, True, 100, 90)
    assert (large.hold, large.worse_by) == (PendingPolicy(span=timedelta(minutes=30)), 10)
    assert (found["not-empty"].side, found["not-empty"].levels[0].bound) == (Side.BELOW, Fraction(1, 20))
    assert [level.bound for level in found["level-up"].levels] == [5, 9]
    held = found["held-rate"]
    assert isinstance(held, NeverFallsPolicy)
    assert (held.rebase, held.tolerance, held.worse_by) == (Rebase.HOLD, Step(Fraction(1, 1000), relative=True), 2)
    drift = found["drift"]
    assert isinstance(drift, DeltaPolicy)
    assert [level.move for level in drift.levels] == [Move.DROP, Move.DROP, Move.RISE]
    assert (drift.window, drift.baseline_max_age) == (timedelta(days=1), timedelta(hours=36))
    assert isinstance(found["loan"], DeadlinePolicy)
    assert [step.left.days for step in found["loan"].steps] == [30, 7, 1, 0]
    known = found["known-members"]
    assert isinstance(known, MembersPolicy)
    assert known.expected == {"0x4507b5b23340d248457d955a211c8b0634d29935"}


def test_a_contract_has_an_address_per_chain() -> None:
    monitor = load_monitor(GOOD / "everything.yaml")
    assert monitor.contracts["vault"][1] != monitor.contracts["vault"][8453]
    assert monitor.contracts["queue"][1] == monitor.contracts["queue"][8453]


def test_values_nobody_reads_cost_nothing(tmp_path: Path) -> None:
    text = (GOOD / "cap.yaml").read_text().replace("values:\n", "values:\n  spare: cusd.decimals()\n")
    (tmp_path / "cap.yaml").write_text(text)
    chain = Chain({})
    read_all(load_monitor(tmp_path / "cap.yaml").parts(), chain)
    assert not any("decimals" in call.signature for batch in chain.batches for call in batch)


def test_calls_nested_too_deep_are_unknown_and_end(tmp_path: Path) -> None:
    depth = MAX_PASSES + 1
    formula = "v.convertToAssets(" * depth + "v.totalAssets()" + ")" * depth
    (tmp_path / "deep.yaml").write_text(
        'monitor: deep\nchain: 1\ncontracts: {v: "0x056B269Eb1f75477a8666ae8C7fE01b64dD55eCc"}\n'
        f"checks:\n  - {{id: deep, changed: {formula}, severity: low}}\n"
    )
    chain = Chain({"convertToAssets": lambda x: x + 1, "totalAssets": 1})
    readings = read_all(load_monitor(tmp_path / "deep.yaml").parts(), chain)
    assert len(chain.batches) == MAX_PASSES
    assert list(map(str, readings.by_key.values())) == [f"unknown: its calls are nested deeper than {MAX_PASSES}"]


answers = st.one_of(st.integers(0, 2**256 - 1), st.integers(0, 10), st.just(Unknown("reverted")))


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_neither_order_nor_company_changes_an_outcome(data: Any) -> None:
    """Whatever a chain answers, a part judges the same alone, with others, and in any order."""
    parts = load_monitor(GOOD / "threejane.yaml").parts()
    table = {name: data.draw(answers) for name in ("totalAssets", "balanceOf", "getDebtCap", "availableWithdrawLimit")}
    table |= {"getMarketLiquidity": tuple(data.draw(st.integers(0, 2**256 - 1)) for _ in range(4))}
    table |= {"convertToAssets": lambda x: x, "isShutdown": data.draw(st.booleans()), "config": 1}
    together = judge_all(parts, Chain(table))
    shuffled = data.draw(st.permutations(parts))
    assert judge_all(shuffled, Chain(table)) == together
    one = data.draw(st.sampled_from(parts))
    assert judge_all([one], Chain(table)) == {one.key: together[one.key]}


def test_none_reaches_the_verbs_as_none() -> None:
    readings, _ = run("threejane.yaml", Chain({**THREEJANE, "getMarketLiquidity": (0, 0, 0, 0)}))
    assert readings.by_key[ConditionKey("threejane", "junior-buffer", 1)] is NONE
