"""`runbook` and `note`: written at a monitor, a check or a row, shown in the alert, on its page and by `explain`."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitoring.alerts.message.guidance import Guidance, note_problem, runbook_problem
from monitoring.base.errors import ConfigError, UsageError
from monitoring.checks.builtin import TYPES
from monitoring.checks.config.load import load_monitor
from monitoring.checks.engine.explain import as_data, as_lines, explain
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.store.db.handle import ReadOnlyStore
from tests.support.checks_host import ChecksHost
from tests.support.web import serving
from utils.monitor import HIGH, LOW, Context, monitor
from utils.testing import SimChain, SimClock, run

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = [path for path in ROOT.glob("protocols/*/*.yaml") if "\nrunbook: " in path.read_text()]
VAULT = "0x83F20F44975D03b1b09e64809B757c47f942BEeA"
HELD = (VAULT, "held()(uint256)")
FILE = f"""\
monitor: acme
chain: mainnet
runbook: protocols/acme/README.md#exit
note: the keeper restarts it
contracts: {{vault: "{VAULT}"}}
functions: [held()(uint256)]
for_each:
  m:
    - {{name: a, least: 10}}
    - {{name: b, least: 10, note: "of b alone"}}
checks:
  - {{id: own, require: vault.held() >= 5, severity: high, runbook: "https://example.org/runbook?a=1"}}
  - {{id: plain, require: vault.held() >= 5, severity: high}}
  - {{id: "row/{{m.name}}", require: vault.held() >= m.least, severity: high}}
