"""Which proxy a request goes through: what `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` mean. Pure.

A proxy is a rule of the network: one that cannot be used is never passed by, the request fails and names the variable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_SCHEMES = ("https", "http", "all")
_SUPPORTED = ("http", "https")
_REMEDY = "set it to the address of an HTTP proxy (http://HOST:PORT), or list the hosts to reach directly in NO_PROXY"


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy and the variable that names it; the address may hold a password and is never shown."""

    variable: str
    url: str = field(repr=False)

    @property
    def problem(self) -> str | None:
        """What is wrong with it and what to do, naming the variable and never its value; None if it can be used."""
        scheme = self.url.partition("://")[0].lower()
        if scheme.startswith("socks"):
            # The library's support for SOCKS is one more package on a host that holds keys: docs/decisions/0017.
            return f"{self.variable} names a SOCKS proxy, which is not supported: {_REMEDY}"
        if scheme not in _SUPPORTED or not _host(self.url):
            return f"{self.variable} is not the address of an HTTP proxy: {_REMEDY}"
        return None


def proxy_for(url: str, environ: Mapping[str, str]) -> Proxy | None:
    """Return the proxy that a request to `url` goes through; None for a direct connection."""
    split = urlsplit(url)
    host = split.hostname or ""
    found = _named(environ, split.scheme.lower()) or _named(environ, "all")
    return None if found is None or _is_direct(host, environ) else found


def proxy_problems(environ: Mapping[str, str]) -> list[str]:
    """Return what is wrong with each proxy that some request would go through."""
    found = (_named(environ, scheme) for scheme in _SCHEMES)
    return [proxy.problem for proxy in found if proxy is not None and proxy.problem]


def _named(environ: Mapping[str, str], scheme: str) -> Proxy | None:
    """The spelling in lower case comes first, and an empty one turns the other off: as curl and Python read them."""
    for variable in (f"{scheme}_proxy", f"{scheme}_proxy".upper()):
        if variable in environ:
            value = environ[variable].strip()
            return Proxy(variable, value if "://" in value else f"http://{value}") if value else None
    return None


def _is_direct(host: str, environ: Mapping[str, str]) -> bool:
    listed = environ.get("no_proxy", environ.get("NO_PROXY", ""))
    for name in (piece.strip().lower().strip("[]") for piece in listed.split(",")):
        if name == "*" or (name and (host == name.lstrip(".") or host.endswith(f".{name.lstrip('.')}"))):
            return True
    return False


def _host(url: str) -> str:
    try:
        split = urlsplit(url)
        _ = split.port
    except ValueError:
        return ""
    return split.hostname or ""
