"""A monitor over a local chain as people follow it: a real store, real deliveries, a Bot API that shows what arrived.

Every look opens the store and the chain anew, as another process does. Before each one another run reads and judges the
same and dies before it records anything, and after each one follows that has nothing to say: so each stage is met by a
restart on both sides.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from monitoring.alerts.recording.store_alert import NOBODY
from monitoring.chains.networks import network
from monitoring.checks.builtin import TYPES
from monitoring.checks.config.load import load_monitor
from monitoring.checks.engine import runner
from monitoring.checks.engine.evaluate import evaluate
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.state.load import StoredMemory
from monitoring.store.db.handle import SteadyStore
from tests.support.anvil import Anvil
from tests.support.fake_telegram import Received, TelegramStandIn
from tests.support.outbox import Outbox


class ChainClock:
    """Shows the time of a chain's newest block, so that host and chain agree however far time was moved."""

    def __init__(self, node: Anvil) -> None:
        self._node = node

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._node.now, UTC)

    def monotonic(self) -> float:
        return time.monotonic()


@dataclass
class ToldInChat:
    """The file of a monitor, the folder of its store, and the chat in which its alerts arrive."""

    node: Anvil
    file: Path
    telegram: TelegramStandIn
    environ: Mapping[str, str] = field(default_factory=dict)
    seen: int = 0

    def look(self) -> list[Received]:
        """Mine what makes the newest events certain, run, deliver; return what arrived in the chat."""
        self.node.mine(network(1).confirmations + 1)
        self._die_before_recording()
        self._run()
        new = self.telegram.messages[self.seen :]
        self._run()
        assert self.telegram.messages[self.seen + len(new) :] == [], "nothing comes twice"
        self.seen += len(new)
        return list(new)

    def titles(self) -> list[str]:
        """Look; return the first line of each message without emoji, severity and monitor."""
        return [one.text.partition("\n")[0].partition(": ")[2].partition(": ")[2] for one in self.look()]

    def _point(self, store: SteadyStore) -> EvaluationPoint:
        quiet = {"PROVIDER_PUBLIC": "off", "DEFILLAMA_URL": "http://127.0.0.1:9"}
        environ = {**quiet, "PROVIDER_URL_MAINNET": self.node.url, **self.environ}
        clock = ChainClock(self.node)
        return EvaluationPoint(environ, clock, memory=StoredMemory(store, clock), sleep=lambda _s: None)

    def _store(self) -> SteadyStore:
        return SteadyStore(self.file.parent / "monitoring.db", ChainClock(self.node))

    def _die_before_recording(self) -> None:
        monitors = [load_monitor(self.file, TYPES)]
        with closing(self._store()) as store:
            at = self._point(store)
            evaluate(monitors, at, runner.recalled(monitors, at, store, NOBODY))

    def _run(self) -> None:
        monitors = [load_monitor(self.file, TYPES)]
        with closing(self._store()) as store:
            outcome = runner.run(monitors, self._point(store), store, NOBODY)
            assert not outcome.trouble
        with closing(Outbox(self.file.parent, self.telegram.url, clock=ChainClock(self.node))) as box:
            box.drain()
