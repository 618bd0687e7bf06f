"""What an alert about a timelock says: what happened, when it can run, what it calls, where to look.

A log that does not decode is shown as hex with its transaction: the alert goes out all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from monitoring.alerts.message.text import Block, addr, bold, code, kv, line, tx
from monitoring.base.formatting import format_duration
from monitoring.base.plural import counted
from monitoring.chains.abi.addresses import SignatureError, checksum
from monitoring.chains.abi.function import AbiError, from_hex, parse_function
from monitoring.chains.abi.values import Unknown
from monitoring.chains.decode.calldata import DecodedCall, Transaction
from monitoring.chains.networks import network
from monitoring.chains.rpc.errors import RpcError
from monitoring.chains.rpc.multicall import call
from monitoring.chains.simulation.calls import simulate_calls
from monitoring.checks.builtin.shared.data_rows import RowContract
from monitoring.checks.builtin.shared.setters import settings_of
from monitoring.checks.builtin.shared.simulation_text import report
from monitoring.checks.builtin.shared.transactions import Room, call_blocks, when
from monitoring.checks.builtin.timelocks.kinds import Meaning, RawLog, What, read_meaning, signals
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.expression.value_text import words
from monitoring.checks.expression.values import Value
from monitoring.checks.messages.plain import AlertText
from monitoring.conditions.outcome import Entry, Transition

MAX_SHOWN = 4  # operations of one message shown whole
_HEX_SHOWN = 400
_VOTE = "getVote(uint256)(bool,bool,uint64,uint64,uint64,uint64,uint256,uint256,uint256,bytes)"
_SCRIPT = 9  # its place in a vote
# What an event is called: one, several. In this order they stand in a message.
_WORDS: Mapping[What, tuple[str, str]] = {
    What.SCHEDULED: ("operation scheduled", "operations scheduled"),
    What.POWER: ("change of control", "changes of control"),
    What.DELAY: ("change of the delay", "changes of the delay"),
    What.CANCELLED: ("operation cancelled", "operations cancelled"),
    What.EXECUTED: ("operation executed", "operations executed"),
}
_ORDER = tuple(_WORDS)


@dataclass(frozen=True, slots=True)
class TimelockOperation:
    """Events that belong together, read as far as they can be."""

    what: What
    chain: int
    transaction: str
    mined_at: datetime | None
    names: tuple[str, ...]
    meaning: Meaning | None
    logs: tuple[RawLog, ...]

    @property
    def ready_at(self) -> datetime | None:
        """When it can be executed: as the event says, or so long after its block."""
        if self.meaning is None:
            return None
        if self.meaning.ready_at is not None:
            return _instant(self.meaning.ready_at)
        if self.meaning.delay_s is None or self.mined_at is None:
            return None
        return _instant(int(self.mined_at.timestamp()) + self.meaning.delay_s)


def describe(place: RowContract, kind: str, transition: Transition, at: EvaluationPoint) -> AlertText:
    """Put the events of one transition into words."""
    fresh = [_operation(place, kind, entry) for entry in transition.entries if entry.kind == "new"]
    fresh.sort(key=lambda one: _ORDER.index(one.what))
    gone = [entry for entry in transition.entries if entry.kind != "new"]
    room, now = Room(), at.clock.now()
    blocks: list[Block] = [kv({"Timelock": addr(checksum(place.address), place.name, network(place.chain))})]
    blocks += [_gone(entry, place) for entry in gone]
    for one in fresh[:MAX_SHOWN]:
        said = len(fresh) == 1 and not gone and one.ready_at is not None  # the title says when it can run
        blocks += _blocks(one, place, kind, room, at, is_timed=said, is_only=len(fresh) == 1)
    if len(fresh) > MAX_SHOWN:
        rest = fresh[MAX_SHOWN:]
        blocks.append(line(f"… and {len(rest)} more: ", *_links(rest)))
    return AlertText(f"{place.title}: {_headline(fresh, gone, now)}", tuple(blocks))


def _headline(fresh: Sequence[TimelockOperation], gone: Sequence[Entry], now: datetime) -> str:
    if len(fresh) == 1 and not gone:
        ready_at = fresh[0].ready_at if fresh[0].what is What.SCHEDULED else None
        return _WORDS[fresh[0].what][0] + (f", can run {when(ready_at, now)}" if ready_at else "")
    counts = {what: sum(one.what is what for one in fresh) for what in _WORDS}
    parts = [f"{count} {_WORDS[what][count > 1]}" for what, count in counts.items() if count]
    parts += [f"{counted(len(gone), 'reported event')} removed by a reorganisation"] if gone else []
    return ", ".join(parts)


def _operation(place: RowContract, kind: str, entry: Entry) -> TimelockOperation:
    facts = entry.facts
    logs = tuple(_raw(one) for one in _rows(facts.get("logs")))
    mined = facts.get("mined at")
    known = [signals(kind)[log.topics[0]].name for log in logs]
    return TimelockOperation(
        What(str(facts["what"])),
        place.chain,
        str(facts["tx"]),
        _instant(mined) if isinstance(mined, int) else None,
        tuple(dict.fromkeys(known)),
        _meaning(place, kind, logs),
        logs,
    )


def _meaning(place: RowContract, kind: str, logs: Sequence[RawLog]) -> Meaning | None:
    """Read the logs of an operation as one; None where one of them does not decode."""
    try:
        read = [read_meaning(kind, place.chain, place.address, log) for log in logs]
    except (AbiError, SignatureError):
        return None
    return replace(read[0], calls=tuple(call for one in read for call in one.calls)) if read else None


def _blocks(
    one: TimelockOperation, place: RowContract, kind: str, room: Room, at: EvaluationPoint, *,
    is_timed: bool, is_only: bool,
) -> list[Block]:  # fmt: skip
    known = network(place.chain)
    rows: dict[str, object] = {"Transaction": tx(one.transaction, chain=known)}
    meaning = one.meaning
    if one.what is What.SCHEDULED and not is_timed:
        rows = {"Can run": _can_run(one, at.clock.now())} | rows
    if meaning is not None:
        rows |= {"Id": _short(meaning.id)} if meaning.id else {}
        rows |= {_spaced(name): _field(name, text) for name, text in meaning.facts}
    head: list[Block] = [line(bold(_WORDS[one.what][0].capitalize()), f" ({', '.join(one.names)})"), kv(rows)]
    if meaning is None:
        data = "\n".join(f"{' '.join(log.topics)} {log.data}" for log in one.logs)
        more = "…" if len(data) > _HEX_SHOWN else ""
        return [*head, line("The event could not be decoded:"), code(data[:_HEX_SHOWN] + more)]
    calls = meaning.calls
    if one.what is What.SCHEDULED and kind in _CALLS_ELSEWHERE:
        calls = _CALLS_ELSEWHERE[kind](one, place, at)
    # One of many is not simulated: the message has no room for what each would do.
    done = _simulated(one, calls, place, kind, at) if is_only else []
    return head + call_blocks(calls, at, room) + done


def _simulated(
    one: TimelockOperation, calls: Sequence[Transaction], place: RowContract, kind: str, at: EvaluationPoint
) -> list[Block]:
    """Say what a scheduled operation would do at the time it can run, where the timelock itself makes its calls."""
    if one.what is not What.SCHEDULED or kind not in _CALLS_ITSELF or not calls:
        return []
    view = at.spare.chains.view(network(place.chain))
    if isinstance(view, Unknown):
        return []
    settings = settings_of([at.decoder.decode(call) for call in calls])
    found = simulate_calls(checksum(place.address), calls, one.ready_at, view, settings)
    return report(found, place.address, view, at)


def _can_run(one: TimelockOperation, now: datetime) -> str:
    if one.ready_at is not None:
        return when(one.ready_at, now)
    if one.meaning is not None and one.meaning.delay_s is not None:
        return f"{format_duration(timedelta(seconds=one.meaning.delay_s))} after its block"
    return "unknown: the event does not say"


def _calls_in_input(one: TimelockOperation, place: RowContract, at: EvaluationPoint) -> tuple[Transaction, ...]:
    """Find the calls to the timelock in the transaction that scheduled them, however deep they are wrapped."""
    try:
        sent = at.chains.pool(place.chain).call("eth_getTransactionByHash", one.transaction)
        row = sent if isinstance(sent, dict) else {}
        outer = Transaction(place.chain, str(row.get("to") or ""), from_hex(str(row.get("input") or "0x")))
    except (RpcError, AbiError):
        return ()
    found = [made for made in at.decoder.decode(outer).walk() if made.tx.to.lower() == place.address]
    return tuple(inside.tx for made in found for inside in _carried(made))


def _carried(one: DecodedCall) -> tuple[DecodedCall, ...]:
    return one.inner or (one,)


def _calls_in_vote(one: TimelockOperation, place: RowContract, at: EvaluationPoint) -> tuple[Transaction, ...]:
    """Ask the voting contract for a vote's script, and show it as what forwards it would."""
    view = at.chains.view(place.chain)
    if isinstance(view, Unknown) or one.meaning is None or not one.meaning.id.isdecimal():
        return ()
    vote = view.read({"vote": call(place.address, _VOTE, int(one.meaning.id))})["vote"]
    script = vote[_SCRIPT] if isinstance(vote, tuple) else b""
    if not script:
        return ()
    return (Transaction(place.chain, checksum(place.address), parse_function("forward(bytes)").encode([script])),)


