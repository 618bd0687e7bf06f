"""What went wrong with an RPC request, decided in one place; every policy (rotate, wait, halve, give up) follows it.

Providers give one code several meanings, so the words decide first, and the code only where no word is known. Called
by `rpc` only.
"""

from __future__ import annotations

import re
from enum import StrEnum

from monitoring.base.errors import ChainError


class Fault(StrEnum):
    """The kinds of failure, by what can be done about them."""

    REVERT = "reverted"  # the chain's answer: never asked again
    DECODE = "answered nonsense"
    RATE_LIMIT = "rate limited"
    STALE_HEAD = "does not have the block"
    HISTORY = "no longer has blocks that old"
    WRONG_CHAIN = "is on another chain"
    MISCONFIGURED = "is no usable address"
    LOG_RANGE = "log range too large"
    BATCH_SIZE = "batch too large"
    TOO_HEAVY = (
        "request too heavy"  # too large, or too long to compute: half of it may pass, or another provider's limit
    )
    UNSUPPORTED = "does not know the method"
    REFUSED = "refused access"
    GONE = "is gone"  # no such name or page, or a web page in its place: asking again in this run is no use
    EMPTY = "answers as if the chain were empty"  # it has lost the chain's state, or serves another's
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

    @property
    def most_blocks(self) -> int | None:
        """Return how many blocks a refusal of a range of logs allows, where its words say so."""
        found = _MOST_BLOCKS.search(str(self)) if self.fault is Fault.LOG_RANGE else None
        return int(next(filter(None, found.groups())).replace(",", "")) if found else None


# `at most 2000 blocks`, `up to a 10 block range`, `limited to 1,000`, `maximum is set to 2048`, `max range: 50000`.
_MOST_BLOCKS = re.compile(
    r"\b(\d[\d,]{0,8})[ -]?blocks?\b"
    r"|\b(?:limited to|max\w*(?: block)? (?:range|is set to|is))\W{1,3}(?:an? )?(\d[\d,]{0,8})"
    r"(?![\d,]| (?:results|logs))",
    re.IGNORECASE,
)
# A contract chooses the words after this, so nothing else in the text may be believed.
_CERTAIN_REVERT = re.compile(r"execution reverted|vm exception while processing|^reverted?\b", re.IGNORECASE)
_REVERT = re.compile(
    r"revert|invalid opcode|opcode .* not defined|stack (under|over)flow|invalid jump|bad instruction|out of gas"
    r"|vm execution error|evm error|gas required exceeds|write protection|insufficient funds",
    re.IGNORECASE,
)
_STALE = re.compile(
    r"blockoutofrange|block ?((is|was) )?out ?of ?range|range extends|invalid block range|unknown block"
    r"|(block|header|state).{0,60}not (found|available|known)|blocks? .{0,60}cannot be found"
    r"|header for hash not found|could not find block|(beyond|greater than|after|above).{0,30}"
    r"(head|latest|last accepted|current block)|height .{0,40}not available|not yet (available|synced)",
    re.IGNORECASE,
)
_HISTORY = re.compile(
    r"missing trie node|prun(ed|ing)|histor(y|ical).{0,40}(unavailable|expired|not (available|supported|stored|kept))"
    r"|archive|(last|latest|recent) [\d,]+ blocks|older than [\d,]+ blocks"
    r"|[\d,]+[ -]blocks? (window|back|behind|ago|old)|window of [\d,]+|proof window|earliest available"
    r"|block.{0,20}too old|ancient|(before|below|lower than|prior to).{0,40}(earliest|oldest|lowest|cutoff)"
    r"|(state|receipts?|logs|history|data).{0,40}(discarded|deleted|expired|no longer)|state histor(y|ies)",
    re.IGNORECASE,
)
_HEAVY = re.compile(
    r"execution (aborted|timeout)|(request|query|execution|call|operation) timed? ?-?out|timeout = |deadline exceeded"
    r"|(response|result|payload|body|content|message|request|call ?data|input)( size)?( is| was)? too (big|large)"
    r"|(response|payload|body|content|request|calldata|call data|input|message) size.{0,20}(exceed|limit|large|big)"
    r"|(exceed|max|larger|above|over).{0,30}(response|payload|body|content|request|calldata|call data|input) size"
    r"|(memory|time|gas|compute|resource|call ?data|stack) (limit|cap|budget) (was |is )?(exceeded|reached)"
    r"|limit of \d+ ?[kmg]i?b\b|per request\b"
    r"|exceed(s|ed)? (the )?(memory|time|gas) (limit|cap|budget)"
    r"|took too long|entity too large|evm timeout|^timeout$"
    r"|(result|response|payload|body|data) exceeds"
    r"|intrinsic gas too high|gas limit (is )?(exceeded|too high)|exceeds? (the )?(block )?gas (limit|cap)",
    re.IGNORECASE,
)
_RATE = re.compile(
    r"rate.?limit|too many requests|(request|call)s? (count|limit)? ?exceeded|compute units|capacity exceeded|quota"
    r"|throttl|slow down|usage limit|credits? (are |is )?(exhausted|exceeded|used up)"
    r"|limit (exceeded|reached)|calls per second|requests per (second|minute|day)",
    re.IGNORECASE,
)
_LOGS = re.compile(
    r"block range(?! extends| params)|range.{0,40}(large|wide|limit|exceed|max)|(limited|limit) to"
    r"|more than \d+ (results|logs)|too many (results|logs|blocks)|response size|size exceed|logs matched"
    r"|max.{0,20}(range|blocks|results)|exceed.{0,30}(range|blocks|results|logs)|query timeout|returned more than"
    r"|ranges? over [\d,]+ blocks|at most [\d,]+ blocks"
    r"|(from_?block|block count|to_?block).{0,60}(big|large|exceed|max)",
    re.IGNORECASE,
)
_BATCH = re.compile(
    r"batch.{0,60}(large|limit|exceed|max|many|size|not (allowed|supported))|(large|many|max).{0,30}batch",
    re.IGNORECASE,
)
_REFUSED = re.compile(
    r"unauthori[sz]ed|forbidden|access denied|does not have access|invalid (api|project|access)|api key"
    r"|must be authenticated",
    re.IGNORECASE,
)

