"""A Bot API on loopback that takes every message and remembers that it came; the last link of a candidate's own run.

Called by proof.py. It answers this host alone, for seconds, and knows no token.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class LoopbackBot:
    """Listens within the block; `url` is what `TELEGRAM_API_URL` must say, `received` the texts that came."""

    def __init__(self) -> None:
        self.received: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self.received))
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="loopback bot", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler_of(received: list[str]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            message = _message(asked)
            if self.path.endswith("/sendMessage"):
                received.append(str(message.get("text", "")))
            self._answer(message)

        def do_GET(self) -> None:
            self._answer({})

        def _answer(self, message: dict[str, Any]) -> None:
            """Say what the Bot API says of a message that was sent."""
            chat = {"id": message.get("chat_id"), "type": "private"}
            result = {"message_id": len(received), "date": 0, "chat": chat, "text": message.get("text", "")}
            body = json.dumps({"ok": True, "result": result}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
            """Stay quiet: what counts is in `received`."""

    return Handler


def _message(asked: bytes) -> dict[str, Any]:
    try:
        found = json.loads(asked)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
