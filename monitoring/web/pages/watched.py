"""*Watched*: every check with its value, limit and the last day, by protocol; then the tasks of every profile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from markupsafe import Markup

from monitoring.conditions.severity import Severity
from monitoring.store.queries.sources import parsed_sources
from monitoring.store.readings import watched as readings
from monitoring.store.readings.against_limit import Measured, measure
from monitoring.store.readings.history import ReadingSpan
from monitoring.store.readings.watched import STATES, WatchedCheck, WatchedQuery
from monitoring.store.tables import conditions
from monitoring.store.tables.alerts import SEVERITIES
from monitoring.web import overview, parameters
from monitoring.web.charts.sparkline import sparkline
from monitoring.web.overview import ProtocolCard
from monitoring.web.pages.page import Page, chain_name, here, page, page_route
from monitoring.web.parameters import one_of
from monitoring.web.route import RequestContext

_PER_PAGE = 100
_POINTS = 24  # of a day
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class CheckLine:
    """One line of the table: what is known of a check, its value in words, and the line of its last day."""

    check: WatchedCheck
    measured: Measured
    line: Markup

    @property
    def needs_a_look(self) -> bool:
        return self.check.state != "ok"


@dataclass(frozen=True, slots=True)
class ProtocolGroup:
    """The lines of one protocol that are on this page, what its files say they watch, sources nobody has parsed yet."""

    name: str
    lines: tuple[CheckLine, ...]
    card: ProtocolCard | None
    unconfirmed: tuple[str, ...]

    @property
    def needs_a_look(self) -> bool:
        return any(each.needs_a_look for each in self.lines) or bool(self.unconfirmed)

    @property
    def counts(self) -> dict[str, int]:
        """How many of its lines are in each state that is not well."""
        found = {
            state: sum(each.check.state == state for each in self.lines) for state in ("firing", "pending", "no_data")
        }
        return {state: number for state, number in found.items() if number}


def monitoring(context: RequestContext) -> Page:
    query, database = context.query, context.database
    wanted = _wanted(query)
    found = readings.watched(database, wanted, _PER_PAGE + 1, query.get("cursor"), points=_POINTS, now=context.now)
    shown, is_last = found[:_PER_PAGE], len(found) <= _PER_PAGE
    if is_last:
        shown += _never_read(context, wanted)
    filters = {name: str(query[name]) for name in _FILTERS if name in query and name != "cursor"}
    is_whole = not filters and "cursor" not in query
    cards = {card.name: card for card in overview.protocols(database)}
    groups = _groups(context, shown, cards)
    return page(
        "monitoring.html",
        context,
        here=here("/monitoring", {**filters, **({"cursor": str(query["cursor"])} if "cursor" in query else {})}),
        groups=groups,
        filters=filters,
        counts=readings.count(database),
        more="" if is_last else here("/monitoring", {**filters, "cursor": str(shown[-1].id)}),
        first=here("/monitoring", filters) if "cursor" in query else "",
        protocols=[(name, name) for name in readings.protocols(database)],
        chains=[(chain, chain_name(chain)) for chain in conditions.chains(database)],
        severities=[(name, name) for name in SEVERITIES[::-1]],
        watched=overview.watched(database, context.now, context.boot) if is_whole else [],
        others=[card for card in cards.values() if is_last and is_whole and card.name not in {g.name for g in groups}],
        is_whole=is_whole,
        lines_from=begin if (begin := _lines_from(shown, context.now)) > context.now - _DAY else None,
    )


def _lines_from(shown: Sequence[WatchedCheck], now: datetime) -> datetime:
    """Return where the lines of all rows begin: a day ago, or with the first reading of a host that is younger."""
    first = min((each.points[0].first_at for each in shown if each.points), default=now - _DAY)
    return max(first, now - _DAY) if first > now - _DAY / 2 else now - _DAY


def _wanted(query: Mapping[str, Any]) -> WatchedQuery:
    severity = query.get("severity")
    return WatchedQuery(
        protocol=query.get("protocol"),
        state=query.get("state"),
        chain=query.get("chain"),
        severity=Severity[severity] if severity else None,
        text=query.get("q"),
    )


def _never_read(context: RequestContext, wanted: WatchedQuery) -> list[WatchedCheck]:
    """Return the checks of which no reading is kept: those that the release before judged last."""
    found = [
        WatchedCheck(0, row.key, row, row.protocol or row.key.monitor, row.severity, "", "", row.about, "", ())
        for row in conditions.declared_unread(context.database, _PER_PAGE)
    ]
    return [each for each in found if _passes(each, wanted)]


def _passes(check: WatchedCheck, wanted: WatchedQuery) -> bool:
    said = f"{check.path} {check.protocol} {check.about}".lower()
    return (
        wanted.protocol in (None, check.protocol)
        and wanted.state in (None, check.state)
        and wanted.chain in (None, check.key.chain)
        and wanted.severity in (None, check.severity)
        and (wanted.text or "").lower() in said
    )


def _groups(
    context: RequestContext, shown: Sequence[WatchedCheck], cards: Mapping[str, ProtocolCard]
) -> list[ProtocolGroup]:
    parsed = parsed_sources(context.database)
    by_protocol: dict[str, list[CheckLine]] = {}
    begin = _lines_from(shown, context.now)
    for check in shown:
        line = sparkline(samples(check.points, begin, context.now))
        by_protocol.setdefault(check.protocol or check.key.monitor, []).append(CheckLine(check, measure(check), line))
    return [_group(name, lines, cards.get(name), parsed) for name, lines in by_protocol.items()]


def _group(
    name: str, lines: Sequence[CheckLine], card: ProtocolCard | None, parsed: Mapping[str, Mapping[str, bool]]
) -> ProtocolGroup:
    monitors = dict.fromkeys(each.check.key.monitor for each in lines)
    unconfirmed = [source for each in monitors for source, is_parsed in parsed.get(each, {}).items() if not is_parsed]
    return ProtocolGroup(name, tuple(lines), card, tuple(unconfirmed))


def samples(spans: Sequence[ReadingSpan], begin: datetime, until: datetime) -> list[Fraction | None]:
    """Return the value at the end of each of equal parts of the time, none where nothing is known.

    Between two readings the first one's value holds, unless nothing was read for a while.
    """
    found: list[Fraction | None] = []
    step = (until - begin) / _POINTS
    for number in range(1, _POINTS + 1):
        end = begin + step * number
        known = [place for place, span in enumerate(spans) if span.first_at <= end]
        last, following = (spans[known[-1]], spans[known[-1] + 1 :][:1]) if known else (None, ())
        holds = last is not None and (last.last_at >= end - step or any(not span.gap for span in following))
        value = last.last if last is not None and holds else None
        found.append(Fraction(value) if value is not None else None)
    return found


_FILTERS: Mapping[str, parameters.ReadValue] = {
    "cursor": parameters.cursor,
    "q": parameters.text,
    "protocol": parameters.text,
    "state": one_of(*STATES),
    "chain": parameters.cursor,
    "severity": parameters.severity,
}
ROUTES = (page_route("/monitoring", monitoring, **_FILTERS),)
