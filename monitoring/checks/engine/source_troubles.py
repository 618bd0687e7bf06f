"""What keeps checks from seeing, as conditions of its own: a source that blinds them, a provider, a bug in a check.

They are parts like any other and are judged by `flag`, so that each is reported once and its end once. They belong to
operations: their alerts go by the errors channel where there is one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from monitoring.alerts.message.model import Severity
from monitoring.alerts.message.text import Code, code, line, table
from monitoring.alerts.recording.close_orphaned import SOURCES
from monitoring.base.formatting import format_duration, format_instant
from monitoring.base.plural import counted
from monitoring.base.secrets.redact import excerpt
from monitoring.chains.networks import Network, network, networks, own_urls, provider_urls
from monitoring.chains.rpc.log_evidence import HeldRange
from monitoring.chains.rpc.pool import ProviderTrouble
from monitoring.checks.engine.plan import ReadContext
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.messages.plain import HEADS, AlertRoute, AlertText, rows_left_out
from monitoring.checks.rules import flag
from monitoring.conditions.condition import CRASH, Condition, ConditionKey
from monitoring.conditions.outcome import Outcome, Transition, TransitionKind
from monitoring.conditions.policy import PendingPolicy, Policy
from monitoring.conditions.transition import happened
from monitoring.conditions.values import Json

LEFT_OUT = "events-left-out"
_COMPLETE_FOR = timedelta(hours=1)  # another task reads other contracts, of which the provider may leave nothing out
PROVIDER_RUNS = 3  # a provider that fails now and then is what the others are for
_REMIND = timedelta(days=1)
_MOST_ROWS = 8  # what a phone's first screen has room for, with the rest
_MOST_REASONS = 2
_MOST_MONITORS = 5
_MOST_CRASHES = 3
_FEW = 10  # of so few checks half says little
_LONGEST = 160
_LONG_HEX = re.compile(r"0x[0-9a-fA-F]{12,}")
_ENDPOINT = re.compile(r"^[\w.-]+( #\d+)?( \(public\))?: ")  # as a pool names one before it says what was wrong
_OVER = (TransitionKind.RECOVERED, TransitionKind.EASED)


@dataclass(frozen=True, slots=True)
class Blind:
    """A check without data: its key for people, since when, what its source said, and how bad it could be."""

    name: str
    since: datetime
    reason: str
    severity: Severity = Severity.LOW

    @property
    def monitor(self) -> str:
        return self.name.partition(":")[0]


@dataclass(frozen=True, slots=True)
class BlindSource:
    """A source that gave no data for too long: one condition, however many checks need it; `of` are all checks."""

    source_name: str
    checks: tuple[Blind, ...]
    of: int = 0
    source: str = "ops_error"
    of_setup = True

    @property
    def key(self) -> ConditionKey:
        return ConditionKey(SOURCES, self.source_name, 0)

    @property
    def route(self) -> AlertRoute:
        return AlertRoute(SOURCES)

    @property
    def about(self) -> str:
        return f"the source {self.source_name} answers"

    def read(self, desk: ReadContext) -> bool:  # noqa: ARG002 - it is known already
        return bool(self.checks)

    def judge(self, before: Condition, reading: Any, now: datetime) -> Outcome:  # noqa: ANN401 - as every part
        return flag.judge(before, reading, now, Policy(severity=self.severity, remind=_REMIND))

    @property
    def severity(self) -> Severity:
        """HIGH for a chain, where what is not watched any more could be HIGH, or is half of everything; else MEDIUM."""
        worst = max((one.severity for one in self.checks), default=Severity.LOW)
        is_half = self.of >= _FEW and 2 * len(self.checks) >= self.of
        is_chain = _chain(self.source_name) is not None and ": " not in self.source_name
        return Severity.HIGH if worst >= Severity.HIGH or is_half or is_chain else Severity.MEDIUM

    def compose(self, transition: Transition, at: EvaluationPoint) -> AlertText:
        name = _source_in_words(self.source_name)
        if transition.kind in _OVER:
            return AlertText(f"{name} can be read again, no check is without data because of it")
        head, now = HEADS.get(transition.kind, ""), at.clock.now()
        began = min((one.since for one in self.checks), default=transition.since)
        reasons = list(dict.fromkeys(_shortened(self._reason(one)) for one in self.checks))
        return AlertText(
            f"{head}{name} cannot be read, {self._how_many()} since {_time(began, now)}",
            (
                *reasons[:_MOST_REASONS],
                *rows_left_out(len(reasons) - _MOST_REASONS),
                *self._names(now),
                *_what_to_do(self.source_name, at.environ),
                "Until it can be read again, the state of these checks is unknown.",
            ),
        )

    def _reason(self, blind: Blind) -> str:
        """Return why a check has no data; of a whole chain why each endpoint failed, without naming any."""
        chain = _chain(self.source_name)
        if chain is None or self.source_name != chain.slug:
            return blind.reason
        said = [_ENDPOINT.sub("", part) for part in blind.reason.removeprefix(f"{chain.slug}: ").split("; ")]
        return "; ".join(f"{count} endpoints: {why}" if count > 1 else why for why, count in Counter(said).items())

    def _how_many(self) -> str:
        """Return `118 of 147 checks have no data (aave 11, pegs 35, …)`."""
        by_monitor = Counter(one.monitor for one in self.checks)
        named = ", ".join(f"{name} {count}" for name, count in by_monitor.most_common(_MOST_MONITORS))
        more = ", …" if len(by_monitor) > _MOST_MONITORS else ""
        of = f" of {self.of}" if self.of > len(self.checks) else ""
        has = "check has" if len(self.checks) == 1 and not of else "checks have"
        return f"{len(self.checks)}{of} {has} no data ({named}{more})"

    def _names(self, now: datetime) -> list[object]:
        """Name the checks where a phone can show them; of very many the numbers by monitor say more."""
        shown = self.checks[:_MOST_ROWS]
        rows = [(_shortened(one.name), _time(one.since, now)) for one in shown]
        return [table(("check", "no data since"), rows), *rows_left_out(len(self.checks) - len(shown))] if rows else []


@dataclass(frozen=True, slots=True)
class FailingProvider:
    """A provider that fails run after run while others of its chain suffice."""

    chain: int
    slug: str
    host: str
    troubles: tuple[ProviderTrouble, ...]
    source: str = "ops_error"
    of_setup = True

    @property
    def key(self) -> ConditionKey:
        return ConditionKey(SOURCES, f"provider/{self.host}", self.chain)

    @property
    def route(self) -> AlertRoute:
        return AlertRoute(SOURCES)

    @property
    def about(self) -> str:
        return f"the provider {self.host} of {self.slug} answers"

    def read(self, desk: ReadContext) -> bool:  # noqa: ARG002 - as above
        return bool(self.troubles)

    def judge(self, before: Condition, reading: Any, now: datetime) -> Outcome:  # noqa: ANN401 - as every part
        return flag.judge(before, reading, now, Policy(severity=Severity.LOW, hold=PendingPolicy(runs=PROVIDER_RUNS)))

    def compose(self, transition: Transition, at: EvaluationPoint) -> AlertText:  # noqa: ARG002 - as above
        if transition.kind in _OVER:
            return AlertText(f"{network(self.chain).name}: provider {self.host} answers again")
        reasons = dict.fromkeys(_shortened(trouble.message) for trouble in self.troubles)
        return AlertText(
            f"{network(self.chain).name}: provider {self.host} failed in {PROVIDER_RUNS} consecutive runs",
            (
                *reasons,
                line("Other providers answer, so every check has data. Test with: ", _probe(self.slug)),
            ),
        )


@dataclass(frozen=True, slots=True)
class LostBlocks:
    """Blocks whose events were never judged, and that no provider of the chain has any more."""

    chain: int
    name: str
    first: int
    last: int
    source: str = "ops_error"

    @property
    def key(self) -> ConditionKey:
        return ConditionKey(SOURCES, "history", self.chain)

    @property
    def route(self) -> AlertRoute:
        return AlertRoute(SOURCES)

    @property
    def about(self) -> str:
        return f"the providers of {self.name} have the blocks that are still to be read"

    def read(self, desk: ReadContext) -> tuple[int, int]:  # noqa: ARG002 - as above
        return self.first, self.last

    def judge(self, before: Condition, reading: Any, now: datetime) -> Outcome:  # noqa: ANN401, ARG002 - as every part
        return happened(before, now, Severity.HIGH)

    def compose(self, transition: Transition, at: EvaluationPoint) -> AlertText:  # noqa: ARG002 - as above
        seconds = network(self.chain).block_time_s * (self.last - self.first + 1)
        span = format_duration(timedelta(seconds=seconds))
        return AlertText(
            f"{self.name}: events of blocks {self.first:,} to {self.last:,} (about {span}) were never checked",
            (
                "No provider has these blocks any more: timelocks and modules of Safes were not watched during them.",
                "Look at those contracts in an explorer. Add an archive provider to prevent this.",
            ),
        )


@dataclass(frozen=True, slots=True)
class IncompleteLogs:
    """Providers of a chain that left events out, as another provider or the blocks themselves show."""

    chain: int
    name: str
    slug: str
    ranges: tuple[HeldRange, ...]
    source: str = "ops_error"

    @property
    def key(self) -> ConditionKey:
        return ConditionKey(SOURCES, LEFT_OUT, self.chain)

    @property
    def route(self) -> AlertRoute:
        return AlertRoute(SOURCES)

    @property
    def about(self) -> str:
        return f"the providers of {self.name} leave no events out"

    @property
    def left_out(self) -> Counter[str]:
        return sum((Counter(one.left_out) for one in self.ranges), Counter[str]())

    def read(self, desk: ReadContext) -> bool:  # noqa: ARG002 - as above
        return bool(self.ranges)

    def judge(self, before: Condition, reading: Any, now: datetime) -> Outcome:  # noqa: ANN401 - as every part
        outcome = flag.judge(before, reading, now, Policy(severity=Severity.HIGH, clear_after=_COMPLETE_FOR))
        hosts: list[Json] = [*sorted({*hosts_of(before), *self.left_out})] if outcome.condition.is_firing else []
        return outcome.remembering({"hosts": hosts})

    def compose(self, transition: Transition, at: EvaluationPoint) -> AlertText:  # noqa: ARG002 - as above
        if transition.kind in _OVER:
            return AlertText(f"{self.name}: event logs are complete again, nothing was left out for an hour")
        counts = self.left_out.most_common()
        if not counts:
            return AlertText(f"{HEADS.get(transition.kind, '')}{self.name}: a provider left events out")
        blocks = min(one.first for one in self.ranges), max(one.last for one in self.ranges)
        who = ", ".join(f"{host} left out {counted(number, 'event')}" for host, number in counts)
        return AlertText(
            f"{HEADS.get(transition.kind, '')}{self.name}: {who} of blocks {blocks[0]:,} to {blocks[1]:,}",
            (
                "Another provider or the receipts of these blocks have them, so they were checked.",
                "Its other answers about events may be incomplete too: replace it, or ask its operator.",
                line("Test with: ", _probe(self.slug)),
            ),
        )


def hosts_of(condition: Condition) -> list[str]:
    """Return the providers that an alert about missing events named."""
    hosts = condition.memory.get("hosts")
    return [str(host) for host in hosts] if isinstance(hosts, list) else []


@dataclass(frozen=True, slots=True)
class Crashed:
    """The bugs of one monitor's checks in one run."""

    monitor: str
    monitor_route: AlertRoute
    crashes: Mapping[str, str]
    source: str = "crash"

    @property
    def key(self) -> ConditionKey:
        return ConditionKey(self.monitor, CRASH, 0)

    @property
    def route(self) -> AlertRoute:
        return self.monitor_route

    @property
    def about(self) -> str:
        return f"{self.monitor} runs to its end"

    def read(self, desk: ReadContext) -> bool:  # noqa: ARG002 - as above
        return bool(self.crashes)

    def judge(self, before: Condition, reading: Any, now: datetime) -> Outcome:  # noqa: ANN401 - as every part
        return flag.judge(before, reading, now, Policy(severity=Severity.HIGH))

    def compose(self, transition: Transition, at: EvaluationPoint) -> AlertText:  # noqa: ARG002 - as above
        if transition.kind in _OVER:
            return AlertText("all checks run without a crash again")
        names: Sequence[str] = list(self.crashes)
        shown = list(self.crashes.items())[:_MOST_CRASHES]
        first = f"{names[0]} and {len(names) - 1} more" if len(names) > 1 else names[0]
        return AlertText(
            f"{HEADS.get(transition.kind, '')}{first} crashed",
            (
                "This check was not judged; the others were."
                if len(names) == 1
                else "These checks were not judged; the others were.",
                *(block for name, trace in shown for block in (line(name), code(excerpt(trace, -1500)))),
                *rows_left_out(len(names) - len(shown)),
            ),
        )


