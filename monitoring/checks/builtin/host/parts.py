"""`host`: the machine the checks run on. Disk, inodes, memory, swap, clock, load, and the size of its own state.

A section of limits, all of which have defaults: `host: {}`. Each subject is a condition of its own.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monitoring.alerts.message.model import Severity
from monitoring.base.settings import load_settings
from monitoring.base.yaml.keys import Section, entry
from monitoring.chains.abi.values import Unknown
from monitoring.checks.builtin.host.judge import HostFinding, SubjectState, judge
from monitoring.checks.builtin.host.limits import HostLimits, keys, size
from monitoring.checks.builtin.host.proc import ROOT, HostReadings, read_all
from monitoring.checks.config.yaml_node import Spot
from monitoring.checks.engine.plan import CheckInstance, ReadContext
from monitoring.checks.engine.plugin import CheckType, PluginContext
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.expression.evaluate import PENDING
from monitoring.checks.expression.value_text import words
from monitoring.checks.expression.values import NONE
from monitoring.checks.messages.plain import HEADS, AlertRoute, AlertText, plain_message
from monitoring.checks.rules.keys import LASTING
from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.conditions.outcome import Outcome, Transition, TransitionKind
from monitoring.conditions.policy import Policy
from monitoring.conditions.transition import Breach, Ok, Verdict, apply_verdict

NO_CHAIN = 0
PLACES = ("state", "checkout")
# What is watched, in words for listings, and which reading it comes from.
SUBJECTS: Mapping[str, tuple[str, str]] = {
    "disk": ("free space on the disk", "disk"),
    "inodes": ("free inodes on the disk", "disk"),
    "memory": ("available memory", "memory"),
    "swap": ("free swap", "memory"),
    "clock": ("system clock is synchronized (NTP)", "clock"),
    "load": ("processor load", "load"),
    "database": ("size of the database", "state"),
    "wal": ("size of the database's write-ahead log", "state"),
}
_ON_DISK = ("disk", "inodes")
_LADDER = (Severity.HIGH, Severity.CRITICAL)  # of the disk, the only subject with two limits


@dataclass(frozen=True, slots=True)
class Look:
    """The question: how is this machine? `root` is what `/proc` and `/run` are read under."""

    root: Path = ROOT


@dataclass(frozen=True, slots=True)
class HostSection:
    """The section: limits, and how to bound flapping and repeat."""

    limits: HostLimits
    policy: Policy


@dataclass(frozen=True, slots=True)
class HostPart:
    """One subject of the machine; `place` is where on it, for disks."""

    key: ConditionKey
    route: AlertRoute
    host: HostSection
    of_setup = True
    of_now = True  # nobody knows how this machine was

    @property
    def about(self) -> str:
        words = SUBJECTS[self.key.check][0]
        return f"{words} of {self.key.subject}" if self.key.subject else words

    @property
    def bound(self) -> str:
        """What is allowed, for listings."""
        limits = self.host.limits
        return {
            "disk": f"≥ {limits.disk_free}, {limits.disk_free_critical}",
            "inodes": f"≥ {limits.inodes_free}",
            "memory": f"≥ {limits.memory_free}",
            "swap": f"≥ {limits.swap_free}",
            "load": f"≤ {limits.load:g} a core",
            "database": f"≤ {size(limits.database_bytes)}",
            "wal": f"≤ {size(limits.wal_bytes)}",
        }.get(self.key.check, "")

    @property
    def severities(self) -> tuple[Severity, ...]:
        """How bad it can be, the mildest first."""
        usual = Severity.HIGH if self.key.check in ("inodes", "memory") else Severity.MEDIUM
        return _LADDER if self.key.check == "disk" else (usual,)

    def read(self, desk: ReadContext) -> Any:  # noqa: ANN401 - a finding, unknown, none or pending
        """Return the finding of this subject; `none` for a place reported together with another on its file system."""
        readings = desk.ask(Look())
        if readings is PENDING or isinstance(readings, Unknown):
            return readings
        found = {finding.key: finding for finding in judge(readings, self.host.limits)}
        check, place = self.key.check, self.key.subject
        finding = found.get(f"{check} {place}".strip()) or found.get(f"{SUBJECTS[check][1]} {place}".strip())
        if finding is None:
            return NONE
        return Unknown(finding.title, "this host") if finding.state is SubjectState.UNKNOWN else finding

    def in_words(self, reading: HostFinding) -> str:
        return reading.title

    def judge(self, before: Condition, reading: Any, now: datetime) -> Outcome:  # noqa: ANN401 - as above
        if not isinstance(reading, HostFinding):
            return apply_verdict(before, reading, now, self.host.policy)
        facts = {"reading": reading.headline, "where": reading.where, "advice": reading.advice}
        return apply_verdict(
            before, _verdict(reading), now, self.host.policy, {name: one for name, one in facts.items() if one}
        )

    def compose(self, transition: Transition, at: EvaluationPoint) -> AlertText:  # noqa: ARG002 - the facts are words already
        facts = transition.facts
        if "reading" not in facts:
            return plain_message(self.about, transition)
        head = HEADS.get(transition.kind, "") if transition.kind is not TransitionKind.RECOVERED else ""
        blocks = [f"Paths: {words(facts['where'])}"] if "where" in facts else []
        blocks += [words(facts["advice"])] if "advice" in facts else []
        return AlertText(f"{head}{words(facts['reading'])}", tuple(blocks))

    @property
    def reporter(self) -> str:
        """Name the machine in the first line: a team has more than one."""
        return f"{self.key.monitor} {socket.gethostname()}"


def _verdict(finding: HostFinding) -> Verdict:
    if finding.severity is None:
        return Ok()
    if finding.key.startswith("disk"):
        return Breach(_LADDER, _LADDER.index(finding.severity))
    return Breach((finding.severity,))


LIMITS = keys()
SECTION = Section("The machine the checks run on, held to limits that all have defaults.", *LIMITS.values(), *LASTING)
HOST = entry("host", SECTION, SECTION.sentence, default="", example="host: {}")


def schema(spot: Spot, around: PluginContext) -> HostSection | None:
    """Read limits (`disk-free: 15%`), `for` and `remind`."""
    del around
    spot.entries("limits, or {} for all defaults")
    spot.only(SECTION.keys)
    given = {field: found for field, key in LIMITS.items() if (found := spot.value(key)) is not None}
    return HostSection(HostLimits(**given), spot.policy(Severity.MEDIUM))


def plan(host: HostSection, around: PluginContext) -> Sequence[HostPart]:
    """Make one part a subject, and one a place for what is on a disk."""
    keys = [
        ConditionKey(around.monitor, check, NO_CHAIN, place)
        for check in SUBJECTS
        for place in (PLACES if check in _ON_DISK else ("",))
    ]
    return [HostPart(key, around.route, host) for key in keys]


def answer(questions: Sequence[Look], at: EvaluationPoint) -> Mapping[Look, HostReadings]:
    """Look at the machine; what cannot be read is unknown inside the readings."""
    settings = load_settings(at.environ)
    paths = dict(zip(PLACES, (settings.cache_dir, settings.checkout), strict=True))
    return {look: read_all(settings.database, paths, look.root) for look in questions}


TYPE: CheckType[Any] = CheckType(HOST, schema, plan, {Look: answer})

if TYPE_CHECKING:
    _: type[CheckInstance] = HostPart
