"""What runs read is kept with the conditions it led to, in stretches, and found again as it was."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from monitoring.base.clock import SystemClock
from monitoring.conditions.condition import Condition, ConditionKey, State
from monitoring.conditions.severity import Severity
from monitoring.store.db.database import Database, Tx
from monitoring.store.db.schema import open_database, open_readonly
from monitoring.store.maintenance.backups import back_up
from monitoring.store.maintenance.restore import put_in_place, staged
from monitoring.store.readings.dropping import record_or_drop_in
from monitoring.store.readings.history import history
from monitoring.store.readings.inputs import inputs
from monitoring.store.readings.limits import Bound, ReadingLimits
from monitoring.store.readings.reading import CheckReading, ReadingState, Series
from monitoring.store.readings.watched import WatchedQuery, count, one, protocols, watched
from monitoring.store.tables import conditions
from tests.support.checks_host import ChecksHost
from tests.support.rpc_server import KEY, Provider, serving
from tests.support.sqlite_steps import steps_of

A, B = "0x" + "11" * 20, "0x" + "22" * 20
VAULT = f"""
monitor: vault
chain: 1
contracts: {{a: "{A}", b: "{B}"}}
checks:
  - {{id: floor, require: a.totalSupply() / 1000 >= 0.1, severity: high, unit: usd}}
  - {{id: cap, watch: b.totalSupply(), levels: [{{above: 50, severity: medium}}, {{above: 90, severity: critical}}]}}
  - {{id: apart, diverge: [a.totalSupply(), b.totalSupply()], max: 95%, severity: low}}
  - {{id: odd, flag: a.totalSupply() > b.totalSupply() * 100, severity: low}}
