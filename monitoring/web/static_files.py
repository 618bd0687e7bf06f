"""The few files the pages load: read once, kept in memory, addressed by exact name, so that no path can climb."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from hashlib import blake2b
from pathlib import Path

from starlette.responses import Response

from monitoring.web.http import respond

_DIRECTORY = Path(__file__).parent / "static"
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
# The address holds a digest of the content: another content has another address.
_FOR_A_YEAR = "public, max-age=31536000, immutable"


def responses() -> Mapping[str, Callable[[], Response]]:
    """Return what lies at which address."""
    return {address(path.name): partial(_read, path) for path in _DIRECTORY.iterdir() if path.suffix in _TYPES}


@cache
def address(name: str) -> str:
    """Return the address of a file, as pages link it."""
    path = _DIRECTORY / name
    digest = blake2b(path.read_bytes(), digest_size=5).hexdigest()
    return f"/static/{path.stem}.{digest}{path.suffix}"


@cache
def _read(path: Path) -> Response:
    return respond(path.read_bytes(), _TYPES[path.suffix], cache_control=_FOR_A_YEAR)
