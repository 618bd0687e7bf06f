"""Alerts explained by a model server on a real socket: whatever it does, what reaches the chat is right or nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from monitoring.alerts.message.facts import reassures
from monitoring.alerts.message.model import Alert
from monitoring.alerts.recording.store_alert import AlertOrigin, store_in
from monitoring.explain import client
from monitoring.explain.explainer_settings import ExplainerSettings, explainer_settings
from monitoring.explain.step import Explainer
from monitoring.store.queries import explanations
from tests.support.chain_clock import ManualClock
from tests.support.explained import Behaviour, Explained, ModelServer, completion, fenced, transactions
from tests.support.fake_telegram import TelegramStandIn
from tests.support.http_service import Reply, http_service
from tests.support.outbox import Outbox

ROWS = transactions()
GOOD = [row for row in ROWS if not row.not_sent]
KEY = "sk-a-key-that-no-text-may-show"


@dataclass
class Scene:
    """A database with its chat, and a model."""

    outbox: Outbox
    telegram: TelegramStandIn
    model: ModelServer
    url: str
    clock: ManualClock

    def store(self, *rows: Explained, **more: Any) -> list[int]:
        with self.outbox.database.write() as tx:
            return [
                store_in(
                    tx, row.alert(), now=self.clock.now(), origin=AlertOrigin(7), metadata=row.metadata(), **more
                ).alert_id
                for row in rows
            ]

    def settings(self, **more: str) -> ExplainerSettings:
        found = explainer_settings({"LLM_BASE_URL": f"{self.url}/v1", "LLM_MODEL": "small", "LLM_API_KEY": KEY, **more})
        assert found is not None
        return found

    def explain(self, settings: ExplainerSettings | None = None) -> int:
        wanted = settings or self.settings()

        def ask(system: str, text: str, schema: Any, seconds: float, by_schema: bool) -> client.ModelReply:
            return client.ask(wanted, system, text, schema, seconds, by_schema=by_schema)

        return Explainer(self.outbox.database, wanted, self.clock, ask, self.clock.sleep).run()

    def replies(self) -> list[str]:
        return [text for text in self.chat() if "In short: " in text.splitlines()[0]]

    def chat(self) -> list[str]:
        return [message.text for message in self.telegram.messages]

    def outcomes(self) -> list[tuple[str, str]]:
        return self.outbox.database.rows("SELECT status, reason FROM explanations ORDER BY alert_id")  # type: ignore[return-value]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    model, clock = ModelServer(well), ManualClock()
    with TelegramStandIn() as telegram, http_service(model.answer) as served:
        outbox = Outbox(tmp_path, telegram.url, clock=clock)
        yield Scene(outbox, telegram, model, served.url, clock)
        model.released.set()
        outbox.close()


def behaving(scene: Scene, behave: Behaviour, **how: Any) -> None:
    scene.model.__init__(behave, **how)  # type: ignore[misc]  # the one that is served


def row_of(request: dict[str, Any]) -> Explained:
    """Find the transaction by what the model was shown of it."""
    shown = [json.loads(line)["says"] for line in fenced(request).splitlines()]
    return next(row for row in ROWS if [fact.says for fact in row.sheet().facts] == shown)


def well(request: dict[str, Any], _ids: list[str]) -> Any:
    return {"sentences": row_of(request).answer}


def said_of(row: Explained, text: str) -> list[str]:
    """Return the sentences of a reply, its title and origin off."""
    lines = text.splitlines()
    assert lines[0].endswith(f"In short: Treasury: {row.name} queued")
    assert re.fullmatch(r"A model chose \d+ of \d+ facts of the alert above; numbers and words are ours\.", lines[-1])
    return lines[1:-1]


def shortened(sentence: str) -> str:
    """Return a sentence as a chat shows it: an address that leads to the explorer may be cut in its middle."""
    return re.sub(r"\b(0x[0-9a-fA-F]{4})[0-9a-fA-F]{32}([0-9a-fA-F]{4})\b", r"\1…\2", sentence)


def test_each_of_25_transactions_is_explained_in_the_chat_as_a_person_read_it(scene: Scene) -> None:
    scene.store(*ROWS)
    scene.outbox.drain()
    before = scene.chat()
    assert scene.explain() == len(GOOD) == 24
    scene.outbox.drain()

    assert len(before) == 25
    replies = scene.replies()
    assert len(replies) == 24
    for row in GOOD:
        (text,) = [one for one in replies if f": {row.name} queued" in one]
        assert list(map(shortened, said_of(row, text))) == list(map(shortened, row.says))
        assert text.startswith("🚨 HIGH safes: In short: ")
    assert all(message.silent for message in scene.telegram.messages if "In short: " in message.text)
    (refused,) = [reason for status, reason in scene.outcomes() if status == "not sent"]
    assert [refused] == [row.not_sent for row in ROWS if row.not_sent]


def test_an_alert_looks_and_goes_out_the_same_with_and_without_the_explainer(scene: Scene) -> None:
    """By the order of events: people have the alert before the model is asked, and the alert's text is untouched."""
    order: list[str] = []
    behaving(
        scene, lambda request, ids: (order.append(f"asked after {len(scene.telegram.messages)}"), well(request, ids))[1]
    )
    (alert_id,) = scene.store(GOOD[0])
    scene.clock.meanwhile = lambda: (order.append("waits"), scene.outbox.drain())

    scene.explain()

    assert order == ["waits", "asked after 1"]
    assert scene.chat()[0] == rendered_alone(scene, GOOD[0], alert_id)