_BY_WORDS: tuple[tuple[Fault, re.Pattern[str]], ...] = (
    (Fault.REVERT, _CERTAIN_REVERT),
    (Fault.BATCH_SIZE, _BATCH),
    (Fault.HISTORY, _HISTORY),
    (Fault.LOG_RANGE, _LOGS),
    (Fault.TOO_HEAVY, _HEAVY),
    (Fault.RATE_LIMIT, _RATE),
    (Fault.STALE_HEAD, _STALE),
    (Fault.REVERT, _REVERT),
    (Fault.REFUSED, _REFUSED),
)
_REVERT_CODES = frozenset({3, -32015})  # geth; OpenEthereum's "VM execution error": the words may be the contract's
_BY_CODE: dict[int, Fault] = {
    4444: Fault.HISTORY,  # EIP-4444, as geth answers
    **dict.fromkeys((429, -32005, -32016, -32029, -32097), Fault.RATE_LIMIT),  # EIP-1474; gateways' own
    **dict.fromkeys((-32601, -32004), Fault.UNSUPPORTED),  # no such method; EIP-1474 "not supported"
    -32007: Fault.BATCH_SIZE,  # a Tenderly gateway, for batches over about 50; QuickNode's rate limit has words
}


def classify_error(method: str, code: int, message: str, *, alone: bool = False) -> Fault:
    """Name the fault behind a JSON-RPC error object; `alone`: the request was no batch, so it was no batch too large.

    The order matters: one gateway says "limit exceeded" of a log range, with the code of a rate limit; and a node
    says "block not found" with the code for wrong parameters.
    """
    if code in _REVERT_CODES:
        return Fault.REVERT
    for fault, pattern in _BY_WORDS:
        fits = (fault is not Fault.LOG_RANGE or method == "eth_getLogs") and not (fault is Fault.BATCH_SIZE and alone)
        if fits and pattern.search(message):
            return fault
    found = _BY_CODE.get(code, Fault.ERROR)
    return Fault.ERROR if found is Fault.BATCH_SIZE and alone else found


# Statuses that say what is wrong whatever stands in the body.
DECISIVE = {401: Fault.REFUSED, 403: Fault.REFUSED, 413: Fault.BATCH_SIZE, 429: Fault.RATE_LIMIT}
_TIMED_OUT = (408, 504, 524)  # a proxy gave up on what stands behind it
_GONE = (404, 410)
UNREADABLE = (400, 422)
LARGE_BYTES = 4096  # ours: of one call; no plain one is as large, and a multicall of 20 is


def classify_status(status: int, *, alone: bool = False, size: int = 0) -> Fault:
    """Name the fault behind an HTTP status that carries no JSON-RPC answer; `size` is the request's, in bytes."""
    if status in _TIMED_OUT and alone and size > LARGE_BYTES:
        return Fault.TOO_HEAVY
    found = DECISIVE.get(status, Fault.GONE if status in _GONE else Fault.TRANSPORT)
    return Fault.TOO_HEAVY if found is Fault.BATCH_SIZE and alone else found
