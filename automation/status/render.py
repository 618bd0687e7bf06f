"""Puts a `Status` on one screen, or into JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from automation.cli import zone
from automation.cli.console import aligned
from automation.status.collect import ProfileState, Status, Undelivered
from monitoring.base.clock import to_text
from monitoring.base.formatting import format_duration
from monitoring.base.plural import counted
from monitoring.conditions.condition import Condition, ConditionKey, NoData, distinct_texts
from monitoring.conditions.severity import Severity
from monitoring.conditions.silence import Silence, covered_now, silence_of, subject_of
from monitoring.store.people.pauses import Pause
from monitoring.store.tables.runs import RunRow

_LONG_RUN = timedelta(minutes=10)  # what one task is given unless jobs.yaml says otherwise
_FEW = 3  # checks of one source that are listed one by one
_MOST = 8  # of each kind, so that it stays one screen; the command named after it shows all


def lines(status: Status) -> Iterator[str]:
    """Return the screen: warnings first, then what an operator asks for, in that order."""
    yield from (f"WARNING: {warning}" for warning in status.warnings)
    yield from (f"NOT REACHED {reason}" for reason in status.unreached)
    yield f"scheduler   {status.scheduler}"
    yield f"last 24 h   {zone.in_zone(status.audit)}" + (
        "" if status.audit_ok else "; see `python -m automation audit`"
    )
    yield f"checkout    {_checkout(status)}"
    env_file = f"env file {status.env_file}" if status.env_file else "no env file loaded"
    yield f"state       {status.cache_dir}, {env_file}"
    if status.chat:
        yield f"chat        {status.chat}"
    yield from (f"pending     {note}" for note in status.waiting)
    yield ""
    yield from aligned([("PROFILE", "LAST", zone.heading("NEXT"), "NOW"), *_profiles(status)]).splitlines()
    yield ""
    worst_first = sorted(status.firing, key=lambda each: -each.severity)
    texts = distinct_texts(each.key for each in worst_first)
    yield from _section("firing", [_firing(status, each, texts[each.key]) for each in worst_first], "incidents")
    undelivered = [_undelivered(each) for each in status.undelivered]
    yield from _section("undelivered", undelivered, "deliver", counted(status.waiting_alerts, "alert"))
    if status.blind:
        yield from _section("no data", list(_blind(status.blind)), "audit", counted(len(status.blind), "check"))
    if status.inhibited:
        found = [f"{each.key}, by {each.inhibited_by}" for each in status.inhibited]
        yield from _section("inhibited", found, "explain FILE", counted(len(found), "check"))
    if status.unconfirmed:
        yield from _section("unconfirmed", _unconfirmed(status), "status --json")
    yield from _section("silences", [_silence(each, status) for each in status.silences], "silence --list")
    if status.pauses:
        yield from _section("pauses", [f"{each.what} {each.why()}" for each in status.pauses], "pause --list")


def _section(name: str, entries: list[str], verb: str, count: str = "") -> Iterator[str]:
    if not entries:
        yield f"{name:<12}none"
        return
    yield f"{name:<12}{count or len(entries)}"
    yield from (f"  {entry}" for entry in entries[:_MOST])
    if entries[_MOST:]:
        yield f"  and {len(entries) - _MOST} more: `python -m automation {verb}`"


def _profiles(status: Status) -> Iterator[tuple[str, ...]]:
    for profile in status.profiles:
        following = "disabled" if profile.next_tick is None else zone.at(profile.next_tick)
        yield profile.name, _last(profile.last), following, _now(profile, status.now)


def _last(run: RunRow | None) -> str:
    if run is None:
        return "never"
    reason = f": {run.reason}" if run.reason and run.status != "ok" else ""
    took = f" in {format_duration(run.ended_at - run.started_at)}" if run.ended_at and run.status == "ok" else ""
    return f"{run.status} {zone.at(run.tick_at or run.started_at)}{took}{reason}"


def _now(profile: ProfileState, now: datetime) -> str:
    if profile.running is None:
        return "-"
    since = profile.running.started_at
    if since is None:
        return f"running: {profile.running}"
    # A restart of the scheduler does not end a run.
    how = f"; stop it with: python -m automation stop {profile.name}" if now - since > _LONG_RUN else ""
    return f"running for {format_duration(now - since)}: {profile.running}{how}"


def _checkout(status: Status) -> str:
    origin = status.origin
    if origin is None:
        return f"{status.checkout}, not under git"
    parts = [f"{status.checkout} at {origin.revision[:12]}"]
    if origin.behind is None:
        parts.append("difference from origin unknown")
    elif origin.behind or origin.ahead:
        parts.append(f"{origin.behind} behind and {origin.ahead} ahead of origin")
    else:
        parts.append("up to date with origin")
    parts += [f"fetched {zone.at(origin.fetched_at)}"] if origin.fetched_at else []
    parts += ["with local edits"] if origin.dirty else []
    parts += [f"last sync {status.sync.status} at {zone.at(status.sync.at)}"] if status.sync.at else []
    return ", ".join(parts)


def _firing(status: Status, condition: Condition, text: str) -> str:
    """Return one line; a title that begins with the name of its check does not repeat it."""
    now = status.now
    if condition.happened_once(now) and condition.clear_since:
        duration = f", happened once {format_duration(now - condition.clear_since)} ago"
    else:
        duration = f" for {format_duration(now - condition.fired_at)}" if condition.fired_at else ""
    title, key = condition.title, condition.key
    named = next((name for name in (key.text, key.check) if title.startswith((f"{name} ", f"{name}:"))), None)
    named = f"{text}: {title}" if named is None else f"{text}{title.removeprefix(named)}"
    held_back = ", silenced" if silence_of(status.silences, subject_of(condition)) else ""
    known = f"{condition.severity.name}{duration}{_who(status, condition)}{held_back}"
    return f"{known}: {condition.key.monitor}: {named}"


def _who(status: Status, condition: Condition) -> str:
    """Return who has an incident, and until when; or that nobody does, and who was asked to take it."""
    if (held := status.acknowledged.get(condition.key)) is not None:
        return f", {held.by} has it until {zone.at(held.ends_at)}"
    asked = status.asked.get(condition.key)
    if asked is None or asked.last_at is None:
        return ", nobody has it" if condition.is_firing else ""
    return f", nobody has it ({', '.join(asked.people)} asked {format_duration(status.now - asked.last_at)} ago)"


def _undelivered(each: Undelivered) -> str:
    where = each.destination.partition(" ")[0]
    return f"{each.count} to {where} of {each.channel}: {each.error or each.status.replace('_', ' ')}"


def _blind(conditions: Sequence[Condition]) -> Iterator[str]:
    """Return a line a check, or one a source that stops many: the source that stops most first."""
    by_source: dict[str, list[Condition]] = {}
    for each in conditions:
        by_source.setdefault(each.blamed, []).append(each)
    for source, found in sorted(by_source.items(), key=lambda entry: -len(entry[1])):
        if len(found) <= _FEW:
            yield from (f"{each.key}{_since([each])}, source {source}" for each in found)
        else:
            monitors = Counter(each.key.monitor for each in found).most_common()
            needed_by = ", ".join(f"{name} {count}" for name, count in monitors)
            yield f"{source}: {counted(len(found), 'check')}{_since(found)}: {needed_by}"


def _since(conditions: Sequence[Condition]) -> str:
    starts = [each.no_data.since for each in conditions if each.no_data]
    return f" since {zone.at(min(starts))}" if starts else ""


def _unconfirmed(status: Status) -> list[str]:
    monitors = dict.fromkeys(each.monitor for each in status.unconfirmed)
    sources = {name: [each.source for each in status.unconfirmed if each.monitor == name] for name in monitors}
    return [f"{name}: no live answer has been read yet of {', '.join(found)}" for name, found in sources.items()]


def _silence(silence: Silence, status: Status) -> str:
    text = f"{silence.id}: {silence.what} until {zone.at(silence.ends_at)}, {silence.silenced} held back"
    critical = _critical(silence, status)
    covers = f"; it covers {counted(critical, 'CRITICAL incident')} now" if critical else ""
    by = f"by {silence.created_by}: " if silence.created_by else ""
    return f"{text} ({by}{silence.reason}){covers}"


def _critical(silence: Silence, status: Status) -> int:
    """Return how many incidents that are CRITICAL this silence holds back now."""
    return sum(subject_of(row).severity is Severity.CRITICAL for row in covered_now(silence, status.firing, status.now))


def as_json(status: Status) -> dict[str, object]:
    """Return the same for programs; instants as ISO 8601 or null."""
    scheduler, origin, sync = status.scheduler, status.origin, status.sync
    return {
        "now": to_text(status.now),
        "scheduler": {
            "alive": scheduler.is_alive,
            "text": str(scheduler),
            "pid": scheduler.process.pid if scheduler.process else None,
            "kind": scheduler.process.kind if scheduler.process else None,
            "newest_served": _iso(scheduler.served[0] if scheduler.served else None),
            "unserved": [{"profile": profile, "tick_at": to_text(tick)} for profile, tick in scheduler.unserved],
            "unit": scheduler.unit,
        },
        "audit": {"sentence": status.audit, "ok": status.audit_ok},
        "chat": status.chat or None,
        "profiles": [_profile_json(profile) for profile in status.profiles],
        "inhibited": [{"key": str(each.key), "by": each.inhibited_by} for each in status.inhibited],
        "firing": [
            {"key": str(each.key), "severity": each.severity.name, "title": each.title, "since": _iso(each.fired_at),
             **_who_json(status, each.key)} for each in status.firing
        ],
        "reach": {
            "ok": not status.unreached,
            "reasons": [
                {"cause": each.cause.value, "text": each.text, "count": each.count, "since": to_text(each.since)}
                for each in status.unreached
            ],
        },
        "undelivered": [
            {"destination": each.destination.partition(" ")[0], "channel": each.channel, "status": each.status,
             "count": each.count, "why": each.error} for each in status.undelivered
        ],
        "blind": [_blind_json(each, each.no_data) for each in status.blind if each.no_data],
        "unconfirmed": [
            {"monitor": each.monitor, "source": each.source, "why": each.why} for each in status.unconfirmed
        ],
        "pauses": [_pause_json(each) for each in status.pauses],
        "silences": [
            {"id": each.id, "protocol": each.protocol, "key": each.key, "ends_at": to_text(each.ends_at),
             "reason": each.reason, "held_back": each.silenced, "what": each.what, "by": each.created_by,
             "critical": _critical(each, status)} for each in status.silences
        ],
        "revision": {
            "at": origin.revision if origin else None,
            "behind": origin.behind if origin else None,
            "ahead": origin.ahead if origin else None,
            "dirty": origin.dirty if origin else None,
            "fetched_at": _iso(origin.fetched_at if origin else None),
        },
        "sync": {
            "status": sync.status.value if sync.status else None, "at": _iso(sync.at), "reason": sync.reason,
            "deferrals": sync.deferrals, "failures": sync.failures,
        },
        "waiting": list(status.waiting),
        "warnings": list(status.warnings),
        "env_file": str(status.env_file) if status.env_file else None,
        "cache_dir": str(status.cache_dir),
        "checkout": str(status.checkout),
    }  # fmt: skip


def _who_json(status: Status, key: ConditionKey) -> dict[str, object]:
    held, asked = status.acknowledged.get(key), status.asked.get(key)
    questions = {"people": list(asked.people), "last_at": _iso(asked.last_at), "count": asked.count} if asked else None
    return {"acknowledgement": held.as_json() if held else None, "asked": questions}


def _pause_json(pause: Pause) -> dict[str, object]:
    return {
        "id": pause.id, "kind": pause.kind.value, "name": pause.name, "ends_at": to_text(pause.ends_at),
        "by": pause.created_by, "reason": pause.reason, "held_back": pause.held_back,
    }  # fmt: skip


def _blind_json(each: Condition, unseen: NoData) -> dict[str, object]:
    return {"key": str(each.key), "since": _iso(unseen.since), "source": each.blamed, "why": unseen.reason}


def _profile_json(profile: ProfileState) -> dict[str, object]:
    last, running = profile.last, profile.running
    return {
        "name": profile.name,
        "cron": profile.cron,
        "enabled": profile.enabled,
        "next_tick": _iso(profile.next_tick),
        "last": {"run_id": last.id, "status": last.status, "reason": last.reason, "tick_at": _iso(last.tick_at),
                 "started_at": to_text(last.started_at), "ended_at": _iso(last.ended_at)} if last else None,
        "running": {"pid": running.pid, "run_id": running.run_id, "since": _iso(running.started_at),
                    "trigger": running.trigger} if running else None,
    }  # fmt: skip


def _iso(instant: datetime | None) -> str | None:
    return to_text(instant) if instant else None
