"""The checks that `unless` names: they must be there, be able to hold the check back, and go in no circle.

Called by `load.py` when every check of the file is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from monitoring.base.suggest import did_you_mean
from monitoring.base.yaml.marks import Scalar
from monitoring.checks.config.yaml_node import Spot
from monitoring.checks.engine.formula_checks import Check
from monitoring.checks.engine.monitor import named_part
from monitoring.checks.engine.plan import CheckInstance
from monitoring.checks.rules.steps import severities_of

Named = Mapping[str, Sequence[Spot]]


def see_causes(spots: Named, checks: Sequence[Check], more: Sequence[CheckInstance]) -> None:
    """Note each `unless` that names no check, itself, a circle, or a check of rows where this one has none.

    `spots` are the places of the ids, by the name of the check that names them.
    """
    of_types = {named_part(part.key) for part in more}
    follows = {check.name: _followed(check, spots.get(check.name, ()), checks, of_types) for check in checks}
    for name, causes in follows.items():
        circle = _circle(name, follows)
        if circle and name == min(circle):
            spots[name][0].wrong(f"checks follow from each other in a circle: {' -> '.join(circle)}")
        elif name in causes:
            spots[name][0].wrong("a check does not follow from itself")


def _followed(check: Check, spots: Sequence[Spot], checks: Sequence[Check], of_types: set[str]) -> list[str]:
    found: list[str] = []
    for spot in spots:
        text = spot.node.text if isinstance(spot.node, Scalar) else ""
        cause = next((each for each in checks if text in (each.id, each.name)), None)
        if cause is not None:
            found.append(cause.name)
            _see_fit(spot, check, cause)
        elif text not in of_types:
            known = [*(each.name for each in checks if each is not check), *sorted(of_types)]
            hint = did_you_mean(text, known) or (f": known are {', '.join(known)}" if known else "")
            spot.wrong(f"no check of this file is called {text}{hint}")
    return found


def _see_fit(spot: Spot, check: Check, cause: Check) -> None:
    if cause.per_row and not check.per_row:
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
