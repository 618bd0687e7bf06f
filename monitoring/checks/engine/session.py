"""One look of a task at the world, with what is remembered: the part that running and explaining share.

It stores nothing. `runner.py` records what it returns, `explain` shows it.
"""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from monitoring.alerts.conditions.store_alert import AlertOrigin
from monitoring.base.clock import Clock
from monitoring.base.secrets.redact import Redactor
from monitoring.chains.rpc.budget import Budget
from monitoring.chains.rpc.memory import JUDGED
from monitoring.chains.rpc.provider import Fetch
from monitoring.chains.rpc.views import Chains, ChainView
from monitoring.checks.engine import source_health
from monitoring.checks.engine.evaluation import EvaluatedCheck, Looked, judge, look
from monitoring.checks.engine.evidence import NO_EVIDENCE, Evidence
from monitoring.checks.engine.monitor import EvaluatedMonitor
from monitoring.checks.engine.plan import Key
from monitoring.checks.engine.plugin import Registry
from monitoring.checks.engine.resolvers import Answers
from monitoring.checks.engine.sources import read_sources
from monitoring.checks.engine.tools import open_tools
from monitoring.checks.messages import alert
from monitoring.checks.messages.listing_value import value_in_words
from monitoring.checks.rules.condition import Condition
from monitoring.checks.state.load import LoadedState, StoredMemory, recall
from monitoring.checks.state.save import JudgedPart, Record, blame
from monitoring.store.db.handle import ReadOnlyStore, SteadyStore
from monitoring.store.tables import conditions as stored


