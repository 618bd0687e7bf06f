"""Where a Morpho vault has what it has: the withdraw queue of a vault V1, the adapters of a vault V2.

Each step is one read for all vaults of a chain, of both generations. What cannot be read makes the vaults that need it
unknown, no other.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from monitoring.chains.abi.addresses import keccak256
from monitoring.chains.abi.function import parse_function
from utils.chain import Chain, Readings, ViewCall
from utils.monitor import Unknown, UnknownError, call

T = TypeVar("T")
P = ParamSpec("P")
Row = TypeVar("Row", bound=Hashable)
Other = TypeVar("Other", bound=Hashable)
PARAMS = "(address,address,address,address,uint256)"
_PACK = parse_function(f"params{PARAMS}()")
_PARAMS_LISTED = f"marketParamsList(uint256){PARAMS}"
_QUEUED, _ADAPTERS = "withdrawQueue(uint256)(bytes32)", "adapters(uint256)(address)"
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


def read_places(
    chain: Chain, v1: Sequence[str], v2: Sequence[str]
) -> tuple[dict[str, Queue | Unknown], dict[str, Adapters | Unknown]]:
    """Return the vaults V1 by address, those in which vaults V2 invest too, and the vaults V2 by address."""
    heads = dict(chain.read_each([*v1, *v2], lambda vault: _of_v1(vault) if vault in v1 else _of_v2(vault)))
    lists = {one: (one, heads[one].length, _QUEUED if one in v1 else _ADAPTERS) for one in heads}
    own = {one: {"idle": call(heads[one].asset, "balanceOf(address)(uint256)", one)} for one in v2}
    listed, idle = _entries(chain, lists, own)
    kinds = _kinds(chain, [(vault, one) for vault in v2 for one in _known(listed[vault])])
    queues = {one: attempt(_queue, heads[one], listed[one]) for one in v1}
    adapters = {one: attempt(_adapters, one, heads[one], listed[one], idle[one], kinds) for one in v2}
    inner = [one.inner for found in adapters.values() if isinstance(found, Adapters) for one in found.adapters]
    return queues | _read_inner(chain, [one for one in dict.fromkeys(inner) if one and one not in queues]), adapters


def _read_inner(chain: Chain, vaults: Sequence[str]) -> dict[str, Queue | Unknown]:
    heads = dict(chain.read_each(vaults, _of_v1))
    listed, _ = _entries(chain, {one: (one, heads[one].length, _QUEUED) for one in vaults})
    return {one: attempt(_queue, heads[one], listed[one]) for one in vaults}


def _of_v1(vault: str) -> Mapping[str, ViewCall]:
    return {
        "reported": call(vault, "totalAssets()(uint256)"),
        "shares": call(vault, "totalSupply()(uint256)"),
        "asset": call(vault, "asset()(address)"),
        "morpho": call(vault, "MORPHO()(address)"),
        "length": call(vault, "withdrawQueueLength()(uint256)"),
    }


def _of_v2(vault: str) -> Mapping[str, ViewCall]:
    return {
        "reported": call(vault, "totalAssets()(uint256)"),
        "asset": call(vault, "asset()(address)"),
        "length": call(vault, "adaptersLength()(uint256)"),
    }


def _queue(found: Readings, ids: tuple[Any, ...] | Unknown) -> Queue:
    return Queue(
        sure(found.asset), sure(found.morpho), sure(found.reported), sure(found.shares),
        tuple(hex_of(one) for one in sure(ids)),
    )  # fmt: skip


def _adapters(
    vault: str,
    found: Readings,
    listed: tuple[Any, ...] | Unknown,
    own: Readings,
    kinds: Mapping[tuple[str, str], Adapter | Unknown],
) -> Adapters:
    adapters = tuple(sure(kinds[vault, one]) for one in sure(listed))
    return Adapters(sure(found.asset), sure(found.reported), sure(own.idle), adapters)


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
    lists = {
        ("params", row): (row[1], found.params, f"marketParamsList(uint256){PARAMS}") for row, found in read.items()
    }
    lists |= {("ids", row): (row[1], found.ids, "marketIds(uint256)(bytes32)") for row, found in read.items()}
    listed, more = _entries(chain, lists, {row: _more(row[1], found) for row, found in read.items()})
    return {
        row: attempt(_adapter, row, found, listed["params", row], listed["ids", row], more[row])
        for row, found in read.items()
    }


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
    chain: Chain,
    lists: Mapping[Row, tuple[str, Any, str]],
    others: Mapping[Other, Mapping[str, ViewCall]] | None = None,
) -> tuple[dict[Row, tuple[Any, ...] | Unknown], dict[Other, Readings]]:
    """Return all entries of each list, and `others`, which are read in the same request.

    `lists` has the contract, the length and the view of an entry by row.
    """
    lengths = {row: attempt(_length, target, length) for row, (target, length, _) in lists.items()}
    entries = {
        (row, place): {"entry": call(lists[row][0], lists[row][2], place)}
        for row, length in lengths.items() if isinstance(length, int) for place in range(length)
    }  # fmt: skip
    wanted: dict[Any, Mapping[str, ViewCall]] = {**entries, **(others or {})}
    read = dict(chain.read_each(wanted, wanted.__getitem__))
    found: dict[Row, list[Any]] = {row: [] for row in lists}
    for row, place in entries:
        found[row].append(read[row, place].entry)
    return {row: attempt(_all, lengths[row], found[row]) for row in lists}, {one: read[one] for one in others or {}}


def _length(target: str, length: int | Unknown) -> int:
    count = sure(length)
    if count > _MOST:
        raise UnknownError(Unknown(f"{target} has a list of {count} entries, more than any vault", target))
    return count


def _all(length: int | Unknown, entries: Sequence[Any]) -> tuple[Any, ...]:
    sure(length)
    return tuple(sure(one) for one in entries)
