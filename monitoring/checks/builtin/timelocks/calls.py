"""What an operation calls: from its own logs, or from where its kind keeps it. Asked for when an alert is written.

What cannot be fetched is left out: the alert goes out all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from monitoring.chains.abi.addresses import SignatureError, checksum
from monitoring.chains.abi.function import AbiError, from_hex, parse_function
from monitoring.chains.abi.values import Unknown
from monitoring.chains.decode.calldata import DecodedCall, Transaction
from monitoring.chains.rpc.errors import RpcError
from monitoring.chains.rpc.logs import LogCursor, LogFilter, scan
from monitoring.chains.rpc.multicall import call
from monitoring.checks.builtin.shared.data_rows import RowContract
from monitoring.checks.builtin.timelocks.kinds import Meaning, RawLog, What, read_meaning, signals
from monitoring.checks.engine.point import EvaluationPoint

_VOTE = "getVote(uint256)(bool,bool,uint64,uint64,uint64,uint64,uint256,uint256,uint256,bytes)"
_SCRIPT = 9  # its place in a vote
# Kinds that make the calls of an operation from their own address.
MAKES_CALLS = frozenset({"oz_timelock_controller", "compound_timelock", "maple_governor_timelock", "puffer_timelock"})


def read_together(place: RowContract, kind: str, logs: Sequence[RawLog]) -> Meaning | None:
    """Read the logs of an operation as one; None where one of them does not decode."""
    try:
        read = [read_meaning(kind, place.chain, place.address, log) for log in logs]
    except (AbiError, SignatureError):
        return None
    return replace(read[0], calls=tuple(call for one in read for call in one.calls)) if read else None


def calls_of(
    meaning: Meaning, transaction: str, kind: str, place: RowContract, at: EvaluationPoint
) -> tuple[Transaction, ...]:
    """Return what an operation calls that was scheduled in a transaction."""
    elsewhere = _ELSEWHERE.get(kind)
    return meaning.calls if elsewhere is None else elsewhere(meaning, transaction, place, at)


def scheduled_calls(
    transaction: str, block: int, name: str, kind: str, place: RowContract, at: EvaluationPoint
) -> tuple[Transaction, ...]:
    """Fetch the logs of an operation that was scheduled earlier again, by its transaction and its first id."""
    topics = tuple(topic for topic, signal in signals(kind).items() if signal.what is What.SCHEDULED)
    try:
        wanted, cursor = LogFilter((place.address,), (topics,)), LogCursor(place.chain, block, 1)
        found = scan(at.chains.pool(place.chain), wanted, cursor, block)
    except RpcError:
        return ()
    logs = [RawLog(log.topics, log.data) for log in found.logs if log.tx_hash == transaction]
    read = [(log, read_together(place, kind, [log])) for log in logs]
    # A batch of OpenZeppelin's has one id, calls on Compound's that were queued together have one each.
    own = [log for log, one in read if one is not None and (one.id == name or kind == "compound_timelock")]
    meaning = read_together(place, kind, own)
    return calls_of(meaning, transaction, kind, place, at) if meaning is not None else ()


def _in_input(
    meaning: Meaning,  # noqa: ARG001 - as every kind
    transaction: str,
    place: RowContract,
    at: EvaluationPoint,
) -> tuple[Transaction, ...]:
    """Find the calls to the timelock in the transaction that scheduled them, however deep they are wrapped."""
    try:
        sent = at.chains.pool(place.chain).call("eth_getTransactionByHash", transaction)
        row = sent if isinstance(sent, dict) else {}
        outer = Transaction(place.chain, str(row.get("to") or ""), from_hex(str(row.get("input") or "0x")))
    except (RpcError, AbiError):
        return ()
    found = [made for made in at.decoder.decode(outer).walk() if made.tx.to.lower() == place.address]
    return tuple(inside.tx for made in found for inside in _carried(made))


def _carried(one: DecodedCall) -> tuple[DecodedCall, ...]:
    return one.inner or (one,)


def _in_vote(
    meaning: Meaning,
    transaction: str,  # noqa: ARG001 - as every kind
    place: RowContract,
    at: EvaluationPoint,
) -> tuple[Transaction, ...]:
    """Ask the voting contract for a vote's script, and show it as what forwards it would."""
    view = at.chains.view(place.chain)
    if isinstance(view, Unknown) or not meaning.id.isdecimal():
        return ()
    vote = view.read({"vote": call(place.address, _VOTE, int(meaning.id))})["vote"]
    script = vote[_SCRIPT] if isinstance(vote, tuple) else b""
    if not script:
        return ()
    return (Transaction(place.chain, checksum(place.address), parse_function("forward(bytes)").encode([script])),)


# Kinds whose events do not hold the calls.
_ELSEWHERE: Mapping[str, Callable[[Meaning, str, RowContract, EvaluationPoint], tuple[Transaction, ...]]] = {
    "maple_governor_timelock": _in_input,
    "aragon_voting": _in_vote,
}
