"""The answers of services in a drill: a monitor's recordings, what changes in them, and what makes them unusable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from monitoring.base.suggest import did_you_mean
from monitoring.base.yaml import marks
from monitoring.base.yaml.keys import Section, entry
from monitoring.checks.config.yaml_node import Spot
from monitoring.checks.engine.monitor import Monitor
from monitoring.checks.recorded.recording import FOLDER, PRICES, Recording, recordings_of
from monitoring.checks.recorded.replay import Replay
from monitoring.checks.rules.keys import Everything, Listed, text_of

SOME_TIME = datetime(2026, 1, 1, tzinfo=UTC)
ANSWERS = Listed(Everything(), "call: answer", named=True)
SOURCE = entry("source", text_of("name"), "Which source.", without="the name of a source of the monitor")
READ = Section(
    "Values with which an answer is read, and with which it is not.",
    SOURCE,
    entry("good", ANSWERS, "With these values by path it must be read.", default=""),
    entry("bad", ANSWERS, "With these it must count as none.", default=""),
)


@dataclass(frozen=True, slots=True)
class ReadEntry:
    """Values by path in the recorded answer of a source: with `good` it must be read, with `bad` it must not."""

    source: str
    good: Mapping[str, Any]
    bad: Mapping[str, Any]
    line: int


class HasAnswers(Protocol):
    """As much of a drilled monitor as is needed here."""

    @property
    def monitor(self) -> Monitor: ...

    def replay(self, now: datetime, changes: Mapping[str, Any] | None = None) -> Replay: ...


def read_entry(spot: Spot) -> ReadEntry | None:
    spot.only(READ.keys)
    name = spot.value(SOURCE)
    return ReadEntry(name, mapping(spot, "good"), mapping(spot, "bad"), spot.node.at.line) if name else None


def recorded_answers(path: Path, monitor: Monitor, mistakes: marks.Mistakes) -> tuple[Recording, ...]:
    """Return the recordings of a monitor; each of its sources must have one, or nothing tries how it is read.

    Raises:
        ConfigError: a file is no recording.
    """
    found = tuple(recordings_of(path, monitor.name))
    answered = {source for one in found for source in one.sources}
    needed = {*monitor.sources, *([PRICES] if monitor.reads_prices else [])}
    for name in sorted(needed - answered):
        file = f"{FOLDER}/{monitor.name}.{'prices' if name == PRICES else name}.json"
        how = f"run python -m automation record {path}, or write {file} by hand, as docs/drill-yaml.md describes"
        mistakes.add(marks.START, "", f"no answer of the source {name} is recorded: {how}")
    for name in sorted(answered - needed):
        mistakes.add(marks.START, "", f"an answer is recorded for {name}, which is no source of the monitor")
    return found


def check_paths(drilled: HasAnswers, source: str, place: marks.Place, at: Spot) -> None:
    """Note a source that the monitor does not have, and each path that its recorded answer does not."""
    known = drilled.monitor.sources
    if source not in known:
        at.mistakes.add(place, at.path, f"the monitor has no source {source}{did_you_mean(source, known)}")
        return
    for path, value in at.entries("paths and values"):
        try:
            drilled.replay(SOME_TIME, {source: {path.text: plain(value)}})
        except (LookupError, ValueError) as error:
            at.mistakes.add(path.at, value.path, str(error))


def entries(spot: Spot, key: str) -> list[tuple[marks.Scalar, Spot]]:
    found = spot.get(key)
    return found.entries("calls and answers") if found else []


def mapping(spot: Spot, key: str) -> dict[str, Any]:
    return {name.text: plain(at) for name, at in entries(spot, key)}


def plain(at: Spot | marks.Node | None) -> Any:  # noqa: ANN401 - what a reader that makes nothing of it has
    node = at.node if isinstance(at, Spot) else at
    if isinstance(node, marks.Mapping):
        return {key.text: plain(value) for key, value in node.entries}
    if isinstance(node, marks.Sequence):
        return [plain(item) for item in node.items]
    return node.text if isinstance(node, marks.Scalar) else {}
