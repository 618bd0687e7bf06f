"""The pure decisions behind reading a chain: which failure it is, which head to read, what is fresh."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, cast

import pytest

from monitoring.base.errors import UsageError
from monitoring.base.http.client import Request, scrub
from monitoring.base.http.words import host_of
from monitoring.chains.abi.values import Unknown
from monitoring.chains.networks import network, networks, provider_mistakes, provider_urls, read_data
from monitoring.chains.rpc.block_pinning import choose
from monitoring.chains.rpc.budget import Budget, BudgetSpentError
from monitoring.chains.rpc.errors import Fault, classify_error, classify_status
from monitoring.chains.rpc.logs import last_certain_block
from monitoring.chains.rpc.pool import Head
from monitoring.chains.rpc.provider import Breaker, Provider
from monitoring.chains.rpc.tokens import Token, clean_symbol
from monitoring.chains.services.safe_service import quota
from monitoring.chains.services.times import parse_time, staleness
from tests.support.chain_clock import START, ManualClock

NOW = START


@pytest.mark.parametrize(
    ("method", "code", "message", "fault"),
    [
        ("eth_call", 3, "execution reverted", Fault.REVERT),
        ("eth_call", 3, "", Fault.REVERT),
        ("eth_call", -32000, "execution reverted: rate limit exceeded", Fault.REVERT),
        ("eth_call", -32000, "execution reverted: header not found", Fault.REVERT),
        ("eth_getLogs", -32000, "execution reverted: block range", Fault.REVERT),
        ("eth_call", -32015, "VM execution error.", Fault.REVERT),
        ("eth_call", -32000, "invalid opcode: INVALID", Fault.REVERT),
        ("eth_call", -32000, "out of gas", Fault.REVERT),
        ("eth_call", -32603, "EVM error InvalidFEOpcode", Fault.REVERT),
        ("eth_call", -32602, "BlockOutOfRangeError: block height is 5 but requested was 9", Fault.STALE_HEAD),
        ("eth_call", -32000, "header not found", Fault.STALE_HEAD),
        ("eth_call", -32001, "Unknown block", Fault.STALE_HEAD),
        ("eth_call", -32000, "missing trie node ab12 (path ) state 0x12 is not available", Fault.HISTORY),
        ("eth_getLogs", 4444, "pruned history unavailable", Fault.HISTORY),
        ("eth_getLogs", 4444, "", Fault.HISTORY),
        ("eth_getLogs", -32000, "eth_getLogs is limited to the last 10064 blocks", Fault.HISTORY),
        ("eth_getLogs", -32000, "only the most recent 10,064 blocks are available", Fault.HISTORY),
        ("eth_getLogs", -32000, "history has been pruned for this block", Fault.HISTORY),
        ("eth_call", -32000, "historical state is not available", Fault.HISTORY),
        ("eth_call", -32000, "this request needs an archive node", Fault.HISTORY),
        ("eth_call", -32007, "30/second request limit reached - reduce calls per second or upgrade", Fault.RATE_LIMIT),
        ("batch", -32007, "50/second request limit reached", Fault.RATE_LIMIT),
        ("eth_call", -32005, "execution aborted (timeout = 5s)", Fault.TOO_HEAVY),
        ("eth_call", -32000, "backend response too large", Fault.TOO_HEAVY),
        ("eth_call", -32000, "Response is too big", Fault.TOO_HEAVY),
        ("eth_call", -32603, "request timed out", Fault.TOO_HEAVY),
        ("eth_call", -32005, "Request size exceeded", Fault.TOO_HEAVY),
        ("eth_call", -32000, "exceeded maximum call data size", Fault.TOO_HEAVY),
        ("eth_call", -32000, "intrinsic gas too high", Fault.TOO_HEAVY),
        ("eth_call", -32000, "err: gas limit exceeded", Fault.TOO_HEAVY),
        ("eth_getLogs", -32000, "request timed out", Fault.TOO_HEAVY),
        ("eth_call", -32000, "daily request count exceeded, request rate limited", Fault.RATE_LIMIT),
        ("eth_call", 3, "rate limit exceeded", Fault.REVERT),
        ("eth_getLogs", -32000, "requested block is beyond head", Fault.STALE_HEAD),
        ("eth_call", -32005, "limit exceeded", Fault.RATE_LIMIT),
        ("eth_call", 429, "Your app has exceeded its compute units per second capacity", Fault.RATE_LIMIT),
        ("eth_call", -32000, "Too Many Requests", Fault.RATE_LIMIT),
        ("eth_getLogs", -32005, "query returned more than 10000 results", Fault.LOG_RANGE),
        ("eth_getLogs", -32602, "Log response size exceeded.", Fault.LOG_RANGE),
        ("eth_getLogs", -32600, "eth_getLogs is limited to a 10,000 range", Fault.LOG_RANGE),
        ("eth_getLogs", -32000, "exceed maximum block range: 5000", Fault.LOG_RANGE),
        ("eth_getLogs", -32701, "Please specify an address, or block range is too wide", Fault.LOG_RANGE),
        ("eth_getLogs", -32000, "query timeout exceeded", Fault.LOG_RANGE),
        ("batch", -32007, "", Fault.BATCH_SIZE),
        ("batch", -32600, "batch size too large", Fault.BATCH_SIZE),
        ("batch", -32000, "too many requests in batch, max 50 per batch", Fault.BATCH_SIZE),
        ("eth_call", -32601, "the method eth_call does not exist", Fault.UNSUPPORTED),
        ("eth_call", -32000, "Invalid API key", Fault.REFUSED),
        ("eth_call", -32603, "internal error", Fault.ERROR),
        ("eth_call", 0, "", Fault.ERROR),
    ],
)
def test_each_known_wording_of_a_failure_is_what_it_means(method: str, code: int, message: str, fault: Fault) -> None:
    assert classify_error(method, code, message) is fault


def test_one_request_alone_is_never_a_batch_that_is_too_large() -> None:
    assert classify_error("eth_call", -32007, "", alone=True) is Fault.ERROR
    assert classify_error("eth_call", -32000, "too many requests in batch", alone=True) is Fault.RATE_LIMIT
    assert classify_status(413, alone=True) is Fault.TOO_HEAVY


def test_statuses_without_a_json_rpc_answer_have_their_fault() -> None:
    wanted = {401: Fault.REFUSED, 413: Fault.BATCH_SIZE, 429: Fault.RATE_LIMIT, 502: Fault.TRANSPORT}
    assert {status: classify_status(status) for status in wanted} == wanted


def head(number: int, *, age_s: float = 0, hash_: str = "0xaa", host: str = "one.example") -> Head:
    provider = Provider(f"https://{host}/key", lambda _request, _timeout: pytest.fail("no request is due"))
    return Head(provider, number, hash_, int(NOW.timestamp() - age_s))


@pytest.mark.parametrize(
    ("heads", "last_judged", "number", "left_out"),
    [
        ([head(100)], None, 100, 0),
        ([head(100), head(98)], None, 98, 0),
        ([head(100), head(95)], None, 95, 0),
        ([head(100), head(94)], None, 100, 1),
        ([head(100), head(98)], 99, 100, 1),
        ([head(100), head(98)], 98, 98, 0),
        ([head(100), head(98)], 101, None, 2),
        ([head(100, age_s=181), head(99)], None, 99, 1),
        ([head(100, age_s=180)], None, 100, 0),
        ([head(100, age_s=-61)], None, None, 1),
        ([head(100, age_s=-59)], None, 100, 0),
        ([head(100, hash_="0xbb"), head(100), head(100)], None, 100, 1),
        ([], None, None, 0),
    ],
)
def test_the_head_is_the_newest_that_all_worth_asking_have(
    heads: list[Head], last_judged: int | None, number: int | None, left_out: int
) -> None:
    choice = choose(heads, network("mainnet"), NOW, last_judged)
    assert (choice.head.number if choice.head else None, len(choice.left_out)) == (number, left_out)
    assert choice.head is not None or choice.reason


def test_a_breaker_opens_after_three_failures_and_lets_one_try_through_later() -> None:
    breaker = Breaker()
    for _ in range(2):
        breaker.failure(0)
    assert breaker.closed(0)
    breaker.failure(0)
    assert not breaker.closed(29)
    assert breaker.paused_s(29) is None
    assert breaker.closed(30)
    breaker.failure(30)
    assert not breaker.closed(89)
    breaker.success()
    assert breaker.closed(0)


def test_a_pause_that_was_asked_for_is_bounded() -> None:
    breaker = Breaker()
    breaker.pause(0, 3600)
    assert breaker.paused_s(0) == 60
    assert not breaker.closed(59)


def test_a_budget_bounds_time_and_retries() -> None:
    clock = ManualClock()
    budget = Budget(seconds=20, retries=1, request_s=12, clock=clock, sleep=clock.sleep)
    assert budget.request_s() == 12
    assert budget.wait(15)
    assert budget.request_s() == 5
    assert not budget.wait(5)
    budget.spend_retry()
    with pytest.raises(BudgetSpentError):
        budget.spend_retry()
    clock.advance(5)
    with pytest.raises(BudgetSpentError):
        budget.request_s()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1_790_000_000, "2026-09-21T14:13:20"),
        (1_790_000_000_000, "2026-09-21T14:13:20"),
        (1_790_000_000_000_000, "2026-09-21T14:13:20"),
        (Decimal("1790000000.25"), "2026-09-21T14:13:20.250000"),
        ("1790000000", "2026-09-21T14:13:20"),
        ("2026-09-21T14:13:20Z", "2026-09-21T14:13:20"),
        ("2026-09-21T16:13:20+02:00", "2026-09-21T14:13:20"),
        ("2026-09-21 14:13:20.500000 UTC", "2026-09-21T14:13:20.500000"),
        ("2026-09-21T14:13:20.123456789Z", "2026-09-21T14:13:20.123456"),
        ("2026-09-21 14:13:20", "2026-09-21T14:13:20"),
        ("2026-09-21", "2026-09-21T00:00:00"),
        ("Mon, 21 Sep 2026 14:13:20 GMT", "2026-09-21T14:13:20"),
    ],
)
def test_times_are_read_in_the_forms_services_use(value: Any, text: str) -> None:
    assert parse_time(value) == datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize("value", [None, True, "", "soon", 0, 12, -5, "99", [], {}, 10**30, Decimal("1.5"), "1e9"])
def test_what_is_no_time_is_none(value: Any) -> None:
    assert parse_time(value) is None


def test_exactly_as_old_as_allowed_is_fresh_and_the_future_is_not() -> None:
    age = timedelta(minutes=30)
    assert staleness(NOW - age, NOW, age) is None
    assert "older than 30 min" in str(staleness(NOW - age - timedelta(seconds=1), NOW, age))
    assert "older than 3 h" in str(staleness(NOW - timedelta(hours=4), NOW, timedelta(hours=3)))
    assert staleness(NOW + timedelta(seconds=60), NOW, age) is None
    assert "in the future" in str(staleness(NOW + timedelta(seconds=61), NOW, age))
    assert "no time" in str(staleness(None, NOW, age))


def test_networks_have_what_links_and_limits_need() -> None:
    shipped = [network(row["id"]) for row in cast("list[dict[str, int]]", read_data("chains.yaml")["chains"])]
    slugs = [one.slug for one in shipped]
    assert slugs[:6] == ["mainnet", "optimism", "polygon", "base", "arbitrum", "katana"]
    assert len(set(slugs)) == len(slugs) >= 25
    assert all(re.fullmatch("[a-z][a-z0-9]*", slug) for slug in slugs)  # PROVIDER_URL_<SLUG>
    polygon = network("polygon")
    assert network(137) == network("137") == polygon
    assert (polygon.safe_app, polygon.safe_service) == ("matic", "pol")
    assert polygon.link("tx", hash="0x1") == "https://polygonscan.com/tx/0x1"
    assert network(1).link("diff", old="0xa", new="0xb") == "https://etherscan.io/contractdiffchecker?a1=0xa&a2=0xb"
    assert "safe=matic:0xS&id=multisig_0xS_0xH" in polygon.safe_link("0xS", "0xH")
    assert polygon.safe_link("0xS").endswith("home?safe=matic:0xS")
    assert network("arbitrum").blocks_in(3600) == 14_400
    assert {one.id for one in shipped} <= networks().keys()
    for one in shipped:
        assert one.public_rpcs
        assert one.confirmations > 0
        assert one.max_head_age_s >= 60
    with pytest.raises(UsageError, match=r"chain 'mainet' is not known: did you mean mainnet\?"):
        network("mainet")
    with pytest.raises(UsageError, match=r"write one of docs/chains\.md, or add it in automation/chains\.d"):
        network("zzzzzz")


def test_own_providers_go_before_the_public_ones_in_order() -> None:
    base = network("base")
    assert provider_urls(base, {}) == base.public_rpcs
    environ = {"PROVIDER_URL_BASE_1": "https://b", "PROVIDER_URL_BASE": "https://a", "PROVIDER_URL_BASE_2": " "}
    assert provider_urls(base, environ) == ("https://a", "https://b", *base.public_rpcs)
    twice = {"PROVIDER_URL_BASE": "https://a", "PROVIDER_URL_BASE_3": "https://a"}
    assert provider_urls(base, twice | {"PROVIDER_PUBLIC": "Off "}) == ("https://a",)
    assert provider_urls(base, twice | {"PROVIDER_PUBLIC": "on"})[1:] == base.public_rpcs
    (mistake,) = provider_mistakes(base, {"PROVIDER_PUBLIC": "of"}).items()
    assert mistake == ("PROVIDER_PUBLIC", "is neither on nor off: write one of the two")
    of_its_own = {"PROVIDER_URL_BASE": base.public_rpcs[2]}
    assert provider_urls(base, of_its_own)[0] == base.public_rpcs[2]
    assert len(provider_urls(base, of_its_own)) == len(base.public_rpcs)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://user:secret@rpc.example:8545/v3/key?x=1", "rpc.example"),
        ("https://[bad", "(no host)"),
        ("", "(no host)"),
    ],
)
def test_only_the_host_of_a_url_is_ever_shown(url: str, host: str) -> None:
    assert host_of(url) == host
    assert url == "" or url not in repr(Request(url))


def test_a_far_side_s_text_is_shown_without_secrets_urls_or_control_characters() -> None:
    request = Request(
        "https://rpc.example/v3/abcdef123456?apikey=qwertyuiop", headers={"authorization": "Bearer tok-123456"}
    )
    text = "bad key abcdef123456\nsee https://docs.example/abcdef123456 or qwertyuiop, tok-123456 \x1b[31m" + "z" * 500
    shown = scrub(text, request)
    assert shown.startswith("bad key … see docs.example or …, …")
    assert len(shown) == 200
    assert "\x1b" not in shown


def test_an_unknown_value_has_no_truth_value() -> None:
    with pytest.raises(TypeError, match="neither true nor false"):
        bool(Unknown("because"))
    assert str(Unknown("because")) == "unknown: because"


def test_amounts_are_exact_to_the_last_digit() -> None:
    assert Token("0x", "WEI", 18).amount(1) == "0.000000000000000001 WEI"
    assert Token("0x", "USDC", 6).amount(1_250_500_000) == "1,250.5 USDC"
    assert Token("0x", "INT", 0).amount(10) == "10 INT"
    assert Token("0x", "ETH", 18).amount(0) == "0 ETH"
    largest = Token("0x", "ETH", 18).amount(2**256 - 1)
    assert largest.replace(",", "").replace(".", "").removesuffix(" ETH") == str(2**256 - 1)
    assert clean_symbol(" US\u202eDC\n" + "x" * 99) == "USDC" + "x" * 20


def test_scanning_ends_where_blocks_are_certain() -> None:
    assert last_certain_block(network("mainnet"), 100) == 97


def test_thirty_three_safes_every_ten_minutes_need_three_keys() -> None:
    assert quota(33, 600, keys=0).calls_per_month == 142_560
    assert not quota(33, 600, keys=2).fits
    assert quota(33, 600, keys=3).fits
    assert not quota(1, 480, keys=0).fits
    assert quota(1, 600, keys=0).fits
