"""The dashboard: a module a page, rendered whole on the server. Scripts only keep it fresh.

A template lies in `../templates`; what needs SQL lies in the store.
Tests: `tests/browser`, `tests/integration/test_web_*.py`.
"""

from __future__ import annotations

from dataclasses import replace

from monitoring.web.http import HTML, respond
from monitoring.web.pages import alerts, check, incident, incidents, overview, runs, silences, watched
from monitoring.web.pages.templating import render
from monitoring.web.route import Route

ROUTES = (
    *overview.ROUTES,
    *alerts.ROUTES,
    *runs.ROUTES,
    *incidents.ROUTES,
    *incident.ROUTES,
    *check.ROUTES,
    *silences.ROUTES,
    *watched.ROUTES,
)


def routes(root: str) -> tuple[Route, ...]:
    """Return the pages, whose links lead below the path `root`."""
    return tuple(replace(route, write=lambda found: respond(render(found, root), HTML)) for route in ROUTES)
