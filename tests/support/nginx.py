"""The real nginx with the shipped configuration, on ports of its own, in front of whatever listens behind."""

from __future__ import annotations

import base64
import http.client
import os
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.parts import require
from tests.support.web import PATIENCE_S, Reply, free_port

SHIPPED = Path(__file__).resolve().parents[2] / "deploy" / "nginx" / "monitoring.conf"
TOKEN, OTHER_TOKEN = "0f" * 32, "a1" * 32
NAME, PASSWORD = "ana", "correct horse battery"

# As root nginx gives up root's rights for requests, and could not read what lies below pytest's directories.
_MAIN = """\
{user}
daemon off;
pid {directory}/nginx.pid;
error_log {directory}/error.log info;
worker_processes 1;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    include {directory}/site.conf;
}}
"""


@dataclass(frozen=True)
class Proxy:
    """A running nginx."""

    directory: Path
    port: int
    plain_port: int

    @property
    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.directory / "tls.crt"))

    def connect(self) -> ssl.SSLSocket:
        """Open a TLS connection and say nothing."""
        raw = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)
        return self.context.wrap_socket(raw, server_hostname="localhost")

    def ask(
        self, path: str, method: str = "GET", headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Reply:
        connection = http.client.HTTPSConnection("localhost", self.port, timeout=PATIENCE_S, context=self.context)
        with closing(connection):
            connection.request(method, path, body=body, headers=dict(headers or {}))
            reply = connection.getresponse()
            return Reply(reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read())

    def log(self) -> str:
        return (self.directory / "access.log").read_text()


def bearer(token: str = TOKEN) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def basic(name: str = NAME, password: str = PASSWORD) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


@contextmanager
def proxying(directory: Path, upstream_port: int, **more: str) -> Iterator[Proxy]:
    """Run nginx until the block is left; `more` replaces what stands in the shipped file, once more each."""
    nginx = require("nginx")
    port, plain_port = free_port(), free_port()
    _prepare(directory)
    (directory / "site.conf").write_text(_site(directory, port, plain_port, upstream_port, more))
    main = directory / "nginx.conf"
    main.write_text(_MAIN.format(directory=directory, user="user root;" if os.geteuid() == 0 else ""))
    arguments = [nginx, "-p", str(directory), "-e", str(directory / "error.log"), "-c", str(main)]
    tested = subprocess.run([*arguments, "-t"], capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stderr
    assert "[warn]" not in tested.stderr, tested.stderr
    process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL)
    try:
        _wait_until_it_listens(port, process)
        yield Proxy(directory, port, plain_port)
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def _prepare(directory: Path) -> None:
    """Make what the header of the shipped file asks for, by the commands that the documentation shows."""
    directory.mkdir(parents=True)
    directory.chmod(0o755)
    openssl = require("openssl")
    subprocess.run(
        [
            openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
            "-keyout", directory / "tls.key", "-out", directory / "tls.crt",
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    (directory / "tokens").write_text(f'"Bearer {TOKEN}" prometheus;\n"Bearer {OTHER_TOKEN}" bot;\n')
    hashed = subprocess.run(
        [openssl, "passwd", "-6", PASSWORD], check=True, capture_output=True, text=True
    ).stdout.strip()
    (directory / "htpasswd").write_text(f"{NAME}:{hashed}\n")
    (directory / "htpasswd").chmod(0o644)


def _site(directory: Path, port: int, plain_port: int, upstream_port: int, more: Mapping[str, str]) -> str:
    text = SHIPPED.read_text()
    for shipped, here in {
        "listen 443 ssl default_server": f"listen 127.0.0.1:{port} ssl default_server",
        "    listen [::]:443 ssl default_server;\n": "",
        "listen 80": f"listen 127.0.0.1:{plain_port}",
        "    listen [::]:80;\n": "",
        "server 127.0.0.1:8923": f"server 127.0.0.1:{upstream_port}",
        "/etc/nginx/monitoring/": f"{directory}/",
        "/var/log/nginx/monitoring.access.log": f"{directory}/access.log",
        **more,
    }.items():
        assert shipped in text, f"{SHIPPED} has no {shipped!r}"
        text = text.replace(shipped, here)
    return text


def _wait_until_it_listens(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert process.poll() is None, "nginx ended"
            assert time.monotonic() < deadline, "nginx does not listen"
            time.sleep(0.02)
        else:
            return


def close_of(connection: socket.socket) -> float:
    """Read until the far side closes; return how many seconds that took."""
    began = time.monotonic()
    try:
        while connection.recv(65536):
            pass
    except OSError:
        pass  # a reset is an end, too
    return time.monotonic() - began
