"""`record FILE` writes what a live service answers next to the monitor, without what nobody else may read."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.checks_host import ChecksHost
from tests.support.http_service import Reply, Seen, Service, http_service

MONITOR = """\
monitor: acme
chain: mainnet
sources:
  supply:
    url: {url}/v1/supply?token=abcdef123456&symbol=ACME
    headers: {{User-Agent: Mozilla/5.0, X-Api-Key: k3y-of-the-operator}}
    ok: code == 'OK'
    number: rows[3].amount
    scale: 1e18
    time: rows[-1].at
    max_age: 1h
  price:
    url: {url}/v1/supply?token=abcdef123456&symbol=ACME
    headers: {{User-Agent: Mozilla/5.0, X-Api-Key: k3y-of-the-operator}}
    number: price
  ratio:
    url: {url}/graphql
    query: "{{ ratio }}"
    number: ratio
    time: at
    max_age: 1h
checks:
  - {{id: supply, require: supply >= 1, severity: high}}
  - {{id: price, require: price * ratio > 0.5, severity: high}}
"""


class Acme:
    """A service whose answers a test changes."""

    def __init__(self) -> None:
        self.rows = 40
        self.note = "see https://node.acme.example/k3y, or mail ops@acme.example from 203.0.113.7"
        self.price: Any = 1.25
        self.status = 200

    def answer(self, seen: Seen) -> Reply:
        if seen.method == "POST":
            return Reply({"data": {"ratio": "1.5", "at": int(time.time()) - 30}}, self.status)
        at = f"{datetime.now(UTC) - timedelta(minutes=7):%Y-%m-%dT%H:%M:%SZ}"
        rows = [{"amount": str((place + 1) * 10**18), "at": at} for place in range(self.rows)]
        return Reply({"code": "OK", "note": self.note, "price": self.price, "rows": rows})


@pytest.fixture
def acme() -> Acme:
    return Acme()


@pytest.fixture
def service(acme: Acme) -> Iterator[Service]:
    with http_service(acme.answer) as found:
        yield found


@pytest.fixture
def host(tmp_path: Path, service: Service) -> ChecksHost:
    host = ChecksHost(tmp_path, {"ACME_TOKEN": "abcdef123456"})
    host.file(MONITOR.format(url=service.url))
    return host


def record(host: ChecksHost, code: int = 0) -> list[str]:
    done = host.do("record", host.folder / "monitor.yaml")
    assert done.returncode == code, done.stdout + done.stderr
    return [line.replace(f"{host.folder}/", "") for line in done.stdout.splitlines()]


def written(host: ChecksHost, source: str) -> dict[str, Any]:
    text = (host.folder / f"answers/acme.{source}.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def test_one_file_is_written_for_each_request_with_the_sources_that_read_it(host: ChecksHost) -> None:
    assert record(host) == ["answers/acme.supply.json: recorded", "answers/acme.ratio.json: recorded"]
    assert written(host, "supply")["sources"] == ["supply", "price"]
    assert written(host, "ratio")["request"]["body"] == {"query": "{ ratio }", "variables": {}}
    assert written(host, "ratio")["recorded"] == f"{datetime.now(UTC):%Y-%m-%d}"


def test_what_nobody_else_may_read_is_hidden(host: ChecksHost) -> None:
    record(host)
    found = written(host, "supply")
    asked = found["request"]
    assert asked["headers"] == {"accept": "application/json", "user-agent": "Mozilla/5.0", "x-api-key": "…"}
    assert asked["url"].endswith("/v1/supply?token=…&symbol=ACME")
    assert found["answer"]["body"]["note"] == "see https://… or mail … from …"
    text = (host.folder / "answers/acme.supply.json").read_text(encoding="utf-8")
    assert not [secret for secret in ("abcdef123456", "k3y", "ops@", "203.0.113") if secret in text]


def test_long_lists_are_cut_to_what_the_paths_need(host: ChecksHost) -> None:
    record(host)
    rows = written(host, "supply")["answer"]["body"]["rows"]
    assert len(rows) == 10  # five at each end, since a path names the fourth
    assert rows[3]["amount"] == str(4 * 10**18)


def test_the_answers_own_time_is_written_by_its_age_and_form(host: ChecksHost) -> None:
    record(host)
    assert written(host, "supply")["answer"]["body"]["rows"][-1]["at"] == "{{ now-7m %Y-%m-%dT%H:%M:%SZ }}"
    assert written(host, "ratio")["answer"]["body"]["data"]["at"].endswith(" unix }}")


def test_a_shape_that_changed_is_named_path_by_path(host: ChecksHost, acme: Acme) -> None:
    record(host)
    assert record(host)[0] == "answers/acme.supply.json: recorded, of the same shape"
    acme.price, acme.rows = "1.25", 4
    assert record(host)[:2] == [
        "answers/acme.supply.json: recorded, its shape has changed:",
        "  ~ price: number, now text",
    ]


def test_a_recording_of_another_name_is_replaced_and_named(host: ChecksHost) -> None:
    record(host)
    by_hand = host.folder / "answers/by-hand.json"
    (host.folder / "answers/acme.supply.json").rename(by_hand)
    said = "answers/acme.supply.json: recorded, in place of by-hand.json, of the same shape"
    assert record(host)[0] == said
    assert not by_hand.exists()


def test_a_source_that_cannot_be_read_keeps_the_recording_that_is_there(host: ChecksHost, acme: Acme) -> None:
    record(host)
    before = written(host, "ratio")
    acme.status = 404
    lines = record(host, code=1)
    assert lines[0] == "answers/acme.supply.json: recorded, of the same shape" or lines[1].startswith("answers/")
    assert [line for line in lines if line.startswith("acme/ratio: not recorded: 127.0.0.1: HTTP 404")]
    assert written(host, "ratio") == before


def test_a_time_of_an_unknown_form_is_not_recorded(host: ChecksHost) -> None:
    text = (host.folder / "monitor.yaml").read_text(encoding="utf-8")
    host.file(text.replace("time: rows[-1].at", "time: price"))  # no time at all: what is read is nothing
    lines = record(host, code=1)
    assert [line for line in lines if line.startswith("acme/supply: not recorded: ")]
    assert not (host.folder / "answers/acme.supply.json").exists()


def test_a_recording_with_a_mistake_is_named_before_anything_is_asked(host: ChecksHost, service: Service) -> None:
    (host.folder / "answers").mkdir()
    (host.folder / "answers/acme.supply.json").write_text('{"monitor": "acme"}')
    done = host.do("record", host.folder / "monitor.yaml")
    assert done.returncode == 2
    assert "answers/acme.supply.json: sources is a list of the sources that read this answer" in done.stderr
    assert service.seen == []


def test_a_monitor_without_sources_has_nothing_to_record(host: ChecksHost) -> None:
    done = host.do("record", host.file("monitor: plain\nhost: {}\n", "plain.yaml"))
    assert (done.returncode, done.stdout) == (0, f"{host.folder}/plain.yaml: nothing to record: it has no sources\n")


def test_a_run_stores_the_shape_of_the_first_answer_and_no_value(host: ChecksHost, acme: Acme) -> None:
    acme.status = 500
    host.run(host.folder / "monitor.yaml")  # one check of two has no data
    assert shapes(host)["ratio"].keys() == {"of"}
    acme.status = 200
    host.run(host.folder / "monitor.yaml")
    found = shapes(host)
    assert found["ratio"]["shape"] == {"ratio": "text", "at": "number"}
    assert found["supply"]["shape"] == {
        "code": "text", "note": "text", "price": "number", "rows": [{"amount": "text", "at": "text"}],
    }  # fmt: skip


def shapes(host: ChecksHost) -> dict[str, Any]:
    ((found,),) = host.rows("SELECT value FROM chain_memory WHERE kind = 'shape' AND key = 'acme'")
    stored: dict[str, Any] = json.loads(found)
    return stored


PRICED = """\
monitor: floors
chain: mainnet
for_each: {t: [{name: a, token: "0x4c9EDD5852cd905f086C759E8383e09bff1E68B3"}]}
checks:
  - {id: "floor/{t.name}", require: price(t.token) * price("coingecko:bitcoin") > 0, severity: high}
"""


def test_prices_are_recorded_as_a_drill_asks_for_them(tmp_path: Path) -> None:
    price = {"price": 1.0002, "symbol": "T", "confidence": 0.99}

    def answer(seen: Seen) -> Reply:
        keys = seen.path.rpartition("/")[2].split(",")
        return Reply({"coins": {key.lower(): {**price, "timestamp": int(time.time()) - 300} for key in keys}})

    with http_service(answer) as service:
        host = ChecksHost(tmp_path, {"DEFILLAMA_URL": service.url})
        host.file(PRICED)
        assert record(host) == ["answers/floors.prices.json: recorded"]
        price["decimals"] = 18
        assert record(host)[1:] == ["  + coins.*.decimals: number"]
        kept = json.loads((tmp_path / "answers" / "floors.prices.json").read_text())
        assert (kept["sources"], len(kept["answer"]["body"]["coins"])) == (["price()"], 2)
        assert kept["answer"]["body"]["coins"]["coingecko:bitcoin"]["timestamp"].startswith("{{ now-")
        price["price"] = 0
        assert all("not recorded: defillama: the price of" in line for line in record(host, 1))
