"""The environment: its file, and whether the running scheduler uses the file's values."""

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


def env_file(context: DoctorContext) -> Iterator[Finding]:
    path = context.settings.env_file
    if path is None and ENV_FILE.exists():
        yield fail(
            "env file",
            f"{ENV_FILE} exists but cannot be read by this user",
            "run it as the user of the units: sudo monitoring doctor",
        )
    elif path is None:
        yield warn(
            "env file", f"no env file: neither MONITORING_ENV_FILE nor {ENV_FILE}; only the shell's environment is used"
        )
    elif path.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
        yield fail("env file", f"{path} holds secrets and every user may read it", f"chmod 0640 {path}")
    else:
        yield ok("env file", str(path))
    for mistake in context.settings.env_mistakes:
        yield fail("env file", mistake, f"correct that line, then: {RESTART}")


def held(context: DoctorContext) -> Iterator[Finding]:
    """The scheduler read the file at its start: later changes take effect at its next start."""
    if context.held is None:
        return
    if context.held.outdated is not None:
        yield fail("env file", context.held.outdated, context.held.remedy)
    else:
        yield ok("env file", f"{context.held.process.kind} uses its current values")


def api(context: DoctorContext) -> Iterator[Finding]:
    """The API reads the file at its own start."""
    path = context.settings.env_file
    pid = ask_systemd("show", "--property=MainPID", "--value", _API) or "0"
    since = running_since(int(pid)) if pid.isdecimal() and pid != "0" else None
    if path is not None and since is not None and datetime.fromtimestamp(path.stat().st_mtime, UTC) > since:
        yield warn("env file", f"it was written after {_API} started", f"sudo systemctl restart {_API}")


def backend(context: DoctorContext) -> Iterator[Finding]:
    for warning in backend_warnings(context.settings, context.held):
        yield warn("cache", warning, "to return, see the runbook: remove the line, import with --overwrite, restart")


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
