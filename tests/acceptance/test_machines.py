"""Machines that act on funds: what calls them, in what form, and who says that nothing does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitoring.alerts.message.model import Alert
from monitoring.alerts.recording.store_alert import record
from monitoring.store.tables import silences
from tests.support.fake_telegram import BOT_TOKEN, CHAT, TelegramStandIn, error
from tests.support.fake_webhook import SECRET, FakeWebhook, is_signed
from tests.support.host import Host
from tests.support.outbox import Outbox, alert

OLD_SECRET = "the secret of the old hook, also hidden"
MONITOR = """
from utils.monitor import monitor

@monitor("acme")
def main(m):
    m.limit("backing", {value}, below=[(1, "HIGH"), (0.5, "CRITICAL")]{machine})

if __name__ == "__main__":
    main()
"""
JOBS = """
profiles:
  hourly: {cron: "5 * * * *", tasks: [{name: acme, script: protocols/test/acme.py}]}
  daily:
    cron: "19 8 * * *"
    env: {CACHE_FILENAME: cache-id-daily.txt}
    tasks: [{name: acme, script: protocols/test/acme.py}]
"""


@pytest.fixture
def telegram() -> Iterator[TelegramStandIn]:
    with TelegramStandIn() as server:
        yield server


@pytest.fixture
def machine() -> Iterator[FakeWebhook]:
    with FakeWebhook() as server:
        yield server


@pytest.fixture
def host(tmp_path: Path, telegram: TelegramStandIn, machine: FakeWebhook) -> Host:
    one = Host(tmp_path)
    one.jobs(JOBS)
    one.environ |= {
        "TELEGRAM_API_URL": telegram.url, "TELEGRAM_BOT_TOKEN_DEFAULT": BOT_TOKEN, "TELEGRAM_CHAT_ID_DEFAULT": CHAT,
        "WEBHOOK_URL_ACME": machine.url, "WEBHOOK_SECRET": SECRET,
    }  # fmt: skip
    return one


def write(host: Host, value: str, machine: str = ", machine=True") -> None:
    host.script("acme", MONITOR.format(value=value, machine=machine))


def called(machine: FakeWebhook) -> list[str]:
    return [body["severity"] for body in machine.verified]


@pytest.mark.ci
def test_telegram_that_refuses_everything_stops_no_machine(
    host: Host, telegram: TelegramStandIn, machine: FakeWebhook
) -> None:
    telegram.script(*[error(502, "Bad Gateway")] * 50)
    write(host, "0.4")
    host.automation("run", "hourly")
    assert called(machine) == ["CRITICAL"]


@pytest.mark.ci
def test_a_run_in_test_mode_calls_no_machine(host: Host, machine: FakeWebhook) -> None:
    write(host, "0.4")
    host.automation("run", "hourly", TELEGRAM_TEST_CHAT_ID="-1007")
    assert machine.requests == []
    assert host.rows("SELECT count(*) FROM alert_events") == [(1,)]


@pytest.mark.ci
def test_a_worse_level_passes_the_cooldown_and_profiles_share_it(host: Host, machine: FakeWebhook) -> None:
    for profile, value in (("hourly", "0.9"), ("daily", "0.9"), ("hourly", "2"), ("daily", "0.9"), ("daily", "0.4")):
        write(host, value)
        host.automation("run", profile)
    assert called(machine) == ["HIGH", "CRITICAL"]


@pytest.mark.ci
def test_a_fresh_host_is_told_by_its_run_and_by_doctor_and_validate_that_no_check_calls_its_machine(
    host: Host, machine: FakeWebhook
) -> None:
    write(host, "2", machine="")
    first, second = host.automation("run", "hourly"), host.automation("run", "hourly")
    assert "no check of its channel calls the machine of WEBHOOK_URL_ACME" in first.stderr
    assert "WEBHOOK_URL_ACME" not in second.stderr, "said once for each change"
    assert host.rows("SELECT count(*) FROM alert_events") == [(0,)]
    assert "WEBHOOK_URL_ACME is set, and no check of its channel calls it" in host.automation("doctor").stdout
    assert "WEBHOOK_URL_ACME is set, and no check of its channel calls it" in host.automation("validate").stderr

    write(host, "2")
    assert "no check of its channel calls it" not in host.automation("validate").stderr
    assert "no check of its channel calls it" not in host.automation("doctor").stdout


@pytest.mark.ci
def test_a_host_whose_machine_was_called_gets_an_alert_when_no_check_calls_it_any_more(
    host: Host, machine: FakeWebhook
) -> None:
    write(host, "0.4")
    host.automation("run", "hourly")
    assert called(machine) == ["CRITICAL"]
    write(host, "0.4", machine="")
    host.automation("run", "hourly", WEBHOOK_URL_OTHER=machine.url)
    write(host, "0.4")
    host.automation("run", "hourly")

    title = "No check of its channel calls the machine of WEBHOOK_URL_ACME, WEBHOOK_URL_OTHER"
    found = host.rows("SELECT severity, kind, title FROM alert_events WHERE protocol = 'automation' ORDER BY id")
    assert found == [("MEDIUM", "alert", title), ("LOW", "recovery", "no webhook is set that no check calls")]


@pytest.fixture
def outbox(tmp_path: Path, telegram: TelegramStandIn) -> Iterator[Outbox]:
    box = Outbox(tmp_path, telegram.url)
    yield box
    box.close()


OLD = {"LIQUIDITY_WEBHOOK_SECRET": OLD_SECRET, "WEBHOOK_FORMAT": "emergency_withdrawal"}


def sent(outbox: Outbox, one: Alert) -> None:
    record(outbox.database, one, now=datetime.now(UTC))
    outbox.drain()


def test_the_old_hook_gets_its_own_body_and_signature_once_its_format_is_chosen(
    outbox: Outbox, machine: FakeWebhook
) -> None:
    outbox.environ |= {**OLD, "LIQUIDITY_WEBHOOK_URL": machine.url}
    sent(outbox, alert("backing is too low", "CRITICAL", protocol="cap", channel="pegs", key="backing"))

    (request,) = machine.requests
    body = json.loads(request.body)
    assert is_signed(request, OLD_SECRET)
    assert list(body) == ["event_type", "client_payload"]
    assert body["event_type"] == "emergency_withdrawal"
    assert list(body["client_payload"]) == ["protocol", "severity", "message"]
    assert (body["client_payload"]["protocol"], body["client_payload"]["severity"]) == ("cap", "CRITICAL")
    assert body["client_payload"]["message"].startswith("🔴 CRITICAL cap: backing is too low")


def test_without_the_format_the_old_variables_call_nothing(outbox: Outbox, machine: FakeWebhook) -> None:
    outbox.environ |= {"LIQUIDITY_WEBHOOK_URL": machine.url, "LIQUIDITY_WEBHOOK_SECRET": OLD_SECRET}
    sent(outbox, alert("backing is too low", "CRITICAL", protocol="cap"))
    assert machine.requests == []


def test_a_channel_with_an_address_of_its_own_is_called_there_in_the_chosen_format(
    outbox: Outbox, machine: FakeWebhook
) -> None:
    with FakeWebhook() as old:
        outbox.environ |= {**OLD, "LIQUIDITY_WEBHOOK_URL": old.url, "WEBHOOK_URL_AAVE": machine.url}
        sent(outbox, alert("one", "HIGH"))
        sent(outbox, alert("two", "HIGH", protocol="cap"))
        assert [json.loads(each.body)["client_payload"]["protocol"] for each in old.requests] == ["cap"]
    assert [json.loads(each.body)["client_payload"]["protocol"] for each in machine.requests] == ["aave"]


def test_a_format_that_is_none_is_named_and_the_usual_one_is_used(outbox: Outbox, machine: FakeWebhook) -> None:
    outbox.environ |= {"WEBHOOK_URL_AAVE": machine.url, "WEBHOOK_SECRET": SECRET, "WEBHOOK_FORMAT": "emergancy"}
    sent(outbox, alert("one", "HIGH"))
    assert called(machine) == ["HIGH"]


def test_an_alert_that_asks_for_no_machine_calls_none_whatever_its_severity(
    outbox: Outbox, machine: FakeWebhook
) -> None:
    outbox.environ |= {"WEBHOOK_URL_AAVE": machine.url, "WEBHOOK_SECRET": SECRET}
    sent(outbox, alert("routine", "CRITICAL", machine=False))
    sent(outbox, alert("mild", "MEDIUM"))
    assert machine.requests == []


def test_a_silenced_alert_calls_its_machine_when_the_silence_ends(outbox: Outbox, machine: FakeWebhook) -> None:
    outbox.environ |= {"WEBHOOK_URL_AAVE": machine.url, "WEBHOOK_SECRET": SECRET}
    now = datetime.now(UTC)
    with outbox.database.write() as tx:
        number = silences.add(tx, "aave", None, now=now, ends_at=now + timedelta(hours=1), reason="r", created_by="me")
    sent(outbox, alert("backing", "CRITICAL", key="backing"))
    assert machine.requests == []
    with outbox.database.write() as tx:
        silences.end(tx, number, datetime.now(UTC))
    outbox.drain()
    assert called(machine) == ["CRITICAL"]


@pytest.mark.ci
def test_the_dry_run_shows_the_signed_request_and_sends_nothing(host: Host, machine: FakeWebhook) -> None:
    url = f"{machine.url}/a-secret-path"
    host.environ |= {**OLD, "LIQUIDITY_WEBHOOK_URL": url}
    done = host.automation("drill", "--here", "--channel", "cap", "--webhook")
    assert done.returncode == 0, done.stderr
    assert "X-Hub-Signature-256: sha256=" in done.stdout
    assert '"event_type": "emergency_withdrawal"' in done.stdout
    assert OLD_SECRET not in done.stdout
    assert "a-secret-path" not in done.stdout

    data = json.loads(host.automation("drill", "--here", "--channel", "cap", "--webhook", "--json").stdout)
    assert data["sent"] is False
    assert data["host"] == machine.url.removeprefix("http://")
    held_back = host.automation("drill", "--here", "--channel", "cap", "--webhook", TELEGRAM_TEST_CHAT_ID="-1007")
    assert (held_back.returncode, "TELEGRAM_TEST_CHAT_ID is set" in held_back.stdout) == (1, True)
    nobody = host.automation("drill", "--here", "--channel", "cap", "--webhook", WEBHOOK_FORMAT="alert")
    assert (nobody.returncode, "WEBHOOK_FORMAT=emergency_withdrawal" in nobody.stdout) == (1, True)
    assert machine.requests == []
    assert not (host.cache / "monitoring.db").exists()
