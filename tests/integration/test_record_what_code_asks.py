"""`record` also writes what built-in types and Python monitors ask, and a run confirms what it could parse of it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from monitoring.checks.builtin import TYPES
from monitoring.checks.config.load import load_monitor
from monitoring.store.db.schema import open_database
from monitoring.store.queries.sources import parsed_sources
from tests.support.checks_host import ChecksHost
from tests.support.http_service import Reply, Seen, Service, http_service
from utils.testing import RecordedAnswers, SimClock, run

DATA = """\
monitor: gov
proposals:
  rows:
    - {{name: Acme, kind: snapshot, space: acme.eth, protocol: acme, url: "{url}/graphql"}}
    - {{name: Fluid, kind: fluid, protocol: fluid, url: "{url}/proposals?status=queued"}}
"""
SCRIPT = """\
from utils.monitor import HIGH, monitor

@monitor("acme-script")
def main(m):
    supply = m.http("{url}/supply", number="supply", time="updated_at", max_age="1h", name="supply",
                    headers={{"X-Api-Key": "k3y-of-the-operator"}})
    m.limit("supply", supply, below=100, severity=HIGH)

if __name__ == "__main__":
    main()
"""
A_TIME = re.compile(r"\{\{ now-\d+[sm] unix \}\}")


class Acme:
    """A service whose answers a test changes."""

    def __init__(self) -> None:
        self.status = 200
        self.queued: list[dict[str, Any]] = [{"id": 7, "title": "mail ops@acme.example", "queued_at": self.now - 60}]

    @property
    def now(self) -> int:
        return int(time.time())

    def answer(self, seen: Seen) -> Reply:
        if seen.method == "POST":
            vote = {"id": "0xabc", "title": "Vote", "state": "active", "end": self.now + 7200, "created": self.now - 60}
            return Reply({"data": {"proposals": [vote | {"space": {"id": "acme.eth"}}]}}, self.status)
        if seen.path.startswith("/supply"):
            return Reply({"supply": "120", "updated_at": self.now - 300}, self.status)
        return Reply({"data": self.queued}, self.status)


@pytest.fixture
def acme() -> Acme:
    return Acme()


@pytest.fixture
def service(acme: Acme) -> Iterator[Service]:
    with http_service(acme.answer) as found:
        yield found


@pytest.fixture
def host(tmp_path: Path) -> ChecksHost:
    return ChecksHost(tmp_path)


def recorded(host: ChecksHost, file: Path, code: int = 0) -> list[str]:
    done = host.do("record", file)
    assert done.returncode == code, done.stdout + done.stderr
    return [line.replace(f"{host.folder}/", "") for line in done.stdout.splitlines()]


def written(host: ChecksHost, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((host.folder / f"answers/{name}.json").read_text(encoding="utf-8"))
    return found


def confirmed(host: ChecksHost, monitor: str) -> dict[str, bool]:
    with open_database(host.folder / "monitoring.db") as database:
        return parsed_sources(database)[monitor]


def test_what_a_built_in_type_asks_is_recorded_and_drilled_by_the_same_reader(
    host: ChecksHost, service: Service
) -> None:
    file = host.file(DATA.format(url=service.url))
    assert sorted(recorded(host, file)) == [
        "answers/gov.fluid.json: recorded", "answers/gov.snapshot-acme.eth.json: recorded"
    ]  # fmt: skip
    row = written(host, "gov.fluid")["answer"]["body"]["data"][0]
    assert A_TIME.fullmatch(row.pop("queued_at"))
    assert row == {"id": 7, "title": "mail …"}
    years_later = SimClock()
    years_later.move("4000d")
    sent = run(file, store=host.folder / "drill", clock=years_later, answers=RecordedAnswers())
    assert sorted(one.check for one in sent) == ["proposals/fluid", "proposals/snapshot-acme.eth"], "still open"


def test_a_service_that_fails_keeps_the_recording_that_is_there(host: ChecksHost, service: Service, acme: Acme) -> None:
    file = host.file(DATA.format(url=service.url))
    recorded(host, file)
    before = written(host, "gov.fluid")
    acme.status = 404
    assert [line for line in recorded(host, file, code=1) if line.startswith("gov/fluid: not recorded: 127.0.0.1")]
    assert written(host, "gov.fluid") == before


def test_what_a_script_asks_is_recorded_without_its_key_and_drilled(host: ChecksHost, service: Service) -> None:
    script = host.file(SCRIPT.format(url=service.url), "main.py")
    assert recorded(host, script) == ["answers/acme-script.supply.json: recorded"]
    found = written(host, "acme-script.supply")
    assert found["request"]["headers"]["x-api-key"] == "…"
    assert found["answer"]["body"]["supply"] == "120"
    assert A_TIME.fullmatch(found["answer"]["body"]["updated_at"])
    drill = host.file(
        "from utils.testing import RecordedAnswers, SimClock, run\n"
        "from main import main\n\n"
        "def test_low_supply(tmp_path):\n"
        "    low = RecordedAnswers({'supply': {'supply': 99}})\n"
        "    assert [one.kind for one in run(main, store=tmp_path, clock=SimClock(), answers=low)] == ['fired']\n"
        "    stale = RecordedAnswers({'supply': {'updated_at': 1}})\n"
        "    assert 'supply' in run(main, store=tmp_path / 'b', clock=SimClock(), answers=stale).unknown\n",
        "test_acme.py",
    )
    assert drill.is_file()
    done = host.do("test", script)
    assert "1 of 1 drill as drilled" in done.stdout, done.stdout + done.stderr


def test_a_run_confirms_what_it_could_parse_and_an_empty_list_confirms_nothing(
    host: ChecksHost, service: Service, acme: Acme
) -> None:
    file, script = host.file(DATA.format(url=service.url)), host.file(SCRIPT.format(url=service.url), "main.py")
    queued, acme.queued = acme.queued, []
    host.run(file)
    assert confirmed(host, "gov") == {"snapshot-acme.eth": True, "fluid": False}
    acme.queued = queued
    host.run(file)
    assert confirmed(host, "gov") == {"snapshot-acme.eth": True, "fluid": True}
    assert host.python(script).returncode == 0
    assert confirmed(host, "acme-script") == {"supply": True}


def test_names_of_recordings_are_those_that_a_type_asks_by(host: ChecksHost) -> None:
    monitor = load_monitor(host.file(DATA.format(url="https://api.acme.example")), TYPES)
    assert [part.key.subject for part in monitor.parts()] == ["snapshot-acme.eth", "fluid"]
