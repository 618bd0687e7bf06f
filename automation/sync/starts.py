"""The marks that the launcher makes for each start by the scheduler, and that a run clears when it has come to its row.

The launcher in the venv (deploy/launcher) reads them, and takes a commit back whose starts never come so far.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

# One file a profile: a byte for each start by the scheduler that the run has not yet accounted for.
STARTS = "monitoring-starts"


def account_for_start(checkout: Path, profile: str) -> None:
    """Clear the mark the launcher made: this start came as far as its row, or as far as saying why it has none."""
    with contextlib.suppress(OSError):
        (checkout / ".git" / STARTS / profile).unlink(missing_ok=True)
