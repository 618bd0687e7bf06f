"""What Morpho vaults emit about their governance, from events.yaml, and the views that hold it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from monitoring.chains.abi.addresses import keccak256
from monitoring.chains.abi.function import Event, parse_event
from protocols.morpho.governance.words import read_yaml
from utils.monitor import Severity

# The view that has a pending change, and which of its values is the instant from which it can be executed (0: nothing
# is pending). Where there are two values, the first is what is proposed.
PENDING: Mapping[str, tuple[str, int]] = {
    "cap": ("pendingCap(bytes32)(uint192,uint64)", 1),
    "removal": ("config(bytes32)(uint184,bool,uint64)", 2),
    "timelock": ("pendingTimelock()(uint192,uint64)", 1),
    "guardian": ("pendingGuardian()(address,uint64)", 1),
    "call": ("executableAt(bytes)(uint256)", 0),
}
# The view that has what a change of V1 would replace: which of its values, and the form it is shown in.
REPLACES: Mapping[str, tuple[str, int, str]] = {
    "cap": ("config(bytes32)(uint184,bool,uint64)", 0, "amount"),
    "timelock": ("timelock()(uint256)", 0, "span"),
    "guardian": ("guardian()(address)", 0, "account"),
}
ROLES: Mapping[int, tuple[str, ...]] = {1: ("owner", "curator", "guardian"), 2: ("owner", "curator")}  # by version
# The accounts of these sets can only be asked for one by one.
SETS: Mapping[int, Mapping[str, str]] = {
    1: {"allocators": "isAllocator(address)(bool)"},
    2: {"allocators": "isAllocator(address)(bool)", "sentinels": "isSentinel(address)(bool)"},
}


@dataclass(frozen=True, slots=True)
class GovernanceEvent:
    """A row of events.yaml. `effect` is submits, executes or revokes, of a change of the `kind`."""

    event: Event
    effect: str = ""
    kind: str = ""
    about: str = ""
    missing_from: str = ""
    says: str = ""
    by: str = ""
    severity: Severity = Severity.LOW
    holds: str = ""  # the role or the set that it changes
    to: str = ""
    stop: str = ""

    def subject(self, args: Mapping[str, Any]) -> str:
        """Return what distinguishes this change from others of its kind, in hex: a market's id, a call, or nothing."""
        return "0x" + bytes(args[self.about]).hex() if self.about else ""

    def holder(self, before: Any, args: Mapping[str, Any]) -> Any:  # noqa: ANN401 - an account, or a sorted list of them
        """Return who has the role, or is in the set, after the event."""
        account = str(args[self.to])
        if self.holds in ROLES[1]:
            return account
        flag = next((value for value in args.values() if isinstance(value, bool)), self.event.name.startswith("Add"))
        rest = {one for one in before or () if one != account}
        return sorted(rest | {account} if flag else rest)


@dataclass(slots=True)
class PendingChange:
    """A change that was submitted and has not ended. `missed`: the last run found it ended, but no event of the end."""

    vault: str
    contract: str
    kind: str
    subject: str
    says: str = ""
    missed: bool = False

    @property
    def key(self) -> str:
        """Return what the change is known by on its chain; a call by the hash of its data."""
        subject = self.subject
        if self.kind == "call":
            subject = "0x" + keccak256(bytes.fromhex(subject[2:])).hex()
        return "/".join(part for part in (self.contract.lower(), self.kind, subject[:18]) if part)

    def as_row(self) -> dict[str, Any]:
        """Return what is remembered of it."""
        return {name: getattr(self, name) for name in ("vault", "contract", "kind", "subject", "says", "missed")}


@cache
def events(version: int) -> Mapping[str, GovernanceEvent]:
    """Return what a generation of vaults emits about its governance, by the event's name."""
    return {row.event.name: row for row in map(_event, read_yaml("events.yaml")[f"v{version}"])}


def declarations() -> list[str]:
    """Return the declarations of all events, those that both generations emit once."""
    rows = read_yaml("events.yaml")
    return list(dict.fromkeys(row["event"] for version in ("v1", "v2") for row in rows[version]))


def submits(version: int, kind: str) -> GovernanceEvent:
    """Return the event with which a change of this kind is submitted."""
    return next(one for one in events(version).values() if (one.effect, one.kind) == ("submits", kind))


def _event(row: Mapping[str, str]) -> GovernanceEvent:
    effect = next((one for one in ("submits", "executes", "revokes") if one in row), "")
    changes = next((one for one in ("sets", "adds_or_removes", "adds", "removes") if one in row), "")
    return GovernanceEvent(
        parse_event(row["event"]), effect, row.get(effect, ""), row.get("about", ""), row.get("missing_from", ""),
        row.get("says", ""), row.get("by", ""), Severity.parse(row.get("severity", "low")), row.get(changes, ""),
        row.get("to", ""), row.get("stop", ""),
    )  # fmt: skip
