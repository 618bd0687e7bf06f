"""`backtest` from the command line: mistakes, Ctrl-C, a kill, two versions, and a live store that nothing touches."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from automation.cli.main import main
from monitoring.base.settings import CHECKOUT
from monitoring.chains.abi.addresses import checksum
from monitoring.checks.expression.evaluate import ViewRead
from monitoring.store.db.schema import open_database
from tests.support.answers import put_answer, put_answers
from tests.support.fake_telegram import BOT_TOKEN, CHAT, TelegramStandIn
from tests.support.played_chain import PlayedChain, loaded, played_chain
from tests.support.relay import relay

pytestmark = pytest.mark.node
VAULT = checksum("0x" + "a1" * 20)
USED = ViewRead(1, VAULT, "used()(uint256)")
FILE = f"""\
monitor: acme
protocol: acme
chain: mainnet
contracts: {{vault: "{VAULT}"}}
functions: ["used()(uint256)"]
checks:
  - {{id: used, watch: vault.used() / 100, unit: "%", levels: [{{above: 80%, severity: high}}]}}
"""
LATE = 6  # of eight steps
SPAN = ("--since", "2026-11-01T00:30Z", "--until", "2026-11-01T08:00Z")


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlayedChain]:
    folder = tmp_path_factory.mktemp("played")
    with played_chain(folder / "live") as chain:
        put_answers(chain.node, {USED: 50})
        monitor = loaded(folder / "monitor.yaml", FILE)
        for value in (50, 85, 86, 60, 91, 60, 60, 60):
            chain.hour(lambda: chain.run(monitor), lambda node, value=value: put_answer(node, USED, value))
        yield chain


def environment(folder: Path, chain: Mapping[str, str], **more: str) -> dict[str, str]:
    fixed = {"PYTHONPATH": str(CHECKOUT), "CACHE_DIR": str(folder), "MONITORING_ENV_FILE": ""}
    return {**os.environ, **fixed, **chain, **more}


def backtest(folder: Path, chain: Mapping[str, str], *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "automation", "backtest", *arguments], env=environment(folder / "state", chain, **more),
        cwd=folder, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "monitor.yaml").write_text(FILE, encoding="utf-8")
    return tmp_path


def test_incidents_are_printed_with_when_how_long_and_how_bad(history: PlayedChain, folder: Path) -> None:
    done = backtest(folder, history.environ, "monitor.yaml", *SPAN, "--html", "out.html")

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[3:] == [
        "2 incidents (2 HIGH), 4 messages",
        "",
        "2026-11-01 02:00  2 h           HIGH      acme: used/1",
        "    used: 85% is above 80%",
        "    worst: 86% at 2026-11-01 03:00 (required: ≤ 80%)",
        "2026-11-01 05:00  1 h           HIGH      acme: used/1",
        "    used: 91% is above 80%",
        "    91% (required: ≤ 80%)",
        "",
        "incidents  messages  firing    of the time  check",
        "        2         4  3 h             42.9%  acme: used/1",
        "",
        "Every check fired.",
        f"The page is {folder / 'out.html'}.",
    ]
    assert re.fullmatch(
        r"8 steps: needs about 4 x 1 = 4 requests, [\d,]+ of the budget of 5,000 are left\n", done.stderr
    )
    assert (folder / "out.html").read_text(encoding="utf-8").count("<svg") == 1


def test_readings_that_are_not_there_are_no_checks_that_fired(folder: Path) -> None:
    done = backtest(folder, {"PROVIDER_PUBLIC": "off"}, "monitor.yaml", "--since", "70h", "--stored")

    assert "No check could be judged." in done.stdout
    assert "Left out, because it has no stored readings in this time: acme/used." in done.stdout
    assert done.stderr == "", "no answers are kept where none were asked for"


@pytest.mark.ci
def test_a_check_without_data_is_named_with_the_reason(history: PlayedChain, folder: Path) -> None:
    gone = "  - {id: gone, watch: vault.gone(), levels: [{above: 1, severity: low}]}\n"
    file = FILE.replace('["used()(uint256)"]', '["used()(uint256)", "gone()(uint256)"]') + gone
    (folder / "monitor.yaml").write_text(file, encoding="utf-8")

    done = backtest(folder, history.environ, "monitor.yaml", *SPAN, "--html", "out.html")

    assert "Without data (steps of 8):\n    acme: gone/1 (8): " in done.stdout
    data = json.loads(backtest(folder, history.environ, "monitor.yaml", *SPAN, "--json").stdout)
    (why,) = [dict(one["no_data"]) for one in data["runs"][0]["checks"] if one["check"] == "gone"]
    ((reason, steps),) = why.items()
    assert steps == 8
    assert f"    acme: gone/1 (8): {reason}" in done.stdout
    assert "reverted" in reason
    assert "Without data (steps of 8):" in (folder / "out.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["monitor.yaml", "--since", "30x"], "'30x' is not a time: write a duration such as 24h"),
        (["monitor.yaml", "--since", "1h", "--until", "2h"], "--since 1h is not before the end"),
        (["monitor.yaml", "--since", "30d", "--until", "2999-01-01T00:00Z"], "is in the future: leave it out"),
        (["monitor.yaml", "--since", "1d", "--every", "0"], "--every 0 is no time between two runs"),
        (["monitor.yaml", "--since", "9d", "--every", "1s"], "steps are too many"),
        (["monitor.yaml", "--since", "1h", "--every", "9999d"], "give an earlier --since, or a shorter --every"),
        (["monitor.yaml", "--since", "1d", "--requests", "0"], "--requests 0 allows none"),
        (["nothing.yaml", "--since", "1d"], "nothing.yaml is not there: correct the path"),
        (["jobs.yaml", "--since", "1d"], "jobs.yaml is no monitor file"),
        (["wrong.yaml", "--since", "1d"], "wrong.yaml:7:"),
        (["monitor.yaml", "--since", "1d", "--against", "HEAD"], "--against HEAD: "),
        (["monitor.yaml", "--since", "1d", "--html", "no/such/out.html"], "there is no folder no/such: make it first"),
        (["monitor.yaml", "--since", "1d", "--html", "."], "--html . is a folder: name a file in it"),
    ],
)
def test_a_mistake_is_named_with_what_to_do(
    arguments: list[str], words: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "jobs.yaml").write_text("profiles: {}\n", encoding="utf-8")
    (folder / "wrong.yaml").write_text(FILE.replace("levels", "level"), encoding="utf-8")

    for name, value in environment(folder / "state", {"PROVIDER_PUBLIC": "off"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(folder)

    assert main(["backtest", *arguments]) == 2
    shown = capfd.readouterr()
    assert shown.out == ""
    assert words in shown.err


def test_a_page_that_cannot_be_written_costs_nothing_of_what_is_printed(folder: Path) -> None:
    done = backtest(
        folder, {"PROVIDER_PUBLIC": "off"}, "monitor.yaml", "--since", "70h", "--stored", "--html", "/dev/full"
    )
    assert "No check could be judged." in done.stdout
    assert done.stderr == "--html /dev/full cannot be written: No space left on device\n"
    assert done.returncode == 2


def without_head(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Return what was printed but for where it was read from, and how long that took."""
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()[2:]


