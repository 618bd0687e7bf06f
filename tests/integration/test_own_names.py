"""`protocol`, `channel`, `severity` and `text` of a row, a check or a call: who is named, where it goes."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitoring.base.errors import ConfigError
from monitoring.checks.builtin import TYPES
from monitoring.checks.config.load import load_monitor
from tests.support import release_before
from tests.support.checks_host import ChecksHost
from tests.support.rpc_server import Provider, serving
from tests.support.web import serving as web_of
from utils.monitor import CRITICAL, HIGH, Context, monitor
from utils.testing import Run, SimChain, SimClock, run

VAULT = "0x83F20F44975D03b1b09e64809B757c47f942BEeA"
HELD = (VAULT, "totalSupply()(uint256)")
FILE = f"""\
monitor: coins
{{around}}
chain: mainnet
contracts: {{{{vault: "{VAULT}"}}}}
for_each:
  c:
    - {{{{name: A, least: 10}}}}
    - {{{{name: B, least: 10{{row}}}}}}
checks:
  - {{{{id: "low/{{{{c.name}}}}", require: vault.totalSupply() >= c.least, severity: high{{check}}}}}}
  - {{{{id: all, require: vault.totalSupply() >= 10, severity: medium}}}}
"""


def written(tmp_path: Path, around: str = "", row: str = "", check: str = "") -> Path:
    path = tmp_path / "monitor.yaml"
    path.write_text(FILE.format(around=around, row=row, check=check).replace("{{", "{").replace("}}", "}"))
    return path


def routes(path: Path) -> list[tuple[str, str]]:
    return [(part.route.protocol, part.route.goes_to) for part in load_monitor(path, TYPES).parts()]


@pytest.mark.parametrize(
    ("around", "row", "check", "of_all", "of_a", "of_b"),
    [
        ("", "", "", ("coins", "coins"), ("coins", "coins"), ("coins", "coins")),
        ("", ", protocol: circle", "", ("coins", "coins"), ("coins", "coins"), ("circle", "circle")),
        ("channel: pegs", ", protocol: circle", "", ("pegs", "pegs"), ("pegs", "pegs"), ("circle", "pegs")),
        ("channel: coins", ", protocol: circle", "", ("coins", "coins"), ("coins", "coins"), ("circle", "coins")),
        ("protocol: cap", "", "", ("cap", "cap"), ("cap", "cap"), ("cap", "cap")),
        (
            "protocol: cap\nchannel: pegs", ", protocol: maker, channel: sky", ", protocol: tether",
            ("cap", "pegs"), ("tether", "pegs"), ("maker", "sky"),
        ),
    ],
)  # fmt: skip
def test_the_nearest_name_counts(
    tmp_path: Path, around: str, row: str, check: str, of_all: object, of_a: object, of_b: object
) -> None:
    assert routes(written(tmp_path, around, row, check)) == [of_all, of_a, of_b]


def test_a_row_has_its_own_severity_and_text_and_its_first_line_names_its_protocol(tmp_path: Path) -> None:
    path = written(tmp_path, row=', protocol: circle, severity: critical, text: "{c.name} holds too little"')
    found = run(path, store=tmp_path / "store", chain=SimChain({HELD: 1}))

    assert [(one.check, one.severity, one.title) for one in found] == [
        ("all/1", "MEDIUM", "all: 1 is below 10"),
        ("low/1/A", "HIGH", "low/A: vault.totalSupply() 1, c.least 10: short by 9 (90%)"),
        ("low/1/B", "CRITICAL", "B holds too little"),
    ]
    assert [one.text.split("\n")[0].split(": ")[0] for one in found] == [
        "⚠️ MEDIUM coins", "🚨 HIGH coins", "🔴 CRITICAL circle",
    ]  # fmt: skip


def test_a_check_whose_text_fills_in_that_of_its_row_keeps_its_own(tmp_path: Path) -> None:
    path = written(tmp_path, row=", text: of B", check=', text: "{c.name} is low"')
    text = path.read_text().replace("name: A,", "name: A, text: of A,").replace("{c.name} is low", "low: {c.text}")
    path.write_text(text)
    found = run(path, store=tmp_path / "store", chain=SimChain({HELD: 1}))

    assert [one.title for one in found if one.severity == "HIGH"] == ["low: of A", "low: of B"]


@pytest.mark.parametrize(
    ("row", "mistake"),
    [
        (", protocol: Origin Dollar", "'Origin Dollar' is not a name"),
        (", severity: hgih", "hgih"),
        (', text: "{valeu} left"', "{valeu} cannot be filled in"),
        (", machine: maybe", "maybe"),
    ],
)
def test_a_row_with_a_wrong_name_is_refused_at_its_place(tmp_path: Path, row: str, mistake: str) -> None:
    path = written(tmp_path, row=row)
    with pytest.raises(ConfigError) as caught:
        load_monitor(path, TYPES)
    assert f"{path}:8:" in str(caught.value)
    assert mistake in str(caught.value)


def named(store: Path) -> list[tuple[str, str, str]]:
    host = ChecksHost(store)
    return [
        (str(row[0]), str(row[1]), str(row[2]))
        for row in host.rows("SELECT dedupe_key, protocol, channel FROM alert_events ORDER BY id")
    ]


def test_calls_of_a_function_name_whose_alerts_they_are(tmp_path: Path) -> None:
    @monitor("coins", channel="pegs")
    def main(m: Context) -> None:
        m.limit("low", 1, below=5, severity=HIGH, protocol="circle", channel="sky")
        m.flag("off", True, severity=CRITICAL, protocol="maker")
        m.alert(HIGH, "raised", key="raised", protocol="tether")

    assert run(main, store=tmp_path).code == 0
    assert sorted(named(tmp_path)) == [
        ("low", "circle", "sky"), ("off", "maker", "pegs"), ("raised", "tether", "pegs")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("m.limit('low', 1, below=5, severity='HIGH', protocol=5)", "protocol=5): write a name"),
        ("m.flag('low', True, severity='HIGH', machine='yes')", "machine='yes'): write True or False"),
        ("m.alert('HIGH', 'x', machine=1)", "machine=1): write True or False"),
    ],
)
def test_a_call_with_a_wrong_name_is_a_mistake_with_its_line(
    tmp_path: Path, call: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    @monitor("coins")
    def main(m: Context) -> None:
        eval(call, {"m": m})  # the line under test

    assert run(main, store=tmp_path).code == 1
    assert words in capsys.readouterr().err


def silenced_by(tmp_path: Path, name: str) -> list[str]:
    store = tmp_path / name
    host = ChecksHost(store)
    path = written(tmp_path, "channel: pegs", ", protocol: circle")
    chain = SimChain({HELD: 20})
    run(path, store=store, chain=chain)
    silence = ["automation", "silence", "--protocol", name, "--for", "1h", "--reason", "r", "--force"]
    done = subprocess.run(
        [*host.command("x")[:2], *silence],
        env=host.env(), cwd=release_before.ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    chain.calls[HELD] = 1
    run(path, store=store, chain=chain)
    found = host.rows("SELECT dedupe_key FROM alert_events WHERE delivery_status = 'silenced' ORDER BY 1")
    return [str(row[0]) for row in found]


def test_a_silence_covers_a_protocol_and_as_before_a_channel_and_a_monitor(tmp_path: Path) -> None:
    everything = ["all/1", "low/1/A", "low/1/B"]
    assert silenced_by(tmp_path, "circle") == ["low/1/B"]
    assert silenced_by(tmp_path, "pegs") == everything
    assert silenced_by(tmp_path, "coins") == everything
    assert silenced_by(tmp_path, "maker") == []


@pytest.fixture
def provider() -> Iterator[Provider]:
    one = Provider(head_time=time.time, views={(VAULT, HELD[1]): 1})
    with serving(one):
        yield one


@pytest.mark.ci
def test_the_state_of_a_release_before_is_kept_when_rows_get_names(tmp_path: Path, provider: Provider) -> None:
    old, store = tmp_path / "old", tmp_path / "store"
    release_before.extract(release_before.NEWEST, old)
    store.mkdir()
    host = ChecksHost(store, {"PROVIDER_URL_MAINNET": provider.url})
    path = written(tmp_path, "channel: pegs")
    subprocess.run(host.command("run", path), env=host.env(PYTHONPATH=str(old)), cwd=old, check=True, timeout=120)
    keys = "SELECT monitor, check_name, chain, subject, state, since, times FROM conditions ORDER BY 1, 2, 3, 4"
    before, said = host.rows(keys), host.told

    written(tmp_path, "channel: pegs", ", protocol: circle, channel: sky")
    host.run(path)
    assert [row[:-1] for row in host.rows(keys)] == [row[:-1] for row in before]
    assert host.told == said
    assert host.rows("SELECT protocol, channel FROM conditions WHERE subject = 'B'") == [("circle", "sky")]

    provider.views[VAULT, HELD[1]] = 50
    host.run(path)
    assert len(host.told) == 2 * len(said)
    with web_of(store) as web:
        sent = web.ask("/incident?monitor=coins&check=low&chain=1&subject=B").text
    assert sent.count("low/B") >= len(["fired under its old name", "recovered under its new one"])


def test_describe_names_protocol_and_channel_of_each_check(tmp_path: Path) -> None:
    path = written(tmp_path, "channel: pegs", ", protocol: circle, machine: true")
    (found,) = json.loads(ChecksHost(tmp_path).do("describe", path).stdout)
    assert [(one["subject"], one["protocol"], one["channel"], one["machine"]) for one in found["checks"]] == [
        ("", "pegs", "pegs", False), ("A", "pegs", "pegs", False), ("B", "circle", "pegs", True),
    ]  # fmt: skip


def test_the_helpers_of_a_run_report_nothing_new(tmp_path: Path) -> None:
    clock, chain, path = SimClock(), SimChain({HELD: 1}), written(tmp_path)
    first: Run = run(path, store=tmp_path / "store", chain=chain, clock=clock)
    clock.move("1h")
    written(tmp_path, row=", protocol: circle")
    assert len(first) == 3
    assert run(path, store=tmp_path / "store", chain=chain, clock=clock) == []
