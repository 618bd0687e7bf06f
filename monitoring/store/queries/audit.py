"""The rows an audit joins, read whole for a span: ticks, failures, alerts, drills, refused commits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta

from monitoring.base.clock import from_text, instant_or_none, to_text
from monitoring.conditions.condition import ConditionKey
from monitoring.store.db.database import Database, Row
from monitoring.store.tables.no_data_periods import between

_FAILED = "('failed', 'timeout', 'skipped')"
# What the receipt of a delivery to the test chat says (`str(TelegramChat)`).
_TO_TEST_CHAT = '% labelled=1"%'


def ticks(database: Database, since: datetime, until: datetime, profile: str | None) -> Iterator[Row]:
    """Yield (profile, tick_at, status, reason, run id, process, whether a task failed) of every tick with a row.

    Of [since, until); oldest first within each profile.
    """
    found = database.rows(
        "SELECT profile, tick_at, status, reason, id, process, "  # noqa: S608 - names of our own
        f"status = 'failed' AND EXISTS (SELECT 1 FROM task_runs t WHERE t.run_id = r.id AND t.status IN {_FAILED}) "
        "FROM runs r WHERE tick_at >= ? AND tick_at < ? AND (? IS NULL OR profile = ?) ORDER BY profile, tick_at",
        (to_text(since), to_text(until), profile, profile),
    )
    for name, tick_at, *rest in found:
        yield (name, from_text(tick_at), *rest)


def failures(database: Database, since: datetime, until: datetime, profile: str | None) -> list[Row]:
    """Return (profile, task, failed runs, first, last, last reason, whether it still fails) per failing task.

    Runs by hand are left out: who starts one sees its end.
    """
    return database.rows(
        "SELECT f.profile, f.name, f.count, f.first, f.last, (SELECT reason FROM task_runs WHERE id = f.last_id), "  # noqa: S608
        "NOT EXISTS (SELECT 1 FROM task_runs o JOIN runs p ON p.id = o.run_id "
        "WHERE p.profile = f.profile AND o.name = f.name AND o.status = 'ok' AND o.id > f.last_id) "
        "FROM (SELECT r.profile, t.name, count(*) AS count, min(t.started_at) AS first, max(t.started_at) AS last, "
        "min(t.id) AS first_id, max(t.id) AS last_id FROM runs r JOIN task_runs t ON t.run_id = r.id "
        "WHERE r.started_at >= ? AND r.started_at < ? AND r.status <> 'ok' AND r.trigger <> 'manual' "
        f"AND t.status IN {_FAILED} AND (? IS NULL OR r.profile = ?) GROUP BY r.profile, t.name) f ORDER BY f.first_id",
        (to_text(since), to_text(until), profile, profile),
    )


def catch_ups(database: Database, since: datetime) -> list[tuple[str, datetime, int, str]]:
    """Return (profile, started_at, run id, status) of every run that caught up a missed tick since then."""
    found = database.rows(
        "SELECT profile, started_at, id, status FROM runs WHERE started_at >= ? AND trigger = 'catch-up' "
        "ORDER BY started_at",
        (to_text(since),),
    )
    return [(row[0], from_text(row[1]), row[2], row[3]) for row in found]


def alerts(
    database: Database, since: datetime, until: datetime, profile: str | None
) -> Iterator[tuple[int, datetime, str, timedelta | None, str, bool, int]]:
    """Yield (id, created_at, status, time until delivered, error, went to the test chat, attempts), oldest first.

    Of those stored in [since, until), and of older ones that still wait. With a profile: of its runs alone.
    """
    found = database.rows(
        "SELECT a.id, a.created_at, a.delivery_status, a.delivered_at, coalesce(a.delivery_error, ''), "
        "(SELECT max(d.receipt_json LIKE :test) FROM deliveries d WHERE d.alert_id = a.id), "
        "(SELECT max(d.attempts) FROM deliveries d WHERE d.alert_id = a.id) FROM alert_events a "
        "WHERE a.id IN (SELECT id FROM alert_events WHERE created_at >= :since AND created_at < :until "
        "UNION SELECT alert_id FROM deliveries WHERE status IN ('pending', 'skipped_missing_credentials')) "
        "AND a.created_at < :until AND a.kind <> 'people_drill' "
        "AND (:profile IS NULL OR (SELECT profile FROM runs WHERE id = a.run_id) = :profile) ORDER BY a.id",
        {"test": _TO_TEST_CHAT, "since": to_text(since), "until": to_text(until), "profile": profile},
    )
    for alert_id, created, status, delivered, error, test_mode, attempts in found:
        created_at = instant_or_none(created)
        if created_at is None:  # it belongs to no span
            continue
        delivered_at = instant_or_none(delivered) if status == "delivered" else None
        took = delivered_at - created_at if delivered_at else None
        yield alert_id, created_at, status, took, error, bool(test_mode), attempts or 0


def failed_elsewhere(
    database: Database, since: datetime, until: datetime
) -> list[tuple[str, int, datetime, datetime, str]]:
    """Return (destination, count, first, last, last error) of permanently failed deliveries outside the chat."""
    found = database.rows(
        "SELECT destination, count(*), min(created_at), max(created_at), max(coalesce(error, '')) FROM deliveries "
        "WHERE status = 'failed' AND destination <> 'telegram' AND created_at >= ? AND created_at < ? "
        "GROUP BY destination ORDER BY min(id)",
        (to_text(since), to_text(until)),
    )
    return [(row[0], row[1], from_text(row[2]), from_text(row[3]), row[4]) for row in found]


def blind(
    database: Database, since: datetime, until: datetime
) -> list[tuple[str, datetime, datetime | None, int, str]]:
    """Return (source, since, until, checks, why) of what blinded checks within [since, until); until None: still."""
    over = [(source, begun, ended, checks, "") for source, begun, ended, checks in between(database, since, until)]
    still = database.rows(
        "SELECT blind_by, min(blind_since), count(*), max(blind_why) FROM conditions "
        "WHERE blind_since < ? GROUP BY blind_by ORDER BY 2",
        (to_text(until),),
    )
    return [*over, *((source, from_text(begun), None, checks, why) for source, begun, checks, why in still)]


def ended_by_hand(database: Database, since: datetime, until: datetime) -> list[tuple[str, str, datetime]]:
    """Return (condition, who, when) of what people ended within [since, until) and what did not fire again since."""
    found = database.rows(
        "SELECT monitor, check_name, chain, subject, data_json FROM conditions "
        "WHERE fired_at IS NOT NULL AND updated_at >= ? AND data_json LIKE '%\"done\":%' ORDER BY updated_at",
        (to_text(since),),
    )
    ended = []
    for *key, text in found:
        who, _, at = _done_by(text).rpartition(" at ")
        instant = instant_or_none(at)
        if instant is not None and since <= instant < until:
            ended.append((str(ConditionKey.of_texts(*key)), who, instant))
    return ended


def _done_by(text: str) -> str:
    """Return what the data of a condition says of its end; nothing where that is damaged."""
    try:
        return str(json.loads(text).get("done", ""))
    except (ValueError, AttributeError):
        return ""


def last_drill(database: Database, until: datetime) -> tuple[datetime, timedelta] | None:
    """Return when a drill last arrived, and how long it took; one in the test chat went down another path."""
    found = database.row(
        "SELECT created_at, delivered_at FROM alert_events WHERE kind = 'drill' AND delivery_status = 'delivered' "
        "AND created_at < ? AND NOT EXISTS "
        "(SELECT 1 FROM deliveries d WHERE d.alert_id = alert_events.id AND d.receipt_json LIKE ?) "
        "ORDER BY id DESC LIMIT 1",
        (to_text(until), _TO_TEST_CHAT),
    )
    return (from_text(found[1]), from_text(found[1]) - from_text(found[0])) if found else None


def refused_commits(database: Database, since: datetime, until: datetime) -> list[tuple[str, datetime]]:
    """Return (title, created_at) of the alerts about the sync of the checkout in [since, until)."""
    found = database.rows(
        "SELECT title, created_at FROM alert_events WHERE created_at >= ? AND created_at < ? "
        "AND protocol = 'automation' AND dedupe_key = 'sync' AND kind IN ('alert', 'worsened') ORDER BY id",
        (to_text(since), to_text(until)),
    )
    return [(row[0], from_text(row[1])) for row in found]


def repaired_at(database: Database) -> datetime | None:
    """Return when a damaged database was last replaced by this one."""
    return _raised_at(database, "The database was damaged%")


def lost_at(database: Database) -> datetime | None:
    """Return when this database last took the place of one that was deleted or replaced in use."""
    return _raised_at(database, "The database was deleted%")


def restored_at(database: Database) -> datetime | None:
    """Return when this database was last restored from a backup."""
    return _raised_at(database, "The database was restored%")


def _raised_at(database: Database, title: str) -> datetime | None:
    found = database.row(
        "SELECT created_at FROM alert_events WHERE source = 'ops_error' AND title LIKE ? ORDER BY id DESC LIMIT 1",
        (title,),
    )
    return from_text(found[0]) if found else None


def first_alert(database: Database) -> datetime | None:
    """Return when the oldest alert was stored, the replaced system's among them."""
    found = database.row("SELECT min(sort_at) FROM alert_events WHERE sort_at <> ''")
    return from_text(found[0]) if found and found[0] else None
