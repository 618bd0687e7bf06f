"""What is outside: bots, chats, chains, origin, the API. Asked at once, each within a few seconds."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from automation.schedule.scheduler_liveness import ask_systemd
from automation.status.doctor import DoctorContext, Examination, Finding, FindingLevel, Problem, ok
from automation.status.doctor.alarms import routes
from automation.status.doctor.environment import API
from automation.status.doctor.watched import watched
from automation.sync.attempt import DEPLOYED_FLAG
from automation.sync.git import Git, GitError
from monitoring.alerts.senders.telegram import TelegramChat
from monitoring.alerts.senders.telegram.bot import BotAccount, BotError, BotProblem
from monitoring.base.errors import MonitoringError
from monitoring.base.http.client import Failure, HttpClient, Request
from monitoring.base.http.deadline import call_within

_LIMIT_S = 8.0
_CHAINS_LIMIT_S = 20.0
_PORT = "8923"
_MOST = 3

NETWORK = Problem(
    "network",
    "network",
    "no alert arrives, no chain can be read, no merge arrives",
    "nothing outside this host answers: name resolution, routing, a firewall or a proxy",
    "neither checks nor alerts work",
    "getent hosts api.telegram.org; ip route; curl -sv https://api.telegram.org",
)
TOKEN = Problem(
    "bot-refused",
    "bot",
    "Telegram is suddenly quiet; `401 Unauthorized`",
    "Telegram refuses the token of a bot: revoked, or mistyped",
    "every alert that this bot should send waits",
    "get a new token from @BotFather (/token), set it in the env file, then: sudo systemctl restart monitoring",
)
BOT = Problem(
    "bot-silent",
    "bot",
    "alerts arrive late or not at all",
    "the Bot API does not answer",
    "alerts wait until it does",
    "curl -sv https://api.telegram.org; status: python -m automation deliver",
)
CHAT = Problem(
    "chat-refused",
    "chat",
    "one chat is quiet; `chat not found`, `bot was kicked`",
    "the bot is not in the chat, or the chat id is wrong",
    "alerts of its channels wait",
    "add the bot to the chat, or correct the chat id in the env file, then: python -m automation deliver",
)
CHAIN = Problem(
    "chain-silent",
    "chain",
    "`… cannot be read`, checks without data",
    "no endpoint of a chain answers with a fresh block",
    "no check on this chain has data",
    "set PROVIDER_URL_<CHAIN> to an endpoint of your own; test it with: python -m monitoring.chains probe",
)
ENDPOINT = Problem(
    "endpoint-dead",
    "endpoint",
    "checks are slow, or have no data now and then",
    "an endpoint of a chain does not answer, is far behind, or asks for a key",
    "the others carry its load, and nothing is left when they fail",
    "replace it in PROVIDER_URL_<CHAIN>; test it with: python -m monitoring.chains probe",
    FindingLevel.WARN,
)
ORIGIN = Problem(
    "origin-silent",
    "origin",
    "merges do not arrive; `pre-run git sync` fails",
    "origin cannot be fetched: address, credentials or network",
    "nothing that is merged reaches this host",
    "git fetch origin, as the owner of the checkout",
)
API_DOWN = Problem(
    "api-down",
    "API",
    "the pages do not open; 502 from the proxy",
    "the API is enabled, and does not answer on its port",
    "pages, metrics and the watcher of /healthz see nothing",
    f"sudo systemctl restart {API}; journalctl -u monitoring-api -n 50",
)
_OUTSIDE = {BOT.kind, CHAIN.kind, ORIGIN.kind}

Ask = Callable[[], list[Finding]]


def outside(context: DoctorContext) -> Iterator[Finding]:
    """Ask everything at once; where nothing outside answers that is one finding, not many."""
    asks: list[Ask] = [partial(_api, context)]
    if context.online:
        asks += [*_bots(context), *_chains(context), partial(_origin, context)]
    with ThreadPoolExecutor(len(asks)) as threads:
        answers = [found for found in threads.map(_within_limit, asks) if found]
    findings = [finding for found in answers for finding in found]
    silent = [finding for finding in findings if finding.kind in _OUTSIDE]
    reached = [finding for finding in findings if finding.level is FindingLevel.OK and finding.subject != "API"]
    if len(silent) > 1 and not reached:
        yield NETWORK.found(f"nothing outside answers, for example {silent[0].subject}: {silent[0].text}")
        findings = [finding for finding in findings if finding.kind not in (*_OUTSIDE, ENDPOINT.kind)]
    yield from findings


def _within_limit(ask: Ask) -> list[Finding]:
    found = call_within(_CHAINS_LIMIT_S, ask)
    return [] if found is None else found


def _bots(context: DoctorContext) -> list[Ask]:
    """Return one question a bot: is its token good, and does it see its chats?"""
    chats: dict[str, dict[str, list[str]]] = {}
    for channel, route in routes(context).items():
        for each in route.destinations:
            if isinstance(each, TelegramChat) and not each.missing:
                chats.setdefault(each.token_variable, {}).setdefault(each.chat_id, []).append(channel)
    return [partial(_bot, context, variable, found) for variable, found in chats.items()]


def _bot(context: DoctorContext, variable: str, chats: dict[str, list[str]]) -> list[Finding]:
    environ = context.in_force.environ
    bot = BotAccount.of(environ[variable], environ, _LIMIT_S)
    try:
        name = bot.username()
    except MonitoringError as error:
        refused = isinstance(error, BotError) and error.problem is BotProblem.TOKEN_REFUSED
        return [(TOKEN if refused else BOT).found(f"the bot of {variable}: {error}")]
    found = [ok("bot", f"@{name} of {variable}")]
    for chat_id, channels in chats.items():
        try:
            found.append(ok("chat", f"{bot.chat(chat_id)}: {_names(channels)}"))
        except MonitoringError as error:
            found.append(CHAT.found(f"{chat_id} of {_names(channels)}: {error}"))
    return found


def _names(names: list[str]) -> str:
    more = f" and {len(names) - _MOST} more" if names[_MOST:] else ""
    return ", ".join(names[:_MOST]) + more


def _chains(context: DoctorContext) -> list[Ask]:
    chains = sorted(watched(context).chains)
    return [partial(_probed, context, chains)] if chains else []


def _probed(context: DoctorContext, chains: list[int]) -> list[Finding]:
    words = [word for chain in chains for word in ("--chain", str(chain))]
    argv = [sys.executable, "-m", "monitoring.chains", "probe", "--json", *words]
    environ = {**context.in_force.environ, "MONITORING_ENV_FILE": ""}
    try:
        done = subprocess.run(
            argv,
            cwd=context.settings.checkout,
            env=environ,
            capture_output=True,
            text=True,
            timeout=_CHAINS_LIMIT_S - 1,
            check=False,
        )
        probes = json.loads(done.stdout)
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return [CHAIN.found("the endpoints did not answer in time: python -m monitoring.chains probe")]
    return [finding for name in dict.fromkeys(one["chain"] for one in probes) for finding in _chain(name, probes)]


def _chain(name: str, probes: list[dict[str, object]]) -> list[Finding]:
    of_chain = [one for one in probes if one["chain"] == name]
    failed = [one for one in of_chain if not one["ok"]]
    dead = [_endpoint(one) for one in failed if one["configured"]]
    public = [str(one["host"]).removesuffix(" (public)") for one in failed if not one["configured"]]
    variable = f"PROVIDER_URL_{name.upper()}"
    if len(failed) == len(of_chain):
        text = f"no endpoint of {name} answers ({len(of_chain)} asked), for example {_endpoint(failed[0])}"
        return [CHAIN.found(text, f"set {variable}; test it with: python -m monitoring.chains probe --chain {name}")]
    # A public one that fails is nobody's to fix while others answer.
    without = f"; public ones that do not: {_names(public)}" if public else ""
    good = ok("chain", f"{name}: {len(of_chain) - len(failed)} of {len(of_chain)} endpoints answer{without}")
    test = f"replace it in {variable}; test it with: python -m monitoring.chains probe --chain {name}"
    return [good, *(ENDPOINT.found(f"{name}: {each}", test) for each in dead)]


def _endpoint(one: dict[str, object]) -> str:
    host, problem = str(one["host"]), str(one["problem"])
    return problem if problem.startswith(host) else f"{host}: {problem}"


def _origin(context: DoctorContext) -> list[Finding]:
    """Ask only where the checkout follows origin; nothing is kept of what is fetched."""
    git = Git(context.settings.checkout, context.settings.environ)
    try:
        if not git.directory.exists() or not git.is_set(DEPLOYED_FLAG):
            return []
    except GitError:
        return []  # reported by the check of the checkout
    try:
        git.fetch("HEAD", "--dry-run", remote="origin", time_limit_s=_LIMIT_S)
    except GitError as error:
        return [ORIGIN.found(str(error))]
    return [ok("origin", "can be fetched")]


def _api(context: DoctorContext) -> list[Finding]:
    """Ask the API where it is enabled; that it answers is enough, what is wrong is found by the other checks."""
    if ask_systemd("is-enabled", API) != "enabled":
        return []
    port = context.settings.environ.get("MONITORING_API_PORT") or _PORT
    answer = HttpClient({}, max_bytes=0).exchange(Request(f"http://127.0.0.1:{port}/healthz"), _LIMIT_S)
    if isinstance(answer, Failure):
        return [API_DOWN.found(f"{API} is enabled, and 127.0.0.1:{port} does not answer: {answer.what}")]
    return [ok("API", f"127.0.0.1:{port} answers")]


EXAMINATIONS: tuple[Examination, ...] = (outside,)
