"""The names of this host that a shell completes: of jobs.yaml, of monitors, of what is firing. Reads only."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from automation.jobs.known_protocols import protocols_of
from automation.jobs.load import load_jobs
from monitoring.base.clock import SystemClock
from monitoring.base.errors import MonitoringError
from monitoring.base.settings import Settings
from monitoring.conditions.severity import Severity


def names(kind: str, of: str, config: Path, settings: Settings) -> list[str]:
    """Return the names of a kind, in order; none where they cannot be read: a shell shows no error.

    `of` narrows tasks to a profile and keys to a protocol.
    """
    if kind not in KINDS:
        return []
    with suppress(MonitoringError, OSError):
        return sorted({name for name in KINDS[kind](of, config, settings) if name.isprintable()})
    return []


def _profiles(_of: str, config: Path, settings: Settings) -> Iterable[str]:
    return load_jobs(config, settings.checkout).profiles


def _tasks(of: str, config: Path, settings: Settings) -> Iterable[str]:
    profiles = load_jobs(config, settings.checkout).profiles
    return (task.name for name, profile in profiles.items() if of in ("", name) for task in profile.tasks)


def _protocols(_of: str, _config: Path, settings: Settings) -> Iterable[str]:
    return protocols_of(settings.checkout)


def _keys(of: str, _config: Path, settings: Settings) -> Iterable[str]:
    return (key for protocol, key, _ in _incidents(settings) if of.lower() in ("", protocol.lower()))


def _happened(_of: str, _config: Path, settings: Settings) -> Iterable[str]:
    return (f"{protocol}/{key}" for protocol, key, is_firing in _incidents(settings) if not is_firing)


def _incidents(settings: Settings) -> list[tuple[str, str, bool]]:
    # Imported here: the names of jobs.yaml need no database.
    from monitoring.store.db.schema import open_readonly  # noqa: PLC0415
    from monitoring.store.tables import conditions  # noqa: PLC0415

    with open_readonly(settings.database) as database, database.snapshot() as tx:
        found = conditions.incidents(tx, SystemClock().now())
    return [(each.protocol or each.key.monitor, each.key.text, each.is_firing) for each in found]


def _silences(_of: str, _config: Path, settings: Settings) -> Iterable[str]:
    from monitoring.store.db.schema import open_readonly  # noqa: PLC0415 - likewise
    from monitoring.store.tables import silences  # noqa: PLC0415 - likewise

    with open_readonly(settings.database) as database, database.snapshot() as tx:
        return [str(each.id) for each in silences.not_ended(tx, SystemClock().now())]


def _severities(_of: str, _config: Path, _settings: Settings) -> Iterable[str]:
    return (severity.name for severity in Severity)


def _zones(_of: str, _config: Path, _settings: Settings) -> Iterable[str]:
    from zoneinfo import available_timezones  # noqa: PLC0415 - only this kind pays for it

    return available_timezones() | {"local"}


KINDS: dict[str, Callable[[str, Path, Settings], Iterable[str]]] = {
    "profiles": _profiles,
    "tasks": _tasks,
    "protocols": _protocols,
    "keys": _keys,
    "happened": _happened,
    "silences": _silences,
    "severities": _severities,
    "zones": _zones,
}
