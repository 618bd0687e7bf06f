"""The built-in type `http` against real sockets: what is up, down, late, old, or near its end."""

from __future__ import annotations

import re
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from monitoring.alerts.message.render import render_plain
from monitoring.base.errors import ConfigError
from monitoring.checks.builtin import TYPES
from monitoring.checks.builtin.http import client
from monitoring.checks.config.load import load_monitor
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.conditions.outcome import Reason
from tests.support import parts
from tests.support.chain_clock import START, ManualClock
from tests.support.evaluating import judge_file
from tests.support.http_service import Reply, Service, http_service

WELL = {"code": "OK", "data": {"lag": 3, "at": int(START.timestamp())}}


@dataclass
class Scene:
    """An endpoint whose next answers a test sets, and the monitor of it."""

    service: Service
    path: Path
    clock: ManualClock
    reply: Reply
    took_s: float = 0.1
    environ: dict[str, str] | None = None

    def __post_init__(self) -> None:
        self.conditions: dict[ConditionKey, Condition] = {}
        self.said: list[str] = []

    def write(self, rest: str) -> None:
        url = f"url: {self.service.url}/health, " if "url_env" not in rest else ""
        self.path.write_text(f"monitor: web\nhttp:\n  - {{name: api, {url}{rest}}}\n")

    def run(self, seconds: float = 0) -> dict[str, str]:
        """Judge once; return the reason of each check, and keep what was told."""
        at = EvaluationPoint(self.environ or {}, self.clock, sleep=self.clock.sleep, budget_s=seconds or 120)
        outcomes, alerts = judge_file(self.path, None, self.conditions, self.clock.now(), at)
        self.conditions = {key: one.condition for key, one in outcomes.items()}
        for alert in alerts.values():
            head, *lines = render_plain(alert, now=self.clock.now()).split("\n")
            self.said.append(" | ".join([alert.title, *lines]))
            assert alert.title in head
        return {key.check: one.reason.value for key, one in outcomes.items()}


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    clock = ManualClock()

    def answer(_: Any) -> Reply:
        clock.advance(made.took_s)
        return made.reply

    with http_service(answer) as service:
        made = Scene(service, tmp_path / "monitor.yaml", clock, Reply(WELL))
        yield made


def test_an_endpoint_that_is_well_says_nothing_and_is_asked_once_a_run(scene: Scene) -> None:
    scene.write("ok: code == 'OK' and data.lag < 10, time: data.at, max_age: 1h, latency: 2s, severity: high")

    reasons = scene.run()

    assert reasons == {"up": "good", "fresh": "good", "latency": "good"}
    assert scene.said == []
    assert len(scene.service.seen) == 1


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(WELL, 404), "HTTP 404"),
        (Reply({"code": "PAUSED", "data": WELL["data"]}), "code == 'OK' is not true"),
        (Reply({"data": {}}), "code is missing"),
        (Reply(b"<html>", 200), "the answer is not JSON"),
    ],
)
def test_a_wrong_answer_fires_says_what_is_wrong_and_recovers(scene: Scene, reply: Reply, words: str) -> None:
    scene.write("ok: code == 'OK', severity: high")
    scene.run()
    scene.reply = reply

    assert scene.run() == {"up": Reason.BREACHED.value}
    scene.reply = Reply(WELL)
    scene.run()

    fired, recovered = scene.said
    assert fired.startswith("api does not answer as required: ")
    assert words in fired
    assert recovered.startswith("api answers, and code == 'OK' again | Was HIGH for ")


def test_an_endpoint_that_is_gone_is_down_not_unknown_and_is_told_once(scene: Scene) -> None:
    scene.write("time: data.at, max_age: 1h, latency: 2s, severity: critical")
    scene.path.write_text(scene.path.read_text().replace(scene.service.url, "http://127.0.0.1:9"))

    for _ in range(5):
        reasons = scene.run()
        scene.clock.advance(3600)

    assert reasons == {"up": Reason.STILL_BAD.value, "fresh": Reason.UNKNOWN.value, "latency": Reason.UNKNOWN.value}
    (said,) = scene.said
    assert said.startswith("api does not answer as required: 127.0.0.1: cannot connect: Connection refused")
    assert (
        "Required: api answers (127.0.0.1) | New, 2026-11-23 12:00 UTC. | Mute: silence --protocol web --key up/api"
        in said
    )


def test_a_blip_is_asked_again_within_the_run(scene: Scene) -> None:
    replies = [Reply(None, 503), Reply(None, 502), Reply(WELL)]
    scene.write("severity: high")
    scene.clock.meanwhile = lambda: setattr(scene, "reply", replies[len(scene.service.seen)])
    scene.reply = replies[0]

    assert scene.run() == {"up": "good"}
    assert len(scene.service.seen) == 3
    assert scene.clock.slept == [1.0, 2.0]


def test_for_lets_a_short_outage_pass(scene: Scene) -> None:
    scene.write("severity: high, for: 2 runs")
    scene.reply = Reply(None, 500)

    assert scene.run() == {"up": Reason.HOLDING.value}
    assert scene.said == []
    assert scene.run() == {"up": Reason.BREACHED.value}


def test_an_expected_status_may_be_any(scene: Scene) -> None:
    scene.write("status: 401, severity: high")
    scene.reply = Reply(None, 401)
    assert scene.run() == {"up": "good"}
    scene.reply = Reply(None, 200)
    scene.run()
    (said,) = scene.said
    assert said.startswith("api does not answer as required: HTTP 200, not 401 | Required: api answers with 401")


