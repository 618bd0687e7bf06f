"""The API over a real socket: shapes, strictness, freshness, and what it says while the database is not there."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitoring.store.db import schema
from monitoring.store.db.database import Database
from monitoring.store.tables import alerts
from tests.support import old_database
from tests.support.filled import fill
from tests.support.web import ROOT, Web, serving

FIELDS = [
    "id", "created_at", "source", "protocol", "channel", "severity", "message", "plain_text", "silent",
    "delivery_status", "delivered_at", "delivery_error", "metadata",
]  # fmt: skip
SPEC = ROOT / "monitoring" / "web" / "openapi.yaml"
MAX_UINT256 = 2**256 - 1
SECRET = "123456789:AAH-not-a-real-token-but-shaped-like-one"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Web, Database]]:
    cache = tmp_path_factory.mktemp("host") / "cache"
    database = fill(cache / "monitoring.db", datetime.now(UTC))
    with serving(cache, TELEGRAM_BOT_TOKEN_DEFAULT=SECRET) as web:
        yield web, database
    database.close()


@pytest.fixture(scope="module")
def web(host: tuple[Web, Database]) -> Web:
    return host[0]


def test_an_alert_has_the_fields_of_the_contract_in_order(web: Web) -> None:
    page = web.get("/v1/alerts?limit=2")
    assert list(page) == ["data", "next_cursor", "limit"]
    newest = page["data"][0]
    assert list(newest) == FIELDS
    assert newest["created_at"].endswith("Z")
    assert len(newest["created_at"]) == len("2026-11-23T22:32:00.000000Z")
    assert page["next_cursor"] == str(page["data"][-1]["id"])
    one = web.get(f"/v1/alerts/{newest['id']}")
    assert one == {**newest, "threads": [], "messages": []}


def test_pages_follow_one_another_while_rows_arrive(host: tuple[Web, Database]) -> None:
    web, database = host
    seen = []
    page = web.get("/v1/alerts?limit=20")
    before = page["data"][0]["id"]
    while True:
        seen += [alert["id"] for alert in page["data"]]
        with database.write() as tx:
            alerts.insert(tx, alerts.NewAlert("aave", "LOW", "meanwhile"), [], datetime.now(UTC), status="delivered")
        if page["next_cursor"] is None:
            break
        page = web.get(f"/v1/alerts?limit=20&cursor={page['next_cursor']}")
    assert seen == list(range(before, 0, -1)), "none twice, none left out"


def test_filters_combine(web: Web) -> None:
    found = web.get("/v1/alerts?protocol=maple&severity=CRITICAL&source=protocol&limit=500")["data"]
    assert [alert["message"].split("\n")[0][-29:] for alert in found] == ["Timelock queued a transaction"]
    assert found[0]["metadata"] == {"chain": 1, "block": 21442001}
    at = found[0]["created_at"]
    assert [a["id"] for a in web.get(f"/v1/alerts?from={at}&severity=CRITICAL")["data"]] == [found[0]["id"]]
    assert web.get(f"/v1/alerts?to={at}&severity=CRITICAL")["data"] == [], "to is exclusive"
    assert web.get(f"/v1/alerts?since={at}&from=2001-01-01T00:00:00Z&severity=CRITICAL")["data"] == found


@pytest.mark.parametrize(
    "path",
    [
        "/v1/alerts?cursor=0",
        "/v1/alerts?protocol=nobody",
        "/v1/alerts?from=2027-01-01T00:00:00Z&to=2020-01-01T00:00:00%2B02:00",
        "/v1/alerts?from=9999-12-31T23:59:59-12:00",
        "/v1/alerts?to=0001-01-01T00:00:00%2B14:00",
        "/v1/alerts?protocol=%27%20OR%201%3D1%20--",
        "/v1/alerts?protocol=aave%00",
    ],
)
def test_what_holds_nothing_is_an_empty_list(web: Web, path: str) -> None:
    assert web.get(path) == {"data": [], "next_cursor": None, "limit": 100}


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("limit=0", "1 to 500"),
        ("limit=501", "1 to 500"),
        ("limit=", "whole number"),
        ("limit=%D9%A3", "whole number"),
        ("cursor=abc", "whole number"),
        ("cursor=99999999999999999999", "whole number"),
        ("cursor=9999999999999999999", "next_cursor"),
        ("severity=high", "LOW, MEDIUM, HIGH, CRITICAL"),
        ("from=2026-01-01", "time zone"),
        ("from=2026-01-01T00:00:00", "time zone"),
        ("to=2026-01-01T00:00:00+00:00", "%2B"),
        ("to=2026-13-01T00:00:00Z", "month"),
        ("protocol=", "1 to 200 characters"),
        ("protocol=a&protocol=b", "twice"),
        ("protcol=a", "did you mean 'protocol'"),
        ("x=1", "cursor, from, limit, protocol, severity, since, source, to"),
        ("protocol=%ff", "UTF-8"),
        ("&".join(f"a{n}=1" for n in range(40)), "more than 20"),
    ],
)
def test_what_cannot_be_understood_is_refused_with_what_to_write(web: Web, query: str, says: str) -> None:
    reply = web.ask(f"/v1/alerts?{query}")
    assert reply.status == 400
    assert list(reply.json) == ["error", "message"]
    assert says in reply.json["message"]


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        ("/v1/alerts/0", 404, "not_found"),
        ("/v1/alerts/99999999999999999999", 404, "not_found"),
        ("/v1/alerts/-1", 400, "bad_parameter"),
        ("/v1/alerts/1e3", 400, "bad_parameter"),
        ("/v1/alerts/%D9%A3", 400, "bad_parameter"),
        ("/v1/alerts/1/", 404, "not_found"),
        ("/v1/runs/0", 404, "not_found"),
        ("/v1/alerts/1?x=1", 400, "unknown_parameter"),
        ("/openapi.json?x=1", 400, "unknown_parameter"),
        ("/nothing", 404, "not_found"),
        ("/static/../__init__.py", 404, "not_found"),
        ("/static/%2e%2e/%2e%2e/settings.py", 404, "not_found"),
        ("/static//etc/passwd", 404, "not_found"),
    ],
)
def test_every_error_is_json_with_a_code_and_a_text(web: Web, path: str, status: int, error: str) -> None:
    reply = web.ask(path)
    assert (reply.status, reply.json["error"]) == (status, error)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("path", ["/v1/alerts", "/v1/alerts/1", "/healthz", "/", "/openapi.json"])
def test_nothing_but_reading_is_possible(web: Web, method: str, path: str) -> None:
    reply = web.ask(path, method)
    assert reply.status == 405
    assert reply.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", ["/v1/alerts", "/v1/audit", "/metrics", "/", "/alerts", "/openapi.json"])
def test_head_is_get_without_the_body_and_an_etag_spares_the_body(web: Web, path: str) -> None:
    for _ in range(5):  # an answer with the time of day in it may change in between
        whole, head = web.ask(path), web.ask(path, "HEAD")
        if whole.headers["etag"] == head.headers["etag"]:
            break
    assert (head.status, head.body) == (200, b"")
    assert {k: v for k, v in head.headers.items() if k != "date"} == {
        k: v for k, v in whole.headers.items() if k != "date"
    }
    again = web.ask(path, if_none_match=f'"other", W/{whole.headers["etag"]}')
    assert again.status in (304, 200)
    if path == "/openapi.json":
        assert (again.status, again.body) == (304, b"")


def test_an_answer_changes_with_the_data_and_not_before(host: tuple[Web, Database]) -> None:
    web, database = host
    first, second = web.ask("/v1/alerts"), web.ask("/v1/alerts")
    assert first.headers["etag"] == second.headers["etag"]
    assert web.ask("/v1/alerts", if_none_match=first.headers["etag"]).status == 304
    with database.write() as tx:
        new = alerts.insert(tx, alerts.NewAlert("aave", "HIGH", "news"), [], datetime.now(UTC), status="delivered")
    changed = web.ask("/v1/alerts", if_none_match=first.headers["etag"])
    assert changed.status == 200
    assert changed.json["data"][0]["id"] == new


@pytest.mark.parametrize("path", ["/", "/v1/alerts", "/nothing", "/healthz"])
def test_every_answer_forbids_what_it_does_not_need(web: Web, path: str) -> None:
    headers = web.ask(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "server" not in headers


def test_runs_tell_their_tasks_and_the_profiles_their_newest_run(web: Web) -> None:
    page = web.get("/v1/runs?profile=hourly&status=ok&limit=3")
    assert [run["profile"] for run in page["data"]] == ["hourly"] * 3
    run = web.get(f"/v1/runs/{page['data'][0]['id']}")
    assert [task["name"] for task in run["tasks"]] == ["aave", "lido", "maple"]
    assert "utilisation 91.2 %" in run["tasks"][0]["output_tail"]
    profiles = {profile["name"]: profile for profile in web.get("/v1/profiles")["data"]}
    assert profiles["hourly"]["last_run"]["id"] == page["data"][0]["id"]
    assert datetime.fromisoformat(profiles["hourly"]["next_tick"]) > datetime.now(UTC)
    watched = {row["profile"]: row for row in web.get("/v1/monitoring")["data"]}
    assert [task["name"] for task in watched["daily"]["tasks"]] == ["peg", "governance"]


def test_incidents_and_protocols_are_listed(web: Web) -> None:
    assert [row["severity"] for row in web.get("/v1/incidents")["data"]] == ["HIGH", "CRITICAL"]
    assert web.get("/v1/incidents?state=all&limit=1")["data"][0]["state"] == "firing"
    protocols = web.get("/v1/protocols")
    assert [row["name"] for row in protocols["data"]] == ["aave", "lido", "maple"]
    assert protocols["count"] == 3


def test_the_audit_is_the_one_of_the_command_line(web: Web) -> None:
    found = web.get("/v1/audit?since=12h&profile=hourly")
    assert found["ok"] is True
    assert found["profiles"] == ["hourly"]
    assert f"{found['ticks']['due']} ticks due" in found["sentence"]
    assert found["ticks"]["due"] in (11, 12)


def test_metrics_are_read_by_prometheus_own_parser(web: Web) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    families = {family.name: family for family in text_string_to_metric_families(web.ask("/metrics").text)}
    assert families["monitoring_audit_ok"].samples[0].value == 1
    profiles = {sample.labels["profile"] for sample in families["monitoring_profile_overdue"].samples}
    assert profiles == {"hourly", "daily", "multisig"}
    assert families["monitoring_incidents_firing"].samples[-1].labels == {"severity": "CRITICAL"}
    assert families["monitoring_alerts_stored"].samples[0].value >= 63


def test_no_token_reaches_the_process_environment_answers_or_log(web: Web) -> None:
    for path in ("/", "/healthz", "/v1/audit", "/metrics", "/openapi.json", "/nothing"):
        assert SECRET.encode() not in web.ask(path).body
    assert SECRET not in web.log.read_text()


def test_the_description_names_exactly_the_routes_and_parameters_there_are() -> None:
    from monitoring.web import api, pages

    spec = yaml.safe_load(SPEC.read_text())
    of_pages = {route.path for route in pages.ROUTES}
    assert {route.path.replace(":path", "") for route in api.ROUTES} | {"/openapi.json"} == set(spec["paths"])
    assert of_pages.isdisjoint(spec["paths"])
    for route in api.ROUTES:
        operation = spec["paths"][route.path.replace(":path", "")]["get"]
        given = [_resolved(spec, parameter) for parameter in operation.get("parameters", [])]
        assert {parameter["name"] for parameter in given if parameter["in"] == "query"} == set(route.parameters)
    assert spec["components"]["schemas"]["Alert"]["required"] == FIELDS


def _resolved(spec: dict[str, Any], parameter: dict[str, str]) -> dict[str, Any]:
    if "$ref" not in parameter:
        return parameter
    return spec["components"]["parameters"][parameter["$ref"].rpartition("/")[2]]


def test_rows_of_the_old_system_never_break_an_answer(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    old_database.build(cache / "monitoring.db", rows=50, shuffled=True)
    connection = sqlite3.connect(cache / "monitoring.db")
    whole = f'{{"amount": {MAX_UINT256}}}'
    for number, (metadata, created) in enumerate(
        [
            ("{broken", "never"),
            ("[1, 2]", ""),
            ('"text"', "2026-02-30"),
            ("NaN", None),
            ("[" * 5000, "12:00"),
            (whole, ""),
        ]
    ):
        connection.execute(
            "UPDATE alert_events SET metadata_json = ?, created_at = ?, severity = NULL, delivered_at = 'soon', "
            "protocol = '', message = CAST(x'fffe3c' AS TEXT), delivery_status = 'delivered' WHERE id = ?",
            (metadata, created, 10 + number),
        )
    connection.commit()
    connection.close()
    schema.open_database(cache / "monitoring.db").close()
    with serving(cache) as web:
        data = {row["id"]: row for row in web.get("/v1/alerts?limit=500")["data"]}
        assert len(data) == 50
        assert data[10]["metadata"] == {"unreadable": "{broken"}
        assert data[11]["metadata"] == {"value": [1, 2]}
        assert data[15]["metadata"] == {"amount": MAX_UINT256}, "to the last digit"
        assert str(MAX_UINT256) in web.ask("/alerts/15").text
        assert data[10]["severity"] is None
        for path in ("/", "/alerts", *(f"/alerts/{row_id}" for row_id in data), "/v1/audit?since=90d", "/metrics"):
            assert web.ask(path).status == 200, path


def test_without_a_database_it_starts_says_so_and_recovers_by_itself(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    path = cache / "monitoring.db"
    with serving(cache) as web:
        missing = web.ask("/v1/alerts")
        assert (missing.status, missing.json["error"]) == (503, "unavailable")
        assert "no database" in missing.json["message"]
        assert missing.headers["retry-after"] == "5"
        assert web.ask("/healthz").status == 503
        assert "Nothing has run yet" in web.ask("/").text
        fill(path, datetime.now(UTC)).close()
        assert len(web.get("/v1/alerts")["data"]) > 50
        assert web.get("/healthz") == {"status": "ok"}

        for leftover in ("", "-wal", "-shm"):
            path.with_name(path.name + leftover).unlink(missing_ok=True)
        assert web.ask("/v1/alerts").status == 503, "a deleted file is not answered from memory"
        path.write_bytes(b"this is no database at all" * 100)
        broken = web.ask("/v1/alerts")
        assert (broken.status, broken.json["error"]) == (503, "unavailable")
        assert "does not answer" in web.ask("/").text
        path.unlink()
        with schema.open_database(path) as fresh, fresh.write() as tx:
            alerts.insert(tx, alerts.NewAlert("lido", "LOW", "after"), [], datetime.now(UTC), status="delivered")
        assert [row["message"] for row in web.get("/v1/alerts")["data"]] == ["after"]


def test_a_locked_database_is_told_as_such_and_the_process_stays_responsive(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    path = cache / "monitoring.db"
    schema.open_database(path).close()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=DELETE")
    connection.execute("BEGIN EXCLUSIVE")
    with serving(cache) as web:
        locked = web.ask("/v1/alerts")
        assert (locked.status, locked.json["error"]) == (503, "unavailable")
        assert web.ask("/openapi.json").status == 200
        connection.execute("COMMIT")
        connection.close()
        assert web.ask_until("/v1/alerts", 200).json["data"] == []


def test_it_never_writes_even_where_it_could(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    fill(cache / "monitoring.db", datetime.now(UTC)).close()
    shutil.copytree(cache, tmp_path / "before")
    with serving(cache) as web:
        for path in ("/", "/alerts", "/runs", "/v1/alerts", "/v1/audit", "/metrics", "/healthz"):
            assert web.ask(path).status == 200
    for name in ("monitoring.db", "monitoring.db-wal"):
        assert (cache / name).read_bytes() == (tmp_path / "before" / name).read_bytes()
    assert {file.name for file in cache.iterdir()} == {file.name for file in (tmp_path / "before").iterdir()}


def test_a_port_that_is_none_is_refused_with_exit_2(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "monitoring.web"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
        env={"PATH": "/usr/bin", "MONITORING_ENV_FILE": "", "MONITORING_API_PORT": "99999", "CACHE_DIR": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 2
    assert "MONITORING_API_PORT='99999' is not a port" in done.stderr


def test_a_database_without_a_schedule_proves_nothing_and_says_so(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    schema.open_database(cache / "monitoring.db").close()
    with serving(cache) as web:
        found = web.get("/v1/audit?since=1m")
        assert found["ok"] is False
        assert [finding["kind"] for finding in found["findings"] if finding["breaks_silence"]] == ["nothing scheduled"]
        assert "Nothing is scheduled yet" in web.ask("/").text
        since = datetime.fromisoformat(found["until"]) - datetime.fromisoformat(found["since"])
        assert since == timedelta(minutes=1)
