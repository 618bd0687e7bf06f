"""The shapes of a chart: gaps, limits, the line, marks, axes; each a piece of SVG.

Lines lie in an inner picture that is stretched to the width; all else is placed by a share of the width, so that
texts, marks and the hatching keep their size on a phone and on a screen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import groupby, pairwise

from markupsafe import Markup

from monitoring.web.charts.scale import HEIGHT, TimeScale, ValueScale, clock_label
from monitoring.web.charts.series import ChartMark, MarkKind, Period

LANE = 20.0
AXIS = 22.0
_PX_OF_A_LETTER = 7.2
_TICKS_ON_A_PHONE, _TICKS_ON_A_SCREEN = 5, 10
_LABEL_ROOM = 16.0
_LATE_LABEL = 65.0  # per cent: a label that begins later has no room to its right on a phone
_FEW = 6  # readings that are each seen as a dot: a line alone does not say how few there are
_THINNEST = 0.4  # per cent: what is there must be seen

_GLYPHS = {
    MarkKind.FIRED: "M0-6 6 5H-6Z",
    MarkKind.WORSE: "M0-7 5-1H-5ZM0-1 5 6H-5Z",
    MarkKind.RECOVERED: "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0",
    MarkKind.ACKNOWLEDGED: "M-5-5H5V5H-5Z",
    MarkKind.ESCALATED: "M-5 4 0-5 5 4",
    MarkKind.MUTED: "M-6-4V4M-6 0H6M6-4V4",
    MarkKind.PAUSED: "M-3-5V5M3-5V5",
    MarkKind.DEPLOYED: "M0-6 5 0 0 6-5 0Z",
}


def joined(parts: Iterable[Markup]) -> Markup:
    return Markup("").join(parts)


def gutter(values: ValueScale, lanes: Sequence[str], height: float) -> Markup:
    """Return the labels left of the chart: its values, and the names of the lanes under it."""
    labels = [(values.y(value) + 4, label) for value, label in values.ticks]
    labels += [(_lane_y(number) + 4, lane) for number, lane in enumerate(lanes)]
    width = max(len(label) for _, label in labels) * _PX_OF_A_LETTER + 12
    texts = joined(
        Markup('<text x="{:g}" y="{:g}" text-anchor="end">{}</text>').format(width - 6, y, label) for y, label in labels
    )
    return Markup('<svg class="gutter" width="{:g}" height="{:g}" aria-hidden="true">{}</svg>').format(
        width, height, texts
    )


def grid(values: ValueScale) -> Markup:
    return joined(
        Markup('<line class="grid" x1="0" x2="100%" y1="{0:g}" y2="{0:g}"/>').format(values.y(value))
        for value, _ in values.ticks
    )


def hatch(name: str) -> Markup:
    """Return the pattern of a gap: seen without colour too."""
    return Markup(
        '<defs><pattern id="{}-gap" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<path class="gap-line" d="M3 0V7"/></pattern></defs>'
    ).format(name)


def gaps(periods: Iterable[Period], times: TimeScale, name: str) -> Markup:
    return joined(
        Markup('<rect class="gap" fill="url(#{}-gap)" {} y="0" height="{:g}"/>').format(
            name, _across(times, period), HEIGHT
        )
        for period in periods
        if not period.has_data
    )


def _across(times: TimeScale, period: Period) -> Markup:
    begin, end = times.x(period.begins_at), times.x(period.ends_at)
    return Markup('x="{:g}%" width="{:g}%"').format(begin, max(end - begin, _THINNEST))


def limits(periods: Sequence[Period], times: TimeScale, values: ValueScale) -> Markup:
    """Return both limits as they stood, what lies beyond them tinted, and each one's newest value as a label."""
    return joined([*_limit(periods, times, values, "upper"), *_limit(periods, times, values, "lower")])


