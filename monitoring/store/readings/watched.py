"""Every check that is judged, with its last reading: for the pages *Watched* and *Check* and the API's `/v1/checks`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from monitoring.conditions.condition import Condition, ConditionKey, State
from monitoring.conditions.severity import Severity
from monitoring.conditions.values import Number
from monitoring.store.db.compatibility import has_table
from monitoring.store.db.database import Database, Row, Tx, fetch
from monitoring.store.readings.exact_text import Numeric, from_column, number_of
from monitoring.store.readings.history import ReadingSpan, history
from monitoring.store.readings.inputs import contracts_from_text
from monitoring.store.readings.limits import NO_LIMITS, ReadingLimits
from monitoring.store.readings.measured import measured, unit_of
from monitoring.store.readings.reading import ReadingState
from monitoring.store.readings.stretches import instant, severity_of, state_of
from monitoring.store.tables import conditions

_KEY = "s.monitor, s.check_name, s.chain, s.subject"
_SELECT = (
    f"SELECT {_KEY}, s.id, s.protocol, s.severity, s.verb, s.unit, s.about, s.formula, s.contracts, "  # noqa: S608 - names of our own
    "o.value, o.reference, o.state, o.severity, o.first_at, o.last_at, o.last_block, l.content FROM reading_series s "
    "CROSS JOIN conditions c ON c.monitor = s.monitor AND c.check_name = s.check_name AND c.chain = s.chain "
    "AND c.subject = s.subject LEFT JOIN open_readings o ON o.series = s.id "
    "LEFT JOIN reading_limits l ON l.id = o.limits"
)
# What is asked of a check's state: the condition is right also when somebody has ended it since the last reading.
_STATES = {
    "ok": "c.state = 'ok' AND c.blind_since IS NULL",
    "pending": "c.state = 'pending' AND c.blind_since IS NULL",
    "firing": "c.state = 'firing'",
    "no_data": "c.blind_since IS NOT NULL",
}
STATES = tuple(_STATES)
_MOST_PARTS = 8  # ours: of the name of a check, whatever is asked for


@dataclass(frozen=True, slots=True)
class WatchedQuery:
    """Which checks: all that are given must hold. `text` is looked for in id, protocol and what is watched.

    `severity` is how bad a check can be; `state` one of `STATES`.
    """

    protocol: str | None = None
    state: str | None = None
    chain: int | None = None
    severity: Severity | None = None
    text: str | None = None
    monitor: str | None = None


@dataclass(frozen=True, slots=True)
class WatchedCheck:
    """One check with its last reading.

    `id` is a cursor; `condition` what is remembered (state, since, title, words of the value, no data). `value` is in
    `unit`, of an age in seconds as it was at `at`; `exact` is what was read. `lower` and `upper` are the mildest
    limits, `headroom` the distance to the nearer one, negative beyond it. `reading` is what the last reading
    came to, none before the first one. `since` is from when on nothing changed.
    """

    id: int
    key: ConditionKey
    condition: Condition
    protocol: str
    severity: Severity
    verb: str
    unit: str
    about: str
    formula: str
    contracts: tuple[tuple[int, str, str], ...]
    value: Number | None = None
    exact: Numeric | None = None
    lower: Number | None = None
    upper: Number | None = None
    headroom: Number | None = None
    limits: ReadingLimits = NO_LIMITS
    reading: ReadingState | None = None
    since: datetime | None = None
    at: datetime | None = None
    block: int | None = None
    points: tuple[ReadingSpan, ...] = field(default=())

    @property
    def path(self) -> str:
        """Return its id as people and the API write it: `monitor/check[/chain][/subject]`."""
        return f"{self.key.monitor}/{self.key.text}"

    @property
    def state(self) -> str:
        """Return one of `STATES`: what fires fires also while nothing is known of it."""
        if self.condition.state is State.FIRING:
            return "firing"
        return "no_data" if self.condition.no_data is not None else self.condition.state.value


def watched(
    database: Database | Tx,
    query: WatchedQuery = WatchedQuery(),
    limit: int = 100,
    after: int | None = None,
    *,
    points: int = 0,
    now: datetime | None = None,
) -> list[WatchedCheck]:
    """Return a page of checks by monitor, check, chain and subject; `after` is the `id` of the last one of a page.

    With `points` and `now` each has at most so many spans of the last 24 hours, to draw a small line of.
    """
    if isinstance(database, Database):
        return database.read(lambda tx: watched(tx, query, limit, after, points=points, now=now))
    tx = database
    if not has_table(tx, "reading_series"):
        return []
    where, parameters = _where(tx, query, after)
    found = [
        _check(tx, row) for row in fetch(tx, f"{_SELECT} WHERE {where} ORDER BY {_KEY} LIMIT ?", [*parameters, limit])
    ]
    if points and now is not None:
        day = now - timedelta(days=1)
        found = [replace(one, points=tuple(history(tx, one.key, day, now, points))) for one in found]
    return found


def one(database: Database | Tx, check: ConditionKey) -> WatchedCheck | None:
    """Return one check, also of one that no file has any more; none where nothing was ever read of it."""
    if isinstance(database, Database):
        return database.read(lambda tx: one(tx, check))
    if not has_table(database, "reading_series"):
        return None
    where = "s.monitor = ? AND s.check_name = ? AND s.chain = ? AND s.subject = ?"
    rows = fetch(database, f"{_SELECT} WHERE {where}", tuple(check.named.values()))
    return _check(database, rows[0]) if rows else None


def keys_of_path(database: Database | Tx, path: str) -> list[ConditionKey]:
    """Return the checks that `monitor/check[/chain][/subject]` may mean: mostly one, two where they print the same."""
    if isinstance(database, Database):
        return database.read(lambda tx: keys_of_path(tx, path))
    if not has_table(database, "reading_series"):
        return []
    sql = "SELECT 1 FROM reading_series WHERE monitor = ? AND check_name = ? AND chain = ? AND subject = ?"
    return [key for key in readings_of_path(path) if database.execute(sql, tuple(key.named.values())).fetchone()]


def readings_of_path(path: str) -> Iterator[ConditionKey]:
    """Yield every key that prints as `path`. Pure; a name may have slashes too, so there are several."""
    monitor, _, rest = path.partition("/")
    parts = rest.split("/")
    for number in range(1, min(len(parts), _MOST_PARTS) + 1):
        check, tail = "/".join(parts[:number]), parts[number:]
        yield ConditionKey(monitor, check, 0, "/".join(tail))
        key = ConditionKey.of_texts(monitor, check, tail[0] if tail else "", "/".join(tail[1:]))
        if key.chain and str(key.chain) == tail[0]:
            yield key


def count(database: Database | Tx) -> dict[str, int]:
    """Return how many checks there are by state, each of `STATES`, in one walk along them."""
    if isinstance(database, Database):
        return database.read(count)
    counts = dict.fromkeys(STATES, 0)
    if not has_table(database, "reading_series"):
        return counts
    found = fetch(
        database,
        "SELECT c.state, c.blind_since IS NOT NULL, count(*) FROM reading_series s CROSS JOIN conditions c "
        "ON c.monitor = s.monitor AND c.check_name = s.check_name AND c.chain = s.chain AND c.subject = s.subject "
        "WHERE s.gone_at IS NULL GROUP BY 1, 2",
    )
    for state, blind, number in found:
        counts["firing" if state == "firing" else "no_data" if blind else state] += number
    return counts


def protocols(database: Database | Tx) -> list[str]:
    """Return the protocols of checks, in order: a seek for each."""
    if isinstance(database, Database):
        return database.read(protocols)
    if not has_table(database, "reading_series"):
        return []
    found = fetch(
        database,
        "WITH RECURSIVE each(name) AS (SELECT min(protocol) FROM reading_series UNION ALL "
        "SELECT (SELECT min(protocol) FROM reading_series WHERE protocol > name) FROM each WHERE name IS NOT NULL) "
        "SELECT name FROM each WHERE name IS NOT NULL",
    )
    return [row[0] for row in found]


def _where(tx: Tx, query: WatchedQuery, after: int | None) -> tuple[str, list[object]]:
    found: list[tuple[str, Iterable[object]]] = [("s.gone_at IS NULL", ())]
    found += [("s.protocol = ?", (query.protocol,))] if query.protocol is not None else []
    found += [("s.monitor = ?", (query.monitor,))] if query.monitor is not None else []
    # With a plus, so that the order of the index stays the order of the page.
    found += [("+s.chain = ?", (str(query.chain or ""),))] if query.chain is not None else []
    found += [("s.severity = ?", (int(query.severity),))] if query.severity is not None else []
    found += [(_STATES[query.state], ())] if query.state is not None else []
    if query.text:
        # instr: nothing in the text of a person is a pattern.
        looked_in = "lower(s.monitor || '/' || s.check_name || '/' || s.chain || '/' || s.subject || ' ' || s.protocol || ' ' || s.about)"  # noqa: E501
        # Both by SQLite, which leaves every letter but those of ASCII as it is.
        found.append((f"instr({looked_in}, lower(?)) > 0", (query.text,)))
    if after is not None:
        last = tx.execute(f"SELECT {_KEY} FROM reading_series s WHERE id = ?", (after,)).fetchone()  # noqa: S608
        found.append((f"({_KEY}) > (?, ?, ?, ?)", last or ("", "", "", "")))
    return " AND ".join(sql for sql, _ in found), [value for _, values in found for value in values]


def _check(tx: Tx, row: Row) -> WatchedCheck:
    key = ConditionKey.of_texts(*row[:4])
    number, protocol, severity, verb, unit, about, formula, contracts = row[4:12]
    found = WatchedCheck(
        number, key, conditions.get(tx, key) or Condition(key), protocol, severity_of(severity), verb,
        unit_of(verb, unit), about, formula, contracts_from_text(contracts),
    )  # fmt: skip
    kept, reference, state, _, first_at, last_at, block, content = row[12:]
    if last_at is None:
        return found
    exact, at = from_column(kept), instant(last_at)
    value, limits = measured(verb, exact, at), ReadingLimits.from_text(content).absolute(number_of(reference))
    return replace(
        found, value=value, exact=exact, limits=limits, reading=state_of(state), since=instant(first_at), at=at,
        lower=limits.lower[0].at if limits.lower else None, upper=limits.upper[0].at if limits.upper else None,
        headroom=limits.headroom(value) if value is not None else None, block=block,
    )  # fmt: skip
