"""Finds what to say of operations after a look: blind sources, failing providers, crashes. Pure.

Called by `runner.py`. What to say of each is in `source_troubles.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TypeAlias

from monitoring.alerts.message.model import Severity
from monitoring.alerts.recording.close_orphaned import SOURCES
from monitoring.chains.rpc.errors import Fault
from monitoring.chains.rpc.log_evidence import Completeness
from monitoring.chains.rpc.pool import ProviderPool
from monitoring.chains.rpc.views import Chains, ChainView
from monitoring.checks.engine.evaluation import EvaluatedCheck
from monitoring.checks.engine.source_troubles import (
    LEFT_OUT,
    Blind,
    BlindSource,
    Crashed,
    FailingProvider,
    IncompleteLogs,
    LostBlocks,
    hosts_of,
)
from monitoring.checks.messages.plain import AlertRoute
from monitoring.checks.state.load import ENGINE, LoadedState
from monitoring.conditions.condition import CRASH, Condition, ConditionKey, State
from monitoring.conditions.ownership import is_crash_of_another

PROVIDER = "provider/"
MOST_ALONE = 3  # sources of one family that are reported one by one
Operational: TypeAlias = BlindSource | FailingProvider | LostBlocks | IncompleteLogs | Crashed


def families(seen: Sequence[EvaluatedCheck], remembered: LoadedState) -> dict[str, str]:
    """Return the sources reported together, each with its family: the calls of one chain, the formulas of one monitor.

    A few are reported one by one. Where many begin at once, one cause is likelier than many, and one message enough.
    """
    firing = {key.check for key, row in remembered.conditions.items() if _is_source(key) and row.is_firing}
    named: dict[str, set[str]] = {}
    for one in seen:
        blind = one.outcome.condition.no_data
        if blind is not None and one.crash is None:
            source = one.outcome.condition.blamed
            if source not in firing:
                named.setdefault(_family(source), set()).add(source)
    many = {family for family, sources in named.items() if len(sources) > MOST_ALONE or family in firing}
    return {source: family for family, sources in named.items() if family in many for source in sources}


def _family(source: str) -> str:
    for mark in (": ", "/"):  # `mainnet: totalSupply() of 0x…`, `vault/floor`
        if mark in source:
            return source.partition(mark)[0]
    return source


def blind_sources(
    seen: Sequence[EvaluatedCheck], remembered: LoadedState, family: Mapping[str, str] | None = None
) -> list[BlindSource]:
    """Return the sources to speak of: silent for too long, or reported before. Checks of other tasks count too."""
    family = family or {}
    blinded: dict[str, list[Blind]] = {}
    here = {one.key for one in seen}
    for key, row in remembered.without_data.items():
        if key not in here and row.no_data is not None:
            blinded.setdefault(row.blamed, []).append(Blind(str(row.key), row.no_data.since, row.no_data.reason))
    known = {key.check for key, row in remembered.conditions.items() if _is_source(key) and row.state is not State.OK}
    for one in seen:
        blind = one.outcome.condition.no_data
        if blind is None or one.crash is not None:
            continue
        source = one.outcome.condition.blamed
        source = family.get(source, source)
        worst = max(getattr(one.part, "severities", ()), default=Severity.LOW)
        blinded.setdefault(source, []).append(Blind(str(one.key), blind.since, blind.reason, worst))
        known |= {source} if blind.reported else set()
    all_checks = max(remembered.declared, len(seen))
    return [
        BlindSource(source, tuple(sorted(blinded.get(source, ()), key=_order)), all_checks) for source in sorted(known)
    ]


def _order(blind: Blind) -> tuple[object, str]:
    return blind.since, blind.name


def _is_source(key: ConditionKey) -> bool:
    return key.monitor == SOURCES and not key.check.startswith(PROVIDER)


def failing_providers(
    chains: Chains, remembered: LoadedState, counted: Collection[ConditionKey] = ()
) -> list[FailingProvider]:
    """Return the own providers asked in this run that misbehaved while their chain could be read, or did so before.

    Without those whose failure this run has `counted`: what is said of them counts runs.
    Public ones come and go, and nobody on call can fix them: the log of the run and `doctor` name them.
    """
    found: list[FailingProvider] = []
    for view in chains.views.values():
        if not isinstance(view, ChainView):
            continue
        chain, slug = view.network.id, view.network.slug
        asked = [one.host for one in view.pool.providers if one.requests and not one.is_public]
        for host in dict.fromkeys([*asked, *_misconfigured(view.pool)]):
            troubles = tuple(trouble for trouble in view.pool.troubles if trouble.host == host)
            part = FailingProvider(chain, slug, host, troubles)
            if part.key not in counted and (troubles or part.key in remembered.conditions):
                found.append(part)
    return found


def lost_blocks(chains: Chains) -> list[LostBlocks]:
    """Return what of each chain was still to be read and is gone."""
    return [
        LostBlocks(pool.network.id, pool.network.name, *pool.lost) for pool in chains.pools if pool.lost is not None
    ]


def incomplete_logs(chains: Chains, remembered: LoadedState) -> list[IncompleteLogs]:
    """Return the chains whose providers left logs out, and those that did before and of which more is known now."""
    found: list[IncompleteLogs] = []
    for pool in chains.pools:
        known = {one.completeness for one in pool.held}
        key = ConditionKey(SOURCES, LEFT_OUT, pool.network.id)
        before = remembered.conditions.get(key) or Condition(key)
        hosts = {one.host for one in pool.providers}
        is_over = before.is_firing and (Completeness.CONFIRMED in known or not hosts & {*hosts_of(before)})
        if Completeness.CONTRADICTED in known or is_over:
            ranges = tuple(one for one in pool.held if one.left_out)
            found.append(IncompleteLogs(pool.network.id, pool.network.name, pool.network.slug, ranges))
    return found


def _misconfigured(pool: ProviderPool) -> list[str]:
    """Return the variables that hold no usable address: they stand for the provider they should name."""
    return [trouble.host for trouble in pool.troubles if trouble.fault is Fault.MISCONFIGURED]


def removed_providers(chains: Chains, remembered: LoadedState) -> list[Condition]:
    """Return the conditions of providers that a chain no longer has."""
    hosts = {
        pool.network.id: {*(one.host for one in pool.providers if not one.is_public), *_misconfigured(pool)}
        for pool in chains.pools
    }
    return [
        row
        for key, row in remembered.conditions.items()
        if key.monitor == SOURCES
        and key.check.startswith(PROVIDER)
        and row.state is not State.OK
        and key.chain in hosts
        and key.check.removeprefix(PROVIDER) not in hosts[key.chain]
    ]


def crashed(
    routes: Mapping[str, AlertRoute],
    ending: Sequence[str],
    traces: Mapping[ConditionKey, str],
    of_answerers: Mapping[str, str],
    remembered: LoadedState,
) -> list[Crashed]:
    """Return the monitors with bugs met in this run, or, of those `ending` theirs here, in an earlier one."""
    by_monitor: dict[str, dict[str, str]] = {name: {} for name in _crashed_before([*ending, ENGINE], remembered)}
    for key, trace in traces.items():
        by_monitor.setdefault(key.monitor, {})[key.text] = trace
    if of_answerers:
        by_monitor[ENGINE] = {f"reading a {kind}": trace for kind, trace in of_answerers.items()}
    return [Crashed(name, routes.get(name, AlertRoute(name)), found) for name, found in by_monitor.items()]


def _crashed_before(names: Iterable[str], remembered: LoadedState) -> list[str]:
    rows = {name: remembered.conditions.get(ConditionKey(name, CRASH, 0)) for name in names}
    return [
        name
        for name, row in rows.items()
        if row is not None and row.state is not State.OK and not is_crash_of_another(row, remembered.task)
    ]
