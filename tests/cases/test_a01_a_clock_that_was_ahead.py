"""Input: an alert is delivered, fails or is refused while the clock is ahead (two hours, a day, a year); then the clock
is put right and a CRITICAL alert is raised. Right: it arrives at once. Whatever the store holds, the next attempt is no
further away than the longest legitimate wait, six hours.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.alerts.delivery.lease import Claimer
from monitoring.alerts.delivery.pace import Pace
from monitoring.alerts.delivery.routes import RouteResolver
from monitoring.alerts.message.model import Severity
from monitoring.alerts.recording.store_alert import record, resolve_in
from monitoring.alerts.senders.limits import RateLimits
from monitoring.base.clock import SystemClock, to_text
from monitoring.base.http.retry import Backoff
from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.conditions.outcome import Reason
from monitoring.conditions.policy import PendingPolicy, Policy
from monitoring.conditions.transition import raised, resolved
from monitoring.store.db.database import Database, Tx
from monitoring.store.db.schema import open_database
from monitoring.store.db.waits import LONGEST_WAIT
from monitoring.store.tables import outbox as outbox_table
from monitoring.store.tables import rate_limits
from tests.support.fake_telegram import BOT_TOKEN, CHAT, TelegramStandIn, error, too_many_requests
from tests.support.fake_webhook import SECRET, FakeWebhook
from tests.support.outbox import Outbox, alert
from tests.support.properties import patient
from tests.support.verbs import automation

pytestmark = pytest.mark.case("A.1")

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
LANE, BOT = f"telegram:123456789:{CHAT}", "bot:123456789"


class Stepped(SystemClock):
    """The machine's clock after somebody moved it."""

    def __init__(self) -> None:
        self.by = timedelta(0)

    def now(self) -> datetime:
        return super().now() + self.by


@pytest.fixture
def telegram() -> Iterator[TelegramStandIn]:
    with TelegramStandIn() as server:
        yield server


@pytest.fixture
def clock() -> Stepped:
    return Stepped()


@pytest.fixture
def outbox(tmp_path: Path, telegram: TelegramStandIn, clock: Stepped) -> Iterator[Outbox]:
    box = Outbox(tmp_path, telegram.url, clock=clock, limits=RateLimits())
    yield box
    box.close()


def titles(telegram: TelegramStandIn) -> list[str]:
    return [message.text.split("\n")[0].partition(": ")[2] for message in telegram.messages]


@pytest.mark.parametrize("ahead", [timedelta(hours=7), timedelta(days=366)], ids=str)
@pytest.mark.parametrize(
    "answer",
    [None, error(500, "Internal Server Error"), error(403, "Forbidden: bot was kicked"), too_many_requests(3600)],
    ids=["delivered", "failed", "refused", "told to wait"],
)
def test_what_a_clock_that_was_ahead_left_behind_holds_nothing_back(
    outbox: Outbox, telegram: TelegramStandIn, clock: Stepped, ahead: timedelta, answer: object
) -> None:
    clock.by = ahead
    telegram.script(answer)  # type: ignore[arg-type]
    record(outbox.database, alert("while ahead"), now=clock.now())
    outbox.drain(within_s=0.2)
    clock.by = timedelta(0)
    record(outbox.database, alert("put right", "CRITICAL"), now=clock.now())
    outbox.drain(within_s=10)
    assert titles(telegram)[-2 if answer else -1 :] == (["put right", "while ahead"] if answer else ["put right"])


@pytest.mark.parametrize("answer", [None, error(500, "Internal Server Error")], ids=["delivered", "failed"])
def test_two_hours_are_enough_where_nobody_asked_for_so_long(
    outbox: Outbox, telegram: TelegramStandIn, clock: Stepped, answer: object
) -> None:
    clock.by = timedelta(hours=2)
    telegram.script(answer)  # type: ignore[arg-type]
    record(outbox.database, alert("while ahead", "CRITICAL"), now=clock.now())
    outbox.drain(within_s=0.2)
    clock.by = timedelta(0)
    outbox.drain(within_s=10)
    assert titles(telegram) == ["while ahead"]
    record(outbox.database, alert("put right", "CRITICAL"), now=clock.now())
    outbox.drain(within_s=10)
    assert titles(telegram) == ["while ahead", "put right"]


