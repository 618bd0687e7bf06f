"""Services as the hourly profile meets them: behind one proxy, with recorded answers, latency and a limit of requests.

The proxy answers `CONNECT` itself, with a certificate of its own that the host under test is made to believe.
"""

from __future__ import annotations

import json
import ssl
import subprocess
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import urlsplit

from monitoring.base.settings import CHECKOUT
from monitoring.checks.recorded.recording import FOLDER, Recording, read_recording
from monitoring.checks.recorded.replay import as_bytes


def shipped_recordings() -> list[Recording]:
    return [read_recording(path) for path in sorted((CHECKOUT / "protocols").glob(f"**/{FOLDER}/*.json"))]


def hosts_of(recordings: Sequence[Recording]) -> list[str]:
    return sorted({urlsplit(one.request.url).hostname or "" for one in recordings} - {"", "…"})


def certificate(folder: Path, hosts: Sequence[str]) -> Path:
    """Make a certificate for some hosts; its key is in the same file."""
    file = folder / "services.pem"
    names = ",".join(f"DNS:{host}" for host in hosts)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-keyout", file, "-out", folder / "only.pem", "-subj", "/CN=services", "-addext", f"subjectAltName={names}"],
        check=True, capture_output=True,
    )  # fmt: skip
    file.write_bytes(file.read_bytes() + (folder / "only.pem").read_bytes())
    return file


def proxying(
    recordings: Sequence[Recording], pem: Path, latency_s: float, note: Callable[[float], None]
) -> type[BaseHTTPRequestHandler]:
    """Return a handler that is a proxy and each service behind it; `note` is called with the begin of each request."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)

    class Service(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        host = ""

        def do_CONNECT(self) -> None:
            self.host = self.path.partition(":")[0]
            self.send_response(200)
            self.end_headers()
            self.connection = context.wrap_socket(self.connection, server_side=True)
            self.rfile = self.connection.makefile("rb")
            self.wfile = self.connection.makefile("wb", buffering=0)  # type: ignore[assignment]  # as the base has it
            self.close_connection = False

        def do_GET(self) -> None:
            began = time.time()
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            time.sleep(latency_s)
            note(began)
            found = _fitting(recordings, self.command, f"https://{self.host}{self.path}", body)
            answer = as_bytes(found.body, datetime.now(UTC)) if found else b'{"error": "nothing is recorded"}'
            self.send_response(found.status if found else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_POST = do_GET  # noqa: N815 - the base's way of names

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Service


def _fitting(recordings: Sequence[Recording], method: str, url: str, body: bytes) -> Recording | None:
    """Return the recording with the same body, else with the same query, of the same page, of the same host."""
    wanted = urlsplit(url)
    same_host = [
        one for one in recordings
        if one.request.method == method and urlsplit(one.request.url).hostname == wanted.hostname
    ]  # fmt: skip
    asked = json.loads(body) if body else None

    def unlike(one: Recording) -> tuple[bool, ...]:
        is_other_page = urlsplit(one.request.url).path != wanted.path
        return one.request.body != asked, _query_of(one.request.body) != _query_of(asked), is_other_page

    return min(same_host, key=unlike, default=None)


def _query_of(body: object) -> str:
    return str(body.get("query", "")) if isinstance(body, dict) else ""
