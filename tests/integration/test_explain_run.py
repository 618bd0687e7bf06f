"""A whole run with the explainer: the alert first, then its reply in the thread; a model that hangs delays nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.explained import ModelServer, fenced, transactions
from tests.support.fake_telegram import BOT_TOKEN, CHAT, TelegramStandIn
from tests.support.host import Host
from tests.support.http_service import http_service

pytestmark = pytest.mark.ci
ROW = transactions()[1]
# Stores an alert with its facts as a monitor's run does, and says which variables of the explainer it can see.
SCRIPT = """
import os
from datetime import UTC, datetime
from pathlib import Path
from monitoring.alerts.message.model import Alert
from monitoring.alerts.recording.store_alert import AlertOrigin, store_in
from monitoring.store.db.schema import open_database
print("sees", sorted(name for name in os.environ if name.startswith("LLM_")))
with open_database(Path(os.environ["CACHE_DIR"]) / "monitoring.db") as database, database.write() as tx:
    origin = AlertOrigin(int(os.environ["AUTOMATION_RUN_ID"]), os.environ["AUTOMATION_TASK"])
    store_in(tx, Alert.from_json({alert!r}), now=datetime.now(UTC), origin=origin, metadata={metadata!r})
"""


@pytest.fixture
def telegram() -> Iterator[TelegramStandIn]:
    with TelegramStandIn() as server:
        yield server


@pytest.fixture
def host(tmp_path: Path, telegram: TelegramStandIn) -> Host:
    host = Host(tmp_path)
    host.profile({"safes": SCRIPT.format(alert=ROW.alert().to_json(), metadata=ROW.metadata())})
    host.environ |= {
        "TELEGRAM_API_URL": telegram.url,
        "TELEGRAM_BOT_TOKEN_DEFAULT": BOT_TOKEN,
        "TELEGRAM_CHAT_ID_DEFAULT": CHAT,
    }
    return host


def settings(url: str, **more: str) -> dict[str, str]:
    return {"LLM_BASE_URL": f"{url}/v1", "LLM_MODEL": "small", "LLM_API_KEY": "sk-one-that-no-task-sees", **more}


def test_a_run_sends_the_alert_then_its_explanation_as_a_reply(host: Host, telegram: TelegramStandIn) -> None:
    seen: list[int] = []

    def behave(request: dict[str, Any], _ids: list[str]) -> Any:
        seen.append(len(telegram.messages))
        assert "transfer" in fenced(request) or "sends" in fenced(request)
        return {"sentences": ROW.answer}

    model = ModelServer(behave)
    with http_service(model.answer) as served:
        done = host.automation("run", "hourly", **settings(served.url))

    assert done.returncode == 0, done.stderr
    assert "sees []" in done.stdout + done.stderr
    alert, reply = telegram.messages
    assert seen == [1], "people had the alert when the model was asked"
    assert "In short: " not in alert.text
    assert "In short: Treasury: a transfer of tokens queued" in reply.text.splitlines()[0]
    assert reply.text.splitlines()[1].startswith("What it pays out: it moves 250,000 “USDC”")
    assert reply.payload["reply_parameters"]["message_id"] == alert.message_id
    assert reply.silent
    assert model.headers[0]["authorization"] == "Bearer sk-one-that-no-task-sees"
    assert host.rows("SELECT status, model, requests FROM explanations") == [("sent", "small", 1)]


def test_a_model_that_hangs_holds_up_neither_the_alert_nor_the_next_run(host: Host, telegram: TelegramStandIn) -> None:
    released = threading.Event()
    model = ModelServer(lambda *_: (released.wait(120), "{}")[1])
    with http_service(model.answer) as served:
        try:
            done = host.automation("run", "hourly", **settings(served.url, LLM_DEADLINE_S="5"))
        finally:
            released.set()

    assert done.returncode == 0, done.stderr
    (alert,) = telegram.messages
    assert "a transfer of tokens queued" in alert.text
    ((status, reason),) = host.rows("SELECT status, reason FROM explanations")
    assert status == "not sent"
    assert str(reason).startswith("no answer within")
    assert host.rows("SELECT status FROM runs") == [("ok",)]


def test_the_run_and_its_alert_are_the_same_without_a_model(host: Host, telegram: TelegramStandIn) -> None:
    done = host.automation("run", "hourly")

    assert done.returncode == 0, done.stderr
    assert len(telegram.messages) == 1
    assert host.rows("SELECT count(*) FROM explanations") == [(0,)]


def test_a_half_set_explainer_says_so_and_stops_nothing(host: Host, telegram: TelegramStandIn) -> None:
    done = host.automation("run", "hourly", LLM_MODEL="small")

    assert done.returncode == 0, done.stderr
    assert "alerts are not explained: LLM_BASE_URL is not set" in done.stderr
    assert len(telegram.messages) == 1


def test_doctor_and_status_say_what_the_explainer_does(host: Host) -> None:
    model = ModelServer(lambda _, ids: {"sentences": [{"pattern": "does", "facts": ids[:1]}]})
    with http_service(model.answer) as served:
        host.automation("run", "hourly", **settings(served.url))
        doctor = host.automation("doctor", "--all", **settings(served.url)).stdout
        offline = host.automation("doctor", "--all", "--offline", **settings(served.url)).stdout
        reached = host.automation("status", **settings(served.url, LLM_DAILY_REQUESTS="1")).stdout
        named = host.automation("doctor", "--offline", **settings(served.url, LLM_DAILY_REQUESTS="1")).stdout
    broken = host.automation(
        "doctor", "--offline", LLM_BASE_URL="http://models.example/v1", LLM_MODEL="m", LLM_API_KEY="k"
    ).stdout

    flat = " ".join(doctor.split())
    assert "explainer: small at 127.0.0.1 answers with a JSON schema in" in flat
    assert "explainer: today: 1 of 200 requests, 960 of 500000 tokens" in flat
    assert "answers with a JSON schema" not in " ".join(offline.split())
    assert "alerts are not explained until 00:00 UTC: the daily bound of 1 requests is reached" in " ".join(
        reached.split()
    )
    assert "today: 1 of 1 requests" in " ".join(named.split())
    assert "LLM_BASE_URL begins with http: facts and key would be sent in clear" in " ".join(broken.split())
    assert "sk-one-that-no-task-sees" not in doctor + offline + reached


def test_doctor_says_that_a_server_does_not_answer_and_that_it_is_off_by_nothing(host: Host) -> None:
    gone = host.automation("doctor", **settings("http://127.0.0.1:9")).stdout
    off = host.automation("doctor", "--offline").stdout

    assert "explainer: small at 127.0.0.1: cannot connect" in " ".join(gone.split())
    assert "explainer" not in off