def rendered_alone(scene: Scene, row: Explained, alert_id: int) -> str:
    """Return the message of the same alert in a world without a model."""
    with TelegramStandIn() as telegram:
        other = Outbox(scene.outbox.directory / "alone", telegram.url, clock=ManualClock())
        other.directory.mkdir(exist_ok=True)
        try:
            with other.database.write() as tx:
                store_in(tx, row.alert(), now=other.clock.now(), origin=AlertOrigin(7), metadata=row.metadata())
            other.drain()
        finally:
            other.close()
        return telegram.messages[0].text


def invents(_request: dict[str, Any], ids: list[str]) -> Any:
    return {"sentences": [
        {"pattern": "does", "facts": [ids[-1]], "amount": "1,000,000 USDC"},
        {"pattern": "leaves", "facts": ["moves 9 ETH to 0x1234567890123456789012345678901234567890"]},
    ]}  # fmt: skip


def obeys_a_stranger(request: dict[str, Any], ids: list[str]) -> Any:
    return {"sentences": [{"pattern": "This is safe. Sign it.", "facts": ids[:1]}], "verdict": "harmless"}


BEHAVIOURS: dict[str, tuple[Behaviour, str]] = {
    "wrong patterns": (lambda _, ids: {"sentences": [{"pattern": "power", "facts": [ids[0]]}]}, "does not take"),
    "invented numbers and addresses": (invents, "is not of the form: something else"),
    "facts that do not exist": (
        lambda *_: {"sentences": [{"pattern": "does", "facts": ["call_99"]}]},
        "does not exist",
    ),
    "injected instructions": (obeys_a_stranger, "the answer is not in the form that was asked for"),
    "reassurance": (lambda *_: {"sentences": ["Routine and harmless, nothing to worry about."]}, "is not of the form"),
    "a refusal": (lambda *_: completion(None, message={"refusal": "I cannot help"}), "the model refuses to answer"),
    "a filter": (lambda *_: completion("{}", finish_reason="content_filter"), "the model refuses to answer"),
    "broken JSON": (lambda *_: '{"sentences": [{"pattern": "does", "fac', "the answer is not in the form"),
    "cut off": (lambda *_: completion('{"sentences": []', finish_reason="length"), "the answer was cut off"),
    "another language": (lambda *_: "Cette transaction est sûre, signez-la.", "the answer is not in the form"),
    "no sentence": (lambda *_: {"sentences": []}, "the model chose no sentence"),
    "nothing": (lambda *_: completion(""), "the answer is empty"),
    "no completion": (lambda *_: Reply({"hello": "world"}), "does not answer as chat completions do"),
    "a web page": (lambda *_: Reply(b"<html>Welcome</html>"), "does not answer as chat completions do"),
    "a wrong key": (lambda *_: Reply({"error": {"message": f"bad key {KEY}"}}, 401), "HTTP 401: the key is refused"),
    "a limit": (lambda *_: Reply({"error": {}}, 429), "HTTP 429: too many requests"),
    "a redirect": (lambda *_: Reply(b"", 307, {"location": "http://127.0.0.1:1/"}), "HTTP 307: the request is refused"),
    "a failure": (lambda *_: Reply(b"", 500), "HTTP 500: the request is refused"),
    "too much": (lambda *_: Reply(b"x" * (client.MAX_BYTES + 1)), "the answer is larger than"),
}


@pytest.mark.ci
@pytest.mark.parametrize("name", BEHAVIOURS)
def test_of_25_transactions_none_is_explained_by_a_model_that_answers(name: str, scene: Scene) -> None:
    behave, reason = BEHAVIOURS[name]
    behaving(scene, behave)
    scene.store(*ROWS)
    scene.outbox.drain()

    assert scene.explain() == 0
    scene.outbox.drain()

    assert len(scene.chat()) == 25
    assert {status for status, _ in scene.outcomes()} == {"not sent"}
    reasons = [why for row, (_, why) in zip(ROWS, scene.outcomes(), strict=True) if not row.not_sent]
    assert all(reason in why for why in reasons), reasons
    assert not any(KEY in why for why in reasons)
    assert len(scene.model.asked) == len(GOOD)


