"""The world as it was: chains at the blocks of an instant, prices of that time, and nothing else of what changes.

Made once for a backtest; each step gets a `PastPoint`, which the engine reads as it reads the present.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from pathlib import Path

from monitoring.base.clock import Clock, SystemClock
from monitoring.base.formatting import format_seconds
from monitoring.base.http.client import Answer, FetchError, Request
from monitoring.chains.networks import Network, network
from monitoring.chains.rpc.budget import Budget
from monitoring.chains.rpc.errors import Fault, RpcError
from monitoring.chains.rpc.memory import ChainMemory
from monitoring.chains.rpc.pool import Head, ProviderPool
from monitoring.chains.rpc.provider import Ask, Fetch, Outcome, Provider
from monitoring.chains.rpc.views import Chains
from monitoring.checks.backtest.archive import ChainArchive
from monitoring.checks.backtest.block_search import BlockHeader
from monitoring.checks.backtest.past_prices import PastPrices
from monitoring.checks.engine.point import EvaluationPoint

# How long a provider is waited for before the backtest stops with what it has. Ours: a limit may be one of minutes.
_PATIENCE_OF_LIMIT_S, _PATIENCE_S = 600.0, 60.0
_FIRST_WAIT_S, _LONGEST_WAIT_S = 5.0, 60.0
NO_PAST = "cannot be read at a past time"


class StopReason(StrEnum):
    """Why a backtest ended before its last step."""

    BUDGET = "request budget"
    PRUNED = "history is gone"
    RATE_LIMIT = "rate limit"
    UNREACHABLE = "no provider"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class StopNotice:
    """What ended it: `text` says what to do."""

    reason: StopReason
    text: str


@dataclass(frozen=True, slots=True)
class PastClock:
    """Shows an instant of the past; what waits for an answer waits in our own time."""

    at: datetime

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return time.monotonic()


@dataclass
class PastWorld:
    """All that the steps read from. `folder` keeps answers; `say` shows what is waited for."""

    environ: Mapping[str, str]
    folder: Path
    steps: Sequence[datetime]
    most_requests: int
    real_fetch: Fetch
    clock: Clock = field(default_factory=SystemClock)
    real_sleep: Callable[[float], object] = time.sleep
    say: Callable[[str], None] = lambda _text: None
    requests: int = 0
    stopped: StopNotice | None = None
    _archives: dict[int, ChainArchive] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def archive(self, chain: Network) -> ChainArchive:
        with self._lock:
            if chain.id not in self._archives:
                self._archives[chain.id] = ChainArchive(chain, self)
            return self._archives[chain.id]

    @property
    def archives(self) -> Sequence[ChainArchive]:
        return tuple(self._archives.values())

    @cached_property
    def prices(self) -> PastPrices:
        return PastPrices(self)

    def fetch(self, request: Request, timeout_s: float) -> Answer:
        """Send a request, if there is one left.

        Raises:
            FetchError: no answer came, or the budget is spent.
        """
        with self._lock:
            if self.requests >= self.most_requests:
                self._stop(StopReason.BUDGET, f"the budget of {self.most_requests:,} requests is spent")
            if self.stopped:
                raise FetchError(request.host, "the backtest stopped")
            self.requests += 1
        return self.real_fetch(request, timeout_s)

    def sleep(self, seconds: float) -> None:
        if not self.stopped:
            self.real_sleep(seconds)

    def gone(self, archive: ChainArchive, error: RpcError, head: BlockHeader | None) -> None:
        """Stop because no provider has what is asked any more."""
        what = f"the state at {archive.words_of(head)}" if head else "a block of that time"
        self._stop(StopReason.PRUNED, f"{archive.network.name}: no provider has {what}: {error}. {_remedy(archive)}")

    def wait_for(
        self, archive: ChainArchive, error: RpcError, waited_s: float, *, is_usable: bool, is_limit: bool
    ) -> float:
        """Wait before a chain's provider is asked again and return how long all waits took, or stop."""
        limit_s = math.inf if is_usable else 0.0
        pause = _ProviderWait(
            archive.network.name, str(error), _remedy(archive), is_limit, error.retry_after_s, limit_s
        )
        return self._wait(pause, waited_s)

    def wait_for_service(self, name: str, why: str, waited_s: float, *, is_limit: bool, asked_s: float | None) -> float:
        """Wait before a service is asked again, as for a chain."""
        return self._wait(_ProviderWait(name, why, "Run the same command again later", is_limit, asked_s), waited_s)

    def _wait(self, pause: _ProviderWait, waited_s: float) -> float:
        limit_s = min(pause.limit_s, _PATIENCE_OF_LIMIT_S if pause.is_limit else _PATIENCE_S)
        if waited_s >= limit_s or self.stopped:
            waited = f" (waited {format_seconds(waited_s)})" if waited_s else ""
            again = "Run the same command again later: it continues here. Or: " if pause.is_limit else ""
            reason = StopReason.RATE_LIMIT if pause.is_limit else StopReason.UNREACHABLE
            self._stop(reason, f"{pause.name}: {pause.why}{waited}. {again}{pause.remedy}")
            return waited_s
        wait_s = max(min(max(_FIRST_WAIT_S, waited_s), _LONGEST_WAIT_S), min(pause.asked_s or 0.0, _LONGEST_WAIT_S))
        what = "limits requests" if pause.is_limit else "does not answer"
        self.say(f"{pause.name} {what}, waiting {format_seconds(wait_s)}")
        self.sleep(wait_s)
        return waited_s + wait_s

    def _stop(self, reason: StopReason, text: str) -> None:
        self.stopped = self.stopped or StopNotice(reason, text)