def _source_in_words(source: str) -> str:
    """Return a source as people name it: a chain by its name, hashes and addresses cut."""
    first, colon, rest = source.partition(": ")
    chain = _chain(source)
    return _shortened(f"{chain.name if chain else first}{colon}{rest}")


def _chain(source: str) -> Network | None:
    """Return the chain that a source is, or is a part of."""
    slug = source.partition(": ")[0]
    return next((known for known in networks().values() if known.slug == slug), None)


def _shortened(text: str) -> str:
    """Cut what no phone shows: long hex in the middle, a long text at its end."""
    return excerpt(_LONG_HEX.sub(lambda found: f"{found[0][:6]}…{found[0][-4:]}", text), _LONGEST)


def _time(at: datetime, now: datetime) -> str:
    """Return the time of day, with the date unless it is today's."""
    return f"{at:%H:%M} UTC" if at.date() == now.date() else format_instant(at)


def _what_to_do(source: str, environ: Mapping[str, str]) -> list[object]:
    """Return the next step for a chain that cannot be read: which variable helps, and how to test the endpoints."""
    known = _chain(source)
    if known is None:
        return []
    variable = f"PROVIDER_URL_{known.slug.upper()}"
    is_whole = source == known.slug
    if not own_urls(known, environ):
        hint = f"Set {variable} in the env file. "
    elif is_whole and provider_urls(known, environ) == own_urls(known, environ):
        hint = f"Check {variable} in the env file; with PROVIDER_PUBLIC=on public endpoints are asked too. "
    else:
        hint = f"Check {variable} in the env file. " if is_whole else ""
    return [line(*([hint] if hint else []), "Test with: ", _probe(known.slug))]


def _probe(slug: str) -> Code:
    return code(f"python -m monitoring.chains probe {slug}")
