"""`items`: which rows of a feed are new? Identity alone decides, never the order or the highest number."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Unpack

from monitoring.alerts.message.model import Severity
from monitoring.base.clock import from_text, to_text
from monitoring.chains.abi.values import Unknown
from monitoring.chains.services.times import parse_time
from monitoring.checks.expression.values import Absent, Json, Value, key_of
from monitoring.checks.rules.keywords import CommonKeywords, CommonOptions, facts_shown, identity_of, span
from monitoring.checks.rules.readings import REPORT_ALL, SEED, FirstRun, Item, kept_rows, with_broken
from monitoring.checks.rules.steps import either
from monitoring.checks.rules.verb import Asked, Verb
from monitoring.conditions.condition import Condition
from monitoring.conditions.outcome import Entry, Outcome, Reason
from monitoring.conditions.policy import Policy
from monitoring.conditions.transition import apply_verdict, happened, unchanged


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemsPolicy(Policy):
    """A row not listed for longer than `keep` is forgotten; one that is listed never is."""

    first_run: FirstRun = SEED
    keep: timedelta = timedelta(days=90)
    competing: Severity | None = None


@dataclass(frozen=True, slots=True)
class _Seen:
    last_at: datetime
    slot: str | None


def judge(before: Condition, reading: Sequence[Item] | Unknown | Absent, now: datetime, policy: ItemsPolicy) -> Outcome:
    """Report rows whose id was never seen, all in one message.

    1. The first sight seeds, but for what `first_run` asks for, and what an older system had not reported yet.
    2. A new id in a slot already taken by another (a rival transaction at a known nonce) is new, and says so.
    3. A row without an id counts as unknown and holds up no other.
    """
    if isinstance(reading, Unknown | Absent):
        return apply_verdict(before, reading, now, policy)
    kept = kept_rows(before, "seen")
    seen = {key: _read(row) for key, row in (kept or {}).items()}
    reading = sorted(reading, key=repr)  # so that rows sharing an id mean the same in any order
    broken = [item.id for item in reading if isinstance(item.id, Unknown)]
    rows = {key_of(item.id): item for item in reading if not isinstance(item.id, Unknown)}
    fresh = {key: rows[key] for key in sorted(rows.keys() - seen.keys())}
    taken = _slots(seen, rows)
    entries = tuple(
        _entry(item.id, item, taken, policy)
        for item in fresh.values()
        if not isinstance(item.id, Unknown) and (kept is not None or _is_news(item, before, now, policy))
    )
    outcome = _outcome(before, entries, kept is None, now)
    memory: dict[str, Json] = {"seen": _remember(seen, rows, now, policy)}
    return with_broken(outcome.remembering(memory), before, broken, now, policy)


def first_memory(upto: int, at: datetime) -> dict[str, Json]:
    """Return what a condition starts from that goes on after another system: up to where it had reported, and when."""
    return {"old": [upto, to_text(at)]}


def _is_news(item: Item, before: Condition, now: datetime, policy: ItemsPolicy) -> bool:
    """Return whether a row is reported at first sight.

    An older system reported what is not above its highest number, unless that came to its stage after it last wrote.
    """
    match before.memory.get("old"):
        case [int(upto), str(text)]:
            last_at = from_text(text)
        case _:
            return policy.first_run.reports(item.at, now)
    order = item.order if item.order is not None else item.slot
    if isinstance(order, int):
        return order > upto or (item.at is not None and last_at < item.at < now)
    return item.at is None or item.at > last_at or policy.first_run.reports(item.at, now)


def _read(row: list[Json]) -> _Seen:
    last_at, slot = row
    return _Seen(from_text(str(last_at)), None if slot is None else str(slot))


def _slot(item: Item) -> str | None:
    return None if item.slot is None else key_of(item.slot)


def _slots(seen: dict[str, _Seen], rows: dict[str, Item]) -> dict[str, int]:
    """Count the ids of each slot, seen before or listed now."""
    slots = {key: one.slot for key, one in seen.items()} | {key: _slot(item) for key, item in rows.items()}
    counts: dict[str, int] = {}
    for slot in slots.values():
        if slot is not None:
            counts[slot] = counts.get(slot, 0) + 1
    return counts


def _entry(identity: Value, item: Item, taken: dict[str, int], policy: ItemsPolicy) -> Entry:
    severity, slot = either(item.severity, policy.severity), _slot(item)
    if slot is None or taken[slot] == 1:
        return Entry("new", identity, severity, item.facts)
    return Entry("competing", identity, max(severity, either(policy.competing, severity)), item.facts)


def _outcome(before: Condition, entries: tuple[Entry, ...], first: bool, now: datetime) -> Outcome:
    if entries:
        return happened(before, now, max(entry.severity for entry in entries), entries=entries)
    outcome = unchanged(before, now)
    return replace(outcome, reason=Reason.SEEDED) if first else outcome


def _remember(seen: dict[str, _Seen], rows: dict[str, Item], now: datetime, policy: ItemsPolicy) -> dict[str, Json]:
    alive = {key: one for key, one in seen.items() if now - one.last_at <= policy.keep}
    alive |= {key: _Seen(now, _slot(item)) for key, item in rows.items()}
    return {key: [to_text(one.last_at), one.slot] for key, one in sorted(alive.items())}


def python(
    rows: Iterable[Any] | Any,
    *,
    id: Callable[[Any], Any],
    at: Callable[[Any], Any] | None = None,
    when: Callable[[Any], bool] | None = None,
    show: Callable[[Any], Mapping[str, Any]] | None = None,
    first_run: str | timedelta = "skip",
    keep: str | timedelta = "90d",
    **common: Unpack[CommonKeywords],
) -> Asked:
    """Report the rows of a feed whose `id` was never seen, all in one message.

    `first_run`: `skip` learns them, `alert` reports them all, `24h` those whose `at` is younger; `when` leaves rows
    out; `show` names what the message says of each.
    """
    options = CommonOptions.of("items", common, python)
    policy = ItemsPolicy(**options.policy("items", understood=()), first_run=_first(first_run), keep=span(keep))
    if not isinstance(rows, Unknown | Absent):
        kept = [row for row in rows if when is None or when(row)]
        rows = [
            Item(identity_of(row, id), _instant(at(row)) if at else None, facts=facts_shown(row, show)) for row in kept
        ]
    return Asked(rows, policy, options)


def _first(first_run: str | timedelta) -> FirstRun:
    if first_run in ("skip", "alert"):
        return SEED if first_run == "skip" else REPORT_ALL
    return FirstRun(within=span(first_run))


def _instant(value: Any) -> datetime | None:
    return value if isinstance(value, datetime) else parse_time(value)


VERB = Verb(name="items", judge=judge, python=python)
