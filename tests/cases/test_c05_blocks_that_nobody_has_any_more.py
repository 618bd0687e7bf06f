"""After an outage longer than a provider's history a monitor of events saw nothing any more, nor what was new.

Input: a timelock judged up to block 100,000; the next run finds the chain at 700,000 and a provider that has the logs
of its last 10,064 blocks, in the words of several gateways; two providers of which one does not answer. Right result:
one loud message names the blocks that cannot be read any more, reading goes on at the oldest one that can be, and what
is new is judged in that same run; while one provider has not said so, nothing is given up.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monitoring.chains.networks import network
from tests.support.checks_host import ChecksHost
from tests.support.monitor_world import monitor_world
from tests.support.rpc_server import Failure, Provider, serving
from tests.support.timelocks import YEARN, scheduled_logs

pytestmark = pytest.mark.case("C.5")
FILE = f"""
monitor: timelocks
chains: [mainnet]
timelocks:
  first_run_lookback: 12h
  rows:
    - {{name: Yearn, chain: mainnet, address: "{YEARN}", protocol: yearn, kind: oz_timelock_controller}}
    - {{name: Other, chain: mainnet, address: "0x5d8A7DC9405F08F14541BA918c1Bf7eb2dACE556", protocol: rtoken, kind: oz_timelock_controller}}
"""  # noqa: E501 - rows
KEPT, BEFORE, AFTER = 10_064, 100_000, 700_000
OLDEST = AFTER - KEPT + 1
CERTAIN = AFTER - network(1).confirmations
WORDS = [
    (4444, "pruned history unavailable"),
    (-32000, "missing trie node 6a7f (path ) <nil>"),
    (-32000, "eth_getLogs is limited to the last 10064 blocks"),
    (-32602, "requested block is older than 10,064 blocks"),
    (4444, ""),
]


def pruned(provider: Provider, code: int, words: str) -> Callable[[str, list[Any]], Failure | None]:
    def failing(method: str, params: list[Any]) -> Failure | None:
        gone = method == "eth_getLogs" and int(params[0]["fromBlock"], 16) <= provider.head - KEPT
        return Failure(code, words) if gone else None

    return failing


def provider_with_logs() -> Provider:
    return Provider(head=BEFORE, head_time=time.time, logs=scheduled_logs(range(99_950, AFTER, 9_999)))


def test_the_lost_blocks_are_said_once_and_what_is_new_is_told_at_once(tmp_path: Path) -> None:
    provider = provider_with_logs()
    with serving(provider) as (url,):
        host = ChecksHost(tmp_path, {"PROVIDER_URL_MAINNET": url})
        host.run(host.file(FILE))
        provider.head, provider.failing = AFTER, pruned(provider, *WORDS[0])
        seen = [len(host.told)]
        host.run(host.file(FILE))
        told = host.new(seen)
        lost = f"Ethereum: events of blocks {BEFORE - network(1).confirmations + 1:,} to {OLDEST - 1:,}"
        (message,) = [one for one in told if "were never checked" in one]
        assert message.startswith(f"HIGH alert {lost} (about ")
        assert [one for one in told if "Yearn" in one and "scheduled" in one], told
        cursor = "json_extract(data_json, '$.memory.next')"
        cursors = host.rows(f"SELECT {cursor} FROM conditions WHERE monitor = 'timelocks'")
        assert cursors == [(CERTAIN + 1,)] * 2
        assert host.rows("SELECT count(*) FROM conditions WHERE blind_since IS NOT NULL") == [(0,)]
        provider.head += 20
        host.run(host.file(FILE))
        assert [one for one in host.new(seen) if "were never checked" in one] == []


@pytest.mark.parametrize(("code", "words"), WORDS)
def test_every_wording_leads_on_from_the_oldest_block_that_can_be_read(tmp_path: Path, code: int, words: str) -> None:
    path = tmp_path / "monitor.yaml"
    path.write_text(FILE)
    provider = provider_with_logs()
    with serving(provider) as (url,):
        world = monitor_world(path, {"PROVIDER_URL_MAINNET": url})
        world.run()
        provider.head, provider.failing = AFTER, pruned(provider, code, words)
        asked = provider.requests
        (told,) = world.run().told
    blocks = [entry.facts["block"] for entry in told.transition.entries]
    assert blocks == [block for block in range(99_950, CERTAIN + 1, 9_999) if block >= OLDEST]
    assert provider.requests - asked < 40


def test_nothing_is_given_up_while_one_provider_has_not_said_so(tmp_path: Path) -> None:
    path = tmp_path / "monitor.yaml"
    path.write_text(FILE)
    short, archive = provider_with_logs(), provider_with_logs()
    with serving(short, archive) as urls:
        environ = {f"PROVIDER_URL_MAINNET_{place}": url for place, url in enumerate(urls, 1)}
        world = monitor_world(path, environ)
        world.run()
        for one in (short, archive):
            one.head = AFTER
        short.failing = pruned(short, *WORDS[0])
        archive.failing = lambda method, _: Failure(-32603, "internal error") if method == "eth_getLogs" else None
        cursor = {key: one.memory["next"] for key, one in world.conditions.items()}
        assert world.run().told == []
        assert {key: one.memory["next"] for key, one in world.conditions.items()} == cursor
        archive.failing = lambda _method, _params: None
        told = [told for _ in range(6) for told in world.run().told]
    blocks = [entry.facts["block"] for one in told for entry in one.transition.entries]
    assert blocks == list(range(99_950 + 9_999, CERTAIN, 9_999)), "an archive lost nothing"


def test_a_margin_that_is_gone_is_no_loss(tmp_path: Path) -> None:
    """The blocks read once more for reorganisations were judged already."""
    provider = provider_with_logs()
    with serving(provider) as (url,):
        host = ChecksHost(tmp_path, {"PROVIDER_URL_MAINNET": url})
        host.run(host.file(FILE))
        provider.head = BEFORE + KEPT - network(1).confirmations - 5
        provider.failing = pruned(provider, *WORDS[0])
        host.run(host.file(FILE))
        assert [one for one in host.told if "were never checked" in one] == []
        assert host.rows("SELECT count(*) FROM conditions WHERE blind_since IS NOT NULL") == [(0,)]
