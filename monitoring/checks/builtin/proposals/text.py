"""What an alert about proposals says: what each is, how far it is, until when one can act, what it would call.

A proposal's text is somebody else's: one bounded line of it is shown, as text. What cannot be fetched is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from monitoring.alerts.message.text import Block, addr, bold, kv, line, link
from monitoring.base.formatting import format_instant, format_share
from monitoring.base.plural import counted
from monitoring.chains.abi.addresses import SignatureError, checksum, is_address
from monitoring.chains.abi.function import AbiError
from monitoring.chains.abi.values import AbiValue, Unknown
from monitoring.chains.decode.calldata import Transaction
from monitoring.chains.decode.unwrap import with_signature
from monitoring.chains.networks import Network, network
from monitoring.chains.rpc.errors import RpcError
from monitoring.chains.rpc.logs import LogCursor, LogFilter, scan
from monitoring.chains.rpc.multicall import call
from monitoring.checks.builtin.proposals.governor import BRAVO, CREATED_TOPIC, instant_of, read_event
from monitoring.checks.builtin.proposals.proposal import ProposalStage
from monitoring.checks.builtin.proposals.source import GovernorSource, ServiceSource
from monitoring.checks.builtin.shared.transactions import Room, call_blocks, when
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.expression.values import Value
from monitoring.checks.messages.plain import AlertText, rows_left_out
from monitoring.conditions.outcome import Entry, Transition

MAX_SHOWN = 8  # proposals of one message
_MAX_ACTIONS = 20
_NO_TITLE = "(no title)"
# What is said of a stage, of one proposal and of several; in this order they stand in a title.
_WORDS: Mapping[ProposalStage, tuple[str, str]] = {
    ProposalStage.READY: ("can be executed now", "ready for execution"),
    ProposalStage.QUEUED: ("is queued for execution", "queued for execution"),
    ProposalStage.PASSED: ("has passed", "passed"),
    ProposalStage.VOTING: ("is put to the vote", "put to the vote"),
    ProposalStage.CANCELLED: ("is cancelled", "cancelled"),
    ProposalStage.EXECUTED: ("is executed", "executed"),
    ProposalStage.DEFEATED: ("is defeated", "defeated"),
    ProposalStage.EXPIRED: ("expired: it was not executed in time", "expired"),
}
_DECIDED = (ProposalStage.PASSED, ProposalStage.DEFEATED, ProposalStage.QUEUED)
_VOTES = "proposalVotes(uint256)(uint256,uint256,uint256)"  # against, for, abstained
_BRAVO_VOTES = (6, 5, 7)


def describe(
    name: str, source: GovernorSource | ServiceSource, said: str, transition: Transition, at: EvaluationPoint
) -> AlertText:
    """Put the new proposals of one transition into words."""
    order = list(_WORDS)
    fresh = sorted(transition.entries, key=lambda one: order.index(_stage(one)))
    room = Room()
    blocks: list[Block] = []
    for one in fresh[:MAX_SHOWN]:
        blocks += _blocks(one, source, room, at, is_alone=len(fresh) == 1)
    blocks += [line(str(more)) for more in rows_left_out(len(fresh) - MAX_SHOWN)]
    return AlertText(f"{name}: {_headline(fresh, said)}", tuple(blocks))


def _headline(fresh: Sequence[Entry], said: str) -> str:
    if len(fresh) == 1:
        one = fresh[0]
        what = said or f"{_named(one)} {_WORDS[_stage(one)][0]}"
        return f"{what}: {_title(one)}"
    if said:
        return f"{said}: {counted(len(fresh), 'proposal')}"
    counts = {stage: sum(_stage(one) is stage for one in fresh) for stage in _WORDS}
    return ", ".join(f"{counted(count, 'proposal')} {_WORDS[stage][1]}" for stage, count in counts.items() if count)


def _title(one: Entry) -> str:
    return str(one.facts["title"] or _NO_TITLE)


def _stage(one: Entry) -> ProposalStage:
    return ProposalStage(str(one.facts["stage"]))


def _blocks(
    one: Entry, source: GovernorSource | ServiceSource, room: Room, at: EvaluationPoint, *, is_alone: bool
) -> list[Block]:
    facts, now = one.facts, at.clock.now()
    found: list[Block] = []
    if not is_alone:
        words = _WORDS[_stage(one)][0]
        found.append(line(bold(_named(one).capitalize()), f" {words}: {_title(one)}"))
    rows: dict[str, object] = {}
    for name, label in (("voting ends", "Voting ends"), ("ready", "Can be executed")):
        seconds = facts.get(name)
        if isinstance(seconds, int):
            instant = instant_of(seconds)
            rows[label] = when(instant, now) if instant else format_instant(seconds)
    rows |= _votes(one, source, at)
    for label, text in _pairs(facts.get("more")):
        rows[label] = addr(checksum(text), chain=_chain(source)) if is_address(text) else text
    if facts.get("link"):
        rows["Proposal"] = link(_short(str(facts["id"])), str(facts["link"]))
    found += [kv(rows)] if rows else []
    return found + _actions(one, source, room, at)


def _actions(one: Entry, source: GovernorSource | ServiceSource, room: Room, at: EvaluationPoint) -> list[Block]:
    """Fetch the log of a proposal's creation again, and decode what it would call."""
    created = one.facts.get("created")
    if not isinstance(source, GovernorSource) or not _stage(one).is_open:
        return []
    calls = _calls(str(one.facts["id"]), created, source, at) if isinstance(created, int) and created else None
    if calls is None:
        return [line("What it calls could not be read: see the proposal.")]
    shown = call_blocks(calls[:_MAX_ACTIONS], at, room)
    return [*shown, *(line(str(more)) for more in rows_left_out(len(calls) - _MAX_ACTIONS))]


