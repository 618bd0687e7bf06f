"""`/v1/checks`: pages and filters, one check by its id as people write it, readings as JSON and as CSV, gauges."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from prometheus_client.parser import text_string_to_metric_families

from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.conditions.severity import Severity
from monitoring.store.db.database import Tx
from monitoring.store.readings.dropping import record_or_drop_in
from monitoring.store.readings.limits import Bound, ReadingLimits
from monitoring.store.readings.reading import CheckReading, ReadingState, Series
from monitoring.store.tables import conditions
from tests.support.filled import fill
from tests.support.web import Web, serving

NOW = datetime.now(UTC).replace(microsecond=0)
# Two that print the same: a chain that is a subject's first part.
TWINS = ConditionKey("twins", "c", 1, "x"), ConditionKey("twins", "c", 0, "1/x")
ODD = ConditionKey("odd", "a b", 10, "ü\u00a0\n/%?#")


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    cache = tmp_path_factory.mktemp("readings") / "cache"
    with fill(cache / "monitoring.db", NOW, checks=True) as database, database.write() as tx:
        for number, key in enumerate([*TWINS, ODD]):
            add(tx, key, 10**400 if key is ODD else number)
    with serving(cache) as found:
        yield found


def add(tx: Tx, key: ConditionKey, value: int) -> None:
    conditions.put(tx, Condition(key, value="some"), NOW)
    limits = ReadingLimits((), (Bound(50, Severity.MEDIUM), Bound(90, Severity.MEDIUM), Bound(95, Severity.CRITICAL)))
    series = Series(key, key.monitor, Severity.CRITICAL, "limit")
    record_or_drop_in(tx, [CheckReading(series, ReadingState.OK, value, limits=limits)], [], NOW)


def test_every_check_is_listed_page_by_page_with_its_last_reading(web: Web) -> None:
    ids, cursor = [], ""
    while True:
        page = web.get(f"/v1/checks?limit=2{cursor}")
        ids += [row["id"] for row in page["data"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert sorted(ids) == sorted(
        [
            "cap/backing/1",
            "cap/big-mint/1",
            "cap/share-price/1/stcUSD",
            "odd/a b/10/ü\u00a0\n/%?#",
            "twins/c/1/x",
            "twins/c/1/x",
        ]
    )
    (backing,) = web.get("/v1/checks?state=firing")["data"]
    assert (backing["value"], backing["exact"], backing["lower"], backing["headroom"]) == (-2.0, "-2", 0.0, -2.0)
    assert (backing["severity"], backing["fires_as"], backing["unit"]) == ("CRITICAL", "CRITICAL", "cUSD")
    assert backing["limits"]["lower"] == [{"at": 0.0, "exact": "0", "severity": "CRITICAL"}]
    (blind,) = web.get("/v1/checks?state=no_data&protocol=cap&chain=1&severity=CRITICAL&text=MINT")["data"]
    assert (blind["value"], blind["value_in_words"], blind["blind_by"]) == (None, "300 cUSD", "mainnet")


def test_a_check_is_found_by_its_id_with_its_slashes_as_they_are_or_encoded(web: Web) -> None:
    price = web.get("/v1/checks/cap/share-price/1/stcUSD")
    assert price == web.get("/v1/checks/cap%2Fshare-price%2F1%2FstcUSD")
    assert price["exact"] == "1.081"
    assert price["inputs"][0] == {"name": "vault.totalAssets()", "exact": "2.081", "words": "2.081"}
    assert price["contracts"] == [{"chain": 1, "address": "0x" + "11" * 20, "name": "vault"}]
    odd = web.get("/v1/checks/" + quote("odd/a b/10/ü\u00a0\n/%?#"))
    assert (odd["subject"], odd["value"], len(odd["exact"])) == ("ü\u00a0\n/%?#", None, 401), "no double is so large"
    for path in ("/v1/checks/{}/readings", "/checks/{}"):
        assert web.ask(path.format(quote("odd/a b/10/ü\u00a0\n/%?#"))).status == 200


def test_of_two_that_print_the_same_the_parts_say_which(web: Web) -> None:
    refused = web.ask("/v1/checks/twins/c/1/x")
    assert (refused.status, refused.json["error"]) == (400, "bad_parameter")
    assert "give chain, subject or both" in refused.json["message"]
    assert [web.get(f"/v1/checks/twins/c/1/x?chain={chain}")["value"] for chain in (1, 0)] == [0.0, 1.0]
    assert web.get("/v1/checks/twins/c/1/x?subject=1/x")["value"] == 1.0


@pytest.mark.parametrize(
    "path", ["/v1/checks/none/such", "/v1/checks/none", "/v1/checks/%ff%00/x/readings", "/v1/checks/"]
)
def test_what_is_no_check_is_not_found(web: Web, path: str) -> None:
    assert web.ask(path).status == 404


def test_readings_come_over_time_with_limits_states_and_blocks(web: Web) -> None:
    found = web.get("/v1/checks/cap/backing/1/readings")
    assert (found["id"], found["unit"], found["step_s"]) == ("cap/backing/1", "cUSD", None)
    assert [row["state"] for row in found["data"]] == ["ok"] * 23 + ["firing"]
    assert (found["data"][-1]["last"], found["data"][-1]["severity"]) == (-2.0, "CRITICAL")
    assert found["data"][0]["last"] == pytest.approx(23 / 3)
    assert {row["lower"] for row in found["data"]} == {0.0}
    stepped = web.get("/v1/checks/cap/backing/1/readings?step=12h")
    assert [row["readings"] for row in stepped["data"]] == [12, 12]
    assert (stepped["data"][1]["min"], stepped["data"][1]["state"]) == (-2.0, "firing")


def test_from_and_to_bound_the_time_and_nothing_of_it_is_an_error(web: Web) -> None:
    at = [(NOW - timedelta(hours=hours)).isoformat().replace("+00:00", "Z") for hours in (6, 3)]
    found = web.get(f"/v1/checks/cap/backing/1/readings?from={at[0]}&to={at[1]}")
    assert len(found["data"]) == 3
    assert web.get(f"/v1/checks/cap/backing/1/readings?from={at[1]}&to={at[0]}")["data"] == []
    early = web.get("/v1/checks/cap/backing/1/readings?to=0001-01-01T00:00:00Z")
    assert early["data"] == []
    long = web.get("/v1/checks/cap/backing/1/readings?from=0001-01-01T00:00:00Z&to=9999-12-31T00:00:00Z&step=1m")
    assert len(long["data"]) == 1
    assert long["step_s"] > 60, "no answer has more than 2000 steps"


def test_the_same_comes_as_csv_by_format_or_by_what_the_client_accepts(web: Web) -> None:
    path = "/v1/checks/cap/big-mint/1/readings?from=2026-01-01T00:00:00Z&to=2100-01-01T00:00:00Z"
    asked, accepted = web.ask(f"{path}&format=csv"), web.ask(path, Accept="text/csv")
    assert asked.body == accepted.body
    assert asked.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(asked.text)))
    shown = web.get(path)["data"]
    assert [row["state"] for row in rows] == [row["state"] for row in shown] == ["ok", "no_data"]
    assert [row["last"] for row in rows] == ["300.0", ""]
    assert web.ask(path, Accept="text/csv, application/json").headers["content-type"].startswith("text/csv")
    assert web.ask(f"{path}&format=json", Accept="text/csv").headers["content-type"] == "application/json"


def test_an_answer_that_the_client_has_is_304(web: Web) -> None:
    for path in ("/v1/checks", "/v1/checks/cap/backing/1", "/v1/checks/cap/backing/1/readings?to=2100-01-01T00:00:00Z"):
        first = web.ask(path)
        assert first.status == 200
        assert web.ask(path, If_None_Match=first.headers["etag"]).status == 304


def test_metrics_have_values_and_limits_of_checks_and_no_value_without_data(web: Web) -> None:
    families = {one.name: one for one in text_string_to_metric_families(web.ask("/metrics").text)}
    samples = families["monitoring_check_value"].samples
    values = {f"{one.labels['monitor']}/{one.labels['check']}": one for one in samples}
    assert values["cap/backing"].value == -2.0
    assert values["cap/backing"].labels == {"monitor": "cap", "check": "backing", "chain": "1", "subject": ""}
    assert not {"cap/big-mint", "odd/a b"} & set(values)
    limits = {
        (sample.labels["side"], sample.labels["severity"]): sample.value
        for sample in families["monitoring_check_limit"].samples
        if sample.labels["monitor"] == "twins" and sample.labels["chain"] == "1"
    }
    assert limits == {("upper", "MEDIUM"): 50.0, ("upper", "CRITICAL"): 95.0}, "of two the milder one"
    states = {sample.labels["state"]: sample.value for sample in families["monitoring_checks"].samples}
    assert states == {"ok": 4.0, "pending": 0.0, "firing": 1.0, "no_data": 1.0}
    assert families["monitoring_checks_without_gauges"].samples[0].value == 0.0
