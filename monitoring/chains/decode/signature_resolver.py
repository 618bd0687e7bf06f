"""The upper rungs of the decoder's ladder: a target's verified ABI (with an explorer key), and 4byte look-ups.

Both are remembered. "Nobody knows it" is remembered only when a well-formed answer said so; an outage is not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast
from urllib.parse import urlencode

import orjson

from monitoring.base.clock import Clock, from_text, to_text
from monitoring.base.http.client import Request
from monitoring.chains.abi.addresses import SignatureError, checksum, is_address
from monitoring.chains.abi.selectors import Declaration, declare
from monitoring.chains.abi.values import Json, Unknown
from monitoring.chains.decode.calldata import SELECTOR, Transaction
from monitoring.chains.rpc.memory import ChainMemory
from monitoring.chains.services.client import Service

FOURBYTE = "https://api.4byte.sourcify.dev/signature-database/v1"
EXPLORER = "https://api.etherscan.io/v2/api"
_KEYS = ("ETHERSCAN_API_KEY", "ETHERSCAN_TOKEN")  # the other is its name in the system before this one
_LOOKUPS = 12  # requests one decoder may make: an alert must not wait for a registry
_PATIENCE_S = 6.0  # for all look-ups at the explorer of one task
_MISS_KEPT = timedelta(days=3)
_ABI_KEPT = timedelta(days=1)  # a proxy's implementation may change
_MAX_NAMES = 20
_MAX_DEPTH = 8


class FourByte:
    """Signatures by selector from a public registry. Anybody can register there, so its answers are guesses."""

    name = "4byte"
    exact = True

    def __init__(self, service: Service, memory: ChainMemory, base: str = FOURBYTE, lookups: int = _LOOKUPS) -> None:
        self._service = service
        self._memory = memory
        self._base = base.rstrip("/")
        self._lookups = lookups

    def candidates(self, tx: Transaction) -> Sequence[Declaration]:
        selector = "0x" + tx.data[:SELECTOR].hex()
        now = self._service.budget.clock.now()
        known = _recall(self._memory, "signature", selector, now, _MISS_KEPT)
        if known is None:
            known = self._look_up(selector, now)
        found = [_declaration(name) for name in known]
        return [one for one in found if one is not None and one.function.selector == tx.data[:SELECTOR]]

    def _look_up(self, selector: str, now: datetime) -> list[str]:
        if self._lookups <= 0:
            return []
        self._lookups -= 1
        url = f"{self._base}/lookup?{urlencode({'function': selector, 'filter': 'true'})}"
        body = self._service.ask_json(Request(url), tries=1)
        names = None if isinstance(body, Unknown) else _names(body, selector)
        if names is None:
            return []
        self._memory.remember("signature", selector, _text(names, now))
        return names


def explorer(environ: Mapping[str, str], service: Service, memory: ChainMemory) -> ExplorerAbi | None:
    """Return the explorer where there is a key for it; `ETHERSCAN_URL` puts another server in its place."""
    key = next((key for name in _KEYS if (key := environ.get(name, "").strip())), "")
    return ExplorerAbi(service, memory, key, environ.get("ETHERSCAN_URL") or EXPLORER) if key else None


def ladder(environ: Mapping[str, str], service: Service, memory: ChainMemory) -> list[FourByte | ExplorerAbi]:
    """Return the rungs above the own table: the explorer's only where there is a key for it.

    `FOURBYTE_URL` puts another server in the place of the public list.
    """
    public = FourByte(service, memory, environ.get("FOURBYTE_URL") or FOURBYTE)
    keyed = explorer(environ, service, memory)
    return [keyed, public] if keyed else [public]


def _names(body: Json, selector: str) -> list[str] | None:
    """Return the names of a well-formed answer, an empty list for a well-formed miss, else None."""
    result = body.get("result") if isinstance(body, dict) else None
    functions = result.get("function") if isinstance(result, dict) else None
    if not isinstance(functions, dict) or selector not in functions:
        return None
    rows = functions[selector]
    if rows is None:
        return []
    if not isinstance(rows, list):
        return None
    return [str(row["name"]) for row in rows[:_MAX_NAMES] if isinstance(row, dict) and "name" in row]


@dataclass(frozen=True, slots=True)
class VerifiedSource:
    """What an explorer says of a contract's source; `name` is its author's, empty where there is no source."""

    name: str

    @property
    def is_verified(self) -> bool:
        return bool(self.name)


class Patience:
    """How many seconds look-ups took in all: when they are used up, no other begins, since an alert waits for it."""

    def __init__(self, clock: Clock, seconds: float = _PATIENCE_S) -> None:
        self.left_s = seconds
        self._clock = clock
        self._since_s = 0.0

    def __enter__(self) -> None:
        self._since_s = self._clock.monotonic()

    def __exit__(self, *_: object) -> None:
        self.left_s -= self._clock.monotonic() - self._since_s


class ExplorerAbi:
    """The verified ABI of a call's target, through its proxy."""

    name = "abi"
    exact = False

    def __init__(
        self, service: Service, memory: ChainMemory, key: str, base: str = EXPLORER, lookups: int = _LOOKUPS
    ) -> None:
        self._service = service
        self._memory = memory
        self._key = key
        self._base = base
        self._lookups = lookups
        self._patience = Patience(service.budget.clock)

    def candidates(self, tx: Transaction) -> Sequence[Declaration]:
        if not is_address(tx.to):
            return []
        found = [_declaration(text) for text in self._functions(tx.chain_id, checksum(tx.to))]
        return [one for one in found if one is not None and one.function.selector == tx.data[:SELECTOR]]

    def verified(self, chain_id: int, address: str) -> VerifiedSource | Unknown:
        """Return whether the explorer has the source of a contract; `Unknown` if it does not answer in time."""
        key = f"{chain_id}:{checksum(address)}"
        self._functions(chain_id, checksum(address))
        now = self._service.budget.clock.now()
        if _recall(self._memory, "contract", key, now, _ABI_KEPT, for_ever=False) is None:
            return Unknown("the explorer did not answer", self.name)
        known = json.loads(self._memory.recall("contract", key) or "{}")
        return VerifiedSource(str(known.get("contract", "")))

    def _functions(self, chain_id: int, address: str) -> list[str]:
        now = self._service.budget.clock.now()
        key = f"{chain_id}:{address}"
        known = _recall(self._memory, "contract", key, now, _ABI_KEPT, for_ever=False)
        if known is not None:
            return known
        row = self._ask(chain_id, address)
        if row is None:
            return []
        functions = abi_functions(row.get("ABI"))
        implementation = row.get("Implementation")
        if is_address(implementation) and checksum(str(implementation)) != address:
            behind = self._ask(chain_id, checksum(str(implementation)))
            functions += abi_functions(behind.get("ABI")) if behind else []
        self._memory.remember("contract", key, _text(functions, now, contract=str(row.get("ContractName") or "")))
        return functions

    def _ask(self, chain_id: int, address: str) -> dict[str, Json] | None:
        if self._lookups <= 0 or self._patience.left_s <= 0:
            return None
        self._lookups -= 1
        query = {
            "chainid": chain_id,
            "module": "contract",
            "action": "getsourcecode",
            "address": address,
            "apikey": self._key,
        }
        with self._patience:
            body = self._service.ask_json(Request(f"{self._base}?{urlencode(query)}"), tries=1)
        rows = body.get("result") if isinstance(body, dict) and body.get("status") == "1" else None
        row = rows[0] if isinstance(rows, list) and rows else None
        return row if isinstance(row, dict) else None


