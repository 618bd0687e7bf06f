"""The pages' templates and their words: instants, ages, sizes. Everything is escaped unless `alert_html` made it."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import orjson
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from monitoring.alerts.message.guidance import NO_GUIDANCE, Guidance
from monitoring.alerts.message.model import Alert
from monitoring.alerts.message.render import render_html
from monitoring.base.clock import from_text, to_text
from monitoring.base.exact_json import to_json
from monitoring.base.formatting import format_duration
from monitoring.base.public_address import incident_path
from monitoring.conditions.condition import ConditionKey
from monitoring.ledger.audit import AuditProblem, ProblemKind
from monitoring.store.queries.alerts import AlertRow
from monitoring.web import serializers
from monitoring.web.charts.line import line_chart
from monitoring.web.charts.shapes import glyph
from monitoring.web.pages.page import Page
from monitoring.web.static_files import address

_NOTHING = "\N{EN DASH}"
_LONGEST = 4000  # more than the output of a task that a page shows
_LONGEST_DATA = 100_000
# Of our own templates: in what others wrote a quotation mark is escaped.
_FLAG = re.compile(r"(?<!\S)--[\w-]+")
_LINK = re.compile(r' (?:href|src|action|hx-get|data-icon)="(?=/)')


def render(page: Page, root: str = "") -> bytes:
    """Return the page; its links lead below the path `root`."""
    text = _environment().get_template(page.template).render(page.values)
    return (_LINK.sub(rf"\g<0>{root}", text) if root else text).encode("utf-8", errors="replace")


def bounded(value: Any) -> Any:  # noqa: ANN401 - whatever a template shows
    """Cut a text that no person reads to its end: one key of megabytes must not make a page of many."""
    if isinstance(value, Markup | int):
        return value
    text = str(value)
    return f"{text[:_LONGEST]}…" if len(text) > _LONGEST else text


def load_templates() -> None:
    """Compile them all now: a sync may replace the files, and those of another release do not fit this process."""
    for name in _environment().list_templates():
        _environment().get_template(name)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parents[1] / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        finalize=bounded,
    )
    environment.filters |= {
        "clock": clock, "moment": moment, "when": when, "ago": ago, "seconds": seconds, "size": size,
        "command": command, "headline": headline, "alert_html": alert_html, "pretty": pretty,
        "run_seconds": serializers.duration_s,
    }  # fmt: skip
    environment.globals |= {
        "static": address, "incident_address": incident_address, "check_address": check_address,
        "finding_address": finding_address, "line_chart": line_chart, "glyph": glyph,
    }  # fmt: skip
    return environment


def instant_of(value: datetime | str | None) -> datetime | None:
    """Read an instant as a row holds it; what the old system wrote may be none."""
    if value is None or isinstance(value, datetime):
        return value
    try:
        return from_text(value)
    except ValueError:
        return None


def when(value: datetime | str | None, now: datetime) -> Markup:
    """Show the time of day, with the date unless it is today's; a script shows it in the reader's time on demand."""
    instant = instant_of(value)
    if instant is None:
        return escape(value or _NOTHING)
    form = "%H:%M" if instant.date() == now.date() else "%b %d %H:%M" if instant.year == now.year else "%Y-%m-%d %H:%M"
    return moment(instant, form)


def moment(value: datetime | str | None, form: str = "%Y-%m-%d %H:%M:%S UTC") -> Markup:
    """Show an instant, in full unless a form is given, as an element that a script can show in another zone."""
    instant = instant_of(value)
    if instant is None:
        return escape(value or _NOTHING)
    return Markup('<time datetime="{}" title="{:%Y-%m-%d %H:%M:%S} UTC" data-form="{}">{}</time>').format(
        to_text(instant), instant, form, instant.strftime(form)
    )


def clock(value: datetime | str | None) -> str:
    """Show an instant in full, as plain text."""
    instant = instant_of(value)
    return f"{instant:%Y-%m-%d %H:%M:%S} UTC" if instant else str(value or _NOTHING)


def ago(value: datetime | str | None, now: datetime) -> str:
    """Say how long ago, or in how long."""
    instant = instant_of(value)
    if instant is None:
        return ""
    span = now - instant
    if abs(span) < timedelta(seconds=5):
        return "now"
    return f"{_rough(span)} ago" if span > timedelta(0) else f"in {_rough(-span)}"


def _rough(span: timedelta) -> str:
    """Keep one unit below an hour: the second one would be stale at once."""
    text = format_duration(span)
    if span < timedelta(seconds=10):
        return f"{round(span.total_seconds())} s"
    return " ".join(text.split()[:2]) if span < timedelta(hours=1) or span > timedelta(days=3) else text


def seconds(value: float | None) -> str:
    return _NOTHING if value is None else format_duration(timedelta(seconds=value))


def size(value: float | None) -> str:
    """Show bytes as people read them."""
    if value is None:
        return _NOTHING
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:  # noqa: PLR2004 - of binary units
            return f"{value:.0f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"


def headline(row: AlertRow) -> str:
    """Return the title, or what an alert of the old system begins with."""
    lines = (line.strip() for line in row.message.splitlines())
    return row.title or next((line for line in lines if line), "(empty message)")


def alert_html(row: AlertRow) -> Markup:
    """Return the structured text as HTML, which `render_html` escapes; else the plain text as it is."""
    if row.body_json:
        try:
            created_at = instant_of(row.created_at)
            if created_at is not None:
                return Markup(render_html(Alert.from_json(row.body_json), now=created_at))  # noqa: S704 - escaped there
        except (ValueError, RecursionError):
            pass
    return Markup('<pre class="plain">{}</pre>').format(row.message)


def command(text: str) -> Markup:
    """Return a command to copy; a line is not broken inside the name of a flag."""
    return Markup(_FLAG.sub(r'<span class="flag">\g<0></span>', str(escape(text))))  # noqa: S704 - escaped here


def guidance_of_row(row: AlertRow) -> Guidance:
    """Return the runbook and the note that an alert was stored with."""
    try:
        return Alert.from_json(row.body_json or "").guidance
    except ValueError:
        return NO_GUIDANCE


def incident_address(key: ConditionKey, since: datetime | None = None) -> str:
    """Return where the page of an incident lies; `since` is when the one began that is meant."""
    return incident_path({**key.named, "since": f"{since:%Y-%m-%dT%H:%M:%SZ}" if since else ""})


def check_address(key: ConditionKey, range_: str = "") -> str:
    """Return where the page of a check lies; `range_` is one of those that it offers."""
    named = {name: value for name, value in {**key.named, "range": range_}.items() if value}
    return f"/check?{urlencode(named)}"


_STATUS_OF = {
    ProblemKind.TICKS_MISSED: "missed",
    ProblemKind.TICKS_SKIPPED: "skipped",
    ProblemKind.RUNS_FAILED: "failed",
    ProblemKind.RUNS_ABORTED: "aborted",
}


_PAGES = {ProblemKind.SILENCE: "/silences", ProblemKind.CHECKS_BLIND: "/monitoring"}


def finding_address(finding: AuditProblem) -> str:
    """Return the page that shows what an audit found; empty if none does."""
    if finding.profile and (status := _STATUS_OF.get(finding.kind)):
        return f"/runs?{urlencode({'profile': finding.profile, 'status': status})}"
    if finding.profile:
        return f"/profiles/{quote(finding.profile)}"
    if finding.kind in _PAGES:
        return _PAGES[finding.kind]
    return "/alerts" if finding.kind.value.startswith("alerts ") else ""


def pretty(value: object) -> Markup:
    return escape(to_json(value, orjson.OPT_INDENT_2).decode()[:_LONGEST_DATA])
