"""The release before this one, as its commit has it: hosts upgrade from it, and a revert brings them back to it."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

from tests.support import parts
from tests.support.host import ROOT

# Every host that follows main has passed this commit.
COMMIT = "2eee65ce66e7f75fbeddeecc70e872e5c62eeef3"


def extract(directory: Path) -> Path:
    """Write its whole tree below `directory`."""
    done = subprocess.run(
        ["git", "-c", "safe.directory=*", "archive", COMMIT], cwd=ROOT, capture_output=True, check=False
    )
    if done.returncode:
        parts.missing(f"the commit {COMMIT[:7]} is not in this clone: fetch the whole history")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(directory, filter="data")
    return directory
