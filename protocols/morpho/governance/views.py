"""What the vaults' own views say of their governance: who holds which role, and which changes wait."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from protocols.morpho.governance.events import PENDING, ROLES, SETS, PendingChange
from protocols.morpho.markets_data import WatchedVault
from utils.chain import Chain, ViewCall
from utils.monitor import Unknown, call

MAX_ADAPTERS, MAX_MARKETS = 30, 60  # a vault that says it has more is not asked for the rest
_ALONE = ("timelock", "guardian")  # changes of a V1 vault that can be found without knowing what they are about
_OF_A_MARKET = ("cap", "removal")
KnownRoles: TypeAlias = Mapping[str, Mapping[str, Any]]


@dataclass(slots=True)
class VaultViews:
    """One vault: `roles` by name (an account, or a sorted list of them), and what is `proposed`, by kind and subject.

    `unknown` says why it could not be read.
    """

    vault: WatchedVault
    asset: str | Unknown
    roles: dict[str, Any] = field(default_factory=dict)
    proposed: dict[tuple[str, str], Any] = field(default_factory=dict)
    unknown: Unknown | None = None


def read_views(chain: Chain, vaults: Sequence[WatchedVault], known: KnownRoles) -> list[VaultViews]:
    """Read all vaults of a chain. `known` has the roles that are remembered of each vault's address."""
    found = [_of_vault(vault, vars(row)) for vault, row in chain.read_each(vaults, _calls)]
    readable = [one for one in found if one.unknown is None]
    for one, row in chain.read_each(readable, lambda one: _list_calls(one, known.get(one.vault.address, {}))):
        _add_lists(one, vars(row))
    return found


def add_markets(chain: Chain, found: Sequence[VaultViews], markets: Sequence[str]) -> None:
    """Add what V1 vaults propose about markets: of their queues, and of `markets`, which need not be in one yet."""
    v1 = [one for one in found if one.vault.version == 1 and one.unknown is None]
    lengths = chain.read_each(v1, lambda one: {"length": call(one.vault.address, "withdrawQueueLength()(uint256)")})
    counts = [(one, 0 if isinstance(row.length, Unknown) else min(row.length, MAX_MARKETS)) for one, row in lengths]
    view = "withdrawQueue(uint256)(bytes32)"
    queues = chain.read_each(
        counts, lambda pair: {str(n): call(pair[0].vault.address, view, n) for n in range(pair[1])}
    )
    rows = [
        (one, kind, market)
        for (one, _), row in queues
        for market in dict.fromkeys([*("0x" + each.hex() for each in vars(row).values() if each), *markets])
        for kind in _OF_A_MARKET
    ]
    for (one, kind, market), row in chain.read_each(
        rows, lambda row: {"at": _pending_call(row[0].vault.address, *row[1:])}
    ):
        one.proposed |= _waiting({(kind, market): row.at})


def waits_until(chain: Chain, changes: Sequence[PendingChange]) -> list[tuple[PendingChange, int | Unknown]]:
    """Return from when on each change can be executed, 0 where it is not pending."""
    rows = chain.read_each(changes, lambda one: {"at": _pending_call(one.contract, one.kind, one.subject)})
    return [(change, _instant(change.kind, row.at)) for change, row in rows]


def _pending_call(contract: str, kind: str, subject: str) -> ViewCall:
    return call(contract, PENDING[kind][0], *([subject] if subject else []))


def _instant(kind: str, answer: Any) -> int | Unknown:  # noqa: ANN401 - what the view returned
    at = answer[PENDING[kind][1]] if isinstance(answer, tuple) else answer
    return at if isinstance(at, Unknown) else int(at)


def _waiting(answers: Mapping[tuple[str, str], Any]) -> dict[tuple[str, str], Any]:
    """Return what is proposed of the answers that say that something waits."""
    found = {key: (answer, _instant(key[0], answer)) for key, answer in answers.items()}
    return {key: answer[0] for key, (answer, at) in found.items() if not isinstance(at, Unknown) and at}


def _calls(vault: WatchedVault) -> dict[str, ViewCall]:
    found = {role: call(vault.address, f"{role}()(address)") for role in ("asset", *ROLES[vault.version])}
    if vault.version == 1:
        return found | {f"waiting {kind}": _pending_call(vault.address, kind, "") for kind in _ALONE}
    return found | {"adapters": call(vault.address, "adaptersLength()(uint256)")}


def _of_vault(vault: WatchedVault, row: Mapping[str, Any]) -> VaultViews:
    unknown = next((one for one in row.values() if isinstance(one, Unknown)), None)
    found = VaultViews(vault, row["asset"], unknown=unknown)
    if unknown is None:
        found.roles = {role: row[role] for role in ROLES[vault.version]}
        found.proposed = _waiting({(kind, ""): row[f"waiting {kind}"] for kind in _ALONE if f"waiting {kind}" in row})
        found.roles |= {"adapters": row["adapters"]} if "adapters" in row else {}
    return found


def _list_calls(one: VaultViews, known: Mapping[str, Any]) -> dict[str, ViewCall]:
    """Return the calls for a vault's lists: its adapters by their place, and each account that is known of a set."""
    address, count = one.vault.address, min(one.roles.get("adapters", 0), MAX_ADAPTERS)
    found = {f"adapters/{place}": call(address, "adapters(uint256)(address)", place) for place in range(count)}
    for name, view in SETS[one.vault.version].items():
        found |= {f"{name}/{account}": call(address, view, account) for account in known.get(name) or ()}
    return found


def _add_lists(one: VaultViews, row: Mapping[str, Any]) -> None:
    answers: dict[str, dict[str, Any]] = {"adapters": {}} if "adapters" in one.roles else {}
    for key, answer in row.items():
        name, _, member = key.partition("/")
        answers.setdefault(name, {})[member] = answer
    for name, found in answers.items():
        lost = next((each for each in found.values() if isinstance(each, Unknown)), None)
        members = found.values() if name == "adapters" else [one for one, is_in in found.items() if is_in is True]
        one.roles[name] = sorted(members) if lost is None else None
        one.unknown = one.unknown or lost
