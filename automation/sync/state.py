"""What one sync stores for the next: the validation of a candidate and how often in a row the sync failed.

Kept as JSON in `$CACHE_DIR/sync/state.json`, written by the sync alone, read by `status` and `doctor`. A damaged
file counts as none: the worst that follows is one validation more.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from monitoring.base.clock import to_text

# A refusal may have been the host's fault (load, memory, a slow disk): look again now and then.
REFUSAL_LASTS = timedelta(hours=1)
STATE_FILE = "state.json"


class SyncStatus(StrEnum):
    """How a sync ended. Only UPDATED and RESTORED have changed the tree."""

    UPDATED = "updated"
    RESTORED = "restored"  # the revision is the same, local edits are gone
    UNCHANGED = "unchanged"
    REFUSED = "refused"
    DEFERRED = "deferred"
    FAILED = "failed"
    NOT_DEPLOYED = "not deployed"

    @property
    def worked(self) -> bool:
        """The checkout is at origin's branch."""
        return self in (SyncStatus.UPDATED, SyncStatus.RESTORED, SyncStatus.UNCHANGED)


@dataclass(frozen=True, slots=True)
class ValidationResult:
    """What validation found about one commit, in the venv it was validated in."""

    candidate: str
    venv: str
    accepted: bool
    at: datetime
    reason: str = ""
    needs_dependencies: bool = False
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class SyncState:
    """What is remembered; `deferrals` and `failures` count in a row and start again when a sync works."""

    status: SyncStatus | None = None
    reason: str = ""
    at: datetime | None = None
    synced_at: datetime | None = None
    deferrals: int = 0
    failures: int = 0
    verdict: ValidationResult | None = None

    def recall(self, candidate: str, venv: str, now: datetime) -> ValidationResult | None:
        """Return the verdict on this commit if it still stands: same venv, and a refusal less than an hour old."""
        known = self.verdict
        if known is None or (known.candidate, known.venv) != (candidate, venv):
            return None
        fresh = timedelta(0) <= now - known.at < REFUSAL_LASTS
        return known if known.accepted or fresh else None

    def after(self, status: SyncStatus, reason: str, verdict: ValidationResult | None, now: datetime) -> SyncState:
        """Return the state after one more sync."""
        return SyncState(
            status=status,
            reason=reason,
            at=now,
            synced_at=now if status.worked else self.synced_at,
            deferrals=_in_a_row(self.deferrals, status, SyncStatus.DEFERRED),
            failures=_in_a_row(self.failures, status, SyncStatus.FAILED),
            verdict=verdict,
        )


def _in_a_row(count: int, status: SyncStatus, counted: SyncStatus) -> int:
    if status is counted:
        return count + 1
    return 0 if status.worked else count


def read_sync_state(cache_dir: Path) -> SyncState:
    """Return what the last sync left, or an empty state."""
    try:
        found = json.loads((cache_dir / "sync" / STATE_FILE).read_bytes())
        verdict = found.get("verdict")
        return SyncState(
            status=SyncStatus(found["status"]) if found.get("status") else None,
            reason=str(found.get("reason", "")),
            at=_instant(found.get("at")),
            synced_at=_instant(found.get("synced_at")),
            deferrals=int(found.get("deferrals", 0)),
            failures=int(found.get("failures", 0)),
            verdict=_verdict(verdict) if verdict else None,
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return SyncState()


def _verdict(found: dict[str, Any]) -> ValidationResult:
    at = _instant(found["at"])
    if at is None or not isinstance(found["accepted"], bool):
        raise ValueError("not a verdict")
    return ValidationResult(
        candidate=str(found["candidate"]),
        venv=str(found["venv"]),
        accepted=found["accepted"],
        at=at,
        reason=str(found.get("reason", "")),
        needs_dependencies=bool(found.get("needs_dependencies", False)),
        size_bytes=int(found.get("size_bytes", 0)),
    )


def _instant(text: str | None) -> datetime | None:
    """Read an instant; one without a zone could be hours away from what was meant.

    Raises:
        ValueError: it has no zone, or is not an instant.
    """
    instant = datetime.fromisoformat(text) if text else None
    if instant is not None and instant.tzinfo is None:
        raise ValueError(f"{text} has no zone")
    return instant


def write_sync_state(cache_dir: Path, state: SyncState) -> None:
    """Replace the state in one step.

    Raises:
        OSError: it cannot be written.
    """
    path = cache_dir / "sync" / STATE_FILE
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(asdict(state), default=to_text), encoding="utf-8")
    draft.replace(path)
