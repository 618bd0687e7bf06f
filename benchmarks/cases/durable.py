"""One alert, stored: alone and among eight writers that want to store at the same time."""

from __future__ import annotations

import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from benchmarks.alternatives.one_connection_a_call import create, insert
from benchmarks.cases import CASES
from benchmarks.measuring import CHECKOUT, Curve, Goal, Result, Role, Size, Way, in_turns, python, ratios
from benchmarks.worlds.history import build
from benchmarks.worlds.readings import reading_of
from monitoring.alerts.message.model import Alert
from monitoring.alerts.recording.store_alert import record
from monitoring.store.db.database import Database
from monitoring.store.db.schema import open_database
from monitoring.store.readings.writing import record_in

WRITERS, READINGS = 8, 700
WHY = (
    "the disk's own sync is short here. Half of the rest is Python (the rules of the condition, the text and its two"
    " forms, secrets taken out), the other half SQLite: eleven statements, and a commit of 28 pages, as every filter of"
    " the API is an index that an alert is in. Without those a page would read the whole history; docs/performance.md"
    " has the parts. Where a sync takes a millisecond the ratio is near 1."
)

WHY_NEXT = (
    f"{READINGS} readings hold the lock for as long as some ten alerts do, one turn in eight. Nobody has two turns in a"
    " row while another one waits. No run writes without pause, as here."
)


def measure(size: Size) -> Result:
    case, result = CASES["durable"], Result(CASES["durable"].title, CASES["durable"].about)
    with tempfile.TemporaryDirectory(dir=CHECKOUT / ".cache" if (CHECKOUT / ".cache").is_dir() else None) as directory:
        folder = Path(directory)
        ours = Way("ours", Role.OURS)
        naive = Way("one sqlite3 connection a call, one row", Role.ALTERNATIVE)
        sync = Way("write and fdatasync of 4 KiB", Role.LIMIT)
        plain = create(folder / "plain.db")
        descriptor = os.open(folder / "synced", os.O_WRONLY | os.O_CREAT)
        with open_database(folder / "monitoring.db") as database:
            acts: list[tuple[Way, Callable[[], dict[str, float]]]] = [
                (ours, partial(_each, size, lambda number: _store(database, number))),
                (naive, partial(_each, size, lambda number: insert(plain, f"alert {number}"))),
                (sync, partial(_each, size, lambda _: _synced(descriptor))),
            ]
            in_turns(acts, size.pick(25, 5, 1), case.seconds(size) * 0.4)
        os.close(descriptor)
        result.ways = [ours, naive, sync]
        result.goals = [Goal("a durable alert, of one fdatasync", ratios(ours, sync, "wall ms"), 3, why=WHY)]
        if size is not Size.SMALLEST:
            _among_writers(folder, result, size)
            result.curves = [_growth(folder, size)]
    faster = statistics.median(ratios(naive, ours, "wall ms"))
    result.headline = (
        f"**{faster:.1f} × faster** than a connection a call: a durable alert in {ours.median('wall ms'):.2f} ms."
    )
    return result


def _each(size: Size, act: Callable[[int], object]) -> dict[str, float]:
    """Return what one of some calls took, in the middle."""
    walls, before = list[float](), time.process_time()
    count = size.pick(40, 20, 3)
    for number in range(count):
        began = time.perf_counter()
        act(number)
        walls.append((time.perf_counter() - began) * 1000)
    return {"wall_ms": statistics.median(walls), "CPU_ms": (time.process_time() - before) * 1000 / count}


def _store(database: Database, number: int) -> None:
    alert = Alert("HIGH", "USDC utilisation above 90 %", protocol="aave", key=f"utilisation/{time.monotonic_ns()}")
    record(database, alert, now=datetime.now(UTC), task=f"task {number}")


def _synced(descriptor: int) -> None:
    os.pwrite(descriptor, os.urandom(4096), 0)
    os.fdatasync(descriptor)


