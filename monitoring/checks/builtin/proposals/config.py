"""The rows of `proposals`: whose governance, of which kind, and whom its alerts go to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from monitoring.alerts.message.model import Severity
from monitoring.base.yaml.keys import Key, Section, entry
from monitoring.checks.builtin.proposals.part import ProposalsPart
from monitoring.checks.builtin.proposals.proposal import ProposalStage
from monitoring.checks.builtin.proposals.source import KINDS, ON_CHAIN, SERVICES, GovernorSource, ServiceSource
from monitoring.checks.builtin.proposals.unproposed import UnproposedPart
from monitoring.checks.builtin.shared.contract_logs import LogsSince, answer_logs
from monitoring.checks.builtin.shared.data_rows import (
    CHANNEL,
    ENABLED,
    FROM,
    ITS_NAME,
    NOTE,
    PROTOCOL,
    read_route,
    read_rows,
    rows_key,
)
from monitoring.checks.builtin.shared.documents import DocumentOf, answer_documents
from monitoring.checks.builtin.shared.log_reading import MIN_LOOKBACK
from monitoring.checks.config.names import ITS_ADDRESS, ITS_CHAIN, read_expression
from monitoring.checks.config.source import ADDRESS_OF_ANSWER, OK
from monitoring.checks.config.yaml_node import Spot
from monitoring.checks.engine.monitor import CHAINS
from monitoring.checks.engine.plan import CheckInstance
from monitoring.checks.engine.plugin import CheckType, PluginContext
from monitoring.checks.expression.scope import Scope
from monitoring.checks.expression.tree import ANYTHING, BOOLEAN
from monitoring.checks.messages.plain import AlertRoute
from monitoring.checks.rules.items import ItemsPolicy
from monitoring.checks.rules.keys import (
    ADDRESS,
    DURATION,
    RUNBOOK,
    SEVERITY,
    TEXT,
    Listed,
    one_of,
    pattern,
    severity_row,
)
from monitoring.checks.rules.logs import LogsPolicy
from monitoring.checks.rules.readings import REPORT_ALL, FirstRun
from monitoring.checks.rules.steps import either
from monitoring.conditions.condition import ConditionKey

_NO_CHAIN = 0
MAX_LOOKBACK = timedelta(days=30)
_USUAL_LOOKBACK = timedelta(days=14)
_KEPT = timedelta(days=400)  # an id that a service lists again after months of silence is still known

_SPACE = re.compile("[A-Za-z0-9][A-Za-z0-9._:-]{0,99}")  # it goes into a query, so that nothing else may be in it
_NUMBER = re.compile("[0-9]{1,40}")


def _is_no_space(text: str) -> str:
    return "" if _SPACE.fullmatch(text) else f"{text!r} is no name of a space, as in sparkfi.eth"


def _is_no_number(text: str) -> str:
    return "" if _NUMBER.fullmatch(text) else f"{text!r} is no organization's number, as in 2206072050458560433"


KIND = entry(
    "kind", one_of(KINDS), "Which governance it is.", without=f"one of {', '.join(KINDS)}", example="kind: fluid"
)
CHAIN = replace(ITS_CHAIN, default="", without="of a contract: which chain it is on")
GOVERNOR = replace(ITS_ADDRESS, sentence="Of a contract: its address.", default="", without="of a contract")
SPACE = entry(
    "space",
    pattern("name of a space", _SPACE.pattern, lambda at: at.checked("a space", _is_no_space)),
    "With snapshot: which space.",
    default="",
    example="space: sparkfi.eth",
)
ORGANIZATION = entry(
    "organization",
    pattern("number", _NUMBER.pattern, lambda at: at.checked("an organization", _is_no_number)),
    "With tally: which organization.",
    default="",
    example='organization: "2206072050458560433"',
)
URL = entry(
    "url", ADDRESS_OF_ANSWER, "Of a service: where it is asked.", default="", without="the kind's own",
    example="url: https://hub.snapshot.org/graphql",
)  # fmt: skip
LINK = entry(
    "link", TEXT, "Where people read a proposal; `{id}` is its number.", default="", without="the kind's own",
    example="link: https://compound.finance/governance/proposals/{id}",
)  # fmt: skip
MAX_AGE = entry(
    "max_age", DURATION, "Of a service: how old its newest proposal may be; an older list counts as none.", default="",
    example="max_age: 90d",
)  # fmt: skip
REPORT = entry(
    "report", Listed(one_of([stage.value for stage in ProposalStage])), "Of a contract: which stages are reported.",
    default="", without="voting and queued, and what became of those", example="report: [queued]",
)  # fmt: skip
TIMELOCK = entry(
    "timelock", ADDRESS, "Of a contract: its timelock; what is scheduled there without a proposal is an alert.",
    default="", example='timelock: "0x6d903f6003cca6255D85CcA4D3B5E5146dC33925"',
)  # fmt: skip
SAID = entry(
    "text", TEXT, "What is said of a proposal, before its title.", default="", without="its number and its stage",
    example="text: Aave payloads can be executed soon",
)  # fmt: skip
LOUD = entry(
    "severity", SEVERITY, "Severity of its proposals.", default="", without="the section's", example="severity: medium"
)
OF_CONTRACTS: tuple[Key[object], ...] = (CHAIN, GOVERNOR, REPORT, TIMELOCK)
OF_SERVICES: tuple[Key[object], ...] = (URL, OK, MAX_AGE)
ROW = Section(
    "Whose governance is watched, and how.",
    ITS_NAME, KIND, PROTOCOL, CHANNEL, ENABLED, LOUD, SAID, LINK, *OF_CONTRACTS, SPACE, ORGANIZATION, *OF_SERVICES,
    RUNBOOK, NOTE,
)  # fmt: skip
USUAL = severity_row(Severity.LOW, "Severity of a proposal.")
UNPROPOSED = severity_row(Severity.HIGH, "Severity of what a timelock schedules without a proposal.", "unproposed")
LOOKBACK = entry(
    "first_run_lookback", DURATION, "How far back the first run looks; what is over by then is not reported.",
    default="14d", example="first_run_lookback: 7d",
)  # fmt: skip
SECTION = Section(
    "Proposals of governance: which are put to the vote or wait for their execution.",
    FROM, rows_key(ROW), USUAL, UNPROPOSED, LOOKBACK,
)  # fmt: skip
PROPOSALS = entry("proposals", SECTION, SECTION.sentence, default="", example="proposals: {from: proposals.yaml}")


@dataclass(frozen=True, slots=True)
class Governance:
    """One row."""

    name: str
    route: AlertRoute
    source: GovernorSource | ServiceSource
    severity: Severity
    said: str = ""
    timelock: str = ""

    @property
    def place(self) -> tuple[int, str]:
        """Return the chain and the subject that its state is kept under."""
        if isinstance(self.source, GovernorSource):
            return self.source.chain, self.source.address
        return _NO_CHAIN, self.source.name


@dataclass(frozen=True, slots=True)
class ProposalsConfig:
    rows: tuple[Governance, ...]
    unproposed: Severity
    lookback: timedelta


def _schema(section: Spot, around: PluginContext) -> ProposalsConfig | None:
    section.only(SECTION.keys)
    usual, lookback = either(section.value(USUAL), Severity.LOW), _lookback(section)
    rows: dict[tuple[int, str], Governance] = {}
    for spot in read_rows(section, around):
        row = _row(spot, around, usual, lookback)
        if row is None:
            continue
        if row.place in rows:
            spot.wrong(f"{rows[row.place].name} is this governance already: state is kept by it")
        rows[row.place] = row
    return ProposalsConfig(tuple(rows.values()), either(section.value(UNPROPOSED), Severity.HIGH), lookback)


def _lookback(section: Spot) -> timedelta:
    spot, found = section.get(LOOKBACK.name), section.value(LOOKBACK)
    if spot and found and not MIN_LOOKBACK <= found <= MAX_LOOKBACK:
        spot.wrong(f"from 1h to {MAX_LOOKBACK.days}d: a first run reads every block of it")
    return found or _USUAL_LOOKBACK


def _row(spot: Spot, around: PluginContext, usual: Severity, lookback: timedelta) -> Governance | None:
    spot.only(ROW.keys)
    name, kind, route = spot.value(ITS_NAME), spot.value(KIND), read_route(spot, around)
    if kind is None:
        return None
    source = _governor(spot, kind, around, lookback) if kind in ON_CHAIN else _service(spot, kind)
    timelock = spot.value(TIMELOCK) or "" if kind in ON_CHAIN else ""
    if not (name and route and source) or spot.value(ENABLED) == "false":
        return None
    severity = either(spot.value(LOUD), usual)
    shown = f"{name} ({CHAINS[source.chain]})" if isinstance(source, GovernorSource) else name
    return Governance(shown, route, source, severity, spot.value(SAID) or "", timelock)


def _refuse(spot: Spot, keys: Sequence[Key[object]], kind: str) -> None:
    for key in keys:
        if found := spot.get(key.name):
            found.wrong(f"{kind} has no {key.name}: take it out")


def _governor(spot: Spot, kind: str, around: PluginContext, lookback: timedelta) -> GovernorSource | None:
    _refuse(spot, (SPACE, ORGANIZATION, *OF_SERVICES), kind)
    chain, address, where = spot.value(ITS_CHAIN), spot.value(ITS_ADDRESS), spot.get(ITS_CHAIN.name)
    if where and chain and chain not in around.chains:
        where.wrong(f"the monitor does not read {CHAINS[chain]}: write it under chains there")
        return None
    stages = spot.get(REPORT.name)
    known = [stage.value for stage in ProposalStage]
    words = [word for item in (stages.items("a list of stages") if stages else []) if (word := item.word(known))]
    if chain is None or address is None:
        return None
    found = GovernorSource(kind, chain, address, lookback, _link(spot, ""))
    asked = frozenset(map(ProposalStage, words))
    return replace(found, report=asked, follow=frozenset()) if words else found


def _service(spot: Spot, kind: str) -> ServiceSource | None:
    known = SERVICES[kind]
    wanted = next((key for key in (SPACE, ORGANIZATION) if key.name == known.subject), None)
    _refuse(spot, OF_CONTRACTS, kind)
    _refuse(spot, [key for key in (SPACE, ORGANIZATION) if key is not wanted], kind)
    age, ok = spot.get(MAX_AGE.name), spot.get(OK.name)
    if age and not known.has_dates:
        age.wrong(f"{kind} lists only what is queued, which says nothing of its age: take it out")
    if wanted and spot.get(wanted.name) is None:
        spot.wrong(f"{wanted.name} is missing: {wanted.sentence}")
        return None
    subject = (spot.value(wanted) or "") if wanted else ""
    if wanted and not subject:
        return None
    expression = read_expression(ok, Scope(open=True)) if ok else None
    if ok and expression and expression.kind not in (BOOLEAN, ANYTHING):
        ok.wrong(f"{BOOLEAN} is needed here, this is {expression.kind}")
    url = spot.value(URL) or known.url
    return ServiceSource(kind, subject, url, _link(spot, known.link), expression, spot.value(MAX_AGE))


def _link(spot: Spot, usual: str) -> str:
    text = spot.value(LINK) or usual
    at = spot.get(LINK.name)
    if at and not text.startswith("https://"):
        at.wrong("a link is an https address, in which {id} is a proposal's number")
    return text


def _plan(config: ProposalsConfig, around: PluginContext) -> list[CheckInstance]:
    return [part for row in config.rows for part in _parts(row, config, around.monitor)]


def _parts(row: Governance, config: ProposalsConfig, monitor: str) -> Iterator[CheckInstance]:
    first = FirstRun(within=config.lookback)
    policy = ItemsPolicy(severity=row.severity, first_run=first, keep=_KEPT)
    yield ProposalsPart(
        ConditionKey(monitor, "proposals", *row.place), row.route, row.name, row.source, policy, row.said
    )
    if row.timelock and isinstance(row.source, GovernorSource):
        chain = row.source.chain
        key = ConditionKey(monitor, "unproposed", chain, row.timelock)
        loud = LogsPolicy(severity=config.unproposed, first_run=REPORT_ALL)
        yield UnproposedPart(key, row.route, row.name, row.source.address, loud, config.lookback)


TYPE: CheckType[ProposalsConfig] = CheckType(
    PROPOSALS, _schema, _plan, {LogsSince: answer_logs, DocumentOf: answer_documents}
)
if TYPE_CHECKING:
    _: tuple[type[CheckInstance], ...] = (ProposalsPart, UnproposedPart)
