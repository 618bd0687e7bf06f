"""`MONITORING_PUBLIC_URL`: the address under which people reach the pages, where a proxy or a tunnel has one for them.

The web service answers requests for its host and links below its path, alerts link to its pages, and `doctor` looks at
it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import SplitResult, quote, unquote, urlencode, urlsplit

from monitoring.base.errors import UsageError

NAME = "MONITORING_PUBLIC_URL"
# Where docs/reverse-proxy.md installs our site.
NGINX_SITE = Path("/etc/nginx/sites-enabled/monitoring")


def public_url(environ: Mapping[str, str]) -> str:
    """Return the address under which the pages lie, its path kept; nothing if none is set, or none that can be used."""
    try:
        parts, path = _parts(environ), public_path(environ)
    except UsageError:
        return ""  # the web service and `doctor` say so
    return f"{parts.scheme}://{parts.netloc}{path}" if parts else ""


def incident_path(condition: Mapping[str, str]) -> str:
    """Return where the page of an incident lies: `condition` is its key by name, and maybe since when it fires."""
    return f"/incident?{urlencode({name: value for name, value in condition.items() if value})}"


def public_host(environ: Mapping[str, str]) -> str | None:
    """Return the host of the public address in lower case; none if no address is set.

    Raises:
        UsageError: the value is not the address of a web site.
    """
    parts = _parts(environ)
    host = parts.hostname if parts else None
    if host is None:
        return None
    return f"[{host}]" if ":" in host else host.removesuffix(".")


def public_path(environ: Mapping[str, str]) -> str:
    """Return the path of the public address below which the pages are, without a slash at its end; mostly empty.

    Raises:
        UsageError: as `public_host`.
    """
    parts = _parts(environ)
    return quote(unquote(parts.path).rstrip("/")) if parts else ""


def _parts(environ: Mapping[str, str]) -> SplitResult | None:
    text = environ.get(NAME, "").strip()
    if not text:
        return None
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https") or not host.isascii() or "@" in parts.netloc:
        raise UsageError(
            f"{NAME}={text!r} is not a web address: write it as the browser shows it, for example "
            "https://monitoring.example.org"
        )
    return parts


def forwards_public_host(site: Path = NGINX_SITE) -> bool:
    """Return whether an earlier release's nginx site is installed: it passes the visitor's `Host` on to the API."""
    try:
        return "proxy_set_header Host $host;" in site.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
