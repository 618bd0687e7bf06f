"""The installed unit: whether it starts after a reboot, and may write where this shell writes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from automation.schedule.scheduler_liveness import UNIT, ask_systemd
from automation.status.doctor import DoctorContext, Examination, Finding, fail, ok

UNIT_DIRECTORIES = (Path("/etc/systemd/system"), Path("/lib/systemd/system"))
_STARTS_AT_BOOT = ("enabled", "enabled-runtime", "static", "alias", "indirect")


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
        remedy = "use one directory: set CACHE_DIR in the env file, or run deploy/install.sh with CACHE_DIR"
        yield fail("unit", f"it may not write {cache_dir}, the state directory of this shell", remedy)
    enabled = ask_systemd("is-enabled", UNIT)
    if enabled is not None and enabled not in _STARTS_AT_BOOT:
        yield fail("unit", f"it is {enabled}: it does not start after a reboot", f"systemctl enable --now {UNIT}")
    if ask_systemd("show", "--property=NeedDaemonReload", "--value", UNIT) == "yes":
        yield fail("unit", "its file changed after systemd read it", f"systemctl daemon-reload, then restart {UNIT}")


EXAMINATIONS: tuple[Examination, ...] = (unit,)