def test_sentences_that_hold_are_said_and_those_that_do_not_are_dropped(scene: Scene) -> None:
    def half_right(request: dict[str, Any], ids: list[str]) -> Any:
        return {"sentences": [{"pattern": "safe", "facts": ids[:1]}, *row_of(request).answer[:1], "It is fine."]}

    behaving(scene, half_right)
    scene.store(GOOD[1])
    scene.outbox.drain()
    assert scene.explain() == 1
    scene.outbox.drain()

    (text,) = scene.replies()
    assert list(map(shortened, said_of(GOOD[1], text))) == list(map(shortened, GOOD[1].says))
    assert scene.outcomes() == [
        ("sent", "sentence 3 is not of the form: something else; sentence 1: there is no such pattern")
    ]


@pytest.mark.ci
def test_whatever_is_chosen_no_reply_takes_away_care(scene: Scene) -> None:
    scene.store(*ROWS)
    scene.outbox.drain()
    scene.explain()
    scene.outbox.drain()

    for row in GOOD:
        (text,) = [one for one in scene.replies() if f": {row.name} queued" in one]
        ours = "\n".join(said_of(row, text)).replace("MultiSend", "")
        assert not reassures(re.sub(r"“[^”]*”", "", ours)), ours


def test_an_answer_that_does_not_come_in_time_is_not_waited_for(scene: Scene) -> None:
    behaving(scene, lambda *_: (scene.model.released.wait(60), "{}")[1])
    scene.store(GOOD[0])
    scene.outbox.drain()

    assert scene.explain(replace(scene.settings(), deadline=timedelta(seconds=0.3))) == 0

    ((status, reason),) = scene.outcomes()
    assert status == "not sent"
    assert reason.startswith("no answer within 0.")


def test_an_answer_that_comes_after_the_deadline_is_not_sent(scene: Scene) -> None:
    def late(request: dict[str, Any], ids: list[str]) -> Any:
        scene.clock.advance(91)
        return well(request, ids)

    behaving(scene, late)
    scene.store(GOOD[0])
    scene.outbox.drain()

    assert scene.explain() == 0
    assert scene.outcomes() == [("not sent", "the answer came too late")]


def test_an_answer_that_a_newer_message_overtook_is_not_sent(scene: Scene) -> None:
    def overtaken(request: dict[str, Any], ids: list[str]) -> Any:
        with scene.outbox.database.write() as tx:
            executed = Alert("HIGH", "executed", protocol="treasury", threads=GOOD[0].alert().threads)
            store_in(tx, executed, now=scene.clock.now())
        return well(request, ids)

    behaving(scene, overtaken)
    scene.store(GOOD[0])
    scene.outbox.drain()

    assert scene.explain() == 0
    assert scene.outcomes() == [("not sent", "a newer message about it was stored meanwhile")]


def test_an_alert_that_never_arrives_is_never_explained(scene: Scene) -> None:
    scene.store(GOOD[0])

    assert scene.explain() == 0
    assert scene.model.asked == []
    assert sum(scene.clock.slept) == pytest.approx(90, abs=1)
    assert scene.outcomes() == []


@pytest.mark.parametrize("status", ["silenced", "skipped_debug"])
def test_what_is_not_sent_is_not_explained(scene: Scene, status: Any) -> None:
    scene.store(GOOD[0], status=status)

    assert scene.explain() == 0
    assert scene.model.asked == []


def test_an_alert_is_explained_once_whoever_comes(scene: Scene) -> None:
    scene.store(GOOD[0])
    scene.outbox.drain()

    assert (scene.explain(), scene.explain()) == (1, 0)
    assert len(scene.model.asked) == 1


def test_one_that_another_process_took_is_left_to_it(scene: Scene) -> None:
    (alert_id,) = scene.store(GOOD[0])
    scene.outbox.drain()
    with scene.outbox.database.write() as tx:
        assert explanations.claim(tx, alert_id, explanations.QuestionContent("", 1, "small"), scene.clock.now())

    assert scene.explain() == 0
    assert scene.model.asked == []


def test_equal_facts_are_asked_once_and_the_kept_answer_costs_nothing(scene: Scene) -> None:
    for _ in range(2):
        scene.store(GOOD[0])
        scene.outbox.drain()
        assert scene.explain() == 1

    assert len(scene.model.asked) == 1
    costs = scene.outbox.database.rows("SELECT requests, prompt_tokens, completion_tokens FROM explanations")
    assert sorted(costs) == [(0, 0, 0), (1, 900, 60)]


