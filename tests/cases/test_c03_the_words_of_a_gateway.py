"""A gateway's rate limit was taken for "batch too large" and was final, and errors in odd shapes lost their words.

Input: QuickNode's -32007 "request limit reached"; errors with `id: null`, ids as text, bare `{"code": …}` and
`{"message": …}` with status 200; -32007 without words for a single request. Right result: words decide before the code,
a batch of one is never too large, the words reach the reader, and the next provider is asked.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from monitoring.base.http.client import HttpClient
from monitoring.chains.abi.values import Unknown
from monitoring.chains.rpc.budget import Budget
from monitoring.chains.rpc.errors import Fault, classify_error
from monitoring.chains.rpc.multicall import call
from monitoring.chains.rpc.replies import paired, retry_after
from monitoring.chains.rpc.views import Chains, ChainView
from tests.support.chain_clock import ManualClock
from tests.support.rpc_server import Failure, Provider, serving

pytestmark = pytest.mark.case("C.3")
TOKEN = "0x" + "22" * 20
SUPPLY = "totalSupply()(uint256)"
LIMIT = "30/second request limit reached - reduce calls per second or upgrade"


@contextlib.contextmanager
def chains(*providers: Provider) -> Iterator[Chains]:
    clock, fetch = ManualClock(), HttpClient()
    for one in providers:
        one.head_time = lambda: clock.now().timestamp()
        one.views.setdefault((TOKEN, SUPPLY), 10**24)
    with serving(*providers) as urls:
        environ = {f"PROVIDER_URL_MAINNET_{place}": url for place, url in enumerate(urls, 1)}
        yield Chains({**environ, "PROVIDER_PUBLIC": "off"}, budget=Budget(clock=clock, sleep=clock.sleep), fetch=fetch)
    fetch.close()


def supply(made: Chains) -> Any:
    view = made.view(1)
    assert isinstance(view, ChainView), view
    return view.read({"supply": call(TOKEN, SUPPLY)})["supply"]


def on_calls(answer: Any) -> Any:
    """Answer as it is what asks for a call, and nothing else."""

    def raw(asked: Any) -> Any:
        one = asked[0] if isinstance(asked, list) else asked
        return answer(one) if one["method"] == "eth_call" else None

    return raw


SHAPES = {
    "as JSON-RPC has it": lambda one: {"jsonrpc": "2.0", "id": one["id"], "error": {"code": -32007, "message": LIMIT}},
    "for nobody": lambda _: {"jsonrpc": "2.0", "id": None, "error": {"code": -32007, "message": LIMIT}},
    "without an id": lambda _: {"error": {"code": -32007, "message": LIMIT}},
    "with its id as text": lambda one: {"id": str(one["id"]), "error": {"code": -32007, "message": LIMIT}},
    "with its code as text": lambda one: {"id": one["id"], "error": {"code": "-32007", "message": LIMIT}},
    "as a bare message": lambda _: {"message": LIMIT},
    "as a bare code and message": lambda _: {"code": -32007, "message": LIMIT},
    "as a bare text": lambda _: {"error": LIMIT},
    "as a bare code": lambda _: {"code": 429},
    "in a list": lambda _: [{"id": None, "error": {"code": -32007, "message": LIMIT}}],
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_rate_limit_in_any_shape_turns_to_the_next_provider(shape: str) -> None:
    limited, good = Provider(raw=on_calls(SHAPES[shape])), Provider()
    with chains(limited, good) as made:
        assert supply(made) == 10**24
        (trouble,) = made.troubles
    assert trouble.fault is Fault.RATE_LIMIT
    assert LIMIT in trouble.message or "429" in trouble.message


def test_a_batch_answered_by_one_error_for_nobody_is_a_rate_limit_and_is_not_halved() -> None:
    limited = Provider(multicall=False)
    limited.raw = lambda asked: [SHAPES["for nobody"](None)] if isinstance(asked, list) and len(asked) > 2 else None
    good = Provider(multicall=False, views={(TOKEN, "balanceOf(address)(uint256)"): lambda who: int(who, 16)})
    with chains(limited, good) as made:
        view = made.view(1)
        assert isinstance(view, ChainView)
        calls = {n: call(TOKEN, "balanceOf(address)(uint256)", f"0x{n:040x}") for n in range(1, 20)}
        assert view.read(calls) == {n: n for n in range(1, 20)}
    assert limited.requests <= 3, "the head, the multicall that is not there, and the batch"


def test_one_request_alone_that_is_refused_by_the_code_for_batches_is_asked_of_the_next() -> None:
    odd, good = Provider(), Provider()
    odd.failing = lambda method, _: Failure(-32007, "") if method == "eth_call" else None
    with chains(odd, good) as made:
        assert supply(made) == 10**24


def test_an_id_as_text_is_still_the_answer() -> None:
    def raw(asked: Any) -> Any:
        return {"jsonrpc": "2.0", "id": str(asked["id"]), "result": hex(7).replace("0x", "0x".ljust(65, "0"))}

    with chains(Provider(raw=on_calls(raw))) as made:
        assert supply(made) == 7


def test_the_words_of_an_odd_error_reach_the_reader() -> None:
    with chains(Provider(raw=on_calls(lambda _: {"message": "the moon is in the way"}))) as made:
        found = supply(made)
    assert isinstance(found, Unknown)
    assert "the moon is in the way" in found.reason


WORDS = {
    "a limit in other words": {"message": "You've exceeded your usage limit. Please upgrade"},
    "detail": {"detail": "rate limit exceeded"},
    "msg": {"success": False, "msg": "Too many requests"},
    "a list of errors": {"errors": [{"message": "rate limit exceeded"}]},
    "nothing left to pay with": {"error": {"code": -32000, "message": "credits exhausted"}},
}


@pytest.mark.parametrize("shape", WORDS)
def test_a_rate_limit_in_a_shape_of_the_gateways_own_turns_to_the_next_provider(shape: str) -> None:
    limited, good = Provider(raw=on_calls(lambda _: WORDS[shape])), Provider()
    with chains(limited, good) as made:
        assert supply(made) == 10**24
        (trouble,) = made.troubles
    assert trouble.fault is Fault.RATE_LIMIT


@pytest.mark.parametrize(
    ("method", "words", "fault"),
    [
        ("eth_call", "EVM call exceeded memory limit", Fault.TOO_HEAVY),
        ("eth_call", "memory limit exceeded", Fault.TOO_HEAVY),
        ("eth_call", "execution took too long", Fault.TOO_HEAVY),
        ("eth_call", "rpc gas cap exceeded: 50000000", Fault.TOO_HEAVY),
        ("eth_getLogs", "requested block is before the earliest block", Fault.HISTORY),
        ("eth_getLogs", "receipts for block have been deleted", Fault.HISTORY),
        ("eth_call", "state already discarded", Fault.HISTORY),
        ("eth_getLogs", "block range extends beyond current head block", Fault.STALE_HEAD),
        ("eth_getLogs", "invalid block range params", Fault.STALE_HEAD),
        ("eth_call", "block is out of range", Fault.STALE_HEAD),
        ("eth_getLogs", "ranges over 10000 blocks are not supported on freetier", Fault.LOG_RANGE),
        ("eth_getLogs", "Please limit the query to at most 1000 blocks", Fault.LOG_RANGE),
        ("eth_getLogs", "distance between fromBlock and toBlock too big", Fault.LOG_RANGE),
    ],
)
def test_what_can_be_done_follows_from_the_words(method: str, words: str, fault: Fault) -> None:
    assert classify_error(method, -32000, words, alone=True) is fault


def test_replies_are_paired_by_any_spelling_of_an_id_and_two_that_differ_are_none() -> None:
    one, other = {"id": 1.0, "result": "0x1"}, {"id": "2", "result": "0x2"}
    assert paired([other, one], [1, 2]) == {1: one, 2: other}
    assert paired([one, one, other], [1, 2]) == {1: one, 2: other}
    assert paired([one, {"id": 1, "result": "0x3"}, other], [1, 2]) == {2: other}


@pytest.mark.parametrize(
    ("data", "seconds"),
    [
        ({"retry_after": "5"}, 5.0), ({"rate": {"backoff_seconds": 30, "allowed_rps": 1}}, 30.0),
        ({"try_again_in": "591ms"}, 0.591), ({"try_again_in": "14.3s"}, 14.3), ({"retry_after": "soon"}, None),
        ({"retry_after": True}, None), ("5", None), (None, None),
    ],
)  # fmt: skip
def test_what_a_gateway_asks_for_is_read_as_it_is_written(data: Any, seconds: float | None) -> None:
    assert retry_after(data) == seconds
