"""While the clock was a year ahead, a message was noted as sent, a look-up as empty, a value as a baseline.

Right: once the clock is put right, each note counts for no longer than its own span from now on.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import orjson
import pytest

from automation.runner.once_an_hour import once_an_hour
from monitoring.alerts.message.model import Alert, Severity
from monitoring.alerts.recording.store_alert import record
from monitoring.base.http.client import Answer
from monitoring.base.settings import Settings
from monitoring.chains.decode.calldata import Transaction
from monitoring.chains.decode.signature_resolver import FourByte
from monitoring.chains.rpc.budget import Budget
from monitoring.chains.rpc.memory import RunMemory
from monitoring.chains.services.client import Service
from monitoring.checks.rules import delta
from monitoring.checks.rules.delta import DeltaPolicy, Move, MoveLevel
from monitoring.checks.rules.steps import Step
from monitoring.conditions.outcome import TransitionKind
from monitoring.store.db.schema import open_database
from tests.support.spec import UNJUDGED

pytestmark = pytest.mark.case("A.1")
NOW = datetime(2026, 11, 29, 6, tzinfo=UTC)
AHEAD = NOW + timedelta(days=366)


@pytest.mark.parametrize("ahead_s", [1, 7200, 366 * 86400, 10**12], ids=str)
def test_what_cannot_be_stored_is_sent_again_though_a_mark_lies_ahead(tmp_path: Path, ahead_s: int) -> None:
    settings = Settings({}, checkout=tmp_path, cache_dir=tmp_path)
    settings.locks.mkdir(parents=True)
    assert once_an_hour(settings, "lost", NOW)
    assert not once_an_hour(settings, "lost", NOW + timedelta(minutes=59))
    (mark,) = settings.locks.glob("lost.sent")
    later = NOW.timestamp() + ahead_s
    os.utime(mark, (later, later))
    assert once_an_hour(settings, "lost", NOW)
    assert not once_an_hour(settings, "lost", NOW)


def test_a_selector_nobody_knew_then_is_looked_up_again() -> None:
    memory, asked = RunMemory(), []
    tx = Transaction(1, "0x" + "11" * 20, bytes.fromhex("a9059cbb"))
    memory.remember("signature", "0xa9059cbb", orjson.dumps({"names": [], "at": AHEAD.isoformat()}).decode())

    def fetch(request: object, timeout_s: float) -> Answer:
        asked.append(request)
        body = {"result": {"function": {"0xa9059cbb": [{"name": "transfer(address,uint256)"}]}}}
        return Answer("registry.example", 200, {}, orjson.dumps(body))

    found = FourByte(Service(fetch, Budget()), memory).candidates(tx)
    assert [one.function.name for one in found] == ["transfer"]
    assert len(asked) == 1


def test_a_value_seen_while_ahead_leaves_the_window_in_its_time() -> None:
    policy = DeltaPolicy(
        levels=(MoveLevel(Move.DROP, Step(Fraction(1, 10), relative=True), Severity.HIGH),), window=timedelta(hours=1)
    )
    before = delta.judge(UNJUDGED, 100, AHEAD, policy).condition
    kinds = []
    for minute, value in ((0, 99), (30, 98), (70, 92), (100, 89), (140, 84)):
        outcome = delta.judge(before, value, NOW + timedelta(minutes=minute), policy)
        before = outcome.condition
        kinds.append(outcome.transition.kind if outcome.transition else None)
    assert kinds == [None] * 5, "no drop of a tenth within any hour"
    outcome = delta.judge(before, 70, NOW + timedelta(minutes=150), policy)
    assert outcome.transition is not None
    assert outcome.transition.kind is TransitionKind.FIRED


def test_a_condition_whose_instants_cannot_be_read_loses_no_alert(tmp_path: Path) -> None:
    problem = Alert(Severity.HIGH, "no backing", protocol="aave", key="backing")
    with open_database(tmp_path / "monitoring.db") as database:
        record(database, problem, now=NOW)
        with database.write() as tx:
            tx.execute("UPDATE conditions SET since = 'soon', fired_at = 'soon', last_seen_at = '', last_sent_at = '9'")
        record(database, Alert(Severity.CRITICAL, "none left", protocol="aave", key="backing"), now=NOW)
        assert database.rows("SELECT title FROM alert_events ORDER BY id") == [("no backing",), ("none left",)]
