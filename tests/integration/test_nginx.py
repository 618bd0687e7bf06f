"""The shipped nginx configuration, in the real nginx, before the real API."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.filled import fill
from tests.support.nginx import OTHER_TOKEN, SHIPPED, TOKEN, Proxy, basic, bearer, close_of, proxying
from tests.support.parts import require
from tests.support.web import serving

MACHINES = ("/v1/alerts", "/v1/audit", "/metrics", "/openapi.json")
PAGES = ("/", "/alerts", "/incidents")


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """A generous rate, so that the tests of other things do not meet it; the rates have their own proxy below."""
    home = tmp_path_factory.mktemp("nginx")
    fill(home / "cache" / "monitoring.db", datetime.now(UTC)).close()
    with serving(home / "cache") as web, proxying(home / "nginx", web.port, **_generous()) as found:
        yield found


def _generous() -> dict[str, str]:
    return {f"rate={rate}r/s": "rate=1000r/s" for rate in (10, 1, 2)}


@pytest.fixture
def strict(proxy: Proxy, tmp_path: Path) -> Iterator[Proxy]:
    """The shipped rates, before nothing: what is limited never gets there."""
    with closing(socket.create_server(("127.0.0.1", 0))) as nobody:
        port = nobody.getsockname()[1]
    with proxying(tmp_path / "nginx", port) as found:
        yield found


@pytest.mark.parametrize("path", MACHINES)
def test_the_api_wants_a_token(proxy: Proxy, path: str) -> None:
    assert proxy.ask(path).status == 401
    assert proxy.ask(path, headers=bearer("0e" * 32)).status == 401
    assert proxy.ask(path, headers=bearer(TOKEN[:-1])).status == 401
    assert proxy.ask(path, headers={"Authorization": TOKEN}).status == 401
    assert proxy.ask(path, headers=bearer()).status == 200
    assert proxy.ask(path, headers=bearer(OTHER_TOKEN)).status == 200
    assert proxy.ask(path, "HEAD", headers=bearer()).status == 200


@pytest.mark.parametrize("path", PAGES)
def test_the_pages_want_a_password_and_a_token_is_none(proxy: Proxy, path: str) -> None:
    refused = proxy.ask(path)
    assert refused.status == 401
    assert refused.headers["www-authenticate"] == 'Basic realm="monitoring"'
    assert proxy.ask(path, headers=basic(password="wrong")).status == 401
    assert proxy.ask(path, headers=basic(name="nobody")).status == 401
    assert proxy.ask(path, headers=bearer()).status == 401
    assert proxy.ask(path, headers=basic()).status == 200


def test_all_that_a_page_needs_comes_by_the_same_password(proxy: Proxy) -> None:
    needed = set(re.findall(r'(?:href|src)="(/static/[^"]+)"', proxy.ask("/", headers=basic()).text))
    assert len(needed) >= 3
    assert {proxy.ask(path, headers=basic()).status for path in needed} == {200}
    assert {proxy.ask(path).status for path in needed} == {401}


def test_who_reads_the_pages_may_follow_their_links_to_the_api(proxy: Proxy) -> None:
    assert proxy.ask("/openapi.json", headers=basic()).status == 200
    assert proxy.ask("/metrics", headers=basic(password="wrong")).status == 401


def test_the_answers_of_the_api_arrive_unchanged(proxy: Proxy) -> None:
    reply = proxy.ask("/v1/alerts?limit=1", headers=bearer())
    assert reply.json["limit"] == 1
    assert len(reply.json["data"]) == 1
    assert proxy.ask("/v1/alerts?limit=0", headers=bearer()).status == 400
    assert proxy.ask("/v1/alerts?limit=0", headers=bearer()).json["error"] != "bad_request"
    assert proxy.ask("/v1/alerts/999999", headers=bearer()).json["message"] == "there is no alert 999999"
    tag = reply.headers["etag"]
    assert proxy.ask("/v1/alerts?limit=1", headers={**bearer(), "If-None-Match": tag}).status == 304


def test_the_public_name_is_the_proxys_to_know_and_the_api_needs_no_variable(proxy: Proxy) -> None:
    public = {"Host": "watch.example"}
    assert proxy.ask("/healthz", headers=public).status == 200
    assert proxy.ask("/v1/alerts", headers={**bearer(), **public}).status == 200
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert proxy.ask("/", headers={**basic(), **public, **link}).status == 200


# What the site of an earlier release passed on: the name as the visitor knows it.
OLDER = {"proxy_set_header Host localhost": "proxy_set_header Host $host"}


def test_an_older_site_needs_the_public_address_where_it_cannot_be_seen(tmp_path: Path) -> None:
    fill(tmp_path / "cache" / "monitoring.db", datetime.now(UTC)).close()
    public = {"Host": "watch.example"}
    with (
        serving(tmp_path / "cache", MONITORING_PUBLIC_URL="https://watch.example") as web,
        proxying(tmp_path / "nginx", web.port, **OLDER) as older,
    ):
        assert older.ask("/healthz", headers=public).status == 200
        assert older.ask("/", headers={**basic(), **public}).status == 200
        refused = older.ask("/v1/alerts", headers={**bearer(), "Host": "other.example"})
    assert refused.status == 421
    assert "MONITORING_PUBLIC_URL" in refused.json["message"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give the service an /etc/nginx of its own")
def test_an_older_site_that_is_installed_keeps_working_without_a_word(tmp_path: Path) -> None:
    """In a mount namespace of its own: this machine's /etc/nginx is left alone."""
    fill(tmp_path / "cache" / "monitoring.db", datetime.now(UTC)).close()
    enabled = tmp_path / "etc" / "sites-enabled"
    enabled.mkdir(parents=True)
    (enabled / "monitoring").write_text(SHIPPED.read_text().replace("Host localhost;", "Host $host;"))
    mounted = [require("unshare"), "-m", "sh", "-c", f'mount --bind {tmp_path}/etc /etc/nginx && exec "$@"', "sh"]
    public = {"Host": "watch.example"}
    with serving(tmp_path / "cache", mounted) as web:
        with proxying(tmp_path / "nginx", web.port, **OLDER) as older:
            assert older.ask("/healthz", headers=public).status == 200
            assert older.ask("/", headers={**basic(), **public}).status == 200
        assert web.ask("/v1/alerts", Host=f"attacker.example:{web.port}").status == 421