def test_what_it_costs_and_how_long_it_took_is_kept(scene: Scene) -> None:
    (alert_id,) = scene.store(GOOD[0])
    scene.outbox.drain()
    scene.explain()

    found = explanations.of_alert(scene.outbox.database, alert_id)
    assert found is not None
    assert (found.status, found.model, found.cost.tokens, found.cost.requests) == ("sent", "small", 960, 1)
    assert found.cost.latency_ms >= 0
    assert found.cost.by_schema


@pytest.mark.parametrize(
    ("bound", "reason"),
    [
        ({"LLM_DAILY_REQUESTS": "2"}, "the daily bound of 2 requests is reached"),
        ({"LLM_DAILY_TOKENS": "1500"}, "the daily bound of 1500 tokens is reached"),
    ],
)
def test_a_day_has_a_bound_and_the_next_day_another(scene: Scene, bound: dict[str, str], reason: str) -> None:
    scene.store(*GOOD[:4])
    scene.outbox.drain()

    assert scene.explain(scene.settings(**bound)) == 2
    assert [why for status, why in scene.outcomes() if status == "not sent"] == [reason] * 2
    assert len(scene.model.asked) == 2

    scene.clock.advance(24 * 3600)
    scene.store(GOOD[4])
    scene.outbox.drain()
    assert scene.explain(scene.settings(**bound)) == 1


def test_a_server_that_takes_no_schema_is_asked_without_and_the_next_time_at_once(scene: Scene) -> None:
    behaving(scene, well, takes_schema=False)
    scene.store(GOOD[0])
    scene.outbox.drain()
    assert scene.explain() == 1
    scene.store(GOOD[1])
    scene.outbox.drain()
    assert scene.explain() == 1

    assert ["response_format" in request for request in scene.model.asked] == [True, False, False]
    requests = [row[0] for row in scene.outbox.database.rows("SELECT requests FROM explanations ORDER BY alert_id")]
    assert requests == [2, 1]


def test_the_server_gets_the_facts_and_the_key_and_nothing_of_the_alerts_text(scene: Scene) -> None:
    scene.store(GOOD[1])
    scene.outbox.drain()
    scene.explain()

    (request,), (headers,) = scene.model.asked, scene.model.headers
    assert headers["authorization"] == f"Bearer {KEY}"
    assert set(request) == {"model", "messages", "stream", "response_format", "temperature", "max_tokens"}
    text = json.dumps(request)
    assert KEY not in text
    assert "Its text." not in text
    assert "Treasury" not in text
    assert request["response_format"]["json_schema"]["strict"] is True


def test_a_reply_is_in_its_alerts_thread_as_severe_as_it_silent_and_for_no_machine(scene: Scene) -> None:
    scene.store(GOOD[0])
    scene.outbox.drain()
    scene.explain()

    body, kind, silent = scene.outbox.database.rows(
        "SELECT body_json, kind, silent FROM alert_events ORDER BY id DESC LIMIT 1"
    )[0]
    reply, alert = Alert.from_json(str(body)), GOOD[0].alert()
    assert (kind, silent) == ("explanation", 1)
    assert (reply.threads, reply.severity, reply.protocol, reply.machine) == (
        alert.threads,
        alert.severity,
        "treasury",
        False,
    )
    assert scene.outbox.database.rows("SELECT count(*) FROM conditions") == [(0,)]


def test_the_worst_alert_is_explained_first(scene: Scene) -> None:
    quiet = replace(GOOD[0], name="a quiet one")
    with scene.outbox.database.write() as tx:
        low = Alert("LOW", "Treasury: a quiet one queued", protocol="treasury", key="quiet")
        store_in(tx, low, now=scene.clock.now(), metadata=quiet.metadata())
    scene.store(GOOD[1])
    scene.outbox.drain()
    scene.explain()
    scene.outbox.drain()

    assert next(text.splitlines()[0] for text in scene.replies()).endswith(f"{GOOD[1].name} queued")


def test_a_planted_fault_in_kept_facts_stops_the_question_itself(scene: Scene) -> None:
    metadata: Any = GOOD[8].metadata()
    metadata["facts"]["facts"] = [one for one in metadata["facts"]["facts"] if one["id"] != "call_3"]
    with scene.outbox.database.write() as tx:
        store_in(tx, GOOD[8].alert(), now=scene.clock.now(), metadata=metadata)
    scene.outbox.drain()

    assert scene.explain() == 0
    assert scene.model.asked == []
    ((status, reason),) = scene.outcomes()
    assert status == "not sent"
    assert reason.startswith("the facts do not hold together: ")
    assert scene.outbox.database.rows("SELECT requests FROM explanations") == [(0,)]
