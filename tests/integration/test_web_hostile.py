"""Slow, idle and hostile clients on raw sockets: bounded memory, nothing executed, nobody else held up."""

from __future__ import annotations

import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from monitoring.web import server
from tests.support.filled import HOSTILE, fill
from tests.support.web import Web, serving

MIB = 1024 * 1024
MEMORY_LIMIT = 60 * MIB  # of the whole process, as DESIGN has it


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    cache = tmp_path / "cache"
    fill(cache / "monitoring.db", datetime.now(UTC)).close()
    with serving(cache) as found:
        yield found


def answer_to(web: Web, request: bytes) -> bytes:
    """Send bytes and return all that comes back until the far side closes."""
    with web.connect() as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while chunk := _receive(connection):
            received += chunk
        return received


def _receive(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65536)
    except ConnectionError:
        return b""


@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HT",
        b"GARBAGE\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200,
        b"GET /v1/alerts HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99999999999\r\n\r\nx",
        b"GET http://evil.example/v1/alerts HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
        b"GET /../../etc/passwd HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
        b"GET /%00%ff%2e%2e/ HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: [::1]\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\nzz\r\n",
    ],
)
def test_broken_requests_harm_nobody(web: Web, request_: bytes) -> None:
    received = answer_to(web, request_)
    assert b"root:" not in received
    assert b"Traceback" not in received
    assert b" 500 " not in received[:20]
    assert web.ask("/v1/alerts?limit=1").status == 200


def test_a_head_of_a_megabyte_is_refused_before_it_is_read_whole(web: Web) -> None:
    with web.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nhost: localhost\r\n")
        with pytest.raises(ConnectionError):
            for _ in range(400):
                connection.sendall(b"x-padding: " + b"a" * 2600 + b"\r\n")
                time.sleep(0.001)
    head = answer_to(web, b"GET /?" + b"a" * (server.MAX_HEAD_BYTES + 10) + b" HTTP/1.1\r\n")
    assert head == b"" or head.startswith(b"HTTP/1.1 431")
    assert web.rss_bytes() < MEMORY_LIMIT
    assert web.ask("/v1/alerts?limit=1").status == 200


def test_thousands_of_idle_connections_do_not_keep_a_reader_out(web: Web) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(3_000, hard - 100)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted + 100), hard))
    try:
        with ExitStack() as held:
            for number in range(wanted):
                connection = held.enter_context(web.connect())
                if number % 2:
                    connection.sendall(b"GET / HTTP/1.1\r\nhost: localhost\r\n")
            assert web.ask("/v1/alerts?limit=1").status == 200
            assert len(list(Path(f"/proc/{web.process.pid}/fd").iterdir())) < 460
            assert web.rss_bytes() < MEMORY_LIMIT
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_who_asks_for_much_and_reads_nothing_costs_a_bounded_amount(web: Web) -> None:
    with ExitStack() as held:
        for _ in range(100):
            connection = held.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", web.port))
            connection.sendall(b"GET /v1/alerts?limit=500 HTTP/1.1\r\nhost: localhost\r\n\r\n" * 50)
        assert web.ask("/v1/alerts?limit=1").status == 200
        assert web.rss_bytes() < MEMORY_LIMIT


def test_thousands_of_different_questions_do_not_fill_the_memory(web: Web) -> None:
    for number in range(3_000):
        assert web.ask(f"/v1/alerts?limit=500&cursor={10_000 + number}").status == 200
        if number % 500 == 0:
            assert web.rss_bytes() < MEMORY_LIMIT
    assert web.rss_bytes() < MEMORY_LIMIT


def test_markup_in_a_message_stays_text(web: Web) -> None:
    assert HOSTILE in {row["message"].split("\n")[-1] for row in web.get("/v1/alerts?severity=HIGH")["data"]}
    row_id = next(row["id"] for row in web.get("/v1/alerts?severity=HIGH")["data"] if "<script>" in row["message"])
    for path in ("/", "/alerts", f"/alerts/{row_id}"):
        text = web.ask(path).text
        assert "<script>document" not in text
        assert "<img" not in text
        assert "&lt;script&gt;document" in text
        assert "{{ 7*7 }}" in text


def test_words_of_the_caller_come_back_as_text(web: Web) -> None:
    for path in (
        "/alerts?protocol=%3Cscript%3E1%3C/script%3E",
        "/%3Cscript%3E1%3C/script%3E",
        "/profiles/%3Cscript%3E",
    ):
        text = web.ask(path, accept="text/html").text
        assert "<script>1" not in text
        assert "<!doctype html>" in text
