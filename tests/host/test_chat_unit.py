"""`monitoring-chat.service` on a booted host: it answers in its sandbox, survives a kill and follows the checkout."""

from __future__ import annotations

import json

import pytest

from tests.support.deployed import CACHE, Deployed, Script, jobs
from tests.support.fake_telegram import TelegramStandIn

pytestmark = pytest.mark.host
UNIT = "monitoring-chat"
ON_CALL = """
zone: UTC
people: {ana: {telegram_id: 111}}
escalation: {critical: {steps: [{after: 5m, to: everybody}]}}
"""
FILES = jobs({"hourly": 'cron: "5 * * * *"'}, {"hourly": [Script("look", "print('all is well')\n")]})


@pytest.fixture
def reading(host: Deployed, telegram: TelegramStandIn) -> Deployed:
    telegram.longest_poll_s = 1
    host.write_env()
    host.land({**FILES, "automation/on_call.yaml": ON_CALL})
    host.systemctl(f"start {UNIT}")
    host.wait_for_journal("reading what is written to @stand_in_bot", unit=UNIT, limit_s=90)
    return host


def answer(telegram: TelegramStandIn, text: str) -> str:
    before = len(telegram.messages)
    telegram.write(111, text)
    return telegram.wait_for_messages(before + 1, 120)[-1].text


def test_it_answers_follows_the_checkout_and_comes_back_after_a_kill(
    reading: Deployed, telegram: TelegramStandIn
) -> None:
    assert answer(telegram, "/oncall").startswith("On call: ana")
    pid = reading.state_of(UNIT)["MainPID"]
    assert f"@stand_in_bot is read by pid {pid}" in reading.automation("status").stdout
    assert json.loads(reading.path(f"{CACHE}/locks/listen.json").read_text())["problem"] == ""

    reading.land({"automation/on_call.yaml": ON_CALL.replace("ana", "ben")})
    reading.wait_for_journal("starting again with its code", unit=UNIT, limit_s=120)
    assert answer(telegram, "/oncall").startswith("On call: ben")
    assert reading.state_of(UNIT)["MainPID"] == pid

    reading.machine.run(f"kill -9 {pid}")
    assert answer(telegram, "/status").startswith("0 incidents open")
    assert reading.state_of(UNIT)["MainPID"] != pid
    reading.systemctl(f"stop {UNIT}")
    assert reading.state_of(UNIT)["Result"] == "success"


def test_its_sandbox_is_as_tight_as_the_unit_says(host: Deployed) -> None:
    exposure = host.machine.run(f"systemd-analyze security {UNIT} --no-pager", check=False).stdout
    level = float(exposure.rpartition("Overall exposure level for")[2].split(":")[1].split()[0])
    assert level < 3
