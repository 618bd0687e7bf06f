"""What went wrong with an RPC request, decided in one place; every policy (rotate, wait, halve, give up) follows it.

Providers agree on few codes, so the texts decide where the codes do not. Called by `rpc` only.
"""

from __future__ import annotations

import re
from enum import StrEnum

from monitoring.errors import ChainError


class Fault(StrEnum):
    """The kinds of failure, by what can be done about them."""

    REVERT = "reverted"  # the chain's answer: never asked again
    DECODE = "answered nonsense"
    RATE_LIMIT = "rate limited"
    STALE_HEAD = "does not have the block"
    WRONG_CHAIN = "is on another chain"
    LOG_RANGE = "log range too large"
    BATCH_SIZE = "batch too large"
    UNSUPPORTED = "does not know the method"
    REFUSED = "refused access"
    ERROR = "answered with an error"  # in words nobody knows: perhaps the call's own fault, so nobody is barred for it
    TRANSPORT = "did not answer"


# Faults of the request, not of the provider: the same everywhere, or for the caller to answer by asking for less.
FINAL = frozenset({Fault.REVERT, Fault.LOG_RANGE, Fault.BATCH_SIZE})


class RpcError(ChainError):
    """A request to a chain failed; `fault` says how, `data` carries what a revert returned."""

    def __init__(
        self, fault: Fault, message: str, *, host: str = "", retry_after_s: float | None = None, data: str = ""
    ) -> None:
        self.fault = fault
        self.host = host
        self.retry_after_s = retry_after_s
        self.data = data
        super().__init__(message)


# A contract chooses the words after this, so nothing else in the text may be believed.
_CERTAIN_REVERT = re.compile(r"execution reverted|vm exception while processing|^reverted?\b", re.IGNORECASE)
_REVERT = re.compile(
    r"revert|invalid opcode|opcode .* not defined|stack (under|over)flow|invalid jump|bad instruction|out of gas"
    r"|vm execution error|evm error|gas required exceeds|write protection|insufficient funds",
    re.IGNORECASE,
)
_STALE = re.compile(
    r"blockoutofrange|block ?out ?of ?range|(block|header|state).{0,60}not (found|available|known)|unknown block"
    r"|header for hash not found|could not find block|missing trie node|(beyond|greater than|after|above).{0,30}"
    r"(head|latest|last accepted|current block)|height .{0,40}not available|not yet (available|synced)",
    re.IGNORECASE,
)
_RATE = re.compile(
    r"rate.?limit|too many requests|(request|call)s? (count|limit)? ?exceeded|compute units|capacity exceeded|quota"
    r"|throttl|limit exceeded",
    re.IGNORECASE,
)
_LOGS = re.compile(
    r"block range|range.{0,40}(large|wide|limit|exceed|max)|(limited|limit) to|more than \d+ (results|logs)|too many "
    r"(results|logs|blocks)|response size|size exceed|logs matched|max.{0,20}(range|blocks|results)|exceed.{0,30}"
    r"(range|blocks|results|logs)|query timeout|returned more than",
    re.IGNORECASE,
)
_BATCH = re.compile(
    r"batch.{0,60}(large|limit|exceed|max|many|size|not (allowed|supported))|(large|many|max).{0,30}batch",
    re.IGNORECASE,
)
_REFUSED = re.compile(
    r"unauthori[sz]ed|forbidden|invalid (api|project|access)|api key|must be authenticated", re.IGNORECASE
)

_NEVER = re.compile(r"(?!)")
_ORDER: tuple[tuple[Fault, frozenset[int], re.Pattern[str]], ...] = (
    (Fault.REVERT, frozenset({3, -32015}), _CERTAIN_REVERT),  # geth; OpenEthereum's "VM execution error"
    (Fault.BATCH_SIZE, frozenset({-32007}), _BATCH),  # a Tenderly gateway, for batches over about 50
    (Fault.LOG_RANGE, frozenset(), _LOGS),
    (Fault.RATE_LIMIT, frozenset({429, -32005, -32016, -32029, -32097}), _RATE),  # EIP-1474; gateways' own
    (Fault.UNSUPPORTED, frozenset({-32601, -32004}), _NEVER),  # no such method; EIP-1474 "not supported"
    (Fault.STALE_HEAD, frozenset(), _STALE),
    (Fault.REVERT, frozenset(), _REVERT),
    (Fault.REFUSED, frozenset(), _REFUSED),
)


def classify_error(method: str, code: int, message: str) -> Fault:
    """Name the fault behind a JSON-RPC error object.

    The order matters: one gateway says "limit exceeded" of a log range, with the code of a rate limit; and a node
    says "block not found" with the code for wrong parameters.
    """
    for fault, codes, pattern in _ORDER:
        if fault is Fault.LOG_RANGE and method != "eth_getLogs":
            continue
        if code in codes or pattern.search(message):
            return fault
    return Fault.ERROR


# Statuses that say what is wrong whatever stands in the body.
DECISIVE = {401: Fault.REFUSED, 403: Fault.REFUSED, 413: Fault.BATCH_SIZE, 429: Fault.RATE_LIMIT}


def classify_status(status: int) -> Fault:
    """Name the fault behind an HTTP status that carries no JSON-RPC answer."""
    return DECISIVE.get(status, Fault.TRANSPORT)
