"""Reads the `sources` of monitor files: each document once a task, all at the same time, as exact numbers.

Called by `read` before the passes. A source that cannot be believed is `Unknown`, which says who is to blame.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from monitoring.base.clock import Clock
from monitoring.chains.abi.values import Json, Unknown
from monitoring.chains.services import sources
from monitoring.chains.services.client import Service
from monitoring.checks.engine.monitor import EvaluatedMonitor, NumberSource
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.expression.evaluate import PENDING, Ask, Result, evaluate
from monitoring.checks.expression.tree import Aggregate, Expression
from monitoring.checks.expression.values import Value
from monitoring.checks.recorded.shape import remember_readings
from monitoring.checks.rows.answer_rows import rows_at
from monitoring.checks.rows.source_rows import SourceRows

_AT_ONCE = 8
Document = sources.ServiceDocument


def read_sources(
    monitors: Sequence[EvaluatedMonitor], at: EvaluationPoint
) -> dict[tuple[str, str], Value | SourceRows | Unknown]:
    """Read every source of the monitors that is not known; documents that several share are asked for once."""
    every = {(monitor.name, name): source for monitor in monitors for name, source in monitor.sources.items()}
    wanted = {key: source for key, source in every.items() if key not in at.known}
    distinct = {_identity(source): (key, source) for key, source in reversed(wanted.items())}
    if not distinct:
        return {}
    service, clock = at.service, at.clock  # opened here, and not by several threads at once
    with ThreadPoolExecutor(min(_AT_ONCE, len(distinct))) as threads:
        answers = threads.map(lambda one: _document(one[0], one[1], service, clock), distinct.values())
        documents = dict(zip(distinct, answers, strict=True))
    found = {key: _reading(documents[_identity(source)], source) for key, source in wanted.items()}
    readings: dict[str, dict[str, tuple[object, Json | None]]] = {}
    for key, source in wanted.items():
        body = _parsed_body(documents[_identity(source)], found[key])
        readings.setdefault(key[0], {})[key[1]] = (*_identity(source), source.where), body
    for monitor, of_sources in readings.items():
        remember_readings(at.memory, monitor, of_sources)
    return found


def _parsed_body(document: sources.ServiceDocument | Unknown, number: Value | SourceRows | Unknown) -> Json | None:
    return None if isinstance(document, Unknown) or isinstance(number, Unknown) else document.body


def _identity(source: NumberSource) -> tuple[object, ...]:
    judged = source.ok.text if source.ok else ""
    headers = tuple(sorted(source.headers.items()))
    return source.url, source.query, headers, source.time, source.max_age, judged, source.require


def document_of(key: tuple[str, str], source: NumberSource) -> sources.Source:
    """Return how the document of a monitor's source is asked for, and what makes it believable."""
    return sources.Source(
        name="/".join(key),
        url=source.url,
        headers=source.headers,
        query=source.query,
        ok=verdict_of(source.ok) if source.ok else None,
        time=source.time,
        max_age=source.max_age,
        require=source.require,
    )


def _document(
    key: tuple[str, str], source: NumberSource, service: Service, clock: Clock
) -> sources.ServiceDocument | Unknown:
    return sources.read_source(service, document_of(key, source), clock.now())


def _reading(document: sources.ServiceDocument | Unknown, source: NumberSource) -> Value | SourceRows | Unknown:
    if isinstance(document, Unknown):
        return document
    if source.rows:
        return rows_at(document.body, source.rows, source.texts, source.numbers, document.source)
    found = document.number(source.number)
    return found if isinstance(found, Unknown) else Fraction(found.value) / source.scale


def verdict_of(expression: Expression) -> Callable[[Json], bool | Unknown]:
    def judge(body: Json) -> bool | Unknown:
        found = evaluate(expression.tree, _SourceFields(body))
        if isinstance(found, bool | Unknown):
            return found
        return Unknown(f"{expression.text} is neither true nor false")

    return judge


@dataclass(frozen=True, slots=True)
class _SourceFields:
    """A document as the names of an expression see it."""

    body: Json
    chain: int = 0

    def name(self, name: str) -> Result:
        return as_value(sources.pick(self.body, name, "the answer"))

    def call(self, call: Ask) -> Result:  # noqa: ARG002 - `ok` has no contracts to ask
        return PENDING

    def over_rows(self, tree: Aggregate) -> Result:
        return Unknown(f"an answer has no rows called {tree.rows}")


def as_value(found: Json | Unknown) -> Value | Unknown:
    """Return what JSON holds as a value of the language; an object is none."""
    match found:
        case Unknown() | bool() | int() | str():
            return found
        case Decimal():
            return Fraction(found)
        case list():
            parts = [as_value(one) for one in found]
            odd = next((one for one in parts if isinstance(one, Unknown)), None)
            return odd if odd is not None else tuple(one for one in parts if not isinstance(one, Unknown))
    return Unknown("an object is no value" if isinstance(found, Mapping) else "there is nothing")
