"""The `sources` of a monitor file: asked once a run, believed only when fresh and well, exact to the last digit."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.checks_host import ChecksHost
from tests.support.http_service import Reply, Seen, http_service

MONITOR = """
monitor: backing
chain: 1
sources:
  supply:
    {{url: "{url}/data?key=s3cr3t", number: "rows[-1].supply", scale: 1e18, time: at, max_age: 3h, ok: code == 'OK'}}
  held: {{url: "{url}/data?key=s3cr3t", number: held, time: at, max_age: 3h, ok: code == 'OK'}}
checks:
  - {{id: backing, require: held / supply >= 100%, severity: critical}}
  - {{id: held, require: held >= 10, severity: high, unit: usd}}
"""


def test_sources_are_read_once_exactly_and_not_believed_when_stale_or_unwell(tmp_path: Path) -> None:
    answer = {"code": "OK", "at": int(time.time()), "held": "100.000000000000000001", "rows": [{"supply": 10**20}]}
    with http_service(lambda seen: Reply(answer)) as service:
        host, seen = ChecksHost(tmp_path), [0]
        file = host.file(MONITOR.format(url=service.url))
        host.run(file)
        assert len(service.seen) == 1, "two sources of one document are one request"
        assert host.told == []
        answer["held"] = "99.999999999999999999"
        (line, _) = host.run(file)
        assert line.endswith("≥ 100% firing breached, fired")
        assert [told.split()[:3] for told in host.new(seen)] == [["CRITICAL", "alert", "backing:"]]
        answer["at"] = int(time.time()) - 4 * 3600
        assert all(" unknown" in line for line in host.run_without_data(file))
        answer |= {"at": int(time.time()), "code": "DOWN"}
        assert all("says of itself that it is not well" in line for line in host.run_without_data(file))
        assert host.new(seen) == [], "what is not believed neither fires nor clears"
        done = host.do("run", file)
        assert "s3cr3t" not in done.stdout + done.stderr
        (told,) = host.new(seen)
        assert "cannot be read, 2 checks have no data" in told


def test_a_service_that_is_down_is_blamed_by_its_host_for_all_of_its_documents(tmp_path: Path) -> None:
    def down(seen: Seen) -> Reply:
        return Reply({}, 404)

    with http_service(down) as service:
        host = ChecksHost(tmp_path)
        file = host.file(MONITOR.format(url=service.url))
        for _ in range(3):
            host.run_without_data(file)
        (told,) = host.told
        assert "alert 127.0.0.1 cannot be read, 2 checks have no data" in told


GRAPHQL = """
monitor: pool
chain: 1
sources:
  liquid:
    url: "{url}/graphql"
    query: "{{ pool {{ liquid at healthy }} }}"
    number: pool.liquid
    time: pool.at
    max_age: 1h
    ok: pool.healthy
checks:
  - {{id: liquid, require: liquid >= 50, severity: high, unit: usd}}
"""


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            {"errors": [{"message": "indexer behind"}], "data": {"pool": {"liquid": "5"}}},
            "GraphQL error: indexer behind",
        ),
        ({"data": {"pool": {"at": "now", "healthy": True}}}, "liquid"),
        ({"data": {"pool": None}}, "pool"),
        ({"data": {"pool": {"liquid": "5", "at": "long ago", "healthy": True}}}, "old"),
        ({"data": {"pool": {"liquid": "5", "at": "now", "healthy": False}}}, "says of itself that it is not well"),
    ],
)
def test_a_graphql_answer_is_judged_or_said_why_not(tmp_path: Path, answer: dict[str, Any], said: str) -> None:
    """Each of these holds a breach, or nothing, that must not be believed; the answer before and after them is."""
    now, good = int(time.time()), {"data": {"pool": {"liquid": "49.5", "at": int(time.time()), "healthy": True}}}
    pool = (answer.get("data") or {}).get("pool") or {}
    if "at" in pool:
        pool["at"] = now if pool["at"] == "now" else now - 7200
    replies = [answer, good]
    with http_service(lambda seen: Reply(replies[0])) as service:
        host = ChecksHost(tmp_path)
        file = host.file(GRAPHQL.format(url=service.url))
        (line,) = host.run_without_data(file)
        assert " unknown" in line
        assert said in line
        assert host.told == []
        replies.pop(0)
        host.run(file)
        assert host.told == ["HIGH alert liquid: $49.50 is below $50"]
        assert {(seen.method, seen.path) for seen in service.seen} == {("POST", "/graphql")}
        assert b"{ pool { liquid at healthy } }" in service.seen[0].body
