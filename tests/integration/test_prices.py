"""Prices in monitor files and in Python: how many requests they cost, when they count, and what is asked instead."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from monitoring.alerts.message.render import render_plain
from monitoring.base.errors import ConfigError
from monitoring.base.http.client import Answer, FetchError, Request
from monitoring.chains.abi.addresses import checksum
from monitoring.checks.builtin import TYPES
from monitoring.checks.config.load import load_monitor
from monitoring.checks.drill.rehearsal import StoppedClock
from monitoring.checks.engine.evaluate import Evaluation, evaluate
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.engine.prices import answer_prices
from monitoring.checks.recorded.sim_chain import Reverts, SimChain
from monitoring.conditions.outcome import Reason
from monitoring.store.tables.chain_memory import SHAPE
from tests.support.checks_host import ChecksHost
from tests.support.http_service import Reply, Seen, http_service
from utils.monitor import HIGH, Context, Unknown, monitor
from utils.testing import SimClock, run

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
FEED = "0xa569d910839Ae8865Da8F8e70FfFb0cBA869F961"
LATEST, DECIMALS = "latestRoundData()(uint80,int256,uint256,uint256,uint80)", "decimals()(uint8)"
USDE = "0x4c9EDD5852cd905f086C759E8383e09bff1E68B3"
FLOOR = """
monitor: {name}
chain: {chain}
{more}
for_each: {{t: [{rows}]}}
checks: [{{id: "floor/{{t.token}}", require: "{price} >= 0.97", severity: critical, unit: usd}}]
"""


def coin(price: Any = 1, *, age: timedelta = timedelta(minutes=5), confidence: Any = 0.99) -> dict[str, Any]:
    return {"price": price, "symbol": "T", "timestamp": int((NOW - age).timestamp()), "confidence": confidence}


class Market:
    """The market's service and a chain, below the product's reader; `asked` are the market's URLs."""

    def __init__(self, row: Callable[[str], Any], chain: SimChain | None = None) -> None:
        self.row, self.chain, self.asked, self.down = row, chain, list[str](), False

    def __call__(self, request: Request, timeout_s: float) -> Answer:
        if "/prices/" not in request.url:
            assert self.chain is not None, "the chain was asked though there is a price"
            return self.chain.fetch(request, StoppedClock(NOW))
        self.asked.append(request.url)
        if self.down:
            raise FetchError(request.host, "no answer")
        keys = request.url.rpartition("/")[2].split(",")
        rows = {key: row for key in keys if (row := self.row(key)) is not None}
        return Answer(request.host, 200, {}, json.dumps({"coins": rows}).encode())

    def at(self) -> EvaluationPoint:
        environ = dict(self.chain.environ) if self.chain else {}
        return EvaluationPoint(environ, StoppedClock(NOW), fetch=self, sleep=lambda _: None)


def floors(
    folder: Path,
    tokens: Sequence[str],
    *,
    name: str = "floors",
    price: str = "price(t.token)",
    more: str = "",
    chain: int = 1,
) -> Path:
    path = folder / f"{name}.yaml"
    rows = ", ".join(f'{{token: "{token}", feed: "{FEED}"}}' for token in tokens)
    path.write_text(FLOOR.format(name=name, chain=chain, more=more, rows=rows, price=price))
    return path


def evaluated(market: Market, *paths: Path) -> Evaluation:
    return evaluate([load_monitor(path, TYPES) for path in paths], market.at())


def reasons(found: Evaluation) -> Mapping[str, tuple[Reason, str]]:
    outcomes = {one.seen.key.subject: one.seen.outcome for one in found.checks}
    return {token: (one.reason, str(one.condition.no_data)) for token, one in outcomes.items()}


def address(number: int) -> str:
    return checksum(f"0x{number:040x}")