@pytest.mark.ci
def test_another_limit_is_judged_on_stored_readings_without_network_as_on_the_chain(
    history: PlayedChain, folder: Path
) -> None:
    (folder / "monitor.yaml").write_text(FILE.replace("80%", "90%"), encoding="utf-8")
    dead = {"PROVIDER_URL_MAINNET": "http://127.0.0.1:9", "PROVIDER_PUBLIC": "off", "CACHE_DIR": str(history.folder)}
    live = hashes(history.folder)

    stored = backtest(folder, {}, "monitor.yaml", *SPAN, **dead)
    chains = backtest(folder, history.environ, "monitor.yaml", *SPAN)

    assert stored.stdout.splitlines()[1].startswith("8 steps, from stored readings, ")
    assert chains.stdout.splitlines()[1].startswith("8 steps, from chains, ")
    assert without_head(stored) == without_head(chains)
    assert "2026-11-01 05:00  1 h           HIGH      acme: used/1" in stored.stdout
    assert hashes(history.folder) == live


@pytest.mark.ci
def test_what_reads_something_else_is_asked_of_the_chain_or_left_out(history: PlayedChain, folder: Path) -> None:
    (folder / "monitor.yaml").write_text(FILE.replace("/ 100", "/ 50"), encoding="utf-8")
    state = {"CACHE_DIR": str(folder / "copy")}
    (folder / "copy").mkdir()
    (folder / "copy" / "monitoring.db").write_bytes((history.folder / "monitoring.db").read_bytes())

    asked = backtest(folder, history.environ, "monitor.yaml", *SPAN, **state)
    forced = backtest(folder, history.environ, "monitor.yaml", *SPAN, "--stored", **state)

    assert ", from chains, " in asked.stdout
    assert "8 steps, from stored readings, " in forced.stdout
    assert "Left out, because it reads something else than its stored readings: acme/used." in forced.stdout