def _remedy(archive: ChainArchive) -> str:
    variable = f"PROVIDER_URL_{archive.network.slug.upper()}"
    return f"Give this command an archive endpoint: {variable}=https://… before it"


@dataclass(frozen=True, slots=True)
class _ProviderWait:
    """Who does not answer, why, and what a person can do; `asked_s` is how long it asked to be left alone."""

    name: str
    why: str
    remedy: str
    is_limit: bool
    asked_s: float | None = None
    limit_s: float = math.inf


@dataclass(frozen=True)
class PastPoint(EvaluationPoint):
    """An evaluation point in the past. `world` is what it reads from."""

    world: PastWorld | None = None

    @cached_property
    def chains(self) -> Chains:
        world = self._world
        return _PastChains(world, self)

    @property
    def _world(self) -> PastWorld:
        if self.world is None:
            raise LookupError("a past point needs its world")
        return self.world


def past_point(world: PastWorld, at: datetime, memory: ChainMemory, redact: Callable[[str], str]) -> PastPoint:
    """Return where the engine evaluates one step."""
    return PastPoint(world.environ, PastClock(at), memory=memory, sleep=_not_at_all, redact=redact, world=world)


def _not_at_all(_seconds: float) -> None:
    """What is refused once is refused again: the engine need not wait."""


class _PastChains(Chains):
    """The chains of one step."""

    def __init__(self, world: PastWorld, at: PastPoint) -> None:
        budget = at.budget or Budget(seconds=10**9, clock=at.clock, sleep=_not_at_all)
        super().__init__(
            at.environ, budget=budget, memory=at.memory, fetch=_PastServices(world, at.clock.now()), blocks=at.blocks,
            overrides=at.overrides,
        )  # fmt: skip
        self._world = world

    def pool(self, chain: int | str | Network) -> ProviderPool:
        known = chain if isinstance(chain, Network) else network(chain)
        if known.id not in self._pools:
            self._pools[known.id] = _PastPool(self._world.archive(known), self.budget)
        return self._pools[known.id]


class _PastPool(ProviderPool):
    """The one provider of a chain in the past: its archive."""

    def __init__(self, archive: ChainArchive, budget: Budget) -> None:
        super().__init__(archive.network, ["http://archive.invalid"], _refused, budget)
        self._archive = archive

    @property
    def hosts(self) -> tuple[str, ...]:
        return self._archive.pool.hosts

    def heads(self, asked: Sequence[Provider]) -> list[Head | RpcError]:
        head = self._archive.head(self.budget.clock.now())
        if head is None:
            name = self.network.slug
            return [RpcError(Fault.TRANSPORT, f"{name}: the chain had no block then")]
        for one in asked:
            one.head, one.verified = head.number, True
        return [Head(one, head.number, head.hash, head.at_s) for one in asked]

    def ask_once(self, provider: Provider, asks: Sequence[Ask]) -> list[Outcome]:  # noqa: ARG002 - there is only one
        return self._ask(asks, None)

    def _ask(self, asks: Sequence[Ask], at_least: int | None) -> list[Outcome]:  # noqa: ARG002 - it has all of them
        return self._archive.answer(asks, self.budget.clock.now())


def _refused(request: Request, timeout_s: float) -> Answer:  # noqa: ARG001 - the form of a fetch
    raise FetchError(request.host, NO_PAST)


@dataclass(frozen=True, slots=True)
class _PastServices:
    """Services in the past: prices have a history, all others are refused."""

    world: PastWorld
    at: datetime

    def __call__(self, request: Request, timeout_s: float) -> Answer:
        answer = self.world.prices.answer(request, self.at, timeout_s)
        if answer is None:
            raise FetchError(request.host, NO_PAST)
        return answer
