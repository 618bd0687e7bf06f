"""Variables that nobody reads: of the replaced system, misspelt, or of no use. Only names are ever shown."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from automation.status.doctor import DoctorContext, Examination, Finding, FindingLevel, Problem
from automation.status.doctor.alarms import routes
from monitoring.alerts.channels import variable_part
from monitoring.alerts.senders.webhook import EMERGENCY, FORMAT
from monitoring.base.env_file import read_env_file
from monitoring.base.suggest import nearest

_WHY = "a setting that nobody reads does not do what it says"

RETIRED = Problem(
    "variable-retired",
    "variables",
    "a chat or a service of the replaced system gets nothing any more",
    "a variable of the replaced system that nothing reads any more",
    _WHY,
    "set what replaces it in the env file and remove the line",
    FindingLevel.WARN,
)
KEPT = Problem(
    "variable-old-name",
    "variables",
    "a setting of the replaced system does less than it did",
    "a variable of the replaced system that is read under its old name",
    "its name does not say what it does here",
    "rename it in the env file as the message says, then: sudo systemctl restart monitoring",
    FindingLevel.WARN,
)
MISSPELT = Problem(
    "variable-misspelt",
    "variables",
    "a setting has no effect",
    "a variable that nothing reads, named almost like one that is read",
    _WHY,
    "rename it in the env file, then: sudo systemctl restart monitoring",
    FindingLevel.WARN,
)
UNREAD = Problem(
    "variable-unread",
    "variables",
    "a setting has no effect",
    "a variable of the env file that neither this program nor a file of protocols/ or jobs.yaml names",
    _WHY,
    "remove the line from the env file, or correct its name",
    FindingLevel.WARN,
)

# Of the system this replaces: what took its place.
_RETIRED: Mapping[str, str] = {
    r"LIQUIDITY_WEBHOOK_(?:URL|SECRET)": "to call it in the old format set WEBHOOK_FORMAT=emergency_withdrawal; see "
    "what it gets with: python -m automation drill --webhook; or set WEBHOOK_URL_<CHANNEL> and WEBHOOK_SECRET",
    r"TALLY_\w+": "governors are read from the chain: protocols/proposals; only its kind `tally` still asks Tally",
    r"DUNE_\w+": "limits are in the monitor files; data of a service is read by `http:`, see docs/monitor-yaml.md",
    r"LLM_(?!(?:API_KEY|BASE_URL|MODEL|DEADLINE_S|DAILY_REQUESTS|DAILY_TOKENS)$)\w+": "the explainer reads "
    "LLM_BASE_URL, LLM_MODEL and LLM_API_KEY: docs/ai.md",
    r"(?:APYUSD|PEG_ORACLE|USDAI)_\w+": "limits are in the monitor files: protocols/",
}
# Of the system this replaces and read as before: what it does here, and its name here.
_KEPT: Mapping[str, tuple[str, str]] = {
    r"ENVIO_GRAPHQL_URL": (
        "only protocols/indexer and protocols/threejane/borrowers.py read it",
        "logs are read from the chain itself: set PROVIDER_URL_<CHAIN>; remove the line to switch these two off",
    ),
    r"ETHERSCAN_TOKEN": ("it is read where ETHERSCAN_API_KEY is not set", "rename it to ETHERSCAN_API_KEY"),
    r"TELEGRAM_(CHAT|TOPIC)_ID_ENVIO": (
        "alerts about sources go there where SOURCES has no chat or topic",
        r"rename it to TELEGRAM_\1_ID_SOURCES",
    ),
    r"TELEGRAM_(CHAT|TOPIC)_ID_CURATION": (
        "only alerts of the channel CURATION go there; its Safes are in protocols/safes and alert as YEARN_MS",
        r"rename it to TELEGRAM_\1_ID_YEARN_MS, or leave it if a script of yours names that channel",
    ),
}
_KEPT_NAME = re.compile("|".join(f"(?:{pattern})" for pattern in _KEPT))
_RETIRED_NAME = re.compile("|".join(f"(?:{pattern})" for pattern in _RETIRED))
# Every variable that this program reads by its whole name.
READ = frozenset((
    "ALERTS_CONSOLE", "CACHE_BACKEND", "CACHE_DIR", "CACHE_FILENAME", "DEFILLAMA_URL", "ETHERSCAN_API_KEY",
    "ETHERSCAN_URL", "FOURBYTE_URL", "LLM_API_KEY", "LLM_BASE_URL", "LLM_DAILY_REQUESTS",
    "LLM_DAILY_TOKENS", "LLM_DEADLINE_S", "LLM_MODEL", "LOG_LEVEL", "MONITORING_API_HOST", "MONITORING_API_PORT",
    "MONITORING_ENV_FILE", "MONITORING_PUBLIC_URL", "NONCE_FILENAME", "NO_COLOR",
    "SAFE_API_KEY", "SAFE_SERVICE_URL", "TELEGRAM_API_URL", "TELEGRAM_TEST_CHAT_ID", "WEBHOOK_FORMAT", "WEBHOOK_SECRET",
))  # fmt: skip
# Those that end in the name of a channel or a chain, which some file must name.
_OF_CHANNEL = ("TELEGRAM_CHAT_ID_", "TELEGRAM_TOPIC_ID_", "TELEGRAM_BOT_TOKEN_", "WEBHOOK_URL_", "NOTIFY_URLS_")
_OF_CHAIN = "PROVIDER_URL_"
# Set by this program itself, numbered, or read by what it is made of.
_READ_TOO = re.compile(
    r"AUTOMATION_\w+|SAFE_API_KEY_\d|PROVIDER_PUBLIC|TZ|LANG|LC_\w+|PATH|HOME|USER|SHELL|TERM|TMPDIR|PYTHON\w+|SSL_CERT_(?:FILE|DIR)"
    r"|GIT_\w+|SSH_\w+|(?i:(?:https?|all|no)_proxy)"
)
# How a name begins that only this program reads: looked at in the whole environment, not only in the env file.
_OURS = re.compile(r"(?:TELEGRAM|MONITORING|PROVIDER|WEBHOOK|NOTIFY|HEARTBEAT|ALERTS|SAFE|ETHERSCAN|CACHE|NONCE)_\w+")
_CHANNELS = frozenset({"DEFAULT", "TOPICS", "ERRORS", "AUTOMATION", "SOURCES", "ENVIO", "CURATION"})
_SLUG = re.compile(r"\bslug:[ ]*[\"']?([a-z0-9_-]+)")


def retired(context: DoctorContext) -> Iterator[Finding]:
    for name, value in sorted(context.settings.environ.items()):
        if value.strip() and _RETIRED_NAME.fullmatch(name) and not _is_chosen(name, context):
            remedy = next(text for pattern, text in _RETIRED.items() if re.fullmatch(pattern, name))
            yield RETIRED.found(f"nothing reads {name} of the replaced system", f"{remedy}; then remove the line")


def kept(context: DoctorContext) -> Iterator[Finding]:
    for name, value in sorted(context.settings.environ.items()):
        for pattern, (text, remedy) in _KEPT.items():
            if value.strip() and (found := re.fullmatch(pattern, name)):
                yield KEPT.found(f"{name} of the replaced system: {text}", found.expand(remedy))


def _is_chosen(name: str, context: DoctorContext) -> bool:
    """Return whether a variable of the old emergency hook is read, because its format is chosen."""
    return name.startswith("LIQUIDITY_WEBHOOK_") and context.settings.environ.get(FORMAT, "").strip() == EMERGENCY


def unread(context: DoctorContext) -> Iterator[Finding]:
    environ, in_file = context.settings.environ, _names_in_env_file(context)
    channels = _CHANNELS | routes(context).keys()
    text = _text(context.settings.checkout)
    slugs = {slug.upper().replace("-", "_") for slug in _SLUG.findall(text)}
    mentioned = f"_{variable_part(text)}_"
    known = READ | {f"{start}{channel}" for start in _OF_CHANNEL for channel in channels}
    known |= {f"{_OF_CHAIN}{slug}" for slug in slugs}
    for name in sorted(environ.keys() & (in_file | set(filter(_OURS.fullmatch, environ)))):
        if _RETIRED_NAME.fullmatch(name) or _KEPT_NAME.fullmatch(name) or _READ_TOO.fullmatch(name) or name in known:
            continue
        end = _end_of(name)
        if f"_{variable_part(end or name)}_" not in mentioned:
            close = nearest(name, (each.lower() for each in known))
            if close is not None:
                yield MISSPELT.found(f"nothing reads {name}: did you mean {close.upper()}?")
            else:
                yield UNREAD.found(f"nothing reads {name}")


def _end_of(name: str) -> str:
    """Return the channel or the chain in a variable's name, if it has one."""
    if name.startswith(_OF_CHAIN):
        return re.sub(r"_\d$", "", name.removeprefix(_OF_CHAIN))
    return next((name.removeprefix(start) for start in _OF_CHANNEL if name.startswith(start)), "")


def _names_in_env_file(context: DoctorContext) -> frozenset[str]:
    path = context.settings.env_file
    if path is None:
        return frozenset()
    with contextlib.suppress(OSError):
        return frozenset(read_env_file(path).values)
    return frozenset()


def _text(checkout: Path) -> str:
    """Return what the files say that may name a variable, a channel or a chain: the team's own, and our chains."""
    own = (path for path in (checkout / "protocols").rglob("*") if path.suffix in (".py", ".yaml", ".yml"))
    jobs = (checkout / "automation").glob("jobs*/*.yaml")
    chains = (checkout / "monitoring" / "chains" / "data").glob("chains*.yaml")
    found = []
    for path in (*own, checkout / "automation" / "jobs.yaml", *jobs, *chains):
        with contextlib.suppress(OSError):
            found.append(path.read_text(encoding="utf-8", errors="replace"))
    return "\n".join(found)


EXAMINATIONS: tuple[Examination, ...] = (retired, kept, unread)