def abi_functions(abi: Json) -> list[str]:
    """Return `name(type name, …)` for every function of an ABI (JSON or its text); [] for anything else."""
    if isinstance(abi, str):
        try:
            abi = cast("Json", orjson.loads(abi))
        except orjson.JSONDecodeError:
            return []
    entries = abi if isinstance(abi, list) else []
    rows = [one for one in entries if isinstance(one, dict) and one.get("type", "function") == "function"]
    return [f"{row['name']}({_inputs(row.get('inputs'))})" for row in rows if isinstance(row.get("name"), str)]


def _inputs(rows: Json) -> str:
    inputs = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return ",".join(f"{_type(row)} {row.get('name') or ''}".strip() for row in inputs)


def _type(row: Mapping[str, Json], depth: int = 0) -> str:
    """Write a type; a struct too deep to be real comes out as no type, and its function is dropped."""
    kind = str(row.get("type", ""))
    if not kind.startswith("tuple") or depth > _MAX_DEPTH:
        return kind
    components = row.get("components")
    members = [one for one in components if isinstance(one, dict)] if isinstance(components, list) else []
    return f"({','.join(_type(one, depth + 1) for one in members)}){kind.removeprefix('tuple')}"


def _declaration(text: str) -> Declaration | None:
    try:
        return declare(text)
    except SignatureError:
        return None


def _text(names: list[str], now: datetime, **more: str) -> str:
    return orjson.dumps({"names": names, "at": to_text(now), **more}).decode()


def _recall(
    memory: ChainMemory, kind: str, key: str, now: datetime, kept: timedelta, *, for_ever: bool = True
) -> list[str] | None:
    """Return remembered names; a miss, or what may change, only while it is young."""
    text = memory.recall(kind, key)
    if text is None:
        return None
    try:
        row = orjson.loads(text)
        names, at = [str(name) for name in row["names"]], from_text(row["at"])
    except (ValueError, KeyError, TypeError):
        return None
    is_young = timedelta(0) <= now - at <= kept  # not what a clock that was ahead wrote
    return names if (names and for_ever) or is_young else None
