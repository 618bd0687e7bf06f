"""What a team writes first: `ThreadingHTTPServer` as its documentation has it, and a database connection a request.

It answers `/v1/alerts` with the same JSON as ours for the same question (a test compares them). HTTP/1.0 is the default
of the standard library: a connection a request. `kept` sets what keeps connections open, and switches Nagle off, or
they would wait 40 ms each. Run: `python -m benchmarks.alternatives.stdlib_server DATABASE PORT [kept]`.
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
    """Answers one page of alerts; everything else is 404."""

    wbufsize = -1  # head and body in one packet
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


class KeptHandler(Handler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True


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
    request_queue_size = 512  # the default of 5 refuses connections under any load
    daemon_threads = True


def main() -> None:
    Handler.database = sys.argv[1]
    with Server(("127.0.0.1", int(sys.argv[2])), KeptHandler if "kept" in sys.argv else Handler) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
