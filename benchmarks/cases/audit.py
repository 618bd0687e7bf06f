"""The audit over a day, a month and a year, next to one query a tick; and what a page and `/healthz` ask of it."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.alternatives.query_a_tick import count
from benchmarks.cases import CASES
from benchmarks.measuring import Curve, Goal, Result, Role, Size, Way, cost, in_turns, ratios
from benchmarks.worlds.ledger import fill
from monitoring.base.process_identity import current_boot
from monitoring.ledger.audit import judge
from monitoring.ledger.outcomes import gather
from monitoring.store.db.schema import open_database, open_readonly
from monitoring.web import health

WHY = (
    "both compute every due tick and read every row once, a third of the audit's time. The audit also compares the"
    " clocks of each two runs in a row, a fifth of it, and reads tasks, alerts and silences."
)


def measure(size: Size) -> Result:
    case, result = CASES["audit"], Result(CASES["audit"].title, CASES["audit"].about)
    days = size.pick(365, 40, 2)
    with tempfile.TemporaryDirectory() as directory:
        path, now = Path(directory) / "monitoring.db", datetime.now(UTC)
        with open_database(path) as database:
            ticks = fill(database, now, days)
        database, boot = open_readonly(path), current_boot()

        def audit(since_days: float) -> Callable[[], object]:
            since = now - timedelta(days=since_days)
            return lambda: judge(gather(database, since=since, until=now, now=now, boot=boot))

        ours = Way(f"the audit of {days} days, {ticks:,} ticks", Role.OURS)
        naive = Way("one query a tick and one for its tasks", Role.ALTERNATIVE)
        day, healthz = Way("the audit of a day", Role.OURS), Way("what `/healthz` asks", Role.OURS)
        acts: dict[str, Callable[[], object]] = {
            "ours": audit(days), "naive": lambda: count(database, now - timedelta(days=days), now), "day": audit(1),
            "healthz": lambda: health.reasons(database, now, boot),
        }  # fmt: skip
        ways = dict(zip(acts, (ours, naive, day, healthz), strict=True))
        in_turns(
            [(ways[name], lambda act=act: cost(act)) for name, act in acts.items()],  # type: ignore[misc]
            size.pick(7, 3, 1), case.seconds(size) * 0.5, warm=1,
        )  # fmt: skip
        result.ways = list(ways.values())
        if size is not Size.SMALLEST:
            spans = [span for span in (1, 7, 30, 90, 365) if span <= days]
            points = [(span, min(cost(audit(span))["CPU_ms"] for _ in range(2))) for span in spans]
            result.curves = [Curve("The audit of a longer time", "days", "CPU ms", {"the audit": points})]
        database.close()
    shares = ratios(ours, naive, "CPU ms")
    result.goals = [Goal(f"the audit of {days} days, of one query a tick, CPU", shares, 0.2, why=WHY)]
    result.headline = (
        f"**{1 / statistics.median(shares):.1f} × less CPU** than one query a tick: the audit of {days} days,"
        f" {ticks:,} ticks, in {ours.median('wall ms') / 1000:.1f} s."
    )
    return result
