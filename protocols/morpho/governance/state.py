"""What is remembered of the vaults of one chain, and what an event or a view changes about it. Pure.

How a change ended is what its event says. Events are read up to the newest certain block and views at the head: so what
only a view says counts when two runs in a row have seen it; by then its event has come.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from protocols.morpho.governance.events import GovernanceEvent, PendingChange, events, submits
from protocols.morpho.governance.views import VaultViews
from protocols.morpho.markets_data import WatchedVault
from utils.monitor import Unknown

_ENDS = {"executes": "executed", "revokes": "revoked"}


class GovernanceLog(Protocol):
    """What is needed of a log."""

    @property
    def contract(self) -> str: ...
    @property
    def event(self) -> str: ...
    @property
    def args(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True)
class VaultFinding:
    """What happened.

    `what`: submitted, executed, revoked; happened (at once, or the end of a change that was not known); by a view alone
    found (it waits), ended (it does not any more), differs (a role).
    """

    what: str
    vault: WatchedVault
    contract: str
    row: GovernanceEvent | None = None
    args: Mapping[str, Any] = field(default_factory=dict)
    by: str = ""
    change: PendingChange | None = None
    log: Any = None


@dataclass
class GovernanceState:
    """The changes that wait, who holds which role, and what one view said that no event has said yet."""

    vaults: Mapping[str, WatchedVault]  # by contract, in small letters
    open: dict[str, PendingChange] = field(default_factory=dict)
    roles: dict[str, dict[str, Any]] = field(default_factory=dict)
    doubted: Mapping[str, Any] = field(default_factory=dict)  # by the last run
    doubts: dict[str, Any] = field(default_factory=dict)  # by this one

    @classmethod
    def of(cls, kept: Mapping[str, Any], vaults: Mapping[str, WatchedVault]) -> GovernanceState:
        """Read what was remembered."""
        rows = {key: PendingChange(**row) for key, row in kept.get("open", {}).items()}
        return cls(vaults, rows, dict(kept.get("roles", {})), kept.get("doubts", {}))

    def as_kept(self) -> dict[str, Any]:
        """Return what is to be remembered."""
        rows = {key: one.as_row() for key, one in self.open.items()}
        return {"open": rows, "roles": self.roles, "doubts": self.doubts}

    def left(self) -> list[PendingChange]:
        """Forget and return the changes of vaults that are not watched any more."""
        gone = [one for one in self.open.values() if one.vault.lower() not in self.vaults]
        for change in gone:
            del self.open[change.key]
        return gone

    def apply(self, log: GovernanceLog) -> Iterator[VaultFinding]:
        """Take in one event and say what it means."""
        vault = self.vaults[log.contract.lower()]
        row = events(vault.version).get(log.event)
        if row is None:
            return  # an event of the other generation
        roles = self.roles.setdefault(vault.address, {})
        by = str(log.args.get(row.by) or roles.get(row.by) or "")
        if row.holds:
            roles[row.holds] = row.holder(roles.get(row.holds), log.args)
        if row.effect == "submits":
            change = PendingChange(vault.address, log.contract, row.kind, row.subject(log.args))
            self.open[change.key] = change
            yield VaultFinding("submitted", vault, log.contract, row, log.args, by, change, log)
            return
        ended = [self.open.pop(key) for key in self._ended_by(row, log)]
        for change in ended:
            yield VaultFinding(_ENDS[row.effect], vault, log.contract, row, log.args, by, change, log)
        if row.says and not ended:
            yield VaultFinding("happened", vault, log.contract, row, log.args, by, None, log)

    def hold_pending(self, due: Iterable[tuple[PendingChange, int | Unknown]]) -> Iterator[VaultFinding]:
        """Compare the changes that wait with what the views say of them."""
        for change, at in due:
            if isinstance(at, Unknown):
                continue
            if at == 0 and change.missed:
                del self.open[change.key]
                yield VaultFinding("ended", self.vaults[change.vault.lower()], change.contract, change=change)
            change.missed = at == 0

    def hold_proposed(
        self, vault: WatchedVault, proposed: Mapping[tuple[str, str], Any], *, is_first: bool
    ) -> Iterator[VaultFinding]:
        """Take in changes that the views say wait, by kind and subject; at first sight at once."""
        for (kind, subject), value in proposed.items():
            change = PendingChange(vault.address, vault.address, kind, subject)
            if change.key in self.open or not (is_first or self._is_sure(f"waits/{change.key}", str(value))):
                continue
            self.open[change.key] = change
            row = submits(vault.version, kind)
            args = {one.name: value for one in row.event.fields[-1:] if one.name != row.about}
            args |= {row.about: bytes.fromhex(subject[2:])} if row.about else {}
            by = self.roles.get(vault.address, {}).get(row.by, "")
            yield VaultFinding("found", vault, vault.address, row, args, str(by), change)

    def hold_roles(self, views: VaultViews, *, is_first: bool) -> Iterator[VaultFinding]:
        """Compare the roles that are remembered with what the views say; at first sight the views are believed."""
        known = self.roles.setdefault(views.vault.address, {})
        for role, now in views.roles.items():
            before = known.get(role)
            if is_first or before is None or before == now:
                known[role] = now
            elif self._is_sure(f"{views.vault.address}/{role}", now):
                known[role] = now
                args = {"role": role, "was": before, "is": now}
                yield VaultFinding("differs", views.vault, views.vault.address, args=args)

    def _is_sure(self, name: str, value: Any) -> bool:  # noqa: ANN401 - what JSON keeps
        """Return whether the last run saw the same; if not, keep it for the next."""
        if self.doubted.get(name) == value:
            return True
        self.doubts[name] = value
        return False

    def _ended_by(self, row: GovernanceEvent, log: GovernanceLog) -> list[str]:
        if row.missing_from:
            left = {"0x" + bytes(one).hex() for one in log.args[row.missing_from]}
            mine = [one for one in self.open.values() if one.contract.lower() == log.contract.lower()]
            return [one.key for one in mine if one.kind == row.kind and one.subject not in left]
        if not row.effect:
            return []
        key = PendingChange("", log.contract, row.kind, row.subject(log.args)).key
        return [key] if key in self.open else []
