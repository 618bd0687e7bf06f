"""What is wrong with an address that somebody wrote, and where a redirect leads, in words that hold no key. Pure.

Called where addresses come out of the environment, and where a service answers with a redirect.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import SplitResult, urljoin, urlsplit

_PROBLEMS = tuple(
    (re.compile(pattern, re.IGNORECASE), problem)
    for pattern, problem in (
        (r"[,;\s]+(https?|wss?)://", "holds several addresses: give each a variable of its own"),
        (r"^[\"']|[\"']$", "has quotes in it: write the address alone"),
        (r"\s", "has a space in it"),
        ("#", "has a # in it, and nothing behind it is sent: write %23 in its place"),
        ("^wss?://", "is a WebSocket address: write the provider's https:// one"),
        ("^(?!https?://)", "does not begin with https://"),
    )
)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SHORT, _LONG = 8, 20  # a shorter piece of a path is no key; a longer one is shown nowhere, whatever it looks like
_WORD = re.compile(r"[a-zA-Z]+([-_.][a-zA-Z0-9]+)*")


def url_problem(text: str) -> str | None:
    """Return what is wrong with an HTTP address and what to write instead, to follow a variable's name; else None."""
    for pattern, problem in _PROBLEMS:
        if pattern.search(text):
            return problem
    split = _split(text)
    if split is None:
        return "is malformed: in a name or password write %3A for :, %2F for /, %40 for @, %5B for ["
    return None if split.hostname else "names no host"


def _split(url: str) -> SplitResult | None:
    try:
        split = urlsplit(url)
        _ = split.port
    except ValueError:
        return None
    return split


def redirect_target(url: str, status: int, headers: Mapping[str, str], *, public: bool) -> str:
    """Return where a redirect leads: scheme, host and what of the path is no key; nothing where it is none.

    The path of an address that is not `public` is left out: it may be a key as a whole.
    """
    location = headers.get("location", "")
    if status not in _REDIRECTS or not location:
        return ""
    split = _split(urljoin(url, location))
    if split is None or not split.hostname:
        return ""
    port = f":{split.port}" if split.port else ""
    pieces = split.path.split("/") if public else ["", "…"]
    path = "/".join(piece if _is_harmless(piece) else "…" for piece in pieces)
    return f"{split.scheme}://{split.hostname}{port}{path}"


def _is_harmless(piece: str) -> bool:
    return len(piece) < _SHORT or (len(piece) < _LONG and _WORD.fullmatch(piece) is not None)
