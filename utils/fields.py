"""The JSON of a service as a function reads it: exact numbers, and `Unknown` for what is not there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from monitoring.chains.abi import values
from monitoring.chains.services.sources import exact_number, pick
from utils.unknown import Unknown, known


class Fields(Mapping[str, Any]):
    """An object of JSON: `row["a.b[0]"]` is a number, text, bool, list, `Fields` or `Unknown`; never an error."""

    def __init__(self, body: dict[str, Any], source: str) -> None:
        self._body = body
        self._source = source

    def __getitem__(self, path: str) -> Any:  # noqa: ANN401 - JSON of any kind
        return as_fields(pick(self._body, path, self._source), self._source)

    def number(self, path: str) -> Fraction | Unknown:
        """Return a number that is given as one or as its text."""
        found = pick(self._body, path, self._source)
        if isinstance(found, values.Unknown):
            return Unknown(found.reason, found.source)
        exact = exact_number(found)
        return Unknown(f"{self._source}: {path} is not a number", self._source) if exact is None else exact

    def __iter__(self) -> Iterator[str]:
        return iter(self._body)

    def __len__(self) -> int:
        return len(self._body)

    def __repr__(self) -> str:
        return f"Fields({self._body!r})"


def as_fields(found: Any, source: str) -> Any:  # noqa: ANN401 - as above
    """Return JSON as a function reads it."""
    if isinstance(found, dict):
        return Fields(found, source)
    if isinstance(found, list):
        return [as_fields(one, source) for one in found]
    return Fraction(found) if isinstance(found, Decimal) else known(found)
