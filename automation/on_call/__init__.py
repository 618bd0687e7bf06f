"""Who is on call and what happens when nobody acts: `automation/on_call.yaml`, the rota, the steps of escalation.

Everything here but reading the file is pure. Without the file nothing of it is used.
Tests: tests/unit/test_on_call.py, tests/unit/test_on_call_mistakes.py, tests/integration/test_escalation.py,
tests/integration/test_escalation_run.py.
"""

from __future__ import annotations

from pathlib import Path

FILE_NAME = "on_call.yaml"


def path_of(jobs_file: Path) -> Path:
    """Return the on_call.yaml that belongs to a jobs.yaml: the one next to it."""
    return jobs_file.with_name(FILE_NAME)
