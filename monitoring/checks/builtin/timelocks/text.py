"""What an alert about a timelock says: what happened, when it can run, what it calls, where to look.

A log that does not decode is shown as hex with its transaction: the alert goes out all the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitoring.alerts.message.text import Block, addr, bold, code, kv, line, tx
from monitoring.base.formatting import format_duration
from monitoring.base.plural import counted
from monitoring.chains.abi.addresses import checksum
from monitoring.chains.abi.values import Unknown
from monitoring.chains.decode.calldata import Transaction
from monitoring.chains.networks import network
from monitoring.chains.simulation.calls import simulate_calls
from monitoring.checks.builtin.shared.data_rows import RowContract
from monitoring.checks.builtin.shared.setters import settings_of
from monitoring.checks.builtin.shared.simulation_text import report
from monitoring.checks.builtin.shared.transactions import Room, call_blocks, when
from monitoring.checks.builtin.timelocks.calls import MAKES_CALLS, calls_of, read_together
from monitoring.checks.builtin.timelocks.effects import executed_blocks
from monitoring.checks.builtin.timelocks.kinds import Meaning, RawLog, What, signals
from monitoring.checks.builtin.timelocks.stage_text import (
    business_rows,
    counts,
    ended_rows,
    headline,
    instant,
    instant_of,
    reached_of,
    short_id,
    stage_blocks,
)
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.expression.value_text import words
from monitoring.checks.expression.values import Value
from monitoring.checks.messages.plain import AlertText
from monitoring.conditions.outcome import Entry, Transition

MAX_SHOWN = 4  # operations of one message shown whole
_HEX_SHOWN = 400
# What an event is called: one, several. In this order they stand in a message.
_WORDS: Mapping[What, tuple[str, str]] = {
    What.SCHEDULED: ("operation scheduled", "operations scheduled"),
    What.POWER: ("change of control", "changes of control"),
    What.DELAY: ("change of the delay", "changes of the delay"),
    What.CANCELLED: ("operation cancelled", "operations cancelled"),
    What.EXECUTED: ("operation executed", "operations executed"),
}
_ORDER = tuple(_WORDS)
_OF_ITSELF = (What.POWER, What.DELAY)


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
    facts: Mapping[str, Value]

    @property
    def ready_at(self) -> datetime | None:
        """When it can be executed: as the event says, or so long after its block."""
        if self.meaning is None:
            return None
        if self.meaning.ready_at is not None:
            return instant_of(self.meaning.ready_at)
        if self.meaning.delay_s is None or self.mined_at is None:
            return None
        return instant_of(int(self.mined_at.timestamp()) + self.meaning.delay_s)


def describe(place: RowContract, kind: str, transition: Transition, at: EvaluationPoint) -> AlertText:
    """Put the events and stages of one transition into words."""
    fresh = [_operation(place, kind, entry) for entry in transition.entries if entry.kind == "new"]
    fresh.sort(key=lambda one: _ORDER.index(one.what))
    stages = [entry for entry in transition.entries if entry.kind == "stage"]
    gone = [entry for entry in transition.entries if entry.kind not in ("new", "stage")]
    room, is_only = Room(), len(transition.entries) == 1
    blocks: list[Block] = [kv({"Timelock": addr(checksum(place.address), place.name, network(place.chain))})]
    blocks += [_gone(entry, place, at) for entry in gone]
    for entry in stages[:MAX_SHOWN]:
        blocks += stage_blocks(entry, place, kind, room, at, is_only=is_only)
    for one in fresh[:MAX_SHOWN]:
        said = is_only and one.ready_at is not None  # the title says when it can run
        # What an execution changes of the timelock itself comes as events of its own.
        others = [other for other in fresh if one.what is not What.EXECUTED or other.what not in _OF_ITSELF]
        blocks += _blocks(one, place, kind, room, at, is_timed=said, is_only=len(others) == 1 and not stages)
    links = [str(entry.facts["scheduled in"]) for entry in stages[MAX_SHOWN:]]
    links += [one.transaction for one in fresh[MAX_SHOWN:]]
    if links:
        blocks.append(line(f"… and {len(links)} more: ", *_links(links, place)))
    return AlertText(f"{place.title}: {_headline(fresh, stages, gone, at.clock.now())}", tuple(blocks))


def _headline(fresh: Sequence[TimelockOperation], stages: Sequence[Entry], gone: Sequence[Entry], now: datetime) -> str:
    if len(stages) == 1 and not fresh and not gone:
        return headline(stages[0], now)
    if len(fresh) == 1 and not stages and not gone:
        ready_at = fresh[0].ready_at if fresh[0].what is What.SCHEDULED else None
        return _WORDS[fresh[0].what][0] + (f", can run {when(ready_at, now)}" if ready_at else "")
    events = {what: sum(one.what is what for one in fresh) for what in _WORDS}
    parts = counts([reached_of(entry) for entry in stages])
    parts += [f"{count} {_WORDS[what][count > 1]}" for what, count in events.items() if count]
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
        instant_of(mined) if isinstance(mined, int) else None,
        tuple(dict.fromkeys(known)),
        read_together(place, kind, logs),
        logs,
        facts,
    )


def _blocks(
    one: TimelockOperation, place: RowContract, kind: str, room: Room, at: EvaluationPoint, *,
    is_timed: bool, is_only: bool,
) -> list[Block]:  # fmt: skip
    known = network(place.chain)
    rows: dict[str, object] = {"Transaction": tx(one.transaction, chain=known)}
    meaning = one.meaning
    if one.what is What.SCHEDULED:
        waits = {} if is_timed else {"Can run": _can_run(one, at.clock.now())}
        rows = waits | _until_ready(one, at, is_only=is_timed or is_only) | rows
    elif one.what in (What.EXECUTED, What.CANCELLED):
        rows = ended_rows(one.facts, was_executed=one.what is What.EXECUTED) | rows
    if meaning is not None:
        rows |= {"Id": code(short_id(meaning.id))} if meaning.id else {}
        rows |= {_spaced(name): _field(name, text) for name, text in meaning.facts}
    head: list[Block] = [line(bold(_WORDS[one.what][0].capitalize()), f" ({', '.join(one.names)})"), kv(rows)]
    if meaning is None:
        data = "\n".join(f"{' '.join(log.topics)} {log.data}" for log in one.logs)
        more = "…" if len(data) > _HEX_SHOWN else ""
        return [*head, line("The event could not be decoded:"), code(data[:_HEX_SHOWN] + more)]
    calls = meaning.calls
    if one.what is What.SCHEDULED:
        calls = calls_of(meaning, one.transaction, kind, place, at)
    # One of many is not simulated: the message has no room for what each would do.
    done = _simulated(one, calls, place, kind, at) if is_only else []
    block = one.facts.get("block")
    executed_in = block if one.what is What.EXECUTED and isinstance(block, int) else None
    if executed_in is not None and is_only and calls and kind in MAKES_CALLS:
        head.append(line("What it called:"))
        done = executed_blocks(one.transaction, executed_in, calls, place, at)
    return head + call_blocks(calls, at, room, executed_in) + done


def _simulated(
    one: TimelockOperation, calls: Sequence[Transaction], place: RowContract, kind: str, at: EvaluationPoint
) -> list[Block]:
    """Say what a scheduled operation would do at the time it can run, where the timelock itself makes its calls."""
    if one.what is not What.SCHEDULED or kind not in MAKES_CALLS or not calls:
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


def _until_ready(one: TimelockOperation, at: EvaluationPoint, *, is_only: bool) -> dict[str, object]:
    """Say how much of the time until it can run people are at work, and until when it can be executed."""
    rows = business_rows(one.ready_at, at, is_only=is_only) if one.ready_at is not None else {}
    until = instant(one.facts, "until")
    return rows | ({"Expires": when(until, at.clock.now())} if until is not None else {})


def _gone(entry: Entry, place: RowContract, at: EvaluationPoint) -> Block:
    """Say which event is gone, and what that means for its operation."""
    known, facts, now = network(place.chain), entry.facts, ""
    if facts.get("scheduled in") == facts.get("tx"):
        now = ". Its operation is not scheduled any more"
    elif "operation" in facts:
        ready_at = instant(facts, "ready at")
        now = ". Its operation waits again" + (f", can run {when(ready_at, at.clock.now())}" if ready_at else "")
    return line(
        bold("Removed by a reorganisation"),
        f": reported at block {words(facts.get('block', 0))}, not on the chain any more: ",
        tx(str(facts.get("tx")), chain=known),
        now,
    )


def _links(rest: Sequence[str], place: RowContract) -> list[object]:
    found: list[object] = []
    for one in rest[:MAX_SHOWN]:
        found += [", ", tx(one, chain=network(place.chain))]
    return found[1:] + (["…"] if len(rest) > MAX_SHOWN else [])


def _raw(row: Sequence[Value]) -> RawLog:
    topics, data = row
    return RawLog(tuple(str(topic) for topic in topics) if isinstance(topics, tuple) else (), str(data))


def _rows(value: Value | None) -> list[tuple[Value, ...]]:
    return [row for row in value if isinstance(row, tuple)] if isinstance(value, tuple) else []


def _spaced(name: str) -> str:
    words = "".join(f" {char.lower()}" if char.isupper() else char for char in name)
    return words[:1].upper() + words[1:]


def _field(name: str, text: str) -> object:
    if name.endswith(("Duration", "Delay")):
        return format_duration(timedelta(seconds=min(int(text), 10**9))) if int(text) else "none"
    return addr(text) if text.startswith("0x") and name != "role" else text[:200]
