"""A real EVM node (anvil) for tests of what we read from one."""

from __future__ import annotations

import json
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.parts import missing

ROOT = Path(__file__).resolve().parents[2]
BINARY = ROOT / "node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil"
CONTRACTS = ROOT / "tests/data/contracts"
ACCOUNT = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"  # the first of anvil's well-known accounts


class Node:
    """A running anvil, spoken to in plain JSON-RPC."""

    def __init__(self, url: str) -> None:
        self.url = url

    def rpc(self, method: str, *params: Any) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = urllib.request.Request(self.url, body, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as response:
            reply = json.load(response)
        if "error" in reply:
            raise RuntimeError(f"{method}: {reply['error']}")
        return reply["result"]

    def place(self, address: str, contract: str) -> None:
        """Put a contract's runtime code at an address."""
        self.rpc("anvil_setCode", address, built(contract)["deployedBytecode"])

    def deploy(self, bytecode: str, arguments: bytes = b"") -> str:
        receipt = self.send(None, bytecode + arguments.hex())
        return str(receipt["contractAddress"])

    def send(self, to: str | None, data: str, sender: str = ACCOUNT, value: int = 0) -> Any:
        call = {"from": sender, "data": data, "gas": hex(10_000_000), "value": hex(value)} | ({"to": to} if to else {})
        tx_hash = self.rpc("eth_sendTransaction", call)
        deadline = time.monotonic() + 30
        while (receipt := self.rpc("eth_getTransactionReceipt", tx_hash)) is None:
            assert time.monotonic() < deadline, "the transaction was not mined in 30 s"
            time.sleep(0.005)
        assert receipt["status"] == "0x1", receipt
        return receipt

    def mine(self, blocks: int = 1) -> None:
        self.rpc("anvil_mine", hex(blocks))

    @property
    def head(self) -> int:
        return int(self.rpc("eth_blockNumber"), 16)


def built(contract: str) -> dict[str, str]:
    found: dict[str, str] = json.loads((CONTRACTS / f"{contract}.json").read_text())
    return found


@contextmanager
def running_node(chain_id: int = 1) -> Iterator[Node]:
    """Start anvil on a free port and stop it afterwards; the test is skipped where it is not installed."""
    if not BINARY.exists():
        missing("anvil is not installed: run `npm ci`")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [BINARY, "--host", "127.0.0.1", "--port", str(port), "--silent", "--chain-id", str(chain_id)]
    process = subprocess.Popen(command)
    try:
        node = Node(f"http://127.0.0.1:{port}")
        _wait_for(node, process)
        yield node
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(node: Node, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert process.poll() is None, "anvil did not start"
        try:
            node.rpc("eth_chainId")
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError("anvil did not answer in 30 s")
