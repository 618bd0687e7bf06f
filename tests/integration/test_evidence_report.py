"""`audit --report`: the same numbers over time, as evidence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from automation.evidence.period_report import PeriodReport, gather_report
from monitoring.base.errors import UsageError
from monitoring.store.db.database import Database
from monitoring.store.evidence import closed_days
from tests.support.days import DAY, NOW, report, watched_host


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """Three days, of which yesterday and the day before were reported."""
    with watched_host(tmp_path / "monitoring.db", days=3) as found:
        with found.write() as tx:
            tx.execute("UPDATE closed_days SET day = '2026-11-17'")
        report(found, NOW - DAY)
        report(found)
        yield found


def change(database: Database, sql: str) -> None:
    with database.write() as tx:
        tx.execute(sql)


def markdown(found: PeriodReport) -> str:
    return "\n".join(found.as_markdown())


def test_it_shows_runs_alerts_people_digests_and_commits(database: Database) -> None:
    change(database, "UPDATE runs SET status = 'missed', reason = 'the host was down', process = NULL WHERE id = 300")
    text = markdown(gather_report(database, 7 * DAY, NOW))
    assert "| 2026-11-19 | 169 | 168 |" in text
    assert "| missed | 1    | the host was down |" in text
    assert "- begin to acknowledged: median 9 min, p95 9 min, worst 9 min" in text
    assert "| ana | aave util* " in text
    assert "| ben | task hourly/aave " in text
    assert "2 daily reports since 2026-11-18: 1 verified, 1 differs" in text
    assert "- 2026-11-19: 1 run changed: 300" in text
    assert "| 11-19 09:00 | ana | answered | 3 min          |" in text
    assert "| 4f2a9c1b7d30 |" in text
    assert max(map(len, text.splitlines())) <= 80


def test_weeks_come_in_the_place_of_days_and_json_has_every_day(database: Database) -> None:
    found = gather_report(database, 90 * DAY, NOW)
    assert [str(each.first) for each in found.rows][-2:] == ["2026-11-09", "2026-11-16"]
    data = json.loads(json.dumps(found.as_json()))
    assert len(data["days"]) == 90
    assert data["total"]["ticks"]["due"] == sum(day["ticks"]["due"] for day in data["days"])
    assert data["total"]["alerts"]["count"] == sum(day["alerts"]["count"] for day in data["days"])
    assert [each["result"] for each in data["digests"]] == ["verified", "verified"]
    assert max(map(len, found.as_markdown())) <= 80


def test_the_messages_of_days_and_drills_are_no_alerts(database: Database) -> None:
    before = gather_report(database, 3 * DAY, NOW).total.alerts
    change(database, "UPDATE alert_events SET kind = 'drill' WHERE id IN (10, 20, 30)")
    assert gather_report(database, 3 * DAY, NOW).total.alerts == before - 3


def test_a_day_without_its_digest_is_named_and_is_not_verified(database: Database) -> None:
    assert gather_report(database, 7 * DAY, NOW).is_verified
    change(database, "DELETE FROM closed_days WHERE day = '2026-11-18'")
    found = gather_report(database, 7 * DAY, NOW)
    assert not found.is_verified
    assert "- 2026-11-18: its digest is missing" in markdown(found)


def test_a_host_whose_days_were_never_reported_has_a_report_too(database: Database) -> None:
    change(database, "DELETE FROM closed_days")
    assert database.read(closed_days.newest) is None
    found = gather_report(database, 7 * DAY, NOW)
    assert found.is_verified
    assert "No day of this time has a digest." in markdown(found)


@pytest.mark.parametrize("span", [timedelta(hours=3), timedelta(days=4000)])
def test_a_span_that_makes_no_sense_is_refused(database: Database, span: timedelta) -> None:
    with pytest.raises(UsageError, match="a report is about 1d to 400d"):
        gather_report(database, span, NOW)
