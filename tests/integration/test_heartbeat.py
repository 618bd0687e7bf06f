"""Pings to a watcher off the host, against one on a real socket that behaves well, badly or not at all."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator

import pytest

from automation.runner.heartbeat import Heartbeat
from tools.scripted_server import Answer, ScriptedServer

SECRET = "/ping/5f2c1c0a-secret-of-the-watcher"
VARIABLE = "PING_HOURLY"
LIMIT_S = 0.5
GENEROUS_S = 10.0


@pytest.fixture
def watcher() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server


def heartbeat(url: str, timeout_s: float = LIMIT_S, end: str = SECRET) -> Heartbeat:
    return Heartbeat({VARIABLE: url + end}, VARIABLE, timeout_s=timeout_s, pauses_s=(0.01, 0.02))


def paths(watcher: ScriptedServer, count: int) -> list[str]:
    """Return the paths asked for, without what follows the `?`."""
    assert watcher.wait_for(lambda: len(watcher.requests) >= count)
    return [request.path.partition("?")[0] for request in watcher.requests]


def test_a_run_pings_its_start_and_then_the_truth(watcher: ScriptedServer) -> None:
    mine = heartbeat(watcher.url, GENEROUS_S)
    mine.started()
    assert paths(watcher, 1) == [f"{SECRET}/start"]
    mine.ended(0)
    mine.ended(1)
    mine.failed("alerts cannot be stored")
    assert paths(watcher, 4)[1:] == [SECRET, f"{SECRET}/1", f"{SECRET}/fail"]
    assert {request.method for request in watcher.requests} == {"GET"}


def test_a_slash_at_the_end_of_the_address_changes_nothing(watcher: ScriptedServer) -> None:
    heartbeat(watcher.url, GENEROUS_S, SECRET + "/").ended(0)
    assert paths(watcher, 1) == [SECRET]


@pytest.mark.parametrize("manner", ["hang", "drip", "reset", "close", "half"])
def test_a_watcher_that_misbehaves_delays_a_run_by_no_more_than_the_limit(
    watcher: ScriptedServer, manner: str, caplog: pytest.LogCaptureFixture
) -> None:
    watcher.script(*[Answer(200, b"x" * 1000, manner=manner)] * 2)  # type: ignore[arg-type]
    mine = heartbeat(watcher.url)
    began = time.monotonic()
    mine.started()
    mine.ended(0)
    assert time.monotonic() - began < GENEROUS_S
    assert paths(watcher, 2)
    assert SECRET not in caplog.text


def test_a_refusing_port_delays_nothing_and_shows_no_address(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        began = time.monotonic()
        heartbeat(f"http://127.0.0.1:{port}").ended(0)
    assert time.monotonic() - began < GENEROUS_S
    assert "heartbeat: not pinged: cannot connect: Connection refused" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize("code", [404, 500])
def test_a_refused_ping_is_a_line_in_the_log_without_the_address(
    watcher: ScriptedServer, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    watcher.script(*[Answer(code)] * 3)
    heartbeat(watcher.url, GENEROUS_S).ended(0)
    assert f"the watcher answered {code}" in caplog.text
    assert "secret" not in caplog.text
    assert "127.0.0.1" not in caplog.text


@pytest.mark.parametrize("url", ["not an address", "http://[::1", "ftp://host", "http://host:port", "http://\x00"])
def test_a_wrong_address_breaks_nothing(url: str, caplog: pytest.LogCaptureFixture) -> None:
    heartbeat(url, end="/secret").ended(0)
    assert "PING_HOURLY cannot be used" in caplog.text
    assert "secret" not in caplog.text


def test_a_variable_that_is_named_and_not_set_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    mine = Heartbeat({}, VARIABLE)
    mine.started()
    mine.ended(0)
    assert caplog.messages == [
        "heartbeat_env of this profile: PING_HOURLY is not set; nobody outside this host is informed of this run"
    ]


def test_a_profile_without_a_heartbeat_pings_nobody(caplog: pytest.LogCaptureFixture) -> None:
    Heartbeat({VARIABLE: "http://127.0.0.1:9"}, None).ended(0)
    assert caplog.messages == []
