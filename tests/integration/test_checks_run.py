"""`python -m monitoring.checks run`: what is read, judged, stored, said, and how it exits."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitoring.base.process_identity import current_boot
from monitoring.ledger.findings import ProblemKind as Finding
from monitoring.ledger.findings import find
from monitoring.ledger.outcomes import gather
from monitoring.store.db.schema import open_database
from tests.support.checks_host import CHECKOUT, ChecksHost
from tests.support.fake_telegram import BOT_TOKEN, CHAT, TelegramStandIn
from tests.support.rpc_server import KEY, Failure, Provider, serving

A, B = "0x" + "11" * 20, "0x" + "22" * 20
VAULT = f"""
monitor: vault
chain: 1
contracts: {{a: "{A}", b: "{B}"}}
checks:
  - {{id: floor, require: a.totalSupply() >= 100, severity: high, unit: usd}}
  - {{id: cap, watch: b.totalSupply(), levels: [{{above: 50, severity: medium}}, {{above: 90, severity: critical}}]}}
  - {{id: both, changed: a.totalSupply() + b.totalSupply(), severity: low}}
"""
SUPPLY = "totalSupply()(uint256)"


@pytest.fixture
def provider() -> Iterator[Provider]:
    one = Provider(head_time=time.time, views={(A, SUPPLY): 150, (B, SUPPLY): 10})
    with serving(one):
        yield one


@pytest.fixture
def host(tmp_path: Path, provider: Provider) -> ChecksHost:
    return ChecksHost(tmp_path, {"PROVIDER_URL_MAINNET": provider.url})


def test_a_run_says_one_line_a_check_and_stores_each_condition(host: ChecksHost, provider: Provider) -> None:
    lines = host.run(host.file(VAULT))
    assert [line.split()[0] for line in lines] == ["vault/floor/1", "vault/cap/1", "vault/both/1"]
    assert [line.rsplit(" ok ")[1] for line in lines] == ["good", "good", "first sight"]
    assert host.rows("SELECT check_name, chain, state, judged_at IS NOT NULL, declared FROM conditions ORDER BY 1") == [
        ("both", "1", "ok", 1, 1), ("cap", "1", "ok", 1, 1), ("floor", "1", "ok", 1, 1),
    ]  # fmt: skip
    assert host.rows("SELECT value FROM chain_memory WHERE kind = 'judged'") == [(str(provider.head),)]
    assert host.told == []


def test_a_condition_fires_worsens_and_recovers_once_each(host: ChecksHost, provider: Provider) -> None:
    file, seen = host.file(VAULT), [0]
    host.run(file)
    provider.views[B, SUPPLY] = 60
    host.run(file)
    host.run(file)
    assert [line.split()[0:2] for line in host.new(seen)] == [["MEDIUM", "alert"], ["LOW", "alert"]]
    provider.views[B, SUPPLY] = 95
    host.run(file)
    assert [line.split()[0:2] for line in host.new(seen)] == [["CRITICAL", "worsened"], ["LOW", "alert"]]
    assert host.rows("SELECT state, severity, worst, times, alert_id FROM conditions WHERE check_name = 'cap'") == [
        ("firing", "CRITICAL", "CRITICAL", 3, 3)
    ]
    provider.views[B, SUPPLY] = 10
    host.run(file)
    assert [line.split()[0:2] for line in host.new(seen)] == [["LOW", "recovery"], ["LOW", "alert"]]
    ((message, metadata),) = host.rows("SELECT message, metadata_json FROM alert_events WHERE kind = 'recovery'")
    assert "Was CRITICAL for " in message
    assert "Ethereum block 1,000" in message
    assert "127.0.0.1" not in message
    assert json.loads(metadata)["block"] == 1000
    assert json.loads(metadata)["providers"] == ["127.0.0.1"]


def test_a_file_with_a_mistake_stops_only_itself(host: ChecksHost) -> None:
    broken = host.file(VAULT.replace("a.totalSupply() >= 100", "a.totalSuply() >= 100"), "broken.yaml")
    done = host.do("run", broken, host.file(VAULT), host.file(VAULT, "again.yaml"))
    assert done.returncode == 2
    assert len(done.stdout.splitlines()) == 3
    mistakes = done.stderr.splitlines()
    assert mistakes[0].startswith(f"{broken}:6:28 checks.floor.require: totalSuply is no known view")
    assert mistakes[1].endswith("is called vault too, and state is kept by the name")


def test_a_source_that_stays_silent_is_told_once_with_all_it_blinds_and_once_when_it_is_back(
    host: ChecksHost, provider: Provider
) -> None:
    file, seen = host.file(VAULT), [0]
    host.run(file)
    provider.status = 503
    rows = [line for line in host.run_without_data(file) if line.startswith("vault/")]
    assert len(rows) == 3
    assert all(row.endswith(" no data unknown") for row in rows), rows
    assert host.told == []
    assert host.rows("SELECT count(*), min(blind_by) FROM conditions WHERE blind_since IS NOT NULL") == [(3, "mainnet")]
    for _ in range(3):
        host.run_without_data(file)
    (told,) = host.new(seen)
    assert told.startswith("HIGH alert Ethereum cannot be read, 3 checks have no data (vault 3) since ")
    ((message, source),) = host.rows("SELECT message, source FROM alert_events")
    assert source == "ops_error"
    assert "vault: cap/1" in message
    assert KEY not in message
    provider.status = 200
    host.run(file)
    assert host.new(seen) == ["LOW recovery Ethereum can be read again, no check is without data because of it"]
    assert host.rows("SELECT source, checks FROM blind_spells") == [("mainnet", 3)]
    assert host.rows("SELECT count(*) FROM conditions WHERE blind_since IS NOT NULL") == [(0,)]


def test_a_call_that_reverts_blinds_its_own_check_and_blames_the_contract(host: ChecksHost, provider: Provider) -> None:
    provider.views[B, SUPPLY] = Failure(3, "execution reverted")
    for _ in range(4):
        host.run_without_data(host.file(VAULT))
    (told,) = host.told
    assert told.startswith(
        "HIGH alert Ethereum: totalSupply() of 0x2222…2222 cannot be read, 2 of 3 checks have no data"
    )
    assert host.rows("SELECT state FROM conditions WHERE check_name = 'floor'") == [("ok",)]


def test_a_provider_that_fails_beside_a_good_one_is_told_after_three_runs_and_once(tmp_path: Path) -> None:
    good = Provider(head_time=time.time, views={(A, SUPPLY): 150, (B, SUPPLY): 10})
    bad = Provider(chain_id=5, head_time=time.time)
    with serving(good, bad):
        urls = {
            "PROVIDER_URL_MAINNET": good.url.replace("127.0.0.1", "localhost"),
            "PROVIDER_URL_MAINNET_1": bad.url,
        }
        host = ChecksHost(tmp_path, urls)
        file, seen = host.file(VAULT), [0]
        for _ in range(2):
            host.run(file)
        assert host.told == []
        for _ in range(3):
            host.run(file)
        assert host.new(seen) == ["LOW alert Ethereum: provider 127.0.0.1 failed in 3 consecutive runs"]
        bad.chain_id = 1
        bad.views = good.views
        host.run(file)
        assert host.new(seen) == ["LOW recovery Ethereum: provider 127.0.0.1 answers again"]


def test_a_block_behind_the_last_judged_one_is_not_judged(host: ChecksHost, provider: Provider) -> None:
    file = host.file(VAULT)
    host.run(file)
    provider.head = 980
    provider.views[A, SUPPLY] = 1
    lines = host.run_without_data(file)
    assert sum("behind block 1000, judged before" in line for line in lines) == 3
    assert host.told == []
    provider.head = 1001
    assert "breached, fired" in host.run(file)[0]


def test_a_condition_whose_check_was_taken_out_ends_with_a_quiet_note(host: ChecksHost, provider: Provider) -> None:
    provider.views[A, SUPPLY] = 1
    file, seen = host.file(VAULT), [0]
    host.run(file)
    host.new(seen)
    host.file("\n".join(line for line in VAULT.splitlines() if "id: floor" not in line))
    host.run(file)
    (ended,) = host.new(seen)
    assert ended.startswith("LOW recovery No longer watched: floor")
    assert host.rows("SELECT state, declared FROM conditions WHERE check_name = 'floor'") == [("ok", 0)]
    host.run(file)
    assert host.new(seen) == []


def test_what_was_recorded_under_debug_is_told_when_debug_is_over(host: ChecksHost, provider: Provider) -> None:
    provider.views[A, SUPPLY] = 1
    file = host.file(VAULT)
    for _ in range(2):
        host.run(file, LOG_LEVEL="DEBUG")
    assert host.rows("SELECT delivery_status FROM alert_events") == [("skipped_debug",)]
    host.run(file)
    host.run(file)
    assert host.rows("SELECT delivery_status, severity FROM alert_events ORDER BY id") == [
        ("skipped_debug", "HIGH"), ("pending", "HIGH"),
    ]  # fmt: skip


def test_a_store_that_cannot_be_written_stops_no_check(host: ChecksHost, provider: Provider) -> None:
    provider.views[A, SUPPLY] = 1
    blocked = host.folder / "blocked"
    blocked.write_text("")
    done = host.do("run", host.file(VAULT), CACHE_DIR=str(blocked))
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 3
    assert "ALERT NOT STORED: HIGH vault: " in done.stderr


def test_nothing_said_or_stored_holds_a_providers_key(host: ChecksHost, provider: Provider) -> None:
    for status, body in ((401, b"bad key " + KEY.encode()), (200, KEY.encode()), (429, b"")):
        provider.status, provider.body = status, body
        done = host.do("run", host.file(VAULT))
        assert done.returncode == 1
        assert KEY not in done.stdout + done.stderr
    for table in ("conditions", "alert_events", "chain_memory", "deliveries"):
        assert KEY not in str(host.rows(f"SELECT * FROM {table}"))


def test_silence_is_not_proved_while_a_check_is_blind_nor_for_the_time_it_was(
    host: ChecksHost, provider: Provider
) -> None:
    file = host.file(VAULT)
    host.run(file)
    provider.status = 503
    host.run_without_data(file)
    (blind,) = _blindness(host)
    assert re.fullmatch(
        r"3 checks have had no data since [-0-9]+ [0-9:]+: mainnet could not be read \(mainnet: .*HTTP 503.*\)", blind
    )
    assert "no data     3" in _status(host)
    assert "vault: cap/1 since" in _status(host)
    provider.status = 200
    host.run(file)
    assert "blind" not in _status(host)
    (over,) = _blindness(host)
    assert re.fullmatch(
        r"3 checks had no data from [-0-9]+ [0-9:]+ to [-0-9]+ [0-9:]+: mainnet could not be read", over
    )


def _blindness(host: ChecksHost) -> list[str]:
    now = datetime.now(UTC)
    with closing(open_database(host.folder / "monitoring.db")) as database:
        facts = gather(database, since=now - timedelta(hours=1), until=now, now=now, boot=current_boot())
    return [found.text for found in find(facts, None) if found.kind is Finding.CHECKS_BLIND and found.breaks_silence]


def _status(host: ChecksHost) -> str:
    command = [sys.executable, "-m", "automation", "status"]
    return subprocess.run(command, env=host.env(), cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout


def test_explain_shows_what_would_be_said_and_touches_nothing(host: ChecksHost, provider: Provider) -> None:
    provider.views[A, SUPPLY] = 99
    file = host.file(VAULT)
    shown = host.do("explain", file, "--check", "floor")
    assert shown.returncode == 0
    line, to, title = [" ".join(line.split()) for line in shown.stdout.splitlines()[:3]]
    assert line == "vault/floor/1 $99 ≥ $100 firing breached, fired"
    assert to == "HIGH to vault:"
    assert title == "| 🚨 HIGH vault: floor: $99 is below $100"
    assert shown.stdout.splitlines()[-1] == "    reminder every 1 d, next in 1 d"
    (found,) = json.loads(host.do("explain", file, "--check", "vault/floor", "--json").stdout)
    assert (found["value"], found["bound"], found["would_say"]["severity"]) == ("$99", "≥ $100", "HIGH")
    assert not (host.folder / "monitoring.db").exists()
    unknown = host.do("explain", file, "--check", "flor")
    assert (unknown.returncode, unknown.stderr.splitlines()[-1]) == (2, "no check is called flor")


@pytest.mark.ci
def test_explain_shows_what_the_last_run_read_also_where_nothing_can_be_read_now(
    host: ChecksHost, provider: Provider
) -> None:
    provider.views[A, SUPPLY] = 99
    file = host.file(VAULT)
    host.do("run", file)
    provider.views[A, SUPPLY] = 90
    shown = host.do("explain", file, "--check", "floor").stdout
    assert re.search(
        r"\$90 +≥ \$100 .*\n    last run \([-0-9]+ [0-9:]+ UTC, .* ago\): \$99, limit ≥ \$100, short by \$1 \(1%\)",
        shown,
    )
    dark = {"PROVIDER_URL_MAINNET": "http://127.0.0.1:9"}
    assert "$99, limit ≥ $100" in host.do("explain", file, "--check", "floor", **dark).stdout
    (found,) = json.loads(host.do("explain", file, "--check", "floor", "--json").stdout)
    assert (found["last_reading"]["value"], found["last_reading"]["beyond"]) == ("$99", True)


def test_validate_and_describe_need_no_network(host: ChecksHost) -> None:
    file, alone = host.file(VAULT), {"PROVIDER_URL_MAINNET": "http://127.0.0.1:9"}
    assert host.do("validate", file, **alone).stdout == "no mistakes in 1 monitor with 3 checks\n"
    (described,) = json.loads(host.do("describe", file, **alone).stdout)
    assert [(check["check"], check["bound"], check["severities"]) for check in described["checks"]] == [
        ("floor", "≥ $100", ["HIGH"]),
        ("cap", "≤ 50, 90", ["MEDIUM", "CRITICAL"]),
        ("both", "does not change", ["LOW"]),
    ]  # fmt: skip


def test_started_by_hand_it_delivers_its_own_alerts(host: ChecksHost, provider: Provider) -> None:
    provider.views[A, SUPPLY] = 1
    with TelegramStandIn() as telegram:
        done = host.do(
            "run", host.file(VAULT), by_hand=True, TELEGRAM_API_URL=telegram.url,
            TELEGRAM_BOT_TOKEN_DEFAULT=BOT_TOKEN, TELEGRAM_CHAT_ID_DEFAULT=CHAT,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "1 delivered\n")
        (received,) = telegram.messages
    assert "floor: $1 is below $100" in str(received)
