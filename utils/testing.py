"""Runs monitors in an author's own tests: a chain from a table, recorded services, a clock to move, a real store.

`run` takes a function made with `@monitor` or the path of a `monitor.yaml` and returns what people would receive. Runs
that share a `store` remember each other, so that fired, worsened and recovered can be asserted. Nothing is sent.
docs/write-a-monitor.md shows how.
"""

from __future__ import annotations

import contextlib
import inspect
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from monitoring.alerts.recording.store_alert import NOBODY
from monitoring.base.clock import SystemClock, parse_duration
from monitoring.base.http.client import Answer, FetchError, HttpClient, Request
from monitoring.base.secrets.redact import Redactor
from monitoring.base.settings import Settings, load_settings
from monitoring.checks.builtin import TYPES
from monitoring.checks.config.load import load_monitor
from monitoring.checks.engine import runner
from monitoring.checks.engine.monitor import Monitor
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.recorded.recording import recordings_of
from monitoring.checks.recorded.replay import Replay
from monitoring.checks.recorded.sim_chain import Reverts, SimChain
from monitoring.checks.state.load import StoredMemory
from monitoring.store.db.database import Database
from monitoring.store.db.handle import SteadyStore
from monitoring.store.db.schema import open_database
from monitoring.store.queries import alerts as alert_queries
from monitoring.store.tables import conditions
from utils.context import Context
from utils.local_chain import LocalChain, local_chain
from utils.script import run_function

__all__ = ["LocalChain", "RecordedAnswers", "Reverts", "Run", "SimChain", "SimClock", "Told", "local_chain", "run"]

_NEWEST = 1000


