"""`audit`: verifies that silence means all is well; one sentence, then every problem with its span, count and cause."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import groupby

from automation.cli.console import write_json
from automation.cli.time_arguments import instant
from automation.cli.zone import in_zone
from automation.schedule import unit_environment
from automation.schedule.unit_environment import UnitEnvironment
from automation.status.collect import mute_warnings
from monitoring.base.clock import SystemClock, parse_duration
from monitoring.base.errors import StoreError, UsageError
from monitoring.base.formatting import format_duration
from monitoring.base.plural import counted
from monitoring.base.process_identity import current_boot, is_alive_text
from monitoring.base.settings import Settings
from monitoring.ledger.audit import (
    Audit,
    AuditProblem,
    ProblemKind,
    as_json,
    event_logs_in_words,
    inhibited_in_words,
    judge,
    sentence,
)
from monitoring.ledger.outcomes import gather
from monitoring.ledger.reconcile import reconcile
from monitoring.store.db.database import Database
from monitoring.store.db.schema import open_database, open_readonly
from monitoring.store.tables import schedules

HELP = "verify that every due check ran and every alert was delivered"
EXAMPLES = """\
python -m automation audit                                    # the last 24 hours
python -m automation audit --since 7d --profile hourly        # one profile, last week
python -m automation audit --since 2026-11-01 --until 2026-11-08T12:00Z
python -m automation audit --json                             # the same for programs
python -m automation audit --digest 2026-11-29                # whether the rows of a day are as they were
python -m automation audit --report 90d > report.md           # what happened, week by week, for an auditor"""
_EXIT_FOUND = 1
_BUSY_TIMEOUT_S = 5.0  # a person waits at a terminal: a ledger that stays locked is read as it is


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--since", default="24h", metavar="TIME", help="start: a duration back from now, or an ISO time (default 24h)"
    )
    parser.add_argument("--until", metavar="TIME", help="end, in the same form (default: now)")
    parser.add_argument("--profile", metavar="NAME", help="audit only this profile")
    parser.add_argument(
        "--drill-older-than", default="8d", metavar="TIME", help="report a last drill older than this (default 8d)"
    )
    evidence = parser.add_mutually_exclusive_group()
    evidence.add_argument(
        "--digest", metavar="DAY", help="compare the rows of a day (UTC) with the digest in its daily report"
    )
    evidence.add_argument(
        "--report", metavar="TIME", help="print what happened in the last days, week by week, as Markdown"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace, settings: Settings) -> int:
    now = SystemClock().now()
    if args.digest is not None or args.report is not None:
        return _evidence(args, settings, now)
    since, until = instant(args.since, now), instant(args.until, now) if args.until else now
    if since >= until:
        raise UsageError(f"--since {args.since} is not before --until {args.until or 'now'}: correct one of them")
    if until > now:
        raise UsageError(f"--until {args.until} is in the future: only the past can be audited")
    drill_older_than = parse_duration(args.drill_older_than)
    try:
        with _open(settings, now) as database:
            facts = gather(database, since=since, until=until, now=now, boot=current_boot(), profile=args.profile)
            if args.profile and args.profile not in facts.profiles:
                print(_unknown(database, args.profile, since, until), file=sys.stderr)
    except StoreError as error:
        if args.json:
            write_json({"ok": False, "error": str(error)})
        raise
    audit = judge(facts, drill_older_than=drill_older_than)
    held = unit_environment.look(settings)
    now_in_force = [*mute_warnings(settings, held), *_outdated(held)]
    if args.json:
        write_json({**as_json(audit), **({"settings": now_in_force} if now_in_force else {})})
    else:
        report = [*lines(audit), *(["", "settings:"] if now_in_force else []), *(f"  {each}" for each in now_in_force)]
        sys.stdout.write("".join(in_zone(line) + "\n" for line in report))
    return 0 if audit.is_ok else _EXIT_FOUND


