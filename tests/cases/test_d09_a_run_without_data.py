"""Most of a run's checks had no data, and the run was called ok with exit code 0.

Right: more than half of them without data is exit code 1, and the run's row says `no data` with the numbers; half of
them or less leaves the run as its tasks ended.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.host import NOWHERE, Host
from tools.scripted_server import Answer, Request, ScriptedServer

pytestmark = [pytest.mark.case("D.9"), pytest.mark.ci]


class Numbers(ScriptedServer):
    def respond(self, _request: Request) -> Answer:
        return Answer.of_json(200, {"n": 5})


@pytest.fixture
def service() -> Iterator[Numbers]:
    with Numbers() as server:
        yield server


def watch(host: Host, *sources: str) -> None:
    """Schedule one check for each source."""
    lines = ["monitor: acme", "chain: mainnet", "sources:"]
    lines += [f"  s{number}: {{url: {url}/, number: n}}" for number, url in enumerate(sources)]
    lines += ["checks:"]
    lines += [
        f"  - {{id: c{number}, watch: s{number}, levels: [{{below: 1, severity: high}}], text: too few}}"
        for number in range(len(sources))
    ]
    file = host.checkout / "protocols/acme/monitor.yaml"
    file.parent.mkdir()
    file.write_text("\n".join(lines) + "\n")
    host.jobs(
        "profiles:\n  hourly:\n    cron: '5 * * * *'\n    tasks:\n"
        "      - {name: acme, monitors: [protocols/acme/monitor.yaml]}\n"
    )


@pytest.mark.parametrize(
    ("answering", "silent", "row"),
    [(1, 2, ("failed", 1, "no data: 2 of 3 checks")), (1, 1, ("ok", 0, ""))],
)
def test_a_run_of_which_most_had_no_data_has_failed(
    tmp_path: Path, service: Numbers, answering: int, silent: int, row: tuple[str, int, str]
) -> None:
    host = Host(tmp_path)
    watch(host, *[service.url] * answering, *[NOWHERE] * silent)
    done = host.automation("run", "hourly")
    assert done.returncode == row[1], done.stderr
    assert host.rows("SELECT status, exit_code, reason FROM runs") == [row]
