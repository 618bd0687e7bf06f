"""The installed unit: whether it starts after a reboot, and may write where this shell writes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from automation.schedule.scheduler_liveness import UNIT, ask_systemd
from automation.status.doctor import DoctorContext, Examination, Finding, Problem, ok

UNIT_DIRECTORIES = (Path("/etc/systemd/system"), Path("/lib/systemd/system"))
_STARTS_AT_BOOT = ("enabled", "enabled-runtime", "static", "alias", "indirect")

UNIT_STATE = Problem(
    "unit-state",
    "unit",
    "two histories: a run by hand does not know what the unit reported",
    "the unit may not write the state directory that this shell uses",
    "the unit and your commands use two databases, or the unit can store nothing",
    "use one directory: set CACHE_DIR in the env file, or run deploy/install.sh with CACHE_DIR",
)
UNIT_DISABLED = Problem(
    "unit-disabled",
    "unit",
    "nothing runs after a reboot",
    "the unit is not enabled",
    "it does not start after a reboot",
    f"sudo systemctl enable --now {UNIT}",
)
UNIT_EDITED = Problem(
    "unit-edited",
    "unit",
    "an edit of the unit has no effect",
    "the file of the unit changed after systemd read it",
    "the next start still uses the old file",
    f"sudo systemctl daemon-reload && sudo systemctl restart {UNIT}",
)


def installed_unit() -> Path | None:
    """Return the unit's path, None where `up` or another scheduler is used."""
    return next((path for directory in UNIT_DIRECTORIES if (path := directory / UNIT).exists()), None)


def program_of(path: Path) -> str:
    """Return the program that the unit starts."""
    found = re.search(r"^ExecStart=(\S+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else "supercronic"


def unit(context: DoctorContext) -> Iterator[Finding]:
    path = installed_unit()
    if path is None:
        return
    found = list(_faults(path.read_text(encoding="utf-8"), context.settings.cache_dir))
    yield from found
    if not found:
        yield ok("unit", f"{path} starts at boot and may write the state")


def _faults(text: str, cache_dir: Path) -> Iterator[Finding]:
    places = re.findall(r"^ReadWritePaths=(.*)$", text, re.MULTILINE)
    writable = [Path(place.lstrip("-+")) for line in places for place in line.split()]
    if not any(cache_dir.is_relative_to(place) for place in writable):
        yield UNIT_STATE.found(f"it may not write {cache_dir}, the state directory of this shell")
    enabled = ask_systemd("is-enabled", UNIT)
    if enabled is not None and enabled not in _STARTS_AT_BOOT:
        yield UNIT_DISABLED.found(f"it is {enabled}: it does not start after a reboot")
    if ask_systemd("show", "--property=NeedDaemonReload", "--value", UNIT) == "yes":
        yield UNIT_EDITED.found("its file changed after systemd read it")


EXAMINATIONS: tuple[Examination, ...] = (unit,)
