"""What an alert about a Safe's queue says: who proposed what at which nonce, how many signed, and against whom.

Text of a transaction's author is shown as data and decides nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from monitoring.alerts.message.text import Block, addr, bold, kv, line, link
from monitoring.chains.abi.addresses import checksum
from monitoring.chains.decode.calldata import Transaction
from monitoring.chains.networks import Network, network
from monitoring.checks.builtin.safes.hash_text import gas_of, hash_blocks, hash_of, refund_line
from monitoring.checks.builtin.safes.life_text import rival_blocks, rival_hashes, safe_line, thread_name, waits_behind
from monitoring.checks.builtin.safes.simulated import simulation_blocks
from monitoring.checks.builtin.shared.data_rows import RowContract
from monitoring.checks.builtin.shared.transactions import Room, call_blocks
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.messages.plain import AlertText
from monitoring.conditions.outcome import Entry, Transition

MAX_SHOWN = 6  # transactions of one message shown whole
MAX_RIVALS = 3
MAX_SUSPECTS = 4
_SUSPECT = "has signatures of no owner"
MAX_WHOLE = 2  # transactions of one message that are simulated, with their hashes


def describe(place: RowContract, transition: Transition, at: EvaluationPoint) -> AlertText:
    """Put the new transactions of one queue into words, the loudest first."""
    entries = sorted(transition.entries, key=lambda entry: (-entry.severity, _nonce(entry)))
    room = Room()
    blocks: list[Block] = [safe_line(place)]
    for entry in entries[:MAX_SHOWN]:
        blocks += _blocks(entry, place, room, at)
        if len(entries) <= MAX_WHOLE:
            is_as_shown = not entry.facts.get("contradiction")
            blocks += simulation_blocks(entry, _call(entry, place), place, at) if is_as_shown else []
            blocks += hash_blocks(entry, place)
    if len(entries) > MAX_SHOWN:
        nonces = ", ".join(str(_nonce(entry)) for entry in sorted(entries[MAX_SHOWN:], key=_nonce)[:20])
        blocks.append(line(f"… and {len(entries) - MAX_SHOWN} more, at nonces {nonces}"))
    threads = [*map(hash_of, entries), *(one for entry in entries for one in rival_hashes(entry))]
    return AlertText(
        f"{place.title}: {_headline(entries)}",
        tuple(blocks),
        tuple(thread_name(place.chain, one) for one in threads),
    )


def _headline(entries: Sequence[Entry]) -> str:
    rivals = sum(entry.kind == "competing" for entry in entries)
    strangers = sum(entry.facts.get("unexpected") is True for entry in entries)
    false = sum(bool(entry.facts.get("contradiction")) for entry in entries)
    forged = sum(bool(entry.facts.get("suspects")) for entry in entries)
    if len(entries) == 1:
        what = "competing transaction queued" if rivals else "transaction queued"
        if false or forged:
            return f"transaction at nonce {_nonce(entries[0])} {'is shown falsely' if false else _SUSPECT}"
        refund = ", with a gas refund" if gas_of(entries[0]).gas_price else ""
        return f"{what} at nonce {_nonce(entries[0])}{', by an unexpected proposer' if strangers else ''}{refund}"
    more = [f"{false} shown falsely"] * bool(false) + [f"{forged} with signatures of no owner"] * bool(forged)
    more += [f"{rivals} of them competing"] * bool(rivals) + [f"{strangers} by an unexpected proposer"] * bool(
        strangers
    )
    return ", ".join([f"{len(entries)} transactions queued", *more])


def _blocks(entry: Entry, place: RowContract, room: Room, at: EvaluationPoint) -> list[Block]:
    known, address, facts = network(place.chain), checksum(place.address), entry.facts
    identity = hash_of(entry)
    head = "Competing transaction" if entry.kind == "competing" else "Transaction"
    rows: dict[str, object] = {
        "Nonce": str(_nonce(entry)),
        "Proposed by": _proposer(entry, known, at),
        "Signed by": _signed(entry),
    }
    if (behind := waits_behind(facts)) and not facts.get("contradiction"):
        rows["Waits behind"] = behind
    if entry.kind == "competing":
        rows["Competes with"] = _rivals(entry, known, address)
    call, gas = _call(entry, place), gas_of(entry)
    blocks: list[Block] = [
        line(bold(head), " ", link(f"{identity[:10]}…{identity[-4:]}", known.safe_link(address, identity))),
        kv(rows),
    ]
    blocks += [line(bold("CRITICAL"), f" {text}") for text in _false(entry)]
    if gas.gas_price:
        blocks.append(refund_line(gas, known, at))
    if facts.get("unexpected") is True:
        proposer = _named(str(facts.get("proposer", "")), known, at)
        blocks.append(
            line(bold("Unexpected: "), "proposer ", proposer, " is not on this Safe's list of expected proposers")
        )
    is_empty = call.to.lower() == place.address and not call.data and not call.value and not call.operation
    if is_empty and not gas.gas_price:
        return [
            *blocks,
            line("Empty transaction to the Safe itself: it only uses up the nonce, to reject another one."),
            *rival_blocks(entry, place, at),
        ]
    return blocks + call_blocks([call], at, room) + rival_blocks(entry, place, at)


def _signed(entry: Entry) -> str:
    """Say how many owners have signed, of how many that must, and what of it was checked."""
    required, listed = _number(entry, "required"), _number(entry, "listed")
    unchecked = str(entry.facts.get("unchecked") or "")
    if entry.facts.get("contradiction"):
        return f"{listed} as the service says, for something else than it shows"
    signed = _number(entry, "signed")
    if not listed:
        return f"0 of {required}"
    if unchecked and entry.facts.get("suspects"):
        return f"{signed} of {required}, checked; the service lists {listed}"
    if unchecked and not signed:
        return f"{listed} of {required} as the service says, not checked: {unchecked}"
    if unchecked:
        return f"{signed} of {required}, checked; {listed - signed} more by the service alone: {unchecked}"
    is_next = signed >= required > 0 and _nonce(entry) == _number(entry, "safe_nonce")
    bad = f"; {listed - signed} of the {listed} listed count for nothing" if listed > signed else ""
    return f"{signed} of {required}, each signature checked{bad}{'. It can be executed now' if is_next else ''}"


def _false(entry: Entry) -> list[str]:
    suspects = entry.facts.get("suspects")
    found = [str(one) for one in suspects] if isinstance(suspects, tuple) else []
    return [text for text in (str(entry.facts.get("contradiction") or ""), *found[:MAX_SUSPECTS]) if text]


def _call(entry: Entry, place: RowContract) -> Transaction:
    facts = entry.facts
    data, value, operation = facts.get("data"), facts.get("value"), facts.get("operation")
    return Transaction(
        place.chain,
        str(facts.get("to", "")),
        data if isinstance(data, bytes) else b"",
        value if isinstance(value, int) else 0,
        operation if isinstance(operation, int) else 0,
    )


def _proposer(entry: Entry, known: Network, at: EvaluationPoint) -> object:
    """Name who proposed, and for whom where a delegate did."""
    proposer, delegate = str(entry.facts.get("proposer", "")), str(entry.facts.get("delegate", ""))
    found: list[object] = [_named(proposer, known, at) if proposer else "unknown: the service does not say"]
    if delegate and delegate != proposer:
        found += [" by the delegate ", _named(delegate, known, at)]
    return tuple(found)


def _named(address: str, known: Network, at: EvaluationPoint) -> object:
    return addr(address, at.labels.name(known.id, address), known)


def _rivals(entry: Entry, known: Network, address: str) -> object:
    rivals = entry.facts.get("rivals")
    hashes = [str(one) for one in rivals] if isinstance(rivals, tuple) else []
    if not hashes:
        return "a transaction seen before at this nonce, which the service no longer lists"
    links: list[object] = []
    for one in hashes[:MAX_RIVALS]:
        links += [", ", link(f"{one[:10]}…{one[-4:]}", known.safe_link(address, one))]
    more = [f" and {len(hashes) - MAX_RIVALS} more"] if len(hashes) > MAX_RIVALS else []
    return tuple(links[1:] + more)


def _nonce(entry: Entry) -> int:
    return _number(entry, "nonce")


def _number(entry: Entry, name: str) -> int:
    found = entry.facts.get(name)
    return found if isinstance(found, int) else 0
