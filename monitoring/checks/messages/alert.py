"""A transition as an alert: the part's own words, then where it was read, since when, and how to silence it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from monitoring.alerts.message.facts import METADATA, Fact, FactSheet, sheet_of
from monitoring.alerts.message.lines import closed, was_line
from monitoring.alerts.message.model import Alert, Severity
from monitoring.alerts.message.text import addr, line, since
from monitoring.alerts.recording.store_alert import AlertKind
from monitoring.chains.abi.addresses import checksum
from monitoring.chains.networks import networks
from monitoring.checks.engine.evaluation import EvaluatedCheck
from monitoring.checks.engine.evidence import NO_EVIDENCE, Evidence
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.messages.entry_facts import entry_facts, is_undecided, state_of
from monitoring.checks.messages.plain import AlertText, plain_message
from monitoring.checks.rules.words import INPUTS
from monitoring.conditions.condition import Condition
from monitoring.conditions.outcome import Transition, TransitionKind

KINDS: Mapping[TransitionKind, AlertKind] = {
    TransitionKind.WORSENED: AlertKind.WORSENED,
    TransitionKind.REMINDER: AlertKind.REMINDER,
    TransitionKind.EASED: AlertKind.RECOVERY,
    TransitionKind.RECOVERED: AlertKind.RECOVERY,
}
_QUIET = (TransitionKind.EASED, TransitionKind.RECOVERED)
_MOST_CONTRACTS = 3
_MOST_PRICES = 2
_MOST_INPUTS = 4  # what a phone shows of a line, and more explains less


@dataclass(frozen=True, slots=True)
class ReadingOrigin:
    """Where a reading came from: `words` name chain and block, `metadata` says the same and more for machines."""

    words: str = ""
    metadata: Mapping[str, object] = field(default_factory=dict)
    evidence: Evidence = NO_EVIDENCE


@dataclass(frozen=True, slots=True)
class ComposedAlert:
    """An alert to be stored, and its kind in the life of a problem. `crash` is a bug in the part's own words."""

    alert: Alert
    kind: AlertKind
    metadata: Mapping[str, object]
    at: datetime
    crash: Exception | None = None


def compose_alert(
    seen: EvaluatedCheck,
    before: Condition,
    at: EvaluationPoint,
    origin: ReadingOrigin,
    now: datetime,
    redact: Callable[[str], str],
) -> ComposedAlert | None:
    """Put a transition into an alert; nothing where there is none. May ask the world for names."""
    transition = seen.outcome.transition
    if transition is None:
        return None
    # A simulation evaluates our own checks, whose alerts are written while this one is.
    outer = at.noted[:]
    at.noted.clear()
    message, crash = _message(seen, transition, at, origin.evidence)
    noted, at.noted[:] = at.noted[:], outer
    quiet, route, part = transition.kind in _QUIET, seen.part.route, seen.part
    key = seen.key.text
    alert = Alert(
        Severity.LOW if quiet else transition.severity,
        message.title,
        *message.blocks,
        protocol=route.protocol,
        channel=route.channel,
        key=key,
        source=getattr(part, "source", "protocol"),
        monitor=getattr(part, "reporter", route.speaker or seen.key.monitor),
        is_good=transition.kind is TransitionKind.RECOVERED,
        guidance=route.guidance,
        machine=route.machine,
        threads=(*message.threads, *(entry.thread for entry in transition.entries if entry.thread)),
    )
    alert = _ended(alert, transition, before, origin, now).redacted(redact)
    kind = AlertKind.CRASH if alert.source == "crash" and not quiet else KINDS.get(transition.kind, AlertKind.ALERT)
    metadata, sheet = _metadata(seen, transition, origin), None if crash else _sheet(noted, transition, origin, redact)
    return ComposedAlert(alert, kind, metadata | ({METADATA: sheet.to_data()} if sheet else {}), now, crash)


def _message(
    seen: EvaluatedCheck, transition: Transition, at: EvaluationPoint, evidence: Evidence
) -> tuple[AlertText, Exception | None]:
    facts = transition.facts
    if evidence.inputs and facts:
        facts = {**facts, INPUTS: evidence.inputs[:_MOST_INPUTS]}
    try:
        return seen.part.compose(replace(transition, facts=facts), at), None
    except Exception as error:  # noqa: BLE001 - the border of a check: an alert must not be lost over its words
        return plain_message(seen.part.about, transition), error


def _sheet(
    noted: Sequence[Fact], transition: Transition, origin: ReadingOrigin, redact: Callable[[str], str]
) -> FactSheet | None:
    """Return the facts that were noted while the words were made; of one transaction also what was read of it itself.

    Only what may still be decided is `about` something: nobody acts on what was executed or cancelled.
    """
    if not noted:
        return None
    chain, block = (origin.metadata.get(name) for name in ("chain_id", "block"))
    numbers = (chain if isinstance(chain, int) else 0, block if isinstance(block, int) else 0)
    one = transition.entries[0] if len(transition.entries) == 1 else None
    is_open = one is not None and transition.kind is TransitionKind.FIRED and is_undecided(one)
    if one is None or not is_open:
        return sheet_of(_redacted(noted, redact), "", *numbers, {})
    return sheet_of(_redacted([*entry_facts(one, numbers[0]), *noted], redact), str(one.id), *numbers, state_of(one))


def _redacted(facts: Sequence[Fact], redact: Callable[[str], str]) -> list[Fact]:
    return [replace(one, says=redact(one.says)) for one in facts]


def _ended(alert: Alert, transition: Transition, before: Condition, origin: ReadingOrigin, now: datetime) -> Alert:
    """Add what follows a check's own words: where it was read, since when it is so or how long it was, what to do."""
    where = _where(origin)
    if transition.kind is TransitionKind.RECOVERED:
        was = was_line(before.worst.name, transition.since, now)
        return alert.with_blocks(was, *([line(*where)] if where else []))
    if transition.kind is TransitionKind.EASED:
        return alert.with_blocks(line(*where, " · since " if where else "Since ", since(transition.since)))
    return closed(alert, transition.since, now, is_first=transition.kind is TransitionKind.FIRED, where=where)


def _where(origin: ReadingOrigin) -> list[object]:
    """Name the contracts that were asked, linked, and the chain with its block."""
    parts: list[object] = ["; ".join(origin.evidence.prices[:_MOST_PRICES])] if origin.evidence.prices else []
    contracts = origin.evidence.contracts
    for number, one in enumerate(contracts[:_MOST_CONTRACTS]):
        known = networks().get(one.chain)
        before = ", " if number else " · Contract " if parts else "Contract "
        parts += [before, addr(checksum(one.address), one.name or None, known)]
    if len(contracts) > _MOST_CONTRACTS:
        parts.append(f" and {len(contracts) - _MOST_CONTRACTS} more")
    if origin.words:
        parts += [" · " if parts else "", origin.words]
    return parts


def _metadata(seen: EvaluatedCheck, transition: Transition, origin: ReadingOrigin) -> dict[str, object]:
    key = seen.key
    about = {"monitor": key.monitor, "check": key.check, "chain": key.chain or None, "subject": key.subject or None}
    known = {name: value for name, value in about.items() if value is not None}
    return {**known, "transition": transition.kind.value, "reason": transition.reason.value, **origin.metadata}
