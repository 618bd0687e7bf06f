"""Puts the site together: the API, the pages and the static files over one database."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from monitoring.base.clock import Clock, SystemClock
from monitoring.base.process_identity import Boot, current_boot
from monitoring.base.settings import Settings
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
        boot=_boot(),
    )


def _boot() -> Boot:
    """Return which boot of the host this is; a sandbox may hide /proc/stat, but not the clock since boot."""
    try:
        return current_boot()
    except OSError:
        up_s = time.clock_gettime(time.CLOCK_BOOTTIME)
        return Boot("", datetime.fromtimestamp(time.time() - up_s, UTC))
