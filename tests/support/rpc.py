"""JSON-RPC for tests and the demo: one method call, one answer, and an error that keeps what the node said."""

from __future__ import annotations

import itertools
import json
import urllib.error
import urllib.request
from typing import Any


class RpcError(Exception):
    """The node answered with an error; `code` and `data` are its own."""

    def __init__(self, method: str, error: dict[str, Any]) -> None:
        self.code: int = error.get("code", 0)
        self.message: str = error.get("message", "")
        self.data: Any = error.get("data")
        super().__init__(f"{method}: {self.message} ({self.code})")


class Rpc:
    """Calls methods of one node: `rpc("eth_getBalance", address, "latest")`."""

    def __init__(self, url: str, timeout_s: float = 30) -> None:
        self.url = url
        self._timeout_s = timeout_s
        self._ids = itertools.count(1)
        # A proxy of the environment must not come between us and our own machine.
        self._open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open

    def __call__(self, method: str, *params: object) -> Any:
        """Return the result.

        Raises:
            RpcError: the node refused.
            OSError: nobody answered.
        """
        call = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}
        request = urllib.request.Request(
            self.url, json.dumps(call).encode(), headers={"Content-Type": "application/json"}
        )
        with self._open(request, timeout=self._timeout_s) as response:
            answer = json.load(response)
        if "error" in answer:
            raise RpcError(method, answer["error"])
        return answer["result"]
