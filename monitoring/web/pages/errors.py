"""An error as a page."""

from __future__ import annotations

from datetime import UTC, datetime

from starlette.responses import Response

from monitoring.base.public_address import public_path
from monitoring.base.settings import Settings
from monitoring.web.http import HTML, NEVER_KEPT, HttpError, respond
from monitoring.web.pages.page import NO_ALARM, Page
from monitoring.web.pages.templating import render

_TITLES = {
    400: "That cannot be understood",
    404: "There is nothing here",
    405: "This is read-only",
    503: "The database does not answer",
}


def error_page(error: HttpError, settings: Settings) -> Response:
    """Return an error as a page; one without a database looks again by itself."""
    found = Page(
        "error.html",
        {
            "now": datetime.now(UTC),
            "alarms": NO_ALARM,
            "here": "",
            "title": _TITLES.get(error.status, "Something went wrong"),
            "error": error,
            "is_first_run": error.status == 503 and not settings.database.exists(),  # noqa: PLR2004 - unavailable
        },
    )
    return respond(render(found, public_path(settings.environ)), HTML, error.status, NEVER_KEPT, error.headers)
