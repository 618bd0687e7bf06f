"""Runs monitor files: reads all they want in a few requests, judges, records in one transaction.

This is what a task with `monitors:` is. It sends nothing: the task's runner delivers, by hand the frame does.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from monitoring.alerts.record import UNSTORED, Origin
from monitoring.alerts.render import render_plain
from monitoring.chains.budget import Budget
from monitoring.chains.memory import JUDGED
from monitoring.chains.reads import Chains, ChainView
from monitoring.checks import operations, wording
from monitoring.checks.answers import Answers
from monitoring.checks.condition import Condition
from monitoring.checks.documents import read_sources
from monitoring.checks.looking import Looked, Seen, judge, look
from monitoring.checks.model import Monitor
from monitoring.checks.plan import Key
from monitoring.checks.recording import ChangedMeanwhileError, Entry, Record, record_in
from monitoring.checks.remembered import NOTHING, Remembered, StoredMemory, recall
from monitoring.checks.shown import value_in_words
from monitoring.checks.tools import Tools, open_tools
from monitoring.checks.types import Registry
from monitoring.clock import Clock
from monitoring.errors import StoreBusyError, StoreError
from monitoring.redact import Redactor
from monitoring.settings import Settings
from monitoring.store import conditions as stored
from monitoring.store.steady import SteadyStore

_ATTEMPTS = 4  # of judging anew, when another process judged the same conditions meanwhile


@dataclass(slots=True)
class Outcome:
    """What a run came to. `trouble`: something is wrong with us, not with the world; the exit code is then 1."""

    seen: list[Seen] = field(default_factory=list)
    stored: int = 0
    trouble: bool = False


class Run:
    """One run of the monitors of a task."""

    def __init__(
        self, monitors: Sequence[Monitor], types: Registry, settings: Settings, origin: Origin, clock: Clock
    ) -> None:
        self._monitors = list(monitors)
        self._origin = origin
        self._clock = clock
        self._redact = Redactor(settings.environ)
        self._store = SteadyStore(settings.database, clock)
        self._memory = StoredMemory(self._store, clock)
        chains = Chains(settings.environ, budget=Budget(clock=clock), memory=self._memory)
        self._tools: Tools = open_tools(settings.environ, chains)
        self._answers = Answers(self._tools, types)
        self._outcome = Outcome()

    def __call__(self) -> Outcome:
        """Read, judge, record. A store that fails stops no check; its alerts are said where the runner looks."""
        remembered = self._recall()
        looked = self._look(remembered)
        for _ in range(_ATTEMPTS):
            record = self._judge(looked, remembered)
            try:
                self._outcome.stored = self._store.write(
                    lambda tx, record=record: record_in(tx, record, self._clock.now(), self._origin)  # type: ignore[misc]
                )
            except ChangedMeanwhileError:
                remembered = self._recall()
            except StoreError as error:
                return self._unstored(record, error)
            else:
                return self._outcome
        return self._unstored(record, StoreBusyError("other runs judged the same checks each time"))

    def close(self) -> None:
        self._store.close()

    def _recall(self) -> Remembered:
        names = [*(monitor.name for monitor in self._monitors), operations.ENGINE]
        try:
            return self._store.read(
                lambda database: recall(database, names, self._clock.now(), debug=self._origin.debug)
            )
        except StoreError as error:
            self._complain(f"the store cannot be read, so nothing is remembered: {error}")
            return NOTHING

    def _look(self, remembered: Remembered) -> Looked:
        parts = [part for monitor in self._monitors for part in monitor.parts()]
        for chain in {part.key.chain for part in parts if part.key.chain}:
            self._memory.recall(JUDGED, str(chain))  # here, and not in the threads that pin blocks
        sources = read_sources(self._monitors, self._tools.service, self._clock)
        return look(parts, self._answers, sources, remembered.conditions)

    def _judge(self, looked: Looked, remembered: Remembered) -> Record:
        now, conditions = self._clock.now(), remembered.conditions
        seen = judge(looked, conditions, now, remembered.untold)
        entries = [self._entry(one, conditions, now, declared=True) for one in seen]
        parts = self._operational_parts(entries, remembered)
        judged = judge(look(parts, self._answers, {}, conditions), conditions, now, remembered.untold)
        entries += [self._entry(one, conditions, now, declared=False) for one in judged]
        self._outcome.seen = seen
        return Record(entries, remembered, self._memory.new, self._blocks(), self._gone(looked, remembered))

    def _operational_parts(self, entries: Sequence[Entry], remembered: Remembered) -> list[operations.Operational]:
        traces = {one.seen.key: _trace(error) for one in entries if (error := _bug(one)) is not None}
        of_answerers = {kind: _trace(error) for kind, error in self._answers.crashes.items()}
        self._outcome.trouble = self._outcome.trouble or bool(traces or of_answerers)
        for trace in (*traces.values(), *of_answerers.values()):
            self._say(trace.rstrip())
        chains, routes = self._tools.chains, {monitor.name: monitor.route for monitor in self._monitors}
        return [
            *operations.blind_sources([entry.seen for entry in entries], remembered),
            *operations.failing_providers(chains, remembered),
            *operations.crashed(routes, traces, of_answerers, remembered),
        ]

    def _entry(self, seen: Seen, conditions: dict[Key, Condition], now: datetime, *, declared: bool) -> Entry:
        before = conditions.get(seen.key, Condition())
        origin = self._origin_of(seen) if declared else wording.Origin()
        told = wording.tell(seen, before, self._tools, origin, now, self._redact)
        return Entry(seen, told, self._redact(value_in_words(seen.part, seen.reading)), declared)

    def _origin_of(self, seen: Seen) -> wording.Origin:
        view = self._tools.chains.views.get(seen.key.chain)
        if not isinstance(view, ChainView):
            return wording.Origin()
        hosts = view.pool.hosts
        metadata = {"block": view.block.number, "chain_id": view.network.id, "providers": list(hosts)}
        return wording.Origin(f"{view.network.name}, block {view.block.number:,}, from {', '.join(hosts)}", metadata)

    def _blocks(self) -> dict[int, int]:
        views = self._tools.chains.views
        return {chain: view.block.number for chain, view in views.items() if isinstance(view, ChainView)}

    def _gone(self, looked: Looked, remembered: Remembered) -> list[stored.Condition]:
        names, keys = {monitor.name for monitor in self._monitors}, {part.key for part in looked.parts}
        rows = remembered.rows.items()
        taken_out = [row for key, row in rows if key.monitor in names and row.declared and key not in keys]
        return [*taken_out, *operations.removed_providers(self._tools.chains, remembered)]

    def _unstored(self, record: Record, error: StoreError) -> Outcome:
        self._complain(f"the store failed: {error}")
        for alert in [entry.telling.alert for entry in record.entries if entry.telling is not None]:
            text = " | ".join(render_plain(alert, now=self._clock.now()).split("\n"))
            self._complain(f"{UNSTORED}{alert.severity.name} {alert.protocol}: {text}")
        return self._outcome

    def _complain(self, text: str) -> None:
        self._outcome.trouble = True
        self._say(text)

    def _say(self, text: str) -> None:
        with suppress(OSError, ValueError):
            sys.stderr.write(self._redact(text) + "\n")
            sys.stderr.flush()


def _bug(entry: Entry) -> Exception | None:
    return entry.seen.crash or (entry.telling.crash if entry.telling else None)


def _trace(error: Exception) -> str:
    return "".join(traceback.format_exception(error)[-4:])
