"""An author's rows as `items` and `stages` read them. A row that cannot be read holds up no other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from monitoring.chains.abi.values import Unknown
from monitoring.chains.services.times import parse_time
from monitoring.checks.expression.values import NONE, Value
from monitoring.checks.rules.readings import Item, StagedRow
from utils.exact import reading
from utils.unknown import UnknownError

Show = Callable[[Any], Mapping[str, Any]] | None


def as_items(
    rows: Iterable[Any] | Any,  # noqa: ANN401 - or Unknown, none
    identify: Callable[[Any], Any],
    at: Callable[[Any], Any] | None,
    when: Callable[[Any], bool] | None,
    show: Show,
) -> Any:  # noqa: ANN401 - as above
    if isinstance(rows, Unknown) or rows is NONE:
        return rows
    kept = [row for row in rows if when is None or when(row)]
    return [Item(_identity(row, identify), _instant(at(row)) if at else None, facts=_facts(row, show)) for row in kept]


def as_staged(
    rows: Iterable[Any] | Any,  # noqa: ANN401 - or Unknown, none
    identify: Callable[[Any], Any],
    stage: Callable[[Any], Any],
    show: Show,
) -> Any:  # noqa: ANN401 - as above
    if isinstance(rows, Unknown) or rows is NONE:
        return rows
    found = []
    for row in rows:
        identity = _identity(row, identify)
        if isinstance(identity, Unknown):
            return identity  # without it nobody can tell who vanished
        found.append(StagedRow(identity, _stage(row, stage), _facts(row, show)))
    return found


def _identity(row: Any, identify: Callable[[Any], Any]) -> Value | Unknown:  # noqa: ANN401 - the author's own
    found = reading(identify(row))
    return Unknown("none is no identity") if found is NONE else found


def _stage(row: Any, stage: Callable[[Any], Any]) -> str | Unknown:  # noqa: ANN401 - as above
    try:
        found = stage(row)
    except UnknownError as error:
        return error.unknown
    return found if isinstance(found, Unknown) else str(found)


def _instant(value: Any) -> datetime | None:  # noqa: ANN401 - as above
    return value if isinstance(value, datetime) else parse_time(value)


def _facts(row: Any, show: Show) -> Mapping[str, Value]:  # noqa: ANN401 - as above
    named = show(row) if show else {}
    found = {name: reading(value) for name, value in named.items()}
    return {name: str(one) if isinstance(one, Unknown) or one is NONE else one for name, one in found.items()}
