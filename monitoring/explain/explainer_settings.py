"""What the environment says of the explainer: which server and model, and how much a day. Pure.

On only where `LLM_BASE_URL` and `LLM_MODEL` are set; a server of this machine or its network needs no key.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import SplitResult, urlsplit

from monitoring.base.errors import UsageError

KEY, BASE_URL, MODEL = "LLM_API_KEY", "LLM_BASE_URL", "LLM_MODEL"
DEADLINE, REQUESTS, TOKENS = "LLM_DEADLINE_S", "LLM_DAILY_REQUESTS", "LLM_DAILY_TOKENS"
VARIABLES = (KEY, BASE_URL, MODEL, DEADLINE, REQUESTS, TOKENS)
_DEADLINE_S, _SHORTEST_S, _LONGEST_S = 90, 5, 600
_REQUESTS, _TOKENS = 200, 500_000


@dataclass(frozen=True, slots=True)
class ExplainerSettings:
    """One model of one OpenAI-compatible server. `deadline` counts from when an alert was stored."""

    base_url: str = field(repr=False)
    host: str
    model: str
    key: str = field(repr=False)
    deadline: timedelta
    daily_requests: int
    daily_tokens: int
    is_local: bool


def is_wanted(environ: Mapping[str, str]) -> bool:
    """Return whether any of it is set; costs nothing where none is."""
    return any(environ.get(name, "").strip() for name in (BASE_URL, MODEL))


def explainer_settings(environ: Mapping[str, str]) -> ExplainerSettings | None:
    """Return the settings, nothing where the explainer is off.

    Raises:
        UsageError: it is half set, or a value cannot be used; the message names the variable, and never a value.
    """
    if not is_wanted(environ):
        return None
    base, model, key = (environ.get(name, "").strip() for name in (BASE_URL, MODEL, KEY))
    if not base or not model:
        missing = MODEL if base else BASE_URL
        raise UsageError(f"{missing} is not set: it needs {BASE_URL} and {MODEL}; remove both to switch it off")
    parts = _address(base)
    is_local = _is_local(parts.hostname or "")
    if not key and not is_local:
        raise UsageError(f"{KEY} is not set: only a server of this machine or its network needs no key")
    if parts.scheme == "http" and not is_local:
        raise UsageError(f"{BASE_URL} begins with http: facts and key would be sent in clear; write https")
    deadline = _number(environ, DEADLINE, _DEADLINE_S)
    if not _SHORTEST_S <= deadline <= _LONGEST_S:
        raise UsageError(f"{DEADLINE} must be from {_SHORTEST_S} to {_LONGEST_S} seconds")
    return ExplainerSettings(
        base.rstrip("/"), parts.hostname or "", model, key, timedelta(seconds=deadline),
        _number(environ, REQUESTS, _REQUESTS), _number(environ, TOKENS, _TOKENS), is_local,
    )  # fmt: skip


def child_environment(environ: Mapping[str, str], cache_dir: str) -> dict[str, str]:
    """Return what the explainer's process gets to see: its own settings, the way out, and nothing else of the host."""
    kept = {name: environ[name] for name in (*VARIABLES, *_OF_THE_MACHINE) if name in environ}
    proxies = {name: value for name, value in environ.items() if name.lower() in _PROXIES}
    return {**kept, **proxies, "CACHE_DIR": cache_dir, "MONITORING_ENV_FILE": ""}


_OF_THE_MACHINE = ("PATH", "HOME", "LANG", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "LOG_LEVEL")
_PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy", "no_proxy"})


def _address(base: str) -> SplitResult:
    try:
        parts = urlsplit(base)
        _ = parts.port
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or "@" in parts.netloc:
        raise UsageError(f"{BASE_URL} is not the address of a server: write it as in http://127.0.0.1:8080/v1")
    return parts


def _is_local(host: str) -> bool:
    """Return whether an address is of this machine or a private network. A name is not: it may lead anywhere."""
    if host == "localhost":
        return True
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return False
    return found.is_private and not found.is_unspecified


def _number(environ: Mapping[str, str], name: str, usual: int) -> int:
    text = environ.get(name, "").strip()
    if not text:
        return usual
    if not text.isascii() or not text.isdecimal() or not int(text):
        raise UsageError(f"{name} must be a whole number greater than 0")
    return int(text)
