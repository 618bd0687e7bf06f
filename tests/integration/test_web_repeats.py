"""The same bytes asked again on a kept connection: the short way gives what the long way gives, and never else."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from monitoring.store.db.database import Database
from monitoring.store.tables import alerts
from monitoring.web import server
from tests.support.filled import fill
from tests.support.web import Web, serving

MIB = 1024 * 1024
HEAD = b"GET /v1/alerts?limit=3 HTTP/1.1\r\nhost: localhost\r\n\r\n"


class Line:
    """One kept connection."""

    def __init__(self, web: Web) -> None:
        self.socket = web.connect()
        self.file = self.socket.makefile("rb")

    def ask(self, request: bytes) -> tuple[int, dict[str, str], bytes]:
        self.socket.sendall(request)
        return self.answer(has_body=not request.startswith(b"HEAD"))

    def answer(self, *, has_body: bool = True) -> tuple[int, dict[str, str], bytes]:
        status = int(self.file.readline().split()[1])
        headers = {}
        while line := self.file.readline().decode().strip():
            name, _, value = line.partition(": ")
            headers[name] = value
        body = self.file.read(int(headers.get("content-length", "0"))) if has_body else b""
        return status, headers, body

    def close(self) -> None:
        self.file.close()
        self.socket.close()


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Web, Database]]:
    cache = tmp_path_factory.mktemp("repeats") / "cache"
    database = fill(cache / "monitoring.db", datetime.now(UTC))
    with serving(cache) as web:
        yield web, database
    database.close()


@pytest.fixture
def line(host: tuple[Web, Database]) -> Iterator[Line]:
    opened = Line(host[0])
    yield opened
    opened.close()


def without_date(answer: tuple[int, dict[str, str], bytes]) -> tuple[int, dict[str, str], bytes]:
    status, headers, body = answer
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT", headers["date"])
    return status, {name: value for name, value in headers.items() if name != "date"}, body


def test_a_repeat_is_answered_as_the_first_time_with_every_header(line: Line) -> None:
    first, *repeats = (without_date(line.ask(HEAD)) for _ in range(5))
    assert repeats == [first] * 4
    assert first[0] == 200
    assert "content-security-policy" in first[1]
    assert len(json.loads(first[2])["data"]) == 3


def test_a_repeat_after_a_commit_tells_of_it(line: Line, host: tuple[Web, Database]) -> None:
    for number in range(20):
        line.ask(HEAD)
        with host[1].write() as tx:
            row = alerts.NewAlert("aave", "LOW", f"news {number}")
            alerts.insert(tx, row, [], datetime.now(UTC), status="delivered")
        assert json.loads(line.ask(HEAD)[2])["data"][0]["message"] == f"news {number}"


def test_the_other_ways_to_ask_for_it_keep_their_meaning(line: Line) -> None:
    etag = line.ask(HEAD)[1]["etag"].encode()
    for _ in range(3):
        known = HEAD.replace(b"host: localhost", b"host: localhost\r\nif-none-match: " + etag)
        assert line.ask(known)[0] == 304
        assert line.ask(HEAD.replace(b"GET", b"HEAD"))[2] == b""
        assert line.ask(HEAD.replace(b"GET", b"POST"))[0] == 405
        assert line.ask(HEAD)[0] == 200
        assert line.ask(HEAD.replace(b"limit=3", b"limit=x"))[0] == 400


def test_what_says_close_is_closed_each_time(host: tuple[Web, Database]) -> None:
    for _ in range(3):
        line = Line(host[0])
        line.socket.settimeout(server.KEEP_ALIVE_S / 2)  # not closed because it was idle
        assert line.ask(HEAD.replace(b"host: localhost", b"host: localhost\r\nconnection: close"))[0] == 200
        assert line.file.read() == b"", "the server closes it"
        line.close()


def test_repeats_that_come_together_or_in_pieces_are_answered_one_by_one(line: Line) -> None:
    first = without_date(line.ask(HEAD))
    line.socket.sendall(HEAD * 3)
    assert [without_date(line.answer()) for _ in range(3)] == [first] * 3
    line.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in HEAD:
        line.socket.sendall(bytes([byte]))
    assert without_date(line.answer()) == first
    assert without_date(line.ask(HEAD)) == first


def test_bytes_of_a_body_are_no_question_though_they_look_like_one(line: Line) -> None:
    line.ask(HEAD)
    with_body = HEAD.replace(b"host: localhost", b"host: localhost\r\ncontent-length: %d" % len(HEAD))
    assert line.ask(with_body)[0] == 200, "the answer does not wait for the body"
    line.socket.sendall(HEAD)  # the body
    assert line.ask(HEAD.replace(b"limit=3", b"limit=1"))[2].count(b'"id"') == 1, (
        "the next answer is to the next question"
    )


def test_who_repeats_and_never_reads_is_not_written_to_without_end(host: tuple[Web, Database]) -> None:
    web, database = host
    with database.write() as tx:
        for _ in range(500):
            alerts.insert(tx, alerts.NewAlert("aave", "LOW", "x" * 100), [], datetime.now(UTC), status="delivered")
    question = "/v1/alerts?limit=500"
    web.ask(question)
    before = web.rss_bytes()
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", web.port))
        for number in range(150):  # each time another answer of 200 kB
            connection.sendall(HEAD.replace(b"/v1/alerts?limit=3", question.encode()))
            with database.write() as tx:
                row = alerts.NewAlert("aave", "LOW", f"news {number}")
                alerts.insert(tx, row, [], datetime.now(UTC), status="delivered")
            web.ask(question)
        assert web.rss_bytes() - before < 10 * MIB
