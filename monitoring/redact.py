"""Keeps secrets out of every text we write, by value: whatever the pattern around it, the value itself is replaced."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

# Variables whose whole value is secret, by how their names end or begin.
_SECRET_NAME = re.compile(
    r"(TOKEN|SECRET|PASSWORD|PASSWD|API_KEY|ACCESS_KEY|PRIVATE_KEY|MNEMONIC)|_KEY(_\d+)?$"
    r"|^(PROVIDER_URL|NOTIFY_URLS|WEBHOOK_URL|HEARTBEAT|HEALTHCHECK|LLM_)"
)
_URL_NAME = re.compile(r"^(PROVIDER_URL|NOTIFY_URLS|WEBHOOK_URL|HEARTBEAT|HEALTHCHECK)|_URL(_\d+)?$|_PING$")
# Shapes that are secret wherever they come from: a Telegram bot token, credentials inside a URL.
_BOT_TOKEN = re.compile(r"(?<!\d)\d{6,12}:[A-Za-z0-9_-]{30,}")
_URL_CREDENTIALS = re.compile(r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)")
_SHORTEST_SECRET = 6  # a shorter value would blank ordinary words
_SHORTEST_PATH = 16  # a URL's path may be a plain word; keys in paths are longer than that


def is_secret_name(name: str) -> bool:
    """Tell whether a variable of this name carries a secret."""
    return bool(_SECRET_NAME.search(name.upper()) or _URL_NAME.search(name.upper()))


class Redactor:
    """Replaces the values of secret variables by `[NAME]`, longest first."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        values: dict[str, str] = {}
        for name, value in environ.items():
            if is_secret_name(name):
                for part in _secret_parts(value):
                    values.setdefault(part, name)
        self._values = sorted(values.items(), key=lambda pair: -len(pair[0]))

    def __call__(self, text: str) -> str:
        for value, name in self._values:
            if value in text:
                text = text.replace(value, f"[{name}]")
        text = _BOT_TOKEN.sub("[bot token]", text)
        return _URL_CREDENTIALS.sub("[credentials]", text)


def _secret_parts(value: str) -> list[str]:
    """Return the value, its URL-quoted form, and of a URL the path and query that hold the key."""
    parts = [value, quote(value, safe="")]
    for piece in re.split(r"[\s,]+", value):
        if "://" not in piece:
            continue
        split = urlsplit(piece)
        parts += [piece, split.password or ""]
        parts += [part for part in (split.path.strip("/"), split.query) if len(part) >= _SHORTEST_PATH]
    return [part for part in parts if len(part) >= _SHORTEST_SECRET]
