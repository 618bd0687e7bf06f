"""Storing alerts: conditions, silences, machines and the state beside them, in a real database file."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitoring.alerts.delivery.spooled import Unstored, keep, store_kept
from monitoring.alerts.message.model import Alert
from monitoring.alerts.recording.release_silenced import release_in
from monitoring.alerts.recording.store_alert import (
    UNSTORED,
    AlertKind,
    AlertOrigin,
    raise_in,
    record,
    record_in,
    resolve_in,
    store_in,
)
from monitoring.alerts.recording.unit_of_work import StoredOutcome
from monitoring.base.exact_json import from_json
from monitoring.conditions.condition import ConditionKey
from monitoring.conditions.policy import PendingPolicy, Policy
from monitoring.store.db.database import Database
from monitoring.store.db.schema import open_database
from monitoring.store.tables import alerts, conditions, silences, state
from tests.support.outbox import alert

NOW = datetime(2026, 3, 1, tzinfo=UTC)
KEY = ConditionKey("aave", "utilisation/USDC")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with open_database(tmp_path / "monitoring.db") as opened:
        yield opened


def minutes(count: float) -> datetime:
    return NOW + timedelta(minutes=count)


def see(database: Database, at: datetime, severity: str = "HIGH", **more: object) -> str:
    with database.write() as tx:
        keyed = alert("utilisation", severity, key="utilisation/USDC")
        return StoredOutcome(raise_in(tx, keyed, now=at, key=KEY, **more)).reason  # type: ignore[arg-type]


def resolve(database: Database, at: datetime) -> str:
    with database.write() as tx:
        return StoredOutcome(resolve_in(tx, KEY, now=at)).reason


def silence(database: Database, start: datetime, hours: float, key: str | None = None, protocol: str = "aave") -> int:
    ends_at = start + timedelta(hours=hours)
    with database.write() as tx:
        return silences.add(tx, protocol, key, now=start, ends_at=ends_at, reason="known", created_by="ops")


def rows(database: Database) -> list[tuple[str, str, str]]:
    return database.rows("SELECT kind, title, delivery_status FROM alert_events ORDER BY id")  # type: ignore[return-value]


def webhooks(database: Database) -> list[str]:
    return [row[0] for row in database.rows("SELECT status FROM deliveries WHERE destination = 'webhook' ORDER BY id")]


def test_a_failing_transaction_leaves_neither_alert_nor_state_nor_condition(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.write() as tx:
        record_in(tx, alert(key="k"), now=NOW)
        state.put(tx, "cursors", "block", "5", NOW)
        _ = 1 / 0
    counts = [database.row(f"SELECT count(*) FROM {table}") for table in ("alert_events", "deliveries", "conditions")]
    assert counts == [(0,)] * 3
    assert state.get(database, "cursors", "block") is None


def test_a_repeat_stores_no_row_and_returns_the_alert_that_told_of_it(database: Database) -> None:
    first = record(database, alert(key="k"), now=NOW)
    assert record(database, alert(key="k"), now=minutes(60)) == first
    assert len(rows(database)) == 1
    found = conditions.firing(database.connection)
    assert [(each.key.text, each.times, each.alert_id) for each in found] == [("k", 2, first)]


def test_a_pending_condition_has_no_alert_yet(database: Database) -> None:
    policy = Policy(hold=PendingPolicy(span=timedelta(minutes=10), shared=True))
    assert record(database, alert(key="k"), now=NOW, policy=policy) is None
    assert record(database, alert(key="k"), now=minutes(10), policy=policy) == 1


def test_a_reminder_says_since_when_and_the_recovery_how_long(database: Database) -> None:
    see(database, NOW)
    assert see(database, minutes(60 * 24)) == "reminded"
    resolve(database, minutes(60 * 26))
    messages = [row[0] for row in database.rows("SELECT message FROM alert_events ORDER BY id")]
    assert "Since 2026-03-01 00:00 UTC (1 d before this alert); seen 2 times" in messages[1]
    assert "Was HIGH for 1 d 2 h, since 2026-03-01 00:00 UTC." in messages[2]
    assert [kind for kind, _, _ in rows(database)] == ["alert", "reminder", "recovery"]


def test_the_machine_gets_no_row_for_reminders_recoveries_or_what_is_not_severe(database: Database) -> None:
    see(database, NOW, "MEDIUM")
    see(database, minutes(1), "HIGH")
    see(database, minutes(60 * 25), "HIGH")
    resolve(database, minutes(60 * 26))
    assert webhooks(database) == ["pending", "not_attempted"]
    why = database.row("SELECT error FROM deliveries WHERE status = 'not_attempted'")
    assert why == ("called for this firing and level already",)


def test_a_condition_that_flaps_within_the_hour_calls_the_machine_once(database: Database) -> None:
    for start in (0, 10, 20):
        see(database, minutes(start), "CRITICAL")
        resolve(database, minutes(start + 5))
    assert webhooks(database) == ["pending", "not_attempted", "not_attempted"]
    see(database, minutes(90), "CRITICAL")
    assert webhooks(database)[-1] == "pending"


def test_alerts_without_a_key_are_events_of_their_own_for_the_machine(database: Database) -> None:
    for _ in range(3):
        record(database, alert("large transfer", "HIGH"), now=NOW)
    assert webhooks(database) == ["pending"] * 3


def test_a_silenced_alert_is_stored_and_counted_and_its_recovery_is_told(database: Database) -> None:
    silence(database, NOW, 2)
    assert see(database, minutes(1), "CRITICAL") == "fired"
    record(database, alert("without a key"), now=minutes(2))
    record(database, alert("of another", protocol="maple"), now=minutes(2))
    resolve(database, minutes(3))
    assert [status for _, _, status in rows(database)] == ["silenced", "silenced", "pending", "pending"]
    assert [each.silenced for each in silences.active(database.connection, minutes(4))] == [2]
    assert database.row("SELECT count(*) FROM deliveries WHERE alert_id IN (1, 2)") == (0,)


@pytest.mark.parametrize(
    ("key", "held_back"),
    [
        (None, True),
        ("utilisation/USDC", True),
        ("utilisation/*", True),
        ("*", True),
        ("utilisation", False),
        ("peg", False),
    ],
)
def test_a_silence_covers_a_protocol_or_the_keys_it_names(database: Database, key: str | None, held_back: bool) -> None:
    silence(database, NOW, 1, key, protocol="AAVE")
    see(database, minutes(1))
    assert rows(database)[0][2] == ("silenced" if held_back else "pending")


def test_a_silence_always_ends_and_what_fires_then_is_told_without_a_new_sight(database: Database) -> None:
    silence(database, NOW, 1)
    see(database, minutes(1), "CRITICAL")
    with database.write() as tx:
        assert release_in(tx, minutes(59)) == []
        assert release_in(tx, minutes(60)) == [1]
        assert release_in(tx, minutes(61)) == []
    assert rows(database)[0][2] == "pending"
    assert webhooks(database) == ["pending"], "the machine hears it then, too"
    assert see(database, minutes(62), "CRITICAL") == "repeated"


def test_what_recovered_under_a_silence_is_not_told_at_its_end(database: Database) -> None:
    silence(database, NOW, 1)
    see(database, minutes(1))
    resolve(database, minutes(2))
    with database.write() as tx:
        assert release_in(tx, minutes(60)) == []


def test_a_condition_whose_message_failed_for_good_is_tried_again_after_an_hour(database: Database) -> None:
    see(database, NOW)
    with database.write() as tx:
        tx.execute("UPDATE alert_events SET delivery_status = 'failed'")
    assert see(database, minutes(30)) == "repeated"
    assert see(database, minutes(61)) == "untold"
    assert see(database, minutes(62)) == "repeated"


def test_under_debug_nothing_is_to_be_sent_and_the_next_run_that_sends_tells_it(database: Database) -> None:
    assert see(database, NOW, origin=AlertOrigin(debug=True)) == "fired"
    assert rows(database) == [("alert", "utilisation", "skipped_debug")]
    assert database.row("SELECT count(*) FROM deliveries") == (0,)
    assert see(database, minutes(1)) == "untold"


def test_the_memory_of_a_check_behind_a_condition_survives_raising_and_resolving(database: Database) -> None:
    from dataclasses import replace

    see(database, NOW)
    with database.write() as tx:
        found = conditions.get(tx, KEY)
        assert found is not None
        conditions.put(tx, replace(found, memory={"low": 1}), NOW)
    see(database, minutes(1))
    resolve(database, minutes(2))
    see(database, minutes(3))
    with database.snapshot() as tx:
        found = conditions.get(tx, KEY)
    assert found is not None
    assert found.memory == {"low": 1}


def as_the_release_before(database: Database, at: datetime, state: str, worst: str) -> None:
    """It writes the columns of what `m.alert(key=…)` raises, and leaves the text of the rules as it is."""
    with database.write() as tx:
        tx.execute(
            "UPDATE conditions SET state = ?, worst = ?, severity = ?, since = ?", (state, worst, worst, str(at))
        )


@pytest.mark.parametrize("fire_after", [timedelta(0), timedelta(minutes=5)], ids=["fired", "pending"])
def test_what_the_release_before_told_after_a_way_back_is_not_told_again(
    database: Database, fire_after: timedelta
) -> None:
    policy = Policy(hold=PendingPolicy(span=fire_after, shared=True))
    see(database, NOW, "HIGH", policy=policy)
    as_the_release_before(database, NOW, "firing", "CRITICAL")
    assert [see(database, minutes(6), severity, policy=policy) for severity in ("HIGH", "CRITICAL")] == ["repeated"] * 2


@pytest.mark.parametrize("state", ["ok", "pending"])
def test_what_began_again_under_the_release_before_waits_from_its_new_beginning(database: Database, state: str) -> None:
    policy = Policy(hold=PendingPolicy(span=timedelta(minutes=30), shared=True))
    see(database, NOW, policy=policy)
    as_the_release_before(database, minutes(50), state, "LOW")
    assert see(database, minutes(60), policy=policy) == "pending"
    assert see(database, minutes(90), policy=policy) == "fired"


def test_two_chains_of_one_subject_are_two_conditions(database: Database) -> None:
    keys = [ConditionKey("safe", "queue", chain, "0xabc") for chain in (1, 42161)]
    with database.write() as tx:
        seen = [raise_in(tx, alert(protocol="safe", key=key.text), now=NOW, key=key) for key in keys]
    assert [StoredOutcome(one).reason for one in seen] == ["fired", "fired"]


def test_the_kind_of_a_drill_is_kept(database: Database) -> None:
    record(database, Alert("LOW", "drill", protocol="automation"), now=NOW, kind=AlertKind.DRILL)
    assert rows(database) == [("drill", "drill", "pending")]


def test_what_was_held_back_until_it_lasted_says_since_when_it_is_so(database: Database) -> None:
    hold = Policy(hold=PendingPolicy(span=timedelta(minutes=30), shared=True))
    for after in (0, 40):
        record(database, Alert("HIGH", "99 %", protocol="aave", key="use"), now=minutes(after), policy=hold)
    ((message,),) = database.rows("SELECT message FROM alert_events")
    assert "\nSince 2026-03-01 00:00 UTC (40 min before this alert)\n" in str(message)


def test_metadata_keeps_every_digit_of_an_integer_and_never_loses_its_alert(database: Database) -> None:
    found = {"amount": 2**256 - 1, "least": -(2**255), "name": "half \ud800", "at": NOW, "each": (2**64, True)}
    with database.write() as tx:
        stored = store_in(tx, alert("transfer", "HIGH"), now=NOW, metadata=found)
        text = alerts.get(tx, stored.alert_id).metadata_json  # type: ignore[union-attr]
    assert text is not None
    assert from_json(text) == {
        "amount": 2**256 - 1, "least": -(2**255), "name": "half ?", "at": NOW.isoformat(), "each": [2**64, True],
    }  # fmt: skip


def test_metadata_of_an_alert_that_waited_for_the_store_keeps_every_digit(database: Database, tmp_path: Path) -> None:
    about = Unstored(alert("transfer", "HIGH"), metadata={"amount": 2**256 - 1})
    assert UNSTORED in keep([about], tmp_path, NOW, AlertOrigin())[0]
    assert store_kept(database, NOW) == 1
    text = database.read(lambda tx: alerts.get(tx, 1)).metadata_json  # type: ignore[union-attr]
    assert text is not None
    assert from_json(text) == {"amount": 2**256 - 1}


def test_metadata_that_has_no_end_or_is_nested_too_deep_loses_no_alert(database: Database) -> None:
    endless: list[object] = []
    endless += [endless, endless]
    deep: object = "the bottom"
    for _ in range(2000):
        deep = [deep]
    for metadata in ({"endless": endless}, {"deep": deep}, {"huge": 10**5000}):
        with database.write() as tx:
            store_in(tx, alert(), now=NOW, metadata=metadata)
    texts = [text for (text,) in database.rows("SELECT metadata_json FROM alert_events ORDER BY id")]
    assert from_json(texts[0]) == {"endless": ["nested too deep"] * 2}
    assert "nested too deep" in texts[1]
    assert from_json(texts[2]) == {"huge": f"{10**5000:#x}"}
