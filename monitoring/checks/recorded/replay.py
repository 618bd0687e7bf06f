"""The transport of a drill: below the product's reader, in place of the HTTP client, it answers with what was recorded.

It answers the request that was recorded and no other: method, URL, names of headers and body must be the same. So a
drill passes through URL, headers, query, status, JSON, `ok`, `time`, `max_age`, path and scale as a run does.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import orjson

from monitoring.base.http.client import Answer, FetchError, Request
from monitoring.chains.abi.values import Json
from monitoring.chains.services.sources import steps
from monitoring.checks.recorded.recording import (
    HIDDEN,
    PLAIN_HEADERS,
    RecordedRequest,
    Recording,
    with_hidden_query,
)
from monitoring.checks.recorded.stamps import Stamp, read_stamp

_LARGEST_INT = 2**63 - 1  # of orjson
_MOST_DIGITS = 30


class Replay:
    """Answers requests out of recordings at one moment. Recordings are named by their path.

    `down` are those that cannot be reached, `instead` has a status and bytes to answer with, `asked` is what was asked.
    """

    def __init__(self, recordings: Iterable[Recording], now: datetime) -> None:
        self.recordings = {one.path: one for one in recordings}
        self.bodies: dict[Path, Json] = {path: one.body for path, one in self.recordings.items()}
        self.instead: dict[Path, tuple[int, bytes]] = {}
        self.down: set[Path] = set()
        self.asked: set[Path] = set()
        self._now = now

    def __call__(self, request: Request, timeout_s: float) -> Answer:  # noqa: ARG002 - it answers at once
        fitting = [one for one in self.recordings.values() if not _mismatch(one.request, request)]
        if not fitting:
            raise FetchError(request.host, self._unknown(request))
        path = fitting[0].path
        self.asked.add(path)
        if path in self.down:
            raise FetchError(request.host, "no answer (the drill)")
        as_recorded = fitting[0].status, as_bytes(self.bodies[path], self._now)
        status, body = self.instead.get(path, as_recorded)
        return Answer(request.host, status, {name.lower(): text for name, text in fitting[0].headers.items()}, body)

    def path_of(self, source: str) -> Path:
        """Return which recording a source reads.

        Raises:
            LookupError: there is none.
        """
        for path, one in self.recordings.items():
            if source in one.sources:
                return path
        raise LookupError(f"no answer of {source} is recorded")

    def put(self, source: str, path: str, value: Any) -> None:  # noqa: ANN401 - a value of the language
        """Change what is at a path of a source's answer, keeping the form it was recorded in.

        Raises:
            LookupError: the answer has nothing there, or there is no answer.
        """
        name = self.path_of(source)
        self.bodies[name] = put(self.bodies[name], path, value, self._now)

    def put_at(self, path: Path, place: list[str | int], value: Any) -> None:  # noqa: ANN401 - a value of the language
        """Change what is at some steps of the answer of a recording.

        Raises:
            LookupError: the answer has nothing there.
        """
        self.bodies[path] = put_at(self.bodies[path], place, value, self._now)

    def _unknown(self, request: Request) -> str:
        """Say which recording is nearest, and in what it differs."""
        reasons = [(_mismatch(one.request, request), one.path.name) for one in self.recordings.values()]
        for what in ("body", "headers", "URL", "method"):
            for reason, name in reasons:
                if reason.startswith(what):
                    sent = _shown(request, what)
                    return f"no answer is recorded for this request: its {reason} than in {name}{sent}"
        return "no answer is recorded for this request"


def _shown(request: Request, what: str) -> str:
    """Return the part of a request that differs, to be written into the recording; no header that may be a secret."""
    headers = {name.lower(): text for name, text in request.headers.items()}
    shown = {
        "URL": with_hidden_query(request.url),
        "headers": ", ".join(f"{name}: {text if name in PLAIN_HEADERS else HIDDEN}" for name, text in headers.items()),
        "method": request.method,
    }
    return f", it asks {shown[what]}" if what in shown else ""


def as_bytes(body: Any, now: datetime | None, *, indented: bool = False) -> bytes:  # noqa: ANN401 - JSON of any shape
    """Return JSON with its exact numbers; with `now` the times of a recording are those of then."""
    option = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE if indented else 0
    return orjson.dumps(_plain(body, now), default=_exact, option=option)


def put(body: Json, path: str, value: Any, now: datetime) -> Json:  # noqa: ANN401 - a value of the language
    """Return a body with another value at a path, written as the one that was there.

    Raises:
        LookupError: there is nothing at the path.
    """
    return put_at(body, [step for step, _ in steps(path)], value, now)


def rendered(body: Json, now: datetime) -> Json:
    """Return a recorded body with its times as they are at `now`."""
    return json.loads(as_bytes(body, now), parse_float=Decimal)  # type: ignore[no-any-return]  # JSON is JSON


def _plain(value: Any, now: datetime | None) -> Any:  # noqa: ANN401 - JSON of any shape
    if isinstance(value, dict):
        return {name: _plain(one, now) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one, now) for one in value]
    stamp = read_stamp(value) if now is not None else None
    if stamp is not None and now is not None:
        return _plain(stamp.at(now), None)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > _LARGEST_INT:
        return Decimal(value)
    return value


def _exact(value: object) -> orjson.Fragment:
    if isinstance(value, Decimal):
        return orjson.Fragment(str(value))
    raise TypeError


def _mismatch(recorded: RecordedRequest, request: Request) -> str:
    """Return in what a request differs from the recorded one, or nothing."""
    if recorded.method != request.method:
        return "method is another"
    if not _fits(recorded.url, request.url):
        return "URL is another"
    headers = {name.lower(): text for name, text in request.headers.items()}
    if recorded.headers.keys() != headers.keys():
        odd = sorted(recorded.headers.keys() ^ headers.keys())
        return f"headers are others ({', '.join(odd)})"
    odd = [name for name, text in recorded.headers.items() if not _fits(text, headers[name])]
    if odd:
        return f"headers are others ({odd[0]})"
    body = json.loads(request.body) if request.body else None
    return "" if body == recorded.body else "body is another"


def _fits(recorded: str, sent: str) -> bool:
    """Return whether a text is the recorded one, in which some parts may be hidden."""
    first, *others = recorded.split(HIDDEN)
    if not others:
        return recorded == sent
    if not sent.startswith(first) or not sent.endswith(others[-1]):
        return False
    at = len(first)
    for part in others[:-1]:
        found = sent.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return at <= len(sent) - len(others[-1])


def put_at(body: Json, path: list[str | int], value: Any, now: datetime) -> Json:  # noqa: ANN401 - as above
    """Do as `put`, by steps: a name in an answer may hold what separates the steps of a path."""
    if not path:
        return _in_the_form_of(body, value, now)
    step, rest = path[0], path[1:]
    try:
        inner = body[step]  # type: ignore[index]  # a wrong step is the caller's mistake
    except (KeyError, IndexError, TypeError):
        raise LookupError(f"the recorded answer has nothing at {step!r}") from None
    changed = put_at(inner, rest, value, now)
    if isinstance(body, dict):
        return {**body, str(step): changed}
    place = int(step) % len(body)  # type: ignore[arg-type]  # the step was found
    return [*body[:place], changed, *body[place + 1 :]]  # type: ignore[index]  # as above


def _in_the_form_of(recorded: Json, value: Any, now: datetime) -> Json:  # noqa: ANN401 - as above
    """Return a value as the service writes it: a number as a text where it was one, a time in its form."""
    stamp = read_stamp(recorded)
    if stamp is not None and isinstance(value, int) and not isinstance(value, bool):
        return Stamp(datetime.fromtimestamp(value, now.tzinfo) - now, stamp.form).at(now)
    if isinstance(value, Fraction | int) and not isinstance(value, bool):
        number = Fraction(value)
        exact: int | Decimal = number.numerator if number.denominator == 1 else _decimal(number)
        return str(exact) if isinstance(recorded, str) else exact
    return value  # type: ignore[no-any-return]  # a text or a bool


def _decimal(number: Fraction) -> Decimal:
    """Return a fraction as the decimal it was written as.

    Raises:
        ValueError: it has no end, as one third.
    """
    for digits in range(1, _MOST_DIGITS):
        scaled = number * 10**digits
        if scaled.denominator == 1:
            return Decimal(scaled.numerator).scaleb(-digits)
    raise ValueError(f"{number} is no decimal number")
