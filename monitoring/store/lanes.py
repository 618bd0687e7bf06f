"""`lanes`: one row for each far side that is paced by itself (a chat of a bot, a bot, a webhook).

Several runs deliver at once, so who sends there now and what was sent lately stands in the store.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import orjson

from monitoring.clock import from_text, to_text
from monitoring.store.database import Tx, fetch


@dataclass(frozen=True, slots=True)
class Lane:
    """What is known of one far side. `sent` holds unix seconds of the latest sends, oldest first."""

    key: str
    lease_owner: str | None = None
    lease_until: datetime | None = None
    blocked_until: datetime | None = None
    block_reason: str = ""
    failures: int = 0
    sent: tuple[float, ...] = ()


def get(tx: Tx, key: str) -> Lane:
    """Return the lane; one nobody used yet is free."""
    found = tx.execute(
        "SELECT lease_owner, lease_until, blocked_until, block_reason, failures, sent_json FROM lanes WHERE key = ?",
        (key,),
    ).fetchone()
    if found is None:
        return Lane(key)
    owner, lease_until, blocked_until, reason, failures, sent = found
    return Lane(
        key,
        owner,
        from_text(lease_until) if lease_until else None,
        from_text(blocked_until) if blocked_until else None,
        reason,
        failures,
        tuple(orjson.loads(sent)),
    )


def put(tx: Tx, lane: Lane) -> None:
    """Write the whole row; the caller read it in the same transaction."""
    tx.execute(
        "INSERT INTO lanes (key, lease_owner, lease_until, blocked_until, block_reason, failures, sent_json) "
        "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET lease_owner = excluded.lease_owner, "
        "lease_until = excluded.lease_until, blocked_until = excluded.blocked_until, "
        "block_reason = excluded.block_reason, failures = excluded.failures, sent_json = excluded.sent_json",
        (
            lane.key,
            lane.lease_owner,
            to_text(lane.lease_until) if lane.lease_until else None,
            to_text(lane.blocked_until) if lane.blocked_until else None,
            lane.block_reason,
            lane.failures,
            orjson.dumps(lane.sent).decode(),
        ),
    )


def blocked_by_rate(tx: Tx, prefix: str, now: datetime) -> int:
    """Count the lanes of one bot that were told to wait and still do."""
    found = tx.execute(
        "SELECT count(*) FROM lanes WHERE key LIKE ? AND block_reason = 'rate' AND blocked_until > ?",
        (prefix + "%", to_text(now)),
    ).fetchone()
    return int(found[0]) if found else 0


def moved_chats(tx: Tx) -> dict[str, str]:
    """Return where groups went that became supergroups: old chat id -> new chat id."""
    return {row[0]: row[1] for row in fetch(tx, "SELECT old_chat_id, new_chat_id FROM chat_migrations")}


def remember_move(tx: Tx, old_chat_id: str, new_chat_id: str, now: datetime) -> None:
    tx.execute(
        "INSERT INTO chat_migrations (old_chat_id, new_chat_id, created_at) VALUES (?, ?, ?) "
        "ON CONFLICT DO UPDATE SET new_chat_id = excluded.new_chat_id, created_at = excluded.created_at",
        (old_chat_id, new_chat_id, to_text(now)),
    )
