"""Input: 30 channels, each with its chat and a webhook on one host that never answers, and 90 CRITICAL alerts; the same
with a name that is never resolved. Right: Telegram gets 90 of 90 about as fast as without webhooks; a silent host
gets one probe at a time; every attempt ends within its time limit. One kind never delays another.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from monitoring.alerts.delivery.routes import RouteResolver
from monitoring.alerts.recording.store_alert import record
from monitoring.alerts.senders import Accepted, Destination, Message, OnPart, Sender, Sent, fingerprint, ignore_part
from monitoring.alerts.senders.apprise import AppriseUrl
from monitoring.alerts.senders.registry import Senders
from monitoring.alerts.senders.telegram import TelegramChat
from monitoring.alerts.senders.webhook import Webhook, WebhookSender
from monitoring.base.errors import SendError
from monitoring.base.http.client import Failure, HttpClient
from monitoring.base.http.client import Request as HttpRequest
from monitoring.base.http.deadline import call_within
from tests.support.fake_telegram import Answer, TelegramStandIn
from tests.support.fake_webhook import SECRET, FakeWebhook, Request
from tests.support.outbox import Outbox, alert

pytestmark = pytest.mark.case("A.11")

CHANNELS, EACH = 30, 3


@pytest.fixture
def telegram() -> Iterator[TelegramStandIn]:
    with TelegramStandIn() as server:
        yield server


@pytest.fixture
def outbox(tmp_path: Path, telegram: TelegramStandIn) -> Iterator[Outbox]:
    box = Outbox(tmp_path, telegram.url)
    box.environ |= {f"TELEGRAM_CHAT_ID_C{number}": str(1000 + number) for number in range(CHANNELS)}
    yield box
    box.close()


class Hanging(FakeWebhook):
    """A machine that takes requests and never answers."""

    def respond(self, _request: Request) -> Answer:
        return Answer(manner="hang")


class Hasty(Senders):
    """The product's senders, but machines have so many seconds to answer in place of fifteen."""

    def __init__(self, environ: Mapping[str, str], limit_s: float) -> None:
        super().__init__(environ)
        self._limit_s = limit_s

    def _made(self, destination: Destination) -> Sender[Any]:
        if isinstance(destination, Webhook):
            return WebhookSender(self._environ, self._limit_s)
        return super()._made(destination)


def put_all(outbox: Outbox) -> None:
    for number in range(CHANNELS * EACH):
        channel = f"c{number % CHANNELS}"
        record(outbox.database, alert(f"number {number}", "CRITICAL", protocol=channel), now=datetime.now(UTC))


def test_webhooks_on_a_host_that_never_answers_do_not_delay_telegram(outbox: Outbox, telegram: TelegramStandIn) -> None:
    with Hanging() as machine:
        outbox.environ["WEBHOOK_SECRET"] = SECRET
        outbox.environ |= {f"WEBHOOK_URL_C{number}": f"{machine.url}/{number}" for number in range(CHANNELS)}
        put_all(outbox)
        started = time.monotonic()
        with outbox.delivering(open_senders=lambda: Hasty(outbox.environ, 4)):
            telegram.wait_for_messages(CHANNELS * EACH)
            took = max(message.at_s for message in telegram.messages) - started
            asked = len(machine.requests)
    assert len({message.text for message in telegram.messages}) == CHANNELS * EACH
    assert took < 15, f"one by one behind the machines it would be 45 s: {took:.1f} s"
    assert asked <= 4 or took > 4, "half of the threads for machines stay free for other hosts"


def test_after_the_first_failure_a_silent_host_gets_one_probe_at_a_time(
    outbox: Outbox, telegram: TelegramStandIn
) -> None:
    with Hanging() as machine, FakeWebhook() as healthy:
        outbox.environ |= {"WEBHOOK_SECRET": SECRET, "WEBHOOK_URL_C0": healthy.url.replace("127.0.0.1", "localhost")}
        outbox.environ |= {f"WEBHOOK_URL_C{number}": f"{machine.url}/{number}" for number in range(1, CHANNELS)}
        put_all(outbox)
        with outbox.delivering(open_senders=lambda: Hasty(outbox.environ, 1)):
            assert healthy.wait_for(lambda: len(healthy.requests) == EACH)
            assert machine.wait_for(lambda: len(machine.requests) >= 7)
            arrived = [request.at_s for request in machine.requests]
    assert arrived[4] - arrived[3] > 0.5, "four at first"
    assert arrived[5] - arrived[4] > 0.5, "afterwards one more when the time of the last one is up"
    assert arrived[6] - arrived[5] > 0.5


