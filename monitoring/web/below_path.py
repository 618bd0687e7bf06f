"""Answers below the path of the public address, whether or not the proxy in front removes that path."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import unquote

from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send


class BelowPath:
    """Removes the public path from what is asked, unless the rest was removed already: then a page of ours is asked."""

    def __init__(self, app: ASGIApp, root: str, routes: Sequence[BaseRoute]) -> None:
        self._app = app
        self._root = unquote(root)
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope.get("path", "")
        is_below = path == self._root or path.startswith(f"{self._root}/")
        if is_below and not any(route.matches(scope)[0] is not Match.NONE for route in self._routes):
            scope = {**scope, "path": path.removeprefix(self._root) or "/"}
        await self._app(scope, receive, send)
