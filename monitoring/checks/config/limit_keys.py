"""`require` and `watch`: comparisons become limits, and levels that could never be reported are mistakes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from monitoring.alerts.message.model import Severity
from monitoring.base.yaml.marks import Scalar
from monitoring.checks.config.check import CheckBuilder, negated
from monitoring.checks.config.yaml_node import Spot
from monitoring.checks.expression.evaluate import evaluate
from monitoring.checks.expression.tree import (
    BOOLEAN,
    NUMBER,
    Expression,
    Literal,
    Operation,
    Operator,
    Tree,
    is_constant,
)
from monitoring.checks.expression.values import Number, Value, is_number
from monitoring.checks.rules.keys import LEVEL_SEVERITY
from monitoring.checks.rules.limit import LEVEL, LEVELS, Level, LimitPolicy, Side
from monitoring.checks.rules.verb import ParsedCheck, with_base
from monitoring.conditions.policy import Policy

_SIDES = {
    Operator.AT_LEAST: (Side.BELOW, False),
    Operator.MORE: (Side.BELOW, True),
    Operator.AT_MOST: (Side.ABOVE, False),
    Operator.LESS: (Side.ABOVE, True),
}
_FLIPPED = {
    Operator.AT_LEAST: Operator.AT_MOST,
    Operator.MORE: Operator.LESS,
    Operator.AT_MOST: Operator.AT_LEAST,
    Operator.LESS: Operator.MORE,
}


@dataclass(frozen=True, slots=True)
class _Threshold:
    """A level as written: where, its bound, and whether that is a percentage."""

    spot: Spot
    bound: Number
    percent: bool
    severity: Severity


def require(draft: CheckBuilder) -> ParsedCheck | None:
    expression = draft.expression("require", BOOLEAN)
    policy = draft.policy(draft.severity())
    if expression is None:
        return None
    tree = expression.tree
    if not isinstance(tree, Operation) or tree.operator not in _SIDES:
        for key in ("worse_by", "clear_below", "clear_above"):
            spot = draft.spot.get(key)
            if spot:
                spot.wrong(f"{key} needs a comparison with <, <=, > or >=")
        return ParsedCheck("flag", (negated(expression),), policy, f"require {expression.text}")
    return _bounded(draft, expression, tree, policy)


def _bounded(draft: CheckBuilder, expression: Expression, tree: Operation, policy: Policy) -> ParsedCheck | None:
    """Make a limit of a comparison: of the side that varies, or of the difference where both do."""
    left, right = tree.operands
    operator, subject, other = tree.operator, left, right
    if is_constant(left):
        operator, subject, other = _FLIPPED[operator], right, left
    side, at_bound = _SIDES[operator]
    bound = _constant(other)
    percent = isinstance(other, Literal) and other.percent
    if bound is None:
        subject, bound = Operation(tree.at, Operator.SUBTRACT, (subject, other)), 0
    like = percent if _constant(other) is not None else None
    spot = draft.spot.get("require") or draft.spot
    _check_unit(draft, [_Threshold(spot, bound, percent, policy.severity)] if like is not None else [])
    limits = with_base(
        LimitPolicy,
        policy,
        side=side,
        levels=(Level(bound, policy.severity),),
        clear=_clear(draft, side, bound, like),
        at_bound=at_bound,
    )
    stepped = _worse_by(draft, limits, like=like)
    return ParsedCheck("limit", (subject,), stepped, expression.text, percent=bool(like), difference=like is None)


def _worse_by(draft: CheckBuilder, policy: LimitPolicy, *, like: bool | None) -> LimitPolicy:
    spot = draft.spot.get("worse_by")
    return replace(policy, worse_by=spot.positive(like=like)) if spot else policy


def _clear(draft: CheckBuilder, side: Side, bound: Number, like: bool | None) -> Number | None:
    right, wrong = ("clear_below", "clear_above") if side is Side.ABOVE else ("clear_above", "clear_below")
    misplaced, spot = draft.spot.get(wrong), draft.spot.get(right)
    if misplaced:
        misplaced.wrong(f"the breach is {side} the bound: write {right}")
    if spot is None:
        return None
    if like is None:
        spot.wrong(f"{right} needs a bound that is a number")
        return None
    clear = spot.number(like=like)
    if clear is not None and (clear > bound if side is Side.ABOVE else clear < bound):
        spot.wrong("this lies on the bad side of the bound, so it could never clear")
    return clear


def watch(draft: CheckBuilder) -> ParsedCheck | None:
    expression = draft.expression("watch", NUMBER)
    draft.in_levels("severity")
    rungs, side = _watch_levels(draft)
    if expression is None or not rungs:
        return None
    policy = draft.policy(rungs[-1].severity)
    percent = rungs[0].percent
    _check_unit(draft, rungs)
    levels = tuple(Level(rung.bound, rung.severity) for rung in rungs)
    clear = _clear(draft, side, rungs[0].bound, percent)
    limits = with_base(LimitPolicy, policy, side=side, levels=levels, clear=clear)
    return ParsedCheck(
        "limit", (expression.tree,), _worse_by(draft, limits, like=percent), expression.text, percent=percent
    )


def _watch_levels(draft: CheckBuilder) -> tuple[list[_Threshold], Side]:
    spot = draft.spot.need(LEVELS.name, LEVELS.without)
    rungs: list[_Threshold] = []
    sides: list[Side] = []
    for item in spot.items("a list of levels") if spot else []:
        item.only(LEVEL.keys)
        keys = [side for side in Side if item.get(side.value)]
        if len(keys) != 1:
            item.wrong("a level has one bound: below or above")
            continue
        bound = item.get(keys[0].value)
        rung = _rung(item, bound) if bound else None
        if rung and sides and keys[0] is not sides[0]:
            item.wrong(f"all levels of a check look {sides[0]}: write another check for {keys[0]}")
        elif rung:
            rungs.append(rung)
            sides.append(keys[0])
            if rung.percent is not rungs[0].percent and bound:
                bound.wrong("write all bounds with %, or none")
    side = sides[0] if sides else Side.BELOW
    return _climbing(rungs, falling=side is Side.BELOW), side


def _rung(item: Spot, bound: Spot) -> _Threshold | None:
    quantity, severity = bound.quantity(), item.value(LEVEL_SEVERITY)
    if quantity is None or severity is None:
        return None
    return _Threshold(item, quantity.value, quantity.percent, severity)


def _climbing(rungs: list[_Threshold], *, falling: bool) -> list[_Threshold]:
    """Sort levels from the mildest bound on; each further one must be more severe, or it is never reported."""
    ordered = sorted(rungs, key=lambda rung: -rung.bound if falling else rung.bound)
    climbing = ordered[:1]
    for rung in ordered[1:]:
        milder = climbing[-1]
        if rung.bound == milder.bound:
            rung.spot.wrong("two levels have one bound")
        elif rung.severity <= milder.severity:
            rung.spot.wrong(
                f"this level can never be reported: a milder bound is already {milder.severity.name.lower()}"
            )
        else:
            climbing.append(rung)
    return climbing


def _check_unit(draft: CheckBuilder, rungs: list[_Threshold]) -> None:
    unit = draft.spot.get("unit")
    if unit is None or not isinstance(unit.node, Scalar):
        return
    for rung in rungs:
        if unit.node.text == "%" and not rung.percent:
            rung.spot.wrong("the unit is %, so the bound is written with %")
        elif unit.node.text != "%" and rung.percent:
            unit.wrong(f"the bound is a percentage, the unit cannot be {unit.node.text}")


class _Nowhere:
    """The world of a constant, which asks nothing of it."""

    chain = 0

    def name(self, name: str) -> Value:
        raise AssertionError(name)

    def call(self, call: object) -> Value:
        raise AssertionError(call)

    def over_rows(self, tree: object) -> Value:
        raise AssertionError(tree)


def _constant(tree: Tree) -> Number | None:
    found = evaluate(tree, _Nowhere()) if is_constant(tree) else None
    return found if is_number(found) else None
