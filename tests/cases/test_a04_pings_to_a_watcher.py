"""A heartbeat address with a query, a start that is slower than the end, and a watcher that answers 503 for a moment.

In: `…?status=up&msg=OK&ping=` (Uptime Kuma), `…?create=1` (Healthchecks), an address whose meaning is not clear, a
watcher that answers slowly or with 503, a SOCKS proxy in the environment. Right: a failing run reports `status=down`,
or its suffix stands in the path and the query is kept; what is not clear is refused by the variable's name; the end
never arrives before the start; a 503 is tried again; nothing of it stops a run.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from automation.runner.heartbeat import Heartbeat
from tests.support.host import Host
from tools.scripted_server import Answer, Request, ScriptedServer

pytestmark = pytest.mark.case("A.4")

PUSH = "/api/push/kuma-secret?status=up&msg=OK&ping="
CHECK = "/key-secret/hourly?create=1"


@pytest.fixture
def watcher() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server


@pytest.fixture
def host(tmp_path: Path) -> Host:
    host = Host(tmp_path)
    host.environ["ALERTS_CONSOLE"] = "1"  # a digest reaches somebody: what the pings say is the tasks' own end
    return host


def asked(watcher: ScriptedServer) -> list[tuple[str, dict[str, str]]]:
    """Return (path, query) of every ping."""
    parts = [urlsplit(request.path) for request in watcher.requests]
    return [(part.path, {name: values[0] for name, values in parse_qs(part.query).items()}) for part in parts]


@pytest.mark.parametrize(("code", "status", "message"), [(0, "up", "OK"), (3, "down", "exit code 1")])
def test_a_run_reports_its_end_to_a_push_address(
    host: Host, watcher: ScriptedServer, code: int, status: str, message: str
) -> None:
    host.profile({"task": f"raise SystemExit({code})"}, options="heartbeat_env: PING")
    host.automation("run", "hourly", PING=watcher.url + PUSH)
    ((path, query),) = asked(watcher)
    assert path == "/api/push/kuma-secret"
    assert (query["status"], query["msg"]) == (status, message)
    assert int(query["ping"]) >= 0


def test_a_run_keeps_the_query_and_puts_its_signal_into_the_path(host: Host, watcher: ScriptedServer) -> None:
    host.profile({"task": "raise SystemExit(3)"}, options="heartbeat_env: PING")
    host.automation("run", "hourly", PING=watcher.url + CHECK)
    (start, began), (end, ended) = asked(watcher)
    assert (start, end) == ("/key-secret/hourly/start", "/key-secret/hourly/1")
    assert began == ended, "the run id pairs both"
    assert began["create"] == "1"
    assert len(began["rid"]) == 36


@pytest.mark.parametrize(
    "address",
    ["ftp://x/key-secret", "https://x/key-secret#part", "https://x/key-secret/fail", "https://x/key-secret?state=run",
     "https://x/key-secret?status=7", "not an address key-secret", "https://[::1/key-secret", "https:///key-secret"],
)  # fmt: skip
def test_an_address_that_is_not_clear_is_refused_by_the_name_of_its_variable(host: Host, address: str) -> None:
    host.profile({"task": "print('fine')"}, options="heartbeat_env: PING")
    checked = host.automation("validate", PING=address)
    assert checked.returncode == 2
    assert "heartbeat_env: PING cannot be used: it" in checked.stderr
    assert "key-secret" not in checked.stderr


def test_doctor_and_the_log_of_a_run_refuse_it_too_and_the_run_goes_on(host: Host) -> None:
    host.profile({"task": "print('fine')"}, options="heartbeat_env: PING")
    address = "https://x/key-secret/start"
    examined, done = host.automation("doctor", PING=address), host.automation("run", "hourly", PING=address)
    assert "PING cannot be used" in examined.stdout
    assert "PING cannot be used" in done.stderr
    assert done.returncode == 0
    assert "key-secret" not in examined.stdout + done.stderr


class SlowToStart(ScriptedServer):
    """Answers a start only once it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()
        self.answered: list[str] = []

    def take(self, request: Request) -> Answer:
        answer = super().take(request)
        if "/start" in request.path:
            self.go.wait(30)
        self.answered.append(request.path)
        return answer


def test_the_end_waits_for_the_start_so_that_it_never_arrives_before_it() -> None:
    with SlowToStart() as watcher:
        mine = Heartbeat({"PING": f"{watcher.url}/key"}, "PING")
        mine.started()
        ending = threading.Thread(target=mine.ended, args=(0,))
        ending.start()
        assert watcher.wait_for(lambda: len(watcher.requests) == 1)
        ending.join(0.3)
        assert len(watcher.requests) == 1, "the end waits"
        watcher.go.set()
        ending.join(30)
        assert [path.partition("?")[0] for path in watcher.answered] == ["/key/start", "/key"]


def test_a_watcher_that_answers_503_for_a_moment_still_gets_both(watcher: ScriptedServer) -> None:
    watcher.script(Answer(503), Answer(503), Answer(200), Answer(503), Answer(429), Answer(200))
    mine = Heartbeat({"PING": f"{watcher.url}/key"}, "PING", pauses_s=(0.01, 0.01))
    mine.started()
    assert watcher.wait_for(lambda: len(watcher.requests) == 3)
    mine.ended(0)
    assert [path for path, _ in asked(watcher)] == ["/key/start"] * 3 + ["/key"] * 3


def test_an_end_is_not_held_up_by_a_start_that_is_refused_again_and_again(watcher: ScriptedServer) -> None:
    watcher.script(Answer(503))
    mine = Heartbeat({"PING": f"{watcher.url}/key"}, "PING", pauses_s=(600.0, 600.0))
    mine.started()
    assert watcher.wait_for(lambda: len(watcher.requests) == 1)
    mine.ended(0)
    assert [path for path, _ in asked(watcher)] == ["/key/start", "/key"]


def test_a_refusal_that_does_not_pass_is_not_repeated(watcher: ScriptedServer) -> None:
    watcher.script(Answer(404))
    Heartbeat({"PING": f"{watcher.url}/key"}, "PING", pauses_s=(0.01, 0.01)).ended(0)
    assert len(watcher.requests) == 1


@pytest.mark.parametrize("proxy", ["socks5h://127.0.0.1:9", "nonsense://", "http://["])
def test_whatever_proxy_the_environment_names_a_heartbeat_is_a_warning_at_most(
    proxy: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    caplog.set_level(logging.WARNING)
    Heartbeat({"PING": "http://192.0.2.1/key-secret"}, "PING", timeout_s=0.2, pauses_s=()).ended(0)
    (message,) = caplog.messages
    assert message.startswith("heartbeat: ")
    assert "key-secret" not in message