def _among_writers(folder: Path, result: Result, size: Size) -> None:
    """Add what processes that store without pause get of the disk: how much together, and how long each waits."""
    contests = {
        f"{WRITERS} writers at once, a connection a call": ("plain",) * WRITERS,
        f"{WRITERS} writers at once, ours": ("alerts",) * WRITERS,
        f"{WRITERS - 1} writers next to one of readings": ("alerts",) * (WRITERS - 1) + ("readings",),
    }
    ways = [Way(name, Role.ALTERNATIVE if "plain" in kinds else Role.OURS) for name, kinds in contests.items()]
    acts = [(way, partial(_contest, folder, contests[way.name], size.pick(2.0, 1.0, 0.3))) for way in ways]
    in_turns(acts, size.pick(3, 1, 1), CASES["durable"].seconds(size) * 0.5)
    result.ways += ways
    _, alike, mixed = ways
    for way in (alike, mixed):
        says = f"the slowest of {way.name}, of the middle one"
        result.goals.append(Goal(says, way.samples["slowest"], 0.5, at_least=True, unit="× as many alerts"))
    says = f"an alert among {mixed.name}, of one among {alike.name}, in the middle"
    result.goals.append(Goal(says, ratios(mixed, alike, "p50 ms"), 3, why=WHY_NEXT))


def _contest(folder: Path, kinds: Sequence[str], seconds: float) -> dict[str, float]:
    """Let a process of each kind write; `slowest` is the share of the one with the fewest alerts, of the middle one."""
    command = python("-m", "benchmarks.cases.durable", str(folder), str(seconds))
    children = [
        subprocess.Popen([*command, kind], cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for kind in kinds
    ]
    for child in children:
        assert child.stdout is not None
        child.stdout.readline()  # it is ready
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    said = [json.loads(child.communicate(timeout=60)[0]) for child in children]
    counts = [len(one["waits"]) for one, kind in zip(said, kinds, strict=True) if kind != "readings"]
    waits = sorted(wait for one, kind in zip(said, kinds, strict=True) if kind != "readings" for wait in one["waits"])
    return {
        "alerts_a_second": len(waits) / seconds, "slowest": min(counts) / statistics.median(counts),
        "p50_ms": statistics.median(waits), "p99_ms": waits[int(len(waits) * 0.99)], "longest_ms": waits[-1],
        "failed": sum(one["failed"] for one in said),
    }  # fmt: skip


def _growth(folder: Path, size: Size) -> Curve:
    points = list[tuple[float, float]]()
    for length in size.pick((1_000, 30_000, 300_000), (1_000, 20_000), (100,)):
        path = build(folder / str(length) / "monitoring.db", length, is_bare=True)
        with open_database(path) as database:
            points.append((length, _each(size, lambda number, to=database: _store(to, number))["CPU_ms"]))  # type: ignore[misc]
    return Curve("Storing an alert, the more there are", "alerts stored before", "CPU ms", {"one alert": points})


def main() -> None:
    """Write without pause once a line was read; print how long each time took, and how many failed."""
    folder, seconds, kind = Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
    waits, failed = list[float](), 0
    with open_database(folder / "monitoring.db") as database:
        acts: dict[str, Callable[[int], object]] = {
            "alerts": lambda number: _store(database, number),
            "plain": lambda _: insert(folder / "plain.db", "alert"),
            "readings": lambda number: _store_readings(database, number),
        }
        print("ready", flush=True)
        sys.stdin.readline()
        ends_at = time.monotonic() + seconds
        while time.monotonic() < ends_at:
            began = time.perf_counter()
            try:
                acts[kind](len(waits))
            except sqlite3.OperationalError:
                failed += 1
                continue
            waits.append((time.perf_counter() - began) * 1000)
    print(json.dumps({"waits": waits, "failed": failed}))


def _store_readings(database: Database, run: int) -> None:
    """Store what a run of so many checks reads; half of the values differ each time."""
    found = [reading_of(number, run, changes=number % 2 == 0) for number in range(READINGS)]
    for one in found:
        _ = one.columns  # as a run does, before it takes the lock
    with database.write() as tx:
        record_in(tx, found, (), datetime.now(UTC))


if __name__ == "__main__":
    main()
