"""`lanes`: one row for each destination that is paced by itself (a chat of a bot, a bot, a webhook).

Several runs deliver at once, so who sends there now and what was sent lately stands in the store.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitoring.base.clock import to_text
from monitoring.store.db.database import Tx, fetch
from monitoring.store.db.waits import LEASE, LONGEST_BACKOFF, LONGEST_WAIT, REFUSED_PAUSES, believed, holds, span

# Why a destination is left alone. A refusal carries a mark of the settings it was met with: `refused 1a2b3c4d`.
RATE, FAILING, REFUSED = "rate", "failing", "refused"
_UTC_ONLY, _UTC_ONLY_FOR = "utc only", timedelta(days=7)  # ours: one message in a week is sent twice for it


@dataclass(frozen=True, slots=True)
class Lane:
    """What is known of one destination. `sent` holds unix seconds of the latest sends, oldest first."""

    key: str
    lease_owner: str | None = None
    lease_until: datetime | None = None
    blocked_until: datetime | None = None
    block_reason: str = ""
    failures: int = 0
    sent: tuple[float, ...] = ()

    @property
    def is_refused(self) -> bool:
        """Whether the destination answered and said no, and has accepted nothing since."""
        return self.block_reason.startswith(REFUSED)


def refused_with(mark: str) -> str:
    """Return the reason for which a destination is left alone that refused under the settings of this mark."""
    return f"{REFUSED} {mark}"


def get(tx: Tx, key: str, now: datetime) -> Lane:
    """Return the lane, without what only a clock that was ahead can have written; one nobody used yet is free."""
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
        believed(lease_until, now, LEASE),
        believed(blocked_until, now, _longest(reason)),
        reason,
        max(0, failures),
        tuple(at for at in _numbers(sent) if at <= now.timestamp()),
    )


def _longest(reason: str) -> timedelta:
    if reason == RATE:
        return LONGEST_WAIT
    return REFUSED_PAUSES[-1] if reason.startswith(REFUSED) else LONGEST_BACKOFF


def _numbers(text: str) -> list[float]:
    try:
        found = json.loads(text)
    except (ValueError, TypeError):
        return []
    return [at for at in found if isinstance(at, float | int)] if isinstance(found, list) else []


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
            json.dumps(lane.sent, separators=(",", ":")),
        ),
    )


def shows_utc_only(tx: Tx, server: str, now: datetime) -> bool:
    """Return whether a server refused within a week to show instants in the reader's own time zone."""
    found = get(tx, f"{_UTC_ONLY} {server}", now).sent
    return bool(found) and found[-1] > (now - _UTC_ONLY_FOR).timestamp()


def remember_utc_only(tx: Tx, server: str, now: datetime) -> None:
    """Remember that a server refuses it; one that knows them after an upgrade is asked again in a week."""
    put(tx, Lane(f"{_UTC_ONLY} {server}", sent=(now.timestamp(),)))


def blocked_by_rate(tx: Tx, prefix: str, now: datetime) -> int:
    """Count the chats of one bot that were asked to wait and still do."""
    found = tx.execute(
        f"SELECT count(*) FROM lanes WHERE key LIKE ? AND block_reason = ? AND {holds('blocked_until')}",  # noqa: S608
        (prefix + "%", RATE, *span(now, LONGEST_WAIT)),
    ).fetchone()
    return int(found[0]) if found else 0


def refused(tx: Tx) -> list[str]:
    """Return the keys of the destinations that refuse."""
    return [row[0] for row in fetch(tx, "SELECT key FROM lanes WHERE block_reason LIKE ?", (REFUSED + "%",))]


def forget_refusal(tx: Tx, key: str) -> None:
    """Take a destination that nothing goes to any more for usable again."""
    tx.execute("UPDATE lanes SET blocked_until = NULL, block_reason = '', failures = 0 WHERE key = ?", (key,))


def lift_pauses(tx: Tx) -> None:
    """Let every destination be tried at once that we left alone of our own accord; what one asked for still holds."""
    tx.execute("UPDATE lanes SET blocked_until = NULL WHERE block_reason <> ?", (RATE,))


def moved_chats(tx: Tx) -> dict[str, str]:
    """Return where groups went that became supergroups: old chat id -> new chat id."""
    return {row[0]: row[1] for row in fetch(tx, "SELECT old_chat_id, new_chat_id FROM chat_migrations")}


def remember_move(tx: Tx, old_chat_id: str, new_chat_id: str, now: datetime) -> None:
    tx.execute(
        "INSERT INTO chat_migrations (old_chat_id, new_chat_id, created_at) VALUES (?, ?, ?) "
        "ON CONFLICT DO UPDATE SET new_chat_id = excluded.new_chat_id, created_at = excluded.created_at",
        (old_chat_id, new_chat_id, to_text(now)),
    )
