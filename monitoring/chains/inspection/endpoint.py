"""What an endpoint can do beyond answering: old state (archive), and how many blocks of logs at once."""

from __future__ import annotations

from dataclasses import dataclass

from monitoring.chains.abi.addresses import ZERO
from monitoring.chains.networks import Network
from monitoring.chains.rpc.budget import REQUEST_S
from monitoring.chains.rpc.errors import RpcError
from monitoring.chains.rpc.pool import Head
from monitoring.chains.rpc.provider import Ask, Provider

WIDTHS = (100_000, 10_000, 1_000, 100)  # blocks; the limits that gateways have
_OLD_S = 90 * 86_400  # further back than a full node keeps state (128 blocks)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """`archive`: answers for a block of three months ago. `log_range`: blocks of logs in one request, 0 for none."""

    archive: bool
    log_range: int


def read_capabilities(network: Network, head: Head) -> Capabilities:
    """Ask the provider of this head; costs two to five requests."""
    provider = head.provider
    old = max(1, head.number - network.blocks_in(_OLD_S))
    archive = _answers(provider, Ask("eth_getBalance", (ZERO, hex(old))))
    widths = (width for width in WIDTHS if _answers(provider, _logs(network, head.number, width)))
    return Capabilities(archive, next(widths, 0))


def _logs(network: Network, head: int, width: int) -> Ask:
    # Multicall3 emits nothing, so the answer is small and only the range is tried.
    first = max(0, head - width + 1)
    return Ask("eth_getLogs", ({"address": network.multicall3, "fromBlock": hex(first), "toBlock": hex(head)},))


def _answers(provider: Provider, ask: Ask) -> bool:
    try:
        (outcome,) = provider.ask([ask], REQUEST_S)
    except RpcError:
        return False
    return not isinstance(outcome, RpcError)
