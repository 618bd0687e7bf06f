"""What brings a new revision in, proves it and takes it back.

Imported only where a profile asks for a sync, since it is a fifth of the modules of a run; and always before the sync,
since afterwards the files may be those of another commit than the code that runs.
"""

from __future__ import annotations

from automation.sync.attempt import SyncResult
from automation.sync.first_run import run_first
from automation.sync.other_profiles import has_run, silenced_profile
from automation.sync.probation import pass_probation, read_probation, take_back
from automation.sync.sync import sync

__all__ = [
    "SyncResult", "has_run", "pass_probation", "read_probation", "run_first", "silenced_profile", "sync", "take_back",
]  # fmt: skip
