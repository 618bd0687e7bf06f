"""Many view calls at one block in few requests: Multicall3 where it is deployed, JSON-RPC batches elsewhere.

Called through `reads.ChainView`. Results carry the caller's names; one failing call is one `Unknown`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias, TypeVar, cast

from monitoring.chains.abi.addresses import check_address, short
from monitoring.chains.abi.function import AbiError, Function, decode, from_hex, parse_function
from monitoring.chains.abi.values import AbiValue, Block, Unknown
from monitoring.chains.rpc.errors import Fault, RpcError
from monitoring.chains.rpc.pool import ProviderPool
from monitoring.chains.rpc.provider import Ask, Outcome
from monitoring.chains.rpc.replies import is_revert
from monitoring.chains.rpc.supposed import Supposed

CHUNK = 100
_AT_ONCE = 5  # chunks a request: so many are answered well within its deadline
_HALVED = frozenset({Fault.BATCH_SIZE, Fault.TOO_HEAVY, Fault.REVERT, Fault.ERROR})
_PATIENCE = 8  # refusals in a row of what nobody named: enough to find one bad call among a hundred
_SEVERAL = 2  # a single failing call, or contract, is its own affair
_FORWARDER = 4096  # what a proxy of Vyper before 0.3 returns, whatever it was asked: only the beginning is the value
_AGGREGATE3 = parse_function("aggregate3((address,bool,bytes)[])((bool,bytes)[])")
_ERROR_STRING, _PANIC = bytes.fromhex("08c379a0"), bytes.fromhex("4e487b71")
_ERROR_TYPES = parse_function("Error(string)").inputs
Name = TypeVar("Name")


@dataclass(frozen=True, slots=True)
class Call:
    """One view call; equal calls are asked once."""

    target: str
    function: Function
    data: bytes

    @property
    def wire(self) -> tuple[str, bytes]:
        """What reaches the chain; two ways to read one answer are one request."""
        return self.target, self.data

    def __str__(self) -> str:
        return f"{self.function.signature} of {short(self.target)}"


@dataclass(frozen=True, slots=True)
class _Raw:
    """What a call returned before decoding."""

    ok: bool
    data: bytes


_Raws: TypeAlias = "dict[tuple[str, bytes], _Raw | Unknown]"


def _failed(one: Call, raw: _Raw | Unknown) -> bool:
    """Return whether a call came back with nothing or a revert."""
    return isinstance(raw, _Raw) and (not raw.ok or (not raw.data and bool(one.function.outputs)))


def call(target: str, signature: str, *args: object) -> Call:
    """Describe a view call by a signature as in `balanceOf(address)(uint256)`.

    Raises:
        SignatureError: the target, the signature or an argument is malformed.
    """
    function = parse_function(signature)
    return Call(check_address(target), function, function.encode(args))


class Multicall:
    """Reads at one block through one pool; remembers whether the chain has a Multicall3 there."""

    def __init__(self, pool: ProviderPool, block: Block, supposed: Supposed | None = None) -> None:
        self._pool = pool
        self._block = block
        self._supposed = supposed or Supposed({})
        self._where = self._supposed.where(block.tag)
        self._deployed = True  # until it answers nothing
        self._largest = CHUNK  # until the gateway finds that too heavy
        self._at_once = _AT_ONCE  # until it finds those too heavy together
        self._refusals = 0

    def read(self, calls: Mapping[Name, Call], *, may_fail: bool = False) -> dict[Name, AbiValue | Unknown]:
        """Return a value, or `Unknown` with its reason, for each name.

        Of calls that `may_fail`, since nobody knows whether the contract has them, no provider is doubted.
        """
        wanted = list({one.wire: one for one in calls.values()}.values())
        if self._supposed.is_run:
            raws = self._after_calls(wanted)
        else:
            asked = self._ask(wanted)
            raws = asked if may_fail else self._believed(wanted, asked)
        return {name: self._value(one, raws[one.wire]) for name, one in calls.items()}

    def _ask(self, wanted: Sequence[Call]) -> _Raws:
        raws: _Raws = {}
        while len(raws) < len(wanted):
            rest = wanted[len(raws) :][: self._largest * self._at_once]
            chunks = [rest[start : start + self._largest] for start in range(0, len(rest), self._largest)]
            for chunk, answers in zip(chunks, self._chunks(chunks), strict=True):
                raws.update(zip([one.wire for one in chunk], answers, strict=True))
        return raws

    def _after_calls(self, wanted: Sequence[Call]) -> _Raws:
        """Read behind calls that the provider makes first, in the same request."""
        raws: _Raws = {}
        for start in range(0, len(wanted), CHUNK):
            chunk = wanted[start : start + CHUNK]
            reads = [{"to": one.target, "data": "0x" + one.data.hex()} for one in chunk]
            try:
                ends = self._supposed.run(reads, self._pool, self._block)
            except RpcError as error:
                raws |= dict.fromkeys([one.wire for one in chunk], self._unknown(str(error)))
                continue
            made, read = ends[: -len(chunk)], ends[-len(chunk) :]
            lost = None if all(one.ok for one in made) else self._unknown("it does not run every time")
            raws |= {one.wire: lost or _Raw(end.ok, end.data) for one, end in zip(chunk, read, strict=True)}
        return raws

    def _believed(self, wanted: Sequence[Call], raws: _Raws) -> _Raws:
        """Ask another provider where one fails most of what it is asked; what another answers, the first has lost."""
        failed = [one for one in wanted if _failed(one, raws[one.wire])]
        if len(failed) < _SEVERAL or 2 * len(failed) <= len(wanted):
            return raws
        doubted = self._pool.doubt(self._block.number)
        if doubted is None:
            return self._hollow(wanted, raws)
        self._deployed, self._refusals = True, 0
        again = self._ask(failed)
        answered = [one for one in failed if isinstance(again[one.wire], _Raw) and not _failed(one, again[one.wire])]
        if 2 * len(answered) <= len(failed):
            doubted.doubted = False
            return self._hollow(wanted, raws)
        count = f"{len(answered)} of {len(wanted)} calls failed here, and another provider answers them"
        self._pool.note(doubted.host, Fault.EMPTY, f"{doubted.host}: {Fault.EMPTY.value}: {count}")
        return {**raws, **again}

    def _hollow(self, wanted: Sequence[Call], raws: _Raws) -> _Raws:
        """Blame the chain, and not each contract, where nothing at all came from several contracts."""
        targets = {one.target for one in wanted}
        silent = all(isinstance(raw, _Raw) and raw.ok and not raw.data for raw in raws.values())
        if not silent or len(targets) < _SEVERAL:
            return raws
        (code,) = self._pool.batch(
            [Ask("eth_getCode", (self._pool.network.multicall3, self._block.tag))], at_least=self._block.number
        )
        there = "has code" if isinstance(code, str) and code != "0x" else "has no code either"
        reason = (
            f"{', '.join(self._pool.hosts)}: {Fault.EMPTY.value}: no contract of {len(targets)} answers anything, "
            f"and Multicall3 {there}"
        )
        return dict.fromkeys(raws, self._unknown(reason))

    def _chunks(self, chunks: Sequence[Sequence[Call]]) -> list[Sequence[_Raw | Unknown]]:
        """Read chunks, several in one request where each is a multicall."""
        if len(chunks) == 1 or len(chunks[-1]) == 1 or not self._aggregates:
            return [self._chunk(chunk) for chunk in chunks]
        outcomes = self._pool.batch([self._aggregate(chunk) for chunk in chunks], at_least=self._block.number)
        if all(isinstance(one, RpcError) and one.fault is Fault.TOO_HEAVY for one in outcomes):
            self._at_once = 1
            return [self._chunk(chunk) for chunk in chunks]
        return [self._settled(chunk, outcome) for chunk, outcome in zip(chunks, outcomes, strict=True)]

    def _chunk(self, calls: Sequence[Call]) -> Sequence[_Raw | Unknown]:
        if len(calls) == 1 or not self._aggregates:
            return self._batch(calls)
        if len(calls) > self._largest:
            return self._halves(calls)
        return self._settled(calls, self._pool.batch([self._aggregate(calls)], at_least=self._block.number)[0])

    @property
    def _aggregates(self) -> bool:
        return self._deployed and self._refusals < _PATIENCE

    def _settled(self, calls: Sequence[Call], outcome: Outcome) -> Sequence[_Raw | Unknown]:
        """Return what a multicall answered; read in halves, or call by call, what it could not."""
        if isinstance(outcome, RpcError):
            return (
                self._halves(calls, outcome) if outcome.fault in _HALVED else [self._unknown(str(outcome))] * len(calls)
            )
        try:
            answer = _results(from_hex(str(outcome)), len(calls))
        except AbiError as error:
            return [self._unknown(f"multicall answered nonsense: {error}")] * len(calls)
        if answer is None:
            self._deployed = False
            return self._batch(calls)
        self._refusals = 0
        return answer

    def _halves(self, calls: Sequence[Call], error: RpcError | None = None) -> Sequence[_Raw | Unknown]:
        """Read in two halves what was too much: a gateway's limit, the gas of all together, or unknown words.

        Words that nobody knows may be meant for any request: after some refusals in a row calls are asked plainly.
        """
        middle = len(calls) // 2
        if error is not None and error.fault in (Fault.ERROR, Fault.TOO_HEAVY):
            self._refusals += 1
        if error is not None and error.fault is Fault.TOO_HEAVY:
            self._largest = max(1, middle)
        return [*self._chunk(calls[:middle]), *self._chunk(calls[middle:])]

    def _aggregate(self, calls: Sequence[Call]) -> Ask:
        data = _AGGREGATE3.encode([[(one.target, True, one.data) for one in calls]])
        return self._eth_call(self._pool.network.multicall3, data)

    def _eth_call(self, target: str, data: bytes) -> Ask:
        return Ask("eth_call", ({"to": target, "data": "0x" + data.hex()}, *self._where))

    def _batch(self, calls: Sequence[Call]) -> list[_Raw | Unknown]:
        asks = [self._eth_call(one.target, one.data) for one in calls]
        outcomes = self._pool.batch(asks, at_least=self._block.number)
        return [self._raw(outcome) for outcome in outcomes]

    def _raw(self, outcome: object) -> _Raw | Unknown:
        if not isinstance(outcome, RpcError):
            return _Raw(ok=True, data=from_hex(str(outcome)))
        if outcome.fault is Fault.REVERT:
            return _Raw(ok=False, data=_bytes_or_none(outcome.data))
        return self._unknown(str(outcome))

    def _value(self, one: Call, raw: _Raw | Unknown) -> AbiValue | Unknown:
        if isinstance(raw, Unknown):
            return raw
        if not raw.ok or is_revert("0x" + raw.data.hex()):
            return self._refused(one, f"{one} reverted{revert_reason(raw.data)}")
        if not raw.data and one.function.outputs:
            return self._refused(one, f"{one} returned nothing: no such contract or function")
        size = one.function.output_bytes
        if size is not None and len(raw.data) not in (size, _FORWARDER):
            return self._refused(one, f"{one} returned {len(raw.data)} bytes, which is not the {size} of its type")
        try:
            return one.function.decode(raw.data)
        except AbiError as error:
            return self._refused(one, f"{one}: {error}")

    def _refused(self, one: Call, reason: str) -> Unknown:
        """Blame the contract and not the chain, whose own trouble must not hide behind it."""
        return replace(self._unknown(reason), source=f"{self._pool.network.slug}: {one}")

    def _unknown(self, reason: str) -> Unknown:
        slug = self._pool.network.slug
        return Unknown(f"{slug}: {reason}" if not reason.startswith(slug) else reason, source=slug)


def _results(returned: bytes, count: int) -> list[_Raw] | None:
    """Return one result a call, or None where there is no contract.

    Raises:
        AbiError: it is not what a multicall of so many calls returns.
    """
    if not returned:
        return None
    rows = cast("tuple[tuple[bool, bytes], ...]", _AGGREGATE3.decode(returned))
    if len(rows) != count:
        raise AbiError(f"{len(rows)} results for {count} calls")
    return [_Raw(*row) for row in rows]


def revert_reason(data: bytes) -> str:
    """Return `: reason` of a standard revert, the selector of another, or nothing."""
    if data[:4] == _ERROR_STRING:
        try:
            text = str(decode(_ERROR_TYPES, data[4:])[0])
        except AbiError:
            return ""
        return ": " + " ".join("".join(char if char.isprintable() else " " for char in text).split())[:120]
    if data[:4] == _PANIC:
        return f" (panic 0x{data[-1]:02x})"
    return f" (error 0x{data[:4].hex()})" if data else ""


def _bytes_or_none(text: str) -> bytes:
    try:
        return from_hex(text)
    except AbiError:
        return b""
