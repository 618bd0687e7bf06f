"""`conditions`: what is wrong right now, by (monitor, check, chain, subject), and what was sent about it.

This only keeps them; the rules are in `monitoring.conditions`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import datetime
from functools import lru_cache
from typing import Any

from monitoring.base.clock import instant_or_none, to_text
from monitoring.conditions.condition import ONCE_LASTS, Condition, ConditionKey, NoData, State
from monitoring.conditions.severity import Severity
from monitoring.store.db.database import Database, Row, Tx, fetch
from monitoring.store.tables.condition_data import read_data, write_data

_PLAIN = ("title", "times", "alert_id", "protocol", "channel", "source", "about", "value", "declared")
_INSTANTS = ("since", "fired_at", "last_seen_at", "last_sent_at", "clear_since", "judged_at")
_NO_DATA = ("blind_since", "blind_by", "blind_why")
_FIELDS = ("state", "severity", "worst", *_PLAIN, *_INSTANTS, *_NO_DATA, "data_json")
_KEY = "monitor = ? AND check_name = ? AND chain = ? AND subject = ?"
_COLUMNS = f"monitor, check_name, chain, subject, {', '.join(_FIELDS)}"
_SELECT = f"SELECT {_COLUMNS} FROM conditions"  # noqa: S608 - names of our own
_PUT = (
    f"INSERT INTO conditions ({_COLUMNS}, updated_at) VALUES ({', '.join('?' * (len(_FIELDS) + 5))}) "  # noqa: S608
    f"ON CONFLICT DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in (*_FIELDS, 'updated_at'))}"
)
# By the index over what ever fired: a row is written when something happens, so an older change holds none.
_ONCE = "fired_at IS NOT NULL AND updated_at >= ? AND clear_since >= ? AND state <> 'firing'"
_SEVERITIES = {severity.name: severity for severity in Severity}
_STATES = {state.value: state for state in State}


def get(tx: Tx, key: ConditionKey) -> Condition | None:
    found = tx.execute(f"{_SELECT} WHERE {_KEY}", _key_values(key)).fetchone()
    return _condition(found) if found else None


def is_open(tx: Tx, key: ConditionKey) -> bool:
    """Return whether it is pending or firing."""
    found = tx.execute(f"SELECT 1 FROM conditions WHERE {_KEY} AND state <> 'ok'", _key_values(key))  # noqa: S608
    return found.fetchone() is not None


def put(tx: Tx, condition: Condition, now: datetime) -> None:
    """Write the whole row, as far as this release knows it."""
    unseen = condition.no_data
    values: list[Any] = [condition.state.value, condition.severity.name, condition.worst.name]
    values += [getattr(condition, name) for name in (*_PLAIN, *_INSTANTS)]
    values += [unseen.since, condition.blamed, unseen.reason] if unseen else [None, "", ""]
    texts = [to_text(value) if isinstance(value, datetime) else value for value in values]
    tx.execute(_PUT, [*_key_values(condition.key), *texts, write_data(condition), to_text(now)])


def forget(tx: Tx, key: ConditionKey) -> bool:
    """Delete the row; return whether there was one."""
    tx.execute(f"DELETE FROM conditions WHERE {_KEY}", _key_values(key))  # noqa: S608
    return tx.changes() == 1


def of_monitor(tx: Tx, monitor: str) -> list[Condition]:
    """Return every condition of a monitor, by key."""
    return [
        _condition(row)
        for row in fetch(tx, f"{_SELECT} WHERE monitor = ? ORDER BY check_name, chain, subject", (monitor,))
    ]


def without_data(tx: Tx) -> list[Condition]:
    """Return what nothing is known of now, the longest first."""
    return [
        _condition(row)
        for row in fetch(tx, f"{_SELECT} WHERE blind_since IS NOT NULL ORDER BY blind_since, monitor, check_name")
    ]


def inhibited(tx: Tx) -> list[Condition]:
    """Return what another condition holds back now, by key."""
    found = fetch(tx, f"{_SELECT} WHERE data_json LIKE '%\"inhibited\":%' ORDER BY monitor, check_name, chain, subject")
    return [each for each in map(_condition, found) if each.inhibited_by]


def declared(database: Database) -> list[Condition]:
    """Return every check that stands in a monitor file now, by key."""
    return [
        _condition(row)
        for row in database.rows(f"{_SELECT} WHERE declared = 1 ORDER BY monitor, check_name, chain, subject")
    ]


def declared_unread(database: Database, limit: int) -> list[Condition]:
    """Return the checks of monitor files of which no reading is kept, by key."""
    read = database.row("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'reading_series'") is not None
    unread = (
        "AND NOT EXISTS (SELECT 1 FROM reading_series s WHERE s.monitor = conditions.monitor AND "
        "s.check_name = conditions.check_name AND s.chain = conditions.chain AND s.subject = conditions.subject) "
        if read
        else ""
    )
    order = "ORDER BY monitor, check_name, chain, subject LIMIT ?"
    return [_condition(row) for row in database.rows(f"{_SELECT} WHERE declared = 1 {unread}{order}", (limit,))]


def chains(database: Database) -> list[int]:
    """Return the chains that checks of monitor files read, in order: one walk along the checks."""
    found = database.rows("SELECT DISTINCT chain FROM conditions WHERE declared = 1 AND chain <> ''")
    return sorted(int(row[0]) for row in found if row[0].isdecimal())


def count_declared(tx: Tx) -> int:
    """Return how many checks stand in monitor files now."""
    found = tx.execute("SELECT count(*) FROM conditions WHERE declared = 1").fetchone()
    return int(found[0]) if found else 0


def declared_monitors(database: Database) -> list[str]:
    """Return the monitors with a check that stands in a file now, in order: some seeks for each, no reading of rows."""
    found = database.rows(
        "WITH RECURSIVE each(name) AS (SELECT min(monitor) FROM conditions UNION ALL "
        "SELECT (SELECT min(monitor) FROM conditions WHERE monitor > name) FROM each WHERE name IS NOT NULL) "
        "SELECT name FROM each WHERE EXISTS (SELECT 1 FROM conditions WHERE monitor = name AND declared = 1)"
    )
    return [row[0] for row in found]


def left_behind(
    database: Database, named: Collection[str], run: Collection[str]
) -> tuple[list[str], list[ConditionKey]]:
    """Return the monitors with declared checks that are not `named`, and the checks without data of those not `run`."""
    gone = [monitor for monitor in declared_monitors(database) if monitor not in named]
    blind = [row.key for row in database.read(without_data) if row.declared]
    return gone, [key for key in blind if key.monitor in named and key.monitor not in run]


def keys_to_end(database: Database, monitor: str, also: str) -> list[ConditionKey]:
    """Return the declared conditions of a monitor that is gone, after the one under the check `also`."""
    found = database.rows(
        "SELECT monitor, check_name, chain, subject FROM conditions WHERE monitor = ? "
        "AND (declared = 1 OR check_name = ?) ORDER BY check_name <> ?, check_name, chain, subject",
        (monitor, also, also),
    )
    return [ConditionKey.of_texts(*row) for row in found]


def blinds_any(tx: Tx, source: str) -> bool:
    """Return whether nothing is known of some condition because of a source."""
    found = tx.execute("SELECT 1 FROM conditions WHERE blind_since IS NOT NULL AND blind_by = ? LIMIT 1", (source,))
    return found.fetchone() is not None


def firing(tx: Tx) -> list[Condition]:
    """Return what fires now, oldest first."""
    return [
        _condition(row) for row in fetch(tx, f"{_SELECT} WHERE state = 'firing' ORDER BY fired_at, monitor, check_name")
    ]


def incidents(tx: Tx, now: datetime) -> list[Condition]:
    """Return what fires now and what happened within a day and is not done with, oldest first."""
    found = [*firing(tx), *happened_once(tx, now)]
    return sorted(found, key=lambda each: (each.fired_at or now, each.key))


def count_incidents(tx: Tx, now: datetime) -> Counter[Severity]:
    """Count what `incidents` returns by severity, without reading the rows that fire."""
    found = fetch(tx, "SELECT severity, count(*) FROM conditions WHERE state = 'firing' GROUP BY severity")
    counted = Counter({_SEVERITIES.get(name, Severity.LOW): number for name, number in found})
    return counted + Counter(each.worst for each in happened_once(tx, now))


def happened_once(tx: Tx, now: datetime) -> list[Condition]:
    """Return what happened within a day, does not last and is not done with."""
    since = to_text(now - ONCE_LASTS)
    found = fetch(tx, f"{_SELECT} WHERE {_ONCE}", (since, since))
    return [each for each in map(_condition, found) if each.happened_once(now)]


def happened_since(tx: Tx, since: datetime) -> list[Condition]:
    """Return what happened since then, does not last and nobody said is done with, whatever its age."""
    return [_condition(row) for row in fetch(tx, f"{_SELECT} WHERE {_ONCE}", (to_text(since), to_text(since)))]


def silenced_and_firing(tx: Tx) -> list[Condition]:
    """Return what fires now and whose last message was held back by a silence."""
    held_back = "SELECT id FROM alert_events WHERE delivery_status = 'silenced' AND id = conditions.alert_id"
    return [_condition(row) for row in fetch(tx, f"{_SELECT} WHERE state = 'firing' AND alert_id IN ({held_back})")]


def of_key_text(database: Database, protocol: str, key: str) -> Condition | None:
    """Return the condition that alerts of this protocol and key text are about."""
    check = key.partition("/")[0]
    found = database.rows(
        f"{_SELECT} WHERE monitor = ? AND check_name >= ? AND check_name < ?", (protocol, check, check + "\U0010ffff")
    )
    return next((each for each in map(_condition, found) if each.key.text == key), None)


def everything(database: Database, limit: int) -> list[Condition]:
    """Return all conditions that ever fired, the latest change first."""
    return [
        _condition(row)
        for row in database.rows(f"{_SELECT} WHERE fired_at IS NOT NULL ORDER BY updated_at DESC LIMIT ?", (limit,))
    ]


def _key_values(key: ConditionKey) -> tuple[str, str, str, str]:
    return key.monitor, key.check, str(key.chain or ""), key.subject


# A run reads its rows before it judges and again while others wait for it: what did not change is the same object then.
@lru_cache(maxsize=1024)
def _condition(row: Row) -> Condition:
    named = dict(zip(_FIELDS, row[4:], strict=True))
    data, since, source, reason = (named.pop(name) for name in ("data_json", *_NO_DATA))
    for name in _INSTANTS:
        named[name] = instant_or_none(named[name])  # a damaged one must lose no alert
    named |= {
        "state": _STATES.get(named["state"], State.OK),
        "severity": _SEVERITIES.get(named["severity"], Severity.LOW),
        "worst": _SEVERITIES.get(named["worst"], Severity.LOW),
        "declared": bool(named["declared"]),
    }
    key, unseen_since = ConditionKey.of_texts(*row[:4]), instant_or_none(since)
    source = "" if source == f"{key.monitor}/{key.text}" else source
    unseen = NoData(unseen_since, source=source, reason=reason) if unseen_since else None
    return read_data(Condition(key, **named, no_data=unseen), data)