def test_the_next_run_of_the_program_sends_although_everything_stored_lies_a_year_ahead(
    outbox: Outbox, telegram: TelegramStandIn
) -> None:
    record(outbox.database, alert("waits", "CRITICAL"), now=datetime.now(UTC))
    ahead = to_text(datetime.now(UTC) + timedelta(days=365))
    with outbox.database.write() as tx:
        tx.execute(
            "UPDATE deliveries SET next_attempt_at = ?, attempts = 7, lease_owner = 'dead', lease_until = ?",
            (ahead, ahead),
        )
        for key, reason in ((LANE, "rate"), (BOT, "rate")):
            sent = f"[{time.time() + 365 * 86_400}]"
            tx.execute("INSERT INTO lanes VALUES (?, 'dead', ?, ?, ?, 3, ?)", (key, ahead, ahead, reason, sent))
    done = automation(outbox.directory, "deliver", **outbox.environ)
    assert (done.returncode, done.stdout.strip()) == (0, "1 delivered, 0 failed, 0 waiting")
    assert titles(telegram) == ["waits"]


def test_a_clock_that_steps_while_a_loop_runs_delays_no_later_alert(
    outbox: Outbox, telegram: TelegramStandIn, clock: Stepped
) -> None:
    steps = [timedelta(days=366), timedelta(days=-1), timedelta(hours=2), timedelta(0)]
    with outbox.delivering() as wake:
        for number, by in enumerate(steps, 1):
            clock.by = by
            record(outbox.database, alert(f"number {number}", "CRITICAL"), now=clock.now())
            wake.set()
            telegram.wait_for_messages(number)
    assert titles(telegram) == [f"number {number}" for number in range(1, len(steps) + 1)]


@pytest.mark.parametrize("ahead", [timedelta(hours=2), timedelta(days=366)], ids=str)
def test_a_machine_called_while_the_clock_was_ahead_is_called_for_the_next_firing(
    outbox: Outbox, clock: Stepped, ahead: timedelta
) -> None:
    with FakeWebhook() as machine:
        outbox.environ |= {"WEBHOOK_URL_AAVE": machine.url, "WEBHOOK_SECRET": SECRET}
        clock.by = ahead
        record(outbox.database, alert("first", "CRITICAL", key="backing"), now=clock.now())
        outbox.drain(within_s=2)
        clock.by = timedelta(0)
        with outbox.database.write() as tx:
            resolve_in(tx, ConditionKey("aave", "backing"), now=clock.now())
        record(outbox.database, alert("second", "CRITICAL", key="backing"), now=clock.now())
        outbox.drain(within_s=5)
        assert [body["title"] for body in machine.verified] == ["first", "second"]


def test_a_condition_seen_while_the_clock_was_ahead_fires_reminds_and_clears_in_its_time() -> None:
    ahead, key = NOW + timedelta(days=366), ConditionKey("aave", "backing")
    slow = Policy(hold=PendingPolicy(span=timedelta(minutes=5), shared=True), clear_after=timedelta(minutes=5))
    pending = raised(Condition(key), Severity.HIGH, ahead, slow).condition
    seen = raised(pending, Severity.HIGH, NOW, slow)
    assert seen.reason is Reason.HOLDING
    fired = raised(seen.condition, Severity.HIGH, NOW + timedelta(minutes=5), slow)
    assert fired.reason is Reason.BREACHED
    told = replace(fired.condition, last_sent_at=ahead, clear_since=ahead)
    assert raised(told, Severity.HIGH, NOW + timedelta(minutes=6), slow).condition.last_sent_at == NOW + timedelta(
        minutes=6
    )
    clearing = resolved(told, NOW + timedelta(minutes=7), slow)
    assert clearing.reason is Reason.IN_CLEAR_BAND
    assert resolved(clearing.condition, NOW + timedelta(minutes=12), slow).reason is Reason.CLEARED