def test_all_files_of_a_task_and_twice_as_many_tokens_cost_one_request(tmp_path: Path) -> None:
    few, many = Market(lambda _: coin()), Market(lambda _: coin())
    tokens = [address(number) for number in range(1, 26)]
    evaluated(few, floors(tmp_path, tokens))
    halves = [floors(tmp_path, tokens, name="one"), floors(tmp_path, tokens[20:] * 1, name="two")]
    others = floors(
        tmp_path, [address(number) for number in range(100, 125)], name="three", more="prices: {max_age: 2h}"
    )
    found = evaluated(many, *halves, others)
    assert (len(few.asked), len(many.asked)) == (1, 1)
    assert len(many.asked[0].rpartition("/")[2].split(",")) == 50, "each token once, whatever each file demands"
    assert {one.seen.outcome.reason for one in found.checks} == {Reason.GOOD}


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (None, "there is none"),
        ({}, "there is none"),
        (coin(0), "it is malformed"),
        (coin(-1), "it is malformed"),
        (coin(None), "it is malformed"),
        (coin("lots"), "it is malformed"),
        (coin(True), "it is malformed"),
        (coin(confidence=None), "it is malformed"),
        (coin(confidence=0.5), "its confidence is 0.50, below 0.90"),
        (coin(age=timedelta(minutes=31)), "older than 30 min"),
        (coin(age=timedelta(hours=-1)), "is in the future"),
        ({**coin(), "timestamp": None}, "it carries no time that can be read"),
    ],
)
def test_a_price_that_is_missing_old_or_doubtful_is_unknown_and_spoils_no_other(
    tmp_path: Path, row: Any, why: str
) -> None:
    """H20: age and confidence were not looked at, and a missing price was a line in a log."""
    bad, good = address(1), address(2)
    market = Market(lambda key: row if key.endswith("01") else coin())
    found = reasons(evaluated(market, floors(tmp_path, [bad, good])))
    assert (found[bad][0], found[good][0]) == (Reason.UNKNOWN, Reason.GOOD)
    assert why in found[bad][1]


def test_a_file_says_how_old_and_how_doubtful_a_price_may_be(tmp_path: Path) -> None:
    token, market = address(1), Market(lambda _: coin(age=timedelta(hours=2), confidence=0.8))
    strict = floors(tmp_path, [token], more="prices: {max_age: 119m, confidence: 80%}", name="strict")
    doubtful = floors(tmp_path, [token], more="prices: {max_age: 2h, confidence: 81%}", name="doubtful")
    mild = floors(tmp_path, [token], more="prices: {max_age: 2h, confidence: 80%}", name="mild")
    found = evaluated(market, strict, doubtful, mild)
    assert [one.seen.outcome.reason for one in found.checks] == [Reason.UNKNOWN, Reason.UNKNOWN, Reason.GOOD]
    assert len(market.asked) == 1


def test_a_service_that_cannot_be_reached_is_named_and_no_floor_fires(tmp_path: Path) -> None:
    market = Market(lambda _: coin())
    market.down = True
    found = evaluated(market, floors(tmp_path, [address(1), address(2)]))
    assert {one.seen.outcome.condition.blamed for one in found.checks} == {"coins.llama.fi"}
    assert [one.seen.outcome.transition for one in found.checks] == [None, None]


def chain_with(latest: Any, decimals: Any) -> SimChain:
    return SimChain({(FEED, LATEST): latest, (FEED, DECIMALS): decimals})


def round_of(answer: int, age: timedelta = timedelta(hours=23)) -> tuple[int, int, int, int, int]:
    updated = int((NOW - age).timestamp())
    return 7, answer, updated, updated, 7


