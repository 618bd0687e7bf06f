"""The messages of the built-in types and of a chain that cannot be reached, for the file of all messages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

from monitoring.alerts.message.model import Alert
from monitoring.alerts.senders.telegram.text import render_telegram
from monitoring.base.kernel_clock import KernelClock
from monitoring.chains.abi.function import parse_function
from monitoring.chains.abi.selectors import events
from monitoring.checks.builtin.host.proc import Filesystem, HostReadings, Load, Memory, StateFiles
from monitoring.checks.builtin.http.client import Expiry, Get, Reply
from monitoring.conditions.condition import Condition, ConditionKey
from tests.support.chain_clock import ManualClock
from tests.support.evaluating import judge_file
from tests.support.http_service import http_service
from tests.support.monitor_world import monitor_world
from tests.support.rpc_server import Provider, event_log, serving
from tests.support.safes import BOT, CURATION, TARGET, SafeService, queued
from tests.support.timelocks import DAY, YEARN, cancelled_log, executed_log, scheduled_logs
from utils.testing import SimChain, SimClock, run

GIB = 1024**3
VAULT, USDC = "0x83F20F44975D03b1b09e64809B757c47f942BEeA", "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"
HOST = "monitor: host\nhost: {}\n"
CERTIFICATE = 'monitor: acme\nhttp:\n  - {name: reserve, url: "https://reserve.example/now", certificate: [30d, 7d]}\n'
ENDPOINT = 'monitor: acme\nhttp:\n  - {name: reserve, url: "https://reserve.example/now", latency: 2s, severity: low}\n'
ERC4626 = f"""\
monitor: acme
chain: mainnet
erc4626:
  - name: acmeUSD
    address: "{VAULT}"
    decimals: 6
    asset: USDC
    share_price: critical
    total_assets: {{max_change: 15%, severity: low}}
    exit: {{of: availableWithdrawLimit, at_least: 4_000_000, severity: medium}}
    flags: {{isShutdown: critical}}
"""
SAFE = f"""\
monitor: safes
chains: [mainnet]
safes:
  unexpected_proposer: critical
  rows:
    - {{name: Curation, chain: mainnet, address: "{CURATION}", protocol: acme, expected_proposers: ["{BOT}"]}}
"""
TIMELOCK = f"""\
monitor: timelocks
chains: [mainnet]
timelocks:
  rows:
    - {{name: Yearn, chain: mainnet, address: "{YEARN}", protocol: yearn, kind: oz_timelock_controller, min_delay: 7d}}
