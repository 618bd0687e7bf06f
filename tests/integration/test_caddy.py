"""The Caddyfile of docs/reverse-proxy.md, in the real Caddy, before the real API: what the page says it can do."""

from __future__ import annotations

import http.client
import re
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.filled import fill
from tests.support.nginx import basic, bearer, close_of
from tests.support.parts import require
from tests.support.web import PATIENCE_S, ROOT, free_port, serving

PAGE = (ROOT / "docs" / "reverse-proxy.md").read_text()
TOKEN = "0" * 64


@dataclass(frozen=True)
class Caddy:
    port: int

    def ask(self, path: str, method: str = "GET", headers: Mapping[str, str] | None = None, body: bytes = b"") -> int:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)) as connection:
            connection.request(method, path, body=body or None, headers=dict(headers or {}))
            return connection.getresponse().status


def caddyfile() -> str:
    [found] = re.findall(r"```caddyfile\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


@pytest.fixture(scope="module")
def caddy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caddy]:
    """Without TLS: whether Caddy can get certificates is not ours to try."""
    home, port = tmp_path_factory.mktemp("caddy"), free_port()
    fill(home / "cache" / "monitoring.db", datetime.now(UTC)).close()
    with serving(home / "cache") as web:
        text = caddyfile().replace("127.0.0.1:8923", f"127.0.0.1:{web.port}")
        text = text.replace("monitoring.example.org {", f"http://127.0.0.1:{port} {{\n\tbind 127.0.0.1\n")
        text = text.replace("{\n\tservers {", "{\n\tadmin off\n\tauto_https off\n\tservers {", 1)
        path = home / "Caddyfile"
        path.write_text(text)
        environ = {"HOME": str(home), "XDG_DATA_HOME": str(home), "XDG_CONFIG_HOME": str(home)}
        with (home / "log").open("wb") as log:
            process = subprocess.Popen(
                [require("caddy"), "run", "--config", path], env=environ, stderr=log, stdin=subprocess.DEVNULL
            )
        try:
            _wait_until_it_listens(port, process, home / "log")
            yield Caddy(port)
        finally:
            process.terminate()
            process.wait(PATIENCE_S)


def _wait_until_it_listens(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        else:
            return


def test_the_caddyfile_is_valid_as_it_stands_on_the_page(tmp_path: Path) -> None:
    (tmp_path / "Caddyfile").write_text(caddyfile())
    done = subprocess.run(
        [require("caddy"), "validate", "--config", tmp_path / "Caddyfile"], capture_output=True, text=True, check=False,
        env={"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Valid configuration" in done.stdout + done.stderr


def test_the_api_wants_the_token_and_the_pages_the_password(caddy: Caddy) -> None:
    for path in ("/v1/alerts", "/metrics", "/openapi.json"):
        assert caddy.ask(path) == 401
        assert caddy.ask(path, headers=bearer("1" * 64)) == 401
        assert caddy.ask(path, headers=bearer(TOKEN)) == 200
    assert caddy.ask("/") == 401
    assert caddy.ask("/", headers=bearer(TOKEN)) == 401
    assert caddy.ask("/", headers=basic(password="wrong")) == 401
    assert caddy.ask("/", headers=basic()) == 200


def test_health_is_public_and_nothing_but_get_and_head_is_answered(caddy: Caddy) -> None:
    assert caddy.ask("/healthz") == 200
    for path in ("/healthz", "/", "/v1/alerts"):
        assert caddy.ask(path, "POST", headers=bearer(TOKEN)) == 405
    # The body is cut at the limit; whether the API has answered by then is a matter of moments.
    assert caddy.ask("/v1/alerts", headers=bearer(TOKEN), body=b"x" * 5000) in (200, 413, 502)


def test_a_client_that_never_ends_its_headers_is_cut(caddy: Caddy) -> None:
    with socket.create_connection(("127.0.0.1", caddy.port), timeout=60) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
        assert 3 < close_of(connection) < 12
