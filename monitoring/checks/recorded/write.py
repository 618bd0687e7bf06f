"""What recordings are written with: a fetch that keeps answers, what is hidden of them, and the file itself."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from monitoring.base.http.client import Answer, Request
from monitoring.chains.abi.values import Json
from monitoring.chains.rpc.provider import Fetch
from monitoring.checks.recorded.recording import (
    HIDDEN,
    PLAIN_HEADERS,
    RecordedRequest,
    Recording,
    with_hidden_query,
)
from monitoring.checks.recorded.replay import as_bytes, rendered
from monitoring.checks.recorded.shape import differences, shape_of

_LONGEST_TEXT = 200
LATER = timedelta(days=1000)
_ANY_URL = re.compile(r"(https?|wss?)://[^\s\"'<>]+")
_MAIL = re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+")
_REDACTED = re.compile(r"\[[\w ]+\]")
_IP = re.compile(r"\b\d{1,3}(\.\d{1,3}){3}\b")


@dataclass
class AnswerKeeper:
    """Passes requests on and keeps the last answer to each; the engine reads documents from several threads."""

    fetch: Fetch
    answers: dict[tuple[str, str, bytes], Answer] = field(default_factory=dict)

    def __call__(self, request: Request, timeout_s: float) -> Answer:
        answer = self.fetch(request, timeout_s)
        self.answers[asked_as(request)] = answer
        return answer


def asked_as(request: Request) -> tuple[str, str, bytes]:
    """Return what distinguishes one request from another."""
    headers = json.dumps(sorted(request.headers.items())).encode()
    return request.method, request.url, request.body + b"\0" + headers


def recorded_request(request: Request, redact: Callable[[str], str]) -> RecordedRequest:
    """Return a request without what nobody else may read."""
    headers = {name: text if name in PLAIN_HEADERS else HIDDEN for name, text in request.headers.items()}
    body = json.loads(request.body) if request.body else None
    return RecordedRequest(request.method, hidden_url(request.url, redact), headers, body)


def write_recording(new: Recording, before: Sequence[Recording], now: datetime) -> list[str]:
    """Write a recording in place of those of its sources; return a line, and one for each change of the shape."""
    new.path.parent.mkdir(exist_ok=True)
    partial = new.path.with_suffix(".new")
    partial.write_bytes(as_bytes(new.as_json(), None, indented=True))
    partial.replace(new.path)
    others = [old.path for old in before if old.path != new.path]
    for path in others:
        path.unlink()
    replaced = f", in place of {', '.join(path.name for path in others)}" if others else ""
    if not before:
        return [f"{_shown(new.path)}: recorded"]
    changes = differences(shape_of(rendered(before[0].body, now)), shape_of(rendered(new.body, now)))
    return [
        f"{_shown(new.path)}: recorded{replaced}, " + ("its shape has changed:" if changes else "of the same shape"),
        *(f"  {line}" for line in changes),
    ]


def cut(body: Json, ends: int, redact: Callable[[str], str]) -> Json:
    """Return a body with the ends of its lists, and texts without what nobody else may read."""
    if isinstance(body, dict):
        return {redact(name): cut(value, ends, redact) for name, value in body.items()}
    if isinstance(body, list):
        kept = body if len(body) <= 2 * ends else [*body[:ends], *body[-ends:]]
        return [cut(value, ends, redact) for value in kept]
    if not isinstance(body, str):
        return body
    text = _ANY_URL.sub(lambda found: f"{found[1]}://{HIDDEN}", redact(body))
    text = _IP.sub(HIDDEN, _MAIL.sub(HIDDEN, text))
    return text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + HIDDEN


def hidden_url(url: str, redact: Callable[[str], str]) -> str:
    """Return a request's URL; of a query parameter that is named like a secret only the name."""
    if redact(url) != url:
        url = _REDACTED.sub(HIDDEN, redact(url))
    return with_hidden_query(url)


def _shown(path: Path) -> str:
    """Return a path as short as it can be named from here."""
    here = Path.cwd()
    return str(path.resolve().relative_to(here) if path.resolve().is_relative_to(here) else path)


@dataclass(frozen=True)
class StoppedAt:
    """A clock that shows one instant."""

    at: datetime

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return 0.0