# Kinds that make the calls of an operation from their own address.
_CALLS_ITSELF = frozenset({"oz_timelock_controller", "compound_timelock", "maple_governor_timelock", "puffer_timelock"})
# Kinds whose events do not hold the calls.
_CALLS_ELSEWHERE: Mapping[str, Callable[[TimelockOperation, RowContract, EvaluationPoint], tuple[Transaction, ...]]] = {
    "maple_governor_timelock": _calls_in_input,
    "aragon_voting": _calls_in_vote,
}


def _gone(entry: Entry, place: RowContract) -> Block:
    known = network(place.chain)
    return line(
        bold("Removed by a reorganisation"),
        f": reported at block {words(entry.facts.get('block', 0))}, not on the chain any more: ",
        tx(str(entry.facts.get("tx")), chain=known),
    )


def _links(rest: Sequence[TimelockOperation]) -> list[object]:
    found: list[object] = []
    for one in rest[:MAX_SHOWN]:
        found += [", ", tx(one.transaction, chain=network(one.chain))]
    return found[1:] + (["…"] if len(rest) > MAX_SHOWN else [])


def _raw(row: Sequence[Value]) -> RawLog:
    topics, data = row
    return RawLog(tuple(str(topic) for topic in topics) if isinstance(topics, tuple) else (), str(data))


def _rows(value: Value | None) -> list[tuple[Value, ...]]:
    return [row for row in value if isinstance(row, tuple)] if isinstance(value, tuple) else []


def _instant(seconds: int) -> datetime | None:
    """Return an instant; a number that is none (a stranger's contract may emit anything) has none."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _short(identity: str) -> object:
    return code(f"{identity[:10]}…{identity[-4:]}" if identity.startswith("0x") else identity)


def _spaced(name: str) -> str:
    words = "".join(f" {char.lower()}" if char.isupper() else char for char in name)
    return words[:1].upper() + words[1:]


def _field(name: str, text: str) -> object:
    if name.endswith(("Duration", "Delay")):
        return format_duration(timedelta(seconds=min(int(text), 10**9))) if int(text) else "none"
    return addr(text) if text.startswith("0x") and name != "role" else text[:200]
