"""A monitor with its drill: `drill.yaml` of `monitor.yaml`, `x.drill.yaml` of `x.yaml`, next to it.

docs/drill-yaml.md describes the format. Nothing here reads a chain or a service.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from monitoring.base.clock import parse_duration
from monitoring.base.errors import ConfigError
from monitoring.base.suggest import did_you_mean
from monitoring.base.yaml import marks
from monitoring.base.yaml.keys import Section, entry
from monitoring.base.yaml.reader import read_yaml
from monitoring.chains.abi.addresses import is_address
from monitoring.checks.builtin import TYPES
from monitoring.checks.config.load import load_monitor
from monitoring.checks.config.yaml_node import Spot
from monitoring.checks.drill.answers import (
    ANSWERS,
    READ,
    SOME_TIME,
    ReadEntry,
    check_paths,
    entries,
    mapping,
    plain,
    read_entry,
    recorded_answers,
)
from monitoring.checks.drill.broken_prices import put_price
from monitoring.checks.drill.entry_problems import answer_problem, instead_of
from monitoring.checks.drill.events import check_event, is_event
from monitoring.checks.engine.formula_checks import FormulaPart
from monitoring.checks.engine.monitor import Monitor
from monitoring.checks.expression.evaluate import PENDING, Ask, PriceRead, Result, ViewRead, evaluate
from monitoring.checks.expression.parse import LanguageError
from monitoring.checks.expression.scope import Scope
from monitoring.checks.expression.tree import Aggregate, kind_of_value
from monitoring.checks.expression.typecheck import check
from monitoring.checks.expression.values import Value
from monitoring.checks.expression.views import parse_view, standard_views
from monitoring.checks.recorded.recording import Recording
from monitoring.checks.recorded.replay import Replay
from monitoring.checks.rows.listed_check import ListedCheck
from monitoring.checks.rules.keys import DURATION, FOR, SEVERITY, Listed, text_of
from monitoring.checks.rules.keys import Value as ValueKind
from monitoring.conditions.policy import PendingPolicy

_NOW = re.compile(r"now(?:([+-]\d+[smhd]))*")
_STEP = re.compile(r"([+-])(\d+[smhd])")
_ONE_S = parse_duration("1s")
_NAMES = Listed(text_of("name"))


def _instant(spot: Spot) -> datetime | None:
    text = spot.text("an instant")
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC) if text else None
    except ValueError:
        spot.wrong(f"{text!r} is no instant: write it as in 2028-06-26 21:00, in UTC")
        return None


CHECK = entry("check", text_of("id", "the id of a check"), "Which check.", without="the id of a check of the monitor")
FIRES = entry("fires", SEVERITY, "How bad it must be.", without="the severity with which it must fire")
_CHANGES = tuple(
    entry(name, ANSWERS, sentence, default="")
    for name, sentence in (
        ("when", "It must fire on these answers; of a source, values by their path in its recorded answer."),
        ("quiet", "It must not fire on these."),
        ("worse", "Once it fires, it must get worse on these."),
        ("steady", "Once it fires, it must not yet get worse on these."),
        ("over", "Once it fires, it must be over on these."),
        ("holds", "Once it fires, it must go on on these."),
    )
)
BASELINE = entry("baseline", DURATION, "It must fire up to so long after the value that it compares with.", default="")
AT = entry(
    "at",
    ValueKind("instant", _instant, {"type": "string"}),
    "In place of `when`: it must fire from this instant on (`2028-06-26 21:00`, UTC), and not before.",
    default="",
)
WAITS = entry(
    "waits", FOR.kind, "On `when` it is pending until it lasted so long, as `2 runs`; `1 run`: it fires at once.",
    default="",
)  # fmt: skip
SHOWS = entry("shows", text_of("value"), "On `when` this is its value as people read it, with its unit.", default="")
DRILL_KEYS = Section(
    "One drill.", CHECK, FIRES, *_CHANGES, WAITS, BASELINE, AT, SHOWS,
    entry("also", _NAMES, "Other checks that may fire along.", default=""),
    entry("only", _NAMES, "Of several rows, those that must fire.", default=""),
)  # fmt: skip
FILE_KEYS = Section(
    "A drill.",
    entry("well", ANSWERS, "Every call and its answer when all is well.", default=""),
    entry("reads", Listed(READ, "list of readings"), "What makes an answer of a service count as none.", default=""),
    entry("drills", Listed(DRILL_KEYS, "list of drills"), "What each check must fire on.", without="a list of drills"),
)


@dataclass(frozen=True, slots=True)
class DrillEntry:
    """One entry: a check, the severity it must fire with, what makes it, and what must not. `line` is its place."""

    check: str
    fires: str
    when: Mapping[str, Any] = field(default_factory=dict)
    quiet: Mapping[str, Any] = field(default_factory=dict)
    worse: Mapping[str, Any] = field(default_factory=dict)
    steady: Mapping[str, Any] = field(default_factory=dict)
    over: Mapping[str, Any] = field(default_factory=dict)
    holds: Mapping[str, Any] = field(default_factory=dict)
    waits: PendingPolicy | None = None
    baseline: timedelta | None = None
    at: datetime | None = None
    shows: str = ""
    also: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    line: int = 0


@dataclass(slots=True)
class DrillNames:
    """What names mean on one chain, for one row; it notes what is asked and answers nothing."""

    chain: int
    names: Mapping[str, Value]
    asked: list[Ask] = field(default_factory=list)

    def name(self, name: str) -> Result:
        return self.names[name]

    def call(self, call: Ask) -> Result:
        self.asked.append(call)
        return PENDING

    def over_rows(self, tree: Aggregate) -> Result:
        raise KeyError(tree.rows)  # the answers of a drill name no rows that are read


@dataclass(frozen=True, slots=True)
class DrilledMonitor:
    """A monitor with its drill."""

    path: Path
    monitor: Monitor
    parts: tuple[FormulaPart | ListedCheck, ...]
    scope: Scope
    scenes: tuple[DrillNames, ...]
    well: Mapping[str, Any]
    recordings: tuple[Recording, ...]
    drills: tuple[DrillEntry, ...]
    reads: tuple[ReadEntry, ...]

    def answers(self, now: datetime, changes: Mapping[str, Any] | None = None) -> dict[ViewRead, Value]:
        """Return the answer to every call, with some of them changed.

        Raises:
            ValueError: an entry is no call of this monitor on any of its chains.
        """
        found: dict[ViewRead, Value] = {}
        sources = self.monitor.sources
        views = {text: one for text, one in (changes or {}).items() if text not in sources and not is_event(text)}
        for text, value in (*self.well.items(), *views.items()):  # a change wins, for all rows at once too
            calls = {call: self.value(value, scene, now) for scene in self.scenes for call in self.calls(text, scene)}
            if not calls:
                raise ValueError(f"{self.path}: {text} names nothing")
            found |= {call: answer for call, answer in calls.items() if isinstance(call, ViewRead)}
        return found

    def replay(self, now: datetime, changes: Mapping[str, Any] | None = None) -> Replay:
        """Return what services answer, with some of the values changed.

        Raises:
            LookupError: a recorded answer has nothing at a path.
        """
        replay = Replay(self.recordings, now)
        for source in self.monitor.sources.keys() & (changes or {}).keys():
            for path, value in (changes or {})[source].items():
                replay.put(source, path, self.value(value, self.scenes[0], now))
        for text, value in (changes or {}).items():
            scenes = self.scenes if text not in self.monitor.sources and not is_event(text) else ()
            calls = [(one, scene) for scene in scenes for one in self.calls(text, scene)]
            prices = [(one, scene) for one, scene in calls if isinstance(one, PriceRead)]
            missing = [one for one, scene in prices if not put_price(replay, one, self.value(value, scene, now))]
            if missing and len(missing) == len(prices):
                raise LookupError(f"no price of {missing[0].asset} is recorded")
        return replay

    def calls(self, text: str, scene: DrillNames) -> list[Ask]:
        """Return what a formula of the drill asks on one chain, for one row."""
        scene.asked.clear()
        try:
            evaluate(check(text, self.scope).tree, scene)
        except KeyError:  # a name of another chain
            return []
        return list(scene.asked)

    def value(self, value: Any, scene: DrillNames, now: datetime) -> Value:  # noqa: ANN401 - as it is in the file
        """Return what a text of the drill means: a formula without calls, `now-1h`, an address, or the text itself."""
        if isinstance(value, list):
            return tuple(self.value(one, scene, now) for one in value)
        if value in ("true", "false"):
            return bool(value == "true")
        if _NOW.fullmatch(value):
            spans = [(sign, parse_duration(span)) for sign, span in _STEP.findall(value)]
            moved = sum((span if sign == "+" else -span for sign, span in spans), now - now)
            return int(moved // _ONE_S + int(now.timestamp()))
        if is_address(value):
            return str(value).lower()
        try:
            found = evaluate(check(value, self.scope).tree, scene)
        except LanguageError:
            return str(value)
        return found  # type: ignore[return-value]  # a formula without calls has a value


def drill_path(path: Path) -> Path:
    return path.with_name("drill.yaml" if path.name == "monitor.yaml" else f"{path.stem}.drill.yaml")


def formula_parts(monitor: Monitor) -> tuple[FormulaPart | ListedCheck, ...]:
    """Return the checks that a drill can try: those of formulas and of vault rows."""
    return tuple(part for part in monitor.parts() if isinstance(part, FormulaPart | ListedCheck))


def load_drilled(path: Path) -> DrilledMonitor:
    """Read a monitor and its drill.

    Raises:
        ConfigError: with every mistake of one of the two, `file:line:column path: message`.
    """
    monitor, raw = load_monitor(path, TYPES), plain(read_yaml(path, marks.Mistakes(str(path))))
    vaults = {row["name"]: row for row in raw.get("erc4626", ())}
    parts = formula_parts(monitor)
    mistakes = marks.Mistakes(str(drill_path(path)))
    node = read_yaml(drill_path(path), mistakes)
    if node is None:
        raise ConfigError(mistakes.lines())
    root = Spot(node, "", mistakes)
    if numbers := root.get("sources"):
        numbers.wrong("a drill has whole answers: write them with python -m automation record, change them with `when`")
    root.only(FILE_KEYS.keys)
    root.need("drills", "a list of what each check must fire on")
    drills = tuple(found for spot in _items(root, "drills") if (found := _entry_at(spot, parts)))
    reads = tuple(read for spot in _items(root, "reads") if (read := read_entry(spot)))
    scenes = tuple(_scenes(monitor, parts, vaults))
    drilled = DrilledMonitor(
        path, monitor, parts, _scope(monitor, raw, vaults), scenes,
        mapping(root, "well"), recorded_answers(path, monitor, mistakes), drills, reads,
    )  # fmt: skip
    _check_names(drilled, root)
    mistakes.raise_any()
    return drilled


def _entry_at(spot: Spot, parts: Iterable[FormulaPart | ListedCheck]) -> DrillEntry | None:
    spot.only(DRILL_KEYS.keys)
    known = list(dict.fromkeys(part.key.check for part in parts))
    name, fires = spot.value(CHECK), spot.value(FIRES)
    if name and name not in known:
        (spot.get("check") or spot).wrong(f"no check is called {name}{did_you_mean(name, known) or _known(known)}")
    if not name or fires is None:
        return None
    changes = {key.name: mapping(spot, key.name) for key in _CHANGES}
    also, only = (_names(spot, key) for key in ("also", "only"))
    return DrillEntry(
        name, fires.name.lower(), **changes, waits=spot.value(WAITS) or None, baseline=spot.value(BASELINE) or None,
        at=spot.value(AT),
        shows=spot.value(SHOWS) or "", also=also, only=only, line=spot.node.at.line,
    )  # fmt: skip


def _names(spot: Spot, key: str) -> tuple[str, ...]:
    """Return the names under a key: a list, or one."""
    found = plain(spot.get(key)) or ()
    return (found,) if isinstance(found, str) else tuple(map(str, found))


def _known(names: list[str]) -> str:
    return f": known are {', '.join(names)}"


def _check_names(drilled: DrilledMonitor, root: Spot) -> None:
    """Note each call of the drill that its monitor cannot make, and each source that it does not have."""
    for spot in (root, *_items(root, "drills")):
        for section in ("well", *(key.name for key in _CHANGES)):
            for key, at in entries(spot, section):
                if isinstance(at.node, marks.Mapping):
                    check_paths(drilled, key.text, key.at, at)
                elif section != "well" and is_event(key.text):
                    check_event(drilled, key, at)
                else:
                    _check_call(drilled, key, at)
    for spot in _items(root, "reads"):
        source = spot.get("source")
        for values in (spot.get("good"), spot.get("bad")):
            if source and values:
                check_paths(drilled, str(plain(source)), source.node.at, values)


def _check_call(drilled: DrilledMonitor, key: marks.Scalar, at: Spot) -> None:
    try:
        is_asked = any(drilled.calls(key.text, scene) for scene in drilled.scenes)
        drilled.replay(SOME_TIME, {key.text: plain(at)})
    except LanguageError as error:
        at.mistakes.add(key.place_of(error.offset), at.path, instead_of(drilled, key.text) or str(error))
        return
    except (LookupError, ValueError) as error:
        at.mistakes.add(key.at, at.path, str(error))
        return
    call = "write a call of the monitor, as in vault.totalAssets()"
    wrong = answer_problem(drilled, key.text, plain(at)) if is_asked else f"this reads nothing: {call}"
    if wrong:
        place = at.node.at if is_asked else key.at
        at.mistakes.add(place, at.path, wrong if is_asked else instead_of(drilled, key.text) or wrong)


def _items(spot: Spot, key: str) -> list[Spot]:
    found = spot.get(key)
    return found.items("a list of drills") if found else []


def _scope(monitor: Monitor, file: Mapping[str, Any], vaults: Mapping[str, Any]) -> Scope:
    views = dict(standard_views())
    for text in file.get("functions", ()):
        signature = parse_view(text)
        views[signature.name] = (signature,)
    for vault in vaults.values():
        views.update({name: (parse_view(f"{name}()(bool)"),) for name in vault.get("flags", ())})
    kinds = {key: kind_of_value(value) for key, value in monitor.rows.rows[0].items()} if monitor.rows else {}
    rows = {monitor.rows.name: kinds} if monitor.rows else {}
    return Scope(contracts=(*monitor.contracts, *vaults), rows=rows, views=views)


def _scenes(
    monitor: Monitor, parts: tuple[FormulaPart | ListedCheck, ...], vaults: Mapping[str, Any]
) -> Iterator[DrillNames]:
    rows = monitor.rows.rows if monitor.rows else ({},)
    for chain in sorted({part.key.chain for part in parts}):
        names: dict[str, Value] = {name: at[chain] for name, at in monitor.contracts.items() if chain in at}
        here = {part.key.subject for part in parts if part.key.chain == chain}
        names |= {name: row["address"].lower() for name, row in vaults.items() if name in here}
        for row in rows:
            fields = {f"{monitor.rows.name}.{key}": value for key, value in row.items()} if monitor.rows else {}
            yield DrillNames(chain, {**names, **fields})
