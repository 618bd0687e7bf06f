"""The drills of shipped monitors: what a chain says when all is well, and what each check must fire on.

A drill lies beside its monitor: `drill.yaml` of `monitor.yaml`, `x.drill.yaml` of `x.yaml`. Used by tests, the request
benchmark and the demo, so it imports no test library. See docs/monitors.md for the format.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from monitoring.base.clock import parse_duration
from monitoring.chains.abi.addresses import is_address
from monitoring.checks.builtin import TYPES
from monitoring.checks.config.load import load_monitor
from monitoring.checks.engine.formula_checks import FormulaPart
from monitoring.checks.engine.monitor import Monitor
from monitoring.checks.expression.evaluate import PENDING, Result, ViewRead, evaluate
from monitoring.checks.expression.parse import LanguageError
from monitoring.checks.expression.scope import Scope
from monitoring.checks.expression.tree import ADDRESS, BOOLEAN, NUMBER, TEXT, ValueType
from monitoring.checks.expression.typecheck import check
from monitoring.checks.expression.values import Value
from monitoring.checks.expression.views import parse_view, standard_views
from protocols import SHIPPED

PROTOCOLS = Path(__file__).resolve().parents[2] / "protocols"
_NOW = re.compile(r"now(?:([+-]\d+[smhd]))*")
_STEP = re.compile(r"([+-])(\d+[smhd])")


@dataclass(frozen=True, slots=True)
class Drill:
    """One entry: a check, the severity it must fire with, what makes it, and what must not."""

    check: str
    fires: str
    when: Mapping[str, Any] = field(default_factory=dict)
    quiet: Mapping[str, Any] = field(default_factory=dict)
    sources: Mapping[str, Any] = field(default_factory=dict)
    quiet_sources: Mapping[str, Any] = field(default_factory=dict)
    also: tuple[str, ...] = ()
    only: tuple[str, ...] = ()


@dataclass(slots=True)
class Scene:
    """What names mean on one chain, for one row."""

    chain: int
    names: Mapping[str, Value]
    asked: list[ViewRead] = field(default_factory=list)

    def name(self, name: str) -> Result:
        return self.names[name]

    def call(self, call: ViewRead) -> Result:
        self.asked.append(call)
        return PENDING


@dataclass(frozen=True, slots=True)
class Drilled:
    """A monitor with its drill."""

    path: Path
    monitor: Monitor
    parts: tuple[FormulaPart, ...]
    scope: Scope
    scenes: tuple[Scene, ...]
    well: Mapping[str, Any]
    sources: Mapping[str, Any]
    drills: tuple[Drill, ...]

    def answers(self, now: datetime, changes: Mapping[str, Any] | None = None) -> dict[ViewRead, Value]:
        """Return the answer to every call, with some of them changed.

        Raises:
            ValueError: an entry is no call of this monitor on any of its chains.
        """
        found: dict[ViewRead, Value] = {}
        for text, value in {**self.well, **(changes or {})}.items():
            calls = {call: self._value(value, scene, now) for scene in self.scenes for call in self._calls(text, scene)}
            if not calls:
                raise ValueError(f"{self.path}: {text} names nothing")
            found |= calls
        return found

    def readings(self, now: datetime, changes: Mapping[str, Any] | None = None) -> dict[tuple[str, str], Value]:
        """Return what each source says, with some of them changed."""
        told = {**self.sources, **(changes or {})}
        return {(self.monitor.name, name): self._value(value, self.scenes[0], now) for name, value in told.items()}

    def _calls(self, text: str, scene: Scene) -> list[ViewRead]:
        scene.asked.clear()
        try:
            evaluate(check(text, self.scope).tree, scene)
        except KeyError:  # a name of another chain
            return []
        return list(scene.asked)

    def _value(self, value: Any, scene: Scene, now: datetime) -> Value:
        if isinstance(value, list):
            return tuple(self._value(one, scene, now) for one in value)
        if value in ("true", "false"):
            return bool(value == "true")
        if _NOW.fullmatch(value):
            spans = [(sign, parse_duration(span)) for sign, span in _STEP.findall(value)]
            return int(sum((span if sign == "+" else -span for sign, span in spans), now - now) // _ONE_S + _unix(now))
        if is_address(value):
            return str(value).lower()
        try:
            found = evaluate(check(value, self.scope).tree, scene)
        except LanguageError:
            return str(value)
        return found  # type: ignore[return-value]  # a formula without calls has a value


def monitor_files() -> list[Path]:
    """Return every shipped monitor file."""
    return [path for name in SHIPPED for path in sorted((PROTOCOLS / name).glob("*.yaml")) if _is_monitor(path)]


def drilled_files() -> list[Path]:
    """Return every shipped monitor file that has formulas, which is what must be drilled."""
    return [path for path in monitor_files() if _formula_parts(load_monitor(path, TYPES))]


def drill_path(path: Path) -> Path:
    return path.with_name("drill.yaml" if path.name == "monitor.yaml" else f"{path.stem}.drill.yaml")


def load_drilled(path: Path) -> Drilled:
    """Read a monitor and its drill.

    Raises:
        FileNotFoundError: it has none.
    """
    monitor = load_monitor(path, TYPES)
    drill = yaml.load(drill_path(path).read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    file = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    vaults = {row["name"]: row for row in file.get("erc4626", ())}
    parts = _formula_parts(monitor)
    drills = tuple(
        Drill(**{key: tuple(value) if key in ("also", "only") else value for key, value in one.items()})
        for one in drill["drills"]
    )
    return Drilled(
        path, monitor, parts, _scope(monitor, file, vaults), tuple(_scenes(monitor, parts, vaults)),
        drill.get("well", {}), drill.get("sources", {}), drills,
    )  # fmt: skip


def _is_monitor(path: Path) -> bool:
    return any(line.startswith("monitor:") for line in path.read_text(encoding="utf-8").splitlines())


def _formula_parts(monitor: Monitor) -> tuple[FormulaPart, ...]:
    return tuple(part for part in monitor.parts() if isinstance(part, FormulaPart))


def _scope(monitor: Monitor, file: Mapping[str, Any], vaults: Mapping[str, Any]) -> Scope:
    views = dict(standard_views())
    for text in file.get("functions", ()):
        signature = parse_view(text)
        views[signature.name] = (signature,)
    for vault in vaults.values():
        views.update({name: (parse_view(f"{name}()(bool)"),) for name in vault.get("flags", ())})
    kinds = {key: _kind(value) for key, value in monitor.rows.rows[0].items()} if monitor.rows else {}
    rows = {monitor.rows.name: kinds} if monitor.rows else {}
    return Scope(contracts=(*monitor.contracts, *vaults), rows=rows, views=views)


def _scenes(monitor: Monitor, parts: tuple[FormulaPart, ...], vaults: Mapping[str, Any]) -> Iterator[Scene]:
    rows = monitor.rows.rows if monitor.rows else ({},)
    for chain in sorted({part.key.chain for part in parts}):
        names: dict[str, Value] = {name: at[chain] for name, at in monitor.contracts.items() if chain in at}
        here = {part.key.subject for part in parts if part.key.chain == chain}
        names |= {name: row["address"].lower() for name, row in vaults.items() if name in here}
        for row in rows:
            fields = {f"{monitor.rows.name}.{key}": value for key, value in row.items()} if monitor.rows else {}
            yield Scene(chain, {**names, **fields})


def _kind(value: Value) -> ValueType:
    if isinstance(value, bool):
        return BOOLEAN
    if isinstance(value, str):
        return ADDRESS if is_address(value) else TEXT
    return NUMBER


def _unix(now: datetime) -> int:
    return int(now.timestamp())


_ONE_S = parse_duration("1s")
