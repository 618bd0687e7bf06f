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
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from benchmarks.alternatives.one_connection_a_call import create, insert
from benchmarks.cases import CASES
from benchmarks.measuring import CHECKOUT, Curve, Goal, Result, Role, Size, Way, in_turns, python, ratios
from benchmarks.worlds.history import build
from monitoring.alerts.message.model import Alert
from monitoring.alerts.recording.store_alert import record
from monitoring.store.db.database import Database
from monitoring.store.db.schema import open_database

WRITERS = 8
WHY = (
    "the disk's own sync is short here, so that what Python and SQLite do for the alert, its condition and its delivery"
    " is most of the time; where a sync takes a millisecond the ratio is near 1."
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
    """Add what eight processes that store without pause get of the disk: how many each, and how long each waits."""
    shares = list[float]()
    for name, role in (("ours", Role.OURS), ("plain", Role.ALTERNATIVE)):
        way = Way(f"{WRITERS} writers at once, {'ours' if role is Role.OURS else 'a connection a call'}", role)
        seconds, counts, waits, failed = size.pick(4.0, 1.0, 0.3), list[int](), list[float](), 0
        command = python("-m", "benchmarks.cases.durable", name, str(folder), str(seconds))
        children = [
            subprocess.Popen(command, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(WRITERS)
        ]
        for child in children:
            assert child.stdout is not None
            child.stdout.readline()  # it is ready
        for child in children:
            assert child.stdin is not None
            child.stdin.write("go\n")
            child.stdin.flush()
        for child in children:
            said = json.loads(child.communicate(timeout=60)[0])
            counts.append(said["count"])
            waits += said["waits"]
            failed += said["failed"]
            way.add(alerts_a_second=said["count"] / seconds)
        waits.sort()
        way.add(p99_ms=waits[int(len(waits) * 0.99)], longest_ms=waits[-1], failed=failed)
        result.ways.append(way)
        if role is Role.OURS:
            shares = [min(counts) / statistics.median(counts)]
    result.goals.append(
        Goal("the slowest of 8 writers, of the middle one", shares, 0.5, at_least=True, unit="× as many alerts")
    )


def _growth(folder: Path, size: Size) -> Curve:
    points = list[tuple[float, float]]()
    for length in size.pick((1_000, 30_000, 300_000), (1_000, 20_000), (100,)):
        path = build(folder / str(length) / "monitoring.db", length, is_bare=True)
        with open_database(path) as database:
            points.append((length, _each(size, lambda number, to=database: _store(to, number))["CPU_ms"]))  # type: ignore[misc]
    return Curve("Storing an alert, the more there are", "alerts stored before", "CPU ms", {"one alert": points})


def main() -> None:
    """Store alerts without pause once a line was read; print how many, and how long each took."""
    name, folder, seconds = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])
    waits, failed = list[float](), 0
    with open_database(folder / "monitoring.db") as database:
        print("ready", flush=True)
        sys.stdin.readline()
        ends_at = time.monotonic() + seconds
        while time.monotonic() < ends_at:
            began = time.perf_counter()
            if name == "ours":
                _store(database, len(waits))
            else:
                try:
                    insert(folder / "plain.db", "alert")
                except sqlite3.OperationalError:
                    failed += 1
                    continue
            waits.append((time.perf_counter() - began) * 1000)
    print(json.dumps({"count": len(waits), "waits": waits, "failed": failed}))


if __name__ == "__main__":
    main()
