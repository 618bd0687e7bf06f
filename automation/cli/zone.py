"""Times as a command shows them: UTC, or the zone that `--tz` names."""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo

from monitoring.base.errors import UsageError

LOCAL = "local"
_WRITTEN = r"\b(\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d)?)( UTC)?"
_zone: tzinfo | None = UTC  # None: that of this machine


def use(name: str | None) -> None:
    """Show times in this zone from now on; `local` is the machine's, None is UTC.

    Raises:
        UsageError: there is no such zone.
    """
    global _zone  # noqa: PLW0603 - a property of the process, like its log level
    if name is None or name.upper() == "UTC":
        _zone = UTC
    elif name == LOCAL:
        _zone = None
    else:
        _zone = _named(name)


def _named(name: str) -> tzinfo:
    from zoneinfo import ZoneInfo, available_timezones  # noqa: PLC0415 - only `--tz` pays for it

    from monitoring.base.suggest import did_you_mean  # noqa: PLC0415 - likewise

    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        hint = did_you_mean(name, available_timezones()) or f", write one such as Europe/Berlin, or {LOCAL}"
        raise UsageError(f"--tz: there is no time zone {name!r}{hint}") from None


def zone_name() -> str:
    """Return what headings and times are marked with: `UTC`, `Europe/Berlin`, `CET`."""
    if _zone is UTC:
        return "UTC"
    return str(_zone) if _zone is not None else datetime.now(UTC).astimezone().tzname() or LOCAL


def at(instant: datetime, *, seconds: bool = False) -> str:
    """Return `2026-12-01 08:00`, for a column whose heading names the zone."""
    return f"{instant.astimezone(_zone):%Y-%m-%d %H:%M}{f':{instant.second:02}' if seconds else ''}"


def named(instant: datetime, *, seconds: bool = False) -> str:
    """Return `2026-12-01 08:00 UTC`."""
    return f"{at(instant, seconds=seconds)} {zone_name()}"


def heading(text: str) -> str:
    """Return the heading of a column of times: `ENDS (UTC)`."""
    return f"{text} ({zone_name()})"


def in_zone(text: str) -> str:
    """Return a text of ours with its times, which are in UTC, in the zone that is shown."""
    if _zone is UTC:
        return text
    return re.sub(_WRITTEN, _moved, text)


def _moved(found: re.Match[str]) -> str:
    instant = datetime.fromisoformat(found[1]).replace(tzinfo=UTC)
    return at(instant, seconds=found[1].count(":") > 1) + (f" {zone_name()}" if found[2] else "")
