"""Who controls a Safe, read from its chain: owners, modules, threshold, code, guards and the fallback handler.

No service is asked: a change is seen by the next run even while the Safe Transaction Service is down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from monitoring.alerts.message.text import Block, addr, bold, kv, line
from monitoring.base.plural import counted
from monitoring.chains.abi.addresses import ZERO, address_in, checksum, is_address, short
from monitoring.chains.abi.values import Unknown
from monitoring.chains.networks import network
from monitoring.chains.rpc.views import ChainView
from monitoring.checks.builtin.safes.life_text import safe_line
from monitoring.checks.builtin.safes.queue import OWNERS, THRESHOLD
from monitoring.checks.builtin.shared.data_rows import RowContract
from monitoring.checks.builtin.shared.per_chain import answer_per_chain
from monitoring.checks.engine.plan import ReadContext
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.expression.evaluate import PENDING, NotYet, ViewRead
from monitoring.checks.expression.value_text import words
from monitoring.checks.expression.values import Value
from monitoring.checks.messages.plain import AlertRoute, AlertText
from monitoring.checks.rules import changed, members
from monitoring.checks.rules.members import MembersPolicy
from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.conditions.outcome import Outcome, Transition
from monitoring.conditions.policy import Policy

MODULES = "getModulesPaginated(address,uint256)(address[],address)"
_FIRST_MODULE, _MOST_MODULES = "0x" + "1".rjust(40, "0"), 50
# Where a Safe keeps what no view of all its versions returns: slot 0, and keccak256 of "guard_manager.guard.address",
# "module_manager.module_guard.address" and "fallback_manager.handler.address".
SLOTS: Mapping[str, str] = {
    "code": "0x0",
    "guard": "0x4a204f620c8c5ccdca3fd54d003badd85ba500436a431f0cbda4f558c93c34c8",
    "module guard": "0xb104e0b93118902c651344349b610029d694cfdec91c589c91ebafbcd0289947",
    "fallback handler": "0x6c9a6c4a39284e37ed1cf53d337577d14212a4870fb976a4366c693b939918d5",
}


@dataclass(frozen=True, slots=True)
class SlotsOf:
    """The addresses in the slots of a Safe."""

    chain: int
    address: str


def answer_slots(questions: Sequence[SlotsOf], at: EvaluationPoint) -> dict[SlotsOf, tuple[str, ...] | Unknown]:
    """Read the slots of all Safes of a chain together."""
    return answer_per_chain(questions, at, _read_slots)


def _read_slots(asked: Sequence[SlotsOf], view: ChainView) -> dict[SlotsOf, tuple[str, ...] | Unknown]:
    words = view.storage((one.address, slot) for one in asked for slot in SLOTS.values())
    return {one: _addresses([words[one.address, slot] for slot in SLOTS.values()]) for one in asked}


def _addresses(words: Sequence[bytes | Unknown]) -> tuple[str, ...] | Unknown:
    lost = next((word for word in words if isinstance(word, Unknown)), None)
    if lost is not None:
        return lost
    return tuple(address_in(word).lower() for word in words if isinstance(word, bytes))


@dataclass(frozen=True, slots=True)
class SetPart:
    """A set of addresses that control a Safe: its owners, or its modules."""

    key: ConditionKey
    place: RowContract
    what: str
    policy: MembersPolicy

    @property
    def route(self) -> AlertRoute:
        return self.place.route

    @property
    def about(self) -> str:
        return f"{self.place.title}: its {self.what}s"

    def read(self, desk: ReadContext) -> tuple[Value, ...] | Unknown | NotYet:
        at = self.place
        if self.what == "owner":
            found = desk.call(ViewRead(at.chain, at.address, OWNERS))
        else:
            found = desk.call(ViewRead(at.chain, at.address, MODULES, (_FIRST_MODULE, _MOST_MODULES)))
            found = found[0] if isinstance(found, tuple) and isinstance(found[0], tuple) else found
        if found is PENDING or isinstance(found, Unknown):
            return found
        return found if isinstance(found, tuple) else Unknown(f"{self.about}: no list came")

    def judge(self, before: Condition, reading: tuple[Value, ...] | Unknown, now: datetime) -> Outcome:
        return members.judge(before, reading, now, self.policy)

    def in_words(self, reading: tuple[Value, ...]) -> str:
        """Say how many there are, and who, as far as a line holds."""
        names = [short(checksum(str(one))) if is_address(one) else words(one) for one in reading]
        return ": ".join(filter(None, (counted(len(reading), self.what), ", ".join(names))))

    def compose(self, transition: Transition, at: EvaluationPoint) -> AlertText:
        known = network(self.place.chain)
        rows: list[Block] = []
        for entry in transition.entries:
            address = checksum(str(entry.id)) if is_address(entry.id) else words(entry.id)
            label = at.labels.name(known.id, address) if is_address(address) else ""
            rows.append(line(bold(f"{self.what.capitalize()} {entry.kind}"), ": ", addr(address, label, known)))
        return AlertText(f"{self.place.title}: {_counted(transition, self.what)}", (safe_line(self.place), *rows))


@dataclass(frozen=True, slots=True)
class SetupPart:
    """Everything else that decides what a Safe does, as one value."""

    key: ConditionKey
    place: RowContract
    policy: Policy

    @property
    def route(self) -> AlertRoute:
        return self.place.route

    @property
    def about(self) -> str:
        return f"{self.place.title}: its threshold, code, guards and fallback handler"

    def read(self, desk: ReadContext) -> tuple[Value, ...] | Unknown | NotYet:
        threshold = desk.call(ViewRead(self.place.chain, self.place.address, THRESHOLD))
        slots = desk.ask(SlotsOf(self.place.chain, self.place.address))
        lost = next((one for one in (threshold, slots) if isinstance(one, Unknown)), None)
        if lost is not None:
            return lost
        if threshold is PENDING or slots is PENDING:
            return PENDING
        return (threshold, *slots) if isinstance(threshold, int) else Unknown(f"{self.about}: no threshold came")

    def judge(self, before: Condition, reading: tuple[Value, ...] | Unknown, now: datetime) -> Outcome:
        return changed.judge(before, reading, now, self.policy)

    def in_words(self, reading: tuple[Value, ...]) -> str:
        """Name what is set; what is not there is left out."""
        threshold, *slots = reading
        found = [f"{name} {short(checksum(str(one)))}" for name, one in zip(SLOTS, slots, strict=True) if one != ZERO]
        return ", ".join([f"threshold {words(threshold)}", *found])

    def compose(self, transition: Transition, at: EvaluationPoint) -> AlertText:
        names = ("threshold", *SLOTS)
        old, new = (_parts(transition.facts.get(name)) for name in ("before", "value"))
        moved = [(name, a, b) for name, a, b in zip(names, old, new, strict=False) if a != b]
        rows = [(name.capitalize(), (*self._value(a, at), " → ", *self._value(b, at))) for name, a, b in moved]
        title = f"{self.place.title}: {', '.join(name for name, _, _ in moved)} changed"
        return AlertText(title, (safe_line(self.place), kv(*rows)))

    def _value(self, value: Value, at: EvaluationPoint) -> tuple[object, ...]:
        if value == ZERO:
            return ("none",)
        if not isinstance(value, str):
            return (words(value),)
        known = network(self.place.chain)
        return (addr(checksum(value), at.labels.name(known.id, value), known),)


def _counted(transition: Transition, what: str) -> str:
    counts = {kind: sum(entry.kind == kind for entry in transition.entries) for kind in ("added", "removed")}
    return ", ".join(f"{number} {what}{'s' * (number > 1)} {kind}" for kind, number in counts.items() if number)


def _parts(value: Value | None) -> tuple[Value, ...]:
    return value if isinstance(value, tuple) else ()
