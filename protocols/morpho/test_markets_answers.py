"""Drills of what the service of Morpho answers: whole documents of `answers/`, each for exactly its request."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

from monitoring.base.http.client import Request
from protocols.morpho.markets_api import Debt, read_borrowers, read_debts
from protocols.morpho.markets_data import HERE
from utils.monitor import Context, Unknown, monitor
from utils.testing import run


def read(store: Path, name: str, look: Callable[[Context, list[str]], Any]) -> tuple[Any, list[str]]:
    """Return what a function reads of a recorded answer, and the ids that were asked for."""
    recorded = json.loads((HERE / "answers" / f"morpho.{name}.json").read_text(encoding="utf-8"))
    wanted, found = recorded["request"], list[Any]()

    def answer(request: Request) -> Any:
        asked = {"method": request.method, "url": request.url, "headers": dict(request.headers)}
        assert {**asked, "body": json.loads(request.body)} == wanted
        return recorded["answer"]["body"]

    @monitor("morpho")
    def main(m: Context) -> None:
        found.append(look(m, wanted["body"]["variables"]["ids"]))

    assert run(main, store=store, http={wanted["url"]: answer}).code == 0
    return found[0], wanted["body"]["variables"]["ids"]


def test_debts_are_numbers_or_their_texts_and_null_is_not_zero(tmp_path: Path) -> None:
    found, (first, second, third) = read(tmp_path, "debts", lambda m, ids: read_debts(m, "mainnet", ids))

    assert found[first] == Debt(Fraction(0), Fraction(41_250_000_123_456))
    assert found[second] == Debt(Fraction(5_120_000), Fraction(3_200_000_000_000))
    assert isinstance(found[third], Unknown)
    assert found[third].reason.startswith("api.morpho.org: badDebt")


def test_borrowers_are_known_by_their_address_however_it_is_written(tmp_path: Path) -> None:
    found, (market,) = read(tmp_path, "borrowers", lambda m, ids: read_borrowers(m, "katana", ids))

    assert found == {
        market: ["0xab5801a7d398351b8be11c439e05c5b3259aec9b", "0x1db3439a222c519ab44bb1144fc28167b4fa6ee6"]
    }
