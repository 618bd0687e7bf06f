"""The `sources` of a monitor file: a number from a service, with what makes the answer trustworthy."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from monitoring.checks.config.names import read_expression
from monitoring.checks.config.yaml_node import Spot
from monitoring.checks.engine.monitor import NumberSource
from monitoring.checks.expression.scope import Scope
from monitoring.checks.expression.tree import ANYTHING, BOOLEAN

KNOWN = ("url", "number", "scale", "time", "max_age", "ok", "query", "require", "headers")
_PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*(?:\.[A-Za-z_][A-Za-z0-9_-]*|\[-?\d{1,6}\])*")
_HEADER = re.compile(r"[A-Za-z0-9-]{1,64}")


def read_source(spot: Spot, name: str) -> NumberSource | None:
    """Read one source; `max_age` without `time` is refused, for it could never be checked."""
    if not spot.entries("url, number and what else is known of a source"):
        return None
    spot.only(KNOWN)
    url, number = spot.need("url", "where the number comes from"), spot.need("number", "its path in the answer")
    address, path = read_url(url) if url else None, read_path(number) if number else None
    scale, age, ok = spot.get("scale"), spot.get("max_age"), spot.get("ok")
    if age and not spot.get("time"):
        age.wrong("max_age needs time: the path of the answer's own time")
    time, query, required = spot.get("time"), spot.get("query"), spot.get("require")
    expression = read_expression(ok, Scope(open=True)) if ok else None
    if ok and expression and expression.kind not in (BOOLEAN, ANYTHING):
        ok.wrong(f"{BOOLEAN} is needed here, this is {expression.kind}")
    found = NumberSource(
        name=name,
        url=address or "",
        number=path or "",
        scale=(scale.positive() if scale else None) or 1,
        time=(read_path(time) if time else None) or "",
        max_age=age.duration() if age else None,
        ok=expression,
        query=(query.text("a query") if query else None) or "",
        require=tuple(
            one for item in (required.items("a list of paths") if required else []) if (one := read_path(item))
        ),
        headers=read_headers(spot.get("headers")),
    )
    return found if address and path else None


def read_url(spot: Spot) -> str | None:
    """Read a URL without a password in it."""
    text = spot.text("a URL")
    if text is None:
        return None
    try:
        parts = urlsplit(text)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and not re.search(r"\s", text)
    except ValueError:
        sound = False
    if not sound:
        spot.wrong("a URL is needed here, as in https://api.example.org/supply")
        return None
    if parts.username or parts.password:
        spot.wrong("a URL in a monitor holds no password: the file is public")
        return None
    return text


def read_path(spot: Spot) -> str | None:
    """Read a path in an answer."""
    text = spot.text("a path")
    if text is None or _PATH.fullmatch(text):
        return text
    spot.wrong(f"{text!r} is not a path in an answer, as in data.rows[0].value or data.rows[-1]")
    return None


def read_headers(spot: Spot | None) -> dict[str, str]:
    """Read the headers of a request."""
    found: dict[str, str] = {}
    for key, value in spot.entries("headers") if spot else []:
        text = value.text("a header's value")
        if not _HEADER.fullmatch(key.text):
            value.mistakes.add(key.at, value.path, f"{key.text!r} is not a header")
        elif text:
            found[key.text] = text
    return found
