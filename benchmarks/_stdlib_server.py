"""What a team writes first: `ThreadingHTTPServer`, a thread a client, a database connection a request.

It answers `/v1/alerts` with the same JSON as ours for the same question (a test compares them), so that the benchmark
beside compares like with like. Run: `python -m benchmarks._stdlib_server DATABASE PORT`.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

COLUMNS = (
    "id", "created_at", "source", "protocol", "channel", "severity", "message", "plain_text", "silent",
    "delivery_status", "delivered_at", "delivery_error", "metadata_json",
)  # fmt: skip
CONDITIONS = {
    "protocol": "protocol = ?", "severity": "severity = ?", "source": "source = ?", "from": "created_at >= ?",
    "to": "created_at < ?", "cursor": "id < ?",
}  # fmt: skip


class Handler(BaseHTTPRequestHandler):
    """Connections are kept, as ours keeps them; Nagle is off, or kept connections would wait 40 ms each."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    database = ""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        status, body = (
            (200, page(self.database, dict(parse_qsl(url.query)))) if url.path == "/v1/alerts" else (404, b"{}")
        )
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Our server writes no access log either."""


def page(database: str, query: dict[str, str]) -> bytes:
    limit = int(query.pop("limit", "100"))
    where = f"WHERE {' AND '.join(CONDITIONS[name] for name in query)} " if query else ""
    sql = f"SELECT {', '.join(COLUMNS)} FROM alert_events {where}ORDER BY id DESC LIMIT ?"
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        rows = connection.execute(sql, [*query.values(), limit + 1]).fetchall()
    data = [alert(row) for row in rows[:limit]]
    cursor = str(data[-1]["id"]) if len(rows) > limit else None
    return json.dumps({"data": data, "next_cursor": cursor, "limit": limit}).encode()


def alert(row: tuple[Any, ...]) -> dict[str, Any]:
    found = dict(zip(COLUMNS, row, strict=True))
    text = found.pop("metadata_json")
    flags = {name: bool(found[name]) for name in ("plain_text", "silent")}
    return {**found, **flags, "metadata": json.loads(text) if text else None}


class Server(ThreadingHTTPServer):
    request_queue_size = 512
    daemon_threads = True


def main() -> None:
    Handler.database = sys.argv[1]
    with Server(("127.0.0.1", int(sys.argv[2])), Handler) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
