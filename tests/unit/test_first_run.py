from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from automation.sync.command import Finished
from automation.sync.first_run import FirstRunFacts, FirstRunResult, judge
from automation.sync.trial_run import TrialEvidence, fault_of
from monitoring.store.tables.runs import RunRow

AT = datetime(2026, 11, 29, 8, tzinfo=UTC)
ENDED = RunRow(
    id=1, profile="multisig", tick_at=AT, trigger="cron", status="ok", reason="", started_at=AT, ended_at=AT,
    exit_code=0, revision="b" * 40, held_by=None, process="1:1:x", tasks_total=1,
)  # fmt: skip
RUNNING = replace(ENDED, status="running", ended_at=None, exit_code=None)
VANISHED = replace(ENDED, status="aborted", exit_code=None)


class TestFirstRun:
    @pytest.mark.parametrize("status", ["ok", "failed", "aborted"])
    def test_a_row_with_its_end_passes_whatever_the_checks_found(self, status: str) -> None:
        row = replace(ENDED, status=status, exit_code=1)  # type: ignore[arg-type]
        assert judge(FirstRunFacts(1, row), "multisig") == FirstRunResult(1, passed=True)

    def test_no_row_is_a_fault_also_when_it_says_that_all_is_well(self) -> None:
        fault = judge(FirstRunFacts(0, None), "multisig").fault
        assert fault == "its first run, of multisig, wrote no row and ended with exit code 0"

    @pytest.mark.parametrize("row", [RUNNING, VANISHED])
    def test_a_row_without_an_end_is_a_fault(self, row: RunRow) -> None:
        fault = judge(FirstRunFacts(-9, row), "multisig").fault
        assert fault == "its first run, of multisig, never wrote its end and ended by SIGKILL"

    def test_a_run_that_hung_before_its_row_is_a_fault(self) -> None:
        assert "wrote no row within 120 s and was killed" in judge(FirstRunFacts(-9, None, hung=True), "multisig").fault

    def test_a_profile_that_is_switched_off_writes_no_row(self) -> None:
        assert judge(FirstRunFacts(0, None, off=True), "multisig").passed

    @pytest.mark.parametrize(
        "seen", [FirstRunFacts(1, None, stopped=True), FirstRunFacts(1, None, host_can_store=False)]
    )
    def test_who_stopped_it_and_a_full_disk_prove_nothing(self, seen: FirstRunFacts) -> None:
        assert judge(seen, "multisig") == FirstRunResult(1)


class TestProof:
    SOUND = TrialEvidence(Finished(0, "", ""), ENDED, ("🟠 A new revision proves that it can run",), ENDED.revision)

    def test_a_row_that_is_ok_and_an_alert_that_arrived(self) -> None:
        assert fault_of(self.SOUND, 40) == ""

    @pytest.mark.parametrize(
        ("evidence", "why"),
        [
            (replace(SOUND, done=Finished(-9, "", "", timed_out=True)), "not done after 40 s"),
            (replace(SOUND, row=None), "wrote no row (exit code 0): it said nothing"),
            (replace(SOUND, row=RUNNING), "never ended its row"),
            (replace(SOUND, row=replace(ENDED, status="failed", reason="1 of 1")), "ended as failed (exit code 0): 1"),
            (replace(SOUND, done=Finished(3, "", "Error: x\n")), "ended as ok (exit code 3): Error: x"),
            (replace(SOUND, commit="c" * 40), "its own sync does not follow a new commit"),
            (replace(SOUND, received=()), "delivered nothing"),
            (replace(SOUND, received=("something else",)), "delivered nothing"),
        ],
    )
    def test_anything_less_is_refused_in_one_line(self, evidence: TrialEvidence, why: str) -> None:
        fault = fault_of(evidence, 40)
        assert why in fault
        assert "\n" not in fault
