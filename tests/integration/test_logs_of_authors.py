"""Events that an author asks for: read on from a cursor, decoded, judged one by one, grouped in one message."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monitoring.base.errors import UsageError
from monitoring.chains.abi.addresses import SignatureError
from utils.monitor import HIGH, LOW, Context, Unknown, monitor
from utils.testing import SimChain, SimClock, run

A, B, C = "0x" + "11" * 20, "0x" + "22" * 20, "0x" + "33" * 20
TRANSFER = "Transfer(address indexed from, address indexed to, uint256 value)"
PAUSED = "Paused(address account)"


def watch(**keywords: Any) -> Callable[[], None]:
    @monitor("watch")
    def main(m: Context) -> None:
        m.logs("moves", m.chain(1).logs("moves", {"one": A, "two": B}, [TRANSFER, PAUSED]), **keywords)

    return main


class Runs:
    """A monitor run again and again over one chain; each run an hour after the last."""

    def __init__(self, folder: Path, main: Callable[[], None]) -> None:
        self.chain, self.clock, self.folder, self.main = SimChain(), SimClock(), folder, main

    def __call__(self) -> list[str]:
        return [one.text for one in self.run()]

    def run(self) -> Any:
        self.clock.move("1h")
        return run(self.main, chain=self.chain, clock=self.clock, store=self.folder)


def test_new_events_of_several_contracts_are_one_message_and_reported_once(tmp_path: Path) -> None:
    runs = Runs(tmp_path, watch(severity=LOW))
    runs.chain.emit(A, TRANSFER, B, C, 1)
    assert runs() == []  # first sight
    runs.chain.emit(A, TRANSFER, B, C, 5_000_000)
    runs.chain.emit(B, PAUSED, C)
    runs.chain.emit(C, PAUSED, C)  # not asked for
    (text,) = runs()
    assert "moves: 2 events" in text
    assert f"one: Transfer(from {B}, to {C}, value 5,000,000)" in text
    assert f"two: Paused(account {C})" in text
    assert runs() == []


def test_severity_line_and_choice_are_by_event(tmp_path: Path) -> None:
    main = watch(
        severity=LOW,
        when=lambda log: log.event == "Paused" or log["value"] >= 100,
        severity_of=lambda log: HIGH if log.event == "Paused" else None,
        show=lambda log: f"{log.name} {log.event.lower()}",
        text="{value} things happened",
    )
    runs = Runs(tmp_path, main)
    runs()
    runs.chain.emit(A, TRANSFER, B, C, 99)
    assert runs() == []
    move, pause = runs.chain.emit(A, TRANSFER, B, C, 100), runs.chain.emit(B, PAUSED, C)
    (said,) = runs.run()
    assert (said.severity, said.title) == ("HIGH", "2 things happened")
    assert f"LOW one transfer · {move.tx} · 2026-01-01 02:58 UTC" in said.text
    assert f"HIGH two paused · {pause.tx} · 2026" in said.text


def test_an_event_that_a_reorganisation_removes_is_reported_once_and_only_if_it_was_reported(tmp_path: Path) -> None:
    runs = Runs(tmp_path, watch(severity=LOW, when=lambda log: log["value"] > 1))
    runs()
    small, large = runs.chain.emit(A, TRANSFER, B, C, 1), runs.chain.emit(A, TRANSFER, B, C, 2)
    assert len(runs()) == 1
    runs.chain.logs.remove(small)
    assert runs() == []
    runs.chain.logs.remove(large)
    (text,) = runs()
    assert "1 reported event removed by a reorganisation" in text
    assert f"No longer on the chain: block {large.block}" in text


def test_what_is_unknown_holds_the_cursor_before_it_and_is_no_reason_to_leave_it_out(tmp_path: Path) -> None:
    price: list[Any] = [Unknown("no price", "prices")]
    runs = Runs(tmp_path, watch(severity=LOW, when=lambda log: log["value"] * price[0] >= 100))
    runs()
    runs.chain.emit(A, TRANSFER, B, C, 60)
    runs.chain.emit(A, TRANSFER, B, C, 4)
    found = runs.run()
    assert found == []
    assert "no price" in found.unknown["moves/1"]
    price[0] = 2
    (text,) = runs()
    assert "value 60" in text
    assert "value 4" not in text
    price[0] = 1000
    assert runs() == []  # what was judged is not judged again by another price


def test_a_chain_without_data_neither_reports_nor_moves_on(tmp_path: Path) -> None:
    runs = Runs(tmp_path, watch(severity=LOW))
    runs()
    runs.chain.emit(A, TRANSFER, B, C, 7)
    runs.chain.down = True
    assert "cannot be reached" in runs.run().unknown["moves/1"]
    runs.chain.down = False
    assert len(runs()) == 1


def test_a_log_that_is_not_what_was_declared_is_no_data_and_nothing_is_skipped(tmp_path: Path) -> None:
    runs = Runs(tmp_path, watch(severity=LOW))
    runs()
    runs.chain.emit(A, TRANSFER, B, C, 1)
    runs.chain.emit(A, "Transfer(address indexed from, address indexed to, uint256 indexed value)", B, C, 2)
    found = runs.run()
    assert len(found) == 1
    assert "other topics than the event" in found.unknown["moves/1"]
    found = runs.run()
    assert (list(found), "other topics" in found.unknown["moves/1"]) == ([], True)


def test_the_first_run_reports_what_is_younger_than_asked(tmp_path: Path) -> None:
    @monitor("watch")
    def main(m: Context) -> None:
        m.logs("moves", m.chain(1).logs("moves", A, TRANSFER, first_run="2h"), severity=LOW)

    runs = Runs(tmp_path, main)
    runs.chain.emit(A, TRANSFER, B, C, 1)
    assert len(runs()) == 1


def test_new_logs_can_be_looked_at_before_they_are_judged(tmp_path: Path) -> None:
    seen: list[list[int]] = []

    @monitor("watch")
    def main(m: Context) -> None:
        new = m.chain(1).logs("moves", A, "Transfer(address,address,uint256)")
        seen.append([log["value"] for log in new])
        m.logs("moves", new, severity=LOW)

    runs = Runs(tmp_path, main)
    runs.chain.emit(A, TRANSFER, B, C, 1)
    runs()
    runs.chain.emit(A, TRANSFER, B, C, 2)
    runs()
    runs()
    assert seen == [[], [2], []]


@pytest.mark.parametrize(
    ("read", "says"),
    [
        (lambda m: m.chain(1).logs("moves", A, "Moved(address,uint256)"), "write which arguments are indexed"),
        (lambda m: m.chain(1).logs("moves", A, []), "no event was given"),
        (lambda m: m.chain(1).logs("moves", [], PAUSED), "no contract was given"),
        (lambda m: m.chain(1).logs("moves", "0x12", PAUSED), "is not an address"),
        (lambda m: m.chain(1).logs("moves", A, [PAUSED, PAUSED]), "declared twice"),
        (lambda m: m.chain(1).logs("moves", A, PAUSED, first_run="10m"), "from 1h to 14d"),
        (lambda m: m.chain(1).logs("", A, PAUSED), "a key is a text"),
        (lambda m: m.logs("moves", [], severity=LOW), "give it what m.chain"),
        (lambda m: m.logs("moves", m.chain(1).logs("other", A, PAUSED), severity=LOW), "was read for 'other'"),
        (lambda m: m.logs("moves", m.chain(1).logs("moves", A, PAUSED)), "severity is missing"),
    ],
)
def test_what_could_never_work_is_refused_with_what_to_write(
    tmp_path: Path, read: Callable[[Context], Any], says: str
) -> None:
    refused: list[str] = []

    @monitor("watch")
    def main(m: Context) -> None:
        try:
            read(m)
        except (UsageError, SignatureError) as error:
            refused.append(str(error))

    run(main, chain=SimChain(), clock=SimClock(), store=tmp_path)
    assert says in refused[0]