@pytest.mark.parametrize(
    ("latest", "decimals", "reason"),
    [
        (round_of(97 * 10**6), 8, Reason.GOOD),
        (round_of(97 * 10**6 - 1), 8, Reason.BREACHED),
        (round_of(97 * 10**16), 18, Reason.GOOD),
        (round_of(97 * 10**16 - 1), 18, Reason.BREACHED),
        (round_of(0), 8, Reason.UNKNOWN),
        (round_of(-1), 8, Reason.UNKNOWN),
        ((7, 10**8, 0, 0, 7), 8, Reason.UNKNOWN),
        (round_of(10**8, timedelta(days=1, minutes=10)), 8, Reason.GOOD),
        (round_of(10**8, timedelta(days=1, minutes=11)), 8, Reason.UNKNOWN),
        (round_of(10**8, timedelta(hours=-1)), 8, Reason.UNKNOWN),
        ((7, 10**8, 2**255, 2**255, 7), 8, Reason.UNKNOWN),
        (round_of(10**8), 200, Reason.UNKNOWN),
        (round_of(10**8), Reverts("no decimals"), Reason.UNKNOWN),
        (Reverts("no round"), 8, Reason.UNKNOWN),
    ],
)
def test_where_the_market_has_no_price_the_feed_is_asked_if_it_is_sound(
    tmp_path: Path, latest: Any, decimals: Any, reason: Reason
) -> None:
    path = floors(tmp_path, [USDE], price="price(t.token, t.feed)")
    market = Market(lambda _: None, chain_with(latest, decimals))
    found = evaluated(market, path)
    (one,) = found.checks
    assert one.seen.outcome.reason is reason
    if reason is Reason.BREACHED:
        assert one.composed is not None
        assert f"Price by feed {FEED} at 2026-11-23 13:00 UTC" in render_plain(one.composed.alert, now=NOW)
    if reason is Reason.UNKNOWN:
        why = one.seen.outcome.condition.no_data
        assert why is not None
        assert "there is none; its feed 0xa569" in why.reason
    priced = Market(lambda _: coin())  # which has no chain to ask
    assert [one.seen.outcome.reason for one in evaluated(priced, path).checks] == [Reason.GOOD]


def test_an_alert_names_where_its_price_is_from_and_when(tmp_path: Path) -> None:
    (one,) = evaluated(Market(lambda _: coin(0.9699)), floors(tmp_path, [USDE])).checks
    assert one.composed is not None
    assert "Price by defillama at 2026-11-24 11:55 UTC, confidence 0.99" in render_plain(one.composed.alert, now=NOW)
    assert "$0.9699" in render_plain(one.composed.alert, now=NOW)


def test_a_price_by_id_and_a_chain_the_service_does_not_know(tmp_path: Path) -> None:
    path = tmp_path / "btc.yaml"
    path.write_text("""
monitor: btc
chain: 1
values: {price: price("coingecko:bitcoin")}
checks: [{id: btc, require: price >= 100, severity: high}]
""")
    market = Market(lambda key: coin(99) if key == "coingecko:bitcoin" else None)
    (one,) = evaluated(market, path).checks
    assert one.seen.outcome.reason is Reason.BREACHED
    assert market.asked == ["https://coins.llama.fi/prices/current/coingecko:bitcoin"]


def test_mistakes_in_prices_are_found_without_a_network(tmp_path: Path) -> None:
    for more in ("prices: {max_age: soon}", "prices: {confidence: 9}", "prices: {age: 1h}", "prices: 5"):
        with pytest.raises(ConfigError, match="prices"):
            load_monitor(floors(tmp_path, [USDE], more=more), TYPES)


def test_what_the_service_answered_is_known_to_have_been_read(tmp_path: Path) -> None:
    """So that `status` no longer calls the recorded answer unconfirmed; sources of the same file stay known."""
    market = Market(lambda _: None)
    at = market.at()
    at.memory.remember(SHAPE, "floors", json.dumps({"tvl": {"of": "x", "shape": "number"}}))
    path = floors(tmp_path, [USDE])
    evaluate([load_monitor(path, TYPES)], at)
    assert "shape" not in json.loads(at.memory.recall(SHAPE, "floors") or "")["price()"]
    market.row = lambda _: coin()
    evaluate([load_monitor(path, TYPES)], at)
    kept = json.loads(at.memory.recall(SHAPE, "floors") or "")
    assert kept["tvl"] == {"of": "x", "shape": "number"}
    assert kept["price()"]["shape"]["coins"]["*"] == {
        "price": "number", "symbol": "text", "timestamp": "number", "confidence": "number",
    }  # fmt: skip


