"""What a page of alerts costs with 5 million of them, against 10 thousand; and every other route that reads history.

Run from the checkout: `.venv/bin/python -m benchmarks.alert_pages [--alerts 5000000] [--rounds 40] [--keep DIRECTORY]`.
The first time it builds three databases (some minutes, 4 GB; with `--keep` once): a short history, a long one, and a
long one that was adopted with its instants out of order. An answer is timed from the question to the finished JSON,
without HTTP, which costs the same for both. The databases take turns in every round.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks._history import build
from monitoring.base.clock import from_text
from monitoring.base.process_identity import current_boot
from monitoring.base.settings import CHECKOUT, Settings
from monitoring.store.db.database import Database
from monitoring.store.db.schema import open_readonly
from monitoring.web import api, pages
from monitoring.web.route import RequestContext, Route

SHORT = 10_000
EQUAL = (("protocol", "aave"), ("severity", "HIGH"), ("source", "protocol"))
FEW = (
    {"protocol": "rare"},
    {"source": "envio_error"},
    {"protocol": "rare", "severity": "HIGH"},
    {"protocol": "nobody"},
)


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

    def asked(self, query: Mapping[str, Any], values: Mapping[str, str] | None = None) -> RequestContext:
        settings = Settings({}, CHECKOUT, self.database.path.parent)
        return RequestContext(self.database, values or {}, query, datetime.now(UTC), current_boot(), settings)


def shapes(history: History) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every combination of filters, with and without bounds, from the newest and from deep in the history."""
    equals = [dict(pairs) for count in range(4) for pairs in itertools.combinations(EQUAL, count)]
    spans = (
        {}, {"from": history.at(0.3)}, {"from": history.at(0.95)}, {"to": history.at(0.5)}, {"to": history.at(0.03)},
        {"from": history.at(0.5), "to": history.at(0.6)}, {"from": history.at(0.05), "to": history.at(0.07)},
    )  # fmt: skip
    for equal, span, deep in itertools.product([*equals, *FEW], spans, (False, True)):
        cursor = {"cursor": int(history.rows * 0.7)} if deep else {}
        name = " ".join([*equal.values(), *span, *cursor]) or "everything"
        yield name, {**equal, **span, **cursor}


def timed(answer: Callable[[RequestContext], object], asked: RequestContext) -> tuple[float, float]:
    """Return (wall, CPU) in ms; the second is what a machine that does other things besides leaves alone."""
    wall, cpu = time.perf_counter(), time.thread_time()
    answer(asked)
    return (time.perf_counter() - wall) * 1000, (time.thread_time() - cpu) * 1000


def compare_pages(histories: list[History], rounds: int) -> None:
    took: dict[str, list[list[tuple[float, float]]]] = {history.name: [] for history in histories}
    asked = {history.name: list(shapes(history)) for history in histories}
    names = [name for name, _ in asked[histories[0].name]]
    for number in range(len(names)):
        samples: dict[str, list[tuple[float, float]]] = {history.name: [] for history in histories}
        for _ in range(rounds):
            for history in histories:
                samples[history.name].append(timed(api.alerts.alerts, history.asked(asked[history.name][number][1])))
        for history in histories:
            took[history.name].append(samples[history.name])
    print(f"/v1/alerts, {len(names)} shapes x {rounds}; ms of the whole answer, and the dearest shape's median")
    for history in histories:
        medians = [statistics.median(cpu for _, cpu in samples) for samples in took[history.name]]
        worst = max(range(len(names)), key=medians.__getitem__)
        wall, cpu = (percentiles(took[history.name], which) for which in (0, 1))
        print(f"  {history.name:12} wall {wall}   CPU {cpu}   dearest {medians[worst]:.2f} CPU ({names[worst]})")


def percentiles(took: list[list[tuple[float, float]]], which: int) -> str:
    everything = sorted(sample[which] for samples in took for sample in samples)
    return f"p50 {everything[len(everything) // 2]:.2f} p99 {everything[int(len(everything) * 0.99)]:.2f}"


def compare_routes(histories: list[History], rounds: int) -> None:
    print(f"every other route, median of {rounds}, ms of CPU")
    for route in (*api.ROUTES, *pages.ROUTES):
        if route.path == "/v1/alerts":
            continue
        cells = []
        for history in histories:
            query = {"monitor": "aave", "check": "utilisation/1"} if route.path == "/incident" else {}
            asked = history.asked(query, path_values(route, history))
            took = statistics.median(timed(route.find, asked)[1] for _ in range(rounds))
            cells.append(f"{history.name} {took:8.2f}")
        print(f"  {route.path:20} {'   '.join(cells)}")


def path_values(route: Route, history: History) -> dict[str, str]:
    if "{name}" in route.path:
        return {"name": "hourly"}
    newest = history.database.row("SELECT max(id) FROM runs") if "runs" in route.path else (history.rows,)
    return {"id": str(newest[0] if newest else 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--alerts", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--keep", type=Path, help="where the databases lie, or shall lie")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        base = arguments.keep or Path(directory)
        made = [
            (f"{SHORT}", SHORT, False), (f"{arguments.alerts}", arguments.alerts, False),
            ("disordered", arguments.alerts, True),
        ]  # fmt: skip
        histories = [
            History.opened(name, build(base / name / "monitoring.db", alerts, disorder=disorder))
            for name, alerts, disorder in made
        ]
        compare_pages(histories, arguments.rounds)
        compare_routes(histories, max(3, arguments.rounds // 8))


if __name__ == "__main__":
    main()
