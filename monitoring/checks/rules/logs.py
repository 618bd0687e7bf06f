"""`logs`: which chain events are new? A cursor that only moves forward, ids within a margin, reorganisations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Unpack

from monitoring.alerts.message.model import Severity
from monitoring.alerts.message.text import bold, line, tx
from monitoring.base.clock import from_text, to_text
from monitoring.base.errors import UsageError
from monitoring.base.formatting import format_instant
from monitoring.base.plural import counted
from monitoring.chains.abi.values import Unknown
from monitoring.chains.networks import networks
from monitoring.checks.events.form import EVENT, EVENT_KEYS, read_event
from monitoring.checks.expression.values import Absent, Json, Value
from monitoring.checks.rules.keywords import CommonKeywords, CommonOptions
from monitoring.checks.rules.readings import REPORT_ALL, SEED, FirstRun, LogBatch, LogEvent, kept_rows, with_broken
from monitoring.checks.rules.steps import either
from monitoring.checks.rules.verb import Asked, ParsedCheck, Verb, YamlForm, with_base
from monitoring.checks.rules.words import Subject, VerbWords
from monitoring.conditions.condition import Condition
from monitoring.conditions.outcome import Entry, Outcome, Reason
from monitoring.conditions.policy import Policy
from monitoring.conditions.transition import apply_verdict, happened, no_data, unchanged

if TYPE_CHECKING:
    from monitoring.checks.config.check import CheckBuilder
    from monitoring.checks.engine.formula_checks import FormulaPart
    from monitoring.checks.engine.plan import Answerer, ReadContext
    from monitoring.checks.events.decoded import DecodedLog, Judgement, LogsRead
    from monitoring.checks.expression.evaluate import NotYet

_ROWS = 20
_MARGIN_BLOCKS, _MARGIN_S = 64, 300  # Ethereum finalises after two epochs of 32 slots; fast chains get five minutes


@dataclass(frozen=True, slots=True, kw_only=True)
class LogsPolicy(Policy):
    """`margin` blocks before the cursor are read again each time; if a reported event is gone, that is reported.

    Left out, it is what suits the chain.
    """

    margin: int | None = None
    first_run: FirstRun = SEED


@dataclass(frozen=True, slots=True)
class _SeenLog:
    block: int
    tx: str
    reported: bool
    severity: Severity


def read_from(condition: Condition, policy: LogsPolicy) -> int | None:
    """Return the first block the next batch must hold, None at first sight."""
    cursor = cursor_of(condition)
    return None if cursor is None else max(0, cursor - _margin(condition, policy))


def margin_blocks(chain: int) -> int:
    """Return how many blocks before a cursor are read again each time, by what suits the chain."""
    known = networks().get(chain)
    return max(_MARGIN_BLOCKS, known.blocks_in(_MARGIN_S) if known else 0)


def _margin(condition: Condition, policy: LogsPolicy) -> int:
    return margin_blocks(condition.key.chain) if policy.margin is None else policy.margin


def judge(before: Condition, reading: LogBatch | Unknown | Absent, now: datetime, policy: LogsPolicy) -> Outcome:
    """Report events never seen, and reported events that a reorganisation removed.

    1. A batch that leaves a gap behind the cursor, or ends before it, is unknown: the cursor stays. A gap that is known
       to be one for good is passed.
    2. An event that moved to another block with its transaction is not new.
    3. Events further back than the margin were judged before and are left alone.
    4. An event that is missing from a block that is still there was left out by the provider, and is no reorganisation.
    5. Where the batch ends before the chain does, that counts as unknown as well.
    """
    if isinstance(reading, Absent):
        return apply_verdict(before, reading, now, policy)
    cursor = cursor_of(before)
    batch = reading if isinstance(reading, Unknown) else _whole(reading, cursor)
    if isinstance(batch, Unknown):
        return no_data(before, batch, now, policy)
    margin = _margin(before, policy)
    seen = {key: _read(row) for key, row in (kept_rows(before, "seen") or {}).items()}
    floor = batch.from_block if cursor is None else max(batch.from_block, cursor - margin)
    present = {event.id: event for event in batch.events if floor <= event.block <= batch.to_block}
    lost = {
        key: one
        for key, one in seen.items()
        if floor <= one.block <= batch.to_block and key not in present and _block_of(key) not in batch.standing
    }
    fresh, gone, moved = _unmoved({key: present[key] for key in present.keys() - seen.keys()}, lost)
    reported = {
        key
        for key, event in fresh.items()
        if event.wanted and (cursor is not None or _is_news(event, before, now, policy))
    }
    entries = _entries({key: fresh[key] for key in reported}, gone, policy)
    outcome = unchanged(before, now)
    if entries:
        facts: dict[str, Value] = {"value": len(reported)}
        outcome = happened(before, now, max(each.severity for each in entries), facts, entries=entries)
    if cursor is None and not entries:
        outcome = replace(outcome, reason=Reason.SEEDED)
    kept = {key: one for key, one in seen.items() if key not in lost} | moved
    kept |= {
        key: _SeenLog(e.block, e.tx, key in reported, either(e.severity, policy.severity)) for key, e in fresh.items()
    }
    broken = [batch.problem] if batch.problem is not None else []
    return with_broken(outcome.remembering(_write(kept, batch.to_block + 1, margin)), before, broken, now, policy)


def first_memory(until: datetime, lookback: timedelta) -> dict[str, Json]:
    """Return what a condition starts from that goes on after another system: until when, and how far back to read."""
    return {"old": [to_text(until), int(lookback.total_seconds())]}


def first_lookback(condition: Condition) -> timedelta:
    """Return how far back the first reading must go for what nobody has reported yet; zero where nothing is known."""
    match condition.memory.get("old"):
        case [str(), int(seconds)]:
            return timedelta(seconds=seconds)
    return timedelta(0)


def _is_news(event: LogEvent, before: Condition, now: datetime, policy: LogsPolicy) -> bool:
    """Return whether an event is reported at first sight: what another system has reported is not."""
    match before.memory.get("old"):
        case [str(until), int()] if event.at is not None and event.at <= from_text(until):
            return False
    return policy.first_run.reports(event.at, now)


def cursor_of(condition: Condition) -> int | None:
    """Return the first block that was never judged, None at first sight."""
    kept = condition.memory.get("next")
    return None if kept is None else int(str(kept))


def seen_logs(condition: Condition) -> frozenset[str]:
    """Return the ids of the events that are remembered: those of the blocks that are read again."""
    return frozenset(kept_rows(condition, "seen") or {})


def seen_blocks(condition: Condition) -> frozenset[tuple[int, str]]:
    """Return number and hash of the blocks of the events that are remembered."""
    return frozenset((_read(row).block, _block_of(key)) for key, row in (kept_rows(condition, "seen") or {}).items())


def _block_of(event_id: str) -> str:
    """Return the hash that an event's id begins with."""
    return event_id.partition("/")[0]


