"""The checks that `unless` names: they must be there, be able to hold the check back, and go in no circle.

Called by `load.py` when every check of the file is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from monitoring.base.suggest import did_you_mean
from monitoring.base.yaml.marks import Scalar
from monitoring.checks.config.yaml_node import Spot
from monitoring.checks.engine.formula_checks import Check, FollowedCheck
from monitoring.checks.engine.plan import CheckInstance
from monitoring.checks.rules.steps import severities_of


def with_causes(
    checks: Sequence[Check], spots: Mapping[str, Sequence[Spot]], more: Sequence[CheckInstance] | None
) -> tuple[Check, ...]:
    """Return the checks with the causes that their `unless` names, and note each that is none.

    `spots` are the places of the ids, by the name of the check that names them; `more` are the parts of built-in types,
    None where they could not be read: then what is unknown may be one of theirs.
    """
    if not any(spots.values()):
        return tuple(checks)
    of_types = {_named(part): part for part in more or ()}
    found = {
        one.name: _causes(one, spots.get(one.name, ()), checks, of_types, is_whole=more is not None) for one in checks
    }
    for name, causes in found.items():
        circle = _circle(name, {each: [cause.check for cause in of_each] for each, of_each in found.items()})
        if circle and name == min(circle):
            spots[name][0].wrong(f"checks follow from each other in a circle: {' -> '.join(circle)}")
        elif name in [cause.check for cause in causes]:
            spots[name][0].wrong("a check does not follow from itself")
    return tuple(replace(one, unless=tuple(found[one.name])) for one in checks)


def _named(part: CheckInstance) -> str:
    """Return the name by which `unless` means a check of a built-in type: `flag-isShutdown/USD3`."""
    return "/".join(each for each in (part.key.check, part.key.subject) if each)


def _causes(
    check: Check,
    spots: Sequence[Spot],
    checks: Sequence[Check],
    of_types: Mapping[str, CheckInstance],
    *,
    is_whole: bool,
) -> list[FollowedCheck]:
    found: list[FollowedCheck] = []
    for spot in spots:
        text = spot.node.text if isinstance(spot.node, Scalar) else ""
        cause = next((each for each in checks if text in (each.id, each.name)), None)
        if cause is not None:
            found.append(FollowedCheck(cause.name, cause.id))
            _see_fit(spot, check, cause)
        elif text in of_types:
            found.append(FollowedCheck(of_types[text].key.check, subject=of_types[text].key.subject))
        elif is_whole:
            known = [*(each.name for each in checks if each is not check), *sorted(of_types)]
            hint = did_you_mean(text, known) or (f": known are {', '.join(known)}" if known else "")
            spot.wrong(f"no check of this file is called {text}{hint}")
    return found


def _see_fit(spot: Spot, check: Check, cause: Check) -> None:
    if not {*cause.rows} <= {*check.rows}:
        spot.wrong(f"{cause.name} runs once for each row and this check does not, so it is not said which row it means")
    elif max(severities_of(cause.policy)) < min(severities_of(check.policy)):
        spot.doubt(f"{cause.name} is never as severe as this check, so it never holds it back")


def _circle(name: str, follows: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the way from a check back to itself, through at least one other."""
    ways = [[name]]
    while ways:
        way = ways.pop()
        for cause in follows.get(way[-1], ()):
            if cause == name and len(way) > 1:
                return [*way, name]
            if cause not in way:
                ways.append([*way, cause])
    return []
