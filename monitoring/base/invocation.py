"""How this program was called, so that every hint is a command that works as it is printed.

Texts of the product write a command as `python -m automation VERB`; what prints them to people puts `called_as` in
place of that. Nothing here imports more than Python brings: it must work without the venv.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

WRITTEN = "python -m automation"  # as every text of the product names a command
CALLED_AS = "AUTOMATION_CALLED_AS"  # set by the short commands, which start Python themselves
_OURS = frozenset({"automation", "monitoring", "utils", "protocols", "tests", "tools"})


def called_as(argv: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> str:
    """Return what a person types before a verb: `monitoring`, `.venv/bin/python -m automation`, and so on."""
    argv = sys.orig_argv if argv is None else argv
    if name := environ.get(CALLED_AS):
        return name
    if environ.get("UV_RUN_RECURSION_DEPTH"):  # set by `uv run` for what it starts
        return f"uv run {WRITTEN}"
    is_module = "-m" in argv and argv[argv.index("-m") + 1 :][:1] == ["automation"]
    return f"{shlex.quote(argv[0])} -m automation" if is_module and argv[0] else WRITTEN


def missing_package(error: ModuleNotFoundError, argv: Sequence[str] | None = None) -> str | None:
    """Return the line that says what to type where a package is not installed; None for a module of our own."""
    package = (error.name or "").partition(".")[0]
    if not package or package in _OURS:
        return None
    rest = shlex.join((sys.argv if argv is None else argv)[1:])
    venv = Path(__file__).resolve().parents[2] / ".venv" / "bin" / "monitoring"
    is_it = Path(sys.prefix) == venv.parents[1]
    then = f", then: .venv/bin/monitoring {rest}".rstrip() if not is_it else " once more"
    return f"error: this Python ({sys.executable}) lacks the package {package}; type: make sync{then}\n"
