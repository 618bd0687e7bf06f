"""Many reads in few requests, and providers that disagree: what one run costs, and what it does not believe."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from monitoring.chains.networks import network, networks
from monitoring.chains.rpc.multicall import call
from monitoring.chains.rpc.views import Chains, ChainView
from tests.support.checks_host import ChecksHost
from tests.support.rpc_server import KEY, Failure, Provider, serving

TOKEN = "0x" + "11" * 20
CHAINS = (1, 10, 8453)
BALANCE = "balanceOf(address)(uint256)"
PRICE, BROKEN = "totalAssets()(uint256)", "totalSupply()(uint256)"


def test_three_hundred_reads_on_three_chains_cost_one_head_and_one_multicall_a_chain(tmp_path: Path) -> None:
    providers = [Provider(chain_id=chain, head_time=time.time, views={(TOKEN, BALANCE): 7}) for chain in CHAINS]
    holders = "\n".join(f'    - {{name: "h{number}", at: "0x{number:040d}"}}' for number in range(1, 101))
    monitor = f"""
monitor: holders
chains: [{", ".join(map(str, CHAINS))}]
contracts: {{token: "{TOKEN}"}}
for_each:
  h:
{holders}
checks:
  - {{id: "balance/{{h.name}}", require: token.balanceOf(h.at) > 0, severity: low}}
"""
    with serving(*providers):
        urls = {f"PROVIDER_URL_{networks()[one.chain_id].slug.upper()}": one.url for one in providers}
        host = ChecksHost(tmp_path, urls)
        assert len(host.run(host.file(monitor))) == 300
    assert [one.requests for one in providers] == [2, 2, 2]
    assert [one.count("eth_call") for one in providers] == [1, 1, 1]


@pytest.mark.parametrize(
    ("how", "requests", "calls"),
    [
        pytest.param({}, 1, 3, id="batches"),
        pytest.param({"batches": False}, 3, 3, id="no batches"),
        pytest.param({"multicall_limit": 60}, 5, 7, id="small multicalls"),  # two of three are halved
        pytest.param({"multicall": False}, 6, 253, id="no multicall"),
    ],
)
def test_many_reads_of_a_block_are_one_request_where_the_provider_takes_that(
    how: dict[str, Any], requests: int, calls: int
) -> None:
    provider = Provider(head_time=time.time, views={(TOKEN, BALANCE): 7}, **how)
    with serving(provider):
        view = Chains({"PROVIDER_URL_MAINNET": provider.url, "PROVIDER_PUBLIC": "off"}).view(1)
        assert isinstance(view, ChainView)
        before = provider.requests
        found = view.read({number: call(TOKEN, BALANCE, f"0x{number:040x}") for number in range(250)})
    assert found == dict.fromkeys(range(250), 7)
    assert (provider.requests - before, provider.count("eth_call")) == (requests, calls)


@pytest.mark.ci
def test_providers_that_disagree_raise_no_false_alarm_and_cost_no_more_than_the_budget(tmp_path: Path) -> None:
    good = Provider(head_time=time.time, views={(TOKEN, PRICE): 100, (TOKEN, BROKEN): Failure(3, "execution reverted")})
    behind = Provider(head_time=time.time, head=good.head - 20, views={(TOKEN, PRICE): 90})
    wrong = Provider(head_time=time.time, chain_id=10, views={(TOKEN, PRICE): 1})
    limited, hanging = Provider(status=429, retry_after="1"), Provider(hang=threading.Event())
    monitor = f"""
monitor: price
chain: 1
contracts: {{token: "{TOKEN}"}}
checks:
  - {{id: price, never_falls: token.totalAssets(), severity: critical}}
  - {{id: broken, require: token.totalSupply() > 0, severity: high}}
"""
    assert network(1).max_lag_blocks < 20
    with serving(wrong, behind, limited, hanging, good):
        names = ["PROVIDER_URL_MAINNET", *(f"PROVIDER_URL_MAINNET_{number}" for number in range(1, 5))]
        urls = [one.url for one in (wrong, behind, limited, hanging)] + [good.url.replace("127.0.0.1", "localhost")]
        host = ChecksHost(tmp_path, dict(zip(names, urls, strict=True)))
        file, asked = host.file(monitor), []
        for _ in range(3):
            started, before = time.monotonic(), good.count("eth_call")
            lines = host.run(file)
            assert time.monotonic() - started < 60
            asked.append(good.count("eth_call") - before)
            assert [line.split()[1] for line in lines] == ["100", "unknown:"]
            good.head, behind.head = good.head + 1, behind.head + 1
        told = host.told
        assert KEY not in str(host.rows("SELECT * FROM alert_events"))
    assert asked == [1, 1, 1], "a revert is an answer, asked for once"
    assert any("alert Ethereum: totalSupply() of 0x1111…1111 cannot be read" in one for one in told)
    assert sorted(one for one in told if one.startswith("LOW")) == [
        *(f"LOW alert Ethereum: provider 127.0.0.1 #{place} failed in 3 consecutive runs" for place in range(1, 5)),
    ]