class Session:
    """The monitors of a task, the tools to read with, and the bugs met so far."""

    def __init__(
        self,
        monitors: Sequence[EvaluatedMonitor],
        types: Registry,
        environ: Mapping[str, str],
        store: SteadyStore | ReadOnlyStore,
        origin: AlertOrigin,
        clock: Clock,
        *,
        fetch: Fetch | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._monitors = list(monitors)
        self._store = store
        self._origin = origin
        self.clock = clock
        self._redact = Redactor(environ)
        self._memory = StoredMemory(store, clock)
        chains = Chains(environ, budget=Budget(clock=clock, sleep=sleep), memory=self._memory, fetch=fetch)
        self.tools = open_tools(environ, chains)
        self._answers = Answers(self.tools, types)
        self.crashed = False

    def recall(self) -> LoadedState:
        """Return what is remembered of these monitors and of all sources.

        Raises:
            StoreError: the store cannot be read.
        """
        names = [*(monitor.name for monitor in self._monitors), source_health.ENGINE]
        return self._store.read(lambda database: recall(database, names, self.clock.now(), debug=self._origin.debug))

    def look(self, remembered: LoadedState) -> Looked:
        """Read everything, in as few requests as it takes."""
        parts = [part for monitor in self._monitors for part in monitor.parts()]
        for chain in {part.key.chain for part in parts if part.key.chain}:
            self._memory.recall(JUDGED, str(chain))  # here, and not in the threads that pin blocks
        sources = read_sources(self._monitors, self.tools.service, self.clock)
        return look(parts, self._answers, sources, remembered.conditions)

    def judge(self, looked: Looked, remembered: LoadedState) -> Record:
        """Judge every reading and put what changed into words. May ask the world for names."""
        now, conditions = self.clock.now(), remembered.conditions
        seen = judge(looked, conditions, now, remembered.untold)
        declared = {monitor.name for monitor in self._monitors if monitor.declared}
        entries = [
            self._entry(one, conditions, now, self._origin_of(one, looked), declared=one.key.monitor in declared)
            for one in seen
        ]
        family = source_health.families(seen, remembered)
        entries = [
            replace(one, blamed=family.get(blame(one.seen.key, one.seen.outcome.condition), "")) for one in entries
        ]
        parts = self._operational_parts(entries, remembered, family)
        judged = judge(look(parts, self._answers, {}, conditions), conditions, now, remembered.untold)
        entries += [self._entry(one, conditions, now, alert.ReadingOrigin(), declared=False) for one in judged]
        return Record(entries, remembered, self._memory.new, self._blocks(), self._gone(looked, remembered))

    @property
    def requests(self) -> int:
        """How many requests the chains have cost."""
        return self.tools.chains.requests

    def say(self, text: str) -> None:
        """Write to stderr, secrets replaced, whether somebody still reads it or not."""
        with suppress(OSError, ValueError):
            sys.stderr.write(self._redact(text) + "\n")
            sys.stderr.flush()

    def _operational_parts(
        self, entries: Sequence[JudgedPart], remembered: LoadedState, family: Mapping[str, str]
    ) -> list[source_health.Operational]:
        traces = {one.seen.key: _trace(error) for one in entries if (error := _bug(one)) is not None}
        of_answerers = {kind: _trace(error) for kind, error in self._answers.crashes.items()}
        self.crashed = self.crashed or bool(traces or of_answerers)
        for trace in (*traces.values(), *of_answerers.values()):
            self.say(trace.rstrip())
        chains, routes = self.tools.chains, {monitor.name: monitor.route for monitor in self._monitors}
        return [
            *source_health.blind_sources([entry.seen for entry in entries], remembered, family),
            *source_health.failing_providers(chains, remembered),
            *source_health.lost_blocks(chains),
            *source_health.crashed(routes, self._ending_crashes, traces, of_answerers, remembered),
        ]

    def _entry(
        self,
        seen: EvaluatedCheck,
        conditions: dict[Key, Condition],
        now: datetime,
        origin: alert.ReadingOrigin,
        *,
        declared: bool,
    ) -> JudgedPart:
        before = conditions.get(seen.key, Condition())
        told = alert.tell(seen, before, self.tools, origin, now, self._redact)
        return JudgedPart(seen, told, self._redact(value_in_words(seen.part, seen.reading)), declared)

    def _origin_of(self, seen: EvaluatedCheck, looked: Looked) -> alert.ReadingOrigin:
        evidence = _evidence(seen, looked)
        view = self.tools.chains.views.get(seen.key.chain)
        if not isinstance(view, ChainView):
            return alert.ReadingOrigin(evidence=evidence)
        hosts = view.pool.hosts
        metadata = {"block": view.block.number, "chain_id": view.network.id, "providers": list(hosts)}
        return alert.ReadingOrigin(f"{view.network.name} block {view.block.number:,}", metadata, evidence)

    def _blocks(self) -> dict[int, int]:
        views = self.tools.chains.views
        return {chain: view.block.number for chain, view in views.items() if isinstance(view, ChainView)}

    @property
    def _ending_crashes(self) -> list[str]:
        """Return the monitors whose earlier crash is over when none is met; a function's frame sees to its own."""
        return [monitor.name for monitor in self._monitors if monitor.declared]

    def _gone(self, looked: Looked, remembered: LoadedState) -> list[stored.Condition]:
        names, keys = (
            {monitor.name for monitor in self._monitors if monitor.declared},
            {part.key for part in looked.parts},
        )
        rows = remembered.rows.items()
        taken_out = [row for key, row in rows if key.monitor in names and row.declared and key not in keys]
        return [*taken_out, *source_health.removed_providers(self.tools.chains, remembered)]


def _evidence(seen: EvaluatedCheck, looked: Looked) -> Evidence:
    """Return what the value was made of, only where there is something to say."""
    own = getattr(seen.part, "evidence", None)
    found: Evidence = NO_EVIDENCE if own is None or seen.outcome.transition is None else own(looked.readings.context)
    return found


def _bug(entry: JudgedPart) -> Exception | None:
    return entry.seen.crash or (entry.telling.crash if entry.telling else None)


def _trace(error: Exception) -> str:
    return "".join(traceback.format_exception(error)[-4:])
