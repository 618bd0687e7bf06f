"""`unless`: one cause, one alert. What follows from a condition that people know of waits while that fires."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from monitoring.base.errors import ConfigError
from monitoring.base.process_identity import current_boot
from monitoring.checks.builtin import TYPES
from monitoring.checks.config.load import load_monitor
from monitoring.ledger.audit import inhibited_in_words, judge
from monitoring.ledger.outcomes import gather
from monitoring.store.db.schema import open_database
from monitoring.store.tables import silences
from tests.support.checks_host import CHECKOUT, ChecksHost
from tests.support.web import serving
from utils.monitor import CRITICAL, HIGH, MEDIUM, Context, monitor
from utils.testing import Run, SimChain, SimClock, run

VAULT = "0x83F20F44975D03b1b09e64809B757c47f942BEeA"
PAUSED, SUPPLY = (VAULT, "paused()(bool)"), (VAULT, "totalSupply()(uint256)")
FILE = """\
monitor: acme
chain: mainnet
contracts: {{vault: "{vault}"}}
functions: ["paused()(bool)"]
checks:
  - {{id: paused, flag: vault.paused(), severity: {cause}{of_cause}}}
  - {{id: size, require: vault.totalSupply() >= 10, severity: {effect}, unless: paused{of_effect}}}
