"""A page of alerts over a short and a long history: every combination of filters, and how it grows."""

from __future__ import annotations

import itertools
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.cases import CASES
from benchmarks.measuring import Curve, Goal, Result, Role, Size, Way
from benchmarks.worlds.history import build
from monitoring.base.clock import from_text
from monitoring.base.process_identity import current_boot
from monitoring.base.settings import CHECKOUT, Settings
from monitoring.store.db.database import Database
from monitoring.store.db.schema import open_readonly
from monitoring.web.api.alerts import alerts
from monitoring.web.http import to_json
from monitoring.web.route import RequestContext

EQUAL = (("protocol", "aave"), ("severity", "HIGH"), ("source", "protocol"))
FEW: tuple[dict[str, Any], ...] = ({"protocol": "rare"}, {"protocol": "rare", "severity": "HIGH"}, {"protocol": "no"})


@dataclass(frozen=True)
class History:
    """One of the databases, and where its history lies."""

    name: str
    database: Database
    first_at: datetime
    last_at: datetime
    rows: int

    @classmethod
    def opened(cls, name: str, path: Path) -> History:
        database = open_readonly(path)
        first, last = database.row("SELECT min(sort_at), max(sort_at) FROM alert_events") or ("", "")
        rows = database.row("SELECT max(id) FROM alert_events") or (0,)
        return cls(name, database, from_text(first), from_text(last), int(rows[0]))

    def at(self, share: float) -> datetime:
        return self.first_at + (self.last_at - self.first_at) * share

    def asked(self, query: Mapping[str, Any]) -> RequestContext:
        settings = Settings({}, CHECKOUT, self.database.path.parent)
        return RequestContext(self.database, {}, query, datetime.now(UTC), current_boot(), settings)


def measure(size: Size) -> Result:
    case, result = CASES["history"], Result(CASES["history"].title, CASES["history"].about)
    lengths = size.pick((10_000, 100_000, 1_000_000, 5_000_000), (1_000, 50_000), (200, 1_000))
    newest, dearest = list[tuple[float, float]](), list[tuple[float, float]]()
    with tempfile.TemporaryDirectory() as directory:
        histories = []
        began = time.monotonic()
        for length in lengths:
            if length > lengths[1] and time.monotonic() - began > case.seconds(size) * 0.5:
                result.notes.append(f"{length:,} alerts were not measured: writing the shorter histories took too long")
                continue
            path = Path(directory) / str(length) / "monitoring.db"
            histories.append(History.opened(f"{length:,} alerts", build(path, length, is_bare=True)))
        for history, samples in zip(histories, _samples(histories, size), strict=True):
            medians = {name: statistics.median(values) for name, values in samples.items()}
            worst = max(medians, key=medians.__getitem__)
            way = Way(history.name, Role.OURS, {"CPU ms, any filter": [*itertools.chain(*samples.values())]})
            way.samples["CPU ms, the newest 100"] = samples["everything"]
            way.samples["CPU ms, the dearest filter"] = samples[worst]
            result.ways.append(way)
            result.notes.append(f"the dearest of {len(medians)} filters over {history.name}: {worst}")
            newest.append((history.rows, medians["everything"]))
            dearest.append((history.rows, medians[worst]))
            history.database.close()
    result.curves = [Curve("A page of 100 alerts", "alerts", "CPU ms", {"newest": newest, "dearest filter": dearest})]
    grown = [long / short for long, short in zip(_any(result.ways[-1]), _any(result.ways[0]), strict=False)]
    result.goals = [Goal(f"a page among {histories[-1].rows:,} alerts, of one among {histories[0].rows:,}", grown, 1.5)]
    return result


def _any(way: Way) -> list[float]:
    return way.samples["CPU ms, the newest 100"]


def _samples(histories: list[History], size: Size) -> list[dict[str, list[float]]]:
    """Return the CPU time of each filter on each history; the histories take turns."""
    asked = [list(filters(history)) for history in histories]
    found: list[dict[str, list[float]]] = [{} for _ in histories]
    for number in range(len(asked[0])):
        for _ in range(size.pick(15, 3, 1)):
            for which, history in enumerate(histories):
                name, query = asked[which][number]
                found[which].setdefault(name, []).append(timed(history.asked(query))[1])
    return found


def filters(history: History) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every combination of filters, with and without bounds, from the newest and from deep in the history."""
    equals = [dict(pairs) for count in range(4) for pairs in itertools.combinations(EQUAL, count)]
    spans: tuple[dict[str, Any], ...] = (
        {}, {"from": history.at(0.3)}, {"from": history.at(0.95)}, {"to": history.at(0.5)}, {"to": history.at(0.03)},
        {"from": history.at(0.5), "to": history.at(0.6)},
    )  # fmt: skip
    for equal, span, deep in itertools.product([*equals, *FEW], spans, (False, True)):
        cursor = {"cursor": int(history.rows * 0.7)} if deep else {}
        yield " ".join([*equal.values(), *span, *cursor]) or "everything", {**equal, **span, **cursor}


def timed(asked: RequestContext) -> tuple[float, float]:
    """Return (wall, CPU) of a page in ms; the second is what a machine that does other things leaves alone."""
    wall, cpu = time.perf_counter(), time.thread_time()
    to_json(alerts(asked))
    return (time.perf_counter() - wall) * 1000, (time.thread_time() - cpu) * 1000