def test_health_is_public_and_says_no_more_than_that(proxy: Proxy, tmp_path: Path) -> None:
    reply = proxy.ask("/healthz")
    assert (reply.status, reply.json) == (200, {"status": "ok"})
    ill = tmp_path / "cache"
    fill(ill / "monitoring.db", datetime.now(UTC), healthy=False).close()
    with serving(ill) as web, proxying(tmp_path / "nginx", web.port) as before:
        assert "reasons" in web.ask("/healthz").json
        sick = before.ask("/healthz")
    assert sick.status == 503
    assert sick.json == {"error": "unavailable", "message": "answered by the proxy, status 503"}


@pytest.mark.parametrize(
    "path", ["/healthz/", "/healthz/../v1/alerts", "/healthz%2f..%2fv1/alerts", "//v1/alerts", "/v1/../v1/alerts",
             "/healthz;/v1/alerts", "/static/../v1/alerts", "/%76%31/alerts", "/V1/alerts", "/_token", "/_trouble"],
)  # fmt: skip
def test_no_spelling_of_a_path_gets_round_the_door(proxy: Proxy, path: str) -> None:
    assert proxy.ask(path).status in (401, 404)


@pytest.mark.parametrize("path", ["/", "/v1/alerts", "/healthz"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"])
def test_nothing_but_get_and_head_is_answered(proxy: Proxy, path: str, method: str) -> None:
    reply = proxy.ask(path, method, headers=basic())
    assert reply.status == 405
    assert reply.headers["allow"] == "GET, HEAD"
    assert reply.json["error"] == "method_not_allowed"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_body_that_nobody_asked_for_is_refused(proxy: Proxy, method: str) -> None:
    reply = proxy.ask("/v1/alerts", method, headers=bearer(), body=b"x" * 5000)
    assert (reply.status, reply.json["error"]) == (413, "request_too_large")


def test_a_head_that_is_too_large_is_refused(proxy: Proxy) -> None:
    assert proxy.ask("/v1/alerts?protocol=" + "x" * 9000, headers=bearer()).status == 414
    large = proxy.ask("/v1/alerts", headers={**bearer(), "X-Large": "x" * 9000})
    assert (large.status, large.json["error"]) == (431, "request_too_large")


def test_headers_that_protect_a_browser_are_there_on_pages_and_on_refusals(proxy: Proxy) -> None:
    page, refusal = proxy.ask("/", headers=basic()), proxy.ask("/")
    for reply in (page, refusal):
        assert reply.headers["strict-transport-security"] == "max-age=31536000"
        assert reply.headers["server"] == "nginx"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"


def test_without_tls_there_is_only_the_way_to_it(proxy: Proxy) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", proxy.plain_port, timeout=30)) as connection:
        connection.request("GET", "/v1/alerts?limit=1", headers={**bearer(), "Host": "monitoring.example.org"})
        reply = connection.getresponse()
        assert reply.status == 308
        assert reply.getheader("location") == "https://monitoring.example.org/v1/alerts?limit=1"
    with closing(http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=30)) as connection:
        connection.request("GET", "/healthz")
        assert connection.getresponse().status == 400


def test_the_log_names_the_client_and_no_secret(proxy: Proxy) -> None:
    proxy.ask("/v1/protocols?", headers=bearer(OTHER_TOKEN))
    proxy.ask("/incidents", headers=basic())
    log = proxy.log()
    assert '127.0.0.1 "bot" "-" [' in log
    assert '127.0.0.1 "" "ana" [' in log
    assert TOKEN not in log
    assert OTHER_TOKEN not in log


def test_wrong_tokens_are_limited_and_a_right_one_is_not_held_up_by_them(strict: Proxy) -> None:
    guesses = Counter(strict.ask("/v1/alerts", headers=bearer(f"{n:064x}")).status for n in range(40))
    assert guesses[401] <= 14, guesses
    assert guesses[429] >= 26, guesses
    refused = strict.ask("/v1/alerts")
    assert (refused.status, refused.json["error"], refused.headers["retry-after"]) == (429, "too_many_requests", "5")
    assert strict.ask("/v1/alerts", headers=bearer()).status == 502, "passed on: nobody listens behind this proxy"


def test_a_known_token_may_ask_ten_times_a_second_and_no_more(strict: Proxy) -> None:
    answers = Counter(strict.ask("/v1/alerts", headers=bearer()).status for _ in range(80))
    assert answers[502] >= 40, answers
    assert answers[429] >= 10, answers


def test_wrong_passwords_are_limited(strict: Proxy) -> None:
    guesses = Counter(strict.ask("/", headers=basic(password=str(n))).status for n in range(90))
    assert 60 <= guesses[401] <= 75, guesses
    assert guesses[429] >= 15, guesses


def test_health_is_limited_too(strict: Proxy) -> None:
    answers = Counter(strict.ask("/healthz").status for _ in range(40))
    assert answers[429] >= 10, answers


def test_an_address_may_have_twenty_connections_at_work(tmp_path: Path) -> None:
    """Each is at work before the next one comes, however slow the machine: what is behind the proxy has its request."""
    patience = {"proxy_read_timeout 10s": "proxy_read_timeout 300s"}
    with (
        ExitStack() as held,
        socket.create_server(("127.0.0.1", 0), backlog=64) as api,
        proxying(tmp_path / "nginx", api.getsockname()[1], **patience) as proxy,
    ):
        api.settimeout(60)
        request = f"GET /v1/alerts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()
        for _ in range(20):
            held.enter_context(proxy.connect()).sendall(request)
            held.enter_context(api.accept()[0])
        refused = proxy.ask("/v1/alerts", headers=bearer())
        assert (refused.status, refused.json["error"]) == (429, "too_many_requests")


def test_an_upstream_that_hangs_is_given_up(tmp_path: Path) -> None:
    with (
        _hanging() as port,
        proxying(tmp_path / "nginx", port, **{"proxy_read_timeout 10s": "proxy_read_timeout 1s"}) as proxy,
    ):
        reply = proxy.ask("/v1/alerts", headers=bearer())
    assert (reply.status, reply.json["error"]) == (504, "timeout")


class _hanging:  # noqa: N801 - a context manager
    """Something that takes connections and never answers."""

    def __enter__(self) -> int:
        self._server = socket.create_server(("127.0.0.1", 0), backlog=64)
        return int(self._server.getsockname()[1])

    def __exit__(self, *_: object) -> None:
        self._server.close()


def test_no_secret_and_no_body_reaches_the_api(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as api,
        proxying(tmp_path / "nginx", api.getsockname()[1]) as proxy,
        proxy.connect() as client,
    ):
        head = f"GET /v1/alerts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 4\r\n\r\nbody"
        client.sendall(head.encode())
        api.settimeout(30)
        connection, _ = api.accept()
        with connection:
            passed_on = connection.recv(65536).decode()
    assert passed_on.startswith("GET /v1/alerts HTTP/1.1\r\n")
    assert passed_on.endswith("\r\n\r\n")
    assert TOKEN not in passed_on
    assert "uthorization" not in passed_on


def test_an_upstream_that_is_down_is_told_as_such(strict: Proxy) -> None:
    reply = strict.ask("/v1/alerts", headers=bearer())
    assert (reply.status, json.loads(reply.body)["error"]) == (502, "unavailable")


SLOW = {
    "says nothing after the handshake": b"",
    "never ends its headers": b"GET /healthz HTTP/1.1\r\nHost: x\r\n",
    "never ends its body": b"GET /v1/alerts HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\nAuthorization: Bearer "
    + TOKEN.encode() + b"\r\n\r\n",
}  # fmt: skip


def test_slow_clients_are_cut_within_seconds(proxy: Proxy) -> None:
    """All at once, so that the test takes as long as one of them: 5 s by the shipped file."""
    seconds: dict[str, float] = {}

    def be_slow(name: str, begins: bytes) -> None:
        with proxy.connect() as connection:
            connection.sendall(begins)
            seconds[name] = close_of(connection)

    def speak_no_tls() -> None:
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=60) as connection:
            seconds["never begins the handshake"] = close_of(connection)

    def trickle() -> None:
        with proxy.connect() as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\n")
            stop = threading.Event()
            feeder = threading.Thread(target=_feed, args=(connection, stop))
            feeder.start()
            seconds["a header a second"] = close_of(connection)
            stop.set()
            feeder.join(10)

    threads = [threading.Thread(target=be_slow, args=item) for item in SLOW.items()]
    threads += [threading.Thread(target=speak_no_tls), threading.Thread(target=trickle)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(seconds) == len(SLOW) + 2
    assert all(3 < took < 12 for took in seconds.values()), seconds


def _feed(connection: socket.socket, stop: threading.Event) -> None:
    for number in range(30):
        if stop.wait(1):
            return
        try:
            connection.sendall(f"X-{number}: x\r\n".encode())
        except OSError:
            return


def test_the_shipped_file_names_what_it_needs() -> None:
    text = SHIPPED.read_text()
    head = text.partition("\n\n")[0]
    for name in ("tls.crt", "tokens", "htpasswd"):
        assert f"/etc/nginx/monitoring/{name}" in head
        assert f"/etc/nginx/monitoring/{name};" in text