def test_nothing_is_asked_of_anybody_for_no_price() -> None:
    assert answer_prices([], Market(lambda _: coin()).at()) == {}


# In a real child


def test_files_with_prices_run_as_a_task_with_one_request(tmp_path: Path) -> None:
    prices = {address(1): 0.5, address(2): 1}

    def answer(seen: Seen) -> Reply:
        keys = seen.path.rpartition("/")[2].split(",")
        fresh = {"timestamp": int(time.time()), "confidence": 0.99}
        return Reply({"coins": {key: {"price": prices[key.partition(":")[2].lower()], **fresh} for key in keys}})

    with http_service(answer) as service:
        host = ChecksHost(tmp_path, {"DEFILLAMA_URL": service.url})
        host.run(floors(tmp_path, [address(1)], name="one"), floors(tmp_path, [address(2)], name="two"))
        assert [one.path for one in service.seen] == [f"/prices/current/ethereum:{address(1)},ethereum:{address(2)}"]
    (told,) = host.told
    assert told.startswith("CRITICAL alert floor/")


# In Python


def test_several_prices_of_a_function_are_one_request_by_the_same_reader(tmp_path: Path) -> None:
    found: dict[str, Any] = {}
    first, second, third = address(1), address(2), "coingecko:bitcoin"

    @monitor("acme")
    def main(m: Context) -> None:
        found.update(m.price([first, second, third], chain="mainnet"))
        found["one"] = m.price(third)
        m.limit("price", found["one"], below=1, severity=HIGH)

    clock = SimClock(NOW)
    base, rows = "https://coins.llama.fi/prices/current", {f"ethereum:{first}": coin(2), third: coin(5)}
    documents = {
        f"{base}/ethereum:{first},ethereum:{second},{third}": {"coins": rows}, f"{base}/{third}": {"coins": rows},
    }  # fmt: skip
    ran = run(main, store=tmp_path, clock=clock, http=documents)
    assert (ran.code, list(ran)) == (0, [])
    assert (found[first], found[third], found["one"]) == (2, 5, 5)
    assert isinstance(found[second], Unknown)
    assert found[first] == Fraction(2)


@pytest.mark.parametrize(
    ("call", "mistake"),
    [
        (lambda m: m.price("bitcoin"), "coingecko:bitcoin"),
        (lambda m: m.price(USDE), "chain="),
        (lambda m: m.price("coingecko:bitcoin", feeds={"coingecko:bitcoin": FEED}), "chain="),
        (lambda m: m.price(USDE, chain=1, feeds={USDE: "0x12"}), "feeds="),
    ],
)
def test_a_price_that_cannot_be_meant_is_refused_with_advice(
    tmp_path: Path, call: Callable[[Context], Any], mistake: str, capsys: pytest.CaptureFixture[str]
) -> None:
    @monitor("acme")
    def main(m: Context) -> None:
        call(m)

    ran = run(main, store=tmp_path)
    assert ran.code == 1
    assert mistake in ran[0].text
    capsys.readouterr()


def test_a_function_names_the_feed_to_ask_where_there_is_no_price(tmp_path: Path) -> None:
    found: list[Any] = []

    @monitor("acme")
    def main(m: Context) -> None:
        found.append(m.price(USDE, chain=1, feeds={USDE: FEED}))

    url = f"https://coins.llama.fi/prices/current/ethereum:{USDE}"
    run(main, store=tmp_path, clock=SimClock(NOW), http={url: 503}, chain=chain_with(round_of(10**8), 8))
    assert found == [1]
