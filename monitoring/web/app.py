"""The ASGI application: finds the route, reads the parameters, asks the store or the cache, and writes the response.

Quick questions are answered on the event loop, longer ones by two threads; each thread has its own read-only
connection.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.convertors import PathConvertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as StarletteRoute
from starlette.types import ASGIApp

from monitoring.base.clock import Clock, SystemClock
from monitoring.base.errors import StoreError
from monitoring.base.process_identity import Boot, current_boot
from monitoring.base.public_address import public_path
from monitoring.base.settings import Settings
from monitoring.web import api, pages, static_files
from monitoring.web.below_path import BelowPath
from monitoring.web.host_check import HostCheck, HostPolicy
from monitoring.web.http import HttpError, error_response, not_found, unless_known
from monitoring.web.pages.errors import error_page
from monitoring.web.parameters import read_query
from monitoring.web.reader import Reader, Version
from monitoring.web.results import Question, ResponseCache
from monitoring.web.route import RequestContext, Route

log = logging.getLogger("monitoring.web")

Endpoint = Callable[[Request], Awaitable[Response]]


class _WholePath(PathConvertor):
    """Takes a rest with line ends too: the key of a check may be any text."""

    regex = r"[\s\S]*"


register_url_convertor("path", _WholePath())


def build_app(settings: Settings, policy: HostPolicy, clock: Clock | None = None) -> ASGIApp:
    """Return the application; nothing is opened before the first request."""
    root = public_path(settings.environ)
    responder = Responder(settings, clock or SystemClock(), _boot())
    app = Starlette(
        routes=[StarletteRoute(route.path, responder.endpoint(route), methods=["GET"]) for route in api.ROUTES]
        + [StarletteRoute(route.path, responder.endpoint(route), methods=["GET"]) for route in pages.routes(root)]
        + [StarletteRoute(path, _fixed(make), methods=["GET"]) for path, make in static_files.responses().items()]
        + [StarletteRoute("/openapi.json", _fixed(api.openapi), methods=["GET"])],
        exception_handlers={HTTPException: partial(_on_routing_error, settings)},
    )
    app.router.redirect_slashes = False
    return HostCheck(BelowPath(app, root, app.routes) if root else app, policy)


class Responder:
    """Answers the routes that read the store."""

    def __init__(self, settings: Settings, clock: Clock, boot: Boot) -> None:
        self._settings = settings
        self._clock = clock
        self._boot = boot
        self._responses = ResponseCache()
        self._reader = Reader(settings.database)
        self._of_thread = threading.local()
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="answers")

    def endpoint(self, route: Route) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            try:
                return unless_known(request, await self._answer(route, request))
            except HttpError as error:
                return _write_error(error, self._settings, as_page=route.is_page)
            except StoreError as error:
                unavailable = HttpError(503, "unavailable", str(error))
                return _write_error(unavailable, self._settings, as_page=route.is_page)
            except Exception:  # the border of a request
                log.exception("%s could not be answered", request.scope["path"])
                failed = HttpError(500, "internal", "something went wrong here; the log of the service says what")
                return _write_error(failed, self._settings, as_page=route.is_page)

        return endpoint

    async def _answer(self, route: Route, request: Request) -> Response:
        given = b"" if route.ignores_query else request.scope["query_string"]
        query = read_query(given, route.parameters, blank_is_unset=route.is_page)
        # Asked before the store is read: what is committed meanwhile makes the result outdated, never the version new.
        version = self._reader.version()
        write = route.writer(query, request.headers.get("accept", ""))
        question = (request.scope["path"], given, write)
        respond = partial(self._respond, route, write, question, version, dict(request.path_params), query)
        if route.quick:
            return respond(self._reader)
        return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: respond(self._own_reader()))

    def _respond(
        self,
        route: Route,
        write: Callable[[Any], Response],
        question: Question,
        version: Version,
        path_values: dict[str, str],
        query: dict[str, Any],
        reader: Reader,
    ) -> Response:
        now = self._clock.monotonic()
        response = self._responses.get(question, version, now)
        if response is None:
            response = write(self._find(route, path_values, query, reader))
            self._responses.put(question, response, version, now + route.fresh_s)
        return response

    def _find(self, route: Route, path_values: dict[str, str], query: dict[str, Any], reader: Reader) -> Any:  # noqa: ANN401 - each route its own
        try:
            return route.find(
                RequestContext(reader.database(), path_values, query, self._clock.now(), self._boot, self._settings)
            )
        except StoreError:
            reader.close()
            raise

    def _own_reader(self) -> Reader:
        """Return the reader of this thread: a connection belongs to one."""
        reader: Reader | None = getattr(self._of_thread, "reader", None)
        if reader is None:
            reader = self._of_thread.reader = Reader(self._settings.database)
        return reader


def _fixed(make: Callable[[], Response]) -> Endpoint:
    """Return what answers without a database, and takes no parameters."""

    async def endpoint(request: Request) -> Response:
        try:
            read_query(request.scope["query_string"], {})
        except HttpError as error:
            return error_response(error)
        return unless_known(request, make())

    return endpoint


async def _on_routing_error(settings: Settings, request: Request, raised: Exception) -> Response:
    """Answer what Starlette's router found: no such address, or no such method there."""
    if isinstance(raised, HTTPException) and raised.status_code == 405:  # noqa: PLR2004 - method not allowed
        error = HttpError(405, "method_not_allowed", "this is read-only: use GET or HEAD")
    else:
        error = not_found(f"there is nothing at {request.url.path[:200]}")
    wants_page = "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/v1/")
    return _write_error(error, settings, as_page=wants_page)


def _write_error(error: HttpError, settings: Settings, *, as_page: bool) -> Response:
    return error_page(error, settings) if as_page else error_response(error)


def _boot() -> Boot:
    """Return which boot of the host this is; a sandbox may hide /proc/stat, but not the clock since boot."""
    try:
        return current_boot()
    except OSError:
        up_s = time.clock_gettime(time.CLOCK_BOOTTIME)
        return Boot("", datetime.fromtimestamp(time.time() - up_s, UTC))
