"""A checkout with scripts and monitors in it, made anew for a test."""

from __future__ import annotations

from pathlib import Path

SCRIPTS = ("protocols/aave/main.py", "protocols/lido/main.py")
MONITORS = ("protocols/aave/monitor.yaml",)
_MONITOR = """\
monitor: aave
chain: 1
contracts: {token: "0x1111111111111111111111111111111111111111"}
checks:
  - {id: supply, changed: token.totalSupply(), severity: low}
"""


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