"""


def lines_of(text: str) -> list[str]:
    return [one for one in text.splitlines() if one.startswith(("Note: ", "Runbook: "))]


def test_the_nearest_runbook_and_note_count(tmp_path: Path) -> None:
    path = tmp_path / "monitor.yaml"
    path.write_text(FILE)
    fired = {one.check: lines_of(one.text) for one in run(path, store=tmp_path / "store", chain=SimChain({HELD: 1}))}

    monitors = ["Note: the keeper restarts it", "Runbook: protocols/acme/README.md#exit"]
    assert fired["plain/1"] == fired["row/1/a"] == monitors
    assert fired["own/1"] == ["Note: the keeper restarts it", "Runbook: https://example.org/runbook?a=1"]
    assert fired["row/1/b"] == ["Note: of b alone", "Runbook: protocols/acme/README.md#exit"]


def test_the_rows_of_types_have_them_too_and_a_recovery_needs_none(tmp_path: Path) -> None:
    path, clock = tmp_path / "monitor.yaml", SimClock()
    path.write_text(
        "monitor: acme\nnote: of the monitor\nhttp:\n"
        '  - {name: api, url: "https://api.example/now", note: of the row, runbook: docs/api.md}\n'
    )
    texts = []
    for answer in (503, {"fine": True}):
        found = run(path, store=tmp_path / "store", clock=clock, http={"https://api.example/now": answer})
        texts += [one.text for one in found]
        clock.move("1h")
    assert [lines_of(text) for text in texts] == [["Note: of the row", "Runbook: docs/api.md"], []]


def test_a_note_of_a_data_row_that_was_a_remark_is_shown_shortened_and_never_refused(tmp_path: Path) -> None:
    row = f'{{name: V, chain: mainnet, address: "{VAULT}", protocol: acme, note: "{"long " * 200}"}}'
    (tmp_path / "monitor.yaml").write_text(f"monitor: safes\nchain: mainnet\nsafes:\n  rows:\n    - {row}\n")
    (part, *_) = load_monitor(tmp_path / "monitor.yaml", TYPES).parts()
    note = part.route.guidance.note
    assert note.startswith("long long")
    assert len(note) <= 200


@monitor("acme", runbook="docs/acme.md", note="call the keeper")
def function(m: Context) -> None:
    m.limit("floor", 1, below=5, severity=HIGH)
    m.limit("own", 1, below=5, severity=HIGH, runbook="docs/own.md", note="of this check")
    m.alert(LOW, "keyed", key="keyed", note="of this alert")
    m.alert(LOW, "once", runbook="https://example.org/once")


def test_a_function_says_them_by_keywords(tmp_path: Path) -> None:
    fired = {one.check or one.title: lines_of(one.text) for one in run(function, store=tmp_path)}
    assert fired == {
        "floor": ["Note: call the keeper", "Runbook: docs/acme.md"],
        "own": ["Note: of this check", "Runbook: docs/own.md"],
        "keyed": ["Note: of this alert", "Runbook: docs/acme.md"],
        "once": ["Note: call the keeper", "Runbook: https://example.org/once"],
    }


@pytest.mark.parametrize(
    "wrong",
    ["", "/etc/passwd", "../secret.md", "docs/../x", "ftp://example.org/x", "https://", "a b", "https://u:p@example.org/x",
     "javascript:alert(1)", "x" * 301, "https://example.org/a b"],
)  # fmt: skip
def test_what_is_no_runbook_is_refused(wrong: str) -> None:
    assert runbook_problem(wrong)


@pytest.mark.parametrize(
    "right", ["docs/a.md", "docs/a.md#b-c", "README.md", "https://example.org", "http://wiki/x?y=1#z"]
)
def test_what_is_a_runbook_is_taken(right: str) -> None:
    assert not runbook_problem(right)


def test_a_note_is_one_short_line() -> None:
    assert not note_problem("restart the keeper")
    assert note_problem("a\nb")
    assert note_problem("x" * 201)


def test_mistakes_are_named_at_their_place(tmp_path: Path) -> None:
    path = tmp_path / "monitor.yaml"
    path.write_text(FILE.replace("protocols/acme/README.md#exit", "/abs.md").replace("?a=1", " x"))
    with pytest.raises(ConfigError) as refused:
        load_monitor(path, TYPES)
    one, two = refused.value.mistakes
    assert "monitor.yaml:3:10 runbook: '/abs.md' is neither a web address nor a path in the repository" in one
    assert "checks.own.runbook" in two

    with pytest.raises(UsageError, match=r"@monitor\('x', runbook='/abs'\): '/abs' is neither"):
        monitor("x", runbook="/abs")


def test_a_runbook_that_is_not_there_is_a_warning_and_stops_no_check(tmp_path: Path) -> None:
    path = tmp_path / "monitor.yaml"
    path.write_text(FILE)
    (warning,) = load_monitor(path).warnings
    assert ":3:10 runbook: warning: there is no protocols/acme/README.md#exit in the repository" in warning

    path.write_text(FILE.replace("protocols/acme/", "protocols/cap/"))
    assert load_monitor(path).warnings == ()


@pytest.mark.parametrize("path", sorted(SHIPPED), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_shipped_monitor_has_a_runbook_that_is_there(path: Path) -> None:
    assert all(part.route.guidance.runbook for part in load_monitor(path, TYPES).parts())
    assert load_monitor(path, TYPES).warnings == ()


def test_a_wrong_keyword_of_a_verb_is_named(tmp_path: Path) -> None:
    @monitor("acme")
    def wrong(m: Context) -> None:
        m.limit("floor", 1, below=5, severity=HIGH, note="a\nb")

    (crash,) = run(wrong, store=tmp_path)
    assert "m.limit(…, note='a\\nb'): a note is one line of at most 200 characters" in crash.text


def test_explain_says_them_once_for_the_checks_that_share_them(tmp_path: Path) -> None:
    path = tmp_path / "monitor.yaml"
    path.write_text(FILE)
    chain = SimChain({HELD: 100})
    at = EvaluationPoint(chain.environ, SimClock(), fetch=lambda request, _: chain.fetch(request, SimClock()))
    entries, _ = explain([load_monitor(path)], at, ReadOnlyStore(tmp_path / "none.db"))
    lines = as_lines(entries, at.clock.now())
    assert lines.count("    Runbook: protocols/acme/README.md#exit") == 2
    assert "    Runbook: https://example.org/runbook?a=1" in lines
    assert next(one["runbook"] for one in as_data(entries)) == "https://example.org/runbook?a=1"


def test_explain_says_them_of_a_script(tmp_path: Path) -> None:
    host = ChecksHost(tmp_path)
    script = host.file(
        'from utils.monitor import HIGH, monitor\n@monitor("acme", runbook="docs/acme.md")\ndef main(m):\n'
        '    m.limit("fine", 9, below=5, severity=HIGH)\n    m.limit("own", 9, below=5, severity=HIGH, note="of it")\n'
        'if __name__ == "__main__":\n    main()\n'
    ).rename(tmp_path / "main.py")
    lines = host.do("explain", script).stdout.splitlines()
    assert [line.strip() for line in lines if line.startswith("    ")] == [
        "Runbook: docs/acme.md", "Note: of it", "Runbook: docs/acme.md",
    ]  # fmt: skip


def test_the_page_of_the_incident_shows_them(tmp_path: Path) -> None:
    run(function, store=tmp_path / "cache")
    with serving(tmp_path / "cache") as web:
        page = web.ask("/incident?monitor=acme&check=own").text
    assert '<dt>Runbook</dt><dd><span class="mono">docs/own.md</span>' in page
    assert "<dt>Note</dt><dd>of this check</dd>" in page


def test_what_is_said_inside_counts_before_what_is_said_around_it() -> None:
    assert Guidance("a", "").within(Guidance("b", "c")) == Guidance("a", "c")
