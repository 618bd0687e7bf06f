"""`handled_updates`: what people wrote to the bot, what came of it, and what is still to be sent because of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from monitoring.base.clock import from_text, to_text
from monitoring.store.db.compatibility import has_table
from monitoring.store.db.database import Row, Tx, fetch

# Telegram keeps an update for 24 hours, and ids begin lower only after a week without any: within two days an id means
# one update, later it may mean another.
ONE_UPDATE_FOR = timedelta(hours=48)
REFUSED = "refused:"  # what the outcome of an update begins with that did nothing
_COLUMNS = "bot, update_id, handled_at, kind, account, person, chat_id, said, outcome, calls, calls_until"


@dataclass(frozen=True, slots=True)
class HandledUpdate:
    """One update and what came of it. `account` is the number of a Telegram account, `person` its name in on_call.yaml.

    `calls` is what is still to be sent, as JSON, until `calls_until`.
    """

    bot: str
    update_id: int
    handled_at: datetime
    kind: str
    outcome: str
    account: int | None = None
    person: str = ""
    chat_id: str = ""
    said: str = ""
    calls: str = ""
    calls_until: datetime | None = None


def is_handled(tx: Tx, bot: str, update_id: int, now: datetime) -> bool:
    """Return whether this update took effect before."""
    found = tx.execute(
        "SELECT 1 FROM handled_updates WHERE bot = ? AND update_id = ? AND handled_at > ? AND handled_at <= ?",
        (bot, update_id, to_text(now - ONE_UPDATE_FOR), to_text(now + ONE_UPDATE_FOR)),
    )
    return found.fetchone() is not None


def put(tx: Tx, handled: HandledUpdate) -> int:
    """Write an update that was handled in this transaction; return the number of its row."""
    until = to_text(handled.calls_until) if handled.calls_until else None
    tx.execute(
        f"INSERT INTO handled_updates ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - ours
        (
            handled.bot, handled.update_id, to_text(handled.handled_at), handled.kind, handled.account,
            handled.person, handled.chat_id, handled.said, handled.outcome, handled.calls, until,
        ),
    )  # fmt: skip
    return tx.last_insert_rowid()


def count_refused(tx: Tx, since: datetime) -> int:
    """Return how many updates were written as refused since."""
    found = tx.execute(
        "SELECT count(*) FROM handled_updates WHERE handled_at > ? AND outcome GLOB ?", (to_text(since), f"{REFUSED}*")
    ).fetchone()
    return int(found[0]) if found else 0


def count_of_chat(tx: Tx, chat_id: str, outcome: str, since: datetime) -> int:
    """Return how many updates of a chat since then have an outcome that begins so."""
    found = tx.execute(
        "SELECT count(*) FROM handled_updates WHERE handled_at > ? AND chat_id = ? AND substr(outcome, 1, ?) = ?",
        (to_text(since), chat_id, len(outcome), outcome),
    ).fetchone()
    return int(found[0]) if found else 0


def was_answered(tx: Tx, account: int, outcome: str, since: datetime) -> bool:
    """Return whether an account got this outcome since."""
    found = tx.execute(
        "SELECT 1 FROM handled_updates WHERE account = ? AND outcome = ? AND handled_at > ?",
        (account, outcome, to_text(since)),
    )
    return found.fetchone() is not None


def unsent(tx: Tx, limit: int) -> list[tuple[int, str, datetime]]:
    """Return rows with something to send, the oldest first: number, calls as JSON, until when somebody waits."""
    found = fetch(
        tx,
        "SELECT id, calls, coalesce(calls_until, handled_at) FROM handled_updates "
        "WHERE calls <> '' ORDER BY id LIMIT ?",
        (limit,),
    )
    return [(row[0], row[1], from_text(row[2])) for row in found]


def set_calls(tx: Tx, row_id: int, calls: str) -> None:
    """Write what is left to be sent; nothing if all of it was."""
    tx.execute("UPDATE handled_updates SET calls = ? WHERE id = ?", (calls, row_id))


def newest(tx: Tx, limit: int) -> list[HandledUpdate]:
    """Return the newest ones, the newest first."""
    if not has_table(tx, "handled_updates"):
        return []
    found = fetch(tx, f"SELECT {_COLUMNS} FROM handled_updates ORDER BY id DESC LIMIT ?", (limit,))  # noqa: S608 - ours
    return [_handled(row) for row in found]


def _handled(row: Row) -> HandledUpdate:
    bot, update_id, handled_at, kind, account, person, chat_id, said, outcome, calls, until = row
    return HandledUpdate(
        bot, update_id, from_text(handled_at), kind, outcome, account, person, chat_id, said, calls,
        from_text(until) if until else None,
    )  # fmt: skip