def _limit(periods: Sequence[Period], times: TimeScale, values: ValueScale, side: str) -> Iterator[Markup]:
    steps = list(limit_steps(periods, times, values, side))
    for begin, end, y in steps:
        top, height = (0.0, y) if side == "upper" else (y, HEIGHT - y)
        yield Markup('<rect class="beyond" x="{:g}%" width="{:g}%" y="{:g}" height="{:g}"/>').format(
            begin, max(end - begin, 0), top, height
        )
    for begin, end, y in steps:
        yield Markup('<line class="limit" x1="{:g}%" x2="{:g}%" y1="{:g}" y2="{:g}"/>').format(begin, end, y, y)
    for (_, end, y), (_, _, then) in pairwise(steps):
        yield Markup('<line class="limit" x1="{:g}%" x2="{:g}%" y1="{:g}" y2="{:g}"/>').format(end, end, y, then)


def limit_steps(
    periods: Sequence[Period], times: TimeScale, values: ValueScale, side: str
) -> Iterator[tuple[float, float, float]]:
    """Yield begin, end (per cent) and row of each value a limit had; it holds until the next, also without data."""
    known = [(period, limit) for period in periods if (limit := getattr(period, side)) is not None]
    changes = [(limit, next(group)[0]) for limit, group in groupby(known, key=lambda one: one[1])]
    begins = [times.x(first.begins_at) for _, first in changes]
    for number, (limit, _) in enumerate(changes):
        end = begins[number + 1] if number + 1 < len(begins) else 100.0
        if values.holds(limit):
            yield begins[number], end, values.y(limit)


def limit_label(text: str, begin: float, y: float, side: str) -> Markup:
    """Write a limit where it begins, on the side where values are bad if there is room: there the line is not yet."""
    above = y > _LABEL_ROOM if side == "upper" else y > HEIGHT - _LABEL_ROOM
    at_end = begin > _LATE_LABEL
    return Markup('<text class="limit-label" x="{:g}%" dx="{}" y="{:g}" text-anchor="{}">{}</text>').format(
        100 if at_end else begin, -4 if at_end else 4, y - 5 if above else y + 13, "end" if at_end else "start", text
    )


def lines(periods: Sequence[Period], times: TimeScale, values: ValueScale) -> Markup:
    """Return the value as a line, with what lay between lowest and highest as an area; nothing is drawn over a gap."""
    paths: list[Markup] = []
    for has_data, group in groupby(periods, key=lambda period: period.has_data):
        run = list(group)
        if not has_data:
            continue
        if any(period.lowest != period.highest for period in run):
            paths.append(Markup('<path class="envelope" d="{}"/>').format(_around(run, times, values)))
        paths.append(Markup('<path class="value" d="{}"/>').format(_path(_through(run, times, values))))
    return Markup(
        '<svg width="100%" height="{0:g}" viewBox="0 0 100 {0:g}" preserveAspectRatio="none">{1}</svg>'
    ).format(HEIGHT, joined(paths))


def _through(run: Sequence[Period], times: TimeScale, values: ValueScale) -> Iterator[tuple[float, float]]:
    for period in run:
        if period.last is None:
            continue
        if period.lowest == period.highest or period is run[0]:
            yield times.x(period.begins_at), values.y(period.last)
        yield times.x(period.ends_at), values.y(period.last)


def _around(run: Sequence[Period], times: TimeScale, values: ValueScale) -> str:
    def side(of: Sequence[Fraction | None], *, back: bool) -> Iterator[tuple[float, float]]:
        pairs = list(zip(run, of, strict=True))
        for period, value in reversed(pairs) if back else pairs:
            if value is not None:
                ends = (times.x(period.begins_at), times.x(period.ends_at))
                yield from ((x, values.y(value)) for x in (reversed(ends) if back else ends))

    top = side([period.highest for period in run], back=False)
    bottom = side([period.lowest for period in run], back=True)
    return f"{_path([*top, *bottom])}Z"