@pytest.mark.ci
def test_the_committed_file_is_played_next_to_the_present_one(history: PlayedChain, folder: Path) -> None:
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-C", str(folder)]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "monitor.yaml"], check=True)
    subprocess.run([*git, "commit", "-qm", "as it was"], check=True)
    (folder / "monitor.yaml").write_text(FILE.replace("80%", "90%"), encoding="utf-8")

    done = backtest(folder, history.environ, "monitor.yaml", *SPAN, "--against", "HEAD")

    assert done.returncode == 0, done.stderr
    assert "0 new, 1 gone, 0 changed, 1 same" in done.stdout
    assert "gone     2026-11-01 02:00  2 h           HIGH      acme: used/1" in done.stdout
    assert re.search(r"now +HEAD \([0-9a-f]{8}\)", done.stdout)


@pytest.mark.ci
def test_nothing_of_the_live_store_changes_and_nothing_is_sent(history: PlayedChain, folder: Path) -> None:
    state = folder / "state"
    state.mkdir()
    with closing(open_database(state / "monitoring.db")):
        pass
    before = hashes(state)
    with TelegramStandIn() as telegram:
        chat = {
            "TELEGRAM_BOT_TOKEN_DEFAULT": BOT_TOKEN,
            "TELEGRAM_CHAT_ID_DEFAULT": CHAT,
            "TELEGRAM_API_URL": telegram.url,
        }
        done = backtest(folder, history.environ, "monitor.yaml", *SPAN, **chat)
        assert telegram.messages == []

    assert done.returncode == 0, done.stderr
    assert "4 messages" in done.stdout
    assert {name: mark for name, mark in hashes(state).items() if not name.startswith("backtest/")} == before


def hashes(folder: Path) -> dict[str, str]:
    # The index of SQLite's log is written by readers too, and holds nothing.
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".db-shm"]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def interrupted(
    history: PlayedChain, folder: Path, which: signal.Signals, number: int
) -> subprocess.CompletedProcess[str]:
    """Send a signal to the process group when it reads the n-th step, as a terminal does."""
    seen = [0]
    child: list[subprocess.Popen[str]] = []

    def alter(method: str, params: list[Any]) -> list[Any]:
        seen[0] += method == "eth_call"
        if method == "eth_call" and seen[0] == number:
            os.killpg(child[0].pid, which)
        return params

    with relay(history.node, alter=alter) as provider:
        environ = environment(folder / "state", {**history.environ, "PROVIDER_URL_MAINNET": provider.url})
        child.append(
            subprocess.Popen(
                [sys.executable, "-m", "automation", "backtest", "monitor.yaml", *SPAN], env=environ, cwd=folder,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
            )
        )  # fmt: skip
        stdout, stderr = child[0].communicate(timeout=60)
    return subprocess.CompletedProcess([], child[0].returncode, stdout, stderr)


def counted_backtest(history: PlayedChain, folder: Path) -> tuple[str, int]:
    with relay(history.node) as provider:
        done = backtest(folder, {**history.environ, "PROVIDER_URL_MAINNET": provider.url}, "monitor.yaml", *SPAN)
        assert done.returncode == 0, done.stderr
        return done.stdout, provider.requests


@pytest.mark.ci
def test_ctrl_c_prints_what_is_known_and_keeps_what_was_answered(history: PlayedChain, folder: Path) -> None:
    done = interrupted(history, folder, signal.SIGINT, LATE)
    rest, asked = counted_backtest(history, folder)

    assert done.returncode == 130, done.stderr
    assert "INCOMPLETE: " in done.stdout
    assert "the same command continues there" in done.stdout
    assert "2026-11-01 02:00  2 h " in done.stdout
    assert "2 incidents" in rest
    assert 3 < asked < 12


@pytest.mark.ci
def test_after_a_kill_it_continues_without_asking_again(history: PlayedChain, folder: Path) -> None:
    killed = interrupted(history, folder, signal.SIGKILL, LATE)
    rest, asked = counted_backtest(history, folder)
    _, nothing = counted_backtest(history, folder)

    assert killed.returncode == -signal.SIGKILL
    assert "2 incidents" in rest
    assert asked < 20
    assert nothing == 3
