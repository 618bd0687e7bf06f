"""Which shipped monitors have a drill. Used by tests, benchmarks and the demo, so it imports no test library."""

from __future__ import annotations

from pathlib import Path

from monitoring.checks.builtin import TYPES
from monitoring.checks.config.load import load_monitor
from monitoring.checks.drill.file import formula_parts
from protocols import SHIPPED

PROTOCOLS = Path(__file__).resolve().parents[2] / "protocols"


def monitor_files() -> list[Path]:
    """Return every shipped monitor file."""
    return [path for name in SHIPPED for path in sorted((PROTOCOLS / name).glob("*.yaml")) if _is_monitor(path)]


def drilled_files() -> list[Path]:
    """Return every shipped monitor file that has formulas, which is what must be drilled."""
    return [path for path in monitor_files() if formula_parts(load_monitor(path, TYPES))]


def _is_monitor(path: Path) -> bool:
    return any(line.startswith("monitor:") for line in path.read_text(encoding="utf-8").splitlines())
