"""The one HTTP client: proxies of the environment, limits of time and size, and words without an address."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from monitoring.base.http.client import Answer, Failure, HttpClient, Request, tls_context
from monitoring.base.http.proxies import proxy_for, proxy_problems
from monitoring.base.http.retry import Backoff, is_transient, retry_after_s
from tools.scripted_server import Answer as Scripted
from tools.scripted_server import ScriptedServer

KEY = "k3y-of-the-far-side"


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


@pytest.mark.parametrize(
    ("environ", "variable"),
    [
        ({"HTTPS_PROXY": "http://p:1"}, "HTTPS_PROXY"),
        ({"https_proxy": "http://p:1", "HTTPS_PROXY": "http://q:1"}, "https_proxy"),
        ({"https_proxy": "", "HTTPS_PROXY": "http://q:1"}, None),
        ({"HTTP_PROXY": "http://p:1"}, None),
        ({"ALL_PROXY": "p:1"}, "ALL_PROXY"),
        ({"ALL_PROXY": "http://p:1", "HTTPS_PROXY": "http://q:1"}, "HTTPS_PROXY"),
        ({"ALL_PROXY": "http://p:1", "NO_PROXY": "localhost,.example.org"}, None),
        ({"ALL_PROXY": "http://p:1", "no_proxy": "api.example.org", "NO_PROXY": ""}, None),
        ({"ALL_PROXY": "http://p:1", "NO_PROXY": "*"}, None),
        ({"ALL_PROXY": "http://p:1", "NO_PROXY": "other-api.example.org"}, "ALL_PROXY"),
    ],
)
def test_the_variable_that_counts_is_the_one_other_programs_go_by(
    environ: dict[str, str], variable: str | None
) -> None:
    proxy = proxy_for("https://api.example.org/x", environ)
    assert (proxy.variable if proxy else None) == variable


@pytest.mark.parametrize("variable", ["ALL_PROXY", "https_proxy"])
@pytest.mark.parametrize("value", ["socks5h://user:s3cret@127.0.0.1:9", "SOCKS4://h:1", "gopher://h", "http://[::1"])
def test_a_proxy_that_cannot_be_used_is_named_by_its_variable_and_not_passed_by(
    server: ScriptedServer, variable: str, value: str
) -> None:
    url = server.url.replace("http:", "https:") if variable == "https_proxy" else server.url
    found = HttpClient({variable: value}).exchange(Request(f"{url}/{KEY}"), 5)
    assert isinstance(found, Failure)
    assert variable in found.what
    assert "NO_PROXY" in found.what
    assert "s3cret" not in found.what
    assert server.requests == []
    assert proxy_problems({variable: value}) == [found.what]


def test_requests_go_through_the_proxy_of_the_environment(server: ScriptedServer) -> None:
    server.script(Scripted(200, b"by the proxy"))
    found = HttpClient({"HTTP_PROXY": server.url}).exchange(Request("http://far.example/path"), 5)
    assert isinstance(found, Answer)
    assert found.body == b"by the proxy"
    assert server.requests[0].path == "http://far.example/path"


def test_a_proxy_that_does_not_answer_is_named_and_not_the_peer() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    found = HttpClient({"ALL_PROXY": address}).exchange(Request("http://far.example"), 5)
    assert found == Failure("cannot connect: Connection refused by the proxy of ALL_PROXY")


@pytest.mark.parametrize("reused", [False, True])
@pytest.mark.parametrize("manner", ["hang", "drip"])
def test_the_deadline_holds_also_on_a_connection_that_was_used_before(
    server: ScriptedServer, manner: str, *, reused: bool
) -> None:
    server.script(
        *[Scripted(200, b"first")] * reused, Scripted(200, b"x" * 1000, manner=manner), Scripted(200, b"last")
    )  # type: ignore[arg-type]
    client, _ = HttpClient({}), tls_context()  # the store of certificates is read once a process: not within the limit
    if reused:
        assert isinstance(client.exchange(Request(server.url), 5), Answer)
    began = time.monotonic()
    assert client.exchange(Request(server.url), 1) == Failure("no answer within 1 s", timed_out=True)
    assert time.monotonic() - began < 8
    for thread in [each for each in threading.enumerate() if each.name == "call-within"]:
        thread.join(10)
        assert not thread.is_alive(), "what was cut off ends, and holds no connection"
    following = client.exchange(Request(server.url), 5)
    assert isinstance(following, Answer)
    assert following.body == b"last"


def test_an_answer_is_read_up_to_its_limit_and_without_one_not_at_all(server: ScriptedServer) -> None:
    server.script(Scripted(200, b"x" * 11), Scripted(200, b"x" * 1_000_000, manner="drip"))
    assert HttpClient({}, max_bytes=10).exchange(Request(server.url), 5) == Failure(
        "the answer is larger than 10 bytes"
    )
    found = HttpClient({}, max_bytes=0).exchange(Request(server.url), 5)
    assert isinstance(found, Answer)
    assert (found.status, found.body) == (200, b"")


@pytest.mark.parametrize("url", ["http://[::1", "ftp://host", "http://host:port", "http://\x00", ""])
def test_an_address_that_is_none_is_a_failure_and_raises_nothing(url: str) -> None:
    found = HttpClient({}).exchange(Request(url + KEY), 5)
    assert isinstance(found, Failure)
    assert KEY not in found.what


def test_one_rule_says_what_is_tried_again_and_when() -> None:
    assert [status for status in (200, 301, 404, 408, 425, 429, 500, 501, 503, 522) if is_transient(status)] == [
        408, 425, 429, 500, 503, 522,
    ]  # fmt: skip
    assert [Backoff(1.0, cap_s=6.0).delay_s(failures) for failures in (0, 1, 2, 3, 4, 5000)] == [1, 1, 2, 4, 6, 6]
    assert retry_after_s({"retry-after": " 7 "}) == 7
    assert retry_after_s({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}) is None
