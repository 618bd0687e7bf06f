"""The drills of proposals: whole answers through the reader that a run reads with, and what people get."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from utils.testing import RecordedAnswers, Run, SimChain, SimClock, run

FILE = Path(__file__).with_name("monitor.yaml")
ROWS = {
    "aave_governance": "proposals/aave_governance",
    "fluid": "proposals/fluid",
    "sky_executive": "proposals/sky_executive",
    "snapshot-sparkfi.eth": "proposals/snapshot-sparkfi.eth",
}
FLUID = {"id": 134, "title": "Set a new guardian", "description": "…", "status": "queued", "queued_at": "1796000000"}


def watch(folder: Path, clock: SimClock, answers: RecordedAnswers | None = None) -> Run:
    clock.move("1h")
    return run(FILE, store=folder, chain=SimChain(), clock=clock, answers=answers or RecordedAnswers())


def titles(sent: Run) -> dict[str, str]:
    return {one.check: one.title for one in sent}


def test_what_is_open_at_the_first_run_is_one_message_each_and_never_comes_again(tmp_path: Path) -> None:
    clock = SimClock()
    sent = watch(tmp_path, clock)
    assert titles(sent) == {
        "proposals/aave_governance": "Aave governance: 2 proposals queued for execution",
        "proposals/fluid": "Fluid governance: 2 proposals queued for execution",
        "proposals/sky_executive": "Sky executive: a proposal is queued for execution: "
        "SKY Buybacks, Launch Agent Ranks - November 20, 2026",
        "proposals/snapshot-sparkfi.eth": "Spark governance: a proposal is put to the vote: "
        "[Poll] Onboard PT-USDS as collateral",
    }
    assert {one.severity for one in sent} == {"LOW"}
    assert watch(tmp_path, clock) == []


def test_one_that_is_executed_on_every_chain_or_cast_or_closed_is_not_announced(tmp_path: Path) -> None:
    text = "\n".join(one.text for one in watch(tmp_path, SimClock()))
    for over in ("Renew the service provider", "Savings Rate", "Raise the rate limit", "Onboarding - October"):
        assert over not in text, over
    assert "Payloads waiting on: Base" in text


def test_what_became_of_one_that_was_announced_is_reported_once_and_of_others_nothing(tmp_path: Path) -> None:
    clock = SimClock()
    watch(tmp_path, clock)
    ready = RecordedAnswers({"sky_executive": {"[0].spellData.eta": "2026-01-01T00:00:00.000Z"}})
    spell = "SKY Buybacks, Launch Agent Ranks - November 20, 2026"
    assert titles(watch(tmp_path, clock, ready)) == {
        "proposals/sky_executive": f"Sky executive: a proposal can be executed now: {spell}"
    }
    assert watch(tmp_path, clock, ready) == []
    gone = {"id": 129, "title": "Add a DEX pool", "queued_at": 1, "cancelled_at": 1796000500}
    over = RecordedAnswers(
        {
            "sky_executive": {"[0].spellData.hasBeenCast": True},
            "fluid": {"data": [{**FLUID, "id": 131, "executed_at": 1796000500}, gone, {**FLUID, "executed_at": 1}]},
            "aave_governance-payloads": {"data.p412.nodes[0].state": "executed"},
        }
    )
    assert titles(watch(tmp_path, clock, over)) == {
        "proposals/aave_governance": "Aave governance: proposal 412 is executed: Onboard sUSDe December expiry",
        "proposals/fluid": "Fluid governance: 1 proposal cancelled, 1 proposal executed",
        "proposals/sky_executive": f"Sky executive: a proposal is executed: {spell}",
    }
    assert watch(tmp_path, clock, over) == []


def test_a_lower_number_that_is_queued_later_is_announced_and_a_full_list_in_another_order_is_not(
    tmp_path: Path,
) -> None:
    clock = SimClock()
    queued_late = {"getProposalsByState.nodes[1].state": "active"}
    changed = {f"data.{path}": value for path, value in queued_late.items()}
    first = watch(tmp_path, clock, RecordedAnswers({"aave_governance": changed}))
    assert "412" in titles(first)["proposals/aave_governance"]
    later = watch(tmp_path, clock)
    assert [*titles(later)] == ["proposals/aave_governance"]
    assert later[0].title == "Aave governance: proposal 409 is queued for execution: Interest rate curve of WETH"
    rows = [{"id": 129, "title": "b", "queued_at": 1}, {"id": 131, "title": "a", "queued_at": 1}]
    assert watch(tmp_path, clock, RecordedAnswers({"fluid": {"data": rows}})) == []


def test_a_spell_dated_earlier_but_scheduled_later_is_announced(tmp_path: Path) -> None:
    clock = SimClock()
    watch(tmp_path, clock)
    scheduled = RecordedAnswers({"sky_executive": {"[2].spellData.hasBeenScheduled": True}})
    sent = titles(watch(tmp_path, clock, scheduled))
    assert sent == {
        "proposals/sky_executive": "Sky executive: a proposal is queued for execution: Onboarding - October 30, 2026"
    }


def test_a_service_that_cannot_be_read_in_any_way_has_no_data_and_announces_nothing(tmp_path: Path) -> None:
    broken: list[dict[str, Any]] = [
        {"down": [*ROWS]},
        {"instead": dict.fromkeys(ROWS, 503)},
        {"instead": dict.fromkeys(ROWS, b"<html>maintenance</html>")},
        {"instead": dict.fromkeys(ROWS, b'{"errors": [{"message": "no such field"}], "data": null}')},
        {"instead": dict.fromkeys(ROWS, b'{"data": {}}')},
        {"instead": dict.fromkeys(ROWS, b"{}")},
    ]
    for case, damage in enumerate(broken):
        sent = watch(tmp_path / str(case), SimClock(), RecordedAnswers(**damage))
        assert sent == [], damage
        assert set(ROWS.values()) <= set(sent.unknown), damage


def test_what_was_open_during_an_outage_is_announced_after_it_once(tmp_path: Path) -> None:
    clock = SimClock()
    watch(tmp_path, clock)
    new = RecordedAnswers({"fluid": {"data": [FLUID]}})
    assert watch(tmp_path, clock, RecordedAnswers(down=["fluid"])) == []
    assert titles(watch(tmp_path, clock, new)) == {
        "proposals/fluid": "Fluid governance: proposal 134 is queued for execution: Set a new guardian"
    }
    assert watch(tmp_path, clock, new) == []


def test_a_row_that_is_malformed_holds_up_no_other(tmp_path: Path) -> None:
    rows: dict[str, list[Any]] = {
        "fluid": [{"id": None, "title": "?"}, "text", FLUID],
    }
    sent = watch(tmp_path, SimClock(), RecordedAnswers({"fluid": {"data": rows["fluid"]}}))
    assert "134" in titles(sent)["proposals/fluid"]
    assert "has no id (and 1 more)" in sent.unknown["proposals/fluid"]


def test_a_vote_whose_end_is_past_is_not_open_whatever_its_service_says(tmp_path: Path) -> None:
    clock = SimClock()
    ended = int(clock.now().timestamp())
    sent = watch(tmp_path, clock, RecordedAnswers({"snapshot-sparkfi.eth": {"data.proposals[0].end": ended}}))
    assert "proposals/snapshot-sparkfi.eth" not in titles(sent)


def test_a_title_that_is_a_whole_text_is_one_bounded_line_and_no_markup(tmp_path: Path) -> None:
    body = "# **Set limits**\\n\\nSee [here](https://evil.example/x) " + "x" * 5000
    sent = watch(tmp_path, SimClock(), RecordedAnswers({"fluid": {"data": [{**FLUID, "title": body}]}}))
    assert titles(sent)["proposals/fluid"] == "Fluid governance: proposal 134 is queued for execution: Set limits"
    long = watch(
        tmp_path / "long", SimClock(), RecordedAnswers({"fluid": {"data": [{**FLUID, "title": "x\u202e" * 900}]}})
    )
    assert len(titles(long)["proposals/fluid"]) < len("Fluid governance: proposal 134 is queued for execution: ") + 130


def test_a_link_a_time_and_a_state_are_in_the_message(tmp_path: Path) -> None:
    texts = {one.check: one.text for one in watch(tmp_path, SimClock())}
    assert "Can be executed: 2026-01-01 17:00 UTC (16 h after this alert)" in texts["proposals/sky_executive"]
    assert "Voting ends: 2026-01-03 01:00 UTC (2 d after this alert)" in texts["proposals/snapshot-sparkfi.eth"]
    assert (
        "https://vote.sky.money/executive/template-executive-vote-november-20-2026" in texts["proposals/sky_executive"]
    )