# -- for any stored state ----------------------------------------------------------------------------------------------

instants = st.one_of(
    st.none(),
    st.sampled_from(["", "soon", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "2026-06-01"]),
    st.integers(-400 * 86_400, 400 * 86_400).map(lambda seconds: to_text(NOW + timedelta(seconds=seconds))),
    st.integers(-7 * 3600, 7 * 3600).map(lambda seconds: to_text(NOW + timedelta(seconds=seconds))),
)
times = st.floats(-400 * 86_400, 400 * 86_400).map(lambda seconds: NOW.timestamp() + seconds)
sent = st.one_of(st.lists(times, max_size=30).map(str), st.sampled_from(["", "null", "{", '["soon", 1e999]', "7"]))
reasons = st.sampled_from(["", "rate", "failing", "refused", "refused 00000000", "refused of old", "something else"])
lane_rows = st.tuples(st.sampled_from([None, "dead", "me"]), instants, instants, reasons, st.integers(-1, 10**6), sent)
delivery_rows = st.tuples(
    instants.map(lambda text: text or ""), st.integers(0, 10**6), st.sampled_from([None, "dead", "me"]), instants,
    st.sampled_from(["pending", "skipped_missing_credentials"]), st.integers(0, 3),
)  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with open_database(tmp_path_factory.mktemp("property") / "monitoring.db") as database:
        for number in range(3):
            record(database, alert(f"number {number}"), now=NOW)
        yield database


@contextmanager
def rolled_back(store: Database) -> Iterator[Tx]:
    tx = store.connection
    tx.execute("BEGIN IMMEDIATE")
    try:
        yield tx
    finally:
        tx.execute("ROLLBACK")


@patient
@given(st.lists(delivery_rows, min_size=3, max_size=3), lane_rows, lane_rows)
def test_whatever_is_stored_the_next_attempt_is_at_most_the_longest_wait_away(
    store: Database, rows: list[tuple[object, ...]], lane: tuple[object, ...], bot: tuple[object, ...]
) -> None:
    with rolled_back(store) as tx:
        for key, values in ((LANE, lane), (BOT, bot)):
            tx.execute("INSERT INTO lanes VALUES (?, ?, ?, ?, ?, ?, ?)", (key, *values))
        for number, values in enumerate(rows, 1):
            tx.execute(
                "UPDATE deliveries SET next_attempt_at = ?, attempts = ?, lease_owner = ?, lease_until = ?, "
                "status = ?, severity_rank = ?, folded_into = NULL WHERE alert_id = ? AND destination = 'telegram'",
                (*values, number),
            )
        ways = RouteResolver({"TELEGRAM_BOT_TOKEN_DEFAULT": BOT_TOKEN, "TELEGRAM_CHAT_ID_DEFAULT": CHAT})
        queues, _ = ways.sort_out(each for each in outbox_table.groups(tx) if each.destination == "telegram")
        claimed = Claimer(ways, Pace("me", RateLimits(), Backoff(), lambda: 0.0)).claim(tx, queues, NOW, [])
    assert claimed.jobs or (claimed.next_at is not None and claimed.next_at <= NOW + LONGEST_WAIT)


def test_an_instant_within_its_longest_wait_is_believed(store: Database) -> None:
    until = NOW + timedelta(hours=5)
    with store.write() as tx:
        rate_limits.put(
            tx, rate_limits.Lane("x", blocked_until=until, block_reason="rate", sent=(NOW.timestamp() - 1,))
        )
        assert rate_limits.get(tx, "x", NOW).blocked_until == until
        assert rate_limits.get(tx, "x", NOW).sent == (NOW.timestamp() - 1,)
        assert rate_limits.get(tx, "x", NOW - timedelta(hours=2)).blocked_until is None
