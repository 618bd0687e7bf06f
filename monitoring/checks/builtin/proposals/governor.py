"""Proposals out of a governor's own logs: created, queued, executed, cancelled; held against its `state(id)`.

A proposal is named by the log of its creation, which is days older than the one that queues it: its block and title are
remembered by the condition until it is over. Both kinds of governor log the same events and count states alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from monitoring.chains.abi.addresses import SignatureError
from monitoring.chains.abi.function import AbiError
from monitoring.chains.abi.selectors import events
from monitoring.chains.abi.values import AbiValue, Unknown
from monitoring.chains.networks import network
from monitoring.chains.rpc.logs import EventLog
from monitoring.checks.builtin.proposals.proposal import Proposal, ProposalList, ProposalStage, title_of
from monitoring.checks.builtin.proposals.source import GovernorSource
from monitoring.checks.builtin.shared.contract_logs import LogsSince, Stretch
from monitoring.checks.engine.plan import ReadContext
from monitoring.checks.expression.evaluate import PENDING, NotYet, ViewRead
from monitoring.checks.expression.values import Json
from monitoring.checks.rules.logs import margin_blocks
from monitoring.conditions.condition import Condition

STATE = "state(uint256)(uint8)"
_STATES: Mapping[int, ProposalStage] = {
    0: ProposalStage.VOTING,  # pending
    1: ProposalStage.VOTING,  # active
    2: ProposalStage.CANCELLED,
    3: ProposalStage.DEFEATED,
    4: ProposalStage.PASSED,
    5: ProposalStage.QUEUED,
    6: ProposalStage.EXPIRED,
    7: ProposalStage.EXECUTED,
}
# Stages that no event says; the last two end a proposal.
_SILENT = (ProposalStage.PASSED, ProposalStage.DEFEATED, ProposalStage.EXPIRED)
_LOST = (ProposalStage.DEFEATED, ProposalStage.EXPIRED)
_ETA = "proposalEta(uint256)(uint256)"
# Of Compound's own governor: id, proposer, eta, blocks of start and end, votes for, against, abstained, two flags.
BRAVO = "proposals(uint256)(uint256,address,uint256,uint256,uint256,uint256,uint256,uint256,bool,bool)"
_BRAVO_ETA = 2
_MAX_STATE = 7
_SAID: Mapping[str, ProposalStage] = {
    "ProposalCreated": ProposalStage.VOTING,
    "ProposalQueued": ProposalStage.QUEUED,
    "ProposalExecuted": ProposalStage.EXECUTED,
    "ProposalCanceled": ProposalStage.CANCELLED,
}
_BY_TOPIC = {events("oz_governor")[name].topic: name for name in _SAID}
QUEUED_TOPIC = events("oz_governor")["ProposalQueued"].topic
CREATED_TOPIC = events("oz_governor")["ProposalCreated"].topic
_UNIX = 10**9  # a clock in seconds is beyond it, and no chain has as many blocks
_LONGEST_VOTE = timedelta(days=90)
_MAX_OPEN = 200  # proposals whose creation is remembered: what never got far enough to be queued is forgotten
_NEXT, _OPEN = "next", "open"
OWN_MEMORY = (_NEXT, _OPEN)


@dataclass(frozen=True, slots=True)
class GovernorEvent:
    """A log of a governor as it was decoded."""

    id: str
    stage: ProposalStage
    block: int
    at: datetime | None
    fields: Mapping[str, AbiValue]


def read_governor(desk: ReadContext, source: GovernorSource, before: Condition) -> ProposalList | Unknown | NotYet:
    """Read on where the condition's last reading ended, with a margin, then ask in which state each proposal is."""
    stretch = desk.ask(_question(source, before))
    if stretch is PENDING or isinstance(stretch, Unknown):
        return stretch
    found, broken = _events(stretch, source)
    remembered = _with_created(before, found, source)
    states = {one: desk.call(_state(source, one)) for one in dict.fromkeys([*(one.id for one in found), *remembered])}
    if any(state is PENDING for state in states.values()):
        return PENDING
    rows = [_proposal(one, remembered, source) for one in found if _counts(one, states[one.id], found, source)]
    heard = {one.id for one in found if one.block >= _next(before)}
    silent = _silent(desk, source, {one: states[one] for one in remembered}, heard, stretch)
    if isinstance(silent, NotYet):
        return PENDING
    lost = {one.id for one in silent if one.stage in _LOST}
    silent = [replace(one, title=str(remembered[one.id][1])) for one in silent if one.stage in source.report]
    silent = [replace(one, created=_block(remembered[one.id]), link=_link(source, one.id)) for one in silent]
    memory = _memory(stretch, before, {key: row for key, row in remembered.items() if key not in lost}, found)
    return ProposalList((*rows, *silent, *broken), memory=memory, problem=stretch.problem)


def _silent(
    desk: ReadContext, source: GovernorSource, states: Mapping[str, object], heard: set[str], stretch: Stretch
) -> list[Proposal] | NotYet:
    """Return the proposals at a stage that no event says: passed, lost, or queued and ready by now.

    One of which an event was read now is left for the next run, which says it if it is still so.
    """
    known = {key: _STATES[state] for key, state in states.items() if type(state) is int and state in _STATES}
    found = [Proposal(key, stage) for key, stage in known.items() if stage in _SILENT and key not in heard]
    queued = [key for key, stage in known.items() if stage is ProposalStage.QUEUED and key not in heard]
    etas = {key: desk.call(_eta(source, key)) for key in queued}
    if any(eta is PENDING for eta in etas.values()):
        return PENDING
    for key, answer in etas.items():
        eta = answer[_BRAVO_ETA] if isinstance(answer, tuple) else answer
        ready_at = instant_of(eta) if type(eta) is int and eta else None
        if ready_at is not None and stretch.head_at is not None and ready_at <= stretch.head_at:
            found.append(Proposal(key, ProposalStage.READY, ready_at=ready_at))
    return found


