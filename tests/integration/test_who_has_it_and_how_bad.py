"""`incidents`, `status` and the page of an incident: the last value against its limit, and who has it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from automation.cli.layout import columns
from automation.cli.main import main
from automation.on_call.pausing import announce_begin
from monitoring.alerts.message.model import Alert
from monitoring.alerts.recording.store_alert import store_in
from monitoring.conditions.severity import Severity
from monitoring.store.db.database import Database
from monitoring.store.people import escalations, pauses
from monitoring.store.people.acknowledgements import episode_of
from monitoring.store.people.escalations import EscalationProgress
from monitoring.store.people.pauses import PauseKind
from monitoring.store.tables import conditions
from tests.support import story
from tests.support.web import serving

NOW = datetime.now(UTC)
_ASKED = r"ben, cleo asked \d+ min ago"  # 10, and as long as the tests before this one took
MINUTES = timedelta(minutes=1)


@pytest.fixture(params=[False, True], ids=["nobody", "held"])
def database(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.setenv("CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("MONITORING_ENV_FILE", "")
    with story.build(tmp_path / "monitoring.db", NOW, held=request.param, days=1) as found:
        yield found


@pytest.fixture
def is_held(request: pytest.FixtureRequest) -> bool:
    return "held" in request.node.name


def asked(database: Database, people: tuple[str, ...]) -> None:
    with database.write() as tx:
        row = conditions.get(tx, story.KEY)
        assert row is not None
        begun, last = NOW - 4 * story.HOUR, NOW - 10 * MINUTES
        escalations.put(
            tx, row.key, EscalationProgress(episode_of(row), Severity.HIGH, begun, 1, last, people), NOW
        )  # fmt: skip


def test_incidents_shows_the_last_value_its_limit_and_whether_it_gets_worse(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["incidents"]) == 0
    assert "95.1%, limit ≤ 90%, over by 5.1%. Getting worse: 91.5% when it fired" in capsys.readouterr().out
    assert main(["incidents", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["reading"] == {
        "value": "95.1%", "limit": "≤ 90%", "distance": "over by 5.1%", "beyond": True,
        "next_level": "CRITICAL at 97%", "trend": "Getting worse: 91.5% when it fired",
        "at": f"{NOW:%Y-%m-%dT%H:%M:%S}.000000Z",
    }  # fmt: skip


def test_incidents_and_status_fit_eighty_columns(
    database: Database, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    for verb in ("incidents", "status"):
        assert main([verb]) == 0
        out = capsys.readouterr().out
        assert [line for line in out.splitlines() if columns(line) > 80] == []
        assert "USDC: hardly anything can" in " ".join(out.split())


def test_status_says_who_has_what_fires_or_who_was_asked(
    database: Database, capsys: pytest.CaptureFixture[str], *, is_held: bool
) -> None:
    asked(database, ("ben", "cleo"))
    assert main(["status"]) == 0
    out = capsys.readouterr().out
    if is_held:
        assert f", ana has it until {NOW - 2 * story.HOUR + timedelta(days=1):%Y-%m-%d %H:%M}" in out
    else:
        assert re.search(rf", nobody has it \({_ASKED}\): aave: ", out)
    assert main(["status", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["firing"]
    assert (found["acknowledgement"] or {}).get("by") == ("ana" if is_held else None)
    assert (found["asked"]["people"], found["asked"]["count"]) == (["ben", "cleo"], 1)


def test_what_else_fired_is_conditions_and_a_pause_is_in_the_timeline(
    database: Database, tmp_path: Path, *, is_held: bool
) -> None:
    asked(database, ("ben", "cleo"))
    at = NOW - 4 * story.HOUR + 5 * MINUTES
    with database.write() as tx:
        for kind, name in (
            (PauseKind.CHECK, "aave/*"), (PauseKind.PROFILE, "hourly"), (PauseKind.TASK, "hourly/aave"),
            (PauseKind.PROFILE, "daily"), (PauseKind.CHECK, "lido/*"),
        ):  # fmt: skip
            pause = pauses.add(
                tx, kind, name, now=at, ends_at=at + story.HOUR, reason="provider moves", created_by="ana"
            )
            announce_begin(tx, pause, at)
        store_in(tx, Alert("LOW", "GHO is at 0.99", protocol="pegs", key="peg/GHO"), now=at + 5 * MINUTES)
    with serving(tmp_path) as web:
        said = web.ask(story.INCIDENT).text
    nearby = said.partition(">What else fired then<")[2].partition("<h2")[0]
    assert 0 < nearby.index("USDC oracle is 70 min old") < nearby.index("GHO is at 0.99"), "the worst first"
    assert "paused" not in nearby
    assert bool(re.search(_ASKED, said)) is not is_held
    timeline = said.partition(">Timeline<")[2].partition("<h2")[0]
    for what in ("check aave/*", "profile hourly", "task hourly/aave"):
        assert f"{what} paused by ana until" in timeline
    for other in ("profile daily", "lido/*"):
        assert f"{other} paused" not in timeline
