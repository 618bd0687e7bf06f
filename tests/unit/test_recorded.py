"""A recorded answer is given for the request it was recorded for and no other, as old as it was, exact to the digit."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from monitoring.base.errors import ConfigError
from monitoring.base.http.client import FetchError, Request
from monitoring.chains.rpc.memory import RunMemory
from monitoring.checks.recorded.recording import RecordedRequest, Recording, recordings_of, unconfirmed_in
from monitoring.checks.recorded.replay import Replay
from monitoring.checks.recorded.shape import differences, remember_readings, shape_of
from monitoring.checks.recorded.stamps import read_stamp, stamp_of
from monitoring.store.tables.chain_memory import SHAPE

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
ASKED = Request("https://api.example/v1?key=s3cr3t&symbol=A", headers={"accept": "application/json", "x-key": "k"})
BODY = {
    "supply": "1000",
    "price": Decimal("0.1"),
    "big": 10**27,
    "at": "{{ now-40m unix }}",
    "rows": [{"n": 1}, {"n": 2}],
}


def recording(**change: object) -> Recording:
    request = RecordedRequest(
        "GET", "https://api.example/v1?key=…&symbol=A", {"accept": "application/json", "x-key": "…"}
    )
    parts = {"request": request, "body": BODY, **change}
    return Recording(Path("a.json"), "acme", ("supply", "price"), recorded="2026-11-24", **parts)  # type: ignore[arg-type]


def test_the_request_that_was_recorded_is_answered_with_exact_numbers_and_times() -> None:
    replay = Replay([recording()], NOW)
    answer = replay(ASKED, 1.0)
    assert json.loads(answer.body, parse_float=Decimal) == {**BODY, "at": int(NOW.timestamp()) - 2400}
    assert replay.asked == {Path("a.json")}


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (
            Request("https://api.example/v1?key=s3cr3t&symbol=B", headers=ASKED.headers),
            "its URL is another than in a.json, it asks https://api.example/v1?key=…&symbol=B",
        ),
        (Request("https://api.example/v2?key=s3cr3t&symbol=A", headers=ASKED.headers), "its URL is another"),
        (Request(ASKED.url, "POST", ASKED.headers), "its method is another"),
        (Request(ASKED.url, headers={"accept": "application/json"}), "its headers are others (x-key)"),
        (
            Request(ASKED.url, headers={"accept": "text/html", "x-key": "s3cr3t"}),
            "its headers are others (accept) than in a.json, it asks accept: text/html, x-key: …",
        ),
        (Request(ASKED.url, headers={**ASKED.headers, "ACCEPT": "text/html"}), "its headers are others (accept)"),
        (Request(ASKED.url, headers=ASKED.headers, body=b'{"query": "x"}'), "its body is another"),
    ],
)
def test_any_other_request_has_no_answer_and_the_reason_is_named(request_: Request, said: str) -> None:
    with pytest.raises(FetchError, match="no answer is recorded for this request") as found:
        Replay([recording()], NOW)(request_, 1.0)
    assert said in str(found.value)
    assert "s3cr3t" not in str(found.value)


def test_a_value_is_put_in_the_form_that_was_recorded() -> None:
    replay = Replay([recording()], NOW)
    replay.put("supply", "supply", Fraction(1234))
    replay.put("supply", "price", Fraction(1, 8))
    replay.put("price", "rows[-1].n", 7)
    replay.put("price", "at", int((NOW - timedelta(hours=4)).timestamp()))
    found = json.loads(replay(ASKED, 1.0).body, parse_float=Decimal)
    assert (found["supply"], found["price"], found["rows"][1]["n"]) == ("1234", Decimal("0.125"), 7)
    assert found["at"] == int(NOW.timestamp()) - 4 * 3600


@pytest.mark.parametrize(("source", "path"), [("supply", "nothing"), ("supply", "rows[2].n"), ("other", "supply")])
def test_a_value_cannot_be_put_where_the_answer_has_nothing(source: str, path: str) -> None:
    with pytest.raises(LookupError):
        Replay([recording()], NOW).put(source, path, 1)


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-24 11:20:00.000000 UTC", "2026-11-24T11:20:00.000000Z", "2026-11-24T11:20:00Z", 1795519200,
        "1795519200", 1795519200000, "Tue, 24 Nov 2026 11:20:00 GMT", "2026-11-24T11:20:00+00:00",
    ],
)  # fmt: skip
def test_a_time_comes_back_in_the_form_it_came_in(value: str | int) -> None:
    found = stamp_of(value, NOW)
    assert found is not None
    again = read_stamp(str(found))
    assert again is not None
    assert again.at(NOW) == value


def test_a_shape_holds_names_and_types_and_never_a_value() -> None:
    body = {
        "a": 1,
        "b": [{"c": None}, {"c": "secret", "d": True}],
        "0xAbC": {"x": 2},
        "two words": 3,
        "e": Decimal(1),
    }
    shape = shape_of(body)
    assert shape == {
        "a": "number", "b": [{"c": "null or text", "d": "bool"}], "*": "number or object", "e": "number",
    }  # fmt: skip
    assert "secret" not in json.dumps(shape)


def test_what_changed_between_two_shapes_is_one_line_a_path() -> None:
    before, after = shape_of({"a": 1, "b": [{"c": "x"}], "d": 1}), shape_of({"a": "1", "b": [{"c": "x", "e": 1}]})
    assert differences(before, after) == ["~ a: number, now text", "+ b[].e: number", "- d: number"]
    assert differences(before, before) == []


def test_the_shape_is_stored_once_and_a_changed_path_is_unconfirmed_again() -> None:
    memory = RunMemory()

    def read(path: str, body: Any) -> Any:
        remember_readings(memory, "acme", {"supply": (("url", path), body)})
        return json.loads(memory.recall(SHAPE, "acme") or "")["supply"].get("shape")

    assert read("a", None) is None
    assert read("a", {"a": 5}) == {"a": "number"}
    memory.new.clear()
    assert read("a", None) == read("a", {"b": 5}) == {"a": "number"}  # it fails for once, and then has another shape
    assert memory.new == {}
    assert read("b", None) is None
    assert read("b", {"c": "x"}) == {"c": "text"}


def test_what_is_remembered_of_a_source_that_is_gone_goes_with_it() -> None:
    memory = RunMemory()
    remember_readings(memory, "acme", {"supply": ("a", None), "price": ("b", {"x": 1})})
    remember_readings(memory, "acme", {"price": ("b", {"x": 1})})
    assert list(json.loads(memory.recall(SHAPE, "acme") or "")) == ["price"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "Expecting property name"),
        ("[]", "a recorded answer is an object"),
        ('{"monitor": "a", "sources": ["s"], "recorded": "x", "answer": {"body": 1}}', "request needs method and url"),
        ('{"monitor": "a", "sources": [], "request": {}, "answer": {}}', "sources is a list"),
        (
            '{"monitor": "a", "sources": ["s"], "request": {"method": "GET", "url": "u"}, "answer": {"body": 1}}',
            "say recorded",
        ),
        ('{"monitor": "a", "uncomfirmed": "x"}', "keys that are not known here"),
    ],
)
def test_a_mistake_in_a_recording_is_named_with_its_file(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "answers").mkdir()
    (tmp_path / "answers/acme.s.json").write_text(text)
    with pytest.raises(ConfigError) as found:
        recordings_of(tmp_path / "monitor.yaml", "acme")
    assert f"answers/acme.s.json: {said}" in str(found.value).replace(f"{tmp_path}/", "") or said in str(found.value)
    assert unconfirmed_in([tmp_path]) == []
