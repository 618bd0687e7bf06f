"""Log scanning against providers that limit ranges, lag behind or forget, and across restarts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from monitoring.base.http.client import HttpClient
from monitoring.chains.abi.values import Unknown
from monitoring.chains.networks import network
from monitoring.chains.rpc.budget import Budget
from monitoring.chains.rpc.logs import Displaced, EventLog, LogCursor, LogFilter, displaced, pages, scan
from monitoring.chains.rpc.pool import ProviderPool
from tests.support.chain_clock import ManualClock
from tests.support.rpc_server import Failure, Provider, event_log, serving

TARGET = "0x" + "11" * 20
TOPIC = "0x" + "aa" * 32
EVERYTHING = LogFilter((TARGET,), (TOPIC,))


@pytest.fixture
def provider() -> Provider:
    return Provider(head=300_000)


@pytest.fixture
def pool(provider: Provider) -> Iterator[ProviderPool]:
    with serving(provider) as urls:
        yield make_pool(urls)


def make_pool(urls: list[str]) -> ProviderPool:
    clock = ManualClock()
    budget = Budget(seconds=3600, retries=1000, clock=clock, sleep=clock.sleep)
    return ProviderPool(network(1), urls, HttpClient(), budget)


def test_a_limit_of_a_thousand_blocks_over_two_hundred_thousand_costs_few_refusals(
    provider: Provider, pool: ProviderPool
) -> None:
    provider.log_range = 1_000
    provider.logs = [event_log(block) for block in range(100_001, 300_001, 997)]
    found = scan(pool, EVERYTHING, LogCursor(1, 100_001), 300_000)
    assert found.problem is None
    assert [log.block_number for log in found.logs] == list(range(100_001, 300_001, 997))
    assert found.cursor.next_block == 300_001
    assert found.cursor.range_blocks <= 1_000
    assert provider.count("eth_getLogs") <= 200 * 1.15


def test_a_limit_in_words_is_learnt_from_one_refusal_and_kept(provider: Provider, pool: ProviderPool) -> None:
    provider.log_range = 1_000
    cursor = scan(pool, EVERYTHING, LogCursor(1, 1), 20_000).cursor
    assert (cursor.range_blocks, cursor.most_blocks) == (1_000, 1_000)
    assert provider.count("eth_getLogs") == 21
    for until in (40_000, 60_000, 80_000):
        cursor = scan(pool, EVERYTHING, cursor, until).cursor
    assert provider.count("eth_getLogs") == 81


def test_a_gateway_that_answers_a_whole_batch_with_one_refusal_of_the_range_is_understood(
    provider: Provider, pool: ProviderPool
) -> None:
    """With the code of a rate limit, as gateways do: it was asked again for the same, and never for less."""
    provider.logs = [event_log(block) for block in range(1, 20_000, 500)]

    def answered(body: Any) -> Any:
        calls = body if isinstance(body, list) else [body]
        wanted = [call["params"][0] for call in calls if call["method"] == "eth_getLogs"]
        wide = any(int(one["toBlock"], 16) - int(one["fromBlock"], 16) >= 1_500 for one in wanted)
        error = {"code": -32005, "message": "block range too large: at most 1500 blocks"}
        return {"jsonrpc": "2.0", "id": None, "error": error} if wide else None

    provider.raw = answered
    found = scan(pool, EVERYTHING, LogCursor(1, 1), 20_000)
    assert found.problem is None
    assert len(found.logs) == 40
    assert pool.troubles == ()
    assert provider.requests == 16  # the chain id, one refusal, fourteen ranges


def test_a_restart_in_the_middle_goes_on_with_what_it_had_learnt(provider: Provider, pool: ProviderPool) -> None:
    provider.log_range = 1_000
    provider.logs = [event_log(block) for block in range(100_001, 300_001, 997)]
    kept, cursor = [], LogCursor(1, 100_001)
    for page in pages(pool, EVERYTHING, cursor, 300_000):
        kept += page.logs
        cursor = page.cursor
        if cursor.next_block > 200_000:
            break
    before = provider.count("eth_getLogs")
    after = scan(make_pool([provider.url]), EVERYTHING, cursor, 300_000)
    assert [log.block_number for log in (*kept, *after.logs)] == list(range(100_001, 300_001, 997))
    assert provider.count("eth_getLogs") - before <= 120


def test_a_failure_in_the_middle_keeps_what_was_read_and_where(provider: Provider, pool: ProviderPool) -> None:
    provider.logs = [event_log(block) for block in (10, 5_000, 9_000)]

    def failing(method: str, params: list[dict[str, str]]) -> Failure | None:
        broken = method == "eth_getLogs" and int(params[0]["toBlock"], 16) > 6_000
        return Failure(-32603, "internal error") if broken else None

    provider.failing = failing
    found = scan(pool, EVERYTHING, LogCursor(1, 1), 10_000)
    assert [log.block_number for log in found.logs] == [10, 5_000]
    assert found.cursor.next_block == 6_001
    assert isinstance(found.problem, Unknown)
    assert "logs after block 6000" in found.problem.reason
    assert provider.count("eth_getLogs") < 40
    provider.failing = lambda _method, _params: None
    again = scan(make_pool([provider.url]), EVERYTHING, found.cursor, 10_000)
    assert [log.block_number for log in again.logs] == [9_000]


def test_a_range_that_only_times_out_is_asked_smaller_the_next_time(provider: Provider, pool: ProviderPool) -> None:
    provider.status = 504
    found = scan(pool, EVERYTHING, LogCursor(1, 1, range_blocks=800), 10_000)
    assert found.cursor == LogCursor(1, 1, range_blocks=400)


def test_a_limit_told_in_unknown_words_is_found_all_the_same(provider: Provider, pool: ProviderPool) -> None:
    provider.logs = [event_log(block) for block in range(1, 20_000, 500)]

    def failing(method: str, params: list[dict[str, str]]) -> Failure | None:
        wide = method == "eth_getLogs" and int(params[0]["toBlock"], 16) - int(params[0]["fromBlock"], 16) >= 300
        return Failure(-32099, "nope") if wide else None

    provider.failing = failing
    found = scan(pool, EVERYTHING, LogCursor(1, 1), 20_000)
    assert found.problem is None
    assert len(found.logs) == 40


def test_a_refusal_is_forgotten_after_some_runs(provider: Provider, pool: ProviderPool) -> None:
    cursor = LogCursor(1, 1, range_blocks=10, refused_blocks=11)
    for until in range(1_000, 12_000, 1_000):
        cursor = scan(pool, EVERYTHING, cursor, until).cursor
    assert cursor.refused_blocks == 0
    assert cursor.range_blocks > 500


def test_a_node_without_the_last_block_is_not_believed_about_its_logs(provider: Provider, pool: ProviderPool) -> None:
    """A node behind answers a range beyond its head with the logs it has, and no error."""
    provider.logs = [event_log(99), event_log(101)]
    provider.head = 100
    behind = scan(pool, EVERYTHING, LogCursor(1, 90), 102)
    assert behind.logs == ()
    assert behind.cursor.next_block == 90
    assert "does not have the block" in str(behind.problem)
    provider.head = 102
    found = scan(make_pool([provider.url]), EVERYTHING, behind.cursor, 102)
    assert [log.block_number for log in found.logs] == [99, 101]


def test_a_provider_known_to_be_behind_is_not_asked() -> None:
    behind, good = Provider(head=100), Provider(head=102, logs=[event_log(101)])
    with serving(behind, good) as urls:
        pool = make_pool(urls)
        pool.providers[0].head = 100
        assert len(scan(pool, EVERYTHING, LogCursor(1, 90), 102).logs) == 1
    assert behind.requests == 0


def test_logs_that_do_not_match_the_filter_are_dropped_here(provider: Provider, pool: ProviderPool) -> None:
    provider.logs = [
        event_log(10),
        event_log(11, address="0x" + "22" * 20),
        event_log(12, topic="0x" + "bb" * 32),
        event_log(13) | {"removed": True},
    ]
    assert [log.block_number for log in scan(pool, EVERYTHING, LogCursor(1, 1), 100).logs] == [10]
    either = LogFilter((), ((TOPIC, "0x" + "bb" * 32),))
    assert [log.block_number for log in scan(pool, either, LogCursor(1, 1), 100).logs] == [10, 11, 12]


def test_a_malformed_log_stops_the_scan_rather_than_being_skipped(provider: Provider, pool: ProviderPool) -> None:
    provider.logs = [event_log(10) | {"address": "nonsense"}]
    found = scan(pool, EVERYTHING, LogCursor(1, 1), 100)
    assert found.cursor.next_block == 1
    assert "a log without the fields" in str(found.problem)


def test_a_gateway_without_batches_can_be_scanned(provider: Provider, pool: ProviderPool) -> None:
    provider.batches = False
    provider.logs = [event_log(10)]
    assert len(scan(pool, EVERYTHING, LogCursor(1, 1), 100).logs) == 1


def test_each_chain_has_its_own_cursor(provider: Provider, pool: ProviderPool) -> None:
    first = scan(pool, EVERYTHING, LogCursor(1, 1), 100).cursor
    assert (first.chain_id, first.next_block) == (1, 101)


def test_a_reorganisation_is_scanned_again_from_the_last_block_both_share(
    provider: Provider, pool: ProviderPool
) -> None:
    provider.logs = [event_log(150)]
    first = scan(pool, EVERYTHING, LogCursor(1, 1), 100)
    second = scan(pool, EVERYTHING, first.cursor, 200)
    assert [log.block_number for log in second.logs] == [150]
    provider.fork, provider.fork_from = "f", 140
    again = scan(pool, EVERYTHING, second.cursor, 250)
    assert again.reorganised_from == 101
    assert [log.block_number for log in again.logs] == [150]
    assert again.logs[0].id != second.logs[0].id


def test_a_reorganisation_below_the_first_page_starts_from_its_first_block(
    provider: Provider, pool: ProviderPool
) -> None:
    first = scan(pool, EVERYTHING, LogCursor(1, 50), 100)
    provider.fork = "f"
    again = scan(pool, EVERYTHING, first.cursor, 120)
    assert again.reorganised_from == 50
    assert again.cursor.next_block == 121


def alerted(provider: Provider, block: int) -> EventLog:
    log = event_log(block)
    return EventLog(1, TARGET, (TOPIC,), "0x", block, provider.block_hash(block), log["transactionHash"], 0)


def test_an_alerted_log_that_stands_is_not_displaced(provider: Provider, pool: ProviderPool) -> None:
    assert displaced(pool, [alerted(provider, 10)], 100) == ()
    assert displaced(pool, [], 100) == ()


def test_an_alerted_log_that_vanished_or_moved_is_told(provider: Provider, pool: ProviderPool) -> None:
    gone, moved = alerted(provider, 10), alerted(provider, 11)
    provider.fork = "f"
    provider.logs = [event_log(11)]
    found = displaced(pool, [gone, moved], 100)
    assert not isinstance(found, Unknown)
    assert found[0] == Displaced(gone, None)
    assert found[1].log == moved
    assert found[1].now_in is not None
    assert found[1].now_in.block_hash == provider.block_hash(11)


def test_an_alerted_log_above_the_head_is_not_judged_yet(provider: Provider, pool: ProviderPool) -> None:
    assert displaced(pool, [alerted(provider, 500_000)], 100) == ()


def test_whether_a_log_stands_is_unknown_while_the_chain_cannot_be_asked(
    provider: Provider, pool: ProviderPool
) -> None:
    provider.status = 500
    assert isinstance(displaced(pool, [alerted(provider, 10)], 100), Unknown)
