"""The rows of the Safe Transaction Service, read leniently one by one: a strange one must not hide its neighbours.

Version 1 gives nonces as numbers, version 2 as text; both are read alike.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from monitoring.chains.abi.addresses import ZERO, checksum, is_address
from monitoring.chains.abi.values import Json
from monitoring.chains.safes.hashing import GasTerms
from monitoring.chains.services.sources import exact_number
from monitoring.chains.services.times import parse_time

_HASH = re.compile(r"0x[0-9a-fA-F]{64}")
_HEX = re.compile(r"0x([0-9a-fA-F]{2})*")
_GAS_ADDRESSES = ("gasToken", "refundReceiver")


@dataclass(frozen=True, slots=True)
class Confirmation:
    """Who is said to have signed, and the signature, empty where the service gives none."""

    owner: str
    signature: bytes = b""


@dataclass(frozen=True, slots=True)
class SafeTransaction:
    """One proposed transaction. Two with the same nonce compete; `safe_tx_hash` distinguishes them."""

    safe: str
    chain_id: int
    nonce: int
    to: str
    value: int
    data: bytes
    operation: int
    safe_tx_hash: str
    submitted_at: datetime | None
    proposer: str
    proposed_by_delegate: str
    confirmations: tuple[Confirmation, ...]
    confirmations_required: int | None
    trusted: bool
    gas: GasTerms | None = None  # None where the row does not have all of it


@dataclass(frozen=True, slots=True)
class SafeQueue:
    """The pending transactions by nonce; `problems` name rows left out, `complete` is False past the last page read.

    `executed` are the hashes of rows that the service gives as executed, though it was asked for pending ones.
    """

    transactions: tuple[SafeTransaction, ...]
    complete: bool
    problems: tuple[str, ...] = ()
    executed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class SafeInfo:
    """What a Safe is, as the service has indexed it."""

    nonce: int
    threshold: int
    owners: tuple[str, ...]
    modules: tuple[str, ...]
    guard: str
    fallback_handler: str
    version: str


def read_transaction(row: Json, chain_id: int, safe: str) -> SafeTransaction | str | None:
    """Read one row: a pending transaction, None for one that is executed or another Safe's, or what is wrong."""
    row = row if isinstance(row, dict) else {}
    tx_hash, nonce, value = row.get("safeTxHash"), _integer(row.get("nonce")), _integer(row.get("value"))
    name = f"transaction {str(tx_hash)[:12]} at nonce {nonce}"
    if not isinstance(tx_hash, str) or not _HASH.fullmatch(tx_hash) or nonce is None:
        return f"{name}: no hash or no nonce"
    if not _pending(row, safe):
        return None
    to, data, operation = row.get("to"), row.get("data") or "0x", _integer(row.get("operation"))
    well_formed = is_address(to) and isinstance(data, str) and _HEX.fullmatch(data) is not None
    if not well_formed or value is None or operation not in (0, 1):
        return f"{name}: no target, value or operation, or calldata that is not hex"
    return SafeTransaction(
        safe=safe,
        chain_id=chain_id,
        nonce=nonce,
        to=checksum(str(to)),
        value=value,
        data=bytes.fromhex(str(data)[2:]),
        operation=operation,
        safe_tx_hash=tx_hash.lower(),
        submitted_at=parse_time(row.get("submissionDate")),
        proposer=_address(row.get("proposer")),
        proposed_by_delegate=_address(row.get("proposedByDelegate")),
        confirmations=_confirmations(row.get("confirmations")),
        confirmations_required=_integer(row.get("confirmationsRequired")),
        trusted=row.get("trusted") is not False,
        gas=_gas(row),
    )


def _gas(row: dict[str, Json]) -> GasTerms | None:
    """Read what is paid back for gas; a field that is missing is not 0, since the hash is of it too."""
    amounts = [_integer(row.get(name)) for name in ("safeTxGas", "baseGas", "gasPrice")]
    addresses = [ZERO if name in row and row[name] is None else _address(row.get(name)) for name in _GAS_ADDRESSES]
    if any(amount is None for amount in amounts) or not all(addresses):
        return None
    safe_tx_gas, base_gas, gas_price = (amount or 0 for amount in amounts)
    return GasTerms(safe_tx_gas, base_gas, gas_price, *addresses)


def _pending(row: dict[str, Json], safe: str) -> bool:
    """Check again what was asked for: nothing executed, and no other Safe's."""
    return not _executed(row) and _is_of(row, safe)


def _executed(row: dict[str, Json]) -> bool:
    return row.get("isExecuted") is True or bool(row.get("transactionHash") or row.get("executionDate"))


def _is_of(row: dict[str, Json], safe: str) -> bool:
    owner = row.get("safe")
    return not (is_address(owner) and checksum(str(owner)) != safe)


def claimed_executed(row: Json, safe: str) -> str:
    """Return the hash of a row of this Safe that the service gives as executed, else nothing."""
    row = row if isinstance(row, dict) else {}
    return str(row.get("safeTxHash")).lower() if _executed(row) and _is_of(row, safe) else ""


def read_info(body: Json) -> SafeInfo | None:
    """Read what a Safe is; None if a field that matters is missing."""
    if not isinstance(body, dict):
        return None
    nonce, threshold, owners = _integer(body.get("nonce")), _integer(body.get("threshold")), body.get("owners")
    if nonce is None or threshold is None or not isinstance(owners, list) or not all(map(is_address, owners)):
        return None
    modules = body.get("modules")
    return SafeInfo(
        nonce=nonce,
        threshold=threshold,
        owners=tuple(checksum(str(one)) for one in owners),
        modules=tuple(checksum(str(one)) for one in modules if is_address(one)) if isinstance(modules, list) else (),
        guard=_address(body.get("guard")) or ZERO,
        fallback_handler=_address(body.get("fallbackHandler")) or ZERO,
        version=str(body.get("version") or ""),
    )


def _integer(value: Json) -> int | None:
    exact = exact_number(value)
    return int(exact) if exact is not None and exact.denominator == 1 and exact >= 0 else None


def _address(value: Json) -> str:
    return checksum(str(value)) if is_address(value) else ""


def _confirmations(rows: Json) -> tuple[Confirmation, ...]:
    found = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return tuple(
        Confirmation(owner, _bytes(row.get("signature"))) for row in found if (owner := _address(row.get("owner")))
    )


def _bytes(value: Json) -> bytes:
    return bytes.fromhex(value[2:]) if isinstance(value, str) and _HEX.fullmatch(value) else b""
