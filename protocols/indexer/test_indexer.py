"""The drill of the indexer's freshness: whole answers, and blocks of simulated chains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from protocols.indexer.main import CHAINS, VARIABLE, main
from utils.testing import RecordedAnswers, Run, SimChain, SimClock, run

URL = "https://indexer.example.org/v1/graphql"
HEAD = 20_000_000
ROWS = "data.chain_metadata"
HOUR = 300  # blocks of twelve seconds


def watch(folder: Path, clock: SimClock, changes: dict[str, Any] | None = None, **broken: Any) -> Run:
    clock.move("1h")
    answers = RecordedAnswers({"chain_metadata": changes or {}}, **broken)
    chains = [SimChain(chain=slug, head=HEAD) for slug in CHAINS.values()]
    return run(main, store=folder, chain=chains, clock=clock, answers=answers, environ={VARIABLE: URL})


def behind(place: int, blocks: int) -> dict[str, Any]:
    return {f"{ROWS}[{place}].latest_processed_block": HEAD - blocks}


def test_a_chain_that_is_more_than_an_hour_behind_is_reported_and_its_recovery_too(tmp_path: Path) -> None:
    clock = SimClock()
    assert watch(tmp_path, clock) == []
    assert watch(tmp_path, clock, behind(3, HOUR)) == []
    (late,) = watch(tmp_path, clock, behind(3, HOUR + 1))
    assert (late.check, late.kind, late.severity) == ("behind/base", "fired", "LOW")
    assert watch(tmp_path, clock, behind(3, 2 * HOUR)) == []
    assert watch(tmp_path, clock).kinds == {"behind/base": "recovered"}


def test_chains_are_late_each_by_itself(tmp_path: Path) -> None:
    clock = SimClock()
    watch(tmp_path, clock)
    assert watch(tmp_path, clock, behind(0, 2 * HOUR)).kinds == {"behind/mainnet": "fired"}
    assert watch(tmp_path, clock, {**behind(0, 2 * HOUR), **behind(5, 2 * HOUR)}).kinds == {"behind/katana": "fired"}


def test_a_chain_that_is_not_listed_is_reported(tmp_path: Path) -> None:
    clock = SimClock()
    watch(tmp_path, clock)
    rows = [{"chain_id": chain, "latest_processed_block": HEAD} for chain in CHAINS if chain != 747474]
    assert watch(tmp_path, clock, {ROWS: rows}).kinds == {"missing/katana": "fired"}


def test_an_indexer_that_cannot_be_read_has_no_data_for_any_chain(tmp_path: Path) -> None:
    broken: list[dict[str, Any]] = [
        {"down": ["chain_metadata"]},
        {"instead": {"chain_metadata": 502}},
        {"instead": {"chain_metadata": b"<html></html>"}},
        {"instead": {"chain_metadata": b'{"errors": [{"message": "no such table"}]}'}},
        {"instead": {"chain_metadata": b'{"data": {}}'}},
    ]
    for case, damage in enumerate(broken):
        sent = watch(tmp_path / str(case), SimClock(), None, **damage)
        assert sent == [], damage
        assert {f"behind/{slug}" for slug in CHAINS.values()} <= set(sent.unknown), damage


def test_a_block_that_is_no_number_is_no_data_for_its_chain_alone(tmp_path: Path) -> None:
    sent = watch(tmp_path, SimClock(), {f"{ROWS}[1].latest_processed_block": "none"})
    assert sent == []
    assert [*sent.unknown] == ["behind/optimism"]


def test_it_is_off_without_its_variable(tmp_path: Path) -> None:
    sent = run(main, store=tmp_path, clock=SimClock())
    assert (sent, sent.code, dict(sent.states)) == ([], 0, {})
