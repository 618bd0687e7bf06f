"""What an `http` row may say of an answer: an expression over its fields, and the path of its own time."""

from __future__ import annotations

from dataclasses import dataclass

from monitoring.chains.abi.values import Json, Unknown
from monitoring.chains.services.sources import exact_number, pick
from monitoring.chains.services.times import parse_time
from monitoring.checks.expression.evaluate import Ask, Result
from monitoring.checks.expression.tree import Aggregate
from monitoring.checks.expression.values import Value
from monitoring.checks.rules.steps import seconds_of


@dataclass(frozen=True, slots=True)
class JsonWorld:
    """The world of an expression over one answer: names are paths in it, and there is no chain."""

    body: Json
    host: str
    chain: int = 0

    def name(self, name: str) -> Result:
        found = pick(self.body, name, self.host)
        return found if isinstance(found, Unknown) else _value(found, name, self.host)

    def call(self, call: Ask) -> Result:
        return Unknown(f"{call} has no place in an answer", self.host)

    def over_rows(self, tree: Aggregate) -> Result:
        return Unknown(f"an answer has no rows called {tree.rows}", self.host)


def time_at(body: Json | Unknown, path: str, host: str) -> Value | Unknown:
    """Return the unix time at a path, `Unknown` where there is none."""
    stamp = body if isinstance(body, Unknown) else pick(body, path, host)
    if isinstance(stamp, Unknown):
        return stamp
    at = parse_time(stamp)
    return Unknown(f"{host}: {path} is no time", host) if at is None else seconds_of(at)


def _value(found: Json, path: str, host: str) -> Value | Unknown:
    if isinstance(found, bool):
        return found
    if isinstance(found, str):
        return found
    number = exact_number(found)
    return Unknown(f"{host}: {path} is a whole part of the answer, no value", host) if number is None else number
