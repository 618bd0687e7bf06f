"""What was read of one contract, and of everything that controls it. Plain values, so that they travel as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any


class ContractKind(StrEnum):
    """What an address is, by what it answers."""

    ACCOUNT = "account"
    SAFE = "safe"
    TIMELOCK = "timelock"
    VAULT = "vault"
    TOKEN = "token"  # noqa: S105 - a kind of contract
    CONTRACT = "contract"
    UNREAD = "unread"


@dataclass(frozen=True, slots=True)
class ContractFacts:
    """One address at one block. Amounts are in the smallest unit; a text or tuple that is empty was not there."""

    address: str
    kind: ContractKind
    problem: str = ""
    proxy: str = ""  # which kind of proxy
    implementation: str = ""
    admin: str = ""
    beacon: str = ""
    owner: str = ""
    paused: bool | None = None
    symbol: str = ""
    decimals: int | None = None
    total_supply: int | None = None
    asset: str = ""
    asset_symbol: str = ""
    asset_decimals: int | None = None
    total_assets: int | None = None
    assets_of_share: int | None = None  # convertToAssets of one whole share
    safe_version: str = ""
    owners: tuple[str, ...] = ()
    threshold: int | None = None
    timelock: str = ""  # its kind, as monitor files name it
    delay_s: int | None = None
    roles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> ContractFacts:
        known = {each.name: found[each.name] for each in fields(cls) if each.name in found}
        known["kind"] = ContractKind(known["kind"])
        known["owners"] = tuple(known["owners"])
        known["roles"] = {name: tuple(members) for name, members in known["roles"].items()}
        return cls(**known)

    def controllers(self) -> dict[str, str]:
        """Return who can change this contract: address, and as what; owners of a Safe included."""
        parts = [(self.admin, "proxy admin"), (self.beacon, "beacon")]
        parts += [(self.owner, "admin" if self.timelock else "owner")]
        parts += [(owner, "owner") for owner in self.owners]
        parts += [(member, role) for role, members in self.roles.items() for member in members]
        found: dict[str, str] = {}
        for address, role in parts:
            if address and address != self.address:
                found[address] = f"{found[address]}, {role}" if address in found else role
        return found


@dataclass(frozen=True, slots=True)
class Inspection:
    """An address and all that controls it; `left_out` counts contracts beyond the limits."""

    chain: str
    address: str
    contracts: Mapping[str, ContractFacts]
    left_out: int = 0

    @property
    def facts(self) -> ContractFacts:
        return self.contracts[self.address]

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Inspection:
        contracts = {address: ContractFacts.from_json(one) for address, one in found["contracts"].items()}
        return cls(found["chain"], found["address"], contracts, found["left_out"])
