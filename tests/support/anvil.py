"""A real EVM node on loopback: started in a fraction of a second, driven by JSON-RPC, gone with its block.

Used by tests (fixture `chain` in conftest.py) and by tools/demo.py, so it imports no test library.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from tests.support.rpc import Rpc, RpcError
from utils.local_chain import HOW_TO_GET_ANVIL, anvil_program

HOW_TO_GET_IT = HOW_TO_GET_ANVIL
_START_LIMIT_S = 60.0
_STOP_LIMIT_S = 10.0
_RECEIPT_LIMIT_S = 30.0
_LISTENING = re.compile(r"Listening on 127\.0\.0\.1:(\d+)")


def binary() -> Path | None:
    """Return the node's program, found as `local_chain` finds it."""
    return anvil_program()


@dataclass(frozen=True, slots=True)
class Anvil:
    """A running node. Amounts are wei, instants and spans seconds, addresses and data 0x-hexadecimal."""

    url: str
    pid: int
    rpc: Rpc = field(repr=False)
    accounts: tuple[str, ...] = field(repr=False)

    # -- transactions and calls ---------------------------------------------------------------------------------------

    def send(self, to: str | None, data: str = "0x", *, sender: str | None = None, value: int = 0) -> dict[str, Any]:
        """Send from an unlocked account (the first unless told) and return the receipt.

        Raises:
            RpcError: it reverted; the message carries the reason.
        """
        transaction = {"from": sender or self.accounts[0], "data": data, "value": hex(value)}
        if to is not None:
            transaction["to"] = to
        receipt = self.receipt(self.rpc("eth_sendTransaction", transaction))
        if receipt["status"] != "0x1":
            self.rpc("eth_call", transaction, receipt["blockNumber"])  # says why
            raise RpcError("eth_sendTransaction", {"message": "execution reverted, but not when called again"})
        return receipt

    def receipt(self, transaction: str) -> dict[str, Any]:
        """Wait until the transaction is in a block."""
        deadline = time.monotonic() + _RECEIPT_LIMIT_S
        while (receipt := self.rpc("eth_getTransactionReceipt", transaction)) is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{transaction} was not mined within {_RECEIPT_LIMIT_S:.0f} s")
            time.sleep(0.005)
        found: dict[str, Any] = receipt
        return found

    def deploy(self, bytecode: str, *, sender: str | None = None) -> str:
        """Create a contract from its creation code, constructor arguments appended; return its address."""
        return str(self.send(None, bytecode, sender=sender)["contractAddress"])

    def call(self, to: str, data: str, *, block: str | int = "latest") -> str:
        at = hex(block) if isinstance(block, int) else block
        return str(self.rpc("eth_call", {"to": to, "data": data}, at))

    def logs(self, address: str, topics: Sequence[object] = (), *, from_block: int = 0) -> list[dict[str, Any]]:
        asked = {"address": address, "topics": list(topics), "fromBlock": hex(from_block), "toBlock": "latest"}
        found: list[dict[str, Any]] = self.rpc("eth_getLogs", asked)
        return found

    # -- the world as a test wants it ---------------------------------------------------------------------------------

    def set_code(self, address: str, runtime_code: str) -> None:
        """Put code at an address, so that checks of real addresses run unchanged."""
        self.rpc("anvil_setCode", address, runtime_code)

    def set_storage(self, address: str, slot: int, value: int) -> None:
        self.rpc("anvil_setStorageAt", address, f"0x{slot:064x}", f"0x{value:064x}")

    def set_balance(self, address: str, amount: int) -> None:
        self.rpc("anvil_setBalance", address, hex(amount))

    @contextmanager
    def impersonating(self, address: str) -> Iterator[str]:
        """Send as any address, with a full purse, while the block lasts."""
        self.set_balance(address, 10**20)
        self.rpc("anvil_impersonateAccount", address)
        try:
            yield address
        finally:
            self.rpc("anvil_stopImpersonatingAccount", address)

    def mine(self, blocks: int = 1, *, interval_s: int = 1) -> None:
        self.rpc("anvil_mine", hex(blocks), hex(interval_s))

    def increase_time(self, seconds: int) -> None:
        """Move the chain's clock forward and mine a block that shows it."""
        self.rpc("evm_increaseTime", hex(seconds))
        self.mine()

    def reorg(self, depth: int) -> None:
        """Replace the newest `depth` blocks by empty ones of another hash."""
        self.rpc("anvil_reorg", depth, [])

    def snapshot(self) -> str:
        return str(self.rpc("evm_snapshot"))

    def revert(self, snapshot: str) -> None:
        """Go back to a snapshot, which is used up by it."""
        if self.rpc("evm_revert", snapshot) is not True:
            raise RpcError("evm_revert", {"message": f"no snapshot {snapshot}"})

    def block(self, number: int | str = "latest") -> dict[str, Any]:
        found: dict[str, Any] = self.rpc(
            "eth_getBlockByNumber", hex(number) if isinstance(number, int) else number, False
        )
        return found

    @property
    def head(self) -> int:
        return int(self.rpc("eth_blockNumber"), 16)

    @property
    def now(self) -> int:
        """The newest block's time, in seconds since 1970."""
        return int(self.block()["timestamp"], 16)


@contextmanager
def running(*arguments: str) -> Iterator[Anvil]:
    """Start a node with the given further arguments, and stop it when the block ends.

    Raises:
        FileNotFoundError: there is no anvil on this machine; the message says how to get one.
        RuntimeError: it did not come up; the message carries what it printed.
    """
    program = binary()
    if program is None:
        raise FileNotFoundError(HOW_TO_GET_IT)
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryDirectory() as home:
        # The node picks the port itself: one chosen here could be taken before the node binds it.
        command = [str(program), "--host", "127.0.0.1", "--port", "0", *arguments]
        environ = {**os.environ, "HOME": home}  # it keeps a cache there, which is not ours to fill
        process = subprocess.Popen(
            command, env=environ, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            url = _wait_until_it_answers(process, output)
            rpc = Rpc(url)
            yield Anvil(url=url, pid=process.pid, rpc=rpc, accounts=tuple(rpc("eth_accounts")))
        finally:
            _stop(process)


def _wait_until_it_answers(process: subprocess.Popen[bytes], output: IO[str]) -> str:
    deadline = time.monotonic() + _START_LIMIT_S
    while time.monotonic() < deadline and process.poll() is None:
        output.seek(0)
        listening = _LISTENING.search(output.read())
        if listening:
            url = f"http://127.0.0.1:{listening[1]}"
            Rpc(url)("eth_chainId")
            return url
        time.sleep(0.01)
    output.seek(0)
    raise RuntimeError(f"anvil did not come up (exit {process.poll()}):\n{output.read()}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
