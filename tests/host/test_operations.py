"""What an operator does on a live host: a secret changed, a test chat, a rerun by hand, the legacy text files."""

from __future__ import annotations

import pytest

from tests.support.deployed import CACHE, CHECKOUT, USER, Deployed, Script, jobs
from tests.support.fake_telegram import BOT_TOKEN, CHAT, Received, TelegramStandIn
from tests.support.host import wait_until

pytestmark = pytest.mark.host
ALERT = """
from utils.monitor import HIGH, monitor

@monitor("aave")
def main(m):
    m.alert(HIGH, "USDC is used up")

if __name__ == "__main__":
    main()
"""
COUNT = """
from utils import cache
count = int(cache.get("cache-id.txt", "count", "0")) + 1
cache.set("cache-id.txt", "count", str(count))
print("count", count)
"""
LONG = f"""
import pathlib, time
print("it waits", flush=True)
while not pathlib.Path("{CACHE}/go").exists():
    time.sleep(0.05)
"""
PROFILES = {"hourly": 'cron: "5 * * * *"', "counting": 'cron: "0 0 1 1 *"', "long": 'cron: "7 * * * *"'}
SCRIPTS = {"hourly": [Script("raise_it", ALERT)], "counting": [Script("count", COUNT)], "long": [Script("wait", LONG)]}


@pytest.fixture(scope="module", autouse=True)
def _landed(host: Deployed) -> None:
    host.write_env()
    host.land(jobs(PROFILES, SCRIPTS))
    host.restart()


def as_supercronic_would(host: Deployed, profile: str) -> None:
    """Start a run with the environment that supercronic has now and hands on to its jobs."""
    pid = host.state_of()["MainPID"]
    host.machine.run(
        f"mapfile -d '' -t environ </proc/{pid}/environ && cd {CHECKOUT} && "
        f'runuser -u {USER} -- env -i "${{environ[@]}}" python -m automation run {profile}'
    )


def sent_by(host: Deployed, telegram: TelegramStandIn) -> Received:
    as_supercronic_would(host, "hourly")
    return telegram.messages[-1]


def test_a_rotated_token_takes_effect_on_restart(host: Deployed, telegram: TelegramStandIn) -> None:
    fresh = BOT_TOKEN.replace("Example", "Rotated")
    host.write_env(TELEGRAM_BOT_TOKEN_DEFAULT=fresh)
    assert sent_by(host, telegram).token == BOT_TOKEN
    host.restart()
    assert sent_by(host, telegram).token == fresh
    host.write_env()
    host.restart()


def test_the_test_chat_takes_everything_from_the_restart_on(host: Deployed, telegram: TelegramStandIn) -> None:
    host.write_env(TELEGRAM_TEST_CHAT_ID="-100777", TELEGRAM_CHAT_ID_AAVE="-100888")
    host.restart()
    message = sent_by(host, telegram)
    assert (message.chat_id, message.text.startswith("[aave]")) == ("-100777", True)
    host.write_env(TELEGRAM_CHAT_ID_AAVE="-100888")
    host.restart()
    message = sent_by(host, telegram)
    assert (message.chat_id, "[aave]" in message.text) == ("-100888", False)
    host.write_env()
    host.restart()


def test_a_rerun_by_hand_sends_the_same_alert_to_the_same_chat_from_the_same_database(
    host: Deployed, telegram: TelegramStandIn
) -> None:
    host.once("python -m automation run hourly")
    host.automation("run hourly")
    by_unit, by_hand = telegram.messages
    assert (by_hand.text, by_hand.chat_id, by_hand.token) == (by_unit.text, by_unit.chat_id, by_unit.token)
    assert by_hand.chat_id == CHAT
    triggers = host.rows("SELECT trigger FROM runs WHERE profile = 'hourly' ORDER BY id DESC LIMIT 2")
    assert triggers == [("manual",), ("cron",)]


def test_a_rerun_by_hand_is_refused_while_the_units_run_is_going(host: Deployed) -> None:
    host.once("python -m automation run long", wait=False)
    wait_until(lambda: "it waits" in host.journal("once"), "the run has started")
    refused = host.automation("run long", check=False)
    assert refused.returncode == 75
    assert "long is already running: run" in refused.stderr
    host.machine.run(f"touch {CACHE}/go")
    wait_until(lambda: host.state_of("once")["ActiveState"] == "inactive", "the run ends")
    assert host.automation("run long").returncode == 0


def test_a_rerun_by_root_leaves_nothing_that_the_unit_cannot_write(host: Deployed) -> None:
    host.machine.run(f"cd {CHECKOUT} && .venv/bin/python -m automation run long")
    assert not host.machine.said(f"find {CACHE} {CHECKOUT} ! -user {USER} -not -name go")


def test_the_text_files_can_take_over_from_the_database_and_back(host: Deployed) -> None:
    assert "count 1" in host.once("python -m automation run counting")
    host.shell("deploy/migrate-file-cache-to-db.sh --export")
    host.write_env(CACHE_BACKEND="file")
    host.restart()
    assert "count 2" in host.once("python -m automation run counting")
    assert "count:2" in host.path(f"{CACHE}/cache-id.txt").read_text()
    host.machine.run(f"{CHECKOUT}/deploy/migrate-file-cache-to-db.sh --overwrite")
    host.write_env()
    host.restart()
    assert "count 3" in host.once("python -m automation run counting")