def _whole(batch: LogBatch, cursor: int | None) -> LogBatch | Unknown:
    if cursor is None:
        return batch
    if batch.from_block > cursor and not batch.gap:
        return Unknown(f"blocks {cursor} to {batch.from_block - 1} were not read")
    if batch.to_block + 1 < cursor:
        return Unknown(f"the head {batch.to_block} lies behind block {cursor - 1}, which was judged already")
    return batch


def _read(row: list[Json]) -> _SeenLog:
    block, tx, reported, severity = row
    return _SeenLog(int(str(block)), str(tx), bool(reported), Severity[str(severity)])


def _write(seen: dict[str, _SeenLog], cursor: int, margin: int) -> dict[str, Json]:
    rows: dict[str, Json] = {
        key: [one.block, one.tx, one.reported, one.severity.name]
        for key, one in sorted(seen.items())
        if one.block >= cursor - margin
    }
    return {"next": cursor, "seen": rows}


def _unmoved(
    fresh: dict[str, LogEvent], lost: dict[str, _SeenLog]
) -> tuple[dict[str, LogEvent], dict[str, _SeenLog], dict[str, _SeenLog]]:
    """Pair lost events with fresh ones of the same transaction: those were mined again, and are neither."""
    rest, gone, moved = dict(fresh), {}, {}
    for key, one in sorted(lost.items()):
        again = min((event for event in rest.values() if event.tx == one.tx), key=lambda e: e.index, default=None)
        if again is None:
            gone[key] = one
        else:
            moved[again.id] = replace(one, block=again.block)
            del rest[again.id]
    return rest, gone, moved


