"""The environment: its file, and whether the running scheduler holds what the file says."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from datetime import UTC, datetime

from automation.schedule.scheduler_liveness import RESTART, ask_systemd, running_since
from automation.status.collect import backend_warnings
from automation.status.doctor import DoctorContext, Examination, Finding, fail, ok, warn
from monitoring.base.errors import UsageError
from monitoring.base.public_address import NAME as PUBLIC_URL
from monitoring.base.public_address import NGINX_SITE, forwards_public_host, public_host
from monitoring.base.settings import ENV_FILE

_API = "monitoring-api.service"


def env_file(patient: DoctorContext) -> Iterator[Finding]:
    path = patient.settings.env_file
    if path is None and ENV_FILE.exists():
        yield fail(
            "env file",
            f"{ENV_FILE} is there but cannot be read by this user",
            "run it as the user of the units: sudo monitoring doctor",
        )
    elif path is None:
        yield warn("env file", f"none: neither MONITORING_ENV_FILE nor {ENV_FILE}; the environment alone counts")
    elif path.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
        yield fail("env file", f"{path} holds secrets and everybody may read it", f"chmod 0640 {path}")
    else:
        yield ok("env file", str(path))
    for mistake in patient.settings.env_mistakes:
        yield fail("env file", mistake, f"correct that line, then: {RESTART}")


def held(patient: DoctorContext) -> Iterator[Finding]:
    """The scheduler read the file at its start: what was changed since then counts from its next start on."""
    if patient.held is None:
        return
    if patient.held.outdated is not None:
        yield fail("env file", patient.held.outdated, patient.held.remedy)
    else:
        yield ok("env file", f"{patient.held.process.kind} uses it as it is now")


def api(patient: DoctorContext) -> Iterator[Finding]:
    """The API reads the file at its own start."""
    path = patient.settings.env_file
    pid = ask_systemd("show", "--property=MainPID", "--value", _API) or "0"
    since = running_since(int(pid)) if pid.isdecimal() and pid != "0" else None
    if path is not None and since is not None and datetime.fromtimestamp(path.stat().st_mtime, UTC) > since:
        yield warn("env file", f"it was written since {_API} started", f"sudo systemctl restart {_API}")


def backend(patient: DoctorContext) -> Iterator[Finding]:
    for warning in backend_warnings(patient.settings, patient.held):
        yield warn("cache", warning, "to return, see the runbook: take the line out, import with --overwrite, restart")


def public_address(patient: DoctorContext) -> Iterator[Finding]:
    """The API answers for the public host only if the variable names it, or an older nginx site is installed."""
    try:
        host = public_host(patient.settings.environ)
    except UsageError as error:
        yield fail("pages", str(error), f"correct that line, then: sudo systemctl restart {_API}")
        return
    if host is None and forwards_public_host():
        yield warn(
            "pages",
            f"{NGINX_SITE} passes the public name on to the API, and {PUBLIC_URL} does not say which it is",
            f"set {PUBLIC_URL}=https://… in the env file, then: sudo systemctl restart {_API}",
        )


EXAMINATIONS: tuple[Examination, ...] = (env_file, held, api, public_address, backend)
