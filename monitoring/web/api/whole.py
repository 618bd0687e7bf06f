"""The whole in one answer: `/healthz`, `/v1/audit`, `/metrics`, and the description of the API."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from starlette.responses import Response

from monitoring.base.exact_json import to_json
from monitoring.ledger.audit import as_json
from monitoring.web import health, overview, parameters
from monitoring.web.http import NEVER_KEPT, HttpError, json_response, respond
from monitoring.web.route import RequestContext, Route
from monitoring.web.serializers import Json

_OPENAPI = Path(__file__).parents[1] / "openapi.yaml"


def audit(context: RequestContext) -> Json:
    span, profile = context.query.get("since", overview.DAY), context.query.get("profile")
    found = overview.audit(context.database, context.now, context.boot, span, profile)
    return as_json(found)


def healthz(context: RequestContext) -> Json:
    found = health.reasons(context.database, context.now, context.boot)
    if found:
        raise HttpError(503, "unhealthy", "; ".join(found), status="failing", reasons=found)
    return {"status": "ok"}


def metrics(context: RequestContext) -> bytes:
    from monitoring.web.api.metrics import exposition  # noqa: PLC0415 - only who scrapes pays for it

    return exposition(context)


def _write_health(found: Json) -> Response:
    return respond(to_json(found), cache_control=NEVER_KEPT)


def _write_metrics(found: bytes) -> Response:
    from monitoring.web.api.metrics import CONTENT_TYPE  # noqa: PLC0415 - as above

    return respond(found, CONTENT_TYPE, cache_control=NEVER_KEPT)


@cache
def openapi() -> Response:
    """Return the description of the API as JSON; it needs no database."""
    import yaml  # noqa: PLC0415 - only who asks for it pays for it

    return json_response(yaml.load(_OPENAPI.read_text(encoding="utf-8"), yaml.CSafeLoader))


ROUTES = (
    Route("/healthz", healthz, fresh_s=1, ignores_query=True, write=_write_health),
    Route("/v1/audit", audit, {"since": parameters.span, "profile": parameters.text}, fresh_s=5),
    Route("/metrics", metrics, fresh_s=5, write=_write_metrics),
)
