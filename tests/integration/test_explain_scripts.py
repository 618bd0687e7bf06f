"""`explain` of a Python monitor shows values, limits, states and messages of now, and leaves no trace."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.support.checks_host import ChecksHost
from tests.support.rpc_server import Provider, serving

VAULT = "0x83F20F44975D03b1b09e64809B757c47f942BEeA"
SCRIPT = f"""\
from utils.monitor import HIGH, LOW, call, monitor


@monitor("acme")
def main(m):
    read = m.chain("mainnet").read(assets=call("{VAULT}", "totalAssets()(uint256)"))
    m.limit("assets", read.assets, below=100, severity=HIGH, unit="ETH")
    runs = m.recall("runs", default=0)
    m.remember("runs", runs + 1)
    m.alert(LOW, f"run {{runs}}", key="runs")
    m.alert(HIGH, "an event")


if __name__ == "__main__":
    main()
"""


def rows(host: ChecksHost) -> list[object]:
    return [host.rows(f"SELECT * FROM {table}") for table in ("alert_events", "conditions", "monitor_state")]


def test_it_shows_what_the_next_run_would_do_and_stores_nothing(tmp_path: Path) -> None:
    provider = Provider(head_time=time.time, views={(VAULT, "totalAssets()(uint256)"): 90})
    with serving(provider):
        host = ChecksHost(tmp_path, {"PROVIDER_URL_MAINNET": provider.url})
        script = host.file(SCRIPT, "main.py")
        first = host.do("explain", script)
        assert not (tmp_path / "monitoring.db").exists()
        run = host.python(script)
        before = rows(host)
        second = host.do("explain", script)

    assert (first.returncode, run.returncode, second.returncode) == (0, 0, 0), first.stderr + run.stderr
    lines = first.stdout.splitlines()
    assert [line.split() for line in lines if not line.startswith("    ")] == [
        ["acme/assets", "90", "ETH", "≥", "100", "ETH", "firing", "breached,", "fired"],
        ["acme/runs", "m.alert", "fired"],
        ["acme/(no", "key)", "m.alert", "fired"],
    ]
    assert lines[1] == "    HIGH to acme:"
    assert "assets: 90 ETH is below 100 ETH" in lines[2]
    assert "run 0" in first.stdout
    assert [line.split() for line in second.stdout.splitlines() if not line.startswith("    ")] == [
        ["acme/assets", "90", "ETH", "≥", "100", "ETH", "firing", "still", "bad"],
        ["acme/runs", "m.alert", "repeated"],
        ["acme/(no", "key)", "m.alert", "fired"],
    ]
    assert rows(host) == before
    assert sorted(path.name for path in tmp_path.glob("*.log")) == []


def test_programs_get_the_same_as_json(tmp_path: Path) -> None:
    host = ChecksHost(tmp_path)
    script = host.file(
        SCRIPT.replace(f'm.chain("mainnet").read(assets=call("{VAULT}", "totalAssets()(uint256)"))', "m")
    )
    script.write_text(script.read_text().replace("read.assets", "90"))
    script = script.rename(tmp_path / "main.py")
    done = host.do("explain", "--json", script)

    found = json.loads(done.stdout)
    assert [(one["check"], one.get("state"), len(one["would_say"])) for one in found] == [
        ("assets", "firing", 1), ("runs", None, 1), ("", None, 1),
    ]  # fmt: skip
    assert (found[0]["value"], found[0]["bound"], found[0]["would_say"][0]["severity"]) == (
        "90 ETH",
        "≥ 100 ETH",
        "HIGH",
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def main(m):\n    pass\n", 'main.py: no function is a monitor: write @monitor("name") above def main(m)'),
        ("import os\nx = = 1\n", "main.py:2 SyntaxError: invalid syntax"),
        ("\nfrom utils.monitor import nosuchname\n", "main.py:2 ImportError: cannot import name 'nosuchname'"),
        (
            SCRIPT.replace('if __name__ == "__main__":\n    main()', "import sys\nsys.exit(0)"),
            "main.py ends when it is loaded",
        ),
    ],
    ids=["no monitor", "syntax", "import", "exit"],
)
def test_a_script_that_cannot_be_explained_is_a_mistake_at_its_place(text: str, said: str, tmp_path: Path) -> None:
    host = ChecksHost(tmp_path)
    done = host.do("explain", host.file(text, "main.py"))

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.replace(f"{tmp_path}/", "").startswith(said)


def test_a_crash_is_shown_and_exits_1(tmp_path: Path) -> None:
    host = ChecksHost(tmp_path)
    done = host.do("explain", host.file(SCRIPT.replace("read = ", "raise KeyError('x')\n    read = "), "main.py"))

    assert done.returncode == 1
    assert "KeyError: 'x'" in done.stderr
    assert "script crashed: KeyError" in done.stdout
    assert not (tmp_path / "monitoring.db").exists()
