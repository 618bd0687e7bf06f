"""What stands behind a proxy, and what an upgrade call would put there: old and new implementation.

Reads the standard slots (ERC-1967, the zeppelinos one before it, ERC-1822) in one request, then getters for the rest.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from monitoring.chains.abi.addresses import ZERO, address_in, checksum, is_address
from monitoring.chains.abi.values import Unknown
from monitoring.chains.decode.calldata import DecodedCall
from monitoring.chains.rpc.multicall import call
from monitoring.chains.rpc.views import ChainView

# keccak256("eip1967.proxy.…") - 1; keccak256("org.zeppelinos.proxy.implementation"); keccak256("PROXIABLE")
IMPLEMENTATION = "0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc"
ADMIN = "0xb53127684a568b3173ae13b9f8a6016e243e63b6e8ee1178d6a717850b5d6103"
BEACON = "0xa3f0ad74e5423aebfd80d3ef4346578335a9a72aeaee59ff6cb3582b35133d50"
ZEPPELINOS = "0x7050c9e0f4ca769c69bd3a8ef740bc37934f8e2c036e5a723fd8ee048ed3f8c3"
PROXIABLE = "0xc5f16f0fcc639fa48a6947836d9850f504798523bf8c9a3a87d5876cf622bcf7"
_SLOTS = (IMPLEMENTATION, ADMIN, BEACON, ZEPPELINOS, PROXIABLE)
_GETTERS = ("implementation()(address)", "comptrollerImplementation()(address)")


@dataclass(frozen=True, slots=True)
class ProxyContract:
    """What stands behind an address; `implementation` is the zero address for one that is no proxy."""

    address: str
    implementation: str
    admin: str = ZERO
    beacon: str = ZERO


@dataclass(frozen=True, slots=True)
class Upgrade:
    """An upgrade somebody asks for. `old` is `Unknown` where the chain could not be read."""

    proxy: str
    old: str | Unknown
    new: str
    diff_link: str
    call: DecodedCall


def read_proxies(view: ChainView, addresses: Iterable[str]) -> dict[str, ProxyContract | Unknown]:
    """Return what stands behind each address."""
    wanted = list(dict.fromkeys(checksum(one) for one in addresses))
    words = view.storage((address, slot) for address in wanted for slot in _SLOTS)
    found: dict[str, ProxyContract | Unknown] = {}
    for address in wanted:
        slots = {slot: words[address, slot] for slot in _SLOTS}
        unread = next((word for word in slots.values() if isinstance(word, Unknown)), None)
        if unread is not None:
            found[address] = unread
            continue
        at = {slot: address_in(word) for slot, word in slots.items() if isinstance(word, bytes)}
        implementation = next((at[s] for s in (IMPLEMENTATION, ZEPPELINOS, PROXIABLE) if at[s] != ZERO), ZERO)
        found[address] = ProxyContract(address, implementation, at[ADMIN], at[BEACON])
    return _with_getters(view, found)


def _with_getters(view: ChainView, found: dict[str, ProxyContract | Unknown]) -> dict[str, ProxyContract | Unknown]:
    """Ask the beacon, or the contract itself, where no slot holds the implementation."""
    open_ = [one for one in found.values() if isinstance(one, ProxyContract) and one.implementation == ZERO]
    calls = {
        (proxy.address, getter): call(proxy.beacon if proxy.beacon != ZERO else proxy.address, getter)
        for proxy in open_
        for getter in _GETTERS
    }
    answers = view.read(calls) if calls else {}
    for proxy in open_:
        answer = next((a for g in _GETTERS if is_address(a := answers[proxy.address, g])), ZERO)
        found[proxy.address] = ProxyContract(proxy.address, str(answer), proxy.admin, proxy.beacon)
    return found


def upgrade_calls(decoded: DecodedCall) -> list[tuple[str, str, DecodedCall]]:
    """Return (proxy, new implementation, call) for every upgrade in a tree whose proxy is known."""
    found = []
    for one in decoded.walk():
        places = one.declaration.upgrade if one.declaration else {}
        if places:
            proxy = one.tx.to if places["proxy"] == "self" else _address_at(one, places["proxy"])
            found.append((proxy, _address_at(one, places["new"]), one))
    return [(checksum(proxy), new, one) for proxy, new, one in found if is_address(proxy) and new]


def _address_at(one: DecodedCall, place: object) -> str:
    value = one.arguments[place].value if isinstance(place, int) else ""
    return value if isinstance(value, str) else ""


def read_upgrades(view: ChainView, decoded: DecodedCall) -> tuple[Upgrade, ...]:
    """Return each upgrade in a tree with what it would replace."""
    asked = upgrade_calls(decoded)
    proxies = read_proxies(view, [proxy for proxy, _, _ in asked]) if asked else {}
    upgrades = []
    for proxy, new, one in asked:
        behind = proxies[proxy]
        old = behind if isinstance(behind, Unknown) else behind.implementation
        known = isinstance(old, str) and old != ZERO
        link = view.network.link("diff", old=old, new=new) if known else ""
        upgrades.append(Upgrade(proxy, old, new, link, one))
    return tuple(upgrades)
