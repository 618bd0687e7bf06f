"""`members`: who joined or left a set; or, with `expected`, who is in it that should not be, or missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Unpack

from monitoring.alerts.message.model import Severity
from monitoring.base.errors import UsageError
from monitoring.base.yaml.keys import entry
from monitoring.base.yaml.marks import Scalar
from monitoring.chains.abi.addresses import is_address
from monitoring.chains.abi.values import Unknown
from monitoring.checks.expression.values import Absent, Json, Reading, Value, describe, key_of, value_of_key
from monitoring.checks.rules.keys import FORMULA, LASTING, SEVERITY, TEXT, Listed
from monitoring.checks.rules.keywords import CommonKeywords, CommonOptions
from monitoring.checks.rules.keywords import reading as exact
from monitoring.checks.rules.steps import either
from monitoring.checks.rules.verb import Asked, ParsedCheck, Verb, YamlForm, with_base
from monitoring.checks.rules.words import Facts, Subject, VerbWords
from monitoring.conditions.condition import Condition, State
from monitoring.conditions.outcome import Entry, Outcome, Reason
from monitoring.conditions.policy import Policy
from monitoring.conditions.transition import Breach, Ok, apply_verdict, entries_changed, happened, no_data, unchanged

if TYPE_CHECKING:
    from monitoring.checks.config.check import CheckBuilder
    from monitoring.checks.config.yaml_node import Spot


@dataclass(frozen=True, slots=True, kw_only=True)
class MembersPolicy(Policy):
    """`expected`: the set as it should be; without it each change of the set is reported once."""

    added: Severity = Severity.MEDIUM
    removed: Severity = Severity.MEDIUM
    expected: frozenset[Value] | None = None


def judge(before: Condition, reading: Reading, now: datetime, policy: MembersPolicy) -> Outcome:
    """Compare sets: neither order nor repetition matters. The first set seen is only remembered."""
    if isinstance(reading, Unknown | Absent):
        return apply_verdict(before, reading, now, policy)
    if not isinstance(reading, tuple):
        return no_data(before, Unknown(f"a list was needed, not {describe(reading)}"), now, policy)
    current = {key_of(member) for member in reading}
    if policy.expected is not None:
        return _against_expected(before, current, now, policy, policy.expected)
    known = before.memory.get("members")
    memory: dict[str, Json] = {"members": list[Json](sorted(current))}
    if not isinstance(known, list):
        return unchanged(before, now, Reason.SEEDED).remembering(memory)
    entries = _entries(current, {str(key) for key in known}, policy)
    if not entries:
        return unchanged(before, now)
    return happened(before, now, _worst(entries), entries=entries).remembering(memory)


def _against_expected(
    before: Condition, current: set[str], now: datetime, policy: MembersPolicy, expected: Iterable[Value]
) -> Outcome:
    """Keep the condition as long as the sets differ; a further difference makes it worse."""
    entries = _entries(current, {key_of(member) for member in expected}, policy)
    odd = {f"{entry.kind} {key_of(entry.id)}" for entry in entries}
    kept = before.memory.get("odd", [])
    reported = {str(key) for key in kept} if isinstance(kept, list) else set()
    verdict = Breach((_worst(entries),)) if entries else Ok()
    outcome = apply_verdict(before, verdict, now, policy)
    if outcome.transition is not None:
        outcome = replace(outcome, transition=replace(outcome.transition, entries=entries))
        return outcome.remembering({"odd": list[Json](sorted(odd))})
    if outcome.condition.state is not State.FIRING or odd <= reported:
        return outcome.remembering({"odd": list[Json](sorted(odd & reported))})
    fresh = tuple(entry for entry in entries if f"{entry.kind} {key_of(entry.id)}" not in reported)
    return entries_changed(outcome, fresh, now).remembering({"odd": list[Json](sorted(odd))})


def _entries(current: set[str], usual: set[str], policy: MembersPolicy) -> tuple[Entry, ...]:
    added = [Entry("added", value_of_key(key), policy.added) for key in sorted(current - usual)]
    removed = [Entry("removed", value_of_key(key), policy.removed) for key in sorted(usual - current)]
    return (*added, *removed)


def _worst(entries: tuple[Entry, ...]) -> Severity:
    return max(entry.severity for entry in entries)


def _breached(subject: Subject, facts: Facts) -> str:  # noqa: ARG001 - its entries say it
    return ""


def _good(subject: Subject, facts: Facts) -> str:  # noqa: ARG001 - as every verb
    return " is as expected again"


WORDS = VerbWords(_breached, _good)


MEMBERS = entry("members", FORMULA, "Reports who joins or leaves this list.", example="members: safe.getOwners()")
EXPECTED = entry(
    "expected",
    Listed(TEXT),
    "Who should be in it; it fires while that is not so.",
    default="",
    without="who was in it before",
    example='expected: ["0x4507B5B23340D248457d955a211C8B0634D29935"]',
)
ADDED = entry("added", SEVERITY, "How bad one more is.", default="", without="the check's", example="added: high")
REMOVED = entry("removed", SEVERITY, "How bad one less is.", default="", without="the check's", example="removed: low")


def _members(draft: CheckBuilder) -> ParsedCheck | None:
    expression, severity = draft.any_list("members"), draft.severity()
    wanted = draft.spot.get("expected")
    expected = [_member(item) for item in wanted.items("a list of members")] if wanted else []
    for key in LASTING:
        lasting = draft.spot.get(key.name)
        if lasting and wanted is None:
            lasting.wrong(f"{key.name} needs expected: a change of the set does not last")
    added, removed = draft.spot.value(ADDED), draft.spot.value(REMOVED)
    policy = with_base(
        MembersPolicy,
        draft.policy(severity, lasting=wanted is not None),
        added=either(added, severity),
        removed=either(removed, severity),
        expected=frozenset(one for one in expected if one is not None) if wanted else None,
    )
    return ParsedCheck("members", (expression.tree,), policy, expression.text) if expression else None


def _member(spot: Spot) -> Value | None:
    text = spot.text("a member")
    if text and text.startswith("0x"):
        return spot.address() if is_address(text) else text.lower()
    if text and isinstance(spot.node, Scalar) and not spot.node.quoted and text[0].isdigit():
        return spot.number()
    return text


def python(
    current: Iterable[Any] | Any,
    *,
    expected: Iterable[Any] | None = None,
    added: Severity | str | None = None,
    removed: Severity | str | None = None,
    **common: Unpack[CommonKeywords],
) -> Asked:
    """Report who joined or left a set; with `expected` fire while it is another one."""
    options = CommonOptions.of("members", common, python)
    shared = options.policy("members", understood=() if expected is None else None)
    policy = MembersPolicy(
        **shared,
        added=shared["severity"] if added is None else Severity.parse(added),
        removed=shared["severity"] if removed is None else Severity.parse(removed),
        expected=None if expected is None else frozenset(_expected(expected)),
    )
    return Asked(exact(current), policy, options)


def _expected(expected: Iterable[Any]) -> Sequence[Value]:
    found = exact(list(expected))
    if not isinstance(found, tuple):
        raise UsageError(
            "m.members(…, expected=…): " + (found.reason if isinstance(found, Unknown) else "a list is needed")
        )
    return found


VERB = Verb(
    name="members",
    words=WORDS,
    judge=judge,
    yaml=(YamlForm(MEMBERS, _members, (EXPECTED, ADDED, REMOVED, *LASTING)),),
    python=python,
    facts=(),
)