"""


class _Reader:
    """Answers every question with what it holds, a request with an answer that is well."""

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def read(self, questions: Any) -> Mapping[Any, Any]:
        return {one: Reply(200, {}, Fraction(1)) if isinstance(one, Get) else self.answer for one in questions}


def machine(free: int, *, well: bool) -> HostReadings:
    disk = Filesystem(("state",), ("state /var/lib/monitoring",), 100 * GIB, free, 1000, 500 if well else 5)
    return HostReadings(
        filesystems={"state": disk},
        memory=Memory(4 * GIB, 2 * GIB if well else GIB // 10, GIB, GIB if well else 0),
        clock=KernelClock(synchronised=well, max_error_s=0.01, source="the kernel"),
        load=Load(0.5 if well else 40.0, 2),
        state=StateFiles(5 * 1024**2 if well else 11 * GIB, 1024 if well else 2 * GIB),
    )  # fmt: skip


def host_alerts(folder: Path, start: datetime) -> Iterator[Alert]:
    path = folder / "host.yaml"
    path.write_text(HOST)
    found = [machine(9 * GIB, well=False), machine(2 * GIB, well=False), machine(50 * GIB, well=True)]
    yield from judged(path, found, start)


def certificate_alerts(folder: Path, start: datetime) -> Iterator[Alert]:
    path = folder / "certificate.yaml"
    path.write_text(CERTIFICATE)
    ends = [int((start + timedelta(days=days)).timestamp()) for days in (20, 0, 400)]
    yield from judged(path, [Expiry(end) for end in ends], start)


def judged(path: Path, answers: Sequence[object], start: datetime) -> Iterator[Alert]:
    """Evaluate a file once an hour, each time with the next answer."""
    conditions: dict[ConditionKey, Condition] = {}
    for hour, answer in enumerate(answers):
        outcomes, alerts = judge_file(path, _Reader(answer), conditions, start + timedelta(hours=hour))
        conditions = {key: one.condition for key, one in outcomes.items()}
        yield from alerts.values()


def played_latency(folder: Path, start: datetime) -> Path:
    path, store, clock = folder / "latency.yaml", folder / "store-latency", SimClock(start)
    path.write_text(ENDPOINT)

    def slow(_request: object) -> object:
        clock.move("5s")
        return {}

    for answer in (503, slow, {}):
        run(path, store=store, clock=clock, http={"https://reserve.example/now": answer})
        clock.move("1h")
    return store


def played_vault(folder: Path, start: datetime) -> Path:
    path, store, clock = folder / "vault.yaml", folder / "store-vault", SimClock(start)
    path.write_text(ERC4626)
    for price, assets, exit_limit, is_shut in ((1.05, 50, 5, False), (1.04, 30, 3, True), (1.05, 30, 5, False)):
        chain = SimChain({
            (VAULT, "convertToAssets(uint256)(uint256)"): lambda shares, price=price: int(shares * price),
            (VAULT, "totalAssets()(uint256)"): assets * 10**12,
            (VAULT, "availableWithdrawLimit(address)(uint256)"): exit_limit * 10**12,
            (VAULT, "isShutdown()(bool)"): is_shut,
            (VAULT, "asset()(address)"): USDC,
            (USDC, "symbol()(string)"): "USDC",
        })  # fmt: skip
        run(path, store=store, chain=chain, clock=clock)
        clock.move("1h")
    return store


def played_outage(folder: Path, start: datetime, check: str) -> Path:
    path, store, clock = folder / "outage.yaml", folder / "store-outage", SimClock(start)
    path.write_text(check)
    for is_down in (True, True, True, False):
        run(path, store=store, chain=SimChain({(VAULT, "totalAssets()(uint256)"): 5}, down=is_down), clock=clock)
        clock.move("10m")
    return store


EXECUTE = "execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)(bool)"


MULTISEND = "0x9641d764fc13c8B624c04430C7356C1C7C8102e2"


def _batch() -> dict[str, Any]:
    """Return what a row says of a payment, an approval, something unknown and a new owner, in one transaction."""
    calls = [
        (USDC, 0, parse_function("transfer(address,uint256)").encode([TARGET, 1_250_500_000])),
        (USDC, 0, parse_function("approve(address,uint256)").encode([VAULT, 2**256 - 1])),
        (TARGET, 0, bytes.fromhex("deadbeef") + bytes(8)),
        (TARGET, 15 * 10**17, b""),
        (CURATION, 0, parse_function("addOwnerWithThreshold(address,uint256)").encode([TARGET, 1])),
    ]
    packed = b"".join(
        b"\0" + bytes.fromhex(to[2:]) + value.to_bytes(32) + len(data).to_bytes(32) + data for to, value, data in calls
    )
    data = "0x" + parse_function("multiSend(bytes)").encode([packed]).hex()
    return {"to": MULTISEND, "data": data, "operation": 1}


def safe_alerts(folder: Path, start: datetime) -> Iterator[Alert]:
    path, service, clock = folder / "safes.yaml", SafeService(), ManualClock(start)
    path.write_text(SAFE)
    provider = Provider(head=20_000_000, head_time=lambda: clock.now().timestamp())
    provider.views = {
        (CURATION, "VERSION()(string)"): "1.4.1",
        (CURATION, EXECUTE): True,
        (CURATION, "nonce()(uint256)"): 7,
        (CURATION, "getThreshold()(uint256)"): 3,
        (CURATION, "getOwners()(address[])"): [TARGET, BOT, VAULT],
        (CURATION, "getModulesPaginated(address,uint256)(address[],address)"): ([], TARGET),
        (USDC, "symbol()(string)"): "USDC",
        (USDC, "decimals()(uint256)"): 6,
    }
    with serving(provider) as urls, http_service(service.answer) as scripted:
        world = monitor_world(
            path, {"PROVIDER_URL_MAINNET": urls[0], "SAFE_SERVICE_URL": scripted.url}, clock=clock, sleep=clock.sleep
        )
        world.run()
        by_bot: dict[str, Any] = {"confirmations": [{"owner": BOT, "signature": None}]}
        refund: dict[str, Any] = {"data": None, "to": CURATION, "baseGas": 30_000, "gasPrice": str(10**18)}
        more = {
            1: queued(8, "02", proposer=VAULT, **by_bot),
            2: queued(8, "ee", to=CURATION, data=None, **by_bot),
            4: queued(9, **refund, **by_bot),
            5: queued(10, **by_bot) | {"to": USDC},
            6: queued(11, confirmations=[{"owner": USDC, "signature": None}]),
            7: queued(12, **_batch(), **by_bot),
        }
        service.rows["eth"] = [queued(7, **by_bot)]
        for step in range(8):
            service.rows["eth"] += [more[step]] if step in more else []
            if step == 3:
                provider.views[CURATION, "getThreshold()(uint256)"] = 2
                provider.views[CURATION, "getOwners()(address[])"] = [TARGET, BOT]
                provider.views[CURATION, "getModulesPaginated(address,uint256)(address[],address)"] = ([USDC], TARGET)
            clock.advance(3600)
            provider.head += 300
            yield from (one.message for one in world.run().told)


def safe_life_alerts(folder: Path, start: datetime) -> Iterator[Alert]:
    """Three transactions: one is executed, one waits and fails, and one leaves the queue."""
    path, clock = folder / "life.yaml", ManualClock(start)
    path.write_text(SAFE)
    provider = Provider(head=20_000_000, head_time=lambda: clock.now().timestamp())
    provider.views = {
        (CURATION, "VERSION()(string)"): "1.4.1",
        (CURATION, "nonce()(uint256)"): 7,
        (CURATION, "getThreshold()(uint256)"): 2,
        (CURATION, "getOwners()(address[])"): [TARGET, BOT, VAULT],
        (CURATION, "getModulesPaginated(address,uint256)(address[],address)"): ([], TARGET),
    }
    signed = [{"owner": who, "signature": None} for who in (BOT, VAULT)]
    one, both = {"confirmations": signed[:1]}, {"confirmations": signed}
    pause, failing, last = (queued(nonce, "00") for nonce in (7, 8, 10))
    service = SafeService({"eth": [pause | one, failing | one, last | one]})

    def passed(row: Any, event: str) -> None:
        topics = [events("safe")[event].topic, row["safeTxHash"]]
        log = event_log(provider.head + 50, address=CURATION, topic=topics[0]) | {"topics": topics}
        provider.logs = [*provider.logs, log]
        provider.transactions[log["transactionHash"]] = {"from": VAULT, "to": CURATION, "input": "0x"}
        provider.views[CURATION, "nonce()(uint256)"] = row["nonce"] + 1

    steps: list[Callable[[], object]] = [
        lambda: service.rows.update(eth=[pause | one, failing | both, last | one]),
        lambda: service.rows.update(eth=[pause | both, failing | both]),
        lambda: None,
        lambda: passed(pause, "ExecutionSuccess"),
        lambda: passed(failing, "ExecutionFailure"),
    ]
    with serving(provider) as urls, http_service(service.answer) as scripted:
        world = monitor_world(
            path, {"PROVIDER_URL_MAINNET": urls[0], "SAFE_SERVICE_URL": scripted.url}, clock=clock, sleep=clock.sleep
        )
        world.run()
        for step in steps:
            step()
            clock.advance(3600)
            provider.head += 300
            yield from (found.message for found in world.run().told)


def timelock_alerts(folder: Path, start: datetime) -> Iterator[Alert]:
    path, clock = folder / "timelocks.yaml", ManualClock(start)
    path.write_text(TIMELOCK)
    provider = Provider(
        head=20_000_000,
        head_time=lambda: clock.now().timestamp(),
        logs=scheduled_logs(range(20_000_050, 20_000_051), 3 * DAY),
    )
    with serving(provider) as urls:
        world = monitor_world(path, {"PROVIDER_URL_MAINNET_1": urls[0]}, clock=clock, sleep=clock.sleep)
        world.run()
        clock.advance(3600)
        provider.head += 300
        mined_at = int(clock.now().timestamp()) - 12 * (provider.head - 20_000_050)
        provider.views[YEARN, "getTimestamp(bytes32)(uint256)"] = mined_at + 3 * DAY
        yield from (one.message for one in world.run().told)
        for hours in (48, 24, 1):  # the reminder, ready, nothing new
            clock.advance(hours * 3600)
            provider.head += 300
            yield from (one.message for one in world.run().told)
        for ended in (executed_log, cancelled_log):
            provider.logs = [*provider.logs, ended(provider.head + 50, of=20_000_050)]
            clock.advance(3600)
            provider.head += 300
            yield from (one.message for one in world.run().told)


def shown(title: str, found: Iterator[Alert], now: datetime) -> Iterator[str]:
    yield f"=== {title}\n"
    for alert in found:
        yield "\n".join(part.text for part in render_telegram(alert, now=now).parts) + "\n"
