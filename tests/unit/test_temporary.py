"""Where no descriptor is left, nobody is sent to look for a temporary directory: the cause stays visible."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

from tests.support.child import CHECKOUT, child_environ

WITHOUT_DESCRIPTORS = """
import os, resource, sys
from pathlib import Path
from monitoring.base.locks.profile_lock import FileLock, usable_locks
from monitoring.store.spool.reserve import Reserve

resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))
try:
    while True:
        os.open("/dev/null", os.O_RDONLY)
except OSError:
    pass
directory = usable_locks(Path("/proc/none"))  # no such directory can be made
places = Reserve("a", "b", 10).places(Path(sys.argv[1]))
assert places[0] == Path(sys.argv[1]) / "a", places
try:
    FileLock(directory / "run.lock", {}).take(2)
except OSError as error:
    print(error.errno)
"""


def test_the_cause_of_a_host_without_descriptors_is_not_hidden(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_DESCRIPTORS, str(tmp_path)], cwd=CHECKOUT, env=child_environ(),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    assert done.stdout.strip() == str(errno.EMFILE)