def _votes(one: Entry, source: GovernorSource | ServiceSource, at: EvaluationPoint) -> dict[str, object]:
    """Ask a governor how a vote ended; in shares, since nobody says how many decimals a vote has."""
    identity = str(one.facts["id"])
    if not isinstance(source, GovernorSource) or _stage(one) not in _DECIDED or not identity.isdecimal():
        return {}
    view = at.chains.view(source.chain)
    if isinstance(view, Unknown):
        return {}
    is_bravo = source.kind == "compound_bravo"
    answer = view.read({"votes": call(source.address, BRAVO if is_bravo else _VOTES, int(identity))})["votes"]
    if not isinstance(answer, tuple):
        return {}
    counted_ = [answer[place] for place in (_BRAVO_VOTES if is_bravo else range(3))]
    against, in_favour, abstained = (vote if isinstance(vote, int) else 0 for vote in counted_)
    total = against + in_favour + abstained
    if not total:
        return {"Votes": "none"}
    shares = {"for": in_favour, "against": against, "abstained": abstained}
    return {"Votes": ", ".join(f"{format_share(vote, total)} {name}" for name, vote in shares.items() if vote)}


def _calls(identity: str, block: int, source: GovernorSource, at: EvaluationPoint) -> list[Transaction] | None:
    wanted = LogFilter((source.address,), (CREATED_TOPIC,))
    try:
        read = scan(at.chains.pool(source.chain), wanted, LogCursor(source.chain, block, 1), block)
        found = [event for log in read.logs if (event := read_event(log, None)).id == identity]
    except (RpcError, AbiError, SignatureError, KeyError):
        return None
    return actions_of(found[0].fields, source.chain) if found else None


def actions_of(fields: Mapping[str, AbiValue], chain: int) -> list[Transaction] | None:
    """Return what a created proposal would call; None where its lists do not go together."""
    lists = [fields.get(name) for name in ("targets", "values", "signatures", "calldatas")]
    columns = [one for one in lists if isinstance(one, tuple)]
    if len(columns) != len(lists) or len({len(one) for one in columns}) > 1:
        return None
    found = []
    for target, value, signature, data in zip(*columns, strict=True):
        if not isinstance(target, str) or not isinstance(value, int) or not isinstance(data, bytes):
            return None
        found.append(Transaction(chain, target, with_signature(signature, data), value))
    return found


def _named(one: Entry) -> str:
    """Name it by its number; what a service calls it otherwise is no name for people."""
    identity = str(one.facts["id"])
    return f"proposal {_short(identity)}" if identity.isdecimal() else "a proposal"


def _pairs(value: Value | None) -> list[tuple[str, str]]:
    rows = value if isinstance(value, tuple) else ()
    return [(str(row[0]), str(row[1])) for row in rows if isinstance(row, tuple)]


def _chain(source: GovernorSource | ServiceSource) -> Network | None:
    return network(source.chain) if isinstance(source, GovernorSource) else None


def _short(identity: str) -> str:
    """An OpenZeppelin governor's number has 77 digits, a spell or a vote a hash."""
    return identity if len(identity) <= 20 else f"{identity[:8]}…{identity[-4:]}"  # noqa: PLR2004 - as long as a line allows
