"""Decodes a transaction into a tree of calls: what is called, with what, and the calls carried inside.

Called for every queued transaction before an alert. Never raises: what cannot be decoded stays hex with a note, and
depth, size, number and time are bounded, since calldata is a stranger's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from monitoring.base.clock import Clock, SystemClock
from monitoring.chains.abi.addresses import SignatureError
from monitoring.chains.abi.function import AbiError, decode, encode
from monitoring.chains.abi.selectors import Declaration, table
from monitoring.chains.abi.types import WORD, AbiType
from monitoring.chains.abi.values import AbiValue
from monitoring.chains.decode.unwrap import InnerCall, carried_calls

SELECTOR = 4


@dataclass(frozen=True, slots=True)
class Transaction:
    """A call somebody may make. `to` is empty where the target is not known."""

    chain_id: int
    to: str
    data: bytes
    value: int = 0
    operation: int = 0  # 1: a delegate call


@dataclass(frozen=True, slots=True)
class Argument:
    name: str
    kind: AbiType
    value: AbiValue


@dataclass(frozen=True, slots=True)
class DecodedCall:
    """One call. Without a `declaration` it stayed hex, and `note` says why."""

    tx: Transaction
    declaration: Declaration | None = None
    origin: str = ""  # which rung of the ladder named it
    arguments: tuple[Argument, ...] = ()
    inner: tuple[DecodedCall, ...] = ()
    note: str = ""

    @property
    def selector(self) -> bytes:
        return self.tx.data[:SELECTOR]

    @property
    def signature(self) -> str:
        return self.declaration.function.signature if self.declaration else ""

    def walk(self) -> list[DecodedCall]:
        """Return this call and all inside it, in order."""
        return [self, *(below for call in self.inner for below in call.walk())]


class SignatureSource(Protocol):
    """A rung of the ladder."""

    name: str
    exact: bool  # a guess, believed only if it encodes back to the very same bytes

    def candidates(self, tx: Transaction) -> Sequence[Declaration]:
        """Return declarations for a call's selector, best first. Never raises."""
        ...


class OwnTable:
    """The first rung: `data/selectors.yaml`."""

    name = "table"
    exact = False

    def candidates(self, tx: Transaction) -> Sequence[Declaration]:
        found = table().get(tx.data[:SELECTOR])
        return [found] if found else []


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """How much of a transaction is looked into."""

    depth: int = 3
    calls: int = 200
    max_bytes: int = 256 * 1024
    seconds: float = 10.0


@dataclass(slots=True)
class _Spent:
    ends: float
    calls: int = 0
    notes: set[str] = field(default_factory=set)


class Decoder:
    """Decodes with a ladder of sources; the own table is always the first."""

    def __init__(
        self, sources: Sequence[SignatureSource] = (), *, limits: DecodeLimits | None = None, clock: Clock | None = None
    ) -> None:
        self._ladder: list[SignatureSource] = [OwnTable(), *sources]
        self._limits = limits or DecodeLimits()
        self._clock = clock or SystemClock()

    def decode(self, tx: Transaction) -> DecodedCall:
        """Decode a transaction and the calls inside it."""
        spent = _Spent(self._clock.monotonic() + self._limits.seconds)
        return self._decode(tx, 0, spent, must_name=True)

    def _decode(self, tx: Transaction, depth: int, spent: _Spent, *, must_name: bool) -> DecodedCall:
        spent.calls += 1
        problem = self._refusal(tx, spent)
        if problem is not None:
            return DecodedCall(tx, note=problem)
        named = self._name(tx, must_name=must_name)
        if named.declaration is None:
            return named
        found = carried_calls(named.declaration, [argument.value for argument in named.arguments], tx.to)
        if not found.calls:
            return replace(named, note=found.problem or named.note)
        if depth >= self._limits.depth:
            return replace(named, note=f"calls deeper than {self._limits.depth} levels are not shown")
        inner = tuple(self._carried(one, tx, depth, spent) for one in found.calls)
        return replace(named, inner=tuple(one for one in inner if one is not None), note=found.problem or named.note)

    def _refusal(self, tx: Transaction, spent: _Spent) -> str | None:
        if not tx.data:
            return "no calldata"
        if len(tx.data) < SELECTOR:
            return "calldata shorter than a selector"
        if len(tx.data) > self._limits.max_bytes:
            return f"calldata of {len(tx.data)} bytes is not looked into"
        if spent.calls > self._limits.calls:
            return f"more than {self._limits.calls} calls: the rest is not shown"
        if self._clock.monotonic() > spent.ends:
            return f"decoding took longer than {self._limits.seconds:g} s: the rest is not shown"
        return None

    def _carried(self, one: InnerCall, tx: Transaction, depth: int, spent: _Spent) -> DecodedCall | None:
        if not one.certain and spent.calls >= self._limits.calls:
            return None
        inside = Transaction(tx.chain_id, one.to, one.data, one.value, one.operation)
        decoded = self._decode(inside, depth + 1, spent, must_name=one.certain)
        return decoded if one.certain or decoded.declaration else None

    def _name(self, tx: Transaction, *, must_name: bool) -> DecodedCall:
        """Go up the ladder. Bytes that may be a call at all (`must_name` off) must encode back exactly."""
        note = ""
        for source in self._ladder:
            fits: list[DecodedCall] = []
            for declaration in source.candidates(tx):
                arguments = _fit(declaration, tx.data, exact=source.exact or not must_name)
                if isinstance(arguments, str):
                    note = note or f"not {declaration.function.signature}: {arguments}"
                else:
                    fits.append(DecodedCall(tx, declaration, source.name, arguments))
            if fits:
                several = f"{len(fits)} signatures fit, this is the first" if len(fits) > 1 else ""
                return replace(fits[0], note=several)
        return DecodedCall(tx, note=note or "unknown function")


def _fit(declaration: Declaration, data: bytes, *, exact: bool) -> tuple[Argument, ...] | str:
    """Decode the arguments, or say why they do not fit."""
    function = declaration.function
    body = data[SELECTOR:]
    if exact and len(body) % WORD:
        return "its length is not that of an encoded call"
    try:
        values = decode(function.inputs, body, function.name)
        if exact and encode(function.inputs, values, function.name) != body:
            return "it does not encode back to the same bytes"
    except (AbiError, SignatureError) as error:
        return str(error)
    rows = zip(declaration.names, function.inputs, values, strict=True)
    return tuple(Argument(name, kind, value) for name, kind, value in rows)
