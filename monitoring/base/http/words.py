"""What may be written of a request and of an answer's words: the host, and nothing that could be a key."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl, unquote, urlsplit

from monitoring.base.secrets.redact import redact

_SHORTEST_SECRET = 6  # a shorter path segment is a word such as `rpc` or `eth`
WEB_PAGE = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*|<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b",
    re.IGNORECASE | re.DOTALL,
)
_ANY_URL = re.compile(r"https?://[^\s\"'<>]+")


def host_of(url: str) -> str:
    """Return the only part of a URL that may be written anywhere; a label of it that is a key is not."""
    with contextlib.suppress(ValueError):
        return redact(urlsplit(url).hostname or "(no host)")
    return "(no host)"


def secrets_in(url: str, header_values: Iterable[str]) -> list[str]:
    """Return what of a request must not be repeated, longest first."""
    split = urlsplit(url)
    pieces = [split.path, split.query, split.username or "", split.password or "", *split.path.split("/")]
    pieces += [value for _, value in parse_qsl(split.query)]
    for value in header_values:
        pieces += [value, *value.split()]
    pieces += [unquote(piece) for piece in pieces]
    return sorted({piece for piece in pieces if len(piece) >= _SHORTEST_SECRET}, key=len, reverse=True)


def scrubbed(text: str, secrets: Iterable[str], limit: int) -> str:
    """Make a destination's text fit to be shown: one line, no URL, none of the secrets."""
    text = _ANY_URL.sub(lambda found: host_of(found[0]), text)
    for secret in secrets:
        text = text.replace(secret, "…")
    text = redact(text)
    text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def redirect_words(status: int, headers: Mapping[str, str]) -> str:
    """Return where an answer redirects to, in words: the host alone, since the rest may be a key."""
    target = headers.get("location", "").strip()
    if not 300 <= status < 400 or not target:  # noqa: PLR2004 - HTTP's own numbers
        return ""
    try:
        parts = urlsplit(target)
    except ValueError:
        return ", redirects to no address"
    host = parts.netloc.rpartition("@")[2]
    where = f"{parts.scheme or 'http'}://{host}/…" if host else "another path of the same host"
    return f", redirects to {where}: set the address it leads to"
