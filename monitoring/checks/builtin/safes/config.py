"""`safes`: what is queued on Safes, by whom, and every change of who controls them.

Five conditions per Safe and chain: the queue (verb `items`), owners and modules (`members`), the rest of its setup
(`changed`), and what modules ran (`logs`). The chain is read each run; the Safe Transaction Service as often as its
quota allows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from monitoring.alerts.message.model import Severity
from monitoring.base.suggest import did_you_mean
from monitoring.chains.abi.addresses import SignatureError
from monitoring.chains.abi.function import parse_function
from monitoring.checks.builtin.safes.modules import ModuleRunsPart
from monitoring.checks.builtin.safes.queue import PollSchedule, QueuePart, queue_policy
from monitoring.checks.builtin.safes.rate_limit import QueueOf, answer_queues
from monitoring.checks.builtin.safes.rules import Loudness, Skip
from monitoring.checks.builtin.safes.setup import SetPart, SetupPart, SlotsOf, answer_slots
from monitoring.checks.builtin.shared.contract_logs import LogsSince, answer_logs
from monitoring.checks.builtin.shared.data_rows import RowContract, read_places, read_rows
from monitoring.checks.builtin.shared.log_reading import logs_policy
from monitoring.checks.config.yaml_node import Spot
from monitoring.checks.engine.plan import CheckInstance
from monitoring.checks.engine.plugin import CheckType, PluginContext
from monitoring.checks.rules.members import MembersPolicy
from monitoring.checks.rules.readings import SEED, FirstRun
from monitoring.checks.rules.steps import either
from monitoring.conditions.condition import ConditionKey
from monitoring.conditions.policy import Policy

EVERY, MIN_EVERY = timedelta(minutes=10), timedelta(minutes=1)
_SEVERITIES = ("severity", "expected", "unexpected_proposer", "competing", "changes", "module_runs")
_KEYS = ("from", "rows", "every", "fresh_within", "first_run_lookback", "skip", *_SEVERITIES)


@dataclass(frozen=True, slots=True)
class Safe:
    place: RowContract
    expected: frozenset[str]


@dataclass(frozen=True, slots=True)
class SafesConfig:
    rows: tuple[Safe, ...]
    pace: PollSchedule
    loud: Loudness
    changes: Severity
    module_runs: Severity
    first_run: FirstRun
    skips: tuple[Skip, ...]


def _schema(section: Spot, around: PluginContext) -> SafesConfig | None:
    section.only(_KEYS)
    usual = Loudness()
    given = {key: spot.severity() if (spot := section.get(key)) else None for key in _SEVERITIES}
    loud = Loudness(
        either(given["severity"], usual.usual),
        either(given["expected"], usual.expected),
        either(given["unexpected_proposer"], usual.unexpected),
        either(given["competing"], usual.competing),
    )
    rows = [
        Safe(place, _expected(spot.get("expected_proposers")))
        for place, spot in read_places(read_rows(section, around), around, ("expected_proposers",))
    ]
    lookback = section.get("first_run_lookback")
    within = lookback.duration() if lookback else None
    return SafesConfig(
        tuple(rows),
        _pace(section, len(rows)),
        loud,
        either(given["changes"], Severity.HIGH),
        either(given["module_runs"], Severity.MEDIUM),
        FirstRun(within=within) if within else SEED,
        _skips(section.get("skip"), {safe.place.route.protocol for safe in rows}),
    )


def _pace(section: Spot, safes: int) -> PollSchedule:
    often, fresh = section.get("every"), section.get("fresh_within")
    every = (often.duration() if often else None) or EVERY
    within = fresh.duration() if fresh else None
    if often and every < MIN_EVERY:
        often.wrong("at least 1m: the service allows a few thousand calls a month")
    if fresh and within and within < every:
        fresh.wrong("this is shorter than every, so no answer would ever be fresh")
    return PollSchedule(every, within, max(safes, 1))


def _expected(spot: Spot | None) -> frozenset[str]:
    """Read who proposes; a list of nobody would make every transaction a stranger's."""
    if spot is None:
        return frozenset()
    items = spot.items("a list of addresses")
    if not items:
        spot.wrong("nobody is expected to propose: leave the key out where anybody may")
    return frozenset(address for item in items if (address := item.address()))


def _skips(spot: Spot | None, protocols: set[str]) -> tuple[Skip, ...]:
    found: list[Skip] = []
    for item in spot.items("a list of what to leave out") if spot else []:
        item.only(("protocol", "unless_to", "unless_calls"))
        whose = item.need("protocol", "whose transactions are left out")
        protocol = whose.name() if whose else None
        if whose and protocol and protocol not in protocols:
            whose.wrong(f"no row is of {protocol}{did_you_mean(protocol, list(protocols))}")
        targets, calls = item.get("unless_to"), item.get("unless_calls")
        if targets is None and calls is None:
            item.wrong("unless_to or unless_calls is missing: without one nothing of it would be watched")
        reached = [one.address() for one in targets.items("a list of addresses")] if targets else []
        made = [_selector(one) for one in calls.items("a list of functions")] if calls else []
        if protocol:
            found.append(Skip(protocol, frozenset(filter(None, reached)), frozenset(filter(None, made))))
    return tuple(found)


def _selector(spot: Spot) -> bytes | None:
    text = spot.text("a function")
    try:
        return parse_function(text).selector if text else None
    except SignatureError as error:
        spot.wrong(str(error))
        return None


def _plan(config: SafesConfig, around: PluginContext) -> Sequence[CheckInstance]:
    return [part for safe in config.rows for part in _parts(safe, config, around.monitor)]


def _parts(safe: Safe, config: SafesConfig, monitor: str) -> list[CheckInstance]:
    place = safe.place
    loud = config.changes
    sets = MembersPolicy(severity=loud, added=loud, removed=loud)

    def key(check: str) -> ConditionKey:
        return ConditionKey(monitor, check, place.chain, place.address)

    return [
        QueuePart(
            key("safe-queue"),
            place,
            config.pace,
            config.loud,
            queue_policy(config.loud, config.first_run),
            safe.expected,
            tuple(skip for skip in config.skips if skip.protocol == place.route.protocol),
        ),
        SetPart(key("safe-owners"), place, "owner", sets),
        SetPart(key("safe-modules"), place, "module", sets),
        SetupPart(key("safe-setup"), place, Policy(severity=loud)),
        ModuleRunsPart(key("safe-module-runs"), place, logs_policy(place.chain, config.module_runs, SEED)),
    ]


TYPE: CheckType[SafesConfig] = CheckType(
    "safes", _schema, _plan, {QueueOf: answer_queues, SlotsOf: answer_slots, LogsSince: answer_logs}
)
if TYPE_CHECKING:
    _: tuple[type[CheckInstance], ...] = (QueuePart, SetPart, SetupPart, ModuleRunsPart)
