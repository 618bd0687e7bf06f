"""The rows of a service's answer: the elements of a list in it, with the texts and numbers that a monitor names.

Called by `engine/sources.py`. A row that is odd is unknown in what is odd of it; a list that is not there, or empty, is
unknown as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from monitoring.chains.abi.addresses import is_address
from monitoring.chains.abi.values import Json, Unknown
from monitoring.chains.services.sources import exact_number, pick
from monitoring.checks.expression.values import Value
from monitoring.checks.rows.source_rows import SourceRows

_LONGEST = 200
EACH = "[]"


def rows_at(
    body: Json, path: str, texts: Mapping[str, str], numbers: Mapping[str, str], source: str
) -> SourceRows | Unknown:
    """Return the rows at `farms`, or at `pools[].loans` those of every pool; what differs in nothing is one row."""
    first, _, rest = path.partition(EACH)
    elements = _list_at(body, first, source)
    if isinstance(elements, Unknown):
        return elements
    found = tuple(
        {
            **{name: _text(row, at, source) for name, at in texts.items()},
            **{name: _number(row, at, source) for name, at in numbers.items()},
        }
        for row in _below(elements, rest.removeprefix("."), source)
    )
    return SourceRows(found) if found else Unknown(f"{source}: {path} has no rows", source)


def _below(elements: list[Json], path: str, source: str) -> Iterator[Json | Unknown]:
    """Walk on from each element; one that has no list there stands for rows that nobody knows."""
    if not path:
        yield from elements
        return
    first, _, rest = path.partition(EACH)
    for element in elements:
        inner = _list_at(element, first, source)
        if isinstance(inner, Unknown):
            yield inner
        else:
            yield from _below(inner, rest.removeprefix("."), source)


def _list_at(body: Json, path: str, source: str) -> list[Json] | Unknown:
    found = pick(body, path, source)
    if isinstance(found, Unknown | list):
        return found
    return Unknown(f"{source}: {path} is no list", source)


def _text(row: Json | Unknown, path: str, source: str) -> str | Unknown:
    found = row if isinstance(row, Unknown) else pick(row, path, source)
    if isinstance(found, Unknown):
        return found
    if isinstance(found, int) and not isinstance(found, bool):
        return str(found)
    if not isinstance(found, str) or not found.strip() or len(found) > _LONGEST:
        return Unknown(f"{source}: {path} is no text of up to {_LONGEST} characters", source)
    return found.lower() if is_address(found) else found


def _number(row: Json | Unknown, path: str, source: str) -> Value | Unknown:
    found = row if isinstance(row, Unknown) else pick(row, path, source)
    if isinstance(found, Unknown):
        return found
    number = exact_number(found)
    if number is None:
        return Unknown(f"{source}: {path} is not a number", source)
    return number.numerator if number.denominator == 1 else number
