"""Reads what contracts are: all of them in a few requests, by asking each for what every kind would answer."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from monitoring.chains.abi.addresses import ZERO, checksum, is_address
from monitoring.chains.abi.selectors import roles
from monitoring.chains.abi.values import AbiValue, Unknown
from monitoring.chains.decode.proxies import ProxyContract, read_proxies
from monitoring.chains.inspection.model import ContractFacts, ContractKind
from monitoring.chains.rpc.multicall import Call, call
from monitoring.chains.rpc.tokens import clean_symbol
from monitoring.chains.rpc.views import ChainView

MAX_MEMBERS = 20  # of a role; ours: a longer list is no committee
MAX_OWNERS = 50
_MAX_DECIMALS = 36
_VIEWS = {
    "VERSION": "VERSION()(string)",
    "threshold": "getThreshold()(uint256)",
    "owners": "getOwners()(address[])",
    "min_delay": "getMinDelay()(uint256)",
    "delay": "delay()(uint256)",
    "grace": "GRACE_PERIOD()(uint256)",
    "admin": "admin()(address)",
    "pause_proxy": "proxy()(address)",
    "vote_time": "voteTime()(uint64)",
    "support": "supportRequiredPct()(uint64)",
    "operations": "OPERATIONS_MULTISIG()(address)",
    "asset": "asset()(address)",
    "total_assets": "totalAssets()(uint256)",
    "symbol": "symbol()(string)",
    "decimals": "decimals()(uint256)",
    "total_supply": "totalSupply()(uint256)",
    "owner": "owner()(address)",
    "paused": "paused()(bool)",
}
_ROLE_COUNT, _ROLE_MEMBER = "getRoleMemberCount(bytes32)(uint256)", "getRoleMember(bytes32,uint256)(address)"
_MINIMAL_PROXY = re.compile(rb"\x36\x3d\x3d\x37\x3d\x3d\x3d\x36\x3d\x73(.{20})\x5a\xf4", re.DOTALL)  # ERC-1167
_DELEGATED = re.compile(rb"\xef\x01\x00.{20}", re.DOTALL)  # EIP-7702: still somebody's account

_Answers: TypeAlias = "Mapping[str, AbiValue | Unknown]"


@dataclass(frozen=True, slots=True)
class _Behind:
    """What lies behind a proxy; empty for what is none."""

    kind: str = ""
    implementation: str = ""
    admin: str = ""
    beacon: str = ""


def read_contracts(view: ChainView, addresses: Sequence[str]) -> dict[str, ContractFacts]:
    """Return what each address is. What cannot be read at all says so in `problem`."""
    wanted = list(dict.fromkeys(checksum(one) for one in addresses))
    codes = view.code(wanted)
    contracts = [
        one for one in wanted if (code := codes[one]) and not isinstance(code, Unknown) and not _is_person(code)
    ]
    proxies = read_proxies(view, contracts) if contracts else {}
    answers = _ask(view, contracts)
    members = _roles(view, contracts)
    found = {}
    for address in wanted:
        code = codes[address]
        if isinstance(code, Unknown):
            found[address] = ContractFacts(address, ContractKind.UNREAD, problem=code.reason)
        elif address not in answers:
            found[address] = ContractFacts(address, ContractKind.ACCOUNT)
        else:
            found[address] = _facts(address, answers[address], _proxy(code, proxies[address]), members[address])
    return _with_amounts(view, found)


def _is_person(code: bytes) -> bool:
    return _DELEGATED.fullmatch(code) is not None


def _ask(view: ChainView, contracts: Sequence[str]) -> dict[str, _Answers]:
    calls = {(one, name): call(one, signature) for one in contracts for name, signature in _VIEWS.items()}
    answers = view.read(calls) if calls else {}
    return {one: {name: answers[one, name] for name in _VIEWS} for one in contracts}


def _roles(view: ChainView, contracts: Sequence[str]) -> dict[str, dict[str, tuple[str, ...]]]:
    """Return the members of each well-known role where the contract lists them (AccessControlEnumerable)."""
    counts = {(one, role): call(one, _ROLE_COUNT, role) for one in contracts for role in roles()}
    counted = view.read(counts) if counts else {}
    calls: dict[tuple[str, bytes, int], Call] = {}
    for (one, role), count in counted.items():
        if isinstance(count, int):
            places = range(min(count, MAX_MEMBERS))
            calls |= {(one, role, place): call(one, _ROLE_MEMBER, role, place) for place in places}
    found: dict[str, dict[str, tuple[str, ...]]] = {one: {} for one in contracts}
    for (one, role, _), member in (view.read(calls) if calls else {}).items():
        if is_address(member):
            name = roles()[role]
            found[one][name] = (*found[one].get(name, ()), checksum(str(member)))
    return found


def _proxy(code: bytes, behind: ProxyContract | Unknown) -> _Behind:
    minimal = _MINIMAL_PROXY.search(code)
    if minimal:
        return _Behind("minimal (ERC-1167)", checksum("0x" + minimal[1].hex()))
    if isinstance(behind, Unknown) or behind.implementation == ZERO:
        return _Behind()
    kind = "upgradeable" if behind.beacon == ZERO else "beacon"
    admin, beacon = ("" if one == ZERO else checksum(one) for one in (behind.admin, behind.beacon))
    return _Behind(kind, checksum(behind.implementation), admin, beacon)


def _facts(address: str, said: _Answers, behind: _Behind, members: Mapping[str, tuple[str, ...]]) -> ContractFacts:
    owners, threshold = _owners(said["owners"]), _number(said["threshold"])
    if owners and threshold and threshold <= len(owners):
        version = clean_symbol(str(said["VERSION"])) if isinstance(said["VERSION"], str) else "unknown"
        return ContractFacts(
            address, ContractKind.SAFE, safe_version=version, owners=owners, threshold=threshold, proxy="Safe"
        )
    timelock, delay_s = _timelock(said)
    owner = _address(said["admin"]) if timelock == "compound_timelock" else _address(said["owner"])
    paused = said["paused"]
    symbol, decimals = said["symbol"], _number(said["decimals"])
    sane = decimals if decimals is not None and decimals <= _MAX_DECIMALS else None
    is_vault = bool(_address(said["asset"])) and _number(said["total_assets"]) is not None
    is_token = isinstance(symbol, str) and sane is not None and _number(said["total_supply"]) is not None
    kind = (
        ContractKind.TIMELOCK if timelock
        else ContractKind.VAULT if is_vault and sane is not None
        else ContractKind.TOKEN if is_token
        else ContractKind.CONTRACT
    )  # fmt: skip
    return ContractFacts(
        address, kind, owner=owner, paused=paused if isinstance(paused, bool) else None,
        symbol=clean_symbol(symbol) if isinstance(symbol, str) else "", decimals=sane,
        total_supply=_number(said["total_supply"]), asset=_address(said["asset"]) if is_vault else "",
        total_assets=_number(said["total_assets"]) if is_vault else None, timelock=timelock, delay_s=delay_s,
        roles=members, proxy=behind.kind, implementation=behind.implementation,
        admin=behind.admin, beacon=behind.beacon,
    )  # fmt: skip


def _timelock(said: _Answers) -> tuple[str, int | None]:
    """Return the kind of a timelock by the views that only it has, and its delay in seconds."""
    if (delay_s := _number(said["min_delay"])) is not None:
        return "oz_timelock_controller", delay_s
    delay_s = _number(said["delay"])
    if delay_s is None:
        has_votes = _number(said["vote_time"]) is not None and _number(said["support"]) is not None
        return ("aragon_voting", _number(said["vote_time"])) if has_votes else ("", None)
    if _number(said["grace"]) is not None and _address(said["admin"]):
        return "compound_timelock", delay_s
    if _address(said["operations"]):
        return "puffer_timelock", delay_s
    return ("ds_pause", delay_s) if _address(said["pause_proxy"]) else ("", None)


def _with_amounts(view: ChainView, found: dict[str, ContractFacts]) -> dict[str, ContractFacts]:
    """Add what a vault's asset is, and what one share is worth."""
    vaults = [one for one in found.values() if one.kind is ContractKind.VAULT]
    tokens = view.tokens(one.asset for one in vaults) if vaults else {}
    calls = {
        one.address: call(one.address, "convertToAssets(uint256)(uint256)", 10**one.decimals)
        for one in vaults
        if one.decimals is not None
    }
    worth = view.read(calls) if calls else {}
    for one in vaults:
        token = tokens[one.asset]
        symbol, decimals = ("", None) if isinstance(token, Unknown) else (token.symbol, token.decimals)
        value = _number(worth.get(one.address))
        found[one.address] = replace(one, asset_symbol=symbol, asset_decimals=decimals, assets_of_share=value)
    return found


def _owners(value: AbiValue | Unknown) -> tuple[str, ...]:
    found = value if isinstance(value, tuple) else ()
    return tuple(checksum(str(one)) for one in found[:MAX_OWNERS] if is_address(one))


def _address(value: AbiValue | Unknown) -> str:
    return checksum(str(value)) if is_address(value) and value != ZERO else ""


def _number(value: AbiValue | Unknown | None) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
