"""HTTP and GraphQL sources of a monitor: a document that is whole, fresh and says of itself that it is well.

Called by the checks' planner. A field that is missing is `Unknown`, never zero and never an empty list.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import TypeAlias

from monitoring.base.http.client import Answer, Request, scrub
from monitoring.base.http.words import host_of
from monitoring.chains.abi.values import Json, Reading, Unknown
from monitoring.chains.services.client import Service, read_json
from monitoring.chains.services.times import parse_time, staleness

_STEP = re.compile(r'"([^"]+)"|([^.\[\]"]+)|\[(-?\d+)\]')
_NAME = r'("[^"]+"|[^.\[\]"]+)'
_PATH = re.compile(rf"{_NAME}(\[-?\d+\])*(\.{_NAME}(\[-?\d+\])*)*|(\[-?\d+\])+(\.{_NAME}(\[-?\d+\])*)*")
_NUMBER = re.compile(r"-?\d{1,90}(\.\d{1,90})?([eE][+-]?\d{1,2})?")
_AGENT = "monitoring/1"

Verdict: TypeAlias = "bool | Unknown"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a document comes from and what makes it believable.

    `ok` judges the whole document; `time` is the path of its own time, held against `max_age`; `require` lists paths
    that must be there. With `query` it is GraphQL, sent by POST.
    """

    name: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: str = ""
    variables: Mapping[str, Json] = field(default_factory=dict)
    ok: Callable[[Json], Verdict] | None = None
    time: str = ""
    max_age: timedelta | None = None
    require: tuple[str, ...] = ()

    def request(self) -> Request:
        # By lower-case name, as HTTP has them: `User-Agent` must replace ours, and not be sent next to it.
        own = {name.lower(): text for name, text in self.headers.items()}
        headers = {"accept": "application/json", "user-agent": _AGENT, **own}
        if not self.query:
            return Request(self.url, headers=headers)
        body = json.dumps({"query": self.query, "variables": dict(self.variables)}).encode()
        return Request(self.url, "POST", {**headers, "content-type": "application/json"}, body)


@dataclass(frozen=True, slots=True)
class ServiceDocument:
    """A believed answer. For GraphQL `body` is what stands under `data`."""

    source: str
    body: Json
    at: datetime | None

    def at_path(self, path: str) -> Json | Unknown:
        """Return what stands at `a.b[0].c[-1]`; null and missing alike are `Unknown`."""
        return pick(self.body, path, self.source)

    def number(self, path: str) -> Reading | Unknown:
        """Return an exact number, given as one or as its text."""
        value = self.at_path(path)
        if isinstance(value, Unknown):
            return value
        exact = exact_number(value)
        if exact is None:
            return Unknown(f"{self.source}: {path} is not a number", self.source)
        return Reading(exact, self.at, self.source)


def exact_number(value: Json) -> Fraction | None:
    """Read a number or its text exactly; booleans and all else are no numbers."""
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return Fraction(value)
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        return Fraction(value.strip())
    return None


def valid_path(path: str) -> bool:
    return _PATH.fullmatch(path) is not None


def steps(path: str) -> Iterator[tuple[str | int, str]]:
    """Yield each step of a path, a name (quoted where it has dots) or an index, with the path walked so far."""
    for match in _STEP.finditer(path):
        yield match[1] or match[2] or int(match[3]), path[: match.end()]


def pick(body: Json, path: str, source: str) -> Json | Unknown:
    """Walk a path; `Unknown` names the step at which it ended."""
    value = body
    for step, walked in steps(path):
        match value, step:
            case dict(), str() if step in value:
                value = value[step]
            case list(), int() if -len(value) <= step < len(value):
                value = value[step]
            case _:
                return Unknown(f"{source}: {walked} is missing", source)
    return Unknown(f"{source}: {path} is null", source) if value is None else value


def read_source(service: Service, source: Source, now: datetime) -> ServiceDocument | Unknown:
    """Ask for a document and believe it only if every demand holds."""
    found = _read(service, source, now)
    service.notice(source, found)
    return found


def _read(service: Service, source: Source, now: datetime) -> ServiceDocument | Unknown:
    answer = service.ask(source.request(), again=_transient_errors if source.query else None)
    if isinstance(answer, Unknown):
        return replace(_of(source, answer.reason), source=host_of(source.url))  # the host, whatever the document
    body = read_json(answer)
    if isinstance(body, Unknown):
        return _of(source, body.reason)
    if source.query:
        data = _graphql_data(source, body)
        if isinstance(data, Unknown):
            return data
        body = data
    return _believe(source, body, now)


def _believe(source: Source, body: Json, now: datetime) -> ServiceDocument | Unknown:
    verdict = source.ok(body) if source.ok else True
    if isinstance(verdict, Unknown):
        return _of(source, f"`ok` cannot be decided: {verdict.reason}")
    if not verdict:
        return _of(source, "it says of itself that it is not well")
    at = None
    if source.time:
        stamp = pick(body, source.time, source.name)
        at = None if isinstance(stamp, Unknown) else parse_time(stamp)
    if source.max_age is not None:
        stale = staleness(at, now, source.max_age)
        if stale:
            return _of(source, stale)
    for path in source.require:
        found = pick(body, path, source.name)
        if isinstance(found, Unknown):
            return found
    return ServiceDocument(source.name, body, at)


def _graphql_data(source: Source, body: Json) -> Json | Unknown:
    """Take `data`; any error makes the whole answer unusable, since it is unknown what is missing."""
    if not isinstance(body, dict):
        return _of(source, "the answer is not GraphQL")
    errors = body.get("errors")
    if errors:
        first = errors[0] if isinstance(errors, list) else errors
        text = first.get("message") if isinstance(first, dict) else first
        return _of(source, f"GraphQL error: {scrub(str(text), source.request(), limit=120)}")
    data = body.get("data")
    return _of(source, "the answer has no data") if data is None else data


def _transient_errors(answer: Answer) -> bool:
    """GraphQL servers say "internal server error" with status 200."""
    body = read_json(answer)
    errors = body.get("errors") if isinstance(body, dict) else None
    if not isinstance(errors, list) or not errors:
        return False
    return all(
        isinstance(one, dict)
        and isinstance(extensions := one.get("extensions"), dict)
        and extensions.get("code") in ("INTERNAL_SERVER_ERROR", "SERVICE_UNAVAILABLE", "TIMEOUT")
        for one in errors
    )


def _of(source: Source, reason: str) -> Unknown:
    host = host_of(source.url)
    return Unknown(reason if reason.startswith(host) else f"{source.name} ({host}): {reason}", source.name)
