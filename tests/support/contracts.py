"""Contracts nobody here wrote, from npm: their artifacts, deployed to a node, called by name.

Packages are named as in package.json: `oz3`, `oz4`, `oz5` and the two generations of Safe.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from eth_abi.abi import decode, encode
from eth_hash.auto import keccak

from tests.support.anvil import Anvil

NODE_MODULES = Path(__file__).resolve().parents[2] / "node_modules"
SAFE_1_4 = "@safe-global/safe-contracts"
SAFE_1_5 = "@safe-global/safe-smart-account"

Entry = Mapping[str, Any]  # one function, event or constructor of an ABI


@dataclass(frozen=True, slots=True)
class Artifact:
    """A compiled contract: `bytecode` creates it, `runtime_code` is what then lies at its address."""

    name: str
    abi: tuple[Entry, ...] = field(repr=False)
    bytecode: str = field(repr=False)
    runtime_code: str = field(repr=False)

    def creation_code(self, *arguments: object) -> str:
        constructor = next((entry for entry in self.abi if entry["type"] == "constructor"), {"inputs": []})
        return self.bytecode + encode(_types(constructor["inputs"]), arguments).hex()

    def deploy(self, node: Anvil, *arguments: object, sender: str | None = None) -> Contract:
        return self.at(node, node.deploy(self.creation_code(*arguments), sender=sender))

    def deploy_at(self, node: Anvil, address: str, *arguments: object) -> Contract:
        """Create the contract at an address of our choice: its constructor runs there, storage and all."""
        node.set_code(address, self.creation_code(*arguments))
        code = node.call(address, "0x")  # what a constructor returns is the code to be
        node.send(address)
        node.set_code(address, code)
        return self.at(node, address)

    def at(self, node: Anvil, address: str) -> Contract:
        return Contract(node, self, address)

    def function(self, name: str, arguments: Sequence[object]) -> Entry:
        """Find a function by name and number of arguments, or by its whole signature where that is not enough."""
        found = [
            entry
            for entry in self.abi
            if entry["type"] == "function"
            and (signature(entry) == name or (entry["name"] == name and len(entry["inputs"]) == len(arguments)))
        ]
        if len(found) != 1:
            raise LookupError(f"{self.name} has {len(found)} functions {name} with {len(arguments)} arguments")
        return found[0]

    def event(self, name: str) -> Entry:
        return next(entry for entry in self.abi if entry["type"] == "event" and entry["name"] == name)

    def calldata(self, name: str, *arguments: object) -> str:
        entry = self.function(name, arguments)
        return f"0x{keccak(signature(entry).encode())[:4].hex()}{encode(_types(entry['inputs']), arguments).hex()}"


@dataclass(frozen=True, slots=True)
class Contract:
    """An artifact at an address of a node."""

    node: Anvil = field(repr=False)
    artifact: Artifact
    address: str

    def call(self, name: str, *arguments: object) -> Any:
        """Return what a function answers: nothing, one value, or a tuple of them."""
        entry = self.artifact.function(name, arguments)
        answer = self.node.call(self.address, self.artifact.calldata(name, *arguments))
        values = decode(_types(entry["outputs"]), bytes.fromhex(answer[2:]))
        return values[0] if len(values) == 1 else values or None

    def send(self, name: str, *arguments: object, sender: str | None = None, value: int = 0) -> dict[str, Any]:
        """Call a function in a transaction and return its receipt."""
        return self.node.send(self.address, self.artifact.calldata(name, *arguments), sender=sender, value=value)

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return every event of that name as {argument: value}, oldest first."""
        entry = self.artifact.event(name)
        topic = "0x" + keccak(signature(entry).encode()).hex()
        return [_event(entry, log) for log in self.node.logs(self.address, [topic])]


@cache
def artifact(package: str, name: str) -> Artifact:
    """Load a contract of an installed package.

    Raises:
        FileNotFoundError: the package is not installed (`make node`), or holds no such contract.
    """
    found = next(_candidates(NODE_MODULES / package / "build", name), None)
    if found is None:
        raise FileNotFoundError(f"no {name} in node_modules/{package}: run `make node`")
    read = json.loads(found.read_text(encoding="utf-8"))
    return Artifact(name, tuple(read["abi"]), _hex(read["bytecode"]), _hex(read["deployedBytecode"]))


def signature(entry: Entry) -> str:
    """Return `schedule(address,uint256,bytes,bytes32,bytes32,uint256)`."""
    return f"{entry['name']}({','.join(_types(entry['inputs']))})"


def _candidates(build: Path, name: str) -> Any:
    yield from build.glob(f"contracts/{name}.json")  # OpenZeppelin
    yield from sorted(build.glob(f"artifacts/**/{name}.sol/{name}.json"))  # Safe


def _hex(text: str) -> str:
    return text if text.startswith("0x") else f"0x{text}"


def _types(inputs: Sequence[Entry]) -> list[str]:
    """Return the canonical types; a struct is the tuple of its members."""
    return [
        f"({','.join(_types(each['components']))}){each['type'].removeprefix('tuple')}"
        if each["type"].startswith("tuple")
        else str(each["type"])
        for each in inputs
    ]


def _event(entry: Entry, log: Mapping[str, Any]) -> dict[str, Any]:
    """Decode a log; an indexed argument of variable length is only there as its hash."""
    indexed = [each for each in entry["inputs"] if each["indexed"]]
    plain = [each for each in entry["inputs"] if not each["indexed"]]
    values = dict(
        zip((each["name"] for each in plain), decode(_types(plain), bytes.fromhex(log["data"][2:])), strict=True)
    )
    for each, topic in zip(indexed, log["topics"][1:], strict=True):
        kind = _types([each])[0]
        static = not (kind in ("bytes", "string") or kind.endswith((")", "]")))
        values[each["name"]] = decode([kind if static else "bytes32"], bytes.fromhex(topic[2:]))[0]
    return {each["name"]: values[each["name"]] for each in entry["inputs"]}
