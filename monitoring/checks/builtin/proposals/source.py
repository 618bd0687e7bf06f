"""Where a row's proposals come from: a governor on a chain, or a service; and what each kind needs. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from monitoring.checks.builtin.proposals.proposal import ANNOUNCED, FOLLOWED, ProposalStage
from monitoring.checks.expression.tree import Expression

ON_CHAIN = ("oz_governor", "compound_bravo")
# The variable that the system before this one used; Tally announced its end in March 2026.
TALLY_KEY = ("api-key", "TALLY_API_KEY")


@dataclass(frozen=True, slots=True)
class ServiceKind:
    """What a service is asked at, what distinguishes one row of it from another, and where people read a proposal."""

    url: str
    subject: str = ""
    link: str = ""
    key: tuple[str, str] | None = None
    has_dates: bool = False


SERVICES: Mapping[str, ServiceKind] = {
    "aave_governance": ServiceKind(
        "https://governance-cache-api.aave.com/graphql",
        link="https://app.aave.com/governance/v3/proposal/?proposalId={id}",
    ),
    "sky_executive": ServiceKind(
        "https://vote.sky.money/api/executive", link="https://vote.sky.money/executive/{id}", has_dates=True
    ),
    "fluid": ServiceKind(
        "https://atlas.api.instadapp.io/proposals?status=queued", link="https://fluid.io/gov/proposals/{id}"
    ),
    "snapshot": ServiceKind("https://hub.snapshot.org/graphql", "space", has_dates=True),
    "tally": ServiceKind("https://api.tally.xyz/query", "organization", key=TALLY_KEY, has_dates=True),
}
KINDS = (*ON_CHAIN, *SERVICES)


@dataclass(frozen=True, slots=True)
class ServiceSource:
    """A service as one row asks it."""

    kind: str
    subject: str
    url: str = field(repr=False)
    link: str = ""
    ok: Expression | None = None
    max_age: timedelta | None = None

    @property
    def name(self) -> str:
        """Return what recordings are found by."""
        return f"{self.kind}-{self.subject}" if self.subject else self.kind

    @property
    def where(self) -> str:
        """Return what its proposals' threads are named by."""
        return self.name

    @property
    def follow(self) -> frozenset[ProposalStage]:
        """Return the stages that people hear of a known proposal alone."""
        return FOLLOWED

    @property
    def key(self) -> tuple[str, str] | None:
        return SERVICES[self.kind].key


@dataclass(frozen=True, slots=True)
class GovernorSource:
    """A governor's contract. `address` is lower case.

    `report` are the stages that people hear of, `follow` those of them that they hear of a known proposal alone.
    """

    kind: str
    chain: int
    address: str
    lookback: timedelta
    link: str = ""
    report: frozenset[ProposalStage] = ANNOUNCED | FOLLOWED
    follow: frozenset[ProposalStage] = FOLLOWED

    @property
    def where(self) -> str:
        """Return what its proposals' threads are named by."""
        return f"{self.chain}/{self.address}"