"""


class Scene:
    """A monitor whose vault is paused, or too small, or both."""

    def __init__(
        self, folder: Path, cause: str = "high", effect: str = "high", of_cause: str = "", of_effect: str = ""
    ) -> None:
        self.store, self.clock = folder / "store", SimClock()
        self.path = folder / "monitor.yaml"
        text = FILE.format(vault=VAULT, cause=cause, effect=effect, of_cause=of_cause, of_effect=of_effect)
        self.path.write_text(text)

    def run(self, *, paused: bool, supply: int) -> Run:
        chain = SimChain({PAUSED: paused, SUPPLY: supply})
        self.clock.move("10m")
        return run(self.path, store=self.store, chain=chain, clock=self.clock)

    def said(self, *, paused: bool, supply: int) -> list[tuple[str, str]]:
        return [(one.check, one.kind) for one in self.run(paused=paused, supply=supply)]


def test_what_follows_is_not_reported_while_its_cause_fires_and_is_once_that_is_over(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    assert scene.said(paused=True, supply=1) == [("paused/1", "fired")]
    assert scene.said(paused=True, supply=1) == []
    assert scene.said(paused=False, supply=1) == [("paused/1", "recovered"), ("size/1", "fired")]
    assert scene.said(paused=False, supply=20) == [("size/1", "recovered")]


def test_what_is_over_before_its_cause_is_never_reported(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    assert scene.said(paused=True, supply=1) == [("paused/1", "fired")]
    assert scene.said(paused=True, supply=20) == []
    assert scene.said(paused=False, supply=20) == [("paused/1", "recovered")]


def test_what_was_reported_before_its_cause_stays_reported_and_recovers(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    assert scene.said(paused=False, supply=1) == [("size/1", "fired")]
    assert scene.said(paused=True, supply=1) == [("paused/1", "fired")]
    assert scene.said(paused=True, supply=20) == [("size/1", "recovered")]


@pytest.mark.parametrize(
    ("cause", "effect", "of_cause", "of_effect"),
    [
        ("high", "critical", "", ""),
        ("high", "high", ", channel: others", ""),
        ("high", "high", "", ", machine: true"),
    ],
    ids=["milder", "in another chat", "calls no machine"],
)
def test_a_cause_that_does_not_reach_those_who_act_holds_nothing_back(
    tmp_path: Path, cause: str, effect: str, of_cause: str, of_effect: str
) -> None:
    scene = Scene(tmp_path, cause, effect, of_cause, of_effect)
    assert scene.said(paused=True, supply=1) == [("paused/1", "fired"), ("size/1", "fired")]


def test_a_cause_that_calls_the_machine_too_holds_back(tmp_path: Path) -> None:
    scene = Scene(tmp_path, of_cause=", machine: true", of_effect=", machine: true")
    assert scene.said(paused=True, supply=1) == [("paused/1", "fired")]


def test_a_cause_that_is_silenced_holds_nothing_back(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.run(paused=False, supply=20)
    with open_database(scene.store / "monitoring.db") as database, database.write() as tx:
        now = scene.clock.now()
        ends = now.replace(year=now.year + 1)
        silences.add(tx, "acme", "paused/1", now=now, ends_at=ends, reason="r", created_by="me")
    assert scene.said(paused=True, supply=1) == [("paused/1", "fired"), ("size/1", "fired")]


def test_a_cause_that_waits_itself_holds_nothing_back(tmp_path: Path) -> None:
    scene = Scene(tmp_path, of_cause=", for: 2 runs")
    assert scene.said(paused=True, supply=1) == [("size/1", "fired")]


def test_it_is_said_what_holds_back_what(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    found = scene.run(paused=True, supply=1)
    assert found.states == {"paused/1": "firing", "size/1": "pending"}
    host = ChecksHost(scene.store)
    with serving(scene.store) as web:
        checks = {one["check"]: one["inhibited_by"] for one in web.get("/v1/monitoring")["checks"]}
        page = web.ask("/monitoring").text
    assert checks == {"paused": None, "size": "acme: paused/1"}
    assert "inhibited by acme: paused/1" in page

    status = subprocess.run(
        [sys.executable, "-m", "automation", "status"],
        env=host.env(),
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    assert "inhibited   1 check" in status
    assert "acme: size/1, by acme: paused/1" in status
    now = scene.clock.now()
    with open_database(scene.store / "monitoring.db") as database:
        facts = gather(database, since=now.replace(hour=0), until=now, now=now, boot=current_boot())
    assert inhibited_in_words(judge(facts)) == "inhibited now: 1 check by acme: paused/1"

    scene.run(paused=False, supply=20)
    with serving(scene.store) as web:
        assert [one["inhibited_by"] for one in web.get("/v1/monitoring")["checks"]] == [None, None]


def test_causes_of_a_row_hold_back_their_own_row_alone(tmp_path: Path) -> None:
    path = tmp_path / "monitor.yaml"
    path.write_text(
        f'monitor: acme\nchain: mainnet\ncontracts: {{vault: "{VAULT}"}}\n'
        "for_each: {c: [{name: A, most: 5}, {name: B, most: 500}]}\nchecks:\n"
        '  - {id: "high/{c.name}", require: vault.totalSupply() <= c.most, severity: critical}\n'
        '  - {id: "off/{c.name}", require: vault.totalSupply() + c.most <= 0, severity: high, unless: high}\n'
        "  - {id: all, never_falls: 0 - vault.totalSupply(), severity: high, unless: [big]}\n"
        "  - {id: big, require: vault.totalSupply() < 50, severity: high}\n"
    )
    chain = SimChain({SUPPLY: 10})
    first = run(path, store=tmp_path / "store", chain=chain)
    assert sorted(one.check for one in first) == ["high/1/A", "off/1/B"]
    chain.calls[SUPPLY] = 60
    assert sorted(one.check for one in run(path, store=tmp_path / "store", chain=chain)) == ["big/1"]
    chain.calls[SUPPLY] = 20
    found = [(one.check, one.kind) for one in run(path, store=tmp_path / "store", chain=chain)]
    assert found == [("all/1", "fired"), ("big/1", "recovered")], "the fall is compared with the mark of before"


def test_a_chain_of_causes_is_one_alert(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    last = "  - {id: price, require: vault.totalSupply() > 2, severity: high, unless: size}\n"
    scene.path.write_text(scene.path.read_text() + last)
    assert scene.said(paused=True, supply=1) == [("paused/1", "fired")]
    assert scene.said(paused=True, supply=1) == []
    assert scene.said(paused=False, supply=1) == [("paused/1", "recovered"), ("size/1", "fired")]


@pytest.mark.parametrize(
    ("unless", "mistake"),
    [
        ("pausd", "no check of this file is called pausd, did you mean paused?"),
        ("size", "a check does not follow from itself"),
        ("[paused, nothing]", "no check of this file is called nothing"),
    ],
)
def test_an_unless_that_names_no_cause_is_refused_at_its_place(tmp_path: Path, unless: str, mistake: str) -> None:
    scene = Scene(tmp_path)
    scene.path.write_text(scene.path.read_text().replace("unless: paused", f"unless: {unless}"))
    with pytest.raises(ConfigError) as caught:
        load_monitor(scene.path, TYPES)
    (line,) = caught.value.mistakes
    assert f"{scene.path}:7:" in line
    assert mistake in line


def test_a_circle_is_refused_and_a_cause_that_is_never_as_severe_is_doubted(tmp_path: Path) -> None:
    scene = Scene(tmp_path, of_cause=", unless: size")
    with pytest.raises(ConfigError, match="in a circle: paused -> size -> paused"):
        load_monitor(scene.path, TYPES)
    (doubt,) = load_monitor(Scene(tmp_path, cause="low").path, TYPES).warnings
    assert "paused is never as severe as this check" in doubt


def test_a_flag_of_a_vault_can_be_the_cause(tmp_path: Path) -> None:
    path = tmp_path / "monitor.yaml"
    path.write_text(
        f'monitor: acme\nchain: mainnet\ncontracts: {{vault: "{VAULT}"}}\n'
        f'erc4626: [{{name: V, address: "{VAULT}", decimals: 18, flags: {{paused: high}}}}]\n'
        "checks: [{id: size, require: vault.totalSupply() >= 10, severity: high, unless: flag-paused/V}]\n"
    )
    found = run(path, store=tmp_path / "store", chain=SimChain({PAUSED: True, SUPPLY: 1}))
    assert [one.check for one in found] == ["flag-paused/1/V"]


def test_calls_of_a_function_wait_for_their_cause(tmp_path: Path) -> None:
    world = {"paused": True, "size": 1}

    @monitor("acme")
    def main(m: Context) -> None:
        m.limit("size", world["size"], below=10, severity=HIGH, unless="paused")
        m.limit("worst", world["size"], below=10, severity=CRITICAL, unless=["paused", "other"])
        m.flag("paused", world["paused"], severity=HIGH)
        m.flag("mild", True, severity=MEDIUM, unless="paused")

    def said() -> list[tuple[str, str]]:
        return sorted((one.check, one.kind) for one in run(main, store=tmp_path))

    assert said() == [("paused", "fired"), ("worst", "fired")]
    world["paused"] = False
    assert said() == [("mild", "fired"), ("paused", "recovered"), ("size", "fired")]


def test_the_state_of_what_is_held_back_survives_the_release_before(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.run(paused=True, supply=1)
    with open_database(scene.store / "monitoring.db") as database:
        ((state, data),) = database.rows("SELECT state, data_json FROM conditions WHERE check_name = 'size'")
    found = json.loads(data)
    assert (state, found["v"], found["rank"], found["inhibited"]) == ("pending", 1, -1, "acme: paused/1")
