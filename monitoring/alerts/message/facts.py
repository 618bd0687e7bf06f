"""What is known of a transaction when its alert is written, as data: facts with ids, kept with the alert.

For the alert's page, for machines, and for the explainer, which may choose among them and add none. Pure; made by
checks. `says` is a clause whose subject is the transaction ("moves 5 USDC from A to B"), built by us: numbers and
addresses come from the chain, and what strangers named is quoted or left out (`quoted`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from monitoring.alerts.message.sanitize import clean_line, shorten

METADATA = "facts"  # where an alert's metadata holds the sheet
VERSION = 1
MOST_FACTS = 80
_LONGEST = 240
# Words that take away care: no word of a stranger that holds one is repeated next to a fact.
_REASSURING = frozenset(
    """safe safely safety harmless routine routinely normal normally fine ok okay trusted trust trustworthy verified
    audited official legit legitimate standard usual benign clean approved expected ordinary nothing ignore secure
    secured security guaranteed risk riskless risk-free worry worries sign
    """.split()  # noqa: SIM905 - a list of words reads better than quotes
)
_PIECES = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._+$-]{0,31}")


class FactKind(StrEnum):
    CALL = "call"
    UNKNOWN = "unknown call"
    FLAG = "flag"
    UPGRADE = "upgrade"
    SIMULATED = "simulation runs"
    FAILED = "simulation fails"
    NOT_SIMULATED = "not simulated"
    MOVE = "move"
    ARRIVAL = "arrival"
    ALLOWANCE = "allowance"
    CONTROL = "control"
    CHANGE = "change"
    REFUND = "gas refund"
    FALSE = "shown falsely"
    SIGNATURES = "signatures"


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact. `must`: who speaks of the transaction may not leave it out. `data` is what it was made of."""

    kind: FactKind
    says: str
    data: Mapping[str, Any] = field(default_factory=dict)
    must: bool = False
    id: str = ""


@dataclass(frozen=True, slots=True)
class FactSheet:
    """All facts of one alert, read at `block` of a chain. `about` is empty where they are of several transactions.

    `calls` is how many calls there are, decoded or not. `state` is what the chain said of the account itself, read
    apart from any simulation.
    """

    about: str
    chain: int
    block: int
    calls: int
    facts: tuple[Fact, ...]
    state: Mapping[str, Any] = field(default_factory=dict)

    def by_id(self) -> dict[str, Fact]:
        return {fact.id: fact for fact in self.facts}

    def to_data(self) -> dict[str, Any]:
        """Return it as JSON values, which `from_data` reads back equal."""
        return {
            "v": VERSION, "about": self.about, "chain": self.chain, "block": self.block, "calls": self.calls,
            "state": dict(self.state),
            "facts": [
                {"id": one.id, "kind": one.kind.value, "says": one.says, "must": one.must, "data": dict(one.data)}
                for one in self.facts
            ],
        }  # fmt: skip

    @classmethod
    def from_data(cls, data: Any) -> FactSheet | None:  # noqa: ANN401 - JSON
        """Read what any version wrote; nothing where it is no sheet that this one understands."""
        try:
            facts = tuple(
                Fact(FactKind(one["kind"]), str(one["says"]), one["data"], one["must"] is True, str(one["id"]))
                for one in data["facts"]
            )
            about, chain, block, calls = str(data["about"]), int(data["chain"]), int(data["block"]), int(data["calls"])
            return cls(about, chain, block, calls, facts, dict(data["state"]))
        except (KeyError, TypeError, ValueError):
            return None


def sheet_of(facts: Iterable[Fact], about: str, chain: int, block: int, state: Mapping[str, Any]) -> FactSheet | None:
    """Give facts their ids, in their order; nothing where there is none, or so many that no sheet would be whole."""
    found, counts = list(facts), Counter[str]()
    calls = sum(one.kind in (FactKind.CALL, FactKind.UNKNOWN) for one in found)
    if not calls or len(found) > MOST_FACTS:
        return None
    named: list[Fact] = []
    for fact in found:
        stem = fact.kind.value.replace(" ", "_")
        counts[stem] += 1
        named.append(replace(fact, id=f"{stem}_{counts[stem]}", says=shorten(clean_line(fact.says), _LONGEST)))
    return FactSheet(about, chain, block, calls, tuple(named), state)


def reassures(text: str) -> bool:
    """Return whether a text holds a word that takes away care, also as a part of a name (`isSafeToSign`)."""
    return any(piece.lower() in _REASSURING for piece in _PIECES.findall(text))


def quoted(name: str) -> str:
    """Quote a name that a stranger chose; nothing where it is no plain name or where it says more than a name does."""
    return f"“{name}”" if _NAME.fullmatch(name) and not reassures(name) else ""
