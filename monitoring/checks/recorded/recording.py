"""The file of one recorded answer: `answers/MONITOR.SOURCE.json` next to the monitor, a request with what came back.

Read by drills, written by `record`; `status` reads the marks alone, so nothing heavy is imported here. In place of the
answer's own time the file has `{{ now-40m %Y-%m-%d %H:%M:%S.%f UTC }}`: its age, and the form it came in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from monitoring.base.errors import ConfigError

FOLDER = "answers"
PRICES = "price()"  # in place of a source: the prices that formulas of a monitor read
HIDDEN = "…"  # in a URL or a header, in place of what may be a secret: anything fits it
PLAIN_HEADERS = ("accept", "content-type", "user-agent")  # what others may read of the headers of a request
_SECRET_NAME = re.compile(r"key|token|secret|auth|sig|pass|cred", re.IGNORECASE)
_KEYS = ("monitor", "sources", "recorded", "unconfirmed", "request", "answer")


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """What the product asked. `headers` by lower-case name; `body` is JSON, or nothing."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: Any = None


@dataclass(frozen=True, slots=True)
class Recording:
    """One answer with the sources of a monitor that read it.

    `recorded` is the day it came from the live service. Else `unconfirmed` says where its shape is known from.
    """

    path: Path
    monitor: str
    sources: tuple[str, ...]
    request: RecordedRequest
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    recorded: str = ""
    unconfirmed: str = ""

    def as_json(self) -> dict[str, Any]:
        asked = {"method": self.request.method, "url": self.request.url, "headers": dict(self.request.headers)}
        mark = {"recorded": self.recorded} if self.recorded else {"unconfirmed": self.unconfirmed}
        return {
            "monitor": self.monitor,
            "sources": list(self.sources),
            **mark,
            "request": asked if self.request.body is None else {**asked, "body": self.request.body},
            "answer": {"status": self.status, "headers": dict(self.headers), "body": self.body},
        }


@dataclass(frozen=True, slots=True)
class Unconfirmed:
    """A source whose recorded answer did not come from the live service, and where its shape is known from."""

    monitor: str
    source: str
    why: str


def with_hidden_query(url: str) -> str:
    """Return a URL with the names alone of those parameters that are named like a secret."""
    query = urlsplit(url).query
    for part in query.split("&") if query else ():
        name, _, value = part.partition("=")
        if value and _SECRET_NAME.search(name):
            url = url.replace(part, f"{name}={HIDDEN}")
    return url


def recordings_of(monitor_file: Path, monitor: str) -> list[Recording]:
    """Return every recorded answer of a monitor.

    Raises:
        ConfigError: a file is no recording; with every mistake.
    """
    mistakes: list[str] = []
    found: list[Recording] = []
    for path in _files(monitor_file.parent):
        try:
            one = read_recording(path)
        except ConfigError as error:
            mistakes += error.mistakes
            continue
        found += [one] if one.monitor == monitor else []
    if mistakes:
        raise ConfigError(mistakes)
    return found


def unconfirmed_in(folders: Iterable[Path]) -> list[Unconfirmed]:
    """Return what is marked `unconfirmed` in the answers of some folders; a file that cannot be read has no mark."""
    found: list[Unconfirmed] = []
    for path in (path for folder in dict.fromkeys(folders) for path in _files(folder)):
        try:
            one = read_recording(path)
        except ConfigError:
            continue
        found += [Unconfirmed(one.monitor, source, one.unconfirmed) for source in one.sources if one.unconfirmed]
    return found


def _files(folder: Path) -> list[Path]:
    return sorted((folder / FOLDER).glob("*.json"))


def read_recording(path: Path) -> Recording:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read ({error.strerror})"]) from None
    except ValueError as error:
        raise ConfigError([f"{path}: {error}"]) from None
    problem = _problem(raw)
    if problem:
        raise ConfigError([f"{path}: {problem}"])
    asked, answer = raw["request"], raw["answer"]
    headers = {name.lower(): text for name, text in asked.get("headers", {}).items()}
    return Recording(
        path, raw["monitor"], tuple(raw["sources"]),
        RecordedRequest(asked["method"], asked["url"], headers, asked.get("body")),
        answer.get("status", 200), answer.get("headers", {}), answer["body"],
        raw.get("recorded", ""), raw.get("unconfirmed", ""),
    )  # fmt: skip


def _problem(raw: Any) -> str:  # noqa: ANN401 - JSON of any shape comes in
    if not isinstance(raw, dict):
        return "a recorded answer is an object with monitor, sources, request and answer"
    asked, answer, marks = raw.get("request"), raw.get("answer"), [raw.get("recorded"), raw.get("unconfirmed")]
    wrong = {
        f"it has keys that are not known here: use {', '.join(_KEYS)}": raw.keys() - set(_KEYS),
        "monitor is missing": not isinstance(raw.get("monitor"), str),
        "sources is a list of the sources that read this answer": not _is_list_of_names(raw.get("sources")),
        "request needs method and url": not isinstance(asked, dict) or not {"method", "url"} <= asked.keys(),
        "answer needs body": not isinstance(answer, dict) or "body" not in answer,
        "say recorded (the day it came from the live service) or unconfirmed (where its shape is known from)": (
            len([mark for mark in marks if mark]) != 1
        ),
    }
    return next((problem for problem, is_wrong in wrong.items() if is_wrong), "")


def _is_list_of_names(found: object) -> bool:
    return isinstance(found, list) and bool(found) and all(isinstance(one, str) for one in found)
