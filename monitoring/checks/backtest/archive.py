"""One chain as it was at each step: its block then, and what it answers at that block, asked once and kept.

Providers are those of the environment, asked as a run asks them. An answer that does not come for our reasons (a rate
limit, an endpoint that is down, history that is gone, no request left) stops the backtest: it is never judged.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from monitoring.base.formatting import format_instant
from monitoring.chains.abi.values import Json
from monitoring.chains.networks import Network, own_urls, provider_urls
from monitoring.chains.rpc.budget import Budget
from monitoring.chains.rpc.errors import Fault, RpcError
from monitoring.chains.rpc.pool import ProviderPool
from monitoring.chains.rpc.provider import Ask, Breaker, Outcome
from monitoring.checks.backtest.block_search import BlockHeader, BlockSearch
from monitoring.checks.backtest.kept_answers import KeptAnswers, key_of
from monitoring.checks.backtest.one_call import BundledCalls, aggregate_of, combined, parts_of, split

if TYPE_CHECKING:
    from monitoring.checks.backtest.past import PastWorld

# No chain here takes back a block that old; Ethereum is final after 13 minutes.
FINAL_AFTER = timedelta(hours=1)
REQUEST_S = 30.0  # an archive looks for an old state on disk
_ENDLESS = 10**9  # the allowance of requests is the bound, and our patience
_GONE = (Fault.HISTORY, Fault.STALE_HEAD)
_COMES_BACK = (Fault.RATE_LIMIT, Fault.TRANSPORT, Fault.REFUSED, Fault.DECODE, Fault.GONE, Fault.WRONG_CHAIN)
_NOT_KEPT = frozenset({"eth_chainId", "eth_blockNumber"})
_NOBODY = "0x" + "00" * 20
_PLACE_OF_BLOCK = {
    "eth_call": 1,
    "eth_getCode": 1,
    "eth_getBalance": 1,
    "eth_getStorageAt": 2,
    "eth_getBlockByNumber": 0,
}


class ChainArchive:
    """What a backtest reads of one chain."""

    def __init__(self, network: Network, world: PastWorld) -> None:
        self.network = network
        self._world = world
        budget = Budget(seconds=_ENDLESS, retries=_ENDLESS, request_s=REQUEST_S, clock=world.clock, sleep=world.sleep)
        urls, own = provider_urls(network, world.environ), len(own_urls(network, world.environ))
        self.pool = ProviderPool(network, urls, world.fetch, budget, own=own)
        self._kept: KeptAnswers | None = None
        self._heads: dict[datetime, BlockHeader | None] = {}
        self._lock = threading.RLock()

    def head(self, at: datetime) -> BlockHeader | None:
        """Return the newest block at an instant; all steps are looked up together."""
        with self._lock:
            if at not in self._heads and not self._world.stopped:
                self._find({at, *self._world.steps})
            return self._heads.get(at)

    def answer(self, asks: Sequence[Ask], at: datetime) -> list[Outcome]:
        """Answer as a provider would at that step; what is kept is not asked again."""
        with self._lock:
            head = self.head(at)
            if head is None or self._world.stopped:
                return [self._stopped()] * len(asks)
            return [*self._answers(asks, head)]

    def is_kept(self, at: datetime) -> bool:
        """Return whether this step was read before."""
        head = self._heads.get(at)
        return head is not None and self._kept is not None and self._kept.has(head.number)

    def has_state(self, at: datetime) -> bool:
        """Return whether somebody still has the state of the block of a step."""
        head = self.head(at)
        if head is None:
            return True  # the chain began later
        (answer,) = self.pool.batch([Ask("eth_getBalance", (_NOBODY, hex(head.number)))])
        return not (isinstance(answer, RpcError) and answer.fault in _GONE)

    # -- answers -------------------------------------------------------------------------------------------------------

    def _answers(self, asks: Sequence[Ask], head: BlockHeader) -> list[Outcome]:
        questions = [_OpenRead(ask, aggregate_of(ask, self.network.multicall3)) for ask in asks]
        for one in questions:
            self._recall(one, head)
        missing = [one for one in questions if one.answer is None]
        outcomes = self._patiently([one.wanted for one in missing], head) if missing else []
        for one, outcome in zip(missing, outcomes, strict=True):
            self._keep(one.heard(outcome), head)
        return [self._stopped() if one.answer is None else one.answer for one in questions]

    def _recall(self, question: _OpenRead, head: BlockHeader) -> None:
        question.answer = self._kept_answer(question.ask, head)
        if question.answer is None and question.whole is not None:
            question.use([self._kept_answer(one, head) for one in split(question.whole)])

    def _kept_answer(self, ask: Ask, head: BlockHeader) -> Outcome | None:
        found = self._store.at(_block_of(ask, head)).get(key_of(ask.method, ask.params))
        if not isinstance(found, dict):
            return None
        if "e" in found:
            return RpcError(Fault.REVERT, f"{self.network.slug}: {ask.method}: reverted", data=str(found["e"]))
        return cast("Json", found.get("r"))

    def _keep(self, found: Iterable[tuple[Ask, Outcome]], head: BlockHeader) -> None:
        is_final = self._world.clock.now().timestamp() - head.at_s > FINAL_AFTER.total_seconds()
        by_block: dict[int, dict[str, Any]] = {}
        for ask, outcome in found:
            is_revert = isinstance(outcome, RpcError) and outcome.fault is Fault.REVERT
            if ask.method in _NOT_KEPT or outcome is None or (isinstance(outcome, RpcError) and not is_revert):
                continue
            value = {"e": outcome.data} if isinstance(outcome, RpcError) else {"r": _bare(ask, outcome)}
            by_block.setdefault(_block_of(ask, head), {})[key_of(ask.method, ask.params)] = value
        for block, values in by_block.items():
            self._store.put(block, values, is_final=is_final)

    @property
    def _store(self) -> KeptAnswers:
        """Return what is kept of this chain: a chain of the same number with another beginning is another chain."""
        if self._kept is None:
            (first,) = self._patiently([Ask("eth_getBlockByNumber", ("0x0", False))], None, may_be_gone=True)
            mark = str(first.get("hash", ""))[2:18] if isinstance(first, dict) else "unknown"
            self._kept = KeptAnswers(self._world.folder / f"{self.network.slug}-{mark}")
        return self._kept

    # -- blocks --------------------------------------------------------------------------------------------------------

    def _find(self, instants: Collection[datetime]) -> None:
        newest = self._headers([None])
        if not newest:
            return
        seconds = {int(at.timestamp()): at for at in instants}
        known = [BlockHeader(number, *header) for number, header in self._store.headers().items()]
        final_s = self._world.clock.now().timestamp() - FINAL_AFTER.total_seconds()

        def ask(numbers: Collection[int]) -> list[BlockHeader]:
            found = self._headers(sorted(numbers))
            self._store.put_headers({one.number: (one.at_s, one.hash) for one in found if one.at_s < final_s})
            return found

        search = BlockSearch(ask, known, newest[0], self.network.block_time_s)
        self._heads |= {seconds[at]: header for at, header in search.find(seconds).items()}

    def _headers(self, numbers: Sequence[int | None]) -> list[BlockHeader]:
        """Ask for headers, the newest where there is no number; nothing if the backtest was stopped."""
        asks = [Ask("eth_getBlockByNumber", ("latest" if one is None else hex(one), False)) for one in numbers]
        found = self._patiently(asks, None)
        return [_header(one) for one in found if isinstance(one, dict)]

    # -- asking --------------------------------------------------------------------------------------------------------

    def _patiently(self, asks: Sequence[Ask], head: BlockHeader | None, *, may_be_gone: bool = False) -> list[Outcome]:
        """Ask, and ask again what a provider may answer later; what nobody has any more stops the backtest."""
        outcomes = self.pool.batch(asks)
        waited_s, is_limit = 0.0, False
        while not self._world.stopped:
            lost = [one for one in outcomes if isinstance(one, RpcError)]
            gone = next((one for one in lost if one.fault in _GONE), None)
            later = next((one for one in lost if one.fault in _COMES_BACK), None)
            if gone is not None and not may_be_gone:
                self._world.gone(self, gone, head)
            elif later is None:
                break
            else:
                is_usable = any(one.barred is None for one in self.pool.providers)
                is_limit = is_limit or later.fault is Fault.RATE_LIMIT
                waited_s = self._world.wait_for(self, later, waited_s, is_usable=is_usable, is_limit=is_limit)
                for provider in self.pool.providers:
                    provider.breaker = Breaker()  # it was waited for: what it says now counts
                open_ = [place for place, one in enumerate(outcomes) if one is not None and one in lost]
                for place, one in zip(open_, self.pool.batch([asks[each] for each in open_]), strict=True):
                    outcomes[place] = one
        return outcomes

    def _stopped(self) -> RpcError:
        return RpcError(Fault.TRANSPORT, f"{self.network.slug}: the chain had no block then, or the backtest stopped")

    def words_of(self, head: BlockHeader) -> str:
        at = datetime.fromtimestamp(head.at_s, self._world.clock.now().tzinfo)
        return f"block {head.number:,} of {format_instant(at)}"


def _header(block: Any) -> BlockHeader:  # noqa: ANN401 - JSON
    return BlockHeader(int(str(block["number"]), 16), int(str(block["timestamp"]), 16), str(block["hash"]))


@dataclass(slots=True)
class _OpenRead:
    """One request of the engine; of a multicall `parts` are the answers that are known, in the place of each call."""

    ask: Ask
    whole: BundledCalls | None
    parts: list[Outcome | None] = field(default_factory=list)
    answer: Outcome | None = None

    @property
    def wanted(self) -> Ask:
        """What is still to be asked."""
        return self.ask if self.whole is None else self.whole.without(self._known)

    @property
    def _known(self) -> list[int]:
        return [place for place, one in enumerate(self.parts) if one is not None]

    def use(self, parts: list[Outcome | None]) -> None:
        self.parts = parts
        if len(self._known) == len(parts):
            self.answer = combined(parts)

    def heard(self, outcome: Outcome) -> list[tuple[Ask, Outcome]]:
        """Take the answer to what was wanted; return what is worth keeping of it, each call by itself."""
        self.answer = outcome
        if self.whole is None or isinstance(outcome, RpcError):
            return [(self.ask, outcome)]
        calls = [one for place, one in enumerate(split(self.whole)) if self.parts[place] is None]
        answers = parts_of(str(outcome), len(calls))
        if not answers:
            return [(self.ask, outcome)]  # a chain without Multicall3 answers nothing, which the reader understands
        rest = iter(answers)
        self.use([next(rest) if one is None else one for one in self.parts])
        return list(zip(calls, answers, strict=True))


def _block_of(ask: Ask, head: BlockHeader) -> int:
    """Return the block that a question is about: the step's where it names none."""
    place = _PLACE_OF_BLOCK.get(ask.method)
    tag = ask.params[place] if place is not None and place < len(ask.params) else None
    if ask.method == "eth_getLogs":
        wanted: Any = ask.params[0]
        tag = wanted.get("toBlock")
    try:
        return int(tag, 16) if isinstance(tag, str) else head.number
    except ValueError:
        return head.number


def _bare(ask: Ask, outcome: Json) -> Json:
    """Return a header without the lists that nothing here reads, which are most of it."""
    if ask.method == "eth_getBlockByNumber" and isinstance(outcome, dict) and ask.params[1:] == (False,):
        return {name: value for name, value in outcome.items() if name not in ("transactions", "withdrawals", "uncles")}
    return outcome
