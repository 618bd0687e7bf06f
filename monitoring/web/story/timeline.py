"""What happened to a condition, in order: fired, worse, acknowledged, muted, asked, recovered. Reads the store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from monitoring.alerts.recording.incident import incident_named
from monitoring.base.clock import instant_or_none
from monitoring.conditions.condition import Condition
from monitoring.conditions.silence import subject_of
from monitoring.store.db.database import Database
from monitoring.store.people import acknowledgements, pauses
from monitoring.store.people.pauses import PauseKind
from monitoring.store.queries import revisions
from monitoring.store.queries.alerts import AlertRow
from monitoring.store.tables import silences
from monitoring.web.charts.series import ChartMark, MarkKind
from monitoring.web.story.declared import NOWHERE, DeclaredPlace

_KINDS = {
    "alert": MarkKind.FIRED,
    "worsened": MarkKind.WORSE,
    "recovery": MarkKind.RECOVERED,
}
_PERSON = "on_call_"  # what the channel of a person begins with


@dataclass(frozen=True, slots=True)
class Happening:
    """One line of a timeline. `kind` is none where the chart shows no mark; `href` is the page with more."""

    at: datetime
    says: str
    kind: MarkKind | None = None
    severity: str = ""
    href: str = ""
    ends_at: datetime | None = None

    @property
    def mark(self) -> ChartMark | None:
        return ChartMark(self.at, self.kind, self.says, self.ends_at, self.severity) if self.kind else None


def happenings(
    database: Database,
    condition: Condition,
    alerts: Iterable[AlertRow],
    since: datetime,
    until: datetime,
    where: DeclaredPlace = NOWHERE,
) -> list[Happening]:
    """Return what happened within [since, until], the oldest first; `alerts` are those of the condition.

    `where` names the task and profile whose pauses stop its check.
    """
    found = [*_of_people(database, condition, since, until), *_of_pauses(database, condition, where, since, until)]
    announced = {each.at.replace(microsecond=0) for each in found}
    rows = sorted(alerts, key=lambda row: row.id)
    found += [
        each
        for each in _of_alerts(rows, condition, until)
        # `ack` announces itself by an alert; the line of the person says it already.
        if since <= each.at <= until and not (each.kind is None and each.at.replace(microsecond=0) in announced)
    ]
    return sorted(found, key=lambda each: each.at)


def _of_alerts(rows: Sequence[AlertRow], condition: Condition, until: datetime) -> Iterator[Happening]:
    ends = {_began(row): instant_or_none(row.created_at) for row in rows if row.kind == "recovery"}
    if condition.is_firing and condition.fired_at is not None:
        ends[f"{condition.fired_at:%Y-%m-%dT%H:%M:%SZ}"] = until
    fired: set[str] = set()
    yield from _questions(rows)
    for row in rows:
        if row.kind == "escalation":
            continue
        at, began, kind = instant_or_none(row.created_at), _began(row), _KINDS.get(row.kind)
        if at is None:
            continue
        if row.kind == "alert" and (not row.dedupe_key or (began and began in fired)):
            kind = None  # more about an incident that fired already; what people announce in its thread has no key
        fired.add(began)
        severity = row.severity or "" if kind in (MarkKind.FIRED, MarkKind.WORSE) else ""
        ends_at = ends.get(began) if kind is MarkKind.FIRED and began else None
        yield Happening(at, _says(row, kind), kind, severity, f"/alerts/{row.id}", ends_at)


def _questions(rows: Sequence[AlertRow]) -> Iterator[Happening]:
    """Yield each question once, with everybody it went to: each person has a message of their own."""
    asked: dict[str, list[AlertRow]] = {}
    for row in rows:
        if row.kind == "escalation":
            asked.setdefault(row.created_at, []).append(row)
    for created_at, group in asked.items():
        at = instant_or_none(created_at)
        who = [_asked(row) for row in group]
        if at is not None:
            words = f"not acknowledged: asked {', '.join(dict.fromkeys(who))}"
            yield Happening(at, words, MarkKind.ESCALATED, "", f"/alerts/{group[0].id}")


def _asked(row: AlertRow) -> str:
    is_person = row.channel.startswith(_PERSON)
    return row.channel.removeprefix(_PERSON) if is_person else "the chat again"


def _began(row: AlertRow) -> str:
    return incident_named(row.metadata_json).get("since", "")


def _says(row: AlertRow, kind: MarkKind | None) -> str:
    title = row.title or (row.message.splitlines() or [""])[0]
    unsent = " (not sent: silenced)" if row.delivery_status == "silenced" else ""
    match kind:
        case MarkKind.FIRED:
            return f"fired {row.severity or ''}{unsent}"
        case MarkKind.WORSE:
            return f"worse: {row.severity or ''}{unsent}"
        case MarkKind.RECOVERED:
            return "recovered"
    return f"reminder{unsent}" if row.kind == "reminder" else f"{title}{unsent}"


def _of_people(database: Database, condition: Condition, since: datetime, until: datetime) -> Iterator[Happening]:
    with database.snapshot() as tx:
        held = [one for one in acknowledgements.within(tx, since, until) if one.key == condition.key]
    for one in held:
        note = f": {one.note}" if one.note else ""
        yield Happening(one.at, f"{one.by} has it{note}", MarkKind.ACKNOWLEDGED)
    subject = subject_of(condition)
    for silence in silences.between(database, since, until):
        if silence.is_about(subject):
            reason = f": {silence.reason}" if silence.reason else ""
            by = f"by {silence.created_by}" if silence.created_by else ""
            words = f"muted {by} until {silence.ends_at:%Y-%m-%d %H:%M} UTC{reason}".replace("  ", " ")
            yield Happening(silence.starts_at, words, MarkKind.MUTED, "", "/silences", min(silence.ends_at, until))


def _of_pauses(
    database: Database, condition: Condition, where: DeclaredPlace, since: datetime, until: datetime
) -> Iterator[Happening]:
    names = {(PauseKind.PROFILE, where.profile), (PauseKind.TASK, f"{where.profile}/{where.task}")}
    for pause in database.read(lambda tx: pauses.between(tx, since, until)):
        if not pause.covers_check(condition.key) and (pause.kind, pause.name) not in names:
            continue
        ended = f", ended by {pause.ended_by}" if pause.ended_by else ""
        words = f"{pause.what} {pause.why()}{ended}"
        yield Happening(pause.starts_at, words, MarkKind.PAUSED, "", "/silences", min(pause.ends_at, until))


def deployed(database: Database, profile: str, since: datetime, until: datetime) -> list[Happening]:
    """Return when the profile of a check first ran another revision."""
    return [
        Happening(at, f"new revision {revision[:12]}", MarkKind.DEPLOYED)
        for at, revision in revisions.changes(database, profile, since, until)
    ]


def marks(found: Iterable[Happening]) -> list[ChartMark]:
    return [mark for each in found if (mark := each.mark) is not None]
