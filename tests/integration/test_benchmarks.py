"""Each benchmark works in its smallest form, and its report is written; what ours is compared with says the same."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks import __main__ as harness
from benchmarks import report
from benchmarks.alternatives import stdlib_server
from benchmarks.cases import CASES
from benchmarks.measuring import CHECKOUT, Curve, Goal, Result, Role, Size, Way, in_turns, ratios
from benchmarks.worlds import history
from monitoring.base.exact_json import to_json
from monitoring.base.process_identity import current_boot
from monitoring.base.settings import Settings
from monitoring.store.db import schema
from monitoring.web.api import alerts as api
from monitoring.web.route import RequestContext

# These start whole hosts and servers, or write long histories.
SLOW = {"start", "requests", "alerts", "idle", "crowd", "checks", "readings", "release"}
WHEN = report.Circumstances(datetime(2026, 11, 30, 1, tzinfo=UTC), 600.0, "full", 0.2, "0123abc")


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.ci] if name in SLOW else []) for name in CASES])
def test_a_case_works_in_its_smallest_form_and_its_report_is_written(name: str, tmp_path: Path) -> None:
    result = harness.measured(name, Size.SMALLEST)
    assert result.ways
    assert all(values for way in result.ways for values in way.samples.values())
    result = Result.from_json(json.loads(json.dumps(result.as_json())))  # the way from its own process
    text = report.write({name: result}, WHEN, tmp_path).read_text()
    assert result.title in text
    assert all(goal.says in text for goal in result.goals)
    charts = sorted(tmp_path.glob("*.svg"))
    assert len(charts) == len(result.curves)
    for chart in charts:
        assert chart.name in text
        ET.parse(chart)


def test_a_case_that_fails_is_reported_with_its_reason_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
    monkeypatch.setitem(CASES, "nothing", CASES["audit"])  # its process knows no such case
    monkeypatch.setattr("sys.argv", ["bench", "--smallest", "--only", "nothing", "audit", "--out", str(tmp_path)])
    assert harness.main() == 1
    text = next(tmp_path.glob("20*.md")).read_text()
    assert "1 of 2 cases failed" in text
    assert "invalid choice: 'nothing'" in text
    assert "the audit of 2 days" in text
    assert (tmp_path / "latest.md").read_text().count(".md)") == 1
    assert "failed: " in capsys.readouterr().out


def test_ways_take_turns_and_a_ratio_is_one_of_a_round() -> None:
    asked, first, second = list[str](), Way("a", Role.OURS), Way("b", Role.ALTERNATIVE)

    def act(name: str, wall_ms: float) -> dict[str, float]:
        asked.append(name)
        return {"wall_ms": wall_ms * len(asked)}

    assert in_turns([(first, lambda: act("a", 1)), (second, lambda: act("b", 2))], 2, 60, warm=1) == 2
    assert asked == ["a", "b", "b", "a", "a", "b"]
    assert ratios(second, first, "wall ms") == [1.5, 2.4]


def test_the_readme_gets_the_lines_of_a_report_between_its_marks_and_nothing_else_changes(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    shipped = (CHECKOUT / "README.md").read_text()
    readme.write_text(shipped)
    goal = Goal("as fast", [2.0, 3.0, 2.5], 2, at_least=True)
    results = {name: Result(name, "", goals=[goal], headline=f"**{name}**") for name in report.HEADLINES}
    report.into_readme(results, WHEN, readme)
    text = readme.read_text()
    assert [f"- **{name}**" in text for name in report.HEADLINES] == [True] * 5
    assert "5 of 5 goals reached" in text
    before, after = shipped.split("<!-- benchmarks:")[0], shipped.split("<!-- end of benchmarks -->")[1]
    assert text.startswith(before)
    assert text.endswith(after)


def test_a_missed_goal_is_shown_with_its_reason_and_a_curve_with_how_it_grows() -> None:
    missed = Goal("as fast as light", [3.0], 2, why="light is fast")
    curve = Curve("All of it", "things", "ms", {"ours": [(1, 1), (1000, 1000)], "theirs": [(1, 5), (1000, 5)]})
    text = report.render({"one": Result("One", "", goals=[missed], curves=[curve])}, WHEN, {"one": ["a.svg"]})
    assert "0 of 1 goals reached" in text
    assert "Why: light is fast" in text
    assert "ours: a line: 1,000 × as many, 1e+03 × as much" in text
    assert "theirs: flat: 1,000 × as many, 1 × as much" in text


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return history.build(tmp_path_factory.mktemp("stdlib") / "monitoring.db", 1_000)


@pytest.mark.parametrize(
    "query",
    [{}, {"limit": "7", "severity": "HIGH"}, {"cursor": "300", "protocol": "aave"}, {"limit": "500", "cursor": "9"}],
)
def test_both_servers_say_the_same(path: Path, query: dict[str, str]) -> None:
    read = {name: api.ALERT_FILTERS[name](text) for name, text in query.items()}
    with schema.open_readonly(path) as database:
        asked = RequestContext(
            database, {}, read, datetime.now(UTC), current_boot(), Settings({}, CHECKOUT, path.parent)
        )
        ours = json.loads(to_json(api.alerts(asked)))
    assert json.loads(stdlib_server.page(str(path), dict(query))) == ours
    assert ours["data"]
