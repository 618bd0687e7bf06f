"""`/v1/checks`: every check with its last reading, one with what it was made of, and its readings over time."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.responses import Response

from monitoring.base.clock import to_text
from monitoring.base.formatting import format_value
from monitoring.conditions.condition import ConditionKey
from monitoring.conditions.severity import Severity
from monitoring.conditions.values import Number
from monitoring.store.readings.exact_text import to_column
from monitoring.store.readings.history import ReadingSpan, history
from monitoring.store.readings.inputs import Inputs, inputs
from monitoring.store.readings.limits import Bound
from monitoring.store.readings.reading import ReadingState
from monitoring.store.readings.watched import STATES, WatchedCheck, WatchedQuery, keys_of_path, one, watched
from monitoring.web import parameters
from monitoring.web.api.paging import DEFAULT_LIMIT, PAGE
from monitoring.web.http import not_found, respond
from monitoring.web.parameters import bad_parameter, one_of
from monitoring.web.route import RequestContext, Route
from monitoring.web.serializers import Json, as_float

MOST_STEPS = 2000  # ours: more than any screen has points
_USUAL = timedelta(days=1)
_EARLIEST = datetime(1970, 1, 2, tzinfo=UTC)  # what comes before has no readings
_CSV_FIELDS = ("from", "to", "readings", "min", "max", "last", "lower", "upper", "state", "severity", "gap", "block")


def checks(context: RequestContext) -> Json:
    limit = context.query.get("limit", DEFAULT_LIMIT)
    found = watched(context.database, watched_query(context.query), limit + 1, context.query.get("cursor"))
    more = str(found[limit - 1].id) if len(found) > limit else None
    return {"data": [_check(check) for check in found[:limit]], "next_cursor": more, "limit": limit}


def watched_query(query: Mapping[str, Any]) -> WatchedQuery:
    severity = Severity[query["severity"]] if "severity" in query else None
    return WatchedQuery(query.get("protocol"), query.get("state"), query.get("chain"), severity, query.get("text"))


def one_check(context: RequestContext) -> Json:
    key = _key(context)
    with context.database.snapshot() as tx:
        found, made_of = one(tx, key), inputs(tx, key)
    if found is None:
        raise not_found(_unknown(context))
    return {**_check(found), **_made_of(made_of)}


def readings(context: RequestContext) -> Json:
    key, query = _key(context), context.query
    until: datetime = query.get("to", context.now)
    since: datetime = query.get("from") or max(until, _EARLIEST) - _USUAL
    step: timedelta | None = query.get("step")
    if step is not None:
        step = max(step, (until - since) / MOST_STEPS)
    with context.database.snapshot() as tx:
        check = one(tx, key)
        found = history(tx, key, since, until, MOST_STEPS, step=step) if since < until else []
    return {
        "id": check.path if check else "",
        "unit": check.unit if check else "",
        "from": to_text(since),
        "to": to_text(until),
        "step_s": step.total_seconds() if step else None,
        "data": [_span(span) for span in found],
    }


def _write_csv(found: Json) -> Response:
    text = io.StringIO()
    writer = csv.DictWriter(text, _CSV_FIELDS, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({name: "" if row[name] is None else row[name] for name in _CSV_FIELDS} for row in found["data"])
    return respond(text.getvalue().encode(), "text/csv; charset=utf-8", more_headers={"vary": "accept"})


def _key(context: RequestContext) -> ConditionKey:
    """Return the check that the path names.

    Raises:
        HttpError: there is none, or two print the same: `chain` and `subject` then say which one.
    """
    path = context.path_values["id"]
    # A path may be no text at all: what cannot be written as UTF-8 comes as halves of characters. So is no check's.
    found = keys_of_path(context.database, path) if path.encode(errors="ignore").decode() == path else []
    for name in ("chain", "subject"):
        if name in context.query:
            found = [key for key in found if getattr(key, name) == context.query[name]]
    if not found:
        raise not_found(_unknown(context))
    if len(found) > 1:
        raise bad_parameter(f"{path[:200]} means two checks: give chain, subject or both as well")
    return found[0]


def _unknown(context: RequestContext) -> str:
    return f"there is no check {context.path_values['id'][:200]}: write monitor/check[/chain][/subject]"


def _check(found: WatchedCheck) -> Json:
    condition, blind = found.condition, found.condition.no_data
    return {
        "id": found.path,
        **found.key.named,
        "protocol": found.protocol,
        "about": found.about,
        "formula": found.formula,
        "verb": found.verb,
        "unit": found.unit,
        "state": found.state,
        "severity": found.severity.name,
        "fires_as": condition.severity.name if condition.is_firing else None,
        "value": as_float(found.value),
        "exact": _exact(found.exact),
        "value_in_words": condition.value,
        "lower": as_float(found.lower),
        "upper": as_float(found.upper),
        "headroom": as_float(found.headroom),
        "limits": {
            "words": found.limits.words,
            "lower": [_bound(bound) for bound in found.limits.lower],
            "upper": [_bound(bound) for bound in found.limits.upper],
        },
        "at": _at(found.at),
        "since": _at(found.since),
        "block": found.block,
        "blind_since": _at(blind.since) if blind else None,
        "blind_by": condition.blamed,
    }


def _made_of(found: Inputs | None) -> Json:
    values = [
        {"name": name, "exact": None, "words": value}
        if isinstance(value, str)
        else {"name": name, "exact": _exact(value), "words": format_value(value)}
        for name, value in (found.values if found else ())
    ]
    contracts = found.contracts if found else ()
    named = [{"chain": chain, "address": address, "name": name} for chain, address, name in contracts]
    return {"inputs": values, "contracts": named}


def _span(span: ReadingSpan) -> Json:
    fires = span.state in (ReadingState.FIRING, ReadingState.HAPPENED)
    return {
        "from": to_text(span.first_at),
        "to": to_text(span.last_at),
        "readings": span.runs,
        "min": as_float(span.low),
        "max": as_float(span.high),
        "last": as_float(span.last),
        "lower": as_float(span.lower),
        "upper": as_float(span.upper),
        "state": span.state.word,
        "severity": span.severity.name if fires else None,
        "gap": span.gap,
        "block": span.block,
    }


def _bound(bound: Bound) -> Json:
    return {"at": as_float(bound.at), "exact": _exact(bound.at), "severity": bound.severity.name}


def _exact(number: Number | None) -> str | None:
    return None if number is None else str(to_column(number))


def _at(instant: datetime | None) -> str | None:
    return to_text(instant) if instant is not None else None


CHECK_FILTERS: Mapping[str, parameters.ReadValue] = {
    **PAGE,
    "protocol": parameters.text,
    "state": one_of(*STATES),
    "chain": parameters.chain,
    "severity": parameters.severity,
    "text": parameters.text,
}
_WHICH: Mapping[str, parameters.ReadValue] = {"chain": parameters.chain, "subject": parameters.key}
_OVER_TIME: Mapping[str, parameters.ReadValue] = {
    **_WHICH,
    "from": parameters.instant,
    "to": parameters.instant,
    "step": parameters.span,
    "format": one_of("json", "csv"),
}
ROUTES = (
    Route("/v1/checks", checks, CHECK_FILTERS),
    # Before the next one: an id has slashes, and takes all that is left of a path.
    Route("/v1/checks/{id:path}/readings", readings, _OVER_TIME, fresh_s=5, write_csv=_write_csv),
    Route("/v1/checks/{id:path}", one_check, _WHICH, quick=True),
)
