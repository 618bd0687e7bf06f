"""The message of a day: ten lines for somebody who reads them every morning on a phone. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta

from monitoring.alerts.channels import DIGEST_CHANNEL
from monitoring.alerts.message.model import Alert, Severity
from monitoring.alerts.message.text import code, kv, line
from monitoring.base.formatting import format_duration
from monitoring.base.plural import counted
from monitoring.base.secrets.redact import excerpt
from monitoring.ledger.evidence.numbers import NOT_RUN, DayNumbers, HeldBack, Times
from monitoring.store.evidence.closed_days import ClosedDay

SOURCE = "daily_report"
_REVISION_CHARS = 12
_MOST_NAMED, _LONGEST_NAMED = 3, 60
_HELD_BY_A_RUN = re.compile(r"(run \d+ of .* was still going|the profile was still running .*)")


def daily_message(found: DayNumbers, closed: ClosedDay, not_reported: Sequence[date]) -> Alert:
    """Return the message; `not_reported` are the days among them that had no message of their own."""
    rows: dict[str, object] = {"Runs": _runs(found), "Checks without data": _no_data(found), "Alerts": _alerts(found)}
    if found.alerts or found.acknowledged.count:
        rows["Acknowledged"] = _times(found.acknowledged, "after")
    rows |= {"Muted": _held(found.muted), "Paused": _held(found.paused)}
    rows["Revision"] = found.revision[:_REVISION_CHARS] or "none"
    rows["Digest"] = code(closed.digest)
    days = [line(f"No message came for {_listed(not_reported)}.")] if not_reported else []
    title = _title(found)
    return Alert(
        Severity.LOW,
        f"{_period(found.first, found.last)}: {title}",
        *days,
        kv(rows),
        protocol=DIGEST_CHANNEL,
        source=SOURCE,
        is_good=title.startswith("all "),
    )


def _title(found: DayNumbers) -> str:
    if not found.due:
        return "nothing was due"
    bad = {
        name: found.ticks[name] for name in ("missed", "unknown", "failed", "aborted", "skipped") if found.ticks[name]
    }
    if not bad:
        return f"all {counted(found.due, 'run')} done"
    first, *others = (f"{count} {name}" for name, count in bad.items())
    number, _, word = first.partition(" ")
    return ", ".join([f"{number} of {counted(found.due, 'run')} {word}", *others])


def _runs(found: DayNumbers) -> str:
    parts = [f"{found.ran} of {found.due} due"]
    parts += [f"{found.ticks[name]} {name}: {_reasons(found, name)}" for name in NOT_RUN if found.ticks[name]]
    parts += [f"{found.ticks[name]} {name}" for name in ("failed", "aborted") if found.ticks[name]]
    parts += [f"{found.late.count} started late"] if found.late.count else []
    return "; ".join(parts)


def _reasons(found: DayNumbers, status: str) -> str:
    why = dict.fromkeys(_plain(reason) for (name, reason), _ in found.reasons.most_common() if name == status)
    return _named(list(why)) or "the reason is not known"


def _plain(reason: str) -> str:
    """Return a reason without what only a person at the terminal needs."""
    if _HELD_BY_A_RUN.fullmatch(reason):
        return "the run before was still going"
    return reason.partition(" (")[0].partition(" until ")[0]


def _no_data(found: DayNumbers) -> str:
    if not found.no_data:
        return "none"
    return f"{found.checks_without_data}: {_named([each.source for each in found.no_data])}"


def _alerts(found: DayNumbers) -> str:
    if not found.alerts:
        return "none"
    parts = [str(found.alerts)]
    parts += [_speed(found.arrived, "arrived in")] if found.arrived.count else []
    parts += [f"{found.silenced} held back"] if found.silenced else []
    parts += [f"{found.not_delivered} not delivered"] if found.not_delivered else []
    return "; ".join(parts)


def _times(found: Times, word: str) -> str:
    return f"{found.count}, {_speed(found, word)}" if found.count else "none"


def _speed(found: Times, word: str) -> str:
    slowest = f", slowest {_duration(found.worst_s)}" if found.count > 1 else ""
    return f"{word} {_duration(found.median_s)}{slowest}"


def _duration(seconds: float) -> str:
    return format_duration(timedelta(seconds=seconds))


def _held(found: Sequence[HeldBack]) -> str:
    return _named([f"{each.what} by {each.by} ({each.count} held back)" for each in found]) or "none"


def _named(texts: Sequence[str]) -> str:
    found = list(_cut(dict.fromkeys(texts)))
    more = len(found) - _MOST_NAMED
    return ", ".join(found[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _cut(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        yield excerpt(text, _LONGEST_NAMED)


def _period(first: date, last: date) -> str:
    return _shown(last) if first == last else f"{_shown(first)} to {_shown(last)}"


def _listed(days: Sequence[date]) -> str:
    return _shown(days[0]) if len(days) == 1 else f"{_shown(days[0])} to {_shown(days[-1])}"


def _shown(day: date) -> str:
    return f"{day.day} {day:%b}"
