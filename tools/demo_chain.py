"""The world of the demo: a chain with real contracts at real addresses, its gateway, and the service of Safes.

The timelock is OpenZeppelin's, the Safe is Safe's; the vault is a program that gives the answers it was given.
"""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from monitoring.chains.abi.addresses import checksum
from monitoring.chains.decode.calldata import Transaction
from monitoring.chains.safes.hashing import GasTerms, SafeIdentity, safe_hashes
from monitoring.checks.drill.file import DrilledMonitor, load_drilled
from tests.support import anvil
from tests.support.answers import put_answers, put_multicall
from tests.support.anvil import Anvil
from tests.support.contracts import SAFE_1_4, Contract, artifact
from tests.support.drills import PROTOCOLS
from tests.support.safes import execute_row, signed
from tools.scripted_server import Answer, Request, ScriptedServer

DAY_S = 86_400
START_S = 20  # for the blocks that deploy the contracts
TIMELOCK = "0xD8236031d8279d82E615aF2BFab5FC0127A329ab"  # Cap's own addresses: the shipped files watch them
SAFE = "0xb8FC49402dF3ee4f8587268FB89fda4d621a8793"
BOT = "0x80a3887BA60F76acAb48EE4aEAd0a71A0774A8B2"
SUPPLIER = "0x83F20F44975D03b1b09e64809B757c47f942BEeA"
STRANGER = "0x5A5A5A5a5a5A5A5A5a5a5A5A5a5a5a5A5A5A5a5A"
ZERO = "0x" + "0" * 40
BATCH_SALT = bytes(31) + b"\7"
BEFORE = 310  # blocks of the past, so that the contracts' own beginning is older than a first look reaches
CONFIRMATIONS = 4  # one more than a log needs before it is believed
# What happens to the vault, as entries of its drill.
LOSS = {"stcUSD.convertToAssets(1e24)": "1.079e24", "cusd.balanceOf(stcusd)": "99e18"}
MENDED = {"stcUSD.convertToAssets(1e24)": "1.081e24", "cusd.balanceOf(stcusd)": "101e18"}
LOSS_AGAIN = {"stcUSD.convertToAssets(1e24)": "1.081e24", "cusd.balanceOf(stcusd)": "98e18"}


class Gateway(ScriptedServer):
    """Stands before the chain as a provider does: passes requests on, or is out of order."""

    def __init__(self, node: Anvil) -> None:
        super().__init__()
        self.out_of_order = False
        self._node = node

    def respond(self, request: Request) -> Answer:
        if self.out_of_order:
            return Answer(503, b"the gateway is out of order")
        asked = urllib.request.Request(self._node.url, request.body, headers={"Content-Type": "application/json"})
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked, timeout=30) as answer:
            return Answer(200, answer.read(), {"Content-Type": "application/json"})


class Market(ScriptedServer):
    """Says that a token of the demo is worth a dollar."""

    def respond(self, request: Request) -> Answer:
        keys = unquote(request.path).rpartition("/")[2].split(",")
        price = {"price": 1, "timestamp": int(time.time()), "confidence": 0.99}
        return Answer.of_json(200, {"coins": dict.fromkeys(keys, price)})


class SafeService(ScriptedServer):
    """Lists what is queued on the Safe."""

    def __init__(self) -> None:
        super().__init__()
        self.queue: list[dict[str, object]] = []

    def respond(self, request: Request) -> Answer:
        del request
        return Answer.of_json(200, {"results": self.queue, "next": None})


