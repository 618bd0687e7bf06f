"""`explanations`: what a model was asked about an alert, what came of it, and what it cost; one row an alert.

Read and written by the explainer alone, and read by the page of an alert, `status` and `doctor`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from monitoring.base.clock import from_text, instant_or_none, to_text
from monitoring.store.db.compatibility import has_table
from monitoring.store.db.database import Database, Tx, fetch

ASKED, SENT, NOT_SENT = "asked", "sent", "not sent"


@dataclass(frozen=True, slots=True)
class DueExplanation:
    """An alert with facts that nobody was asked about yet. `is_delivered`: people have it."""

    alert_id: int
    created_at: datetime
    severity: str
    body_json: str
    metadata_json: str
    run_id: int | None
    task: str | None
    is_delivered: bool


@dataclass(frozen=True, slots=True)
class QuestionContent:
    """What is asked: a hash of the content, the version of the prompt, the model."""

    content: str
    prompt: int
    model: str


@dataclass(frozen=True, slots=True)
class ExplanationCost:
    """What was spent on something; tokens as the server counts them."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    latency_ms: int = 0
    by_schema: bool = True

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True)
class StoredExplanation:
    """A row, as the page of its alert shows it."""

    asked_at: datetime
    ended_at: datetime | None
    status: str
    reason: str
    reply_id: int | None
    model: str
    cost: ExplanationCost


# `sort_at` is what the index orders by; `created_at` what the clock said.
_DUE = """
SELECT id, created_at, coalesce(severity, 'MEDIUM'), body_json, metadata_json, run_id, task, EXISTS (
    SELECT 1 FROM deliveries d WHERE d.alert_id = a.id AND d.status = 'delivered' AND d.destination NOT LIKE 'webhook%')
FROM alert_events a WHERE sort_at >= ? AND created_at >= ? AND kind = 'alert' AND body_json IS NOT NULL
AND delivery_status NOT IN ('silenced', 'skipped_debug') AND instr(metadata_json, '"facts":{') > 0
AND NOT EXISTS (SELECT 1 FROM explanations e WHERE e.alert_id = a.id) ORDER BY id
"""


def due(tx: Tx, since: datetime) -> list[DueExplanation]:
    """Return alerts stored since then that have facts and no row here, the oldest first."""
    at = to_text(since)
    return [
        DueExplanation(row[0], from_text(row[1]), row[2], row[3], row[4], row[5], row[6], bool(row[7]))
        for row in fetch(tx, _DUE, (at, at))
    ]


def claim(tx: Tx, alert_id: int, asked: QuestionContent, now: datetime) -> bool:
    """Take an alert to be explained, one request counted in advance; False if another process has it."""
    tx.execute(
        "INSERT INTO explanations (alert_id, asked_at, status, content, prompt, model, requests) "
        "VALUES (?, ?, ?, ?, ?, ?, 1) ON CONFLICT DO NOTHING",
        (alert_id, to_text(now), ASKED, asked.content, asked.prompt, asked.model),
    )
    return tx.changes() == 1


def end(
    tx: Tx, alert_id: int, status: str, reason: str, cost: ExplanationCost, now: datetime,
    *, answer: str | None = None, reply_id: int | None = None,
) -> None:  # fmt: skip
    """Write what came of it."""
    tx.execute(
        "UPDATE explanations SET ended_at = ?, status = ?, reason = ?, answer = ?, reply_id = ?, requests = ?, "
        "prompt_tokens = ?, completion_tokens = ?, latency_ms = ?, by_schema = ? WHERE alert_id = ?",
        (
            to_text(now), status, reason, answer, reply_id, cost.requests, cost.prompt_tokens, cost.completion_tokens,
            cost.latency_ms, int(cost.by_schema), alert_id,
        ),
    )  # fmt: skip


def answer_of(tx: Tx, content: str) -> str | None:
    """Return what a model answered to the same content before, if that was sent."""
    found = tx.execute(
        "SELECT answer FROM explanations WHERE content = ? AND status = ? AND answer IS NOT NULL LIMIT 1",
        (content, SENT),
    ).fetchone()
    return found[0] if found else None


def takes_schema(tx: Tx, model: str) -> bool:
    """Return whether the server took a schema when this model answered last; True where it never did."""
    found = tx.execute(
        "SELECT by_schema FROM explanations WHERE model = ? AND answer IS NOT NULL AND requests > 0 "
        "ORDER BY alert_id DESC LIMIT 1",
        (model,),
    ).fetchone()
    return found is None or bool(found[0])


def spent(tx: Tx, since: datetime) -> ExplanationCost:
    """Return requests and tokens since then."""
    found = tx.execute(
        "SELECT coalesce(sum(requests), 0), coalesce(sum(prompt_tokens), 0), coalesce(sum(completion_tokens), 0) "
        "FROM explanations WHERE asked_at >= ?",
        (to_text(since),),
    ).fetchone()
    return ExplanationCost(*found) if found else ExplanationCost()


def is_there(database: Database) -> bool:
    """Return whether the database has the table: readers meet the schema of the release before until the first run."""
    return database.read(lambda tx: has_table(tx, "explanations"))


def of_alert(database: Database, alert_id: int) -> StoredExplanation | None:
    """Return what came of explaining one alert."""
    if not is_there(database):
        return None
    found = database.rows(
        "SELECT asked_at, ended_at, status, reason, reply_id, model, requests, prompt_tokens, completion_tokens, "
        "latency_ms, by_schema FROM explanations WHERE alert_id = ?",
        (alert_id,),
    )
    if not found:
        return None
    asked, ended, status, reason, reply, model, *cost = found[0]
    return StoredExplanation(
        from_text(asked), instant_or_none(ended), status, reason, reply, model, ExplanationCost(*cost)
    )


def newest(database: Database, since: datetime, limit: int) -> list[tuple[str, str]]:
    """Return (status, reason) of the newest that have ended since then."""
    found = database.rows(
        "SELECT status, reason FROM explanations WHERE asked_at >= ? AND status <> ? ORDER BY asked_at DESC LIMIT ?",
        (to_text(since), ASKED, limit),
    )
    return [(row[0], row[1]) for row in found]


def bodies_after(tx: Tx, alert_id: int, but_kind: str) -> list[str]:
    """Return the structured texts of alerts stored later, but those of one kind."""
    found = fetch(
        tx,
        "SELECT body_json FROM alert_events WHERE id > ? AND kind <> ? AND body_json IS NOT NULL",
        (alert_id, but_kind),
    )
    return [row[0] for row in found]
