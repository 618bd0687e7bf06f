"""The end of `init`: the files are validated, a drill is sent and seen arriving, and the next ticks are shown."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from automation.setup.dialogue import Dialogue

_LIMIT_S = 180.0


def finish(config: Path, checkout: Path, env_file: Path, dialogue: Dialogue, *, drill: bool) -> int:
    """Return 0 if the files are sound and the drill arrived, else the exit code of what failed."""
    environ = {**os.environ, **({"MONITORING_ENV_FILE": str(env_file)} if env_file.exists() else {})}
    status = _step("Are all files sound?", ["validate"], config, checkout, environ, dialogue)
    if drill:
        sent = _step(
            "Does an alert arrive? Look at the chat.", ["drill", "--here"], config, checkout, environ, dialogue
        )
        status = status or sent
    else:
        dialogue.say("\nNo drill was sent: there is no bot or no chat yet.\nAlerts wait in the database until then.")
    _step("When do checks run next?", ["list"], config, checkout, environ, dialogue)
    return status


def _step(
    title: str, verb: list[str], config: Path, checkout: Path, environ: Mapping[str, str], dialogue: Dialogue
) -> int:
    """Run another command as its user would, its output passed on."""
    dialogue.say(f"\n{title}\n$ python -m automation {' '.join(verb)}")
    argv = [sys.executable, "-m", "automation", "--config", str(config), *verb]
    try:
        return subprocess.run(argv, cwd=checkout, env=environ, check=False, timeout=_LIMIT_S).returncode
    except subprocess.TimeoutExpired:
        dialogue.say(f"no end after {_LIMIT_S:.0f} s")
        return 1