@dataclass
class World:
    """Everything that can happen in the demo, each by its name in the story."""

    node: Anvil
    gateway: Gateway
    safes: SafeService
    market: Market
    timelock: Contract
    safe: Contract
    vault: DrilledMonitor
    coin: Contract
    operation: str = ""
    payment: dict[str, Any] = field(default_factory=dict)
    happened: list[str] = field(default_factory=list)

    def happen(self, what: str) -> str:
        """Make it happen, and return what a bystander would have seen."""
        seen = {
            "schedule a batch": self.schedule,
            "cancel the batch": self.cancel,
            "queue two transactions": self.queue,
            "reject one, sign the other": self.sign,
            "execute the payment": self.execute,
            "lose money": lambda: self._vault(LOSS, "the vault lost money it held"),
            "pay it back": lambda: self._vault(MENDED, "somebody paid it back"),
            "lose money again": lambda: self._vault(LOSS_AGAIN, "the vault is short again"),
            "break the gateway": lambda: self._gateway(out_of_order=True),
            "repair the gateway": lambda: self._gateway(out_of_order=False),
        }[what]()
        self.happened.append(what)
        return seen

    def go_on(self) -> None:
        """Let the chain make a block, so that its newest is always young enough to be believed."""
        self.node.mine()

    def schedule(self) -> str:
        """Schedule what an attacker would: a role for himself, then no delay at all."""
        grant = self.timelock.artifact.calldata("grantRole", bytes(32), STRANGER)
        delay = self.timelock.artifact.calldata("updateDelay", 0)
        calls = (
            [TIMELOCK, TIMELOCK],
            [0, 0],
            [bytes.fromhex(one[2:]) for one in (grant, delay)],
            bytes(32),
            BATCH_SALT,
        )
        self.timelock.send("scheduleBatch", *calls, 2 * DAY_S)
        self.operation = f"0x{self.timelock.call('hashOperationBatch', *calls).hex()}"
        self.node.mine(CONFIRMATIONS)
        return f"somebody scheduled the batch {self.operation[:10]}… on the timelock"

    def cancel(self) -> str:
        self.timelock.send("cancel", bytes.fromhex(self.operation[2:]))
        self.node.mine(CONFIRMATIONS)
        return "the batch was cancelled"

    def queue(self) -> str:
        """Queue another owner for the Safe, by nobody who is known, and behind it a payment by its own people."""
        add = self.safe.artifact.calldata("addOwnerWithThreshold", STRANGER, 1)
        pay = self.coin.artifact.calldata("transfer", SUPPLIER, 250_000 * 10**18)
        self.payment = self._row(1, checksum(self.coin.address), pay, BOT)
        self.safes.queue = [self._row(0, SAFE, add, STRANGER), self.payment]
        return "a stranger queued a transaction on the Safe, and its own people a payment behind it"

    def sign(self) -> str:
        """Use the stranger's nonce up with an empty transaction, and sign the payment."""
        execute_row(self.safe, signed(self.node, self._row(0, SAFE, "0x", BOT), 0))
        self.payment = signed(self.node, self.payment, 0)
        self.safes.queue = [self.payment]
        self.node.mine(CONFIRMATIONS)
        return "an owner executed an empty transaction in the stranger's place, and signed the payment"

    def execute(self) -> str:
        execute_row(self.safe, self.payment)
        self.safes.queue = []
        self.node.mine(CONFIRMATIONS)
        return "somebody executed the payment"

    def _row(self, nonce: int, to: str, data: str, proposer: str) -> dict[str, Any]:
        """Return a transaction as the service lists it, under the hash that its owners sign."""
        call = Transaction(1, to, bytes.fromhex(data[2:]))
        hashes = safe_hashes(SafeIdentity(SAFE, 1, self.safe.call("VERSION")), call, nonce, GasTerms())
        return {
            "safe": SAFE, "nonce": nonce, "to": to, "value": "0", "data": data, "operation": 0,
            "safeTxGas": 0, "baseGas": 0, "gasPrice": "0", "gasToken": ZERO, "refundReceiver": ZERO,
            "safeTxHash": hashes.safe_tx_hash, "submissionDate": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "isExecuted": False, "proposer": proposer, "proposedByDelegate": None, "confirmations": [],
            "confirmationsRequired": 1,
        }  # fmt: skip

    def _vault(self, changes: dict[str, str], seen: str) -> str:
        now = datetime.now(UTC)
        well = self.vault.answers(now)
        changed = {call: value for call, value in self.vault.answers(now, changes).items() if well[call] != value}
        put_answers(self.node, changed)
        return seen

    def _gateway(self, *, out_of_order: bool) -> str:
        self.gateway.out_of_order = out_of_order
        return "the only provider of the chain is out of order" if out_of_order else "the provider answers again"


@contextmanager
def open_world() -> Iterator[World]:
    """Start the chain and its destinations, with a timelock, a Safe and a vault on it."""
    with ExitStack() as stack:
        past = int(time.time()) - BEFORE - START_S
        node = stack.enter_context(anvil.running("--chain-id", "1", "--timestamp", str(past)))
        put_multicall(node)
        admin = node.accounts[0]
        timelock = artifact("oz5", "TimelockController").deploy_at(node, TIMELOCK, DAY_S, [admin], [admin], admin)
        vault = load_drilled(PROTOCOLS / "cap/monitor.yaml")
        put_answers(node, vault.answers(datetime.now(UTC)))
        gateway, safes = stack.enter_context(Gateway(node)), stack.enter_context(SafeService())
        market = stack.enter_context(Market())
        safe = _safe(node)
        coin = artifact("oz4", "ERC20PresetMinterPauser").deploy(node, "Demo dollar", "DUSD")
        coin.send("mint", SAFE, 1_000_000 * 10**18)
        node.mine(BEFORE)
        node.rpc("evm_setTime", int(time.time()))
        yield World(node, gateway, safes, market, timelock, safe, vault, coin)


def _safe(node: Anvil) -> Contract:
    singleton = artifact(SAFE_1_4, "Safe").deploy(node)
    artifact(SAFE_1_4, "SafeProxy").deploy_at(node, SAFE, singleton.address)
    safe = singleton.artifact.at(node, SAFE)
    safe.send("setup", [node.accounts[0]], 1, ZERO, b"", ZERO, ZERO, 0, ZERO)
    return safe
