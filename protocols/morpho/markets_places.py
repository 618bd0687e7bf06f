"""Where a Morpho vault has what it has: the withdraw queue of a vault V1, the adapters of a vault V2.

Each step is one read for all vaults of a chain. What cannot be read makes the vaults that need it unknown, no other.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from monitoring.chains.abi.addresses import keccak256
from monitoring.chains.abi.function import parse_function
from utils.chain import Chain, Readings
from utils.monitor import Unknown, UnknownError, call

T = TypeVar("T")
P = ParamSpec("P")
Row = TypeVar("Row", bound=Hashable)
PARAMS = "(address,address,address,address,uint256)"
_PACK = parse_function(f"params{PARAMS}()")
_MOST = 200  # entries of a list; a vault V1 allows 30, and what claims more is no vault


@dataclass(frozen=True, slots=True)
class Adapter:
    """What a vault V2 has in one place: shares of a vault V1 (`inner`), or positions of its own in markets.

    One that has neither is of a kind that is not known here; `assets` is what it says it has.
    """

    address: str
    assets: int
    inner: str = ""
    shares: int = 0
    morpho: str = ""
    ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Adapters:
    """A vault V2 before its markets are read."""

    asset: str
    reported: int
    idle: int
    adapters: tuple[Adapter, ...]


@dataclass(frozen=True, slots=True)
class Queue:
    """A vault V1 before its markets are read: its total, its shares, and the markets it may withdraw from."""

    asset: str
    morpho: str
    reported: int
    shares: int
    ids: tuple[str, ...]


def sure(value: T | Unknown) -> T:
    """Return what is known.

    Raises:
        UnknownError: it is not.
    """
    if isinstance(value, Unknown):
        raise UnknownError(value)
    return value


def attempt(function: Callable[P, T], *arguments: P.args, **keywords: P.kwargs) -> T | Unknown:
    """Return what a function makes of its readings, or the one that it could not do without."""
    try:
        return function(*arguments, **keywords)
    except UnknownError as error:
        return Unknown(error.unknown.reason, error.unknown.source)


def hex_of(value: bytes) -> str:
    return f"0x{value.hex()}"


def read_queues(chain: Chain, vaults: Iterable[str]) -> dict[str, Queue | Unknown]:
    """Return each vault V1 by its address."""
    read = dict(
        chain.read_each(
            vaults,
            lambda vault: {
                "reported": call(vault, "totalAssets()(uint256)"),
                "shares": call(vault, "totalSupply()(uint256)"),
                "asset": call(vault, "asset()(address)"),
                "morpho": call(vault, "MORPHO()(address)"),
                "length": call(vault, "withdrawQueueLength()(uint256)"),
            },
        )
    )
    ids = _entries(
        chain, {vault: (vault, one.length) for vault, one in read.items()}, "withdrawQueue(uint256)(bytes32)"
    )

    def queue(vault: str, found: Readings) -> Queue:
        return Queue(
            sure(found.asset), sure(found.morpho), sure(found.reported), sure(found.shares),
            tuple(hex_of(one) for one in sure(ids[vault])),
        )  # fmt: skip

    return {vault: attempt(queue, vault, found) for vault, found in read.items()}


def read_adapters(chain: Chain, vaults: Sequence[str]) -> dict[str, Adapters | Unknown]:
    """Return each vault V2 by its address."""
    read = dict(
        chain.read_each(
            vaults,
            lambda vault: {
                "reported": call(vault, "totalAssets()(uint256)"),
                "asset": call(vault, "asset()(address)"),
                "length": call(vault, "adaptersLength()(uint256)"),
            },
        )
    )
    listed = _entries(chain, {vault: (vault, one.length) for vault, one in read.items()}, "adapters(uint256)(address)")
    idle = dict(
        chain.read_each(vaults, lambda vault: {"own": call(read[vault].asset, "balanceOf(address)(uint256)", vault)})
    )
    found = _kinds(chain, [(vault, one) for vault in vaults for one in _known(listed[vault])])

    def whole(vault: str) -> Adapters:
        adapters = tuple(sure(found[vault, one]) for one in sure(listed[vault]))
        return Adapters(sure(read[vault].asset), sure(read[vault].reported), sure(idle[vault].own), adapters)

    return {vault: attempt(whole, vault) for vault in vaults}


def _kinds(chain: Chain, rows: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Adapter | Unknown]:
    """Find out of which kind each adapter (of a vault) is: it refuses the views of the other kinds."""
    read = dict(
        chain.read_each(
            rows,
            lambda row: {
                "assets": call(row[1], "realAssets()(uint256)"),
                "parent": call(row[1], "parentVault()(address)"),
                "skim": call(row[1], "skimRecipient()(address)"),  # so that most calls are answered by every kind
                "inner": call(row[1], "morphoVaultV1()(address)"),
                "params": call(row[1], "marketParamsListLength()(uint256)"),
                "ids": call(row[1], "marketIdsLength()(uint256)"),
            },
        )
    )
    params = _entries(
        chain, {row: (row[1], found.params) for row, found in read.items()}, f"marketParamsList(uint256){PARAMS}"
    )
    ids = _entries(chain, {row: (row[1], found.ids) for row, found in read.items()}, "marketIds(uint256)(bytes32)")
    more = chain.read_each(read, lambda row: _more(row[1], read[row]))
    return {row: attempt(_adapter, row, read[row], params[row], ids[row], found) for row, found in more}


def _more(adapter: str, found: Readings) -> Mapping[str, Any]:
    if isinstance(found.inner, str):
        return {"shares": call(found.inner, "balanceOf(address)(uint256)", adapter)}
    has_markets = not _is_refused(found.params) or not _is_refused(found.ids)
    return {"morpho": call(adapter, "morpho()(address)")} if has_markets else {}


def _adapter(
    row: tuple[str, str],
    found: Readings,
    params: tuple[Any, ...] | Unknown,
    ids: tuple[Any, ...] | Unknown,
    more: Readings,
) -> Adapter:
    vault, address = row
    if sure(found.parent).lower() != vault.lower():
        raise UnknownError(Unknown(f"adapter {address} names another vault, {found.parent}", f"adapter {address}"))
    assets = sure(found.assets)
    if not _is_refused(found.inner):
        return Adapter(address, assets, inner=sure(found.inner), shares=sure(more.shares))
    if not _is_refused(found.params):
        packed = tuple(hex_of(keccak256(_PACK.encode(one)[4:])) for one in sure(params))
        return Adapter(address, assets, morpho=sure(more.morpho), ids=packed)
    if not _is_refused(found.ids):
        return Adapter(address, assets, morpho=sure(more.morpho), ids=tuple(hex_of(one) for one in sure(ids)))
    return Adapter(address, assets)


def _is_refused(value: object) -> bool:
    """Return whether the contract itself has no such view; a chain that cannot be read says nothing of it."""
    return isinstance(value, Unknown) and ": " in value.source


def _known(value: tuple[T, ...] | Unknown) -> tuple[T, ...]:
    return () if isinstance(value, Unknown) else value


def _entries(
    chain: Chain, lists: Mapping[Row, tuple[str, Any]], signature: str
) -> dict[Row, tuple[Any, ...] | Unknown]:
    """Return all entries of each list: `lists` has the contract and the length by row."""
    lengths = {row: attempt(_length, target, length) for row, (target, length) in lists.items()}
    wanted = [(row, place) for row, length in lengths.items() if isinstance(length, int) for place in range(length)]
    read = chain.read_each(wanted, lambda one: {"entry": call(lists[one[0]][0], signature, one[1])})
    found: dict[Row, list[Any]] = {row: [] for row in lists}
    for (row, _), one in read:
        found[row].append(one.entry)
    return {row: attempt(_all, lengths[row], found[row]) for row in lists}


def _length(target: str, length: int | Unknown) -> int:
    count = sure(length)
    if count > _MOST:
        raise UnknownError(Unknown(f"{target} has a list of {count} entries, more than any vault", target))
    return count


def _all(length: int | Unknown, entries: Sequence[Any]) -> tuple[Any, ...]:
    sure(length)
    return tuple(sure(one) for one in entries)
