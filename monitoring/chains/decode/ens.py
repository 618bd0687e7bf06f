"""ENS names of addresses on Ethereum: only those that lead back to the very same address, and only plain ones.

Four requests at most, whatever the number of addresses. Anybody can register a name, so it identifies nobody.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from monitoring.chains.abi.addresses import ZERO, checksum, is_address, keccak256
from monitoring.chains.abi.values import AbiValue, Unknown
from monitoring.chains.rpc.multicall import Call, call
from monitoring.chains.rpc.views import ChainView

REGISTRY = "0x00000000000C2E074eC69A0dFb2997BA6C7d2e1e"
_CHAIN = 1
MAX_ADDRESSES = 12
# Other letters can look like these, and what is not normalized leads elsewhere in other programs.
_PLAIN = re.compile(r"(?=.{3,64}$)[a-z0-9_-]+(\.[a-z0-9_-]+)+")


def namehash(name: str) -> bytes:
    """Return the node of a name (EIP-137)."""
    node = bytes(32)
    for label in reversed(name.split(".")):
        node = keccak256(node + keccak256(label))
    return node


def ens_names(view: ChainView, addresses: Iterable[str]) -> dict[str, str]:
    """Return the names of those addresses that have one which resolves to them."""
    wanted = list(dict.fromkeys(map(checksum, addresses)))[:MAX_ADDRESSES]
    if view.network.id != _CHAIN or not wanted:
        return {}
    reverse = {one: namehash(f"{one[2:].lower()}.addr.reverse") for one in wanted}
    claimed = _at_resolvers(view, reverse, "name(bytes32)(string)")
    names = {one: name for one, name in claimed.items() if isinstance(name, str) and _PLAIN.fullmatch(name)}
    forward = _at_resolvers(view, {one: namehash(name) for one, name in names.items()}, "addr(bytes32)(address)")
    return {one: name for one, name in names.items() if forward.get(one) == one}


def _at_resolvers(view: ChainView, nodes: Mapping[str, bytes], function: str) -> Mapping[str, AbiValue | Unknown]:
    """Ask the resolver of each node."""
    resolvers = _read(view, {one: call(REGISTRY, "resolver(bytes32)(address)", node) for one, node in nodes.items()})
    known = {one: str(resolver) for one, resolver in resolvers.items() if is_address(resolver) and resolver != ZERO}
    return _read(view, {one: call(resolver, function, nodes[one]) for one, resolver in known.items()})


def _read(view: ChainView, calls: Mapping[str, Call]) -> Mapping[str, AbiValue | Unknown]:
    return view.attempt(calls) if calls else {}
