"""The address a heartbeat pings: what a text from the environment means, and the URL for each thing there is to say.

Two dialects: Healthchecks and its like take the signal as the end of the path; a push URL (Uptime Kuma) as `status=`.
Pure. The address is a secret: no reason given here quotes any of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

from monitoring.base.errors import UsageError

_SIGNALS = ("start", "fail", "log")
_OTHER_DIALECTS = ("state", "status_code", "exit_code")
_PUSH_PATH = "/api/push/"


@dataclass(frozen=True, slots=True)
class PingAddress:
    """Where to ping. `is_push`: the address says by `status=` how the run ended, and knows no start."""

    parts: SplitResult
    is_push: bool

    @classmethod
    def parse(cls, text: str) -> PingAddress:
        """Read an address.

        Raises:
            UsageError: it cannot be used, or it is not clear how a failure would be reported there.
        """
        parts = _split(text)
        query = parse_qsl(parts.query, keep_blank_values=True)
        named = {name.lower() for name, _ in query}
        last = parts.path.rstrip("/").rpartition("/")[2]
        is_push = _PUSH_PATH in parts.path or any(
            (name, value.lower()) in (("status", "up"), ("status", "down")) for name, value in query
        )
        if not is_push and named & {"status", *_OTHER_DIALECTS}:
            raise UsageError("it carries a status of a kind that is not supported: write it without its status")
        if not is_push and last in _SIGNALS:
            raise UsageError(f"it ends in /{last}, so every ping would say that: write it without that end")
        return cls(parts, is_push)

    def of_start(self, run: str) -> str | None:
        """Return what to ask for when a run starts; None where that cannot be said."""
        return None if self.is_push else self._ending_in("/start", run)

    def of_success(self, run: str, took_ms: int) -> str:
        return self._push("up", "OK", took_ms) if self.is_push else self._ending_in("", run)

    def of_exit(self, exit_code: int, run: str, took_ms: int) -> str:
        """Return what to ask for when tasks failed."""
        if self.is_push:
            return self._push("down", f"exit code {exit_code}", took_ms)
        return self._ending_in(f"/{exit_code}", run)

    def of_failure(self, why: str, run: str, took_ms: int) -> str:
        """Return what to ask for when the host cannot be relied on."""
        return self._push("down", why, took_ms) if self.is_push else self._ending_in("/fail", run)

    def _ending_in(self, suffix: str, run: str) -> str:
        """The suffix belongs to the path; `rid` lets the destination pair the start of a run with its end."""
        others = [pair for pair in self.parts.query.split("&") if pair and pair.partition("=")[0] != "rid"]
        query = "&".join([*others, f"rid={run}"])
        return self.parts._replace(path=self.parts.path.rstrip("/") + suffix, query=query).geturl()

    def _push(self, status: str, message: str, took_ms: int) -> str:
        said = {"status": status, "msg": message, "ping": str(took_ms)}
        kept = [(name, value) for name, value in parse_qsl(self.parts.query, keep_blank_values=True)
                if name.lower() not in said]  # fmt: skip
        return self.parts._replace(query=urlencode([*kept, *said.items()])).geturl()


def _split(text: str) -> SplitResult:
    if not text.isprintable() or " " in text:
        raise UsageError("it contains a blank or a character that no address has")
    try:
        parts = urlsplit(text)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise UsageError("it is not an address: its host or port cannot be read") from None
    if parts.scheme not in ("http", "https") or not host:
        raise UsageError("it is not an http or https address")
    if parts.fragment or text.endswith("#"):
        raise UsageError("it contains a # and what follows is never sent: remove it")
    return parts
