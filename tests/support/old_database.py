"""Builds a database as the replaced system would have left it: only the column names are known."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

ROWS = 10_000


def build(path: Path, *, rows: int = ROWS, shuffled: bool = False, extra_column: bool = False) -> None:
    """Write `rows` alerts and three remembered values; `shuffled` puts the instants out of order."""
    connection = sqlite3.connect(path)
    extra = ", notes TEXT" if extra_column else ""
    connection.executescript(
        f"""
        CREATE TABLE alert_events (
            id INTEGER PRIMARY KEY, created_at TEXT, source TEXT, protocol TEXT, channel TEXT, severity TEXT,
            message TEXT, plain_text INTEGER, silent INTEGER, delivery_status TEXT, delivered_at TEXT,
            delivery_error TEXT, dedupe_key TEXT, fingerprint TEXT, metadata_json TEXT{extra});
        CREATE INDEX idx_alert_events_created ON alert_events (created_at, id);
        CREATE TABLE monitor_state (
            namespace TEXT, key TEXT, value TEXT, updated_at TEXT, PRIMARY KEY (namespace, key));
        INSERT INTO monitor_state VALUES ('nonces.txt', '0xSafe', '41', '2026-08-01T10:00:00+00:00'),
            ('cache-id.txt', 'aave', '7', '2026-08-01 10:00:00'), ('cache-id.txt', 'empty', NULL, NULL);
        """
    )
    chance = random.Random(7)
    order = list(range(rows))
    if shuffled:
        chance.shuffle(order)
    connection.executemany(
        "INSERT INTO alert_events (id, created_at, source, protocol, channel, severity, message, plain_text, silent, "
        "delivery_status, delivered_at, delivery_error, dedupe_key, fingerprint, metadata_json) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0, ?, ?, NULL, NULL, NULL, ?)",
        [
            (
                number + 1,
                _instant(minute, number),
                chance.choice(["protocol", "envio_error", "indexer_freshness"]),
                chance.choice(["aave", "lido", "maple"]),
                "",
                chance.choice(["LOW", "HIGH", None]),
                f"old alert {number} ⚠️",
                chance.choice(["delivered", "failed", "generated"]),
                _instant(minute, number) if number % 2 else None,
                '{"old": true}' if number % 3 else None,
            )
            for number, minute in enumerate(order)
        ],
    )
    connection.commit()
    connection.close()


def _instant(minute: int, number: int) -> str:
    """Mix the precisions the old system wrote."""
    day, rest = divmod(minute, 1440)
    text = f"2026-07-{1 + day % 28:02d}T{rest // 60:02d}:{rest % 60:02d}:00"
    return [text + "+00:00", text + ".123456+00:00", text + "Z", text.replace("T", " ")][number % 4]
