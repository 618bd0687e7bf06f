"""`test FILE` runs the drill of one monitor and prints what each check did; a mistake is named at its place."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from monitoring.checks.drill.scripts import rehearse_script
from tests.support.checks_host import ChecksHost
from tests.support.child import CHECKOUT, child_environ

MONITOR = """\
monitor: acme
chain: mainnet
contracts: {vault: "0x83F20F44975D03b1b09e64809B757c47f942BEeA"}
checks:
  - {id: size, require: vault.totalAssets() / 1e18 >= 1000, severity: high, unit: usd}
  - {id: supply, changed: vault.totalSupply(), severity: low}
"""
DRILL = """\
well: {vault.totalAssets(): 5000e18, vault.totalSupply(): 100}
drills:
  - {check: size, fires: high, when: {vault.totalAssets(): 999e18}, quiet: {vault.totalAssets(): 1000e18}}
  - {check: supply, fires: low, when: {vault.totalSupply(): 101}}
"""
SCRIPT_DRILL = """\
from utils.monitor import HIGH, call, monitor
from utils.testing import SimChain, SimClock, run

VAULT = "0x83F20F44975D03b1b09e64809B757c47f942BEeA"


@monitor("acme-script")
def main(m):
    m.limit("assets", m.chain(1).read(assets=call(VAULT, "totalAssets()(uint256)")).assets, below=100, severity=HIGH)


def test_low_assets_fire(tmp_path):
    chain = SimChain({(VAULT, "totalAssets()(uint256)"): 90})
    assert run(main, chain=chain, clock=SimClock(), store=tmp_path).kinds == {"assets": "fired"}


def test_nothing_is_wrong_with_one():
    assert 1 + 1 == 2
"""


@pytest.fixture
def host(tmp_path: Path) -> ChecksHost:
    return ChecksHost(tmp_path)


def drilled(host: ChecksHost, drill: str, monitor: str = MONITOR) -> tuple[int, list[str], str]:
    """Return the exit code, the lines of stdout without the first, and stderr without the folder."""
    file = host.file(monitor)
    host.file(drill, "drill.yaml")
    done = host.do("test", file)
    return done.returncode, done.stdout.splitlines()[1:], done.stderr.replace(f"{host.folder}/", "")


def test_each_check_that_does_as_drilled_is_one_line(host: ChecksHost) -> None:
    assert drilled(host, DRILL) == (
        0,
        [
            "  ok    size    fires high, stays quiet, no data without its inputs",
            "  ok    supply  fires low, no data without its inputs",
            "2 of 2 checks as drilled",
        ],
        "",
    )
    assert sorted(path.name for path in host.folder.iterdir()) == ["drill.yaml", "monitor.yaml"]  # no state


def test_a_check_that_does_not_fire_fails_with_its_line_and_value(host: ChecksHost) -> None:
    code, lines, _ = drilled(
        host, DRILL.replace("when: {vault.totalAssets(): 999e18}", "when: {vault.totalAssets(): 1001e18}")
    )
    assert code == 1
    assert lines[:2] == [
        "  FAIL  size",
        "          line 3: size/1 must fire high, did not fire: it is $1,001 (limit ≥ $1,000)",
    ]
    assert lines[-1] == "1 of 2 checks as drilled"


def test_a_check_that_is_not_quiet_fails(host: ChecksHost) -> None:
    code, lines, _ = drilled(
        host, DRILL.replace("quiet: {vault.totalAssets(): 1000e18}", "quiet: {vault.totalAssets(): 1e18}")
    )
    assert (code, lines[1]) == (
        1,
        "          line 3: size/1 must stay quiet, fired high: it is $1 (limit ≥ $1,000)",
    )


def test_another_severity_fails(host: ChecksHost) -> None:
    code, lines, _ = drilled(host, DRILL.replace("fires: high", "fires: critical"))
    assert (code, lines[0]) == (1, "  FAIL  size")
    assert "must fire critical, fired high" in lines[1]


def test_an_answer_that_the_drill_lacks_is_named(host: ChecksHost) -> None:
    code, lines, _ = drilled(host, DRILL.replace(", vault.totalSupply(): 100", ""))
    assert code == 1
    assert "          no data when all is well: `well` has no answer for vault.totalSupply()" in lines


def test_a_check_without_a_drill_is_listed_and_fails_nothing(host: ChecksHost) -> None:
    code, lines, _ = drilled(host, "\n".join(DRILL.splitlines()[:3]) + "\n")
    assert code == 0
    assert lines[1] == f"  -     supply  no drill: add one to {host.folder}/drill.yaml"
    assert lines[-1] == "1 of 2 checks as drilled"


WAITING = """\
monitor: acme
chain: mainnet
contracts: {vault: "0x83F20F44975D03b1b09e64809B757c47f942BEeA"}
values: {size: vault.totalAssets() / 1e18}
checks:
  - {id: size, require: size >= 1000, severity: high, for: 3 runs, at_once: size < 500}
  - {id: supply, watch: vault.totalSupply(), levels: [{above: 100, severity: low}, {above: 200, severity: high}],
     for: 90m}
