"""Everything `status` shows, gathered without changing anything; what cannot be read becomes a warning.

`render` puts it on one screen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from automation.jobs.load import load_jobs
from automation.jobs.model import Jobs
from automation.jobs.referenced_monitors import watched_of
from automation.schedule import cache_backend, scheduler_liveness, unit_environment
from automation.schedule.schedule_difference import waiting_for_restart
from automation.schedule.scheduler_liveness import SchedulerLife, SchedulerProcess
from automation.schedule.unit_environment import UnitEnvironment
from automation.sync.dependencies import differing_distributions
from automation.sync.following import NOT_FOLLOWING, follows_origin
from automation.sync.git import OriginState, origin_state
from automation.sync.state import SyncState, read_sync_state
from monitoring.base.errors import ConfigError, StoreError, UsageError
from monitoring.base.locks import chat_reader
from monitoring.base.locks.profile_lock import Holder, running_profiles, usable_locks
from monitoring.base.process_identity import current_boot
from monitoring.base.settings import TEST_CHAT, Settings, log_level
from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.conditions.silence import Silence
from monitoring.ledger.audit import judge, sentence
from monitoring.ledger.outcomes import gather
from monitoring.ledger.reach import ReachProblem, reach_problems, reach_problems_without_database
from monitoring.store.db.database import Database, Tx
from monitoring.store.db.schema import open_readonly
from monitoring.store.people import acknowledgements, escalations, pauses
from monitoring.store.people.acknowledgements import Acknowledgement
from monitoring.store.people.escalations import EscalationProgress
from monitoring.store.people.pauses import Pause
from monitoring.store.tables import conditions, deliveries, runs, silences
from monitoring.store.tables.runs import RunRow

if TYPE_CHECKING:
    from monitoring.checks.recorded.recording import Unconfirmed

_AUDITED = timedelta(hours=24)
_DEFERRALS_SHOWN = 3  # one or two are an ordinary long run


@dataclass(frozen=True, slots=True)
class ProfileState:
    """One profile of jobs.yaml, or one that only the lock directory knows. `last` is its newest row."""

    name: str
    cron: str
    enabled: bool
    next_tick: datetime | None
    last: RunRow | None
    running: Holder | None


@dataclass(frozen=True, slots=True)
class Undelivered:
    """Alerts that wait in the outbox for one destination of one channel."""

    destination: str
    channel: str
    status: str
    error: str | None
    count: int


@dataclass(frozen=True, slots=True)
class Status:
    """The state of this host. `warnings` are whole sentences with what to do; `audit` is the last day's sentence.

    `acknowledged` is who has which of `firing`, `asked` who was asked to take it in the incident of now. `unreached` is
    why people are not being reached, empty if they are.
    """

    now: datetime
    scheduler: SchedulerLife
    profiles: tuple[ProfileState, ...]
    audit: str
    audit_ok: bool
    firing: tuple[Condition, ...]
    acknowledged: Mapping[ConditionKey, Acknowledgement]
    asked: Mapping[ConditionKey, EscalationProgress]
    unreached: tuple[ReachProblem, ...]
    undelivered: tuple[Undelivered, ...]
    waiting_alerts: int
    blind: tuple[Condition, ...]
    inhibited: tuple[Condition, ...]
    unconfirmed: tuple[Unconfirmed, ...]
    silences: tuple[Silence, ...]
    pauses: tuple[Pause, ...]
    origin: OriginState | None
    sync: SyncState
    waiting: tuple[str, ...]
    chat: str
    warnings: tuple[str, ...]
    env_file: Path | None
    cache_dir: Path
    checkout: Path


def look(settings: Settings, config: Path, now: datetime) -> Status:
    """Collect everything; a part that is missing becomes a warning."""
    process = scheduler_liveness.find_scheduler(settings)
    held = unit_environment.look_at(process, settings)
    muting = [*mute_warnings(settings, held), *backend_warnings(settings, held)]
    warnings: list[str] = [*settings.env_mistakes, *muting]
    jobs = _jobs(config, settings, warnings)
    database = _database(settings, warnings)
    try:
        return _look(settings, process, held, jobs, database, now, warnings)
    except StoreError as error:
        warnings.append(f"the database cannot be read: {error}")
        return _look(settings, process, held, jobs, None, now, warnings)
    finally:
        if database is not None:
            database.close()


def _look(
    settings: Settings,
    process: SchedulerProcess | None,
    held: UnitEnvironment | None,
    jobs: Jobs | None,
    database: Database | None,
    now: datetime,
    warnings: list[str],
) -> Status:
    audit, audit_ok = _audit(database, now)
    directory = settings.cache_dir
    unreached = reach_problems(database, now) if database else reach_problems_without_database(directory, now)
    sync, origin = read_sync_state(directory), origin_state(settings.checkout, environ=settings.environ)
    firing, acknowledged, asked = database.read(lambda tx: _firing(tx, now)) if database else ((), {}, {})
    return Status(
        now=now,
        scheduler=scheduler_liveness.judge_life(process, settings, database, now),
        profiles=tuple(_profiles(settings, jobs, database, now)),
        audit=audit,
        audit_ok=audit_ok,
        firing=firing,
        acknowledged=acknowledged,
        asked=asked,
        unreached=tuple(unreached),
        undelivered=tuple(Undelivered(*row) for row in deliveries.why_waiting(database)) if database else (),
        waiting_alerts=database.read(deliveries.count_waiting_alerts) if database else 0,
        blind=tuple(database.read(conditions.without_data)) if database else (),
        inhibited=tuple(database.read(conditions.inhibited)) if database else (),
        unconfirmed=tuple(unconfirmed(jobs, settings.checkout, database)) if jobs else (),
        silences=tuple(database.read(lambda tx: silences.active(tx, now))) if database else (),
        pauses=tuple(database.read(lambda tx: pauses.active(tx, now))) if database else (),
        origin=origin,
        sync=sync,
        waiting=tuple(waiting(settings, held, jobs, database)),
        chat=_chat(settings),
        warnings=(
            *warnings,
            *sync_warnings(sync, settings, origin.revision if origin else ""),
            *explainer_warnings(held.settings(settings) if held else settings, database, now),
            *dropped_readings(database, now),
        ),
        env_file=settings.env_file,
        cache_dir=settings.cache_dir,
        checkout=settings.checkout,
    )


def _firing(
    tx: Tx, now: datetime
) -> tuple[tuple[Condition, ...], dict[ConditionKey, Acknowledgement], dict[ConditionKey, EscalationProgress]]:
    """Return what fires, who has it, and who was asked to take it since it began."""
    firing, progress = tuple(conditions.incidents(tx, now)), escalations.everything(tx)
    acknowledged = {each.key: one for each in firing if (one := acknowledgements.of(tx, each, now)) is not None}
    asked = {each.key: last for each in firing if (last := escalations.of_now(progress, each)) is not None}
    return firing, acknowledged, asked


def unconfirmed(jobs: Jobs, checkout: Path, database: Database | None) -> Iterator[Unconfirmed]:
    """Return the sources of monitors that run whose answer was written by hand, until a live one has been parsed."""
    from monitoring.checks.recorded.recording import unconfirmed_in  # noqa: PLC0415 - `status` alone reads recordings
    from monitoring.store.queries.sources import parsed_sources  # noqa: PLC0415 - as above

    tasks = [(task, profile.enabled and task.enabled) for profile in jobs.profiles.values() for task in profile.tasks]
    files = [file for task, _ in tasks for file in task.monitors]
    scripts = [task.script for task, is_on in tasks if task.script and is_on]
    marked = unconfirmed_in((checkout / file).parent for file in files)
    of_scripts = unconfirmed_in((checkout / file).parent for file in scripts)
    if not marked and not of_scripts:
        return
    parsed, watched = parsed_sources(database) if database else {}, watched_of(jobs, checkout)
    for one in dict.fromkeys([*marked, *of_scripts]):
        is_run = watched is None or one.monitor in watched.run or one in of_scripts
        if is_run and not parsed.get(one.monitor, {}).get(one.source):
            yield one


def dropped_readings(database: Database | None, now: datetime) -> Iterator[str]:
    """Warn that readings were dropped within a day."""
    from monitoring.store.readings.dropping import lately_dropped  # noqa: PLC0415 - `list` and `run` start without it

    if database is not None and (found := lately_dropped(database, now)) is not None:
        yield found.in_words


def setting_warnings(settings: Settings) -> Iterator[str]:
    """Warn of settings under which alerts do not reach their destinations."""
    if settings.debug:
        yield "LOG_LEVEL=DEBUG: alerts are recorded and nothing is sent"
    if fault := log_level(settings.environ)[1]:
        yield fault
    if settings.environ.get(TEST_CHAT, "").strip():
        yield f"{TEST_CHAT} is set: all alerts go only to the test chat"


def mute_warnings(settings: Settings, held: UnitEnvironment | None) -> Iterator[str]:
    """Warn of settings that hold alerts back: those of the scheduler, and those of this shell only."""
    in_force = setting_warnings(held.settings(settings)) if held else iter(())
    yield from unit_environment.judged(setting_warnings(settings), in_force, held)


def backend_warnings(settings: Settings, held: UnitEnvironment | None) -> Iterator[str]:
    """Warn that `utils.cache` has been switched back to the text files."""
    in_force = cache_backend.warnings(held.settings(settings)) if held else iter(())
    yield from unit_environment.judged(cache_backend.warnings(settings), in_force, held)


def sync_warnings(sync: SyncState, settings: Settings, revision: str) -> Iterator[str]:
    """Warn of a deployed checkout, now at `revision`, that does not follow origin."""
    if sync.at is not None and not follows_origin(settings.checkout):
        yield NOT_FOLLOWING
    if sync.deferrals >= _DEFERRALS_SHOWN:
        yield f"the sync of the checkout was deferred {sync.deferrals} times in a row: {sync.reason}"
    if sync.failures:
        yield f"the sync of the checkout failed {sync.failures} times in a row: {sync.reason}"
    if sync.status is not None and sync.status.value == "refused":
        refused = sync.verdict.candidate if sync.verdict is not None else ""
        if refused and refused == revision:
            yield f"the running commit {revision[:12]} was checked out by hand; the sync had refused it: {sync.reason}"
        else:
            yield f"origin's newest commit {refused[:12]} was refused, {revision[:12]} keeps running: {sync.reason}"


def explainer_warnings(settings: Settings, database: Database | None, now: datetime) -> Iterator[str]:
    """Warn of an explainer that is switched on and explains nothing; nothing of it is loaded where it is off."""
    if not any(settings.environ.get(name, "").strip() for name in ("LLM_BASE_URL", "LLM_MODEL")):
        return
    from monitoring.explain import explainer_settings as explain  # noqa: PLC0415 - as it says
    from monitoring.explain.limits import day_spent  # noqa: PLC0415 - as above
    from monitoring.store.queries import explanations  # noqa: PLC0415 - as above

    try:
        wanted = explain.explainer_settings(settings.environ)
    except UsageError as error:
        yield f"alerts are not explained: {error}"
        return
    if wanted is None or database is None or not explanations.is_there(database):
        return
    if refusal := database.read(lambda tx: day_spent(tx, now)).refusal(wanted):
        yield f"alerts are not explained until 00:00 UTC: {refusal}"


def waiting(
    settings: Settings, held: UnitEnvironment | None, jobs: Jobs | None, database: Database | None
) -> Iterator[str]:
    """Report changes that take effect only after a restart or `make sync`."""
    if held is not None and held.outdated is not None:
        yield f"{held.outdated}: {held.remedy}"
    if jobs is not None and database is not None:
        for note in waiting_for_restart(jobs, database):
            yield f"{note}: {scheduler_liveness.restart_command(held.process if held else None)}"
    try:
        differing = differing_distributions(settings.checkout / "requirements.lock")
    except OSError:
        return
    if differing:
        more = f" and {len(differing) - 3} more" if len(differing) > 3 else ""  # noqa: PLR2004 - as many as fit a line
        yield f"the venv does not match requirements.lock ({'; '.join(differing[:3])}{more}): run `make sync`"


def _jobs(config: Path, settings: Settings, warnings: list[str]) -> Jobs | None:
    try:
        return load_jobs(config, settings.checkout)
    except ConfigError as error:
        first, *more = error.mistakes
        rest = f" (and {len(more)} more)" if more else ""
        warnings.append(f"jobs.yaml has mistakes: {first}{rest}; `python -m automation validate` lists all")
        return None


def _database(settings: Settings, warnings: list[str]) -> Database | None:
    try:
        if not settings.database.exists():
            warnings.append(f"{settings.database} does not exist: no profile has run with this state directory yet")
            return None
        return open_readonly(settings.database)
    except (StoreError, OSError) as error:
        warnings.append(f"the database cannot be read: {error}")
        return None


def _audit(database: Database | None, now: datetime) -> tuple[str, bool]:
    if database is None:
        return "unknown: there is no database", False
    audit = judge(gather(database, since=now - _AUDITED, until=now, now=now, boot=current_boot()))
    return sentence(audit), audit.is_ok


def _chat(settings: Settings) -> str:
    """Return who reads the bot's chat, and why it is not read if somebody should; nothing where nobody does."""
    process = chat_reader.holder(settings.locks)
    if process is None:
        return ""
    state = chat_reader.read_state(settings.locks)
    return f"NOT READ: {state.problem}" if state.problem else f"@{state.username} is read by pid {process.pid}"


def _profiles(
    settings: Settings, jobs: Jobs | None, database: Database | None, now: datetime
) -> Iterator[ProfileState]:
    running = running_profiles(usable_locks(settings.locks))
    for profile in jobs.profiles.values() if jobs else ():
        newest = runs.latest(database, profile.name) if database else []
        yield ProfileState(
            name=profile.name,
            cron=profile.cron.text,
            enabled=profile.enabled,
            next_tick=profile.cron.next_after(now) if profile.enabled else None,
            last=newest[0] if newest else None,
            running=running.pop(profile.name, None),
        )
    for name, holder in running.items():
        yield ProfileState(name, "", enabled=False, next_tick=None, last=None, running=holder)
