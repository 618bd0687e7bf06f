"""`python protocols/<name>/main.py`, as the author's page says, failed: no module `utils`.

Right: it works from the checkout with the Python of the venv.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.host import Host

pytestmark = pytest.mark.case("D.4")
SCRIPT = """
from utils.monitor import Context, monitor

@monitor("mine")
def main(m: Context) -> None:
    print("it runs")

if __name__ == "__main__":
    main()
"""


def test_a_script_finds_the_library_without_a_variable(tmp_path: Path) -> None:
    host = Host(tmp_path)
    script = host.script("mine", SCRIPT)
    environ = {"PATH": os.environ["PATH"], "CACHE_DIR": str(host.cache), "MONITORING_ENV_FILE": ""}
    done = subprocess.run(
        [sys.executable, script],
        cwd=host.checkout,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, "it runs\n"), done.stderr
