"""Sources, prices, the Safe service and signature look-ups against scripted services on real sockets."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from monitoring.base.http.client import HttpClient
from monitoring.chains.abi.function import parse_function
from monitoring.chains.abi.values import Reading, Unknown
from monitoring.chains.decode.calldata import Decoder, Transaction
from monitoring.chains.decode.signature_resolver import ExplorerAbi, FourByte, VerifiedSource, abi_functions, ladder
from monitoring.chains.networks import network
from monitoring.chains.rpc.budget import Budget
from monitoring.chains.rpc.memory import RunMemory
from monitoring.chains.services.client import Service
from monitoring.chains.services.prices import Asset, Price, base_url, current_prices
from monitoring.chains.services.safe_rows import SafeInfo, SafeQueue
from monitoring.chains.services.safe_service import SafeService, keys_from, open_safe_service
from monitoring.chains.services.sources import ServiceDocument, Source, pick, read_source, valid_path
from tests.support.chain_clock import START, ManualClock
from tests.support.http_service import Reply, Seen, http_service
from tests.support.http_service import Service as Scripted

SAFE = "0xFEB4acf3df3cDEA7399794D0869ef76A6EfAff52"
A = "0x" + "a1" * 20
KEY = "s3cr3t-k3y-0f-th3-0p3rat0r"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def service(clock: ManualClock) -> Service:
    return Service(HttpClient(), Budget(clock=clock, sleep=clock.sleep, request_s=20))


@contextmanager
def answering(*replies: Reply | Callable[[Seen], Reply]) -> Iterator[Scripted]:
    """Answer with each reply in turn, then with the last for ever."""
    left = list(replies)

    def answer(seen: Seen) -> Reply:
        reply = left.pop(0) if len(left) > 1 else left[0]
        return reply if isinstance(reply, Reply) else reply(seen)

    with http_service(answer) as scripted:
        yield scripted


def read(service: Service, url: str, **how: Any) -> ServiceDocument | Unknown:
    return read_source(service, Source("api", url, **how), START)


# Sources


def test_a_document_is_read_exactly(service: Service) -> None:
    body = b'{"supply": "12345678901234567890.5", "rate": 0.1, "rows": [{"v": 1}, {"v": 2}]}'
    with answering(Reply(body)) as scripted:
        document = read(service, scripted.url, require=("supply", "rows[-1].v"))
    assert isinstance(document, ServiceDocument)
    assert document.number("supply") == Reading(Fraction("12345678901234567890.5"), None, "api")
    assert document.at_path("rate") == Decimal("0.1")
    assert document.at_path("rows[-1].v") == 2
    assert isinstance(document.number("rows"), Unknown)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("a.b", "a.b is missing"),
        ("rows[2]", "rows[2] is missing"),
        ("rows.v", "rows.v is missing"),
        ("nil", "nil is null"),
    ],
)
def test_a_missing_or_null_field_is_unknown_and_named(path: str, reason: str) -> None:
    assert reason in str(pick({"a": {}, "rows": [1, 2], "nil": None}, path, "api"))


def test_paths_are_of_names_and_indexes() -> None:
    assert all(map(valid_path, ("a", "a.b[0].c", "queryIndex[0].yields[-1].value", "[0].a", "a[0][1]")))
    assert not any(map(valid_path, ("", "a.", ".a", "a[x]", "a[", "a..b")))


def test_age_is_judged_by_the_document_s_own_time(service: Service) -> None:
    for at, fresh in (("2026-11-23T11:00:00Z", True), ("2026-11-23T08:59:59Z", False), ("2026-11-23T13:00:00Z", False)):
        with answering(Reply({"t": at})) as scripted:
            document = read(service, scripted.url, time="t", max_age=timedelta(hours=3))
        assert isinstance(document, ServiceDocument) == fresh, document
    with answering(Reply({})) as scripted:
        assert "no time" in str(read(service, scripted.url, time="t", max_age=timedelta(hours=3)))


def test_a_document_that_is_not_well_is_unknown(service: Service) -> None:
    with answering(Reply({"code": "DEGRADED"})) as scripted:
        document = read(service, scripted.url, ok=lambda body: isinstance(body, dict) and body.get("code") == "OK")
        assert "not well" in str(document)
        assert "cannot be decided" in str(read(service, scripted.url, ok=lambda _: Unknown("why")))
    with answering(Reply({"code": "OK"})) as scripted:
        assert "rows is missing" in str(read(service, scripted.url, require=("rows",)))


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_transient_answers_are_tried_again(service: Service, status: int) -> None:
    with answering(Reply({}, status), Reply({"v": 1})) as scripted:
        assert isinstance(read(service, scripted.url), ServiceDocument)
    assert len(scripted.seen) == 2


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 410, 422, 501])
def test_permanent_answers_are_not(service: Service, status: int) -> None:
    with answering(Reply({}, status)) as scripted:
        assert f"HTTP {status}" in str(read(service, scripted.url))
    assert len(scripted.seen) == 1


def test_tries_end(service: Service, clock: ManualClock) -> None:
    with answering(Reply({}, 503)) as scripted:
        assert "HTTP 503" in str(read(service, scripted.url))
    assert len(scripted.seen) == 3
    assert clock.slept == [1.0, 2.0]


def test_a_host_that_failed_each_time_is_asked_once_for_what_comes_after_until_it_answers(
    service: Service, clock: ManualClock
) -> None:
    with answering(*[Reply({}, 503)] * 4, Reply({"v": 1}), *[Reply({}, 503)] * 2, Reply({"v": 2})) as scripted:
        assert "HTTP 503" in str(read(service, scripted.url))
        assert "HTTP 503" in str(read(service, f"{scripted.url}/another"))
        assert (len(scripted.seen), clock.slept) == (4, [1.0, 2.0])
        assert isinstance(read(service, scripted.url), ServiceDocument)
        assert isinstance(read(service, scripted.url), ServiceDocument)
    assert len(scripted.seen) == 8


def test_retry_after_is_honoured_unless_it_is_too_long(service: Service, clock: ManualClock) -> None:
    with answering(Reply({}, 429, {"retry-after": "9"}), Reply({"v": 1})) as scripted:
        assert isinstance(read(service, scripted.url), ServiceDocument)
    assert clock.slept == [9.0]
    with answering(Reply({}, 429, {"retry-after": "900"}), Reply({"v": 1})) as scripted:
        assert isinstance(read(service, scripted.url), Unknown)
    assert len(scripted.seen) == 1


def test_what_is_not_json_is_unknown(service: Service) -> None:
    for body in (b"", b"<html>", b"{", b"NaN", b'{"v": Infinity}', b"\xff\xfe", b"[" * 100_000):
        with answering(Reply(body)) as scripted:
            assert "not JSON" in str(read(service, scripted.url)), body


def test_graphql_sends_the_query_and_gives_the_data(service: Service) -> None:
    with answering(Reply({"data": {"vaults": [{"id": 1}]}})) as scripted:
        document = read(service, scripted.url, query="query q($n: Int) { vaults(n: $n) { id } }", variables={"n": 3})
    assert isinstance(document, ServiceDocument)
    assert document.at_path("vaults[0].id") == 1
    assert json.loads(scripted.seen[0].body)["variables"] == {"n": 3}
    assert scripted.seen[0].method == "POST"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"data": {"v": 1}, "errors": [{"message": "field gone"}]}, "GraphQL error: field gone"),
        ({"errors": "boom", "data": {"v": 1}}, "GraphQL error: boom"),
        ({"data": None}, "no data"),
        ({}, "no data"),
        ([], "not GraphQL"),
    ],
)
def test_graphql_errors_are_unknown_even_beside_data(service: Service, body: Any, reason: str) -> None:
    with answering(Reply(body)) as scripted:
        assert reason in str(read(service, scripted.url, query="{ v }"))
    assert len(scripted.seen) == 1


def test_a_graphql_server_s_internal_error_is_tried_again(service: Service) -> None:
    broken = {"errors": [{"message": "oops", "extensions": {"code": "INTERNAL_SERVER_ERROR"}}]}
    with answering(Reply(broken), Reply({"data": {"v": 1}})) as scripted:
        assert isinstance(read(service, scripted.url, query="{ v }"), ServiceDocument)
    assert len(scripted.seen) == 2


def test_keys_of_a_source_reach_no_text(service: Service) -> None:
    texts = []
    for reply in (Reply({"error": f"bad key {KEY}"}, 401), Reply({"errors": [{"message": f"key {KEY}"}]}), Reply(b"x")):
        with answering(reply) as scripted:
            source = Source("api", f"{scripted.url}/{KEY}?k={KEY}", {"authorization": f"Bearer {KEY}"}, query="{ v }")
            texts += [str(read_source(service, source, START)), repr(source)]
    gone = Source("api", f"{scripted.url}/{KEY}?k={KEY}")
    texts.append(str(read_source(service, gone, START)))
    assert [text for text in texts if KEY in text] == []
    assert "127.0.0.1" in texts[0]


# Prices


def coin(**changes: Any) -> dict[str, Any]:
    return {"price": 1.25, "timestamp": int(START.timestamp()) - 60, "confidence": 0.99, "symbol": "X"} | changes


def price_of(service: Service, row: Any) -> Price | Unknown:
    asset = Asset(network("mainnet"), A)
    with answering(Reply({"coins": {f"ethereum:{A}": row} if row is not None else {}})) as scripted:
        return current_prices(service, [asset], START, base=scripted.url)[asset]


def test_a_price_carries_time_confidence_and_source(service: Service) -> None:
    price = price_of(service, coin())
    assert isinstance(price, Price)
    assert (price.usd, price.confidence, price.source) == (Fraction(5, 4), Fraction(99, 100), "defillama")
    assert price.at == START - timedelta(seconds=60)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (None, "there is none"),
        (coin(timestamp=int(START.timestamp()) - 1801), "older than 30 min"),
        (coin(timestamp=int(START.timestamp()) + 3600), "in the future"),
        (coin(timestamp=None), "no time"),
        (coin(confidence=0.89), "its confidence is 0.89, below 0.90"),
        (coin(confidence=None), "malformed"),
        (coin(price=0), "malformed"),
        (coin(price="free"), "malformed"),
    ],
)
def test_an_old_doubtful_or_missing_price_is_unknown_and_never_zero(service: Service, row: Any, reason: str) -> None:
    price = price_of(service, row)
    assert isinstance(price, Unknown)
    assert reason in price.reason


def test_many_prices_come_in_few_requests_and_one_missing_spoils_no_other(service: Service) -> None:
    assets = [Asset(network("base"), f"0x{n:040x}") for n in range(1, 101)]

    def answer(seen: Seen) -> Reply:
        keys = seen.path.rsplit("/", 1)[1].split(",")
        return Reply({"coins": {key: coin() for key in keys if not key.endswith("5")}})

    with answering(answer) as scripted:
        found = current_prices(service, [*assets, assets[0]], START, base=scripted.url)
    assert len(scripted.seen) == 2
    assert sum(isinstance(one, Price) for one in found.values()) == 100 - sum(a.address.endswith("5") for a in assets)


# The Safe service


def row(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "safe": SAFE,
        "nonce": str(number),
        "to": A,
        "value": "0",
        "data": "0x8456cb59",
        "operation": 0,
        "safeTxHash": "0x" + f"{number:x}".rjust(64, "0"),
        "submissionDate": "2026-11-23T10:00:00.123456Z",
        "isExecuted": False,
        "proposer": A,
        "proposedByDelegate": None,
        "confirmations": [{"owner": A}],
        "confirmationsRequired": 3,
        "trusted": True,
    } | changes


def queue_of(service: Service, *replies: Reply | Callable[[Seen], Reply], keys: tuple[str, ...] = ()) -> Any:
    with answering(*replies) as scripted:
        queue = SafeService(service, keys, scripted.url).queue(network("mainnet"), SAFE, 10)
    return queue, scripted


def test_a_queue_is_read_with_its_filters_checked_again(service: Service) -> None:
    rows = [
        row(10),
        row(11, isExecuted=True),
        row(12, transactionHash="0x1"),
        row(9),
        row(13, safe=A),
        row(14, data=None),
        row(15, nonce=15, value=5, data="0x", operation="1"),
    ]
    queue, scripted = queue_of(service, Reply({"results": rows, "next": None}))
    assert isinstance(queue, SafeQueue)
    assert [one.nonce for one in queue.transactions] == [10, 14, 15]
    assert queue.complete
    assert queue.problems == ()
    assert queue.transactions[1].data == b""
    assert queue.transactions[2].operation == 1
    assert queue.transactions[0].submitted_at is not None
    path = urlsplit(scripted.seen[0].path)
    assert path.path == f"/eth/api/v2/safes/{SAFE}/multisig-transactions/"
    assert parse_qs(path.query)["nonce__gte"] == ["10"]


def test_two_transactions_at_one_nonce_are_both_there(service: Service) -> None:
    rows = [row(10), row(10, safeTxHash="0x" + "ee" * 32, to=SAFE)]
    queue, _ = queue_of(service, Reply({"results": rows}))
    assert len({one.safe_tx_hash for one in queue.transactions}) == 2


def test_a_strange_row_is_named_and_hides_no_other(service: Service) -> None:
    rows = [row(10, data="not hex"), row(11, to=None), {"nonce": 1}, "nonsense", row(12, operation=7), row(13)]
    queue, _ = queue_of(service, Reply({"results": rows}))
    assert [one.nonce for one in queue.transactions] == [13]
    assert len(queue.problems) == 5


def pages_of(count: int) -> Callable[[Seen], Reply]:
    def answer(seen: Seen) -> Reply:
        offset = int(parse_qs(urlsplit(seen.path).query)["offset"][0])
        rows = [row(10 + place) for place in range(offset, min(count, offset + 100))]
        following = f"https://elsewhere.example/?offset={offset + 100}" if offset + 100 < count else None
        return Reply({"results": rows, "next": following})

    return answer


def test_a_queue_longer_than_a_page_is_read_to_its_end(service: Service) -> None:
    queue, scripted = queue_of(service, pages_of(250))
    assert [one.nonce for one in queue.transactions] == list(range(10, 260))
    assert (queue.complete, len(scripted.seen)) == (True, 3)


def test_an_endless_queue_ends_and_says_so(service: Service) -> None:
    queue, scripted = queue_of(service, pages_of(100_000))
    assert (queue.complete, len(queue.transactions), len(scripted.seen)) == (False, 1000, 10)


def test_a_service_that_fails_three_times_is_not_an_empty_queue(service: Service) -> None:
    failed, scripted = queue_of(service, Reply({}, 503))
    empty, _ = queue_of(service, Reply({"count": 0, "results": []}))
    assert isinstance(failed, Unknown)
    assert len(scripted.seen) == 3
    assert isinstance(empty, SafeQueue)
    assert empty.transactions == ()
    odd, _ = queue_of(service, Reply({"detail": "who knows"}))
    assert isinstance(odd, Unknown)


def test_a_failure_on_a_later_page_is_a_failure(service: Service) -> None:
    first = Reply({"results": [row(10)], "next": "more"})
    queue, _ = queue_of(service, first, Reply({}, 500))
    assert isinstance(queue, Unknown)


def test_where_there_is_no_version_two_version_one_answers(service: Service) -> None:
    def answer(seen: Seen) -> Reply:
        return Reply({}, 404) if "/v2/" in seen.path else Reply({"results": [row(10, nonce=10)], "next": None})

    queue, _ = queue_of(service, answer)
    assert [one.nonce for one in queue.transactions] == [10]


def test_keys_take_turns_and_a_used_up_one_is_left_out(service: Service) -> None:
    def answer(seen: Seen) -> Reply:
        used_up = seen.headers["authorization"].endswith("first-key")
        return Reply({}, 429) if used_up else Reply({"results": []})

    with answering(answer) as scripted:
        safes = SafeService(service, ("first-key", "second-key", "third-key"), scripted.url)
        for _ in range(4):
            assert isinstance(safes.queue(network("mainnet"), SAFE, 10), SafeQueue)
    keys = [seen.headers["authorization"].split()[1] for seen in scripted.seen]
    assert keys.count("first-key") == 1
    assert keys.count("second-key") == keys.count("third-key") == 2


def test_requests_keep_the_pace_of_the_plan(service: Service, clock: ManualClock) -> None:
    with answering(Reply({"results": []})) as scripted:
        anonymous = SafeService(service, (), scripted.url)
        for _ in range(3):
            anonymous.queue(network("mainnet"), SAFE, 10)
    assert sum(clock.slept) == pytest.approx(1.1)
    assert all("authorization" not in seen.headers for seen in scripted.seen)


def test_keys_of_the_safe_service_reach_no_text(service: Service) -> None:
    for status in (401, 403, 429, 500):
        failed, _ = queue_of(service, Reply({"detail": f"key {KEY} is not good"}, status), keys=(KEY,))
        assert isinstance(failed, Unknown)
        assert KEY not in failed.reason
    assert keys_from({"SAFE_API_KEY": "a", "SAFE_API_KEY_2": " b ", "SAFE_API_KEY_3": ""}) == ("a", "b")


def test_what_a_safe_is_and_whether_the_service_is_in_step(service: Service) -> None:
    body = {
        "nonce": "5",
        "threshold": 2,
        "owners": [A.lower(), SAFE],
        "modules": None,
        "guard": None,
        "version": "1.4.1",
    }
    with answering(Reply(body), Reply({"threshold": 2}), Reply({"synced": True}), Reply({"synced": None})) as scripted:
        safes = SafeService(service, (), scripted.url)
        info = safes.info(network("polygon"), SAFE)
        assert isinstance(info, SafeInfo)
        assert (info.nonce, info.threshold, info.owners[1]) == (5, 2, SAFE)
        assert isinstance(safes.info(network("polygon"), SAFE), Unknown)
        assert safes.indexing(network("polygon")) is True
        assert isinstance(safes.indexing(network("polygon")), Unknown)
    assert scripted.seen[0].path == f"/pol/api/v1/safes/{SAFE}/"


# Signature look-ups

OBSCURE = parse_function("obscure(uint256,address)").encode([5, A])
SELECTOR = "0x" + OBSCURE[:4].hex()


def registry(*names: str) -> Reply:
    rows = [{"name": name, "filtered": False} for name in names]
    return Reply({"ok": True, "result": {"event": {}, "function": {SELECTOR: rows or None}}})


def test_a_registry_s_name_is_verified_and_remembered_for_ever(service: Service, clock: ManualClock) -> None:
    memory = RunMemory()
    with answering(registry("collides()", "obscure(uint256,address)")) as scripted:
        for _ in range(2):
            decoded = Decoder([FourByte(service, memory, scripted.url)]).decode(Transaction(1, A, OBSCURE))
            assert (decoded.origin, decoded.signature) == ("4byte", "obscure(uint256,address)")
            clock.advance(1)
    assert len(scripted.seen) == 1


def test_a_well_formed_miss_is_remembered_and_an_outage_is_not(service: Service) -> None:
    for reply, requests in ((registry(), 1), (Reply({}, 404), 2), (Reply({"result": {}}), 2), (Reply(b"<html>"), 2)):
        memory = RunMemory()
        with answering(reply) as scripted:
            for _ in range(2):
                decoder = Decoder([FourByte(service, memory, scripted.url)])
                assert decoder.decode(Transaction(1, A, OBSCURE)).note == "unknown function"
        assert len(scripted.seen) == requests, reply


def test_a_registered_bomb_or_nonsense_is_dropped(service: Service) -> None:
    names = ["f(uint256[0][])", "f(", "", "f(uint256" + "[]" * 50 + ")", "x" * 10_000]
    with answering(registry(*names)) as scripted:
        decoder = Decoder([FourByte(service, RunMemory(), scripted.url)])
        assert decoder.decode(Transaction(1, A, OBSCURE)).declaration is None


def test_lookups_are_few_per_decoder(service: Service) -> None:
    with answering(Reply({}, 404)) as scripted:
        fourbyte = FourByte(service, RunMemory(), scripted.url, lookups=2)
        for _ in range(5):
            fourbyte.candidates(Transaction(1, A, OBSCURE))
    assert len(scripted.seen) == 2


def test_a_verified_abi_names_the_call_through_the_proxy(service: Service) -> None:
    function = {
        "type": "function",
        "name": "obscure",
        "inputs": [{"type": "uint256", "name": "n"}, {"type": "address"}],
    }
    memory = RunMemory()

    def answer(seen: Seen) -> Reply:
        proxy = A.lower() in seen.path.lower()
        found = {"ContractName": "Proxy" if proxy else "Vault", "ABI": "[]" if proxy else json.dumps([function])}
        return Reply({"status": "1", "result": [found | {"Implementation": SAFE if proxy else ""}]})

    with answering(answer) as scripted:
        for _ in range(2):
            source = ExplorerAbi(service, memory, KEY, scripted.url)
            decoded = Decoder([source]).decode(Transaction(8453, A, OBSCURE))
    assert decoded.origin == "abi"
    assert [argument.name for argument in decoded.arguments] == ["n", "1"]
    assert source.verified(8453, A) == VerifiedSource("Proxy")
    assert len(scripted.seen) == 2
    assert parse_qs(urlsplit(scripted.seen[0].path).query)["chainid"] == ["8453"]


def test_an_abi_of_nonsense_gives_no_functions() -> None:
    deep: Any = {"type": "uint256"}
    for _ in range(300):
        deep = {"type": "tuple", "components": [deep]}
    strange = [{"type": "function", "name": "f", "inputs": [deep]}, {"type": "function"}, 7, {"name": 5}]
    assert [text[:2] for text in abi_functions(strange)] == ["f("]
    with answering(Reply({"status": "1", "result": [{"ABI": json.dumps(strange), "Implementation": 7}]})) as scripted:
        service = Service(HttpClient(), Budget())
        source = ExplorerAbi(service, RunMemory(), KEY, scripted.url)
        assert source.candidates(Transaction(1, A, OBSCURE)) == []
    assert [abi_functions(text) for text in ("", "{", "5", None)] == [[], [], [], []]


def test_services_can_be_elsewhere_by_environment(service: Service) -> None:
    with answering(Reply({"results": []})) as scripted:
        safes = open_safe_service({"SAFE_SERVICE_URL": scripted.url, "SAFE_API_KEY": KEY}, service)
        assert isinstance(safes.queue(network("mainnet"), SAFE, 0), SafeQueue)
    assert scripted.seen[0].headers["authorization"] == f"Bearer {KEY}"
    assert base_url({"DEFILLAMA_URL": "http://127.0.0.1:9/"}) == "http://127.0.0.1:9"
    assert base_url({}) == "https://coins.llama.fi"


def test_the_ladder_has_an_explorer_only_with_a_key(service: Service) -> None:
    plain = ladder({}, service, RunMemory())
    keyed = ladder({"ETHERSCAN_API_KEY": KEY, "FOURBYTE_URL": "http://127.0.0.1:1"}, service, RunMemory())
    assert [one.name for one in plain] == ["4byte"]
    assert [one.name for one in keyed] == ["abi", "4byte"]
    before = ladder({"ETHERSCAN_API_KEY": " ", "ETHERSCAN_TOKEN": KEY}, service, RunMemory())
    assert [one.name for one in before] == ["abi", "4byte"], "as the system before this one named it"
    assert Decoder(keyed[1:]).decode(Transaction(1, A, OBSCURE)).note == "unknown function"


def test_an_explorer_that_fails_leaves_the_call_undecoded(service: Service) -> None:
    replies = (
        Reply({"status": "0", "result": "Invalid API Key"}),
        Reply({}, 403),
        Reply({"status": "1", "result": "x"}),
    )
    for reply in replies:
        with answering(reply) as scripted:
            source = ExplorerAbi(service, RunMemory(), KEY, scripted.url)
            assert Decoder([source]).decode(Transaction(1, A, OBSCURE)).declaration is None
