"""The condition of a Safe's queue: new transactions by their hash, rivals at a known nonce, strangers.

Memory in addition to the verb's own: when it was asked and answered last, failures since, and the state of the Safe
then.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from monitoring.alerts.message.model import Severity
from monitoring.base.clock import from_text, to_text
from monitoring.base.formatting import format_duration
from monitoring.chains.abi.values import Unknown
from monitoring.chains.safes.hashing import SafeIdentity
from monitoring.chains.services.safe_rows import SafeQueue, SafeTransaction
from monitoring.checks.builtin.safes.rate_limit import Poll, QueueOf, interval_for
from monitoring.checks.builtin.safes.rules import (
    Loudness,
    Skip,
    around,
    decoded_offline,
    earlier_of,
    facts_of,
    pays_refund,
    severity_of,
)
from monitoring.checks.builtin.safes.text import describe
from monitoring.checks.builtin.safes.verification import SafeState, Verification, questions, verify
from monitoring.checks.builtin.shared.data_rows import RowContract
from monitoring.checks.engine.plan import ReadContext
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.expression.evaluate import PENDING, NotYet, Result, ViewRead
from monitoring.checks.expression.values import Json, Value
from monitoring.checks.messages.plain import AlertRoute, AlertText, plain_message
from monitoring.checks.rules import items
from monitoring.checks.rules.items import ItemsPolicy
from monitoring.checks.rules.readings import FirstRun, Item
from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.conditions.outcome import Outcome, Reason, Transition, TransitionKind
from monitoring.conditions.transition import no_data

NONCE, THRESHOLD, OWNERS = "nonce()(uint256)", "getThreshold()(uint256)", "getOwners()(address[])"
VERSION = "VERSION()(string)"
_CONTRADICTED = "shown falsely"
_OWN_MEMORY = ("asked", "answered", "failures", "print", "pending")


@dataclass(frozen=True, slots=True)
class PollSchedule:
    """How often queues are asked for, and how old an answer may get."""

    every: timedelta
    fresh_within: timedelta | None
    safes: int

    def limit(self, interval: timedelta) -> timedelta:
        """Return when a queue counts as not read; a quota that allows less than was wished for is no outage.

        Turns take up to half an interval to spread after all were asked at once, and one run is granted.
        """
        return max(self.fresh_within or timedelta(0), 1.5 * interval + self.every)

    def in_words(self) -> str:
        by_keys = [format_duration(interval_for(self.safes, self.every, keys)) for keys in range(3)]
        return f"asked every {by_keys[0]} without a key, {by_keys[1]} with one, {by_keys[2]} with two"


@dataclass(frozen=True, slots=True)
class Sight:
    """A queue, if it was asked for, with what the chain says of the Safe.

    `before` is what is remembered of the last answer.
    """

    poll: Poll
    state: SafeState
    print: str
    before: Condition
    verified: Mapping[str, Verification] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class QueuePart:
    """One Safe's queue."""

    key: ConditionKey
    place: RowContract
    pace: PollSchedule
    loud: Loudness
    policy: ItemsPolicy
    expected: frozenset[str] = frozenset()
    skips: tuple[Skip, ...] = ()

    @property
    def route(self) -> AlertRoute:
        return self.place.route

    @property
    def about(self) -> str:
        return f"{self.place.title}: transactions queued ({self.cadence})"

    @property
    def cadence(self) -> str:
        """How often its service is asked, by what allows it; `describe` has it, for `doctor`."""
        return self.pace.in_words()

    def read(self, desk: ReadContext) -> Sight | Unknown | NotYet:
        """Read it once a pass: the part that follows its transactions reads it too."""
        if self.key not in desk.memo:
            desk.memo[self.key] = self._read(desk)
        found: Sight | Unknown | NotYet = desk.memo[self.key]
        return found

    def _read(self, desk: ReadContext) -> Sight | Unknown | NotYet:
        """Read the Safe on its chain, then ask for its queue; without its nonce nothing is asked or reported."""
        views = (NONCE, THRESHOLD, OWNERS, VERSION)
        found = [desk.call(ViewRead(self.place.chain, self.place.address, view)) for view in views]
        lost = next((one for one in found[:3] if isinstance(one, Unknown)), None)
        if lost is not None:
            return lost
        if any(one is PENDING for one in found):
            return PENDING
        nonce, threshold, owners, version = found
        if not isinstance(nonce, int) or not isinstance(threshold, int) or not isinstance(owners, tuple):
            return Unknown(f"{self.place.title} does not answer as a Safe does")
        seen = _print(nonce, threshold, owners)
        before = desk.condition(self.key)
        poll = desk.ask(self._question(nonce, seen, before))
        if poll is PENDING or isinstance(poll, Unknown):
            return PENDING if poll is PENDING else poll
        state = SafeState(self._identity(version), nonce, threshold, frozenset(str(one).lower() for one in owners))
        return self._verified(Sight(poll, state, seen, before), desk)

    def _identity(self, version: Result) -> SafeIdentity | Unknown:
        if isinstance(version, str):
            return SafeIdentity(self.place.address, self.place.chain, version)
        return version if isinstance(version, Unknown) else Unknown(f"{self.place.title} answers no version")

    def _verified(self, sight: Sight, desk: ReadContext) -> Sight | NotYet:
        """Ask the chain whose the signatures in a queue are, all of them at once."""
        rows = sight.poll.queue.transactions if isinstance(sight.poll.queue, SafeQueue) else ()
        answers = {one: desk.ask(one) for row in rows for one in questions(row, sight.state)}
        if any(answer is PENDING for answer in answers.values()):
            return PENDING
        return replace(sight, verified={row.safe_tx_hash: verify(row, sight.state, answers) for row in rows})

    def _question(self, nonce: int, seen: str, before: Condition) -> QueueOf:
        asked = _instant(before, "asked")
        return QueueOf(
            self.place.chain,
            self.place.address,
            nonce,
            self.pace.every,
            (self.key.monitor, self.pace.safes),
            asked,
            _failures(before),
            changed=asked is not None and before.memory.get("print") != seen,
        )

    def judge(self, before: Condition, reading: Sight | Unknown, now: datetime) -> Outcome:
        """Judge a queue that was read; one that was not asked for is quiet until it is too old.

        1. An answer is judged row by row; a strange row counts as unknown and holds up no other.
        2. A failure is unknown, which an empty queue is not; it is tried again sooner.
        """
        if isinstance(reading, Unknown):
            return items.judge(before, reading, now, self.policy)
        poll = reading.poll
        if poll.queue is None:
            return self._waiting(before, poll, now)
        if isinstance(poll.queue, Unknown):
            outcome = no_data(before, poll.queue, now, self.policy)
            failed: dict[str, Json] = {"asked": to_text(now), "failures": _failures(before) + 1} if poll.asked else {}
            return _remembering(outcome, {**_own(before), **failed})
        outcome = items.judge(before, self._items(poll.queue, reading), now, self.policy)
        own: dict[str, Json] = {
            "asked": to_text(now), "answered": to_text(now), "failures": 0, "print": reading.print,
            "pending": len(poll.queue.transactions),
        }  # fmt: skip
        return _remembering(outcome, own)

    def _waiting(self, before: Condition, poll: Poll, now: datetime) -> Outcome:
        answered = _instant(before, "answered")
        if answered is not None and now - answered <= self.pace.limit(poll.interval):
            return Outcome(before, Reason.NOTHING_NEW)
        old = f"the queue of {self.place.title} was never read"
        if answered is not None:
            old = f"the queue of {self.place.title} was last read at {_minute(answered)}, which is too long ago"
        return no_data(before, Unknown(old, "safe service"), now, self.policy)

    def _items(self, queue: SafeQueue, sight: Sight) -> list[Item]:
        found = [item for row in queue.transactions if (item := self._item(row, queue, sight))]
        strange = [Unknown(f"{self.place.title}: {problem}", "safe service") for problem in queue.problems]
        if not queue.complete:
            number = len(queue.transactions)
            strange.append(
                Unknown(f"{self.place.title}: only the first {number} of its queue were read", "safe service")
            )
        return found + [Item(one) for one in strange]

    def _item(self, row: SafeTransaction, queue: SafeQueue, sight: Sight) -> Item | None:
        """Return a row as it is judged. One that is shown falsely is its own item, also if its hash was reported."""
        if self.is_skipped(row, sight):
            return None
        seen = sight.verified[row.safe_tx_hash]
        rivals = [one for one in queue.transactions if one.nonce == row.nonce and one.safe_tx_hash != row.safe_tx_hash]
        hashes = [one.safe_tx_hash for one in rivals]
        facts = facts_of(row, hashes, sight.state.threshold, self.expected) | seen.facts(sight.state)
        facts |= around(row, rivals, queue, sight.state.nonce)
        sound = {name for name, one in sight.verified.items() if one.hashes is not None and one.is_sound}
        facts["earlier"] = earlier_of(row, queue.transactions, sound, sight.state.nonce)
        if not seen.is_sound:
            identity = f"{row.safe_tx_hash} {_CONTRADICTED}"
            return Item(identity, row.submitted_at, None, Severity.CRITICAL, facts)
        return Item(row.safe_tx_hash, row.submitted_at, row.nonce, self.severity_of(row), facts)

    def severity_of(self, row: SafeTransaction) -> Severity:
        return severity_of(row, decoded_offline(row), self.expected, self.loud)

    def is_skipped(self, row: SafeTransaction, sight: Sight) -> bool:
        """Return whether `skip` leaves a transaction out; only what is understood is."""
        seen = sight.verified[row.safe_tx_hash]
        is_understood = seen.hashes is not None and seen.is_sound and not pays_refund(row)
        return is_understood and any(skip.leaves_out(decoded_offline(row)) for skip in self.skips)

    def follows(self, row: SafeTransaction, sight: Sight) -> bool:
        """Return whether a transaction has a life of its own: what is shown falsely is nobody's content."""
        return not sight.verified[row.safe_tx_hash].contradiction and not self.is_skipped(row, sight)

    def in_words(self, reading: Sight) -> str:
        """Say what was read, and when, for listings."""
        queue, interval = reading.poll.queue, format_duration(reading.poll.interval)
        if isinstance(queue, Unknown):
            return str(queue)
        if queue is not None:
            return f"{len(queue.transactions)} pending, asked every {interval}"
        answered, pending = _instant(reading.before, "answered"), reading.before.memory.get("pending")
        if answered is None:
            return f"never read, asked every {interval}"
        known = f"{pending} pending at" if isinstance(pending, int) else "read at"
        return f"{known} {_minute(answered)}, asked every {interval}"

    def compose(self, transition: Transition, at: EvaluationPoint) -> AlertText:
        if transition.kind is not TransitionKind.FIRED:
            return plain_message(self.about, transition)
        return describe(self.place, transition, at)


def queue_policy(loud: Loudness, first_run: FirstRun) -> ItemsPolicy:
    """Rows that are not listed any more are kept for the verb's 90 days, so that a rival is known for one."""
    return ItemsPolicy(severity=max(loud.usual, Severity.MEDIUM), competing=loud.competing, first_run=first_run)


def _print(nonce: int, threshold: int, owners: tuple[Value, ...]) -> str:
    """Distinguish one state of a Safe from another."""
    text = f"{nonce} {threshold} {sorted(map(str, owners))}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _instant(before: Condition, name: str) -> datetime | None:
    kept = before.memory.get(name)
    return from_text(kept) if isinstance(kept, str) else None


def _failures(before: Condition) -> int:
    kept = before.memory.get("failures", 0)
    return kept if isinstance(kept, int) else 0


def _own(before: Condition) -> dict[str, Json]:
    return {name: before.memory[name] for name in _OWN_MEMORY if name in before.memory}


def _remembering(outcome: Outcome, own: Mapping[str, Json]) -> Outcome:
    """Add our own memory to the verb's."""
    condition = replace(outcome.condition, memory={**outcome.condition.memory, **own})
    return replace(outcome, condition=condition)
