"""`incidents`: the conditions that are firing now, since when and how severe."""

from __future__ import annotations

import argparse
from datetime import datetime

from automation.cli.console import write_json, write_table
from monitoring.base.clock import SystemClock, to_text
from monitoring.base.formatting import format_duration
from monitoring.base.settings import Settings
from monitoring.conditions.condition import Condition
from monitoring.store.db.schema import open_readonly
from monitoring.store.tables import conditions, silences
from monitoring.store.tables.silences import Silence

HELP = "list conditions that are firing now"
EXAMPLES = """\
python -m automation incidents          # firing now, oldest first
python -m automation incidents --all    # also those that are over, latest change first
python -m automation incidents --json   # as JSON"""
_MOST = 500


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all", action="store_true", help="also show those that are over")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace, settings: Settings) -> int:
    now = SystemClock().now()
    with open_readonly(settings.database) as database, database.snapshot() as tx:
        found = conditions.everything(database, _MOST) if args.all else conditions.firing(tx)
        holding = silences.active(tx, now)
    if args.json:
        write_json([as_json(each, holding) for each in found])
    else:
        headers = ("MONITOR", "CONDITION", "STATE", "SEVERITY", "SINCE (UTC)", "FOR", "TIMES", "TITLE")
        write_table(headers, [_row(each, holding, now) for each in found])
    return 0


def as_json(condition: Condition, holding: list[Silence]) -> dict[str, object]:
    instants = {name: getattr(condition, name) for name in ("fired_at", "last_seen_at", "last_sent_at")}
    return {
        "monitor": condition.key.monitor,
        "check": condition.key.check,
        "chain": str(condition.key.chain or ""),
        "subject": condition.key.subject,
        "state": condition.state,
        "silenced": _is_silenced(condition, holding),
        "severity": condition.severity.name,
        "worst": condition.worst.name,
        "title": condition.title,
        "times": condition.times,
        "alert_id": condition.alert_id,
        **{name: to_text(value) if value else None for name, value in instants.items()},
    }


def _row(condition: Condition, holding: list[Silence], now: datetime) -> tuple[str, ...]:
    state = condition.state + (", silenced" if _is_silenced(condition, holding) else "")
    worst = f" (was {condition.worst.name})" if condition.worst != condition.severity else ""
    fired_at = condition.fired_at
    since = f"{fired_at:%Y-%m-%d %H:%M}" if fired_at else ""
    lasted = format_duration(now - fired_at) if fired_at and condition.is_firing else ""
    return (
        condition.key.monitor, condition.key.text, state, condition.severity.name + worst, since, lasted,
        str(condition.times), condition.title,
    )  # fmt: skip


def _is_silenced(condition: Condition, holding: list[Silence]) -> bool:
    return condition.is_firing and any(silence.covers(condition.protocol, condition.key.text) for silence in holding)
