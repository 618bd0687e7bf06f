"""What the pages of an incident and of a check work out: episodes, trend, distance, the filled formula. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import pytest

from monitoring.conditions.condition import Condition, ConditionKey, State
from monitoring.conditions.severity import Severity
from monitoring.store.db.database import Database
from monitoring.store.db.schema import open_database
from monitoring.store.queries.alerts import AlertRow
from monitoring.store.readings.against_limit import measure
from monitoring.store.readings.history import ReadingSpan
from monitoring.store.readings.limits import NO_LIMITS, Bound, ReadingLimits
from monitoring.store.readings.reading import ReadingState
from monitoring.store.readings.watched import WatchedCheck
from monitoring.store.tables import configured_protocols
from monitoring.web.charts.series import ChartMark, MarkKind
from monitoring.web.pages.watched import samples
from monitoring.web.story.declared import declared
from monitoring.web.story.episodes import episodes
from monitoring.web.story.formula import contract_link, fill
from monitoring.web.story.timeline import happenings
from monitoring.web.story.value_chart import periods, value_chart

START = datetime(2026, 11, 29, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
KEY = ConditionKey("aave", "utilisation/USDC", 1)
LIMITS = ReadingLimits(
    (), (Bound(Fraction(9, 10), Severity.HIGH), Bound(Fraction(97, 100), Severity.CRITICAL)), "≤ 90%"
)


def row(number: int, kind: str, at: datetime, severity: str = "HIGH", since: datetime | None = None) -> AlertRow:
    named = f'{{"incident":{{"since":"{since:%Y-%m-%dT%H:%M:%SZ}"}}}}' if since else None
    return AlertRow(
        number, f"{at:%Y-%m-%dT%H:%M:%S}.000000Z", "protocol", "aave", "", severity, "x", True, False, "delivered",
        None, None, named, "x", kind, None, None, None, KEY.text,
    )  # fmt: skip


def span(
    value: Fraction | None, at: datetime, state: ReadingState = ReadingState.FIRING, *, gap: bool = False
) -> ReadingSpan:
    return ReadingSpan(
        at, at, 1, value, value, value, None, Fraction(9, 10), LIMITS, state, Severity.HIGH, gap
    )  # fmt: skip


def seen(value: Fraction | None, limits: ReadingLimits = LIMITS) -> WatchedCheck:
    lower = limits.lower[0].at if limits.lower else None
    upper = limits.upper[0].at if limits.upper else None
    return WatchedCheck(
        1, KEY, Condition(KEY), "aave", Severity.CRITICAL, "limit", "%", "", "", (), value, value, lower, upper,
        limits=limits,
    )  # fmt: skip


def firing(since: datetime) -> Condition:
    return Condition(KEY, State.FIRING, fired_at=since)


def test_each_time_it_fired_is_an_episode_with_its_worst_and_its_duration() -> None:
    later = START + 9 * HOUR
    rows = [
        row(1, "alert", START, "MEDIUM", START), row(2, "worsened", START + HOUR, "CRITICAL", START),
        row(3, "recovery", START + 3 * HOUR, "LOW", START), row(4, "alert", later, "HIGH", later),
    ]  # fmt: skip
    newest, first = episodes(reversed(rows), firing(later))
    assert (first.began_at, first.lasted, first.worst, first.alert_id) == (START, 3 * HOUR, "CRITICAL", 1)
    assert (newest.began_at, newest.lasted, newest.is_current) == (later, None, True)


def test_alerts_that_name_no_incident_are_parted_by_their_recoveries() -> None:
    rows = [row(1, "alert", START), row(2, "reminder", START + HOUR), row(3, "recovery", START + 2 * HOUR),
            row(4, "alert", START + 5 * HOUR)]  # fmt: skip
    found = episodes(rows, Condition(KEY))
    assert [(each.began_at, each.lasted) for each in found] == [(START + 5 * HOUR, None), (START, 2 * HOUR)]
    assert not any(each.is_current for each in found)


def test_what_people_announce_in_its_thread_is_no_time_it_fired(database: Database) -> None:
    announced = replace(row(2, "alert", START + HOUR, "HIGH"), dedupe_key=None, title="cleo silenced it")
    rows = [row(1, "alert", START, "MEDIUM", START), announced]

    assert [each.worst for each in episodes(rows, firing(START))] == ["MEDIUM"]
    found = happenings(database, firing(START), rows, START, START + 2 * HOUR)
    assert [(each.says, each.kind) for each in found] == [("fired MEDIUM", MarkKind.FIRED), ("cleo silenced it", None)]


@pytest.mark.parametrize(
    ("values", "trend"),
    [
        ((915, 951), "Getting worse: 91.5% when it fired"),
        ((951, 915), "Easing: 95.1% when it fired"),
        ((915, 951, 915), "Unchanged since it fired"),
    ],
)
def test_the_trend_compares_now_with_the_begin(values: tuple[int, ...], trend: str) -> None:
    course = [span(Fraction(value, 1000), START + number * HOUR) for number, value in enumerate(values)]
    found = measure(seen(Fraction(values[-1], 1000)), course)
    assert found.trend == trend
    assert found.worst == f"{max(values) / 10:g}%"
    assert found.worst_at == START + values.index(max(values)) * HOUR


def test_an_edit_of_the_limit_makes_no_value_better_or_worse() -> None:
    course = [replace(span(Fraction(95, 100), START), upper=Fraction(5, 10)), span(Fraction(95, 100), START + HOUR)]
    assert measure(seen(Fraction(95, 100)), course).trend == "Unchanged since it fired"


def test_a_question_to_several_people_is_one_line_with_their_names(database: Database) -> None:
    asked = [
        replace(row(number, "escalation", START, "CRITICAL"), channel=channel, dedupe_key=None)
        for number, channel in enumerate(("on_call_ana", "on_call_ben"), 1)
    ]
    chat = replace(row(3, "escalation", START + HOUR, "CRITICAL"), channel="aave", dedupe_key=None)
    found = happenings(database, firing(START), [*asked, chat], START, START + 2 * HOUR)
    words = [(each.says, each.kind) for each in found]
    assert words == [
        ("not acknowledged: asked ana, ben", MarkKind.ESCALATED),
        ("not acknowledged: asked the chat again", MarkKind.ESCALATED),
    ]


def test_a_value_is_shown_against_its_limit_and_the_next_level() -> None:
    bad, fine = measure(seen(Fraction(951, 1000))), measure(seen(Fraction(64, 100)))
    assert (bad.value, bad.limit, bad.distance, bad.is_beyond) == ("95.1%", "≤ 90%", "over by 5.1%", True)
    assert bad.next_level == "CRITICAL at 97%"
    assert (fine.distance, fine.is_beyond) == ("26%", False)
    assert measure(seen(Fraction(99, 100))).next_level == "", "it is at its worst level"
    assert measure(seen(Fraction(9, 10))).distance == "at the limit"


def test_a_lower_limit_is_missed_from_above() -> None:
    floor = ReadingLimits((Bound(Fraction(1, 10), Severity.LOW), Bound(Fraction(1, 20), Severity.HIGH)), (), "≥ 10%")
    found = measure(seen(Fraction(8, 100), floor))
    assert (found.distance, found.is_beyond, found.next_level) == ("short by 2%", True, "HIGH at 5%")


def test_a_check_without_a_limit_or_a_value_claims_nothing() -> None:
    assert measure(seen(Fraction(1, 2), NO_LIMITS)).distance == ""
    assert measure(seen(None)).value == ""


def test_a_time_without_data_is_one_gap_from_the_last_value_to_the_next() -> None:
    spans = [span(Fraction(1, 2), START), span(None, START + HOUR, ReadingState.NO_DATA),
             span(Fraction(1, 2), START + 2 * HOUR), span(Fraction(1, 2), START + 9 * HOUR, gap=True)]  # fmt: skip
    gaps = [(each.begins_at, each.ends_at) for each in periods(spans) if not each.has_data]
    assert (gaps[0][0], gaps[2][1]) == (START, START + 2 * HOUR)
    assert gaps[-1] == (START + 2 * HOUR, START + 9 * HOUR), "nothing ran"


@pytest.mark.parametrize(
    ("formula", "values", "filled"),
    [
        ("held >= owed", (("held", "299"), ("owed", "300")), "299 >= 300"),
        ("a.totalSupply() / 1000 >= 0.1", (("a.totalSupply()", "150"),), "150 / 1000 >= 0.1"),
        ("rate + rate_max", (("rate", "1"),), "1 + rate_max"),
        ("held >= owed", (), "held >= owed"),
    ],
)
def test_a_formula_is_filled_by_whole_names(formula: str, values: tuple[tuple[str, str], ...], filled: str) -> None:
    assert fill(formula, values) == filled


def test_a_contract_links_to_the_explorer_of_its_chain_if_there_is_one() -> None:
    address = "0x" + "11" * 20
    known = contract_link(1, address, "pool")
    assert (known.href, known.chain) == (f"https://etherscan.io/address/{address}", "Ethereum")
    assert contract_link(987654321, address, "pool").href == ""


@pytest.fixture
def database(tmp_path: Path) -> Database:
    (tmp_path / "monitor.yaml").write_text(
        "# Acme\nmonitor: acme\nchecks:\n  - {id: backing, require: a >= b}\n  - id: 'use/{m.symbol}'\n    require: c\n"
    )
    found = open_database(tmp_path / "monitoring.db")
    task = {"name": "acme", "monitors": ["gone.yaml", "monitor.yaml"], "profile": "hourly"}
    with found.write() as tx:
        configured_protocols.put(tx, [{"name": "acme", "tasks": [task]}], START)
    return found


@pytest.mark.parametrize(
    ("check", "place"),
    [("backing", "monitor.yaml:4"), ("use/USDC", "monitor.yaml:5"), ("share-price", "monitor.yaml")],
)
def test_a_check_is_found_in_its_file(database: Database, tmp_path: Path, check: str, place: str) -> None:
    found = declared(database, Condition(ConditionKey("acme", check), owner_task="acme"), tmp_path)
    assert (found.place, found.task, found.profile) == (place, "acme", "hourly")


def test_a_check_of_no_known_file_names_its_task_alone(database: Database, tmp_path: Path) -> None:
    assert declared(database, Condition(ConditionKey("other", "x"), owner_task="gone"), tmp_path).place == ""


def test_the_chart_of_a_young_check_begins_shortly_before_its_first_reading() -> None:
    until = START + 24 * HOUR
    young = [span(Fraction(1, 2), until - HOUR), span(Fraction(1, 3), until)]
    found = value_chart("x", young, (), "%", START, until)
    assert timedelta() < (until - HOUR) - found.begins_at <= HOUR / 10
    assert found.kept_since == until - HOUR
    old = value_chart("x", [span(Fraction(1, 2), START + 9 * HOUR), *young], (), "%", START, until)
    assert (old.begins_at, old.kept_since) == (START, START + 9 * HOUR)


def test_an_alert_older_than_the_readings_stays_on_the_chart() -> None:
    until = START + 24 * HOUR
    fired, deploy = (ChartMark(START + HOUR, kind, "x") for kind in (MarkKind.FIRED, MarkKind.DEPLOYED))
    young = [span(Fraction(1, 2), until)]
    assert value_chart("x", young, [fired], "%", START, until).begins_at == START
    alone = value_chart("x", young, [deploy], "%", START, until)
    assert until - alone.begins_at < 20 * HOUR / 60, "one reading: some minutes"


def test_between_two_readings_a_small_line_goes_on_unless_nothing_was_read_for_a_while() -> None:
    until = START + 24 * HOUR
    first, last = span(Fraction(1, 4), START + HOUR / 2), span(Fraction(1, 2), until)
    assert samples([first, last], START, until) == [Fraction(1, 4)] * 23 + [Fraction(1, 2)]
    apart = samples([first, replace(last, gap=True)], START, until)
    assert apart == [Fraction(1, 4)] + [None] * 22 + [Fraction(1, 2)]
    dark = span(None, until, ReadingState.NO_DATA)
    assert samples([first, dark], START, until)[-2:] == [Fraction(1, 4), None]
    assert samples([], START, until) == [None] * 24
