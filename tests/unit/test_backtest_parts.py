"""The pure parts of a backtest: blocks by time, kept answers, multicalls taken apart, steps, two versions compared."""

from __future__ import annotations

import os
import resource
from bisect import bisect_right
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.base.errors import UsageError
from monitoring.base.http.client import Answer, FetchError, Request
from monitoring.chains.networks import network
from monitoring.chains.rpc.errors import Fault, RpcError
from monitoring.chains.rpc.provider import Ask
from monitoring.checks.backtest.block_search import BlockHeader, BlockSearch
from monitoring.checks.backtest.compared import changes
from monitoring.checks.backtest.history import PastIncident
from monitoring.checks.backtest.kept_answers import KeptAnswers, key_of, trim
from monitoring.checks.backtest.one_call import BundledCalls, aggregate_of, combined, parts_of, split
from monitoring.checks.backtest.past import PastWorld, StopReason
from monitoring.checks.backtest.playing import steps_between
from monitoring.conditions.condition import ConditionKey
from monitoring.conditions.severity import Severity

HOUR = timedelta(hours=1)
BEGIN = datetime(2026, 11, 1, tzinfo=UTC)


def search(times: list[int], block_time_s: float) -> tuple[BlockSearch, list[int]]:
    asked: list[int] = []

    def ask(numbers: Collection[int]) -> list[BlockHeader]:
        asked.extend(numbers)
        return [BlockHeader(number, times[number], f"0x{number:x}") for number in numbers]

    return BlockSearch(ask, [], BlockHeader(len(times) - 1, times[-1], "0x"), block_time_s), asked


@given(
    st.lists(st.integers(0, 500), min_size=2, max_size=300), st.lists(st.integers(-50, 40_000), max_size=20),
    st.sampled_from([0.1, 2.0, 12.0, 10_000.0]),
)  # fmt: skip
def test_the_block_of_an_instant_is_the_last_one_not_after_it(
    gaps: list[int], instants: list[int], block_time_s: float
) -> None:
    times = [sum(gaps[: place + 1]) for place in range(len(gaps))]
    found = search(times, block_time_s)[0].find(instants)
    for at in instants:
        place = bisect_right(times, at) - 1
        header = found[at]
        assert (header.number if header else -1) == place


def test_a_month_of_hours_on_an_even_chain_costs_three_headers_a_step_at_most() -> None:
    times = [number * 12 for number in range(300_000)]
    finder, asked = search(times, 12.0)

    found = finder.find([times[-1] - hour * 3600 - 5 for hour in range(720)])

    assert all(found.values())
    assert len(asked) <= 3 * 720


def test_a_search_that_is_not_answered_ends() -> None:
    finder = BlockSearch(lambda _numbers: [], [], BlockHeader(9, 900, "0x"), 12.0)

    assert finder.find([100, 1000]) == {100: None, 1000: BlockHeader(9, 900, "0x")}


def test_kept_answers_are_there_again_and_a_half_written_line_is_cut_off(tmp_path: Path) -> None:
    KeptAnswers(tmp_path).put(7, {key_of("eth_call", ["a"]): {"r": "0x1"}}, is_final=True)
    KeptAnswers(tmp_path).put(7, {key_of("eth_call", ["b"]): {"r": "0x2"}}, is_final=False)
    with (tmp_path / "7").open("ab") as file:
        file.write(b'0123 {"r": "0x')

    assert KeptAnswers(tmp_path).at(7) == {key_of("eth_call", ["a"]): {"r": "0x1"}}
    assert (tmp_path / "7").read_bytes().endswith(b"\n")


def test_what_nobody_here_wrote_is_asked_again(tmp_path: Path) -> None:
    (tmp_path / "headers").write_bytes(
        b'5 [1, "0xa"]\n6 7\nsix [1, "0x"]\n8 ["x", "0x"]\n9 [1, 2, 3]\n\xff [1, "0x"]\n'
    )
    assert KeptAnswers(tmp_path).headers() == {5: (1, "0xa")}
    (tmp_path / "7").write_bytes(b'a\nb {\n\xff 1\nd {"r": "0x1"}\n')
    assert KeptAnswers(tmp_path).at(7) == {"d": {"r": "0x1"}}


def test_a_full_disk_costs_no_result_and_leaves_no_half_line(tmp_path: Path) -> None:
    kept, room = KeptAnswers(tmp_path), resource.getrlimit(resource.RLIMIT_FSIZE)
    kept.put_headers({1: (10, "0xa")})
    size = (tmp_path / "headers").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 3, room[1]))
    try:
        kept.put_headers({2: (20, "0xb")})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, room)
    assert (tmp_path / "headers").stat().st_size == size
    kept.put_headers({3: (30, "0xc")})
    assert kept.headers() == {1: (10, "0xa"), 3: (30, "0xc")}


def test_what_was_used_least_recently_goes_when_there_is_too_much(tmp_path: Path) -> None:
    for number in range(10):
        (tmp_path / "mainnet").mkdir(exist_ok=True)
        path = tmp_path / "mainnet" / str(number)
        path.write_bytes(b"x" * 100)
        os.utime(path, (number, number))

    trim(tmp_path, 1000)
    assert len(list((tmp_path / "mainnet").iterdir())) == 10
    trim(tmp_path, 600)
    assert sorted(int(one.name) for one in (tmp_path / "mainnet").iterdir()) == [5, 6, 7, 8, 9]


