"""What an upgrade replaces, read from code: which functions come and go, how old the new code is, who verified it.

Called for alerts. What is not looked at is said; two requests an alert, and for each of the first upgrades a few small
ones for the age.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from monitoring.chains.abi.addresses import ZERO
from monitoring.chains.abi.values import Unknown
from monitoring.chains.decode.birth import ContractAge, contract_age
from monitoring.chains.decode.dispatcher import selectors_in
from monitoring.chains.decode.proxies import Upgrade
from monitoring.chains.decode.signature_resolver import ExplorerAbi, VerifiedSource
from monitoring.chains.rpc.views import ChainView

MAX_LOOKED_AT = 3  # upgrades of one message; the others show their two addresses


@dataclass(frozen=True, slots=True)
class NewCode:
    """The code that an upgrade brings. `comes` and `goes` are selectors, `Unknown` where code cannot be compared.

    `source` is None where there is no key to look it up with.
    """

    upgrade: Upgrade
    has_code: bool | Unknown
    comes: frozenset[bytes] | Unknown
    goes: frozenset[bytes] | Unknown
    age: ContractAge | Unknown
    source: VerifiedSource | Unknown | None = None


def read_new_code(view: ChainView, upgrades: Sequence[Upgrade], explorer: ExplorerAbi | None) -> list[NewCode]:
    """Return what is known of the code that upgrades bring."""
    looked_at = upgrades[:MAX_LOOKED_AT]
    addresses = {one.new for one in looked_at} | {one.old for one in looked_at if isinstance(one.old, str)}
    codes = view.code(sorted(addresses - {ZERO}))
    return [_of(one, codes, view, explorer) for one in looked_at]


def _of(one: Upgrade, codes: dict[str, bytes | Unknown], view: ChainView, explorer: ExplorerAbi | None) -> NewCode:
    new = codes.get(one.new, b"")
    has_code = new if isinstance(new, Unknown) else bool(new)
    old = codes.get(one.old, Unknown("the old code is not known")) if isinstance(one.old, str) else one.old
    comes, goes = _difference(old, new)
    age = contract_age(view, one.new) if has_code is True else Unknown("there is no contract")
    source = explorer.verified(view.network.id, one.new) if explorer and has_code is True else None
    return NewCode(one, has_code, comes, goes, age, source)


def _difference(
    old: bytes | Unknown, new: bytes | Unknown
) -> tuple[frozenset[bytes] | Unknown, frozenset[bytes] | Unknown]:
    if isinstance(old, Unknown) or isinstance(new, Unknown):
        lost = old if isinstance(old, Unknown) else new
        return Unknown(str(lost)), Unknown(str(lost))
    before, after = selectors_in(old), selectors_in(new)
    if not before or not after:
        neither = Unknown("their functions cannot be read from the code")
        return neither, neither
    return after - before, before - after
