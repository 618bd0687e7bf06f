"""What goes over the wire: responses with the headers that protect a browser, errors as JSON, and 304."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from monitoring.base.errors import MonitoringError
from monitoring.base.exact_json import to_json

JSON = "application/json"
HTML = "text/html; charset=utf-8"
NEVER_KEPT = "no-store"
_OK = 200
# Everything a page needs comes from here; nothing in a page can run that is not one of our files.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_PROTECTION = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class HttpError(MonitoringError):
    """A request that is answered with an error; `details` are further fields of its JSON."""

    def __init__(self, status: int, code: str, message: str, /, **details: object) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.details = details

    @property
    def headers(self) -> dict[str, str]:
        if self.status == 503:  # noqa: PLR2004 - unavailable
            return {"retry-after": "5"}
        return {"allow": "GET, HEAD"} if self.status == 405 else {}  # noqa: PLR2004 - method not allowed


def not_found(message: str) -> HttpError:
    return HttpError(404, "not_found", message)


def respond(
    body: bytes,
    media_type: str = JSON,
    status: int = _OK,
    cache_control: str = "no-cache",
    more_headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the response; `no-cache` lets a client keep the body, and ask whether it is still true."""
    headers = {**_PROTECTION, "cache-control": cache_control, **(more_headers or {})}
    if status == _OK:
        headers["etag"] = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    return Response(body, status, headers, media_type)


def json_response(found: object) -> Response:
    return respond(to_json(found))


def error_response(error: HttpError) -> Response:
    body = {"error": error.code, "message": str(error), **error.details}
    return respond(to_json(body), JSON, error.status, NEVER_KEPT, error.headers)


def unless_known(request: Request, response: Response) -> Response:
    """Return 304 in place of the response if the client has that body already."""
    etag, known = response.headers.get("etag"), request.headers.get("if-none-match")
    if etag is None or known is None:
        return response
    tags = [tag.strip().removeprefix("W/") for tag in known.split(",")]
    if etag not in tags and "*" not in tags:
        return response
    kept = {name: value for name, value in response.headers.items() if not name.startswith("content-l")}
    kept.pop("content-type", None)
    return Response(status_code=304, headers=kept)
