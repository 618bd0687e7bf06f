"""Finds the calls that a call carries: batches, timelocks, governors, Safes, upgrades, and bytes that look like one.

Pure; used by the decoder. Places of arguments come from the table of functions, not from code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from monitoring.chains.abi.addresses import SignatureError, checksum
from monitoring.chains.abi.function import parse_function, selector_of
from monitoring.chains.abi.selectors import Declaration, Inner
from monitoring.chains.abi.values import AbiValue

# MultiSend packs: operation uint8, to address, value uint256, length uint256, data.
_PACKED_HEAD = 1 + 20 + 32 + 32
_SELECTOR, _WORD = 4, 32
# Aragon's scripts of calls: the kind 1 in four bytes, then for each call target, length in four bytes, data.
_SCRIPT_KIND = b"\0\0\0\1"
_SCRIPT_HEAD = 20 + 4


@dataclass(frozen=True, slots=True)
class InnerCall:
    """A call inside another. `certain` is False for bytes that only might be one."""

    to: str
    data: bytes
    value: int = 0
    operation: int = 0
    certain: bool = True


@dataclass(frozen=True, slots=True)
class Found:
    calls: tuple[InnerCall, ...]
    problem: str = ""


def carried_calls(declaration: Declaration, values: Sequence[AbiValue], target: str) -> Found:
    """Return the calls inside; broken packing gives what could be read and a problem."""
    inner = declaration.inner
    if inner is None:
        return Found(tuple(_guesses(declaration, values)))
    if inner.packed is not None:
        packed = values[inner.packed]
        return unpack_multisend(packed if isinstance(packed, bytes) else b"")
    if inner.script is not None:
        script = values[inner.script]
        return unpack_script(script if isinstance(script, bytes) else b"")
    if inner.rows is not None:
        rows = values[inner.rows]
        calls = [_one(inner, row, target) for row in rows if isinstance(row, tuple)] if isinstance(rows, tuple) else []
        return Found(tuple(call for call in calls if call))
    return _listed(inner, values, target)


def _listed(inner: Inner, values: Sequence[AbiValue], target: str) -> Found:
    """One call, or several in lists side by side; lists of unequal length are not a batch that could run."""
    data = values[inner.data] if inner.data is not None else b""
    if isinstance(data, bytes):
        one = _one(inner, tuple(values), target)
        return Found((one,) if one else ())
    if not isinstance(data, tuple):
        return Found(())
    columns = [
        tuple(value) if isinstance(value, tuple) and place in _places(inner) else (value,) * len(data)
        for place, value in enumerate(values)
    ]
    uneven = any(len(column) != len(data) for column in columns)
    if uneven:
        return Found((), "its lists have different lengths: it cannot run")
    calls = [_one(inner, row, target) for row in zip(*columns, strict=True)]
    return Found(tuple(call for call in calls if call))


def _places(inner: Inner) -> set[object]:
    places: set[object] = {inner.to, inner.value, inner.data, inner.operation, inner.signature}
    return places


def _one(inner: Inner, row: Sequence[AbiValue], target: str) -> InnerCall | None:
    """Read one call; None for a call of the contract itself without data, which is no call."""
    to = row[inner.to] if isinstance(inner.to, int) else target
    value = row[inner.value] if inner.value is not None else 0
    data = row[inner.data] if inner.data is not None else b""
    operation = row[inner.operation] if inner.operation is not None else 0
    if not isinstance(to, str) or not isinstance(data, bytes) or not isinstance(value, int):
        return None
    if inner.signature is not None:
        data = with_signature(row[inner.signature], data)
    if not data and (inner.value is None):
        return None
    return InnerCall(to, data, value, operation if isinstance(operation, int) else 0)


def with_signature(signature: AbiValue, data: bytes) -> bytes:
    """Old timelocks keep the signature separate from the arguments; without one the data is the whole call."""
    if not isinstance(signature, str) or not signature:
        return data
    try:
        return parse_function(signature).selector + data
    except SignatureError:
        return selector_of(signature) + data


def _guesses(declaration: Declaration, values: Sequence[AbiValue]) -> list[InnerCall]:
    """Take plain bytes of the right length for a call; the decoder drops what nobody can name."""
    found: list[InnerCall] = []
    for place, value in enumerate(values):
        if place in declaration.opaque:
            continue
        for piece in value if isinstance(value, tuple) else (value,):
            if isinstance(piece, bytes) and len(piece) >= _SELECTOR and len(piece) % _WORD == _SELECTOR:
                found.append(InnerCall("", piece, certain=False))  # noqa: PERF401 - reads better than three levels
    return found


def unpack_multisend(packed: bytes) -> Found:
    """Read the packed transactions of `multiSend(bytes)`."""
    calls: list[InnerCall] = []
    at = 0
    while at < len(packed):
        head = packed[at : at + _PACKED_HEAD]
        length = int.from_bytes(head[53:85], "big") if len(head) == _PACKED_HEAD else -1
        data = packed[at + _PACKED_HEAD : at + _PACKED_HEAD + max(length, 0)]
        if length < 0 or len(data) < length:
            return Found(tuple(calls), f"{len(packed) - at} bytes at the end are not a packed transaction")
        to = checksum("0x" + head[1:21].hex())
        calls.append(InnerCall(to, data, int.from_bytes(head[21:53], "big"), head[0]))
        at += _PACKED_HEAD + length
    return Found(tuple(calls))


def unpack_script(script: bytes) -> Found:
    """Read the calls of an Aragon script."""
    if not script.startswith(_SCRIPT_KIND):
        return Found((), "" if not script else "the script is of no kind that is known: not shown")
    calls: list[InnerCall] = []
    at = len(_SCRIPT_KIND)
    while at < len(script):
        head = script[at : at + _SCRIPT_HEAD]
        length = int.from_bytes(head[20:], "big") if len(head) == _SCRIPT_HEAD else -1
        data = script[at + _SCRIPT_HEAD : at + _SCRIPT_HEAD + max(length, 0)]
        if length < 0 or len(data) < length:
            return Found(tuple(calls), f"{len(script) - at} bytes at the end of the script are no call: not shown")
        calls.append(InnerCall(checksum("0x" + head[:20].hex()), data))
        at += _SCRIPT_HEAD + length
    return Found(tuple(calls))