"""
SUPPLY = "totalSupply()(uint256)"
CAP = ConditionKey("vault", "cap", 1)
OTHER = ConditionKey("vault", "other", 1)
START = datetime(2026, 11, 1, tzinfo=UTC)
EVER = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


@pytest.fixture
def provider() -> Iterator[Provider]:
    one = Provider(head_time=time.time, views={(A, SUPPLY): 150, (B, SUPPLY): 10})
    with serving(one):
        yield one


@pytest.fixture
def host(tmp_path: Path, provider: Provider) -> ChecksHost:
    return ChecksHost(tmp_path, {"PROVIDER_URL_MAINNET": provider.url})


@pytest.fixture
def opened(host: ChecksHost) -> Iterator[Database]:
    host.run(host.file(VAULT))
    with open_readonly(host.folder / "monitoring.db") as database:
        yield database


def test_a_run_keeps_exact_values_limits_block_and_inputs(opened: Database, provider: Provider) -> None:
    found = {check.key.check: check for check in watched(opened)}
    assert list(found) == ["apart", "cap", "floor", "odd"]
    floor, cap, apart, odd = found["floor"], found["cap"], found["apart"], found["odd"]
    assert (floor.value, floor.lower, floor.upper) == (Fraction(3, 20), Fraction(1, 10), None)
    assert (floor.headroom, floor.unit, floor.limits.words) == (Fraction(1, 20), "usd", "≥ $0.10")
    assert (cap.value, cap.lower, cap.upper, cap.severity) == (10, None, 50, Severity.CRITICAL)
    assert [(one.at, one.severity) for one in cap.limits.upper] == [(50, Severity.MEDIUM), (90, Severity.CRITICAL)]
    assert (apart.value, apart.lower, apart.upper) == (150, Fraction(1, 2), Fraction(39, 2)), "shares of the second"
    assert (apart.state, apart.reading) == ("firing", ReadingState.FIRING)
    assert (odd.exact, odd.value, odd.state) == (False, 0, "ok")
    assert {check.block for check in found.values()} == {provider.head}
    made_of = inputs(opened, floor.key)
    assert made_of is not None
    assert (made_of.values, made_of.formula) == ((("a.totalSupply()", 150),), "a.totalSupply() / 1000 >= 0.1")
    assert made_of.contracts == ((1, A, "a"),)


def test_nothing_of_a_provider_is_kept(host: ChecksHost, provider: Provider) -> None:
    host.run(host.file(VAULT))
    kept = [host.rows(f"SELECT * FROM {table}") for table in ("reading_series", "open_readings", "reading_limits")]
    assert KEY not in repr(kept)
    assert "127.0.0.1" not in repr(kept)


def test_a_reading_that_cannot_be_had_is_kept_as_no_data(host: ChecksHost, provider: Provider) -> None:
    host.run(host.file(VAULT))
    provider.status = 503
    host.run_without_data(host.file(VAULT))
    with open_readonly(host.folder / "monitoring.db") as database:
        found = history(database, CAP, *EVER)
        now = one(database, CAP)
    assert [(span.last, span.state) for span in found] == [(10, ReadingState.OK), (None, ReadingState.NO_DATA)]
    assert now is not None
    assert (now.value, now.state) == (None, "no_data")


@pytest.mark.ci  # it runs a file three times
def test_a_check_that_left_its_file_is_watched_no_more_and_its_history_stays(host: ChecksHost) -> None:
    host.run(host.file(VAULT))
    host.run(host.file("\n".join(line for line in VAULT.splitlines() if "id: cap" not in line)))
    with open_readonly(host.folder / "monitoring.db") as database:
        assert [check.key.check for check in watched(database)] == ["apart", "floor", "odd"]
        assert [span.last for span in history(database, CAP, *EVER)] == [10]
    host.run(host.file(VAULT))
    with open_readonly(host.folder / "monitoring.db") as database:
        assert [check.key.check for check in watched(database)] == ["apart", "cap", "floor", "odd"]


def test_a_backup_put_back_brings_its_readings(database: Database, tmp_path: Path) -> None:
    keep(database, 0, 10)
    backup = back_up(database.path, tmp_path / "backups", START).backup.path
    keep(database, 1, 20)
    with staged(backup, database.path) as ready:
        put_in_place(ready, backup, database.path, SystemClock(), by="ana", is_alive=lambda _: False)
    with open_database(database.path) as restored:
        assert [span.last for span in history(restored, CAP, *EVER)] == [10]
        keep(restored, 2, 30)
        assert [span.last for span in history(restored, CAP, *EVER)] == [10, 30]


# -- stretches, from readings of a shown clock -------------------------------------------------------------------------


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with open_database(tmp_path / "monitoring.db") as opened:
        yield opened


def keep(database: Database, hour: float, value: int | None, **more: Any) -> None:
    """Keep one reading of CAP, and its condition, some hours after START."""
    with database.write() as tx:
        keep_in(tx, hour, value, **more)


def keep_in(tx: Tx, hour: float, value: int | None, **more: Any) -> None:
    now = START + timedelta(hours=hour)
    state = more.pop("state", ReadingState.OK if value is not None else ReadingState.NO_DATA)
    upper = more.pop("upper", 50)
    limits = ReadingLimits((), (Bound(upper, Severity.HIGH),), f"≤ {upper}")
    reading = CheckReading(Series(CAP, "vault", Severity.HIGH, "limit"), state, value, limits=limits, **more)
    conditions.put(tx, Condition(CAP), now)
    record_or_drop_in(tx, [reading], [], now)


def rows(database: Database) -> int:
    return int(database.rows("SELECT (SELECT count(*) FROM readings) + (SELECT count(*) FROM open_readings)")[0][0])


def spans(database: Database, **how: Any) -> list[tuple[float, float, Any, Any]]:
    """Every span: from and to in hours after START, lowest and highest value."""
    found = history(database, CAP, *EVER, **how)
    return [(hours(span.first_at), hours(span.last_at), span.low, span.high) for span in found]


def hours(instant: datetime) -> float:
    return (instant - START).total_seconds() / 3600


def test_what_does_not_change_is_one_row_however_long(database: Database) -> None:
    with database.write() as tx:
        for hour in range(200):
            keep_in(tx, hour, 10, block=1000 + hour)
    assert rows(database) == 1
    assert spans(database) == [(0, 199, 10, 10)]
    (span,) = history(database, CAP, *EVER)
    assert (span.runs, span.block, span.gap) == (200, 1199, False)


def test_each_change_of_value_state_or_limit_begins_a_row(database: Database) -> None:
    keep(database, 0, 10)
    keep(database, 1, 10)
    keep(database, 2, 60, state=ReadingState.FIRING, severity=Severity.HIGH)
    keep(database, 3, 60, upper=70)
    keep(database, 4, 10, upper=70)
    found = history(database, CAP, *EVER)
    assert [(hours(one.first_at), one.last, one.upper, one.state) for one in found] == [
        (0, 10, 50, ReadingState.OK), (2, 60, 50, ReadingState.FIRING), (3, 60, 70, ReadingState.OK),
        (4, 10, 70, ReadingState.OK),
    ]  # fmt: skip
    assert not any(one.gap for one in found)


def test_hours_in_which_nothing_was_read_stay_a_gap_though_the_value_is_the_same(database: Database) -> None:
    for hour in (0, 1, 2, 3, 9, 10, 11):
        keep(database, hour, 10)
    assert [(hours(one.first_at), hours(one.last_at), one.gap) for one in history(database, CAP, *EVER)] == [
        (0, 3, False), (9, 11, True),
    ]  # fmt: skip


def test_no_data_has_no_value_and_lasts_as_long_as_it_does(database: Database) -> None:
    for hour, value in enumerate([10, None, None, 12]):
        keep(database, hour, value)
    assert spans(database) == [(0, 0, 10, 10), (1, 2, None, None), (3, 3, 12, 12)]


def test_few_points_lose_no_spike(database: Database) -> None:
    with database.write() as tx:
        for hour in range(24 * 30):
            keep_in(tx, hour, 999 if hour == 333 else -5 if hour == 444 else 10 + hour % 3)
    found = history(database, CAP, START, START + timedelta(days=30), points=20)
    assert 20 <= len(found) <= 21
    assert max(span.high or 0 for span in found) == 999
    assert min(span.low or 0 for span in found) == -5
    assert sum(span.runs for span in found) == 24 * 30
    assert len(history(database, CAP, START, START + timedelta(days=30), step=timedelta(days=1))) == 30


def test_a_part_of_the_time_is_what_overlaps_it_cut_to_it(database: Database) -> None:
    for hour in range(10):
        keep(database, hour, 10 if hour < 5 else 20)
    found = history(database, CAP, START + timedelta(hours=2), START + timedelta(hours=6))
    assert [(hours(one.first_at), hours(one.last_at), one.last) for one in found] == [(2, 4, 10), (5, 6, 20)]
    assert history(database, CAP, START - timedelta(days=3), START - timedelta(days=2)) == []
    assert history(database, ConditionKey("vault", "nothing"), *EVER) == []


def test_inputs_are_kept_of_the_last_reading_and_of_each_with_which_a_state_began(database: Database) -> None:
    states = [ReadingState.OK, ReadingState.OK, ReadingState.FIRING, ReadingState.FIRING, ReadingState.OK]
    for hour, state in enumerate(states):
        keep(database, hour, hour, state=state, inputs=(("x", hour),))

    def at(hour: float) -> Any:
        found = inputs(database, CAP, START + timedelta(hours=hour))
        return found.values if found else None

    assert [at(hour) for hour in (0.5, 2.5, 3.5, 99)] == [(("x", 0),), (("x", 2),), (("x", 2),), (("x", 4),)]
    assert at(-1) is None


def test_a_clock_set_back_loses_nothing_that_was_kept(database: Database) -> None:
    for hour in (0, 1, 500, 2, 3):
        keep(database, hour, hour)
    assert [hours(one.first_at) for one in history(database, CAP, START, START + timedelta(hours=4))] == [0, 1, 2, 3]


def test_a_state_that_has_lasted_for_months_is_found_with_no_look_at_each_day_since(tmp_path: Path) -> None:
    """Another check changes every day, so that each of them has rows."""
    cost = []
    for days in (10, 100):
        with open_database(tmp_path / f"{days}.db") as opened, opened.write() as tx:
            for day in range(days):
                keep_in(tx, 24 * day, 9, inputs=(("x", 9),))
                another = CheckReading(Series(OTHER, "vault", Severity.HIGH, "limit"), ReadingState.OK, day)
                record_or_drop_in(tx, [another], [], START + timedelta(days=day))
            when = START + timedelta(hours=1)
            found = inputs(tx, CAP, when)
            assert found is not None
            assert (found.at, found.values) == (START, (("x", 9),))
            cost.append(steps_of(opened, lambda: inputs(tx, CAP, when)))  # noqa: B023
    assert cost[0] == cost[1]


# -- pages of what is watched ------------------------------------------------------------------------------------------


def test_pages_follow_each_other_without_a_check_twice_or_left_out(database: Database) -> None:
    fill(database, 25)
    found, after = [], None
    while page := watched(database, limit=10, after=after):
        found += [check.path for check in page]
        after = page[-1].id
    assert found == sorted(found)
    assert len(set(found)) == len(found) == 25


def test_each_filter_keeps_what_it_says(database: Database) -> None:
    fill(database, 25)
    everything = watched(database)
    for query, wanted in (
        (WatchedQuery(protocol="p1"), lambda check: check.protocol == "p1"),
        (WatchedQuery(state="firing"), lambda check: check.state == "firing"),
        (WatchedQuery(state="ok", chain=10), lambda check: check.state == "ok" and check.key.chain == 10),
        (WatchedQuery(severity=Severity.HIGH), lambda check: check.severity is Severity.HIGH),
        (WatchedQuery(text="C7"), lambda check: "c7" in check.path),
        (WatchedQuery(text="100%_"), lambda _: False),
    ):
        found = watched(database, query)
        assert [check.id for check in found] == [check.id for check in everything if wanted(check)], query
    assert len(watched(database, WatchedQuery(state="firing"))) == 5
    assert count(database) == {"ok": 20, "pending": 0, "firing": 5, "no_data": 0}
    assert protocols(database) == ["p0", "p1", "p2"]


def test_a_text_with_letters_of_any_alphabet_is_found(database: Database) -> None:
    key = ConditionKey("acme", "backing", 1, "Äpfel 雪 USDC")
    with database.write() as tx:
        conditions.put(tx, Condition(key), START)
        record_or_drop_in(tx, [CheckReading(Series(key), ReadingState.OK, 1)], [], START)
    for text, is_found in (("Äpfel", True), ("雪 usdc", True), ("äpfel", False), ("ACME/", True), ("birne", False)):
        assert bool(watched(database, WatchedQuery(text=text))) is is_found, text


def test_a_check_that_comes_back_goes_on_in_its_series_after_a_gap(database: Database) -> None:
    key = ConditionKey("acme", "backing", 1)
    reading = CheckReading(Series(key), ReadingState.OK, 7)
    with database.write() as tx:
        conditions.put(tx, Condition(key), START)
        for hour in range(3):
            record_or_drop_in(tx, [reading], [], START + timedelta(hours=hour))
        record_or_drop_in(tx, [], [key], START + timedelta(hours=3))
    assert watched(database) == []
    assert count(database)["ok"] == 0
    with database.write() as tx:
        for hour in range(9, 12):
            record_or_drop_in(tx, [reading], [], START + timedelta(hours=hour))
    assert [check.key for check in watched(database)] == [key]
    spans = history(database, key, START, START + timedelta(hours=12))
    assert [(span.runs, span.gap) for span in spans] == [(3, False), (3, True)]


def fill(database: Database, checks: int) -> None:
    """Some checks of three protocols on two chains; each fifth fires."""
    with database.write() as tx:
        readings = []
        for number in range(checks):
            key = ConditionKey(f"m{number % 4}", f"c{number}", (1, 10)[number % 2])
            fires = number % 5 == 0
            conditions.put(tx, Condition(key, State.FIRING if fires else State.OK), START)
            series = Series(key, f"p{number % 3}", list(Severity)[number % 4], "limit", about=f"what c{number} is")
            readings.append(CheckReading(series, ReadingState.FIRING if fires else ReadingState.OK, number))
        record_or_drop_in(tx, readings, [], START)
