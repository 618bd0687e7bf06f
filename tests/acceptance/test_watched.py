"""A monitor that jobs.yaml names no more leaves nothing open: no incident for ever, no audit that stays red for it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.host import Host
from tests.support.rpc_server import Failure, Provider, serving

A = "0x" + "11" * 20
SUPPLY, SHARES = "totalSupply()(uint256)", "totalShares()(uint256)"
FILE = """
monitor: {name}
chain: 1
contracts: {{a: "{a}"}}
functions: ["totalShares()(uint256)"]
checks:
  - {{id: floor, require: a.totalSupply() >= 100, severity: high}}
  - {{id: shares, never_falls: a.totalShares(), severity: high}}
"""
BOTH = "{name: one, monitors: [protocols/one.yaml]}", "{name: two, monitors: [protocols/two.yaml]}"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """A host that has run two monitors: both fire, and each is blind for one check."""
    provider = Provider(head_time=time.time, views={(A, SUPPLY): 5, (A, SHARES): Failure(3, "execution reverted")})
    host = Host(tmp_path)
    with serving(provider) as (url,):
        host.environ["PROVIDER_URL_MAINNET"] = url
        for name in ("one", "two"):
            (host.checkout / f"protocols/{name}.yaml").write_text(FILE.format(name=name, a=A))
        tick(host, *BOTH)
        assert standing(host) == [(name, check) for name in ("one", "two") for check in ("floor", "shares")]
        yield host


def tick(host: Host, *tasks: str, other: str = "") -> None:
    """Let the scheduler run these tasks; `other` is a profile beside."""
    lines = "".join(f"      - {task}\n" for task in tasks) or "      []\n"
    host.jobs(f"profiles:\n  hourly:\n    cron: '5 * * * *'\n    tasks:\n{lines}{other}")
    done = host.automation("run", "hourly", AUTOMATION_TRIGGER="cron")
    assert done.returncode == 1, "its alerts wait: no chat is configured"


def standing(host: Host) -> list[tuple[object, ...]]:
    """What fires or is blind, of the monitors."""
    return host.rows(
        "SELECT monitor, check_name FROM conditions WHERE monitor IN ('one', 'two') "
        "AND (state = 'firing' OR blind_since IS NOT NULL) ORDER BY 1, 2"
    )


def remembered(host: Host) -> list[dict[str, object]]:
    """What is known of the checks of `two` besides columns: `unknown` is there while one of them sees nothing."""
    rows = host.rows("SELECT data_json FROM conditions WHERE monitor = 'two' ORDER BY check_name")
    return [json.loads(str(data)) for (data,) in rows]


def test_what_a_monitor_that_no_profile_names_left_behind_ends_with_a_quiet_note(host: Host) -> None:
    tick(host, BOTH[0])
    assert standing(host) == [("one", "floor"), ("one", "shares")]
    told = host.rows("SELECT severity, kind, title, protocol FROM alert_events WHERE kind = 'recovery'")
    assert told == [("LOW", "recovery", "No longer watched: floor: 5 is below 100", "two")]
    assert host.rows("SELECT count(*) FROM conditions WHERE monitor = 'two' AND declared = 1") == [(0,)]
    tick(host, BOTH[0])
    assert host.rows("SELECT count(*) FROM alert_events WHERE kind = 'recovery'") == [(1,)]


def test_a_monitor_that_another_profile_names_goes_on_and_a_file_may_be_renamed(host: Host) -> None:
    (host.checkout / "protocols/two.yaml").rename(host.checkout / "protocols/renamed.yaml")
    other = "  daily:\n    cron: '7 8 * * *'\n    tasks: [{name: two, monitors: [protocols/renamed.yaml]}]\n"
    tick(host, BOTH[0], other=other)
    assert len(standing(host)) == 4


@pytest.mark.ci
@pytest.mark.parametrize("off", ["task", "profile"])
def test_a_monitor_that_is_switched_off_keeps_its_conditions_and_blinds_nobody(host: Host, off: str) -> None:
    before = remembered(host)
    if off == "task":
        tick(host, BOTH[0], BOTH[1].replace("}", ", enabled: false}"))
    else:
        tick(host, BOTH[0], other=f"  daily:\n    cron: '7 8 * * *'\n    enabled: false\n    tasks: [{BOTH[1]}]\n")
    assert standing(host) == [("one", "floor"), ("one", "shares"), ("two", "floor")]
    assert remembered(host) == [{name: value for name, value in data.items() if name != "unknown"} for data in before]
    assert host.rows("SELECT checks FROM blind_spells") == [(1,)], "that it saw nothing until now stays known"


@pytest.mark.parametrize(
    "broken",
    ["  daily: {cron: nonsense}\n", "  daily: {cron: '7 8 * * *', tasks: [{name: x, monitors: [gone.yaml]}]}\n"],
)
def test_while_jobs_yaml_is_not_sound_nothing_is_ended(host: Host, broken: str) -> None:
    tick(host, BOTH[0], other=broken)
    assert len(standing(host)) == 4


def test_a_run_by_hand_ends_nothing(host: Host) -> None:
    host.jobs(f"profiles:\n  hourly:\n    cron: '5 * * * *'\n    tasks: [{BOTH[0]}]\n")
    assert host.automation("run", "hourly").returncode == 1, "its alert waits: no chat is configured"
    assert len(standing(host)) == 4
