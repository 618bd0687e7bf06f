"""Puts the site together: the API, the pages and the static files over one database."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from monitoring.clock import Clock, SystemClock
from monitoring.process import booted_at
from monitoring.settings import Settings
from monitoring.web import api, pages, static_files
from monitoring.web.site import Site


def build_site(settings: Settings, clock: Clock | None = None) -> Site:
    """Return the application; nothing is opened before the first request."""
    return Site(
        settings,
        [*api.ROUTES, *pages.ROUTES],
        {"/openapi.json": api.openapi, **static_files.answers()},
        say=api.say,
        say_page=pages.say,
        clock=clock or SystemClock(),
        booted_at=_booted_at(),
    )


def _booted_at() -> datetime:
    """Return when the host came up; a sandbox may hide /proc/stat, but not the clock since boot."""
    try:
        return booted_at()
    except OSError:
        return datetime.fromtimestamp(time.time() - time.clock_gettime(time.CLOCK_BOOTTIME), UTC)
