"""`safes`: what is queued on Safes, by whom, what became of it, and every change of who controls them.

Six conditions per Safe and chain: the queue (verb `items`), what was executed (`logs`), owners and modules (`members`),
the rest of its setup (`changed`), and what modules ran (`logs`). Each queued transaction has one of its own. The chain
is read each run; the Safe Transaction Service as often as its quota allows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from monitoring.alerts.message.model import Severity
from monitoring.base.suggest import did_you_mean
from monitoring.base.yaml.keys import Section, entry
from monitoring.chains.abi.addresses import SignatureError
from monitoring.chains.abi.function import parse_function
from monitoring.chains.abi.values import Unknown
from monitoring.chains.safes.signatures import SignerOf, signers
from monitoring.checks.builtin.safes.executed import CarrierOf, answer_carriers
from monitoring.checks.builtin.safes.modules import ModuleRunsPart
from monitoring.checks.builtin.safes.queue import PollSchedule, QueuePart, queue_policy
from monitoring.checks.builtin.safes.rate_limit import QueueOf, answer_queues
from monitoring.checks.builtin.safes.rules import Loudness, Skip
from monitoring.checks.builtin.safes.setup import SetPart, SetupPart, SlotsOf, answer_slots
from monitoring.checks.builtin.safes.transactions import ExecutionsPart, TransactionPart
from monitoring.checks.builtin.shared.contract_logs import LogsSince, answer_logs
from monitoring.checks.builtin.shared.data_rows import COMMON, FROM, RowContract, read_places, read_rows, rows_key
from monitoring.checks.builtin.shared.per_chain import answer_per_chain
from monitoring.checks.config.yaml_node import Spot
from monitoring.checks.engine.plan import CheckInstance
from monitoring.checks.engine.plugin import CheckType, PluginContext
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.rules.keys import ADDRESS, DURATION, NAME, Listed, severity_row, text_of
from monitoring.checks.rules.logs import LogsPolicy
from monitoring.checks.rules.members import MembersPolicy
from monitoring.checks.rules.readings import SEED, FirstRun
from monitoring.checks.rules.steps import either
from monitoring.conditions.condition import ConditionKey
from monitoring.conditions.policy import Policy

MIN_EVERY = timedelta(minutes=1)
_USUAL = Loudness()
PROPOSERS = entry(
    "expected_proposers",
    Listed(ADDRESS),
    "Who may propose here; another proposer is reported as unexpected.",
    default="",
    without="anybody",
    example='expected_proposers: ["0x5E69fb460c9950F5AE90DafFc4C4F32EcafaCaA5"]',
)
ROW = Section("A Safe.", *COMMON, PROPOSERS)
WHOSE = entry(
    "protocol",
    NAME,
    "Whose transactions are left out.",
    without="whose transactions are left out",
    example="protocol: euler",
)
UNLESS_TO = entry(
    "unless_to",
    Listed(ADDRESS),
    "But not those to these addresses.",
    default="",
    without="or unless_calls",
    example='unless_to: ["0x797DD80692c3b2dAdabCe8e30C07fDE5307D48a9"]',
)
UNLESS_CALLS = entry(
    "unless_calls",
    Listed(text_of("function", "a function")),
    "But not those that call these functions.",
    default="",
    without="or unless_to",
    example='unless_calls: ["transfer(address,uint256)"]',
)
SKIP = Section("What is left out.", WHOSE, UNLESS_TO, UNLESS_CALLS)
USUAL = severity_row(_USUAL.usual, "Severity of a queued transaction, if its row has no expected_proposers.")
EXPECTED = severity_row(_USUAL.expected, "Severity of one that an expected proposer queued.", "expected")
STRANGER = severity_row(_USUAL.unexpected, "Severity of one that any other proposer queued.", "unexpected_proposer")
COMPETING = severity_row(
    _USUAL.competing, "Severity of another transaction with a nonce that was reported before.", "competing"
)
CHANGES = severity_row(Severity.HIGH, "Severity of a change of owners, modules or setup.", "changes")
MODULE_RUNS = severity_row(Severity.MEDIUM, "Severity of a transaction that a module executed.", "module_runs")
EVERY = entry(
    "every",
    DURATION,
    "How often each Safe's queue is asked for, as far as the quota allows.",
    default="10m",
    example="every: 30m",
)
FRESH = entry(
    "fresh_within",
    DURATION,
    "An answer older than this is reported.",
    default="",
    without="a turn and a half",
    example="fresh_within: 30m",
)
LOOKBACK = entry(
    "first_run_lookback",
    DURATION,
    "How far back the first run reports what is queued.",
    default="",
    without="nothing is reported",
    example="first_run_lookback: 12h",
)
SKIPS = entry(
    "skip",
    Listed(SKIP, "list of what to leave out"),
    "Transactions that are not reported.",
    default="",
    example='skip: [{protocol: euler, unless_to: ["0x797DD80692c3b2dAdabCe8e30C07fDE5307D48a9"]}]',
)
_LOUD = (USUAL, EXPECTED, STRANGER, COMPETING, CHANGES, MODULE_RUNS)
SECTION = Section(
    "Safes: what is queued, by whom, and every change of who controls them.",
    FROM,
    rows_key(ROW),
    EVERY,
    FRESH,
    LOOKBACK,
    SKIPS,
    *_LOUD,
)
SAFES = entry("safes", SECTION, SECTION.sentence, default="", example="safes: {from: safes.yaml}")


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
    section.only(SECTION.keys)
    loud = Loudness(
        either(section.value(USUAL), _USUAL.usual),
        either(section.value(EXPECTED), _USUAL.expected),
        either(section.value(STRANGER), _USUAL.unexpected),
        either(section.value(COMPETING), _USUAL.competing),
    )
    rows = [
        Safe(place, _expected(spot.get(PROPOSERS.name)))
        for place, spot in read_places(read_rows(section, around), around, (PROPOSERS,))
    ]
    within = section.value(LOOKBACK)
    return SafesConfig(
        tuple(rows),
        _pace(section, len(rows)),
        loud,
        either(section.value(CHANGES), Severity.HIGH),
        either(section.value(MODULE_RUNS), Severity.MEDIUM),
        FirstRun(within=within) if within else SEED,
        _skips(section.get(SKIPS.name), {safe.place.route.protocol for safe in rows}),
    )


def _pace(section: Spot, safes: int) -> PollSchedule:
    often, fresh = section.get(EVERY.name), section.get(FRESH.name)
    every, within = section.value(EVERY) or MIN_EVERY, section.value(FRESH)
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
        item.only(SKIP.keys)
        whose, protocol = item.get(WHOSE.name), item.value(WHOSE)
        if whose and protocol and protocol not in protocols:
            whose.wrong(f"no row is of {protocol}{did_you_mean(protocol, list(protocols))}")
        targets, calls = item.get(UNLESS_TO.name), item.get(UNLESS_CALLS.name)
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

    queue = QueuePart(
        key("safe-queue"),
        place,
        config.pace,
        config.loud,
        queue_policy(config.loud, config.first_run),
        safe.expected,
        tuple(skip for skip in config.skips if skip.protocol == place.route.protocol),
    )
    return [
        queue,
        ExecutionsPart(key("safe-executions"), place, queue, LogsPolicy(severity=Severity.MEDIUM)),
        SetPart(key("safe-owners"), place, "owner", sets),
        SetPart(key("safe-modules"), place, "module", sets),
        SetupPart(key("safe-setup"), place, Policy(severity=loud)),
        ModuleRunsPart(key("safe-module-runs"), place, LogsPolicy(severity=config.module_runs)),
    ]


def answer_signers(asked: Sequence[SignerOf], at: EvaluationPoint) -> Mapping[SignerOf, str | Unknown]:
    """Ask each chain whose the signatures are."""
    return answer_per_chain(asked, at, signers)


TYPE: CheckType[SafesConfig] = CheckType(
    SAFES,
    _schema,
    _plan,
    {
        QueueOf: answer_queues,
        SlotsOf: answer_slots,
        SignerOf: answer_signers,
        LogsSince: answer_logs,
        CarrierOf: answer_carriers,
    },
)
if TYPE_CHECKING:
    _: tuple[type[CheckInstance], ...] = (
        QueuePart,
        ExecutionsPart,
        TransactionPart,
        SetPart,
        SetupPart,
        ModuleRunsPart,
    )
