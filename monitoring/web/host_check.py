"""Which requests are answered at all: the last wall between a web page of somebody else and the alerts of this host.

A page in the operator's browser can make its own name resolve to 127.0.0.1 and then read what this host serves
("DNS rebinding"). It cannot choose the `Host` that the browser sends: that stays the page's own name.
docs/decisions/0018-which-host-is-answered.md says why the rules are these.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from monitoring.base.public_address import NAME, NGINX_SITE, forwards_public_host, public_host
from monitoring.web.http import HttpError, error_response

_LOOPBACK = frozenset({"127.0.0.1", "[::1]", "localhost"})
# A dot at the end of a name says only that the name is complete.
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^\[\]:@/\s]+?)\.?(:[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class HostPolicy:
    """The names that are answered; without `names` every one is.

    `any_without_port` is for hosts whose nginx site is of an earlier release and passes the public name on, without
    its port. A browser that talks to this port itself always sends the port along, so such a request came by the proxy.
    """

    names: frozenset[str] | None
    any_without_port: bool = False

    def allows(self, hosts: Sequence[str]) -> bool:
        """Decide by every `Host` that was sent: exactly one, of a known name, with any port."""
        if self.names is None:
            return True
        match = _HOST.fullmatch(hosts[0].lower()) if len(hosts) == 1 else None
        if match is None:
            return False
        return match[1] in self.names or (self.any_without_port and match[2] is None)


def policy_for(bind: str, port: int, environ: Mapping[str, str], site: Path = NGINX_SITE) -> HostPolicy:
    """Return what holds for a service that listens there.

    Raises:
        UsageError: `MONITORING_PUBLIC_URL` is not an address.
    """
    public = public_host(environ)
    if not _is_loopback(bind):
        # Only the operator of a network knows its names.
        return HostPolicy(None)
    own = f"[{bind.lower()}]" if ":" in bind else bind.lower()
    is_default_port = port in (80, 443)  # there a browser leaves the port out
    return HostPolicy(
        _LOOPBACK | {own} | ({public} if public else set()),
        any_without_port=public is None and not is_default_port and forwards_public_host(site),
    )


def refusal(policy: HostPolicy, headers: Headers) -> HttpError | None:
    """Return why a request is not answered; none if it is."""
    hosts = headers.getlist("host")
    if not policy.allows(hosts):
        shown = ", ".join(host[:100] for host in hosts) or "nothing"
        return HttpError(
            421,
            "misdirected_request",
            f"this service does not answer for the host {shown!r}: it is not a loopback name or the host of {NAME}: "
            f"if your proxy or tunnel has that address, set {NAME}=https://… in the env file and restart this service",
        )
    if headers.get("sec-fetch-site") == "cross-site" and not _is_link(headers):
        return HttpError(403, "cross_site", "a page of another site may link here, but not read from here")
    return None


def _is_link(headers: Headers) -> bool:
    """Return whether a person follows a link, from a chat for example: a page of its own, not a frame or a script."""
    return headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"


def _is_loopback(bind: str) -> bool:
    try:
        return ip_address(bind).is_loopback
    except ValueError:
        return bind.lower() == "localhost"


class HostCheck:
    """Stands before the application: refuses, or passes on."""

    def __init__(self, app: ASGIApp, policy: HostPolicy) -> None:
        self._app = app
        self._policy = policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        error = refusal(self._policy, Headers(scope=scope))
        await (self._app if error is None else error_response(error))(scope, receive, send)
