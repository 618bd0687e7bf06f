"""A year of readings, alerts and runs next to a day of them: every page and route, a run's writing, and the disk."""

from __future__ import annotations

import gc
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from benchmarks.cases import CASES
from benchmarks.measuring import Curve, Goal, Result, Role, Size, Way, cost
from benchmarks.worlds import readings, year
from benchmarks.worlds.year import Service, YearWorld
from monitoring.store.db.database import Database
from monitoring.store.db.schema import open_database
from monitoring.store.readings.writing import record_in
from monitoring.store.tables import state

WHY = "every change of the time asked for is read and put together into as many points as a chart has."
SEARCH = "/alerts?q=…"  # apart from other pages of alerts: it reads 20,000 at most, and a day has fewer
_OF_THE_LOAD = "the slowest of some dozen questions tells what else the machine did; the test counts what SQLite does."
_TABLES = "('readings', 'open_readings', 'reading_series', 'reading_limits')"


@dataclass
class Asked:
    """One of the hosts, asked again and again; each time something was committed before, so that no answer is kept."""

    world: YearWorld
    service: Service
    writer: Database
    questions: Mapping[str, list[str]]
    samples: dict[str, list[dict[str, float]]] = field(default_factory=dict)

    @classmethod
    def opened(cls, world: YearWorld) -> Asked:
        writer = open_database(world.database)
        writer.connection.execute("PRAGMA synchronous = OFF")
        return cls(world, Service(world), writer, year.asked(world))

    def ask(self, address: str) -> dict[str, float]:
        with self.writer.write() as tx:
            state.put(tx, "bench", "now", str(time.monotonic_ns()), readings.BEGINS_AT)
        return cost(lambda: self.service.ask(address))

    def close(self) -> None:
        self.service.close()
        self.writer.close()

    def cpu_ms(self, name: str) -> float:
        return statistics.median(each["CPU_ms"] for each in self.samples[name])

    def p99_ms(self, name: str, of: str = "CPU_ms") -> float:
        found = [each[of] for each in self.samples[name]]
        return statistics.quantiles(found, n=100, method="inclusive")[98] if len(found) > 1 else found[0]

    @property
    def days(self) -> str:
        return f"{self.world.days} days" if self.world.days > 1 else "a day"


def measure(size: Size) -> Result:
    case, result = CASES["readings"], Result(CASES["readings"].title, CASES["readings"].about)
    checks, began = size.pick(700, 300, 20), time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        worlds = year.build(Path(directory), size.pick((1, 365), (1, 60), (1, 2)), checks, size.pick(700, 300, 60))
        result.notes.append(f"{checks} checks, each of which changes every hour; {worlds[-1].days} days of it")
        short, long = hosts = [Asked.opened(world) for world in worlds]
        _ask_everything(hosts, began + case.seconds(size))
        result.ways = [_way(name, hosts) for name in short.samples]
        result.goals = [*_growth(short, long), _a_day(short.writer, long.writer, worlds[-1].days)]
        result.goals.append(_a_still_day(Path(directory) / "still" / "monitoring.db", size.pick(10, 4, 1)))
        result.curves.append(_chart(long, size.pick((1, 7, 30, 90), (1, 7, 30), (1,))))
        for each in hosts:
            result.ways.append(_writing(each, checks, size.pick(30, 10, 2)))
            each.close()
    return result


def _ask_everything(hosts: Sequence[Asked], ends_at: float) -> None:
    """Ask the hosts in turns until the time is over; the first round, in which templates are read, does not count."""
    rounds = 0
    while rounds < 2 or time.monotonic() < ends_at:
        for route, questions in year.QUESTIONS.items():
            for number, question in enumerate(questions):
                name = SEARCH if route == "/alerts" and "q=" in question else route
                # Who comes second finds what the first one had made warm.
                for host in hosts if rounds % 2 else reversed(hosts):
                    found = host.ask(host.questions[route][number])
                    host.samples.setdefault(name, []).extend([found] if rounds else [])
        gc.freeze()  # else looking for garbage falls upon the same question in each round
        rounds += 1


def _way(name: str, hosts: Sequence[Asked]) -> Way:
    samples = {f"CPU ms, {host.days}": [each["CPU_ms"] for each in host.samples[name]] for host in hosts}
    return Way(name, Role.OURS, samples | {f"p99 ms, {host.days}": [host.p99_ms(name, "wall_ms")] for host in hosts})


def _growth(short: Asked, long: Asked) -> Iterator[Goal]:
    names = [name for name in short.samples if name != SEARCH]
    for what, of, why in (("median CPU", Asked.cpu_ms, ""), ("p99 of CPU", Asked.p99_ms, _OF_THE_LOAD)):
        grown = {name: of(long, name) / of(short, name) for name in names}
        most = max(grown, key=grown.__getitem__)
        says = f"{what} of every page and route after {long.days}, of that after one; most of all {most}"
        yield Goal(says, [grown[most]], 2, why=why)


# -- the disk and the writing -----------------------------------------------------------------------------------------


def _a_day(short: Database, long: Database, days: int) -> Goal:
    sizes = [each.rows(f"SELECT sum(pgsize) FROM dbstat WHERE name IN {_TABLES}")[0][0] for each in (short, long)]
    megabytes = (sizes[1] - sizes[0]) / (days - 1) / 1e6
    return Goal("readings of checks that all change every hour", [megabytes], 2, unit="MB a day")


def _a_still_day(path: Path, days: int) -> Goal:
    """Measure what days in which nothing changes add to the file."""
    checks = 100
    readings.build(path, checks, 24, 0)
    with open_database(path) as database:
        before = database.rows("PRAGMA page_count")[0][0]
        readings.write(database, checks, range(24, 24 * (days + 1)), 0)
        grown = (database.rows("PRAGMA page_count")[0][0] - before) * 4096
    return Goal("readings while nothing changes", [grown / checks / days], 40, unit="bytes a check a day")


def _writing(host: Asked, checks: int, runs: int) -> Way:
    """Measure what the readings of a run cost while other writers wait: the last ones of their host, and no others."""
    way = Way(f"the readings of a run, after {host.days}", Role.OURS)
    (last,) = host.writer.rows("SELECT max(last_at) FROM open_readings")[0]
    begins_at = readings.BEGINS_AT
    hours = int((last - begins_at.timestamp()) // 3600) + 1
    for run in range(hours, hours + runs):
        found = [readings.reading_of(number, run, changes=True) for number in range(checks)]
        _ = [one.columns for one in found]  # made before the transaction
        with host.writer.write() as tx:
            way.add(**cost(lambda: record_in(tx, found, (), begins_at + timedelta(hours=run))))  # noqa: B023
    return way


def _chart(host: Asked, spans: Sequence[int]) -> Curve:
    """Measure the page of one check, for more and more of its time."""
    (address,) = host.questions["/check"]
    names = {1: "24h", 7: "7d", 30: "30d", 90: "90d"}
    points = [
        (float(days), statistics.median(host.ask(address.replace("24h", names[days]))["CPU_ms"] for _ in range(5)))
        for days in spans
    ]
    return Curve("The page of one check", "days of readings", "CPU ms", {"with its chart": points}, WHY)
