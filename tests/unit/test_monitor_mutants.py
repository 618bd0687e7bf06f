"""Faults in monitor files: which are tried, and that the drills of what ships notice those in how a value is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.drills import drilled_files
from tools.monitor_mutants import faults_of, try_file

MONITOR = """\
monitor: acme  # 7 stays
contracts: {vault: "0x83F20F44975D03b1b09e64809B757c47f942BEeA"}
sources:
  supply:
    url: https://api.example.org/supply?of=acme
    number: rows[-1].amount
    scale: 1e18
    time: rows[-1].at
    max_age: 3h
checks:
  - {id: a, require: supply >= 8_000_000, worse_by: 10%, severity: high, unit: usd, text: "it is > 5 and high"}
"""


def test_comparisons_scales_paths_times_bounds_and_units_are_tried_and_texts_are_not() -> None:
    found = [(fault.kind, fault.before, fault.after) for fault in faults_of(MONITOR)]

    assert ("scale", "scale: 1e18", "scale: 1e17") in found
    assert ("path", "number: rows[-1].amount", "number: rows[0].amount") in found
    assert ("path", "time: rows[-1].at", "time: rows[-1].atx") in found
    assert ("path", "url: https://api.example.org/supply?of=acme", "url: https://api.example.org/supply") in found
    assert ("time", "max_age: 3h", "max_age: 6h") in found
    line = MONITOR.splitlines()[-1].strip()
    changed = {after for _, before, after in found if before == line}
    for right, wrong in (
        (">= 8_000_000", "> 8_000_000"), (">= 8_000_000", ">= 8080000"), ("10%", "10.1%"), ("10%", "9.9%"),
        ("severity: high", "severity: critical"), ("unit: usd", "unit: pts"), (", worse_by: 10%", ""),
    ):  # fmt: skip
        assert line.replace(right, wrong, 1) in changed
    assert all('text: "it is > 5 and high"' in after for after in changed)
    assert not [after for _, _, after in found if after.startswith(("monitor:", "contracts:"))]


def test_no_fault_is_tried_twice_or_changes_nothing() -> None:
    texts = [fault.text for fault in faults_of(MONITOR)]
    assert len({*texts, MONITOR}) == len(texts) + 1


# A book of nothing: the division by zero that is left is no data.
EQUIVALENT = (("deployed > 0 else", "deployed >= 0 else"), ("deployed > junior else", "deployed >= junior else"))


@pytest.mark.proof
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("path", drilled_files(), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_no_fault_in_a_comparison_a_scale_or_a_path_is_left_unnoticed(path: Path) -> None:
    unnoticed = [
        (file, fault.before, fault.after)
        for file, fault in try_file(path).survivors
        if fault.kind in ("comparison", "scale", "path", "severity")
        and not any(right in fault.before and wrong in fault.after for right, wrong in EQUIVALENT)
    ]
    assert unnoticed == []
