"""A provider in front of a real node that has no method of some names, or answers as a test wants."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.support.anvil import Anvil
from tests.support.rpc import RpcError
from tests.support.rpc_server import Provider, serving

Twist = Callable[[str, list[Any], Any], Any]
Alter = Callable[[str, list[Any]], list[Any]]


def _as_it_is(_method: str, _params: list[Any], result: Any) -> Any:
    return result


def _as_asked(_method: str, params: list[Any]) -> list[Any]:
    return params


@contextmanager
def relay(node: Anvil, *missing: str, twist: Twist = _as_it_is, alter: Alter = _as_asked) -> Iterator[Provider]:
    """Serve the node without the `missing` methods; `alter` may change what it is asked, `twist` what it answers."""

    def one(call: dict[str, Any]) -> dict[str, Any]:
        head = {"jsonrpc": "2.0", "id": call["id"]}
        method = call["method"]
        if method in missing:
            return head | {"error": {"code": -32601, "message": f"the method {method} does not exist/is not available"}}
        try:
            return head | {"result": twist(method, call["params"], node.rpc(method, *alter(method, call["params"])))}
        except RpcError as error:
            return head | {"error": {"code": error.code, "message": error.message, "data": error.data}}

    provider = Provider(raw=lambda body: [one(call) for call in body] if isinstance(body, list) else one(body))
    with serving(provider):
        yield provider
