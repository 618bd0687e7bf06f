"""The ASGI application: finds the route, reads the parameters, keeps answers while they are true, says what went wrong.

Quick questions are answered on the event loop, longer ones by two threads; each thread has its own read-only
connection. There is no way to write here.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as StarletteRoute
from starlette.types import Receive, Scope, Send

from monitoring.base.clock import Clock
from monitoring.base.errors import MonitoringError, StoreError
from monitoring.base.process_identity import Boot
from monitoring.base.settings import Settings
from monitoring.store.db.database import Database
from monitoring.web.parameters import BadRequestError, ReadValue, read_query
from monitoring.web.reader import Reader, Version
from monitoring.web.response_cache import Answer, Key, Shelf

log = logging.getLogger("monitoring.web")

FOR_EVER = float("inf")


class NotFoundError(MonitoringError):
    """There is nothing under this address (404)."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One question: where to look, what was given, and what time it is."""

    database: Database
    path_values: Mapping[str, str]
    query: Mapping[str, Any]
    now: datetime
    boot: Boot
    settings: Settings


@dataclass(frozen=True, slots=True)
class Route:
    """An address and who answers there; `lasts_s` says how long an answer stays true on unchanged data."""

    path: str
    answer: Callable[[Asked], Answer]
    parameters: Mapping[str, ReadValue] = field(default_factory=dict)
    lasts_s: float = FOR_EVER
    quick: bool = False
    is_page: bool = False


@dataclass(frozen=True, slots=True)
class Trouble:
    """An error as the caller sees it."""

    status: int
    code: str
    message: str
    allow: str | None = None


SayTrouble = Callable[[Trouble, Settings], Answer]


