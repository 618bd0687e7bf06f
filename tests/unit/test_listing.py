"""The lines of checks that a run and `explain` show."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from monitoring.checks.engine import listing


def test_a_long_reason_is_below_its_row_and_widens_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[Any] = [
        SimpleNamespace(cells=("cap/price", "1.08", "> 1", "ok", "holds")),
        SimpleNamespace(cells=("cap/assets", "unknown: mainnet: asset() of 0x05: no\x1b data", "> 2", "ok", "no data")),
        SimpleNamespace(cells=("cap/other", "unknown: no answer", "-", "ok", "no data")),
    ]
    monkeypatch.setattr(listing, "_cells", lambda one: one.cells)
    assert listing.lines_of(rows, is_for_people=True) == [
        "cap/price   1.08                > 1  ok  holds",
        "cap/assets  unknown             > 2  ok  no data\n    mainnet: asset() of 0x05: no\\x1b data",
        "cap/other   unknown: no answer  -    ok  no data",
    ]
    assert [line.count("\n") for line in listing.lines_of(rows)] == [0, 0, 0], "a log has one line a check"