def _eta(source: GovernorSource, identity: str) -> ViewRead:
    view = BRAVO if source.kind == "compound_bravo" else _ETA
    return ViewRead(source.chain, source.address, view, (int(identity),))


def _block(row: list[Json]) -> int:
    return row[0] if isinstance(row[0], int) else 0


def _link(source: GovernorSource, identity: str) -> str:
    return source.link.replace("{id}", identity)


def _next(before: Condition) -> int:
    """Return the first block that was never read, 0 at first sight."""
    known = before.memory.get(_NEXT)
    return known if isinstance(known, int) else 0


def _question(source: GovernorSource, before: Condition) -> LogsSince:
    known = _next(before)
    lookback_s = int(source.lookback.total_seconds())
    topics = frozenset(_BY_TOPIC)
    if not known:
        return LogsSince(source.chain, source.address, topics, None, lookback_s)
    first = max(0, known - margin_blocks(source.chain))
    return LogsSince(source.chain, source.address, topics, first, lookback_s, known)


def _state(source: GovernorSource, identity: str) -> ViewRead:
    return ViewRead(source.chain, source.address, STATE, (int(identity),))


def _events(stretch: Stretch, source: GovernorSource) -> tuple[list[GovernorEvent], list[Unknown]]:
    found: list[GovernorEvent] = []
    broken: list[Unknown] = []
    for log in stretch.logs:
        try:
            found.append(read_event(log, stretch.at(log.block_number)))
        except (AbiError, SignatureError, KeyError, ValueError):
            where = f"{network(source.chain).slug}: an event of the governor in block {log.block_number}"
            broken.append(Unknown(f"{where} cannot be read ({log.tx_hash})", network(source.chain).slug))
    return found, broken


def read_event(log: EventLog, at: datetime | None) -> GovernorEvent:
    """Decode a governor's log.

    Raises:
        AbiError, KeyError: it is not what a governor emits.
    """
    name = _BY_TOPIC[log.topics[0]]
    fields = events("oz_governor")[name].decode(log.topics, log.data)
    return GovernorEvent(str(fields["proposalId"]), _SAID[name], log.block_number, at, fields)


def _counts(one: GovernorEvent, state: object, found: list[GovernorEvent], source: GovernorSource) -> bool:
    """Return whether an event is reported: it is wanted, and it is still so. A governor without `state` is believed."""
    if one.stage not in source.report:
        return False
    if one.stage in (ProposalStage.EXECUTED, ProposalStage.CANCELLED):
        return True
    if isinstance(state, int) and 0 <= state <= _MAX_STATE:
        return _STATES.get(state) is one.stage
    return not any(other.id == one.id and _later(other, one) for other in found)


def _later(other: GovernorEvent, one: GovernorEvent) -> bool:
    order = list(ProposalStage)
    return order.index(other.stage) > order.index(one.stage)


def _with_created(before: Condition, found: list[GovernorEvent], source: GovernorSource) -> dict[str, list[Json]]:
    """Return the block, the title and the end of the vote of each proposal that is known by its creation."""
    kept = before.memory.get(_OPEN)
    known = {key: row for key, row in kept.items() if isinstance(row, list)} if isinstance(kept, dict) else {}
    for one in found:
        if one.stage is ProposalStage.VOTING:
            ends = voting_ends(one, source.chain)
            known[one.id] = [one.block, title_of(one.fields["description"]), int(ends.timestamp()) if ends else None]
    return known


def voting_ends(created: GovernorEvent, chain: int) -> datetime | None:
    """Return when a vote ends, about where it counts in blocks; None where it counts in those of another chain."""
    end = created.fields.get("voteEnd")
    if not isinstance(end, int) or created.at is None:
        return None
    if end >= _UNIX:
        return instant_of(end)
    span_s = (end - created.block) * network(chain).block_time_s
    return created.at + timedelta(seconds=span_s) if 0 <= span_s <= _LONGEST_VOTE.total_seconds() else None


def _proposal(one: GovernorEvent, known: Mapping[str, list[Json]], source: GovernorSource) -> Proposal:
    block, title, ends = known.get(one.id, [0, "", None])
    proposer, eta = one.fields.get("proposer"), one.fields.get("etaSeconds")
    return Proposal(
        one.id, one.stage, str(title), one.at,
        voting_ends=instant_of(ends) if one.stage is ProposalStage.VOTING and isinstance(ends, int) else None,
        ready_at=instant_of(eta) if isinstance(eta, int) and eta else None,
        link=_link(source, one.id),
        created=block if isinstance(block, int) else 0,
        more=(("Proposer", str(proposer)),) if isinstance(proposer, str) else (),
    )  # fmt: skip


def _memory(
    stretch: Stretch, before: Condition, known: dict[str, list[Json]], found: list[GovernorEvent]
) -> dict[str, Json]:
    """Return where the next reading begins, never further back, and the proposals that are not over."""
    over = {one.id for one in found if one.stage in (ProposalStage.EXECUTED, ProposalStage.CANCELLED)}
    still = [(key, row) for key, row in known.items() if key not in over]
    still.sort(key=lambda pair: (pair[1][0] if isinstance(pair[1][0], int) else 0, pair[0]))
    opened: dict[str, Json] = {key: list(row) for key, row in still[-_MAX_OPEN:]}
    return {_NEXT: max(stretch.last + 1, _next(before)), _OPEN: opened}


def instant_of(seconds: int) -> datetime | None:
    """Return an instant; a governor's number that is none has none."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
