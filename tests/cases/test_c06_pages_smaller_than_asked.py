"""A Safe service that gives smaller pages than asked for hid transactions, and the queue was called complete.

Input: 45 pending transactions in pages of 20, with and without a link to the next page; a service that counts more than
it gives; one that gives the same page for ever. Right result: every transaction is read; what was not, makes the queue
incomplete, which the monitor reports as unknown.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from monitoring.base.http.client import HttpClient
from monitoring.chains.networks import network
from monitoring.chains.rpc.budget import Budget
from monitoring.chains.services.client import Service
from monitoring.chains.services.safe_rows import SafeQueue
from monitoring.chains.services.safe_service import SafeService
from tests.support.chain_clock import ManualClock
from tests.support.http_service import Reply, Seen, http_service
from tests.support.safes import CURATION, queued

pytestmark = pytest.mark.case("C.6")


def read(answer: Callable[[Seen], Reply]) -> tuple[SafeQueue, int]:
    clock, fetch = ManualClock(), HttpClient()
    with http_service(answer) as scripted:
        service = Service(fetch, Budget(clock=clock, sleep=clock.sleep))
        queue = SafeService(service, (), scripted.url).queue(network("mainnet"), CURATION, 0)
    fetch.close()
    assert isinstance(queue, SafeQueue), queue
    return queue, len(scripted.seen)


def pages(total: int, size: int, *, links: bool, count: Any = None) -> Callable[[Seen], Reply]:
    def answer(seen: Seen) -> Reply:
        offset = int(parse_qs(urlsplit(seen.path).query)["offset"][0])
        rows = [queued(nonce) for nonce in range(offset, min(total, offset + size))]
        following = "https://elsewhere.example/next" if links and offset + size < total else None
        return Reply({"count": total if count is None else count, "next": following, "results": rows})

    return answer


@pytest.mark.parametrize("links", [True, False])
def test_every_transaction_is_read_from_small_pages(links: bool) -> None:
    queue, requests = read(pages(45, 20, links=links))
    assert [one.nonce for one in queue.transactions] == list(range(45))
    assert (queue.complete, requests) == (True, 3)


def test_a_service_that_counts_more_than_it_gives_is_incomplete() -> None:
    queue, requests = read(pages(20, 20, links=False, count=45))
    assert (len(queue.transactions), queue.complete, requests) == (20, False, 2)


@pytest.mark.parametrize("count", ["many", None])
def test_a_count_that_is_none_is_left_alone(count: Any) -> None:
    queue, _ = read(lambda _: Reply({"count": count, "next": None, "results": [queued(1)]}))
    assert queue.complete


def test_the_same_page_for_ever_ends_and_is_incomplete() -> None:
    same = Reply({"next": "https://elsewhere.example/next", "results": [queued(nonce) for nonce in range(20)]})
    queue, requests = read(lambda _: same)
    assert (len(queue.transactions), queue.complete, requests) == (20, False, 2)
