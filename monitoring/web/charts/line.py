"""A value over time as inline SVG: its limits as they were, gaps hatched, and what happened. Data in, markup out.

Colours and widths are in the stylesheet; nothing needs a script. Who cannot see it gets a sentence and a table.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from markupsafe import Markup

from monitoring.base.formatting import format_duration, format_instant, format_value
from monitoring.web.charts import shapes
from monitoring.web.charts.scale import HEIGHT, TimeScale, ValueScale, value_scale
from monitoring.web.charts.series import LANES, LineChart, MarkKind, Period

_MOST_ROWS = 40
_MOST_SAID = 12


def line_chart(chart: LineChart, name: str = "chart") -> Markup:
    """Return a figure with its legend and table; `name` begins its ids."""
    times = TimeScale(chart.begins_at, chart.ends_at)
    values = value_scale(_values(chart), _limits(chart), chart.unit)
    marks = chart.marks_within
    lanes = [lane for lane in LANES if any(mark.kind.lane == lane for mark in marks)]
    height = HEIGHT + shapes.AXIS + shapes.LANE * len(lanes)
    drawn = shapes.joined([
        shapes.hatch(name),
        shapes.limits(chart.periods, times, values),
        shapes.gaps(chart.periods, times, name),
        shapes.grid(values),
        shapes.rules(marks, times),
        shapes.lines(chart.periods, times, values),
        shapes.dots(chart.periods, times, values),
        _limit_labels(chart, times, values),
        shapes.time_axis(times),
        shapes.lanes(marks, times, lanes),
    ])  # fmt: skip
    return Markup(
        '<figure class="plot"><div class="plot-body">{gutter}'
        '<svg class="field" width="100%" height="{height:g}" role="img" aria-labelledby="{name}-t {name}-d">'
        '<title id="{name}-t">{title}</title><desc id="{name}-d">{says}</desc>{drawn}</svg></div>'
        "{legend}{table}</figure>"
    ).format(
        gutter=shapes.gutter(values, lanes, height),
        height=height,
        name=name,
        title=f"{chart.name} over time",
        says=in_words(chart),
        drawn=drawn,
        legend=_legend(chart, values),
        table=_table(chart, name),
    )


def in_words(chart: LineChart) -> str:
    """Say what the picture shows."""
    parts = [f"From {format_instant(chart.begins_at)} to {format_instant(chart.ends_at)}."]
    seen = chart.with_data
    if seen:
        values = [value for period in seen for value in period.values]
        low, high = _shown(min(values), chart), _shown(max(values), chart)
        parts.append(f"Last {_shown(seen[-1].last, chart)}, lowest {low}, highest {high}.")
    for word in ("upper", "lower"):
        limit = chart.newest_limit(word)
        parts += [f"{word.capitalize()} limit {_shown(limit, chart)}."] if limit is not None else []
    if not seen:
        parts.append("No data.")
    elif chart.without_data:
        parts.append(f"No data for {format_duration(chart.without_data)}.")
    marks = chart.marks_within
    parts += [f"{format_instant(mark.at)}: {mark.says}." for mark in marks[-_MOST_SAID:]]
    return " ".join(parts)


def _shown(value: Fraction | None, chart: LineChart) -> str:
    if value is None:
        return "no data"
    return format_value(bool(value) if chart.unit == "yes/no" else value, chart.unit)


def _values(chart: LineChart) -> Iterator[Fraction]:
    for period in chart.periods:
        yield from period.values


def _limits(chart: LineChart) -> Iterator[Fraction]:
    for period in chart.periods:
        yield from (limit for limit in (period.lower, period.upper) if limit is not None)


def _limit_labels(chart: LineChart, times: TimeScale, values: ValueScale) -> Markup:
    """Name the newest limit on each side."""
    labels: list[Markup] = []
    for side in ("upper", "lower"):
        limit, steps = chart.newest_limit(side), list(shapes.limit_steps(chart.periods, times, values, side))
        if limit is not None and values.holds(limit) and steps:
            begin, _, y = steps[-1]
            labels.append(shapes.limit_label(f"limit {_shown(limit, chart)}", begin, y, side))
    return shapes.joined(labels)


_SAMPLE = Markup('<li><svg viewBox="-8 -8 16 16" aria-hidden="true">{}</svg>{}</li>')


def _legend(chart: LineChart, values: ValueScale) -> Markup:
    entries: list[Markup] = []
    limits = [limit for side in ("upper", "lower") if (limit := chart.newest_limit(side)) is not None]
    if any(values.holds(limit) for limit in limits):
        entries.append(_SAMPLE.format(Markup('<path class="limit" d="M-8 0H8"/>'), "limit"))
    entries += [
        Markup("<li>limit {} is outside this chart</li>").format(_shown(limit, chart))
        for limit in limits
        if not values.holds(limit)
    ]
    if chart.without_data:
        lines = Markup('<path class="gap-line" d="M-8 4 4-8M-4 8 8-4"/>')
        entries.append(_SAMPLE.format(lines, f"no data ({format_duration(chart.without_data)})"))
    kinds = {mark.kind for mark in chart.marks_within}
    entries += [_SAMPLE.format(shapes.glyph(kind), kind.value) for kind in MarkKind if kind in kinds]
    return Markup('<ul class="legend">{}</ul>').format(shapes.joined(entries)) if entries else Markup("")


def _table(chart: LineChart, name: str) -> Markup:
    """Return the newest periods as a table: also what the picture is too coarse to show."""
    newest = list(chart.periods)[-_MOST_ROWS:]
    if not newest:
        return Markup("")
    rows = shapes.joined(_row(period, chart) for period in reversed(newest))
    less = f", the newest {_MOST_ROWS}" if len(chart.periods) > _MOST_ROWS else ""
    return Markup(
        '<details class="as-table" id="{}-table"><summary>As a table{}</summary><div class="scroll" tabindex="0" '
        'role="group" aria-label="{}"><table><thead><tr><th scope="col">From</th><th scope="col">To</th>'
        '<th scope="col">Value</th><th scope="col">Limit</th></tr></thead><tbody>{}</tbody></table></div></details>'
    ).format(name, less, f"{chart.name} as a table", rows)


def _row(period: Period, chart: LineChart) -> Markup:
    value = _shown(period.last, chart)
    if period.has_data and period.lowest != period.highest:
        value = f"{_shown(period.lowest, chart)} to {_shown(period.highest, chart)}, last {value}"
    bounds = [
        f"{word} {_shown(limit, chart)}"
        for word, limit in (("at least", period.lower), ("at most", period.upper))
        if limit is not None
    ]
    return Markup("<tr><td>{:%m-%d %H:%M}</td><td>{:%m-%d %H:%M}</td><td>{}</td><td>{}</td></tr>").format(
        period.begins_at, period.ends_at, value, ", ".join(bounds) or "\N{EN DASH}"
    )