def test_old_news_and_slow_answers_fire_past_their_bound(scene: Scene) -> None:
    scene.write("time: data.at, max_age: 1h, latency: 2s, severity: medium")
    scene.took_s = 2.0
    scene.clock.advance(3600 - 2)
    assert scene.run() == {"up": "good", "fresh": "good", "latency": "good"}

    scene.took_s = 2.5
    scene.clock.advance(1)
    assert scene.run() == {"up": "good", "fresh": Reason.BREACHED.value, "latency": Reason.BREACHED.value}
    assert [words.split(" | ")[0] for words in scene.said] == [
        "data of api is 1 h old (last update 2026-11-23 12:00 UTC, allowed 1 h)",
        "api took 2.5 s to answer, allowed 2 s",
    ]


def test_a_url_in_the_environment_is_asked_and_a_missing_one_is_unknown(scene: Scene) -> None:
    scene.write("url_env: INDEXER_URL, severity: high")

    assert scene.run() == {"up": Reason.UNKNOWN.value}
    scene.environ = {"INDEXER_URL": f"{scene.service.url}/secret-path"}
    assert scene.run() == {"up": "good"}
    assert scene.service.seen[0].path == "/secret-path"


def test_a_task_out_of_time_does_not_know_rather_than_cry(scene: Scene) -> None:
    scene.write("severity: high")
    scene.reply, scene.took_s = Reply(None, 503), 60

    assert scene.run(seconds=30) == {"up": Reason.BREACHED.value}  # it did answer: 503
    scene.path.write_text(scene.path.read_text().replace(scene.service.url, "http://127.0.0.1:9"))
    assert scene.run(seconds=0.000001) in ({"up": Reason.UNKNOWN.value}, {"up": Reason.STILL_BAD.value})


# -- certificates -----------------------------------------------------------------------------------------------------


@contextmanager
def tls_service(folder: Path, days: int) -> Iterator[int]:
    """Serve TLS with a certificate of our own for so many days, and believe it; yield the port."""
    openssl, key, certificate = parts.require("openssl"), folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days",
         str(days), "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip

    class Nothing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    class Server(HTTPServer):
        def handle_error(self, *_: object) -> None:
            """A client that does not believe us is no news."""

    server = Server(("127.0.0.1", 0), Nothing)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    client.tls_context.cache_clear()
    yield
    client.tls_context.cache_clear()


@pytest.mark.usefixtures("believed")
def test_a_certificate_is_told_of_as_its_end_comes_near_once_a_step(tmp_path: Path) -> None:
    path, conditions, said = tmp_path / "monitor.yaml", dict[ConditionKey, Condition](), list[str]()
    with tls_service(tmp_path, days=40) as port:
        path.write_text(
            f"monitor: web\nhttp:\n  - {{name: api, url: https://127.0.0.1:{port}/, certificate: [30d, 7d]}}\n"
        )
        for days in (0, 5, 11, 12, 34, 41):
            outcomes, alerts = judge_file(path, None, conditions, datetime.now(UTC) + timedelta(days=days))
            conditions = {key: one.condition for key, one in outcomes.items()}
            said += [re.split(r" \d+ d", one.title)[0] for key, one in alerts.items() if key.check == "certificate"]

    assert said == [
        "certificate of api expires in",
        "Worse: certificate of api expires in",
        "Worse: certificate of api expired",
    ]


def test_a_certificate_nobody_believes_is_unknown_with_the_reason(tmp_path: Path) -> None:
    client.tls_context.cache_clear()
    with tls_service(tmp_path, days=40) as port:
        question = client.Handshake("127.0.0.1", port)
        found = client.answer_handshakes([question], EvaluationPoint({}))[question]

    assert "its certificate is not believed" in str(found)


# -- mistakes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "at", "mistake"),
    [
        ("url: https://a.example, statuss: 200", "statuss", "http[0].statuss: statuss is not known here, did you mean"),
        ("severity: high", "{name", "http[0]: url says where the endpoint is, or url_env which variable"),
        ("url: ftp://a.example", "ftp", "http[0].url: a URL is needed here"),
        ("url: https://me:secret@a.example", "https", "http[0].url: a URL in a monitor holds no password"),
        ("url_env: lower", "lower", "http[0].url_env: 'lower' is no name of a variable"),
        ("url: https://a.example, status: 20", "20", "http[0].status: a status is a whole number from 100 to 599"),
        ("url: https://a.example, ok: 1 + 1", "1 + 1", "http[0].ok: true or false is needed here, this is a number"),
        ("url: https://a.example, max_age: 1h", "1h", "http[0].max_age: time and max_age go together"),
        ("url: https://a.example, latency: fast", "fast", "http[0].latency: "),
        ("url: http://a.example, certificate: [7d]", "[7d]", "http[0].certificate: only an https url written here"),
        ("url: https://a.example, certificate: [7d, 30d]", "30d", "http[0].certificate[1]: steps go from far to near"),
    ],
)
def test_a_mistake_is_told_at_its_place(tmp_path: Path, row: str, at: str, mistake: str) -> None:
    path = tmp_path / "monitor.yaml"
    path.write_text(f"monitor: web\nhttp:\n  - {{name: a, {row}}}\n")

    with pytest.raises(ConfigError) as refused:
        load_monitor(path, TYPES)

    place, words = refused.value.mistakes[0].removeprefix(f"{path}:").split(" ", 1)
    line, column = map(int, place.split(":"))
    assert path.read_text().splitlines()[line - 1][column - 1 :].startswith(at), refused.value.mistakes
    assert words.startswith(mistake), refused.value.mistakes
