"""The drills that ship as Python, of Python monitors and of monitors of built-in types, pass as a user runs them."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitoring.checks.drill.scripts import rehearse_script
from protocols import SHIPPED

ROOT = Path(__file__).resolve().parents[2]
DRILLS = [path for name in SHIPPED for path in sorted((ROOT / "protocols" / name).glob("test_*.py"))]


@pytest.mark.parametrize("path", DRILLS, ids=[path.parent.name + "/" + path.name for path in DRILLS])
def test_the_drills_next_to_a_shipped_monitor_pass(path: Path) -> None:
    assert [problem for result in rehearse_script(path) for problem in result.problems] == []