class Site:
    """All routes over one database, and what is there without one (`fixed`).

    `say` and `say_page` turn trouble into JSON and into a page.
    """

    def __init__(
        self,
        settings: Settings,
        routes: Sequence[Route],
        fixed: Mapping[str, Callable[[], Answer]],
        *,
        say: SayTrouble,
        say_page: SayTrouble,
        clock: Clock,
        boot: Boot,
    ) -> None:
        self._settings = settings
        self._routes = {route.path: route for route in routes}
        self._fixed = fixed
        self._say, self._say_page = say, say_page
        self._clock = clock
        self._boot = boot
        self._shelf = Shelf()
        self._reader = Reader(settings.database)
        self._version: Version | None = None
        self._of_thread = threading.local()
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="answers")
        self._under_way: dict[Key, asyncio.Future[Answer]] = {}
        self._starlette = Starlette(
            routes=[StarletteRoute(route.path, self._endpoint(route), methods=["GET"]) for route in routes]
            + [
                StarletteRoute(path, self._endpoint_of_fixed(answer), methods=["GET"]) for path, answer in fixed.items()
            ],
            exception_handlers={HTTPException: self._on_http_error},
        )
        self._starlette.router.redirect_slashes = False

    @property
    def routes(self) -> frozenset[str]:
        """Every address there is."""
        return frozenset(self._routes) | frozenset(self._fixed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; what was asked before and is still true goes out without any work."""
        if scope["type"] != "http":
            return
        if scope["method"] in ("GET", "HEAD"):
            kept = self.kept((scope["path"], scope["query_string"]))
            if kept is not None:
                await kept.send(scope, send)
                return
        await self._starlette(scope, receive, send)

    def kept(self, key: Key) -> Answer | None:
        """Return the answer to a GET of (path, query) that is still true, if there is one."""
        try:
            return self._shelf.get(key, self._version_now(), self._clock.monotonic())
        except StoreError:
            return None

    def _version_now(self) -> Version:
        """Ask the database once a turn of the event loop: whoever is served in this turn asked before it began."""
        if self._version is None:
            self._version = self._reader.version()
            asyncio.get_running_loop().call_soon(self._forget_version)
        return self._version

    def _forget_version(self) -> None:
        self._version = None

    def _endpoint(self, route: Route) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> _Sent:
            return _Sent(await self._answer(route, request))

        return endpoint

    def _endpoint_of_fixed(self, answer: Callable[[], Answer]) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> _Sent:
            try:
                read_query(request.scope["query_string"], {})
            except BadRequestError as error:
                return _Sent(self._tell(None, _trouble(error)))
            return _Sent(answer())

        return endpoint

    async def _answer(self, route: Route, request: Request) -> Answer:
        """Find the answer; this is the one place where an unexpected error is caught."""
        try:
            query = read_query(request.scope["query_string"], route.parameters, blank_is_unset=route.is_page)
            key = (request.scope["path"], request.scope["query_string"])
            version = self._reader.version()
            return await self._find(route, key, version, dict(request.path_params), query)
        except (BadRequestError, NotFoundError, StoreError) as error:
            return self._tell(route, _trouble(error))
        except Exception:  # the border of a request
            log.exception("%s could not be answered", request.scope["path"])
            return self._tell(
                route, Trouble(500, "internal", "something went wrong here; the log of the service says what")
            )

    async def _find(
        self, route: Route, key: Key, version: Version, path_values: dict[str, str], query: dict[str, Any]
    ) -> Answer:
        if route.quick:
            return self._compute(route, key, version, self._asked(self._reader, path_values, query))
        under_way = self._under_way.get(key)
        if under_way is None:
            under_way = asyncio.get_running_loop().run_in_executor(
                self._threads, self._in_thread, route, path_values, query
            )
            self._under_way[key] = under_way
            under_way.add_done_callback(lambda done: self._keep(route, key, version, done))
        return await asyncio.shield(under_way)

    def _keep(self, route: Route, key: Key, version: Version, done: asyncio.Future[Answer]) -> None:
        self._under_way.pop(key, None)
        if not done.cancelled() and done.exception() is None:
            self._shelf.put(key, done.result(), version, self._clock.monotonic() + route.lasts_s)

    def _compute(self, route: Route, key: Key, version: Version, asked: Asked) -> Answer:
        try:
            answer = route.answer(asked)
        except StoreError:
            self._reader.close()
            raise
        self._shelf.put(key, answer, version, self._clock.monotonic() + route.lasts_s)
        return answer

    def _in_thread(self, route: Route, path_values: dict[str, str], query: dict[str, Any]) -> Answer:
        reader: Reader | None = getattr(self._of_thread, "reader", None)
        if reader is None:
            reader = self._of_thread.reader = Reader(self._settings.database)
        try:
            return route.answer(self._asked(reader, path_values, query))
        except StoreError:
            reader.close()
            raise

    def _asked(self, reader: Reader, path_values: dict[str, str], query: dict[str, Any]) -> Asked:
        return Asked(reader.database(), path_values, query, self._clock.now(), self._boot, self._settings)

    def _tell(self, route: Route | None, trouble: Trouble) -> Answer:
        say = self._say_page if route is not None and route.is_page else self._say
        return say(trouble, self._settings)

    async def _on_http_error(self, request: Request, error: Exception) -> _Sent:
        """Say what Starlette's router found: no such address, or no such method there."""
        status = error.status_code if isinstance(error, HTTPException) else 500
        if status == 405:  # noqa: PLR2004 - method not allowed
            trouble = Trouble(405, "method_not_allowed", "this is read-only: use GET or HEAD", allow="GET, HEAD")
        else:
            trouble = Trouble(404, "not_found", f"there is nothing at {request.url.path[:200]}")
        wants_page = "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/v1/")
        return _Sent((self._say_page if wants_page else self._say)(trouble, self._settings))


class _Sent(Response):
    """What Starlette calls to send a response."""

    def __init__(self, answer: Answer) -> None:  # the headers are the answer's own
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del receive
        await self._answer.send(scope, send)


def _trouble(error: MonitoringError) -> Trouble:
    if isinstance(error, BadRequestError):
        return Trouble(400, error.code, str(error))
    if isinstance(error, NotFoundError):
        return Trouble(404, "not_found", str(error))
    return Trouble(503, "unavailable", str(error))