class SimClock:
    """A clock that stands until it is moved. Waiting for a service moves it too, and costs no time."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = start
        self._elapsed_s = 0.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._elapsed_s

    def move(self, span: str | timedelta) -> None:
        """Move on by a duration, as in `1h`."""
        self.sleep((span if isinstance(span, timedelta) else parse_duration(span)).total_seconds())

    def sleep(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        self._elapsed_s += seconds


@dataclass(frozen=True, slots=True)
class Told:
    """One message people would get. `check` is its key, as in `utilisation/USDC`, `kind` a transition.

    The kinds: `fired`, `worsened`, `reminder`, `eased`, `recovered`; `crash`; `alert` for an `m.alert`.
    """

    check: str
    kind: str
    severity: str
    title: str
    text: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True)
class RecordedAnswers:
    """The answers recorded in `answers/` next to a monitor; only requests that were recorded have one.

    `changes` are values by the path they replace, for each source; `down` cannot be reached; `instead` has what
    comes in place of an answer: a number for a failing status, or bytes.
    """

    changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    down: Iterable[str] = ()
    instead: Mapping[str, int | bytes] = field(default_factory=dict)

    def replay(self, file: Path, monitor: str, now: datetime) -> Replay:
        """Return what answers the requests of a monitor at a moment.

        Raises:
            LookupError: no answer of a source is recorded, or it has nothing at a path.
        """
        found = Replay(recordings_of(file, monitor), now)
        for source, values in self.changes.items():
            for path, value in values.items():
                found.put(source, path, value)
        found.down = {found.path_of(source) for source in self.down}
        for source, instead in self.instead.items():
            body = (instead, b"") if isinstance(instead, int) else (200, instead)
            found.instead[found.path_of(source)] = body
        return found


class Run(list[Told]):
    """What one run reported, in order. `states` and `unknown` are of all checks, by key; `code` is the exit code."""

    code: int = 0
    states: Mapping[str, str]
    unknown: Mapping[str, str]

    @property
    def kinds(self) -> dict[str, str]:
        """Return what became of each check that reported something."""
        return {one.check: one.kind for one in self}


def run(
    monitor: Callable[[], None] | Path | str,
    *,
    store: Path,
    chain: SimChain | LocalChain | Iterable[SimChain | LocalChain] = (),
    clock: SimClock | None = None,
    http: Mapping[str, Any] | None = None,
    answers: RecordedAnswers | None = None,
    environ: Mapping[str, str] | None = None,
    arguments: Sequence[str] = (),
) -> Run:
    """Run a monitor once and return what it reported.

    `store` is a folder (pytest's `tmp_path`). `http` has an answer for each URL: JSON, a number for a failing status,
    or a function of the request; what is not listed cannot be reached. With `answers`, those recorded next to the
    monitor come as well. With a `local_chain` leave `clock` out.

    Raises:
        ConfigError: the file has mistakes.
    """
    chains = [chain] if isinstance(chain, SimChain | LocalChain) else list(chain)
    world = _TestWorld(chains, clock or SystemClock(), http or {})
    named = {name: value for one in chains for name, value in one.environ.items()}
    settings = load_settings({"MONITORING_ENV_FILE": "", "CACHE_DIR": str(store), **named, **(environ or {})})
    with open_database(settings.database) as database:
        before = _newest(database)
        if isinstance(monitor, Path | str):
            file = load_monitor(Path(monitor), TYPES)
            world.replay = answers.replay(Path(monitor), file.name, world.clock.now()) if answers else None
            return _result(database, before, file.name, _run_file(file, settings, world))
        if answers:
            script = Path(inspect.getfile(monitor.function))  # type: ignore[attr-defined]  # as `@monitor` makes them
            world.replay = answers.replay(script, monitor.monitor, world.clock.now())  # type: ignore[attr-defined]
        code = _run_function(monitor, settings, world, arguments)
        return _result(database, before, monitor.monitor, code)  # type: ignore[attr-defined]


def _run_function(monitor: Any, settings: Settings, world: _TestWorld, arguments: Sequence[str]) -> int:  # noqa: ANN401
    m = Context(
        monitor.monitor, monitor.channel, settings, world.clock,
        arguments=arguments, origin=NOBODY, fetch=world, sleep=world.sleep, guidance=monitor.guidance,
    )  # fmt: skip
    with contextlib.closing(m):
        return run_function(m, monitor.function)


def _run_file(file: Monitor, settings: Settings, world: _TestWorld) -> int:
    store = SteadyStore(settings.database, world.clock)
    with contextlib.closing(store):
        at = EvaluationPoint(
            settings.environ, world.clock, memory=StoredMemory(store, world.clock), fetch=world, sleep=world.sleep,
            redact=Redactor(settings.environ),
        )  # fmt: skip
        return int(runner.run([file], at, store, NOBODY).trouble)


class _TestWorld:
    """All that a run under test can reach."""

    def __init__(
        self, chains: Sequence[SimChain | LocalChain], clock: SimClock | SystemClock, http: Mapping[str, Any]
    ) -> None:
        self.clock = clock
        self._simulated = {one.url: one for one in chains if isinstance(one, SimChain)}
        self._local = {one.url for one in chains if isinstance(one, LocalChain)}
        self._http = http
        self._fetch = HttpClient()
        self.replay: Replay | None = None

    def __call__(self, request: Request, timeout_s: float) -> Answer:
        if request.url in self._simulated:
            return self._simulated[request.url].fetch(request, self.clock)
        if request.url in self._local:
            return self._fetch(request, timeout_s)
        if request.url not in self._http and self.replay:
            return self.replay(request, timeout_s)
        if request.url not in self._http:
            raise FetchError(request.host, "no answer was recorded for this URL")
        found = self._http[request.url]
        found = found(request) if callable(found) else found
        if isinstance(found, int) and not isinstance(found, bool):
            return Answer(request.host, found, {}, b"")
        return Answer(request.host, 200, {}, found if isinstance(found, bytes) else json.dumps(found).encode())

    def sleep(self, seconds: float) -> None:
        if isinstance(self.clock, SimClock):
            self.clock.sleep(seconds)


def _newest(database: Database) -> int:
    found = alert_queries.newest(database, alert_queries.Filter(), 1)
    return found[0].id if found else 0


def _result(database: Database, before: int, monitor: str, code: int) -> Run:
    found = alert_queries.newest(database, alert_queries.Filter(after_id=before), _NEWEST)
    run = Run(_received(one) for one in sorted(found, key=lambda one: one.id))
    with database.snapshot() as tx:
        rows = conditions.of_monitor(tx, monitor)
    run.code = code
    run.states = {row.key.text: row.state.value for row in rows}
    run.unknown = {row.key.text: row.no_data.reason for row in rows if row.no_data is not None}
    return run


def _received(alert: alert_queries.AlertRow) -> Told:
    about = orjson.loads(alert.metadata_json) if alert.metadata_json else {}
    kind = "crash" if alert.source == "crash" and alert.kind != "recovery" else about.get("transition", alert.kind)
    return Told(alert.dedupe_key or "", kind, alert.severity or "", alert.title, alert.message)
