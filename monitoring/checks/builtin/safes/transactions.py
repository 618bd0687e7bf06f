"""Follows each transaction of a Safe to its end: one condition a transaction, and one for what the chain executed.

`ExecutionsPart` reads the events of executions from its own cursor, and becomes one `TransactionPart` for each
transaction that is queued or remembered. What was executed without having been followed it reports itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from monitoring.alerts.message.model import Severity
from monitoring.chains.abi.values import Unknown
from monitoring.chains.decode.calldata import Decoder
from monitoring.chains.networks import network
from monitoring.chains.services.safe_rows import SafeQueue, SafeTransaction
from monitoring.checks.builtin.safes.executed import (
    TOPICS,
    Carrier,
    CarrierOf,
    Content,
    Execution,
    content_of,
    emits_success,
    executions,
)
from monitoring.checks.builtin.safes.life import (
    ENDED,
    MAX_DATA,
    Life,
    LifeSight,
    LifeStage,
    Listing,
    advance,
    begun,
    life_of,
)
from monitoring.checks.builtin.safes.life_text import describe_executed, describe_step, stage_in_words, thread_of
from monitoring.checks.builtin.safes.queue import QueuePart, Sight
from monitoring.checks.builtin.safes.rules import as_transaction, may_pay_refund, severity_of_call
from monitoring.checks.builtin.shared.contract_logs import Stretch
from monitoring.checks.builtin.shared.data_rows import RowContract
from monitoring.checks.builtin.shared.log_reading import MIN_LOOKBACK, judge_stretch, read_stretch
from monitoring.checks.engine.plan import CheckInstance, ReadContext
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.expression.evaluate import PENDING, NotYet
from monitoring.checks.expression.values import Json, Value, key_of
from monitoring.checks.messages.plain import AlertRoute, AlertText, plain_message
from monitoring.checks.rules.logs import LogsPolicy, cursor_of, seen_logs
from monitoring.checks.rules.readings import LogEvent, kept_rows
from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.conditions.outcome import Entry, Outcome, Reason, Transition, TransitionKind
from monitoring.conditions.policy import Policy
from monitoring.conditions.transition import happened, no_data, unchanged

CHECK = "safe-transaction"
MAX_FOLLOWED = 100  # transactions of one Safe that are followed at a time, those with the lowest nonces
_MOST_REMEMBERED = 3  # times as many, with those that ended or come later
_MAX_GAP = 20  # nonces of a gap that are remembered
_MAX_LEFT_OUT = 200  # hashes of what `skip` left out, so that their executions are left out too


@dataclass(frozen=True, slots=True)
class SafeLedger:
    """What one run knows of a Safe: its queue and state, and what its chain executed.

    `stretch` is why the events could not be read where they could not. `new` are executions not judged before, with who
    sent them and what they did, as far as that is known.
    """

    chain: int
    sight: Sight
    stretch: Stretch | Unknown
    executed: Mapping[str, Execution] = field(default_factory=dict)
    senders: Mapping[str, str] = field(default_factory=dict)
    contents: Mapping[str, Content] = field(default_factory=dict)
    events: tuple[LogEvent, ...] = ()
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Followed:
    """A transaction as one run saw it; `start` is what it begins as where nothing is remembered of it."""

    seen: LifeSight
    start: Life
    remembered: Life | None = None

    @property
    def now(self) -> Life:
        return begun(self.start, self.seen) if self.remembered is None else advance(self.remembered, self.seen).life


@dataclass(frozen=True, slots=True)
class ExecutionsPart:
    """What a Safe executed, and above it all its transactions that are followed."""

    key: ConditionKey
    place: RowContract
    queue: QueuePart
    policy: LogsPolicy

    @property
    def route(self) -> AlertRoute:
        return self.place.route

    @property
    def about(self) -> str:
        return f"{self.place.title}: transactions executed, and the life of each that is queued"

    def expand(self, desk: ReadContext) -> tuple[CheckInstance, ...]:
        """Return this part, and one for each transaction; what is remembered is kept while nothing can be read."""
        remembered = self._remembered(desk)
        ledger = desk.memo[self.key] = self._ledger(desk, remembered)
        if not isinstance(ledger, SafeLedger):
            return (self, *(self._part(one, ledger) for one in remembered))
        followed = _followed(ledger, remembered, self.queue)
        return (self, *(self._part(tx_hash, one) for tx_hash, one in followed.items()))

    def _part(self, tx_hash: str, reading: Followed | Unknown | NotYet) -> TransactionPart:
        key = replace(self.key, check=CHECK, subject=f"{self.key.subject}/{tx_hash}")
        return TransactionPart(key, self.place, reading, Policy(severity=Severity.MEDIUM))

    def _remembered(self, desk: ReadContext) -> dict[str, Life]:
        found: dict[str, Life] = {}
        for key, condition in desk.conditions.items():
            safe, _, tx_hash = key.subject.partition("/")
            if (key.monitor, key.check, key.chain, safe) != (self.key.monitor, CHECK, self.key.chain, self.key.subject):
                continue
            life = life_of(condition.memory, key.chain)
            if life is not None and life.stage is not LifeStage.CLOSED:
                found[tx_hash] = life
        return found

    def read(self, desk: ReadContext) -> SafeLedger | Unknown | NotYet:
        """Return what `expand` has read in this pass."""
        found: SafeLedger | Unknown | NotYet = desk.memo[self.key]
        return found

    def _ledger(self, desk: ReadContext, remembered: Mapping[str, Life]) -> SafeLedger | Unknown | NotYet:
        sight = self.queue.read(desk)
        stretch = read_stretch(desk, self.key, TOPICS, self.policy, MIN_LOOKBACK)
        if isinstance(stretch, NotYet) or isinstance(sight, NotYet):
            return PENDING
        if isinstance(sight, Unknown):
            return sight
        if isinstance(stretch, Unknown):
            return SafeLedger(self.key.chain, sight, stretch)
        return self._with_carriers(SafeLedger(self.key.chain, sight, stretch), desk, remembered)

    def _with_carriers(
        self, ledger: SafeLedger, desk: ReadContext, remembered: Mapping[str, Life]
    ) -> SafeLedger | NotYet:
        """Add who executed what was not judged before, and what it did; at first sight nothing is reported of it."""
        before = desk.condition(self.key)
        found = executions(ledger.stretch) if isinstance(ledger.stretch, Stretch) else ()
        events = {one: _event(one) for one in found}
        known = seen_logs(before)
        fresh = [one for one, event in events.items() if event.id not in known and cursor_of(before) is not None]
        carriers = {one: desk.ask(CarrierOf(self.key.chain, one.tx)) for one in fresh}
        if any(carrier is PENDING for carrier in carriers.values()):
            return PENDING
        state = ledger.sight.state
        contents = {one.safe_tx_hash: content_of(carrier, one, state) for one, carrier in carriers.items()}
        kept = {tx_hash: one for tx_hash, one in contents.items() if one is not None}
        kept |= {tx_hash: life.content for tx_hash, life in remembered.items()}
        ledger = replace(
            ledger,
            executed={one.safe_tx_hash: one for one in found},
            senders={
                one.safe_tx_hash: one_of.sender for one, one_of in carriers.items() if isinstance(one_of, Carrier)
            },
            contents=kept,
            left_out=_left_out(before, self.queue, ledger.sight),
        )
        followed = _followed(ledger, remembered, self.queue)
        seen = kept_rows(desk.condition(self.queue.key), "seen") or {}
        judged = (
            event
            if one.safe_tx_hash in followed
            else self._own(event, one, ledger, was_queued=key_of(one.safe_tx_hash) in seen)
            for one, event in events.items()
        )
        return replace(ledger, events=tuple(judged))

    def _own(self, event: LogEvent, one: Execution, ledger: SafeLedger, *, was_queued: bool) -> LogEvent:
        """Return the event of a transaction that was not followed, as it is reported."""
        content, sender = ledger.contents.get(one.safe_tx_hash), ledger.senders.get(one.safe_tx_hash, "")
        decoded = Decoder().decode(content.call) if content is not None else None
        refund = content is not None and content.refund
        is_skipped = decoded is not None and not refund and any(skip.leaves_out(decoded) for skip in self.queue.skips)
        severity = severity_of_call(decoded, sender, self.queue.expected, self.queue.loud, refund=refund)
        facts: dict[str, Value] = {
            "hash": one.safe_tx_hash, "ran": one.ran, "tx": one.tx, "block": one.block, "sender": sender,
            "queued": was_queued, **(_facts_of(content) if content is not None else {}),
        }  # fmt: skip
        return replace(
            event,
            wanted=one.safe_tx_hash not in ledger.left_out and not is_skipped,
            severity=severity if one.ran else max(severity, Severity.HIGH),
            facts=facts,
        )

    def judge(self, before: Condition, reading: SafeLedger | Unknown, now: datetime) -> Outcome:
        if isinstance(reading, Unknown):
            return no_data(before, reading, now, self.policy)
        outcome = judge_stretch(before, reading.stretch, reading.events, now, self.policy)
        left_out: list[Json] = list(reading.left_out)
        if not left_out or isinstance(reading.stretch, Unknown):
            return outcome
        return outcome.remembering({**outcome.condition.memory, "left_out": left_out})

    def in_words(self, reading: SafeLedger) -> str:
        """Say what was read, for listings."""
        if isinstance(reading.stretch, Unknown):
            return str(reading.stretch)
        return f"blocks {reading.stretch.first} to {reading.stretch.last}, {len(reading.executed)} executed"

    def compose(self, transition: Transition, at: EvaluationPoint) -> AlertText:
        if transition.kind is not TransitionKind.FIRED:
            return plain_message(self.about, transition)
        return describe_executed(self.place, transition.entries, at)


@dataclass(frozen=True, slots=True)
class TransactionPart:
    """One transaction. It never fires: each step happens once, and is listed for a day."""

    key: ConditionKey
    place: RowContract
    followed: Followed | Unknown | NotYet
    policy: Policy

    @property
    def tx_hash(self) -> str:
        return self.key.subject.partition("/")[2]

    @property
    def route(self) -> AlertRoute:
        return self.place.route

    @property
    def about(self) -> str:
        return f"{self.place.title}: transaction {self.tx_hash[:10]}…{self.tx_hash[-4:]}"

    def read(self, desk: ReadContext) -> Followed | Unknown | NotYet:  # noqa: ARG002 - read by the part above it
        return self.followed

    def judge(self, before: Condition, reading: Followed | Unknown, now: datetime) -> Outcome:
        if isinstance(reading, Unknown):
            return no_data(before, reading, now, self.policy)
        kept = life_of(before.memory, self.key.chain)
        if kept is None:
            life = replace(begun(reading.start, reading.seen), since=now)
            return replace(unchanged(before, now), reason=Reason.SEEDED).remembering(life.memory())
        step = advance(kept, reading.seen)
        life = step.life if step.life.stage is kept.stage else replace(step.life, since=now)
        if step.news is None:
            life = replace(life, stage=LifeStage.CLOSED) if life.settled(reading.seen.first, now) else life
            return unchanged(before, now).remembering(life.memory())
        entry = Entry(step.news.value, self.tx_hash, step.severity, _step_facts(life, reading), thread_of(self.key))
        outcome = happened(before, now, step.severity, {"stage": life.stage.value}, (entry,))
        return outcome.remembering(life.memory())

    def in_words(self, reading: Followed) -> str:
        """Say which stage it is in, for listings."""
        return stage_in_words(reading.now, reading.seen)

    def compose(self, transition: Transition, at: EvaluationPoint) -> AlertText:
        if transition.kind is not TransitionKind.FIRED or not transition.entries:
            return plain_message(self.about, transition)
        return describe_step(self.place, transition.entries[0], at)


def _event(one: Execution) -> LogEvent:
    return LogEvent(one.block, one.block_hash, one.tx, one.index, one.at, wanted=False)


def _left_out(before: Condition, queue: QueuePart, sight: Sight) -> tuple[str, ...]:
    """Return what `skip` left out, the newest last; what is executed is not listed any more."""
    kept = before.memory.get("left_out")
    known = [str(one) for one in kept] if isinstance(kept, list) else []
    rows = sight.poll.queue.transactions if isinstance(sight.poll.queue, SafeQueue) else ()
    now = [row.safe_tx_hash for row in rows if queue.is_skipped(row, sight)]
    return tuple(dict.fromkeys([*known, *now]))[-_MAX_LEFT_OUT:]


def _followed(ledger: SafeLedger, remembered: Mapping[str, Life], queue: QueuePart) -> dict[str, Followed]:
    """Return every transaction that is followed: those remembered, and what is queued as far as there is room."""
    listed = ledger.sight.poll.queue if isinstance(ledger.sight.poll.queue, SafeQueue) else None
    rows = {row.safe_tx_hash: row for row in listed.transactions} if listed else {}
    found: dict[str, Followed] = {}
    # What the service gives as executed leaves no gap: that it was not is reported for itself.
    claimed = [life.nonce for tx_hash, life in remembered.items() if listed and tx_hash in listed.executed]
    occupied = frozenset([*claimed, *(row.nonce for row in rows.values())])
    for tx_hash, life in remembered.items():
        seen = _seen(tx_hash, life.nonce, ledger, occupied, rows.get(tx_hash))
        found[tx_hash] = Followed(seen, life, life)
    for row in rows.values():
        if row.safe_tx_hash in found or not _has_room(row.nonce, found) or not queue.follows(row, ledger.sight):
            continue
        seen = _seen(row.safe_tx_hash, row.nonce, ledger, occupied, row)
        found[row.safe_tx_hash] = Followed(seen, Life(_content(row), queue.severity_of(row)))
    return found


def _has_room(nonce: int, found: Mapping[str, Followed]) -> bool:
    """Return whether one more is followed: what comes later, or is over, takes no place from what comes first."""
    before = sum(one.start.nonce <= nonce and one.start.stage not in ENDED for one in found.values())
    return before < MAX_FOLLOWED and len(found) < _MOST_REMEMBERED * MAX_FOLLOWED


def _seen(
    tx_hash: str, nonce: int, ledger: SafeLedger, occupied: frozenset[int], row: SafeTransaction | None
) -> LifeSight:
    listed = ledger.sight.poll.queue
    state, stretch = ledger.sight.state, ledger.stretch
    seen = LifeSight(state.nonce, state.threshold, names_success=emits_success(state))
    if isinstance(stretch, Stretch):
        head = None
        if stretch.problem is None:
            head = stretch.last + network(ledger.chain).confirmations
        seen = replace(
            seen, head=head, first=stretch.first, last=stretch.last, standing=stretch.standing,
            execution=ledger.executed.get(tx_hash), sender=ledger.senders.get(tx_hash, ""),
            instead=_instead(tx_hash, nonce, ledger), lost=stretch.gap,
        )  # fmt: skip
    if not isinstance(listed, SafeQueue):
        return seen
    gap = _gap(nonce, state.nonce, occupied) if listed.complete and not listed.problems else None
    verified = ledger.sight.verified.get(tx_hash)
    if row is not None and verified is not None and not verified.contradiction and row.nonce == nonce:
        signed = len(verified.signed) if not verified.unchecked else max(len(verified.signed), verified.listed)
        return replace(seen, listing=Listing.LISTED, signed=signed, gap=gap)
    if tx_hash in listed.executed:
        return replace(seen, listing=Listing.CLAIMED, gap=gap)
    is_lost = row is None and listed.complete and not listed.problems
    return replace(seen, listing=Listing.MISSING, gap=gap) if is_lost else seen


def _gap(nonce: int, next_nonce: int, occupied: frozenset[int]) -> tuple[int, ...]:
    """Return the nonces right before one that nothing is queued at."""
    below = max((one for one in occupied if one < nonce), default=next_nonce - 1)
    first = max(below + 1, next_nonce)
    return tuple(range(first, min(nonce, first + _MAX_GAP)))


def _instead(tx_hash: str, nonce: int, ledger: SafeLedger) -> tuple[str, Content | None] | None:
    """Return what else was executed at a nonce, as far as that is certain."""
    for other in ledger.executed:
        content = ledger.contents.get(other)
        if other != tx_hash and content is not None and content.nonce == nonce:
            return other, content
    return None


def _content(row: SafeTransaction) -> Content:
    call = as_transaction(row)
    return Content(row.nonce, replace(call, data=call.data[:MAX_DATA]), len(call.data), may_pay_refund(row))


def _facts_of(content: Content) -> dict[str, Value]:
    call = content.call
    return {
        "nonce": content.nonce, "to": call.to, "value": call.value, "data": call.data, "operation": call.operation,
        "size": content.size, "refund": content.refund,
    }  # fmt: skip


def _step_facts(life: Life, reading: Followed) -> dict[str, Value]:
    """Return what a message about a step needs."""
    seen = reading.seen
    facts: dict[str, Value] = {
        **_facts_of(life.content), "signed": life.signed, "required": life.required, "safe_nonce": seen.nonce,
        "gap": life.gap, "sender": seen.sender,
    }  # fmt: skip
    if seen.execution is not None:
        facts |= {"tx": seen.execution.tx, "block": seen.execution.block}
    if seen.instead is not None:
        other, content = seen.instead
        facts["instead"] = other
        facts["instead_call"] = _call_facts(content) if content is not None else ()
    return facts


def _call_facts(content: Content) -> tuple[Value, ...]:
    call = content.call
    return (call.to, call.value, call.data, call.operation, content.size, content.nonce, content.refund)
