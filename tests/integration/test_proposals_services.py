"""What a row of `proposals` may say of a service: pages, age, `ok`, a key in the environment; and its mistakes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from monitoring.base.errors import ConfigError
from monitoring.checks.builtin import TYPES
from monitoring.checks.config.load import load_monitor
from utils.testing import Run, SimClock, run

SNAPSHOT, TALLY, SKY = "https://hub.example/graphql", "https://tally.example/query", "https://sky.example/api"
SPACE = f'{{name: Acme, kind: snapshot, space: acme.eth, protocol: acme, url: "{SNAPSHOT}"}}'
ORGANIZATION = f'{{name: Comp, kind: tally, organization: "22", protocol: comp, url: "{TALLY}"}}'


def monitor(folder: Path, row: str) -> Path:
    path = folder / "monitor.yaml"
    path.write_text(f"monitor: gov\nproposals:\n  rows:\n    - {row}\n", encoding="utf-8")
    return path


def vote(number: int, state: str, now: int) -> dict[str, Any]:
    return {"id": f"0x{number}", "title": f"Vote {number}", "state": state, "end": now + 3600, "created": now - number}


class Hub:
    """Answers page by page, newest first; `asked` are the places where pages began."""

    def __init__(self, states: list[str], now: int) -> None:
        self.rows = [vote(number, state, now) for number, state in enumerate(states)]
        self.asked: list[int] = []

    def __call__(self, request: Any) -> dict[str, Any]:
        query = json.loads(request.body)["query"]
        skip = int(query.partition("skip: ")[2].partition(",")[0])
        self.asked.append(skip)
        return {"data": {"proposals": self.rows[skip : skip + 100]}}


def watched(folder: Path, row: str, http: dict[str, Any], **environ: str) -> Run:
    return run(monitor(folder, row), store=folder, clock=SimClock(), http=http, environ=environ)


def now() -> int:
    return int(SimClock().now().timestamp())


def test_pages_are_read_up_to_the_one_on_which_all_are_closed(tmp_path: Path) -> None:
    hub = Hub([*["closed"] * 99, "active", "active", *["closed"] * 300], now())
    (sent,) = watched(tmp_path, SPACE, {SNAPSHOT: hub})
    assert sent.title == "Acme: 2 proposals put to the vote"
    assert hub.asked == [0, 100, 200]


def test_a_list_that_has_no_end_is_no_data_and_not_its_beginning(tmp_path: Path) -> None:
    sent = watched(tmp_path, SPACE, {SNAPSHOT: Hub(["active"] * 700, now())})
    assert sent == []
    assert "lists more than 500 proposals" in sent.unknown["proposals/snapshot-acme.eth"]


@pytest.mark.parametrize(("age_s", "is_old"), [(86_400, False), (86_401, True)])
def test_a_list_that_nobody_adds_to_is_no_data(tmp_path: Path, age_s: int, is_old: bool) -> None:
    row = vote(age_s, "active", now())
    sent = watched(tmp_path, SPACE.replace("}", ", max_age: 1d}"), {SNAPSHOT: {"data": {"proposals": [row]}}})
    assert (sent == []) is is_old
    assert ("older than" in sent.unknown.get("proposals/snapshot-acme.eth", "")) is is_old


def test_a_proposal_of_another_space_is_no_answer(tmp_path: Path) -> None:
    row = vote(1, "active", now()) | {"space": {"id": "evil.eth"}}
    sent = watched(tmp_path, SPACE, {SNAPSHOT: {"data": {"proposals": [row]}}})
    assert sent == []
    assert "another space" in sent.unknown["proposals/snapshot-acme.eth"]


def test_what_a_row_demands_of_the_answer_holds_or_it_is_no_data(tmp_path: Path) -> None:
    row = f'{{name: Fluid, kind: fluid, protocol: fluid, url: "{SKY}", ok: success}}'
    body = {"data": [{"id": 1, "title": "x", "queued_at": now()}]}
    assert len(watched(tmp_path, row, {SKY: {**body, "success": True}})) == 1
    bad = watched(tmp_path / ".", row.replace("name: Fluid", "name: Other"), {SKY: {**body, "success": False}})
    assert [*bad.unknown] == ["proposals/fluid"]


def test_tally_is_asked_with_the_key_of_the_environment_and_named_as_closing(tmp_path: Path) -> None:
    seen: list[str] = []

    def answer(request: Any) -> dict[str, Any]:
        seen.append({name.lower(): text for name, text in request.headers.items()}["api-key"])
        row = {
            "id": "9",
            "onchainId": "77",
            "createdAt": "2025-12-31T00:00:00Z",
            "metadata": {"title": "# Body\\nmore"},
        }
        rows = [{**row, "status": "queued"}, {**row, "onchainId": "76", "status": "executed"}]
        return {"data": {"proposals": {"nodes": rows}}}

    (sent,) = watched(tmp_path, ORGANIZATION, {TALLY: answer}, TALLY_API_KEY="k3y-of-the-operator")
    assert sent.title == "Comp: proposal 77 is queued for execution: Body"
    assert seen == ["k3y-of-the-operator"]
    (tmp_path / "b").mkdir()
    without = watched(tmp_path / "b", ORGANIZATION, {TALLY: answer})
    assert without.unknown["proposals/tally-22"].startswith("gov/tally-22: the variable TALLY_API_KEY is not set")
    assert "Tally is being closed" in without.unknown["proposals/tally-22"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("{name: A, kind: snapshot, protocol: a}", "space is missing"),
        ('{name: A, kind: snapshot, space: "x\\") { id }", protocol: a}', "is no name of a space"),
        ("{name: A, kind: fluid, protocol: a, space: x.eth}", "fluid has no space: take it out"),
        ("{name: A, kind: fluid, protocol: a, max_age: 1d}", "says nothing of its age"),
        ("{name: A, kind: oz_governor, protocol: a, chain: mainnet}", "address is missing"),
        ("{name: A, kind: sky, protocol: a}", "is none of"),
        ("{name: A, kind: fluid, protocol: a, link: javascript:x}", "a link is an https address"),
    ],
)
def test_a_mistake_in_a_row_is_named_at_its_place(tmp_path: Path, row: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_monitor(monitor(tmp_path, row), TYPES)
    assert said in "\n".join(caught.value.mistakes)


def test_two_rows_of_one_governance_are_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is this governance already: state is kept by it"):
        load_monitor(monitor(tmp_path, f"{SPACE}\n    - {SPACE.replace('name: Acme', 'name: Other')}"), TYPES)