def test_a_multicall_comes_apart_and_together_again() -> None:
    multicall = network(1).multicall3
    calls = [("0x" + f"{number:02x}" * 20, bytes([number] * 4)) for number in (1, 2, 3)]
    first = aggregate_of(Ask("eth_call", ({"to": multicall, "data": "0x"}, "0x5")), multicall)
    whole = aggregate_of(BundledCalls(multicall, tuple(calls), "0x5").without([]), multicall)

    assert first is None
    assert whole is not None
    assert [ask.params[0]["data"] for ask in split(whole)] == ["0x01010101", "0x02020202", "0x03030303"]  # type: ignore[index]
    assert aggregate_of(whole.without([1]), multicall) is not None
    answers = ["0x00ff", RpcError(Fault.REVERT, "reverted", data="0x08c379a0"), "0x"]
    back = parts_of(combined(answers), 3)
    assert [str(one) if isinstance(one, str) else one.data for one in back] == ["0x00ff", "0x08c379a0", "0x"]  # type: ignore[union-attr]
    assert parts_of(combined(answers), 2) == []
    assert parts_of("0x", 3) == []


def test_steps_are_whole_multiples_so_that_tomorrow_asks_for_the_same_blocks() -> None:
    today = steps_between(BEGIN + timedelta(minutes=7), BEGIN + 5 * HOUR, HOUR)
    tomorrow = steps_between(BEGIN + timedelta(minutes=49), BEGIN + 6 * HOUR, HOUR)

    assert today == [BEGIN + number * HOUR for number in (1, 2, 3, 4, 5)]
    assert set(today) < set(tomorrow)
    with pytest.raises(UsageError, match="give an earlier --since, or a shorter --every"):
        steps_between(BEGIN + timedelta(minutes=1), BEGIN + timedelta(minutes=2), HOUR)
    with pytest.raises(UsageError, match="give a longer --every"):
        steps_between(BEGIN, BEGIN + timedelta(days=9999), HOUR)


def incident(check: str, begin: int, end: int | None, severity: Severity = Severity.HIGH) -> PastIncident:
    at = BEGIN + begin * HOUR
    return PastIncident(
        ConditionKey("acme", check),
        check,
        at,
        at,
        severity,
        "",
        at,
        ended_at=None if end is None else BEGIN + end * HOUR,
    )


def test_incidents_that_overlap_are_one_and_the_others_are_new_or_gone() -> None:
    before = [incident("a", 1, 3), incident("a", 5, 6), incident("b", 1, None)]
    after = [incident("a", 2, 3), incident("b", 1, None), incident("c", 4, 5)]

    found = changes(before, after, BEGIN + 9 * HOUR)

    assert [(one.kind, one.key.check) for one in found] == [
        ("changed", "a"), ("same", "b"), ("new", "c"), ("gone", "a"),
    ]  # fmt: skip


class PriceService:
    """Answers requests for prices of the past with what a test put there."""

    def __init__(self, *answers: int | bytes) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, request: Request, timeout_s: float) -> Answer:
        self.asked.append(request.url)
        found = self.answers.pop(0)
        return Answer(request.host, *((found, {}, b"") if isinstance(found, int) else (200, {}, found)))


def priced(service: PriceService, folder: Path, slept: list[float]) -> PastWorld:
    return PastWorld({"DEFILLAMA_URL": "http://prices.test"}, folder, [BEGIN], 100, service, real_sleep=slept.append)


CURRENT = Request("http://prices.test/prices/current/coingecko:bitcoin")


def test_a_price_of_the_past_is_asked_for_in_the_half_hour_before_and_only_once(tmp_path: Path) -> None:
    body = b'{"coins":{"coingecko:bitcoin":{"price":1,"timestamp":1,"confidence":0.99}}}'
    service, slept = PriceService(429, body), list[float]()

    first = priced(service, tmp_path, slept).prices.answer(CURRENT, BEGIN, 9)
    again = priced(service, tmp_path, slept).prices.answer(CURRENT, BEGIN, 9)

    before = int(BEGIN.timestamp()) - 900
    assert service.asked == [f"http://prices.test/prices/historical/{before}/coingecko:bitcoin?searchWidth=15m"] * 2
    assert slept == [5.0]
    assert first == again
    assert first is not None
    assert first.body == body


def test_a_price_service_that_does_not_answer_stops_the_backtest(tmp_path: Path) -> None:
    world, slept = priced(PriceService(*[503] * 99), tmp_path, []), list[float]()
    world.real_sleep = slept.append

    with pytest.raises(FetchError):
        world.prices.answer(CURRENT, BEGIN, 9)

    assert world.stopped is not None
    assert world.stopped.reason is StopReason.UNREACHABLE
    assert "HTTP 503" in world.stopped.text
    assert 60 <= sum(slept) < 180


def test_what_is_no_request_for_prices_has_no_past(tmp_path: Path) -> None:
    world = priced(PriceService(), tmp_path, [])

    assert world.prices.answer(Request("https://api.example.org/x"), BEGIN, 9) is None