def _entries(reported: dict[str, LogEvent], gone: dict[str, _SeenLog], policy: LogsPolicy) -> tuple[Entry, ...]:
    events = sorted(reported.values(), key=lambda event: (event.block, event.index, event.id))
    entries = [Entry("new", event.id, either(event.severity, policy.severity), event.facts) for event in events]
    entries += [
        Entry("reorganised away", key, one.severity, {"tx": one.tx, "block": one.block})
        for key, one in sorted(gone.items(), key=lambda pair: (pair[1].block, pair[0]))
        if one.reported
    ]
    return tuple(entries)


def _in_words(subject: Subject, entries: Sequence[Entry]) -> tuple[str, Sequence[object]]:
    """Return what a title says of events, and a line for each, the worst first where not all have room."""
    gone = [entry for entry in entries if entry.kind != "new"]
    title = [counted(len(entries) - len(gone), "event")] if len(entries) > len(gone) else []
    title += [f"{counted(len(gone), 'reported event')} removed by a reorganisation"] if gone else []
    shown = entries if len(entries) <= _ROWS else sorted(entries, key=lambda entry: -entry.severity)[:_ROWS]
    mixed = len({entry.severity for entry in entries}) > 1
    lines = [_line(subject, entry, is_named=mixed) for entry in shown]
    more = len(entries) - len(shown)
    return ": " + ", ".join(title), [*lines, *([f"… and {more} more"] if more else [])]


def _line(subject: Subject, entry: Entry, *, is_named: bool) -> object:
    facts, mined_at = entry.facts, entry.facts.get("mined at")
    when = (" · ", format_instant(datetime.fromtimestamp(mined_at, UTC))) if isinstance(mined_at, int) else ()
    text = str(facts.get("text", "")) if entry.kind == "new" else f"No longer on the chain: block {facts['block']!s}"
    name = (bold(entry.severity.name), " ") if is_named else ()
    return line(*name, text, " · ", tx(facts["tx"], chain=networks().get(subject.chain)), *when)


def python(
    read: LogsRead,
    *,
    when: Callable[[DecodedLog], Any] | None = None,
    show: Callable[[DecodedLog], str] | None = None,
    severity_of: Callable[[DecodedLog], Severity | str | None] | None = None,
    **common: Unpack[CommonKeywords],
) -> Asked:
    """Report the new logs that `m.chain(…).logs(key, …)` read, all in one message.

    `when` leaves logs out, `show` writes the line of one, `severity_of` its severity where it is not that of the check.
    Where one of them meets something unknown, the logs from there on are judged in a later run.
    """
    from monitoring.checks.events.decoded import LogsRead  # noqa: PLC0415 - it needs the policy of this module

    options = CommonOptions.of("logs", common, python)
    if not isinstance(read, LogsRead):
        raise UsageError("m.logs(key, …): give it what m.chain(…).logs(key, contracts, events) read")

    def judge(log: DecodedLog) -> Judgement:
        if when is not None and not when(log):
            return False, None, ""
        severity = severity_of(log) if severity_of is not None else None
        return True, None if severity is None else Severity.parse(severity), str(log if show is None else show(log))

    policy = LogsPolicy(**options.policy("logs", understood=()), first_run=read.first_run)
    return Asked(read.batch(judge), policy, replace(options, chain=read.chain), key=read.key)


def _read_events(part: FormulaPart, desk: ReadContext) -> LogBatch | Unknown | NotYet:
    from monitoring.checks.events.formula import read_events  # noqa: PLC0415 - it needs the policy of this module

    return read_events(part, desk)


def _answers() -> Mapping[type, Answerer]:
    from monitoring.checks.builtin.shared.contract_logs import LogsSince, answer_logs  # noqa: PLC0415 - it knows chains

    return {LogsSince: answer_logs}


def _event(draft: CheckBuilder) -> ParsedCheck | None:
    found, severity = read_event(draft), draft.severity()
    if found is None:
        return None
    first_run = SEED if found.lookback is None else REPORT_ALL
    policy = with_base(LogsPolicy, draft.policy(severity, lasting=False), first_run=first_run)
    return ParsedCheck("logs", found.trees, policy, found.formula, asks=found)


WORDS = VerbWords(lambda _, __: "", lambda _, __: " has no new events", entries=_in_words)
VERB = Verb(
    name="logs", judge=judge, yaml=(YamlForm(EVENT, _event, EVENT_KEYS),), python=python, words=WORDS,
    reads=_read_events, answers=_answers,
)  # fmt: skip
