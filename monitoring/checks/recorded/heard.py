"""Writes the documents that code asked for, a built-in type's or a Python monitor's, as recordings.

Called by `record` with what the product's own reader was asked and came to.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from monitoring.base.http.client import Answer
from monitoring.chains.abi.values import Json, Unknown
from monitoring.chains.services.sources import Source, read_source
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.recorded.recording import FOLDER, Recording, recordings_of
from monitoring.checks.recorded.replay import Replay
from monitoring.checks.recorded.stamps import stamp_of
from monitoring.checks.recorded.write import LATER, StoppedAt, asked_as, cut, recorded_request, write_recording

_LIST = 25  # elements kept at each end of a list: what is asked next may depend on its rows
# Keys under which a time is written by its distance from now, so that what is open stays open in each drill.
_TIMES = re.compile(r"(?:.*_)?(at|date|time|timestamp|start|end|ends|eta|created|updated)|.*(At|Date|Time|Timestamp)")
_FILE_NAME = re.compile(r"[^A-Za-z0-9._-]")


@dataclass
class Heard:
    """What was asked of services by name, and what came of it."""

    documents: dict[str, tuple[Source, Any]] = field(default_factory=dict)

    def __call__(self, source: Source, found: Any) -> None:  # noqa: ANN401 - a document, or why there is none
        self.documents[source.name] = source, found


def record_heard(
    folder: Path, monitor: str, heard: Heard, answers: Mapping[Any, Answer], now: datetime, redact: Callable[[str], str]
) -> tuple[list[str], bool]:
    """Write each document that could be read; return what to print, and whether all were recorded."""
    lines: list[str] = []
    is_whole = True
    for name, (source, found) in heard.documents.items():
        own = name.removeprefix(f"{monitor}/")
        problem = found.reason if isinstance(found, Unknown) else ""
        new = None if problem else _recording(folder, monitor, own, source, answers, now, redact)
        problem = problem or (_unreadable(new, source, now) if new else "")
        if problem or new is None:
            lines.append(f"{monitor}/{own}: not recorded: {problem}")
            is_whole = False
            continue
        before = [one for one in recordings_of(folder / "monitor.yaml", monitor) if own in one.sources]
        lines += write_recording(new, before, now)
    return lines, is_whole


def _recording(
    folder: Path,
    monitor: str,
    name: str,
    source: Source,
    answers: Mapping[Any, Answer],
    now: datetime,
    redact: Callable[[str], str],
) -> Recording:
    request = source.request()
    answer = answers[asked_as(request)]
    body = _stamped(json.loads(answer.body, parse_float=Decimal), now)
    file = f"{monitor}.{_FILE_NAME.sub('-', name)}.json"
    return Recording(
        folder / FOLDER / file, monitor, (name,), recorded_request(request, redact), answer.status,
        {"content-type": answer.headers.get("content-type", "")}, cut(body, _LIST, redact), recorded=f"{now:%Y-%m-%d}",
    )  # fmt: skip


def _stamped(body: Json, now: datetime) -> Json:
    """Return a body whose times are written by their distance from now."""
    if isinstance(body, list):
        return [_stamped(one, now) for one in body]
    if not isinstance(body, dict):
        return body
    found: dict[str, Json] = {}
    for key, value in body.items():
        stamp = stamp_of(value, now) if isinstance(value, str | int) and _TIMES.fullmatch(key) else None
        found[key] = _stamped(value, now) if stamp is None else str(stamp)
    return found


def _unreadable(new: Recording, source: Source, now: datetime) -> str:
    """Read the recording as a drill does, years later; return why it cannot be read, or nothing."""
    later = now + LATER
    at = EvaluationPoint({}, StoppedAt(later), fetch=Replay([new], later), sleep=lambda _: None)
    found = read_source(at.service, source, later)
    return f"as it would be written it cannot be read: {found.reason}" if isinstance(found, Unknown) else ""
