"""What the clock starts on a booted host: ticks over a restart during a run, and over a reboot."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from monitoring.base.clock import SystemClock
from monitoring.base.process_identity import current_boot
from monitoring.ledger.reconcile import reconcile
from monitoring.ledger.ticks import GRACE
from monitoring.store.db.schema import open_database
from monitoring.store.tables import runs
from tests.host.conftest import Scenes
from tests.support.scenes import Seen

pytestmark = pytest.mark.host


@pytest.fixture
def restarted(scenes: Scenes) -> Seen:
    return scenes.restarted.result()


@pytest.fixture
def rebooted(scenes: Scenes) -> Seen:
    return scenes.rebooted.result()


def test_the_first_ticks_are_in_the_journal_each_line_with_its_profile(restarted: Seen) -> None:
    lines = [line for line in restarted.journal.splitlines() if "automation run hourly" in line]
    assert any("starting" in line for line in lines)
    assert any("look | quick look" in line for line in lines)
    assert any("job succeeded" in line for line in lines)


def test_a_restart_during_a_run_is_back_within_five_seconds(restarted: Seen) -> None:
    assert restarted.facts["state"] == "running"
    assert restarted.facts["is_new"]
    assert float(str(restarted.facts["back_s"])) < 5


def test_a_stop_is_no_failure_to_systemd(restarted: Seen) -> None:
    assert restarted.facts["stopped"] == "success"


def test_the_run_goes_on_through_the_restart_and_its_row_says_ok(restarted: Seen) -> None:
    assert restarted.facts["going"] == "running"
    assert ("long", "ok", "cron", "") in restarted.rows


def test_what_the_run_says_after_the_restart_is_in_the_journal_and_its_files_were_there(restarted: Seen) -> None:
    assert "wait | long ends True" in restarted.journal.partition("Stopped monitoring.service")[2]


def test_the_tick_in_between_does_not_overlap_it_and_says_whom_it_met(restarted: Seen) -> None:
    (skipped,) = [row for row in restarted.rows if row[:2] == ("long", "skipped")]
    assert re.search(r"run \d+\b", str(skipped[3])), skipped
    assert len([row for row in restarted.rows if row[0] == "long"]) == 2


def test_other_profiles_tick_on_meanwhile(restarted: Seen) -> None:
    assert [row[1] for row in restarted.rows if row[0] == "hourly"][:2] == ["ok", "ok"]


def test_what_the_runbook_searches_the_journal_for_is_found_there(restarted: Seen) -> None:
    typed = restarted.facts["runbook"]
    assert isinstance(typed, list)
    assert [each for each in typed if each.exit_code != 0] == []
    told = "\n".join(each.told for each in typed)
    for words in ("look | quick look", "pre-run git sync: unchanged"):
        assert words in told


def test_after_a_reboot_over_a_tick_it_is_caught_up_once_where_asked_for(rebooted: Seen) -> None:
    assert rebooted.facts["state"] == "running"
    assert rebooted.rows == [("caught", "ok", "catch-up", None)]
    assert "caught: caught up: its newest tick was missed" in rebooted.journal
    assert "missed: not run: jobs.yaml does not ask for it" in rebooted.journal
    assert "look | caught up" in rebooted.journal


def test_the_tick_the_host_was_down_for_is_a_missed_row_once_its_grace_is_over(scenes: Scenes, rebooted: Seen) -> None:
    due = rebooted.facts["due"]
    assert isinstance(due, datetime)
    now = due + GRACE + timedelta(seconds=1)
    with open_database(Path(scenes.rebooted_database)) as database:
        reconcile(database, now=now, boot=current_boot(), is_alive=lambda _: False)
        rows = [runs.of_tick(database, profile, due) for profile in ("caught", "missed")]
    assert [row.status for row in rows if row is not None] == ["missed", "missed"]
    assert SystemClock().now() > due
