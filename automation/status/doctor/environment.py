"""The environment: its file, and whether the running scheduler uses the file's values."""

from __future__ import annotations

import re
import stat
import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime

from automation.schedule.scheduler_liveness import RESTART, ask_systemd, running_since
from automation.status.collect import backend_warnings
from automation.status.doctor import DoctorContext, Examination, Finding, FindingLevel, Problem, ok
from automation.status.doctor.unit import installed_unit
from monitoring.base.errors import UsageError
from monitoring.base.public_address import NAME as PUBLIC_URL
from monitoring.base.public_address import NGINX_SITE, forwards_public_host, public_host
from monitoring.base.settings import ENV_FILE

API = "monitoring-api.service"
_RESTART_API = f"sudo systemctl restart {API}"
_ZONE_NAME = re.compile(r"[A-Za-z_]+(?:/[A-Za-z0-9_+-]+)+")

ENV_FILE_CLOSED = Problem(
    "env-file-closed",
    "env file",
    "commands in a shell do not know what the units know",
    f"{ENV_FILE} cannot be read by the user who typed the command",
    "commands of this user look at another configuration than the units use",
    "run it as the user of the units: sudo monitoring doctor",
)
ENV_FILE_OF_UNIT = Problem(
    "env-file-missing",
    "env file",
    "the unit is `failed` right after a start",
    f"the unit is installed, and there is no {ENV_FILE}",
    "the unit does not start without it, so nothing is checked",
    f"sudo install -m 0640 -o root -g $(id -gn) .env.example {ENV_FILE}, edit it, then: {RESTART}",
)
NO_ENV_FILE = Problem(
    "env-file-none",
    "env file",
    "no alert arrives, and nothing is configured",
    f"MONITORING_ENV_FILE names none, and neither {ENV_FILE} nor .env in the checkout is there",
    "settings that were only exported in one shell are gone in the next one",
    "python -m automation init writes one; by hand: install -m 600 .env.example .env",
    FindingLevel.WARN,
)
ENV_FILE_OPEN = Problem(
    "env-file-open",
    "env file",
    "nothing, until somebody else uses your tokens",
    "every user of this host may read or change the env file",
    "it holds tokens; anybody who has them writes into your chats and spends your quotas",
    f"sudo chmod 0640 {ENV_FILE}",
)
ENV_FILE_LINE = Problem(
    "env-file-line",
    "env file",
    "a variable has no effect, or another value",
    "a line of the env file is not what systemd takes: `export`, blanks around =, a comment behind a value, a quote",
    "the unit skips the line, or takes another value than you meant",
    f"correct that line, then: {RESTART}",
)
ENV_FILE_LATE = Problem(
    "env-file-late",
    "env file",
    "an edit of the env file has no effect",
    "the scheduler uses the values that it read at its start",
    "runs still use the old values: a removed test chat still gets every alert",
    RESTART,
)
API_LATE = Problem(
    "api-late",
    "env file",
    "an edit of the env file has no effect on the pages",
    f"the env file was written after {API} started",
    "the API and the pages still use the old values",
    _RESTART_API,
    FindingLevel.WARN,
)
TEXT_CACHE = Problem(
    "text-cache",
    "cache",
    "scripts forget or repeat what they had reported",
    "CACHE_BACKEND=file: utils.cache uses the legacy text files",
    "values in the text files and in the database drift apart",
    "to return, see the runbook: remove the line, import with --overwrite, restart",
    FindingLevel.WARN,
)
PUBLIC_URL_WRONG = Problem(
    "public-url-wrong",
    "pages",
    "the API does not start, or links in alerts lead nowhere",
    f"{PUBLIC_URL} is not a web address",
    "the API does not start with it",
    f"correct that line, then: {_RESTART_API}",
)
PUBLIC_URL_MISSING = Problem(
    "public-url-missing",
    "pages",
    "421 from the API behind your proxy",
    f"the proxy passes the public name on, and {PUBLIC_URL} does not say which it is",
    "a web page in your browser could read the pages by a name of its own",
    f"set {PUBLIC_URL}=https://… in the env file, then: {_RESTART_API}",
    FindingLevel.WARN,
)
TIME_ZONE = Problem(
    "time-zone",
    "clock",
    "times in the journal are off by hours",
    "TZ names a time zone that this host does not know",
    "programs take UTC in its place without a word; ticks are in UTC in any case",
    f"remove TZ from the env file, or correct it, then: {RESTART}",
    FindingLevel.WARN,
)


def env_file(context: DoctorContext) -> Iterator[Finding]:
    path = context.settings.env_file
    if path is None and ENV_FILE.exists():
        yield ENV_FILE_CLOSED.found(f"{ENV_FILE} exists but cannot be read by this user")
    elif path is None and installed_unit() is not None:
        yield ENV_FILE_OF_UNIT.found(f"{ENV_FILE} is missing: the unit does not start without it")
    elif path is None:
        text = (
            f"no env file: MONITORING_ENV_FILE, {ENV_FILE}, .env in the checkout; only the shell's environment is used"
        )
        yield NO_ENV_FILE.found(text)
    elif path.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
        yield ENV_FILE_OPEN.found(f"{path} holds secrets and every user may read it", f"chmod 0640 {path}")
    else:
        yield ok("env file", str(path))
    for mistake in context.settings.env_mistakes:
        yield ENV_FILE_LINE.found(mistake)


def held(context: DoctorContext) -> Iterator[Finding]:
    """The scheduler read the file at its start: later changes take effect at its next start."""
    if context.held is None:
        return
    if context.held.outdated is not None:
        yield ENV_FILE_LATE.found(context.held.outdated, context.held.remedy)
    else:
        yield ok("env file", f"{context.held.process.kind} uses its current values")


def api(context: DoctorContext) -> Iterator[Finding]:
    """The API reads the file at its own start."""
    path = context.settings.env_file
    pid = ask_systemd("show", "--property=MainPID", "--value", API) or "0"
    since = running_since(int(pid)) if pid.isdecimal() and pid != "0" else None
    if path is not None and since is not None and datetime.fromtimestamp(path.stat().st_mtime, UTC) > since:
        yield API_LATE.found(f"it was written after {API} started")


def backend(context: DoctorContext) -> Iterator[Finding]:
    for warning in backend_warnings(context.settings, context.held):
        yield TEXT_CACHE.found(warning)


def public_address(context: DoctorContext) -> Iterator[Finding]:
    """The API answers for the public host only if the variable names it, or an older nginx site is installed."""
    try:
        host = public_host(context.settings.environ)
    except UsageError as error:
        yield PUBLIC_URL_WRONG.found(str(error))
        return
    if host is None and forwards_public_host():
        text = f"{NGINX_SITE} passes the public name on to the API, and {PUBLIC_URL} does not say which it is"
        yield PUBLIC_URL_MISSING.found(text)


def time_zone(context: DoctorContext) -> Iterator[Finding]:
    name = context.in_force.environ.get("TZ", "").lstrip(":")
    known = zoneinfo.available_timezones() if _ZONE_NAME.fullmatch(name) else set()
    if known and name not in known:
        yield TIME_ZONE.found(f"TZ={name} is not a time zone of this host")


EXAMINATIONS: tuple[Examination, ...] = (env_file, held, api, public_address, backend, time_zone)
