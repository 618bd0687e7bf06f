"""A run keeps how often it asked each provider, by host, and its page shows it."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

from monitoring.store.db.schema import open_database
from monitoring.store.readings import asked
from tests.support.checks_host import ChecksHost
from tests.support.rpc_server import KEY, Provider
from tests.support.rpc_server import serving as serving_provider
from tests.support.web import serving

TOKEN = "0x" + "11" * 20
SUPPLY = "totalSupply()(uint256)"
FILE = f"""
monitor: vault
chain: 1
contracts: {{a: "{TOKEN}"}}
checks:
  - {{id: floor, require: a.totalSupply() >= 100, severity: high}}
"""


def begin_run(host: ChecksHost, run_id: int) -> None:
    """Write the row of the run that the host's tasks belong to."""
    with closing(open_database(host.folder / "monitoring.db")) as database, database.write() as tx:
        tx.execute(
            "INSERT INTO runs (id, profile, trigger, status, started_at) "
            "VALUES (?, 'hourly', 'cron', 'ok', '2026-11-30T02:05:00.000000+00:00')",
            (run_id,),
        )


def test_the_page_of_a_run_says_whom_it_asked_how_often_and_who_did_not_answer(tmp_path: Path) -> None:
    provider = Provider(head_time=time.time, views={(TOKEN, SUPPLY): 150})
    with serving_provider(provider):
        dead = f"http://127.0.0.1:9/{KEY}"
        host = ChecksHost(tmp_path, {"PROVIDER_URL_MAINNET": dead, "PROVIDER_URL_MAINNET_1": provider.url})
        begin_run(host, 7)
        host.run(host.file(FILE))
    with closing(open_database(tmp_path / "monitoring.db")) as database:
        found = {each.provider: each for each in asked.of_run(database, 7)}
        assert database.row("SELECT count(*) FROM provider_requests WHERE provider LIKE ?", (f"%{KEY}%",)) == (0,)
    silent, answering = found["127.0.0.1 #1"], found["127.0.0.1 #2"]
    assert (answering.chain, answering.requests) == (1, answering.answered)
    assert answering.requests > 0
    assert (silent.answered, silent.requests > 0) == (0, True)
    with serving(tmp_path) as web:
        text = web.ask("/runs/7").text
    assert "Requests to providers" in text
    assert f"{silent.requests} without an answer" in text
    assert KEY not in text


def test_a_run_whose_row_is_gone_keeps_its_conditions_all_the_same(tmp_path: Path) -> None:
    with serving_provider(Provider(head_time=time.time, views={(TOKEN, SUPPLY): 50})) as (url,):
        host = ChecksHost(tmp_path, {"PROVIDER_URL_MAINNET": url})
        host.run(host.file(FILE))
    assert host.rows("SELECT state FROM conditions WHERE check_name = 'floor'") == [("firing",)]
    assert host.rows("SELECT count(*) FROM provider_requests") == [(0,)]


def test_requests_go_with_their_run(tmp_path: Path) -> None:
    host = ChecksHost(tmp_path)
    begin_run(host, 7)
    with closing(open_database(tmp_path / "monitoring.db")) as database:
        with database.write() as tx:
            asked.put(tx, 7, "checks", [asked.AskedProvider(1, "rpc.example.com", 5, 5)])
            asked.put(tx, 7, "checks", [asked.AskedProvider(1, "rpc.example.com", 9, 8)])
            asked.put(tx, 7, "others", [asked.AskedProvider(1, "rpc.example.com", 1, 1)])
        assert asked.of_run(database, 7) == [asked.AskedProvider(1, "rpc.example.com", 10, 9)]
        with database.write() as tx:
            tx.execute("DELETE FROM runs WHERE id = 7")
        assert database.row("SELECT count(*) FROM provider_requests") == (0,)
