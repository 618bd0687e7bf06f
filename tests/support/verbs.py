"""The verbs of `python -m automation` as an operator types them, in a state directory of a test."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.child import CHECKOUT


def automation(cache_dir: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a verb with nothing in the environment but what is given."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-m", "automation", *arguments],
        cwd=CHECKOUT,
        env={**inherited, "CACHE_DIR": str(cache_dir), "MONITORING_ENV_FILE": "", **environ},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