def _evidence(args: argparse.Namespace, settings: Settings, now: datetime) -> int:
    """Show what was recorded of the past: it is read as it is, and nothing is brought up to date first."""
    from automation.evidence import digest_view, period_report

    day = None if args.digest is None else digest_view.day_of(args.digest, now)
    length = parse_duration(args.report) if day is None else timedelta(0)
    with _open_as_it_is(settings) as database:
        if day is not None:
            checks = digest_view.check_day(database, day, now)
            text, data = "\n".join(digest_view.lines(day, checks)), digest_view.as_json(day, checks)
            is_ok = digest_view.is_verified(checks)
        else:
            report = period_report.gather_report(database, length, now)
            text, data, is_ok = "\n".join(report.as_markdown()), report.as_json(), report.is_verified
    if args.json:
        write_json(data)
    else:
        print(text)
    return 0 if is_ok else _EXIT_FOUND


def _outdated(held: UnitEnvironment | None) -> list[str]:
    return [f"{held.outdated}: {held.remedy}"] if held is not None and held.outdated is not None else []


def _unknown(database: Database, profile: str, since: datetime, until: datetime) -> str:
    known = sorted({entry.schedule.profile for entry in schedules.history(database, since, until)})
    others = f"; known profiles: {', '.join(known)}" if known else ""
    return f"{profile}: the ledger has no schedule and no run of this profile in this period{others}"


def _open(settings: Settings, now: datetime) -> Database:
    """Open the ledger, brought up to date where it can be written; else as it is.

    Raises:
        StoreError: there is none, or it cannot be read: nothing can be verified.
    """
    if not settings.database.exists():
        raise StoreError(
            f"{settings.database} does not exist: nothing can be verified. Check CACHE_DIR, and that a profile has run"
        )
    try:
        database = open_database(settings.database, busy_timeout_s=_BUSY_TIMEOUT_S)
    except StoreError as error:
        return _open_not_updated(settings, error)
    try:
        reconcile(database, now=now, boot=current_boot(), is_alive=is_alive_text)
    except StoreError as error:
        database.close()
        return _open_not_updated(settings, error)
    return database


def _open_not_updated(settings: Settings, why: StoreError) -> Database:
    database = _open_as_it_is(settings)
    print(f"the ledger could not be brought up to date and is read as it is: {why}", file=sys.stderr)
    return database


def _open_as_it_is(settings: Settings) -> Database:
    """Open the ledger for reading alone.

    Raises:
        StoreError: there is none, or it cannot be read: nothing can be verified.
    """
    try:
        return open_readonly(settings.database)
    except StoreError as error:
        raise StoreError(f"nothing can be verified: {error}") from error


def lines(audit: Audit) -> Iterable[str]:
    """Return the report: the result, then the problems by kind; notes come last."""
    yield sentence(audit)
    yield _result(audit)
    if logs := event_logs_in_words(audit):
        yield logs
    if held_back := inhibited_in_words(audit):
        yield held_back
    ordered = sorted(audit.findings, key=lambda found: (not found.breaks_silence, found.kind.value))
    for (breaks, kind), group in groupby(ordered, key=lambda found: (found.breaks_silence, found.kind)):
        yield ""
        yield f"{kind.heading}{'' if breaks else ' (note)'}:"
        yield from (f"  {_line(found)}" for found in group)


def _result(audit: Audit) -> str:
    if audit.is_ok:
        return "VERIFIED: every due tick ran ok and every alert was delivered"
    count = sum(found.breaks_silence for found in audit.findings)
    return f"NOT VERIFIED: {counted(count, 'problem')}"


def _line(found: AuditProblem) -> str:
    """Return the text, with the time from the first to the last occurrence where there are several."""
    span = found.last_at - found.first_at
    # Of checks without data the count is of checks, and the text has the times.
    is_repeated = found.count > 1 and span.total_seconds() > 0 and found.kind is not ProblemKind.CHECKS_BLIND
    return found.text + (f" [within {format_duration(span)}]" if is_repeated else "")
