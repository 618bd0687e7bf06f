"""`tests/golden/cron-supercronic.jsonl`: 716 answers of supercronic's own parser, each held to ours."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from monitoring.base.clock import from_text
from monitoring.base.errors import UsageError
from monitoring.ledger.cron import Cron

GOLDEN = Path(__file__).parent.parent / "golden" / "cron-supercronic.jsonl"
ROWS: list[dict[str, Any]] = [json.loads(line) for line in GOLDEN.read_text().splitlines()]
MAX_REFUSED_SHARE = 0.05


def read_or_none(expression: str) -> Cron | None:
    try:
        return Cron.parse(expression)
    except UsageError:
        return None


def next_ticks(cron: Cron, start: str, count: int) -> list[str]:
    ticks: list[datetime] = [from_text(start)]
    for _ in range(count):
        ticks.append(cron.next_after(ticks[-1]))
    return [tick.strftime("%Y-%m-%dT%H:%M:%SZ") for tick in ticks[1:]]


def test_the_golden_file_is_whole() -> None:
    assert len(ROWS) == 716
    assert {row["supercronic"] for row in ROWS} == {"accepts", "rejects", "panics"}


@pytest.mark.parametrize("row", [row for row in ROWS if row["supercronic"] == "accepts"], ids=lambda row: row["expr"])
def test_where_supercronic_accepts_we_give_the_same_ticks_or_refuse(row: dict[str, Any]) -> None:
    cron = read_or_none(row["expr"])
    if cron is None:
        return  # counted below
    assert next_ticks(cron, row["start"], len(row["next"])) == row["next"]
    assert next_ticks(Cron.parse(cron.canonical), row["start"], len(row["next"])) == row["next"]


@pytest.mark.parametrize("row", [row for row in ROWS if row["supercronic"] != "accepts"], ids=lambda row: row["expr"])
def test_what_supercronic_rejects_or_dies_of_is_refused(row: dict[str, Any]) -> None:
    assert read_or_none(row["expr"]) is None


def test_at_most_one_in_twenty_of_what_supercronic_accepts_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    accepted = [row["expr"] for row in ROWS if row["supercronic"] == "accepts"]
    refused = [expression for expression in accepted if read_or_none(expression) is None]
    share = len(refused) / len(accepted)
    with capsys.disabled():
        print(f"\ncron: {len(refused)} of the {len(accepted)} that supercronic accepts are refused ({share:.1%})")
    assert share <= MAX_REFUSED_SHARE
