"""A host of some checks after a day or a year, for a benchmark and for tests: every table that grows has its rows.

The last day and a half is written by the product itself, run by run; the days before are its full day once more, which
is the same rows in a tenth of the time. `QUESTIONS` asks every route with every parameter it takes.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, unquote, urlencode

from benchmarks.worlds import history, readings
from monitoring.base.settings import CHECKOUT, Settings
from monitoring.store.db.database import Database, Tx, fetch
from monitoring.store.db.schema import open_database, open_readonly
from monitoring.web.app import build_app
from monitoring.web.host_check import HostPolicy

CHECKS, ALERTS_A_DAY = 700, 700
_SQL = Path(__file__).with_suffix(".sql")
_DAY_BEFORE = """
INSERT INTO readings SELECT :day, series, last_s, lasted_s, runs, value, reference, state, severity, limits,
    last_block - (:full - :day) * 7200, blocks, gap, iif(last_s, inputs, NULL)
FROM readings WHERE day = :full ORDER BY series, last_s
"""


@dataclass(frozen=True)
class YearWorld:
    """A host's folder with its database, and how many days are in it."""

    database: Path
    days: int

    @property
    def bytes_on_disk(self) -> int:
        return self.database.stat().st_size


def build(folder: Path, days: Sequence[int], checks: int = CHECKS, alerts_a_day: int = ALERTS_A_DAY) -> list[YearWorld]:
    """Write a host for each of `days`, all of them alike but for how long ago they began."""
    now = datetime.now(UTC).replace(microsecond=0)
    recent = folder / "recent.db"
    begins_at = now.replace(hour=0, minute=0, second=0) - timedelta(days=1)
    readings.build(recent, checks, 24 + now.hour + 1, checks, begins_at)
    found = []
    for each in days:
        path = folder / str(each) / "monitoring.db"
        path.parent.mkdir()
        shutil.copyfile(recent, path)
        with open_database(path) as database:
            _fill(database, each, checks, alerts_a_day, now)
        found.append(YearWorld(path, each))
    return found


def _fill(database: Database, days: int, checks: int, alerts_a_day: int, now: datetime) -> None:
    database.connection.execute("PRAGMA synchronous = OFF")
    given = {"days": days, "now": int(now.timestamp()), "checks": checks, "many": str([*range(60)])}  # a list has 50
    with database.write() as tx:
        _repeat_the_full_day(tx, days)
    history.fill(database, days * alerts_a_day, days, now)
    with database.write() as tx:
        tx.execute(_SQL.read_text(encoding="utf-8"), given)
    database.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _repeat_the_full_day(tx: Tx, days: int) -> None:
    """Write the day that has all its runs once more for each day before it, the oldest first."""
    (full,) = fetch(tx, "SELECT min(day) FROM readings")[0]
    for day in range(full - days + 1, full):
        tx.execute(_DAY_BEFORE, {"day": day, "full": full})


# -- what is asked ----------------------------------------------------------------------------------------------------

