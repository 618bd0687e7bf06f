from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from automation.sync.probation import read_probation
from automation.sync.state import (
    REFUSAL_LASTS,
    SyncState,
    SyncStatus,
    ValidationResult,
    read_sync_state,
    write_sync_state,
)

NOW = datetime(2026, 11, 23, 14, 10, tzinfo=UTC)
REFUSED = ValidationResult("c0ffee", "venv-1", accepted=False, at=NOW, reason="broken")
ACCEPTED = ValidationResult("c0ffee", "venv-1", accepted=True, at=NOW)


@pytest.mark.parametrize(
    ("verdict", "candidate", "venv", "later", "stands"),
    [
        (None, "c0ffee", "venv-1", timedelta(0), False),
        (REFUSED, "c0ffee", "venv-1", timedelta(minutes=59), True),
        (REFUSED, "c0ffee", "venv-1", REFUSAL_LASTS, False),
        (REFUSED, "c0ffee", "venv-1", timedelta(seconds=-1), False),
        (REFUSED, "decade", "venv-1", timedelta(0), False),
        (REFUSED, "c0ffee", "venv-2", timedelta(0), False),
        (ACCEPTED, "c0ffee", "venv-1", timedelta(days=400), True),
        (ACCEPTED, "c0ffee", "venv-2", timedelta(0), False),
    ],
)
def test_a_verdict_stands_for_its_commit_and_venv_a_refusal_for_an_hour(
    verdict: ValidationResult | None, candidate: str, venv: str, later: timedelta, stands: bool
) -> None:
    recalled = SyncState(verdict=verdict).recall(candidate, venv, NOW + later)
    assert recalled == (verdict if stands else None)


def counts(*statuses: SyncStatus) -> tuple[int, int, datetime | None]:
    state = SyncState()
    for minutes, status in enumerate(statuses):
        state = state.after(status, "", None, NOW + timedelta(minutes=minutes))
    return state.deferrals, state.failures, state.synced_at


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ((), (0, 0, None)),
        ((SyncStatus.DEFERRED,) * 3, (3, 0, None)),
        ((SyncStatus.FAILED, SyncStatus.DEFERRED, SyncStatus.FAILED), (1, 2, None)),
        ((SyncStatus.DEFERRED, SyncStatus.REFUSED, SyncStatus.DEFERRED), (2, 0, None)),
        ((SyncStatus.DEFERRED, SyncStatus.UNCHANGED), (0, 0, NOW + timedelta(minutes=1))),
        ((SyncStatus.UPDATED, SyncStatus.FAILED), (0, 1, NOW)),
    ],
)
def test_deferrals_and_failures_count_until_a_sync_works(
    statuses: tuple[SyncStatus, ...], expected: tuple[int, int, datetime | None]
) -> None:
    assert counts(*statuses) == expected


def test_the_state_reads_back_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "sync").mkdir()
    state = SyncState().after(SyncStatus.REFUSED, "broken", REFUSED, NOW)
    write_sync_state(tmp_path, state)
    assert read_sync_state(tmp_path) == state


def test_no_state_is_an_empty_one(tmp_path: Path) -> None:
    assert read_sync_state(tmp_path) == SyncState()


def test_an_instant_without_a_zone_is_damage(tmp_path: Path) -> None:
    (tmp_path / "sync").mkdir()
    (tmp_path / "sync" / "state.json").write_text('{"status": "refused", "at": "2026-11-29T08:00:00"}')
    assert read_sync_state(tmp_path) == SyncState()


def test_what_a_later_release_notes_of_its_probation_is_left_out(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    record = {"revision": "new", "before": "old", "since": "2026-11-29T08:00:00Z", "of a later release": [1]}
    (tmp_path / ".git" / "monitoring-probation.json").write_text(json.dumps(record))
    found = read_probation(tmp_path)
    assert found is not None
    assert (found.revision, found.before) == ("new", "old")
