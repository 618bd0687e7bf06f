"""Who controls a contract, step by step: proxy admins, owners, roles, timelocks and Safes, up to the people."""

from __future__ import annotations

from monitoring.chains.abi.addresses import check_address
from monitoring.chains.abi.values import Unknown
from monitoring.chains.inspection.contract import read_contracts
from monitoring.chains.inspection.model import ContractFacts, ContractKind, Inspection
from monitoring.chains.rpc.views import ChainView

MAX_DEPTH = 6  # proxy, admin contract, timelock, Safe, and two more
MAX_CONTRACTS = 80  # ours: more is no answer that a person reads


def inspect(view: ChainView, address: str, depth: int = MAX_DEPTH) -> Inspection:
    """Read an address, and what controls it, each address once; all of a step in the same requests.

    Raises:
        SignatureError: it is no address, or its checksum is wrong.
    """
    start = check_address(address)
    found: dict[str, ContractFacts] = {}
    waiting, left_out = [start], 0
    for _ in range(depth + 1):
        room = MAX_CONTRACTS - len(found)
        left_out += len(waiting[room:])
        if not waiting[:room]:
            break
        step = read_contracts(view, waiting[:room])
        found |= step
        behind = (controller for facts in step.values() for controller in facts.controllers())
        waiting = [one for one in dict.fromkeys(behind) if one not in found]
    else:
        left_out += len(waiting)
    return Inspection(view.network.slug, start, found, left_out)


def unread(chain: str, address: str, reason: Unknown) -> Inspection:
    """Return what is said of an address whose chain cannot be read."""
    return Inspection(chain, address, {address: ContractFacts(address, ContractKind.UNREAD, problem=reason.reason)})