def _path(points: Iterable[tuple[float, float]]) -> str:
    return "".join(f"{'L' if number else 'M'}{x:g} {y:g}" for number, (x, y) in enumerate(points))


def dots(periods: Sequence[Period], times: TimeScale, values: ValueScale) -> Markup:
    """Return a dot at the newest value, where a reading is alone between gaps (no line), and at each of few."""
    seen = [period for period in periods if period.has_data]
    alone = [
        group[0]
        for has_data, group in ((key, list(found)) for key, found in groupby(periods, key=lambda one: one.has_data))
        if has_data and len(group) == 1 and group[0].begins_at == group[0].ends_at
    ]
    return joined(
        Markup('<circle class="dot" cx="{:g}%" cy="{:g}" r="3.5"/>').format(times.x(period.ends_at), values.y(last))
        for period in dict.fromkeys([*alone, *(seen if len(seen) <= _FEW else seen[-1:])])
        if (last := period.last) is not None
    )


def time_axis(times: TimeScale) -> Markup:
    """Return the time axis; ticks of class `wide` are for screens only."""
    whole = times.ends_at - times.begins_at
    parts = [Markup('<line class="axis" x1="0" x2="100%" y1="{0:g}" y2="{0:g}"/>').format(HEIGHT)]
    for at, is_on_a_phone in times.ticks(_TICKS_ON_A_PHONE, _TICKS_ON_A_SCREEN):
        x = times.x(at)
        parts.append(
            Markup(
                '<g class="tick{}"><line class="axis" x1="{:g}%" x2="{:g}%" y1="{:g}" y2="{:g}"/>'
                '<text x="{:g}%" y="{:g}" text-anchor="middle">{}</text></g>'
            ).format("" if is_on_a_phone else " wide", x, x, HEIGHT, HEIGHT + 4, x, HEIGHT + 16, clock_label(at, whole))
        )
    return joined(parts)


def rules(marks: Iterable[ChartMark], times: TimeScale) -> Markup:
    """Return a thin line through the chart where something fired or a new revision came."""
    return joined(
        Markup('<line class="rule {0}" x1="{1:g}%" x2="{1:g}%" y1="0" y2="{2:g}"/>').format(
            mark.kind.name.lower(), times.x(mark.at), HEIGHT
        )
        for mark in marks
        if mark.kind in (MarkKind.FIRED, MarkKind.DEPLOYED)
    )


def lanes(marks: Iterable[ChartMark], times: TimeScale, names: Sequence[str]) -> Markup:
    """Return the marks on the lanes under the chart."""
    return joined(_mark(mark, times, _lane_y(names.index(mark.kind.lane))) for mark in marks)


def _mark(mark: ChartMark, times: TimeScale, y: float) -> Markup:
    title = Markup("<title>{}</title>").format(mark.says)
    sign = Markup('<svg class="at" x="{:g}%" y="{:g}" width="1" height="1">{}</svg>').format(
        times.x(mark.at), y, glyph(mark.kind, mark.severity, title)
    )
    if mark.ends_at is None:
        return sign
    begin, end = times.x(mark.at), times.x(mark.ends_at)
    bar = Markup('<rect class="lasts {}{}" x="{:g}%" width="{:g}%" y="{:g}" height="6" rx="2">{}</rect>').format(
        mark.kind.name.lower(), _severity(mark.severity), begin, max(end - begin, _THINNEST), y - 3, title
    )
    return bar + sign if mark.at >= times.begins_at else bar


def glyph(kind: MarkKind, severity: str = "", title: str = "") -> Markup:
    """Return the sign of a kind of mark, around its own origin: a shape of its own, never a colour alone."""
    return Markup('<path class="mark {}{}" d="{}">{}</path>').format(
        kind.name.lower(), _severity(severity), _GLYPHS[kind], title
    )


def _severity(name: str) -> str:
    return f" sev-{name}" if name else ""


def _lane_y(number: int) -> float:
    return HEIGHT + AXIS + LANE * number + LANE / 2