"""
WAITS = """\
well: {vault.totalAssets(): 5000e18, vault.totalSupply(): 100}
drills:
  - {check: size, fires: high, waits: 3 runs, when: {vault.totalAssets(): 500e18}}
  - {check: size, fires: high, waits: 1 run, when: {vault.totalAssets(): 499e18}}
  - {check: supply, fires: low, waits: 90m, when: {vault.totalSupply(): 101}, worse: {vault.totalSupply(): 201}}
"""


def test_waiting_is_drilled(host: ChecksHost) -> None:
    code, lines, _ = drilled(host, WAITS, WAITING)
    assert code == 0, lines
    assert lines[0] == "  ok    size    fires high, waits, fires at once, no data without its inputs"


@pytest.mark.parametrize(("right", "wrong", "said"), [
    ("for: 3 runs", "for: 2 runs", "line 3: size/1 must be pending, it fires 1:00:00 after the breach began"),
    ("for: 3 runs", "for: 4 runs", "line 3: size/1 must fire, it is pending, 2:00:00 after the breach began"),
    ("for: 90m", "for: 89m", "line 5: supply/1 must be pending, it fires 1:29:00 after the breach began"),
    ("for: 90m", "for: 91m", "line 5: supply/1 must fire, it is pending, 1:30:00 after the breach began"),
    ("size < 500", "size < 499", "line 4: size/1 must fire, it is pending, 0:00:00 after the breach began"),
    ("size < 500", "size <= 500", "line 3: size/1 must be pending, it fires 0:00:00 after the breach began"),
])  # fmt: skip
def test_a_check_that_waits_too_short_or_too_long_fails_its_drill(
    host: ChecksHost, right: str, wrong: str, said: str
) -> None:
    code, lines, _ = drilled(host, WAITS, WAITING.replace(right, wrong, 1))
    assert code == 1
    assert any(line.strip().startswith(said) for line in lines), lines


def test_at_once_without_for_is_a_mistake_at_its_place(host: ChecksHost) -> None:
    code, _, stderr = drilled(host, WAITS, WAITING.replace(", for: 3 runs", ""))
    assert code == 2
    assert "checks.size.at_once: at_once needs for: without it nothing waits" in stderr


def test_where_at_once_has_no_data_the_check_waits(host: ChecksHost) -> None:
    file = WAITING.replace("size < 500", "vault.decimals() == 0")
    code, lines, _ = drilled(host, WAITS, file)
    assert code == 1
    assert [line.strip() for line in lines if "must fire," in line] == [
        "line 4: size/1 must fire, it is pending, 0:00:00 after the breach began: it is 499 (limit ≥ 1,000)"
    ], lines


MISTAKES = [
    ("check: size", "check: siez", "drill.yaml:3:13 drills[0].check: no check is called siez, did you mean size?"),
    ("fires: high", "fires: hgh", "drill.yaml:3:26 drills[0].fires: 'hgh' is none of low, medium, high, critical"),
    ("quiet: {", "quite: {", "drill.yaml:3:69 drills[0].quite: quite is not known here, did you mean quiet?"),
    ("{vault.totalAssets(): 9", "{vault.totalAsets(): 9", "drill.yaml:3:45 drills[0].when.vault.totalAsets():"),
    ("{vault.totalAssets(): 9", "{1 + 1: 9", "drill.yaml:3:39 drills[0].when.1 + 1: this reads nothing"),
    ("drills:", "drill:", "drill.yaml:2:1 drill: drill is not known here, did you mean drills?"),
    ("well:", "sources: {a: 1}\nwell:", "drill.yaml:1:10 sources: a drill has whole answers: write them with"),
    ("well:", "\twell:", "drill.yaml:1:1 yaml: a tab cannot indent: use spaces"),
    (": 999e18}", ": unknown}", "drill.yaml:3:60 drills[0].when.vault.totalAssets(): it answers (uint256): unknown"),
    (": 999e18}", ": [1, 2]}", "drill.yaml:3:60 drills[0].when.vault.totalAssets(): it answers (uint256): [1, 2]"),
]  # fmt: skip


@pytest.mark.parametrize(("right", "wrong", "said"), MISTAKES, ids=[wrong for _, wrong, _ in MISTAKES])
def test_a_mistake_in_a_drill_is_named_at_its_place(host: ChecksHost, right: str, wrong: str, said: str) -> None:
    code, _, stderr = drilled(host, DRILL.replace(right, wrong, 1))
    assert code == 2
    assert any(line.startswith(said) for line in stderr.splitlines()), stderr


ROWS = """\
monitor: acme
chain: mainnet
contracts: {feed: "0x8fFfFfd4AfB6115b954Bd326cbe7B4BA576818f6"}
functions: ["assets()(address[])"]
sources:
  reserve: {url: https://api.example.org/supply, number: "rows[0].size"}
for_each:
  t:
    - {name: cUSD, token: "0xcCcc62962d17b8914c62D74FfB843d73B2a3cccC"}
    - {name: iUSD, token: "0x48f9e38f3070AD8945DFEae3FA70987722E3D89c"}
  asset: {of: feed.assets()}
checks:
  - {id: reserve, require: reserve >= 5, severity: high}
  - {id: "size/{t.name}", require: erc20(t.token).totalSupply() >= 5, severity: high}
  - {id: "held/{asset}", require: erc20(asset).totalSupply() >= 5, severity: high}
  - {id: answer, require: "feed.latestRoundData()[1] > 0", severity: high}
  - {id: "sent/{t.name}", event: "Transfer(address,address,uint256)", contracts: t.token, severity: low}
"""
INSTEAD = [
    ("reserve: 4", 'reserve is a source: change its recorded answer by a path, as in reserve: {"rows[0].size": 1}'),
    (
        "erc20(asset).totalSupply(): 4",
        "asset is a row of a list that is read: write its address or its number in place",
    ),
    ("t.token: 4", "an event is written as t.token.Transfer: [from, to, value]"),
    ("Transfer(zero): 4", "an event is written as t.token.Transfer: [from, to, value]"),
    (
        "feed.latestRoundData(): 4",
        "it answers a list of 5 values (uint80, int256, uint256, uint256, uint80): 4 does not",
    ),
]


@pytest.mark.parametrize(("change", "said"), INSTEAD, ids=[change for change, _ in INSTEAD])
def test_what_a_drill_cannot_change_so_is_answered_with_what_to_write(host: ChecksHost, change: str, said: str) -> None:
    code, _, stderr = drilled(host, f"drills:\n  - {{check: reserve, fires: high, when: {{{change}}}}}\n", ROWS)
    assert code == 2
    assert said in stderr
    assert "write answers/acme.reserve.json by hand, as docs/drill-yaml.md describes" in stderr


SIZES = """\
well: {erc20(t.token).totalSupply(): 9}
drills:
  - {check: size, fires: high, when: {erc20("0xcCcc62962d17b8914c62D74FfB843d73B2a3cccC").totalSupply(): 4}, only: cUSD}
"""


def _of_sizes() -> str:
    """Return the monitor of ROWS with its check of sizes alone."""
    others = ("reserve", "sources", "asset", "answer", "sent")
    return "".join(line for line in ROWS.splitlines(keepends=True) if not any(word in line for word in others))


def test_one_row_needs_no_list_and_a_name_that_no_row_has_is_answered_with_the_known_ones(host: ChecksHost) -> None:
    monitor = _of_sizes()
    assert drilled(host, SIZES, monitor)[0] == 0
    code, lines, _ = drilled(host, SIZES.replace("cUSD}", "USD}"), monitor)
    assert code == 1
    assert "          line 3: no row is called USD, known are cUSD, iUSD" in lines


def test_a_change_in_all_rows_wins_over_the_answer_of_one_when_all_is_well(host: ChecksHost) -> None:
    one = 'erc20("0xcCcc62962d17b8914c62D74FfB843d73B2a3cccC").totalSupply()'
    all_rows = "erc20(t.token).totalSupply()"
    drill = f"well: {{{all_rows}: 9, {one}: 8}}\ndrills: [{{check: size, fires: high, when: {{{all_rows}: 4}}}}]\n"
    assert drilled(host, drill, _of_sizes())[0] == 0


def test_a_monitor_without_a_drill_says_which_file_to_write(host: ChecksHost) -> None:
    done = host.do("test", host.file(MONITOR, "lending.yaml"))
    assert done.returncode == 2
    assert f"{host.folder}/lending.yaml has no drill: write {host.folder}/lending.drill.yaml" in done.stderr


def test_the_drills_of_a_script_run_without_pytest(host: ChecksHost) -> None:
    script = host.file("raise SystemExit('a drill does not run the script')\n", "main.py")
    host.file(SCRIPT_DRILL, "test_acme.py")
    done = host.do("test", script)
    assert (done.returncode, done.stdout.splitlines()[1:]) == (
        0,
        [
            "  ok    test_low_assets_fire            as drilled",
            "  ok    test_nothing_is_wrong_with_one  as drilled",
            "2 of 2 drills as drilled",
        ],
    )


def test_a_drill_of_a_script_that_fails_is_named_with_its_line(host: ChecksHost) -> None:
    script = host.file("", "main.py")
    host.file(SCRIPT_DRILL.replace('"fired"', '"worsened"').replace("with_one()", "with_one(capsys)"), "test_acme.py")
    done = host.do("test", script)
    assert done.returncode == 1
    assert "test_acme.py:14 AssertionError: assert run(main, " in done.stdout
    by_hand = f"PYTHONPATH={host.folder} python -m pytest {host.folder}/test_acme.py"
    assert (
        f"needs capsys, which only pytest has: take it out (`environ=` of `run` sets variables), or run {by_hand}"
        in (done.stdout)
    )


def test_a_drill_of_a_script_that_is_named_from_here_fails_at_its_line_too(
    host: ChecksHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.file("", "main.py")
    host.file(SCRIPT_DRILL.replace('"fired"', '"worsened"'), "test_acme.py")
    monkeypatch.chdir(host.folder)
    result, _ = rehearse_script(Path("main.py"))
    assert result.problems[0].startswith("test_acme.py:14 AssertionError: assert run(main, ")


def test_a_drill_file_that_cannot_be_loaded_is_named_with_its_line(host: ChecksHost) -> None:
    script = host.file("", "main.py")
    host.file("import os\nimport nosuchmodule\n", "test_acme.py")
    done = host.do("test", script)
    assert done.returncode == 2
    assert done.stderr.startswith(f"{host.folder}/test_acme.py:2 cannot be loaded: ModuleNotFoundError: ")


def test_the_command_line_of_the_product_runs_it_too(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "automation", "test", "protocols/cap/monitor.yaml"],
        cwd=CHECKOUT, env=child_environ({"CACHE_DIR": str(tmp_path)}), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("4 of 4 checks as drilled\n")
    assert list(tmp_path.iterdir()) == []
