"""A proposal as every kind of governance gives it: one shape, of bounded size, its text never markup. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from monitoring.alerts.message.sanitize import clean_line, shorten
from monitoring.chains.abi.values import Unknown
from monitoring.checks.expression.values import Json, Value
from monitoring.checks.rules.readings import Item

MAX_TITLE = 120
_LONGEST_ID = 80
_LONGEST_NUMBER = 12  # of proposals that are counted; those of other governors are hashes
_HEADING = re.compile(r"^[#*_>\s`-]+|[*_`\s]+$")
_ESCAPED_LINE_END = re.compile(r"\\r\\n|\\n|\\r")


class ProposalStage(StrEnum):
    """How far a proposal is, as far as people act on it, in the order in which it gets there."""

    VOTING = "voting"
    PASSED = "passed"
    QUEUED = "queued"
    READY = "ready"
    EXECUTED = "executed"
    CANCELLED = "cancelled"
    DEFEATED = "defeated"
    EXPIRED = "expired"

    @property
    def is_open(self) -> bool:
        return self in (ProposalStage.VOTING, ProposalStage.PASSED, ProposalStage.QUEUED, ProposalStage.READY)


# What is reported of any proposal, and what only of one that was reported before: nobody asks what became of others.
ANNOUNCED = frozenset({ProposalStage.VOTING, ProposalStage.QUEUED})
FOLLOWED = frozenset(
    {
        ProposalStage.PASSED, ProposalStage.READY, ProposalStage.EXECUTED, ProposalStage.CANCELLED,
        ProposalStage.EXPIRED,
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Proposal:
    """One proposal at one stage. `at` is when it came to it; `created` the block of its event, or 0.

    `dated` is when it was made, for services whose numbers say nothing of the order.
    """

    id: str
    stage: ProposalStage
    title: str = ""
    at: datetime | None = None
    voting_ends: datetime | None = None
    ready_at: datetime | None = None
    link: str = ""
    created: int = 0
    more: tuple[tuple[str, str], ...] = ()
    dated: datetime | None = None

    def item(self, now: datetime) -> Item:
        """Return it as a row of the verb. One without a time of its own is as young as this run: it is open now."""
        facts: dict[str, Value] = {
            "id": self.id,
            "stage": self.stage.value,
            "title": self.title,
            "link": self.link,
            "created": self.created,
            "more": self.more,
        }
        for name, at in (("voting ends", self.voting_ends), ("ready", self.ready_at)):
            if at is not None:
                facts[name] = int(at.timestamp())
        return Item((self.id, self.stage.value), self.at or now, facts=facts, order=self._order())

    def _order(self) -> int | None:
        """Return what a highest number or newest date of the replaced system, which knew one stage, compares with."""
        if self.dated is not None:
            return int(self.dated.timestamp())
        is_number = self.id.isdecimal() and len(self.id) <= _LONGEST_NUMBER
        return int(self.id) if is_number and self.stage is ProposalStage.QUEUED else None


@dataclass(frozen=True, slots=True)
class ProposalList:
    """What one governance has now. A row that cannot be read is `Unknown` and holds up no other.

    `newest` is when its newest row is from, open or not; `memory` is what the next reading starts from; `problem` says
    why this one ended early.
    """

    rows: tuple[Proposal | Unknown, ...]
    newest: datetime | None = None
    memory: Mapping[str, Json] = field(default_factory=dict)
    problem: Unknown | None = None


def title_of(text: object) -> str:
    """Return the first line of a description without its marks; some services send the whole text as the title."""
    lines = _ESCAPED_LINE_END.sub("\n", text if isinstance(text, str) else "").splitlines()
    found = next((line for one in lines if (line := clean_line(_HEADING.sub("", one)))), "")
    return shorten(found, MAX_TITLE)


def id_of(value: object) -> str | None:
    """Return what identifies a proposal: a whole number or a short text; else None."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    text = clean_line(value) if isinstance(value, str) else ""
    return text if 0 < len(text) <= _LONGEST_ID else None
