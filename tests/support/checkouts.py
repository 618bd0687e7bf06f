"""A checkout with scripts and monitors in it, made anew for a test."""

from __future__ import annotations

import shutil
from pathlib import Path

from protocols import SHIPPED

# What a fork adds for its own watch: tests of the product neither copy nor read it.
OWN_FOLDERS = ("jobs.d", "chains.d", "descriptors.d")
AS_SHIPPED = shutil.ignore_patterns("__pycache__", *OWN_FOLDERS)
SCRIPTS = ("protocols/aave/main.py", "protocols/lido/main.py")
MONITORS = ("protocols/aave/monitor.yaml",)
_MONITOR = """\
monitor: aave
chain: 1
contracts: {token: "0x1111111111111111111111111111111111111111"}
checks:
  - {id: supply, changed: token.totalSupply(), severity: low}
"""


def is_of_a_team(name: str) -> bool:
    """Say whether a tracked file is a team's own: its jobs and chains, or a folder of protocols that is not shipped."""
    folder, *inside = name.split("/")
    if len(inside) < 2:
        return False
    return inside[0] in OWN_FOLDERS if folder == "automation" else folder == "protocols" and inside[0] not in SHIPPED


def make_checkout(root: Path) -> Path:
    """Make a checkout with two scripts, a monitor, and a link that leads out of it."""
    for name in (*SCRIPTS, *MONITORS):
        write(root / name, "print('checked')\n" if name.endswith(".py") else _MONITOR)
    (root / "protocols/aave/elsewhere.py").symlink_to("/etc/hostname")
    return root


def write(path: Path, text: str) -> Path:
    """Write a file, with the directories it needs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path
