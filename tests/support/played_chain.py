"""A local chain with a history of hours, and the live engine run at each of them: what a backtest is held against."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from monitoring.alerts.recording.store_alert import NOBODY
from monitoring.base.settings import load_settings
from monitoring.checks.builtin import TYPES
from monitoring.checks.config.load import load_monitor
from monitoring.checks.engine.monitor import Monitor
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.engine.runner import run
from monitoring.checks.state.load import StoredMemory
from monitoring.store.db.handle import SteadyStore
from monitoring.store.db.schema import open_database
from tests.support import anvil, parts
from tests.support.answers import put_multicall
from tests.support.anvil import Anvil
from utils.context import Context
from utils.script import run_function
from utils.testing import SimClock

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
# What people read of an alert, and what machines are given of it.
_ALERTS = "SELECT created_at, severity, kind, title, message, dedupe_key, metadata_json FROM alert_events ORDER BY id"


@dataclass
class PlayedChain:
    """A node whose clock is at `now`, and the live engine's store in `folder`."""

    node: Anvil
    folder: Path
    now: datetime = BEGIN
    hours: int = 0
    clock: SimClock = field(default_factory=lambda: SimClock(BEGIN))

    @property
    def environ(self) -> Mapping[str, str]:
        return {"PROVIDER_URL_MAINNET": self.node.url, "PROVIDER_PUBLIC": "off"}

    def hour(self, live: Callable[[], object], change: Callable[[Anvil], object]) -> None:
        """Let an hour pass in which something changes, in blocks at its beginning and end; then run as live."""
        self.hours += 1
        at = BEGIN + self.hours * HOUR
        self._mine_at(at - timedelta(minutes=50))  # what is set by hand belongs to the newest block, which is this one
        change(self.node)
        self._mine_at(at - timedelta(seconds=12))
        self.now = at
        self.clock.sleep((at - self.clock.now()).total_seconds())
        live()

    def _mine_at(self, when: datetime) -> None:
        self.node.rpc("evm_setNextBlockTimestamp", int(when.timestamp()))
        self.node.mine()

    def run(self, *monitors: Monitor) -> None:
        """Run files as a task does."""
        store = SteadyStore(self.folder / "monitoring.db", self.clock)
        with closing(store):
            memory = StoredMemory(store, self.clock)
            at = EvaluationPoint(self.environ, self.clock, memory=memory, sleep=self.clock.sleep)
            assert not run(monitors, at, store, NOBODY).trouble

    def run_function(self, main: Any) -> None:
        """Run a function as its script does."""
        settings = load_settings({**self.environ, "MONITORING_ENV_FILE": "", "CACHE_DIR": str(self.folder)})
        with closing(Context(main.monitor, main.channel, settings, self.clock, origin=NOBODY)) as m:
            run_function(m, main.function)

    def alerts(self) -> list[tuple[object, ...]]:
        return alerts_of(self.folder / "monitoring.db")


def alerts_of(database: Path) -> list[tuple[object, ...]]:
    with closing(open_database(database)) as opened:
        return opened.rows(_ALERTS)


def loaded(file: Path, text: str) -> Monitor:
    file.write_text(text, encoding="utf-8")
    return load_monitor(file, TYPES)


@contextmanager
def played_chain(folder: Path) -> Iterator[PlayedChain]:
    """Start a node whose first block is a little before the first hour."""
    if anvil.binary() is None:
        parts.missing(anvil.HOW_TO_GET_IT)
    began = int((BEGIN - HOUR).timestamp())
    with anvil.running("--chain-id", "1", "--timestamp", str(began), "--no-mining") as node:
        put_multicall(node)
        node.mine()
        folder.mkdir(parents=True, exist_ok=True)
        yield PlayedChain(node, folder)
