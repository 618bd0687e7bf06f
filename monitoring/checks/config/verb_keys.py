"""What each verb key of a check (`require`, `watch`, `change_of` …) reads beside it, and the policy it becomes.

The table at the end is all that a monitor file can ask. Levels that could never be told are mistakes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

from monitoring.alerts.message.model import Severity
from monitoring.base.yaml.marks import Scalar
from monitoring.chains.abi.addresses import is_address
from monitoring.checks.config.check import Builder, CheckBuilder, ParsedCheck, with_base
from monitoring.checks.config.limit_keys import require, watch
from monitoring.checks.config.yaml_node import Spot
from monitoring.checks.expression.tree import ANYTHING, BOOLEAN, NUMBER
from monitoring.checks.expression.values import Value
from monitoring.checks.rules.age import AgeLevel, AgePolicy, DeadlinePolicy, DeadlineStep
from monitoring.checks.rules.delta import DeltaPolicy, Move, MoveLevel
from monitoring.checks.rules.diverge import Direction, DivergePolicy
from monitoring.checks.rules.limit import Level
from monitoring.checks.rules.members import MembersPolicy
from monitoring.checks.rules.never_falls import NeverFallsPolicy, Rebase
from monitoring.checks.rules.steps import either
from monitoring.conditions.policy import Policy

P = TypeVar("P", bound=Policy)
B = TypeVar("B")
BASELINE_MAX_AGE = timedelta(hours=36)  # where none is written: a daily check may miss one run
LASTING = ("for", "remind")
MOVES = tuple(move.value for move in Move)


def _change_of(draft: CheckBuilder) -> ParsedCheck | None:
    expression, price = draft.expression("change_of", NUMBER), draft.expression("priced_at", NUMBER)
    levels = _move_levels(draft)
    spot = draft.spot
    max_age, window, least = spot.get("baseline_max_age"), spot.get("window"), spot.get("min_abs")
    policy = draft.policy(levels[-1].severity if levels else Severity.LOW, lasting=False)
    found = with_base(
        DeltaPolicy,
        policy,
        levels=tuple(levels),
        baseline_max_age=max_age.duration() if max_age else BASELINE_MAX_AGE,
        window=window.duration() if window else None,
        min_abs=(least.positive() if least else None) or 0,
    )
    if expression is None or not levels or (spot.get("priced_at") and price is None):
        return None
    trees = (expression.tree, price.tree) if price else (expression.tree,)
    return ParsedCheck("delta", trees, found, expression.text)


def _move_levels(draft: CheckBuilder) -> list[MoveLevel]:
    levels = draft.spot.get("levels")
    if levels is None:
        level = _move_level(draft.spot, draft.severity())
        return [level] if level else []
    draft.in_levels(*MOVES, "severity")
    found: list[MoveLevel] = []
    for item in levels.items("a list of levels"):
        item.only((*MOVES, "severity"))
        severity = item.need("severity", "low, medium, high or critical")
        level = _move_level(item, either(severity.severity() if severity else None, Severity.LOW))
        if level and any(_covers(milder, level) for milder in found):
            item.wrong("this level can never be told: a smaller move is already as severe")
        found += [level] if level else []
    return found


def _covers(milder: MoveLevel, level: MoveLevel) -> bool:
    same = milder.step.relative is level.step.relative and milder.move in (level.move, Move.CHANGE)
    return same and milder.step.size <= level.step.size and milder.severity >= level.severity


def _move_level(spot: Spot, severity: Severity) -> MoveLevel | None:
    moves = [move for move in Move if spot.get(move.value)]
    if len(moves) != 1:
        spot.wrong(f"one of {', '.join(MOVES)} says which move is too large")
        return None
    size = spot.get(moves[0].value)
    step = size.step() if size else None
    if size and step and moves[0] is Move.DROP and step.relative and step.size >= 1:
        size.wrong("nothing can drop by more than 100%")
    return MoveLevel(moves[0], step, severity) if step else None


def _never_falls(draft: CheckBuilder) -> ParsedCheck | None:
    expression, policy = draft.expression("never_falls", NUMBER), draft.policy(draft.severity())
    tolerance, rebase, worse = (draft.spot.get(key) for key in ("tolerance", "rebase", "worse_by"))
    word = rebase.word(one.value for one in Rebase) if rebase else None
    step = tolerance.step() if tolerance else None
    more: dict[str, object] = {"tolerance": step} if step else {}
    if worse and word != Rebase.HOLD:
        worse.wrong("worse_by needs rebase: hold, without it each further fall is told")
    found = with_base(NeverFallsPolicy, policy, rebase=Rebase(word) if word else Rebase.AFTER_ALERT, **more)
    found = replace(found, worse_by=worse.positive(like=False)) if worse else found
    return ParsedCheck("never_falls", (expression.tree,), found, expression.text) if expression else None


def _changed(draft: CheckBuilder) -> ParsedCheck | None:
    expression, policy = draft.expression("changed"), draft.policy(draft.severity(), lasting=False)
    return ParsedCheck("changed", (expression.tree,), policy, expression.text) if expression else None


def _flag(draft: CheckBuilder) -> ParsedCheck | None:
    expression, policy = draft.expression("flag", BOOLEAN), draft.policy(draft.severity())
    return ParsedCheck("flag", (expression.tree,), policy, expression.text) if expression else None


def _diverge(draft: CheckBuilder) -> ParsedCheck | None:
    spot, largest = draft.spot.get("diverge"), draft.spot.get("max")
    sides = spot.items("a list of two expressions") if spot else []
    if spot and sides and len(sides) != 2:  # noqa: PLR2004 - a and b
        spot.wrong(f"two expressions are compared, not {len(sides)}")
        return None
    found = [draft.formula(side, NUMBER) for side in sides]
    severity, direction = draft.severity(), draft.spot.get("direction")
    bound = largest.share() if largest else None
    if largest is None:
        draft.spot.wrong("max is missing: the share of the second by which they may differ, as in 0.5%")
    word = direction.word(one.value for one in Direction) if direction else None
    if len(found) != 2 or found[0] is None or found[1] is None or bound is None:  # noqa: PLR2004 - as above
        return None
    policy = with_base(
        DivergePolicy,
        draft.policy(severity),
        levels=(Level(bound, severity),),
        direction=Direction(word) if word else Direction.BOTH,
    )
    return ParsedCheck("diverge", (found[0].tree, found[1].tree), policy, f"{found[0].text} ~ {found[1].text}")


def _age(draft: CheckBuilder) -> ParsedCheck | None:
    expression = draft.expression("age", NUMBER)
    single, levels = draft.spot.get("max"), draft.spot.get("levels")
    if (single is None) is (levels is None):
        draft.spot.wrong("max or levels says how old is too old, as in max: 25h")
        return None
    found: list[AgeLevel] = []
    if levels:
        draft.in_levels("severity")
    if single:
        oldest, severity = single.duration(), draft.severity()
        found = [AgeLevel(oldest, severity)] if oldest else []
    for item in levels.items("a list of levels") if levels else []:
        item.only(("max", "severity"))
        limit, word = item.need("max", "a duration"), item.need("severity", "low, medium, high or critical")
        oldest, told = limit.duration() if limit else None, word.severity() if word else None
        if oldest and told is not None:
            if found and (oldest <= found[-1].max_age or told <= found[-1].severity):
                item.wrong("levels go from young to old and from mild to severe, or they are never told")
            else:
                found.append(AgeLevel(oldest, told))
    if expression is None or not found:
        return None
    policy = with_base(AgePolicy, draft.policy(found[-1].severity), levels=tuple(found))
    return ParsedCheck("age", (expression.tree,), policy, expression.text)


def _deadline(draft: CheckBuilder) -> ParsedCheck | None:
    expression, steps = draft.expression("deadline", NUMBER), draft.spot.get("steps")
    severity = draft.severity()
    found: list[DeadlineStep] = []
    for item in steps.items("a list of durations, as in [30d, 7d, 1d]") if steps else []:
        left = item.duration()
        if left and found and left >= found[-1].left:
            item.wrong("steps go from far to near, or they are never told")
        elif left:
            found.append(DeadlineStep(left, severity))
    found.append(DeadlineStep(timedelta(0), severity))
    if expression is None:
        return None
    policy = with_base(DeadlinePolicy, draft.policy(severity), steps=tuple(found))
    return ParsedCheck("deadline", (expression.tree,), policy, expression.text)


def _members(draft: CheckBuilder) -> ParsedCheck | None:
    expression, severity = draft.expression("members"), draft.severity()
    spot, wanted = draft.spot.get("members"), draft.spot.get("expected")
    if spot and expression and expression.kind.name != "a list" and expression.kind is not ANYTHING:
        spot.wrong(f"a list is needed here, this is {expression.kind}")
        return None
    expected = [_member(item) for item in wanted.items("a list of members")] if wanted else []
    for key in LASTING:
        lasting = draft.spot.get(key)
        if lasting and wanted is None:
            lasting.wrong(f"{key} needs expected: a change of the set does not last")
    added, removed = draft.spot.get("added"), draft.spot.get("removed")
    policy = with_base(
        MembersPolicy,
        draft.policy(severity, lasting=wanted is not None),
        added=either(added.severity() if added else None, severity),
        removed=either(removed.severity() if removed else None, severity),
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


KEYS: Mapping[str, tuple[Builder, tuple[str, ...]]] = {
    "require": (require, (*LASTING, "worse_by", "clear_below", "clear_above")),
    "watch": (watch, (*LASTING, "levels", "worse_by", "clear_below", "clear_above")),
    "never_falls": (_never_falls, (*LASTING, "tolerance", "rebase", "worse_by")),
    "change_of": (_change_of, (*MOVES, "levels", "min_abs", "baseline_max_age", "window", "priced_at")),
    "changed": (_changed, ()),
    "flag": (_flag, LASTING),
    "diverge": (_diverge, (*LASTING, "max", "direction")),
    "age": (_age, (*LASTING, "max", "levels")),
    "deadline": (_deadline, ("remind", "steps")),
    "members": (_members, (*LASTING, "expected", "added", "removed")),
}