class OneKindHangs:
    """Senders of which one kind never comes back in time."""

    def __init__(self, kind: str, let_go: threading.Event) -> None:
        self._kind, self._let_go = kind, let_go

    def send(self, message: Message, destination: Destination, on_part: OnPart = ignore_part) -> Sent:
        if destination.kind == self._kind:
            self._let_go.wait(60)
            raise SendError("no answer", unanswered=True)
        return Sent((Accepted(message.id, 1),))

    def close(self) -> None:
        """Nothing to let go of."""


@pytest.mark.parametrize("hangs", ["telegram", "webhook", "apprise"])
def test_a_kind_that_hangs_delays_no_other(outbox: Outbox, telegram: TelegramStandIn, hangs: str) -> None:
    for number in range(CHANNELS):
        outbox.environ[f"WEBHOOK_URL_C{number}"] = f"https://host{number}.example/x"
        outbox.environ[f"NOTIFY_URLS_C{number}"] = f"json://host{number}.example/y"
    outbox.environ["WEBHOOK_SECRET"] = SECRET
    put_all(outbox)
    let_go = threading.Event()
    done = "SELECT count(*) FROM deliveries WHERE status = 'delivered'"
    with outbox.delivering(open_senders=lambda: OneKindHangs(hangs, let_go)):
        started = time.monotonic()
        while (outbox.database.row(done) or (0,))[0] < 2 * CHANNELS * EACH and time.monotonic() < started + 30:
            threading.Event().wait(0.05)
        let_go.set()
    rows = outbox.database.rows("SELECT destination, count(*) FROM deliveries WHERE status = 'delivered' GROUP BY 1")
    delivered: dict[str, int] = {}
    for destination, count in rows:
        kind = destination.partition(" ")[0]
        delivered[kind] = delivered.get(kind, 0) + count
    assert {kind: delivered.get(kind) for kind in ("telegram", "webhook", "apprise") if kind != hangs} == {
        kind: CHANNELS * EACH for kind in ("telegram", "webhook", "apprise") if kind != hangs
    }


def test_a_name_that_is_never_resolved_ends_within_the_limit_and_nothing_is_sent_afterwards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resolve, asked = threading.Event(), threading.Event()
    real = socket.getaddrinfo

    def slow(host: str, *arguments: object, **more: object) -> object:
        if host == "slow.example":
            asked.set()
            resolve.wait(30)
            host = "127.0.0.1"
        return real(host, *arguments, **more)  # type: ignore[call-overload]

    monkeypatch.setattr(socket, "getaddrinfo", slow)  # the system's resolver, which takes no time limit
    with FakeWebhook() as machine:
        client = HttpClient()
        port = machine.url.rpartition(":")[2]
        started = time.monotonic()
        outcome = client.exchange(HttpRequest(f"http://slow.example:{port}/hook", "POST", {}, b"late"), 0.3)
        assert outcome == Failure("no answer within 0.3 s", timed_out=True)
        assert asked.is_set()
        assert time.monotonic() - started < 5
        resolve.set()
        for thread in [each for each in threading.enumerate() if each.name == "call-within"]:
            thread.join(10)
        assert machine.requests == [], "what was given up is not sent after all"
        following = client.exchange(HttpRequest(machine.url, "POST", {}, b"next"), 5)
        assert not isinstance(following, Failure), "the client is usable again"
        client.close()


def test_a_call_that_raises_in_time_raises_and_one_that_is_late_gives_nothing() -> None:
    def broken() -> int:
        raise LookupError("here")

    with pytest.raises(LookupError, match="here"):
        call_within(5, broken)
    assert call_within(5, lambda: 7) == 7
    held = threading.Event()
    assert call_within(0.05, lambda: held.wait(30)) is None
    held.set()


def test_a_lane_is_named_by_what_it_shares_and_by_no_secret(outbox: Outbox) -> None:
    url = "json://user:s3cret@hooks.example/k3y"
    ways = RouteResolver(
        {"A": "https://hooks.example/k3y", "B": "https://HOOKS.example/other", "N": url, "T": "1:s3cret"}
    )
    one, other = ways.peer(Webhook("A")), ways.peer(Webhook("B"))
    third = ways.peer(AppriseUrl("N", fingerprint(url)))
    assert one.shared_key == other.shared_key == third.shared_key
    assert one.mark != other.mark
    chat = ways.peer(TelegramChat("-1", "T"))
    assert "s3cret" not in f"{one}{other}{third}{chat}"
    assert "k3y" not in f"{one}{other}{third}{chat}"