_ID = quote("monitor07/check-0/10/row 7")
_KEY = urlencode({"monitor": "monitor07", "check": "check-0", "chain": 10, "subject": "row 7"})
_DAY = "from={a_day_ago}&to={now}"
QUESTIONS: Mapping[str, Sequence[str]] = {
    "/healthz": ("/healthz",),
    "/metrics": ("/metrics",),
    "/v1/audit": ("/v1/audit", "/v1/audit?since=12h&profile=hourly"),
    "/v1/alerts": (
        "/v1/alerts", "/v1/alerts?limit=500&cursor={half_the_alerts}", f"/v1/alerts?{_DAY}&protocol=aave",
        "/v1/alerts?since={a_day_ago}&severity=HIGH&source=crash", "/v1/alerts?protocol=nobody",
    ),
    "/v1/alerts/{id}": ("/v1/alerts/{half_the_alerts}",),
    "/v1/profiles": ("/v1/profiles",),
    "/v1/runs": (
        "/v1/runs?limit=50", "/v1/runs?limit=50&cursor={half_the_runs}",
        "/v1/runs?limit=10&profile=hourly&status=failed", "/v1/runs?status=running",
    ),
    "/v1/runs/{id}": ("/v1/runs/{half_the_runs}",),
    "/v1/protocols": ("/v1/protocols",),
    "/v1/incidents": ("/v1/incidents", "/v1/incidents?state=all&limit=500"),
    "/v1/monitoring": ("/v1/monitoring",),
    "/v1/checks": (
        "/v1/checks", "/v1/checks?limit=50&cursor={half_the_checks}", "/v1/checks?state=firing",
        "/v1/checks?state=no_data&severity=HIGH", "/v1/checks?chain=10&protocol=protocol07", "/v1/checks?text=row+7",
    ),
    "/v1/checks/{id:path}/readings": (
        f"/v1/checks/{_ID}/readings", f"/v1/checks/{_ID}/readings?{_DAY}&step=1h&format=csv",
        f"/v1/checks/{_ID}/readings?chain=10&subject=row+7&from={{now}}",
    ),
    "/v1/checks/{id:path}": (f"/v1/checks/{_ID}", f"/v1/checks/{_ID}?chain=10&subject=row+7"),
    "/openapi.json": ("/openapi.json",),
    "/": ("/",),
    "/alerts": (
        "/alerts", "/alerts?cursor={half_the_alerts}&q=utilisation+91&delivery=delivered",
        "/alerts?protocol=aave&severity=HIGH&source=crash&from={a_day_ago}&to={now}", "/alerts?q=nobody+wrote+this",
    ),
    "/alerts/{id}": ("/alerts/{half_the_alerts}",),
    "/runs": ("/runs", "/runs?cursor={half_the_runs}", "/runs?profile=hourly&status=skipped"),
    "/runs/{id}": ("/runs/{half_the_runs}",),
    "/profiles/{name}": ("/profiles/multisig",),
    "/incidents": ("/incidents",),
    "/incident": ("/incident?monitor=monitor00&check=check-0&chain=1&subject=row+0&since={a_day_ago}",),
    "/check": (f"/check?{_KEY}&range=24h",),
    "/checks/{id:path}": (f"/checks/{_ID}", f"/checks/{_ID}?range=24h"),
    "/silences": ("/silences",),
    "/monitoring": (
        "/monitoring", "/monitoring?cursor={half_the_checks}", "/monitoring?q=row+7&protocol=protocol07",
        "/monitoring?state=firing&chain=1&severity=LOW",
    ),
}  # fmt: skip


def asked(world: YearWorld) -> dict[str, list[str]]:
    """Return the addresses to ask of one host, by route; those of the half lie in the middle of its history."""
    with open_readonly(world.database) as database:
        (alerts, runs, checks, last), = database.rows(
            "SELECT (SELECT max(id) FROM alert_events) / 2, (SELECT max(id) FROM runs) / 2, "
            "(SELECT max(id) FROM reading_series) / 2, (SELECT max(last_at) FROM open_readings)"
        )  # fmt: skip
    now = datetime.fromtimestamp(last, UTC)
    given = {
        "half_the_alerts": alerts, "half_the_runs": runs, "half_the_checks": checks,
        "now": f"{now:%Y-%m-%dT%H:%M:%SZ}", "a_day_ago": f"{now - timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}",
    }  # fmt: skip
    return {route: [each.format(**given) for each in addresses] for route, addresses in QUESTIONS.items()}


class Service:
    """The web service of one host, asked without a network: the application itself, as a server calls it."""

    def __init__(self, world: YearWorld) -> None:
        self._settings = Settings({}, CHECKOUT, world.database.parent)
        self._app = build_app(self._settings, HostPolicy(None))
        self._loop = asyncio.new_event_loop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._loop.close()

    def ask(self, address: str) -> tuple[int, bytes]:
        """Return status and body."""
        return self._loop.run_until_complete(self._ask(address))

    async def _ask(self, address: str) -> tuple[int, bytes]:
        path, _, query = address.partition("?")
        scope = {
            "type": "http", "method": "GET", "path": unquote(path), "raw_path": path.encode(), "root_path": "",
            "query_string": query.encode(), "headers": [(b"host", b"localhost")], "http_version": "1.1",
            "scheme": "http", "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1), "asgi": {"version": "3.0"},
        }  # fmt: skip
        sent: list[MutableMapping[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        await self._app(scope, receive, send)
        body = b"".join(message.get("body", b"") for message in sent)
        return int(sent[0]["status"]), body
