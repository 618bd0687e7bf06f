"""What routes share: pages by cursor, and the id in a path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitoring.web import parameters
from monitoring.web.http import not_found
from monitoring.web.parameters import LARGEST_ID, bad_parameter
from monitoring.web.route import RequestContext
from monitoring.web.serializers import Json

DEFAULT_LIMIT = 100
PAGE: Mapping[str, parameters.ReadValue] = {"limit": parameters.limit, "cursor": parameters.cursor}


def row_id(context: RequestContext) -> int:
    """Return the id in the path.

    Raises:
        HttpError: it is not a whole number, or no row can have it.
    """
    text = context.path_values["id"]
    if not (text.isascii() and text.isdecimal()):
        raise bad_parameter(f"{text[:50]!r} is not an id: write a whole number")
    number = int(text[:30])
    if number > LARGEST_ID:
        raise not_found(f"there is nothing with the id {text[:30]}")
    return number


def as_page(found: list[Json], limit: int) -> Json:
    data = found[:limit]
    more = str(data[-1]["id"]) if len(found) > limit else None
    return {"data": data, "next_cursor": more, "limit": limit}


def as_data(found: list[Any]) -> Json:
    return {"data": found}
