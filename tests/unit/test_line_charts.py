"""Charts of a value over time: whatever the values are, the picture is well-formed, inside its frame, and complete."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.web.charts.line import in_words, line_chart
from monitoring.web.charts.scale import HEIGHT, TimeScale, clock_label, value_scale
from monitoring.web.charts.series import ChartMark, LineChart, MarkKind, Period
from monitoring.web.charts.shapes import limit_steps
from monitoring.web.charts.sparkline import sparkline

BEGIN = datetime(2026, 11, 28, 14, 7, tzinfo=UTC)
END = BEGIN + timedelta(hours=24)
HOUR = timedelta(hours=1)
NUMBERS = st.one_of(
    st.integers(-(10**30), 10**30).map(Fraction),
    st.integers(-(2**256), 2**256).map(Fraction),
    st.fractions(min_value=-2, max_value=2, max_denominator=10**18),
    st.sampled_from([Fraction(0), Fraction(1), Fraction(10**27), Fraction(1, 10**20)]),
)
LIMITS = st.one_of(st.none(), NUMBERS)


@st.composite
def a_period(draw: st.DrawFn) -> Period:
    begin, length = draw(st.integers(-3600, 90_000)), draw(st.sampled_from([0, 60, 3600, 40_000]))
    at = BEGIN + timedelta(seconds=begin)
    seen = sorted(draw(st.lists(NUMBERS, max_size=3)))
    last, lowest, highest = (seen[-1], seen[0], seen[-1]) if seen else (None, None, None)
    return Period(at, at + timedelta(seconds=length), last, lowest, highest, draw(LIMITS), draw(LIMITS))


A_MARK = st.builds(
    ChartMark,
    at=st.integers(-9999, 99_999).map(lambda seconds: BEGIN + timedelta(seconds=seconds)),
    kind=st.sampled_from(MarkKind),
    says=st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=20),
    ends_at=st.one_of(st.none(), st.just(END + HOUR)),
)
CHARTS = st.builds(
    LineChart,
    name=st.sampled_from(['a "b" <script>&', "cap: share price"]),
    begins_at=st.just(BEGIN),
    ends_at=st.just(END),
    periods=st.lists(a_period(), max_size=12).map(lambda found: sorted(found, key=lambda one: one.begins_at)),
    marks=st.lists(A_MARK, max_size=6),
    unit=st.sampled_from(["", "%", "usd", "s", "cUSD", "yes/no"]),
)


def parsed(chart: LineChart) -> ET.Element:
    return ET.fromstring(line_chart(chart))


def coordinates(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"[ML]([\d.e+-]+) ([\d.e+-]+)", path)]


def drawn(root: ET.Element) -> list[tuple[float, float]]:
    return [
        point
        for node in root.iter("path")
        if node.get("class") in ("value", "envelope")
        for point in coordinates(node.get("d", ""))
    ]


@given(CHARTS)
@settings(max_examples=40, deadline=None, derandomize=True)
def test_every_picture_is_well_formed_and_inside_its_frame(chart: LineChart) -> None:
    text = line_chart(chart)
    assert not re.search(r"\b(nan|inf|None)\b", text)
    root = ET.fromstring(text)
    for x, y in drawn(root):
        assert 0 <= x <= 100
        assert 0 <= y <= HEIGHT
    for node in root.iter():
        shares = {
            name: float(node.get(name, "0%")[:-1]) for name in ("x", "x1", "x2", "cx") if "%" in node.get(name, "")
        }
        assert all(0 <= share <= 100 for share in shares.values()), node.attrib
        if "%" in node.get("width", "") and node.tag == "rect":
            assert shares["x"] + float(node.get("width", "")[:-1]) <= 100.5
        assert all(float(node.get(name, "0")) >= 0 for name in ("height", "cy"))


@given(CHARTS)
@settings(max_examples=40, deadline=None, derandomize=True)
def test_the_lowest_and_the_highest_value_are_always_drawn(chart: LineChart) -> None:
    values = [value for period in chart.periods for value in period.values]
    rows = {y for _, y in drawn(parsed(chart))}
    scale = value_scale(values, [x for p in chart.periods for x in (p.lower, p.upper) if x is not None], chart.unit)
    for value in values and (min(values), max(values)):
        assert scale.y(value) in rows
        if chart.unit != "yes/no":
            assert scale.holds(value)


@given(st.lists(NUMBERS, min_size=1, max_size=9), st.lists(NUMBERS, max_size=2), st.sampled_from(["", "%", "usd", "s"]))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_the_ticks_are_few_differ_and_enclose_the_values(
    values: list[Fraction], limits: list[Fraction], unit: str
) -> None:
    scale = value_scale(values, limits, unit)
    labels = [label for _, label in scale.ticks]
    assert 3 <= len(labels) <= 7
    assert len(set(labels)) == len(labels), labels
    assert scale.ticks[0][0] <= min(values) <= max(values) <= scale.ticks[-1][0]
    assert all(len(label) <= 20 for label in labels), labels


@pytest.mark.parametrize(
    ("values", "unit", "labels"),
    [
        ([Fraction(64, 100), Fraction(91, 100)], "%", ["60%", "70%", "80%", "90%", "100%"]),
        ([Fraction(10**27), Fraction(16, 10) * 10**27], "", ["1.0e27", "1.2e27", "1.4e27", "1.6e27"]),
        ([Fraction(-4_000_000), Fraction(2_000_000)], "usd", ["-$4M", "-$2M", "$0", "$2M"]),
        ([Fraction(0), Fraction(7200)], "s", ["0", "30 min", "1 h", "1 h 30 min", "2 h"]),
        ([Fraction(0), Fraction(1, 10_000)], "", ["0", "0.00005", "0.00010"]),
        ([Fraction(0)], "", ["0", "0.5", "1.0"]),
        ([Fraction(1)], "yes/no", ["no", "yes"]),
    ],
)
def test_ticks_read_as_a_person_writes_them(values: list[Fraction], unit: str, labels: list[str]) -> None:
    assert [label for _, label in value_scale(values, (), unit).ticks] == labels


def test_a_limit_moves_where_it_was_changed_and_holds_where_there_is_no_data() -> None:
    at = [BEGIN + HOUR * hours for hours in (0, 6, 12, 24)]
    periods = [
        Period(at[0], at[1], Fraction(5), Fraction(5), Fraction(5), upper=Fraction(10)),
        Period(at[1], at[2]),
        Period(at[2], at[3], Fraction(5), Fraction(5), Fraction(5), upper=Fraction(8)),
    ]
    scale = value_scale([Fraction(5)], [Fraction(10), Fraction(8)])
    steps = list(limit_steps(periods, TimeScale(BEGIN, END), scale, "upper"))
    assert steps == [(0, 50, scale.y(Fraction(10))), (50, 100, scale.y(Fraction(8)))]


def test_a_limit_that_would_press_the_values_to_the_ground_is_said_and_not_drawn() -> None:
    one = Fraction(1)
    chart = LineChart("x", BEGIN, END, [Period(BEGIN, END, one, one, one, upper=Fraction(10**27))])
    assert "limit 1.000e+27 is outside this chart" in line_chart(chart)
    assert 'class="limit"' not in line_chart(chart)


def test_a_gap_is_hatched_and_no_line_crosses_it() -> None:
    value = Fraction(3)
    hours = [BEGIN + HOUR * number for number in range(4)]
    periods = [Period(hours[0], hours[1], value, value, value), Period(hours[1], hours[2]),
               Period(hours[2], hours[3], value, value, value)]  # fmt: skip
    root = parsed(LineChart("x", BEGIN, hours[3], periods))
    (gap,) = (node for node in root.iter("rect") if node.get("class") == "gap")
    assert gap.get("fill") == "url(#chart-gap)"
    lines = [coordinates(node.get("d", "")) for node in root.iter("path") if node.get("class") == "value"]
    ends = [[x for x, _ in line] for line in lines]
    assert ends == [pytest.approx([0, 100 / 3], abs=0.01), pytest.approx([200 / 3, 100], abs=0.01)]
    assert "no data (1 h)" in line_chart(LineChart("x", BEGIN, hours[3], periods))


@pytest.mark.parametrize("kind", MarkKind)
def test_each_kind_of_mark_has_a_shape_a_word_and_a_title_of_its_own(kind: MarkKind) -> None:
    root = parsed(
        LineChart("x", BEGIN, END, [], [ChartMark(BEGIN + HOUR, kind, "said <b>by ana</b>", severity="HIGH")])
    )
    titles = [node.text for node in root.iter("title")]
    assert "said <b>by ana</b>" in titles
    assert kind.value in "".join(root.find("ul").itertext())  # type: ignore[union-attr]


def test_shapes_of_marks_differ() -> None:
    def shape(kind: MarkKind) -> Sequence[str | None]:
        root = parsed(LineChart("x", BEGIN, END, [], [ChartMark(BEGIN + HOUR, kind, "")]))
        return [node.get("d") for node in root.iter("path") if "mark" in node.get("class", "")]

    assert len({tuple(shape(kind)) for kind in MarkKind}) == len(MarkKind)


def test_who_cannot_see_it_gets_the_numbers_in_a_sentence_and_a_table() -> None:
    low, high = Fraction(64, 100), Fraction(91, 100)
    chart = LineChart(
        "aave: USDC utilisation", BEGIN, END,
        [Period(BEGIN, BEGIN + HOUR * 3, high, low, high, upper=Fraction(9, 10)), Period(BEGIN + HOUR * 3, END)],
        [ChartMark(BEGIN + HOUR, MarkKind.FIRED, "fired HIGH")], "%",
    )  # fmt: skip
    assert in_words(chart) == (
        "From 2026-11-28 14:07 UTC to 2026-11-29 14:07 UTC. Last 91%, lowest 64%, highest 91%. Upper limit 90%. "
        "No data for 21 h. 2026-11-28 15:07 UTC: fired HIGH."
    )
    rows = [[cell.text for cell in row] for row in parsed(chart).iter("tr")]
    assert rows == [
        ["From", "To", "Value", "Limit"],
        ["11-28 17:07", "11-29 14:07", "no data", "\N{EN DASH}"],
        ["11-28 14:07", "11-28 17:07", "64% to 91%, last 91%", "at most 90%"],
    ]


def test_a_chart_of_a_check_that_is_new_says_since_when_readings_are_kept() -> None:
    one = Fraction(1)
    new, old = (Period(END - HOUR * hours, END, one, one, one) for hours in (2, 23.5))
    assert LineChart("x", BEGIN, END, [new]).kept_since == END - HOUR * 2
    assert LineChart("x", BEGIN, END, [old]).kept_since is None
    assert LineChart("x", BEGIN, END, []).kept_since is None


@pytest.mark.parametrize("days", [0.01, 0.2, 1, 7, 30, 90, 900])
def test_the_time_axis_has_few_round_ticks(days: float) -> None:
    whole = timedelta(days=days)
    ticks = TimeScale(BEGIN, BEGIN + whole).ticks(5, 10)
    on_a_phone = [at for at, is_coarse in ticks if is_coarse]
    assert 1 <= len(on_a_phone) <= 6
    assert len(on_a_phone) <= len(ticks) <= 11
    labels = [clock_label(at, whole) for at, _ in ticks]
    assert len(set(labels)) == len(labels)


@given(st.lists(LIMITS, max_size=24))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_a_sparkline_stays_inside_and_breaks_at_gaps(points: list[Fraction | None]) -> None:
    text = sparkline(points)
    seen = [point for point in points if point is not None]
    if not seen:
        assert text == ""
        return
    path = ET.fromstring(text).find("path")
    assert path is not None
    found = coordinates(path.get("d", "").replace("h0", ""))
    assert len(found) == len(seen)
    assert all(0 <= x <= 96 and 0 <= y <= 24 for x, y in found)
    runs = "".join("x" if point is not None else " " for point in points).split()
    assert path.get("d", "").count("M") == len(runs)
