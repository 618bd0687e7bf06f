"""Brings the deployed checkout to origin's branch before a run: fetched, validated with its own code, then activated.

Called by the runner after the profile's lock and before everything else. It never raises, never takes longer than
its limits, and whatever goes wrong leaves the last good revision in place: a failed sync must not silence a check.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path

from automation.sync.attempt import SyncAttempt, SyncPlan, SyncResult, SyncTimeouts, Upstream, Validate, one_line
from automation.sync.candidate import validate_candidate
from automation.sync.git import Git, current_revision
from automation.sync.state import SyncStatus
from monitoring.base.clock import Clock, SystemClock
from monitoring.base.locks.profile_lock import TreeLock

__all__ = ["SyncResult", "SyncStatus", "SyncTimeouts", "Validate", "sync"]

_log = logging.getLogger(__name__)


def sync(
    checkout: Path,
    cache_dir: Path,
    *,
    tree: TreeLock | None = None,
    branch: str = "main",
    remote: str = "origin",
    limits: SyncTimeouts | None = None,
    validate: Validate = validate_candidate,
    clock: Clock | None = None,
    environ: Mapping[str, str] | None = None,
) -> SyncResult:
    """Bring the checkout to `remote/branch`, if it is a deployed one (`git config monitoring.sync true`).

    Call it before the tree is held, and `tree.hold_shared()` afterwards whatever the result. With a `tree` of
    the caller an activated revision is left held shared; without, nothing stays held.
    """
    clock, environ = clock or SystemClock(), os.environ if environ is None else environ
    held = tree or TreeLock(cache_dir / "locks", clock=clock, environ={})
    try:
        plan = SyncPlan(
            git=Git(checkout, environ),
            cache_dir=cache_dir,
            tree=held,
            upstream=Upstream(remote, branch),
            limits=limits or SyncTimeouts(),
            validate=validate,
            clock=clock,
            environ=environ,
        )
        result = SyncAttempt(plan).run()
    except Exception as error:  # noqa: BLE001 - a border: no fault of a sync may stop the checks behind it
        _log.debug("pre-run git sync: unexpected", exc_info=True)
        result = SyncResult(SyncStatus.FAILED, current_revision(checkout, environ), one_line(error))
    finally:
        if tree is None:
            held.release()
    expected = result.status.worked or result.status is SyncStatus.NOT_DEPLOYED
    _log.log(logging.INFO if expected else logging.WARNING, "pre-run git sync: %s: %s", result.status, result.reason)
    return result
