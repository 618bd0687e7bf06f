"""The provider pool of one chain: turns to the next provider on its failures, never on the chain's own answers.

The operator's own providers go first; public ones are asked where no own one answers, a few at a time. Made once per
task and chain by `views.Chains`. Every request comes out of the task's one budget.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from monitoring.base.http.retry import Backoff
from monitoring.chains.abi.values import Json
from monitoring.chains.networks import Network
from monitoring.chains.rpc.budget import Budget, BudgetSpentError
from monitoring.chains.rpc.errors import FINAL, Fault, RpcError
from monitoring.chains.rpc.provider import Ask, Fetch, Outcome, Provider, names_of

if TYPE_CHECKING:
    from monitoring.chains.rpc.log_evidence import HeldRange

log = logging.getLogger("monitoring.chains.pool")

BATCH = 50  # the smallest limit seen at a gateway
ROUNDS = 3  # times through all providers
_BACKOFF = Backoff(0.5)
_ASKED_ONCE = (Fault.ERROR, Fault.TOO_HEAVY, Fault.UNSUPPORTED)
_PUBLIC_AT_ONCE = 3  # enough to compare heads; the others are kept for when these fail
_HEAD_S = 5.0  # with several providers, one that hangs must not cost a whole deadline each run


@dataclass(frozen=True, slots=True)
class ProviderTrouble:
    """A provider that failed in this task, reported once, not for each failure."""

    chain: str
    host: str
    fault: Fault
    message: str


@dataclass(frozen=True, slots=True)
class Head:
    """A provider's newest block."""

    provider: Provider
    number: int
    hash: str
    timestamp: int


class ProviderPool:
    """All providers of one chain."""

    def __init__(
        self, network: Network, urls: Sequence[str], fetch: Fetch, budget: Budget, *, own: int | None = None
    ) -> None:
        """Take the URLs in their order; the first `own` of them are the operator's, all unless it is given."""
        self.network = network
        self.budget = budget
        own = len(urls) if own is None else own
        names = [*names_of(urls[:own]), *(f"{name} (public)" for name in names_of(urls[own:]))]
        self.providers = [
            Provider(url, fetch, label=name, is_public=place >= own)
            for place, (url, name) in enumerate(zip(urls, names, strict=True))
        ]
        self.lost: tuple[int, int] | None = None  # blocks whose logs nobody has any more and nobody has judged
        self.held: list[HeldRange] = []  # ranges of logs read in this task, and how far they are complete
        self._current = 0
        self._troubles: dict[tuple[str, Fault], ProviderTrouble] = {}

    @property
    def requests(self) -> int:
        """How many HTTP requests the chain has cost."""
        return sum(provider.requests for provider in self.providers)

    @property
    def hosts(self) -> tuple[str, ...]:
        """Who answered, to be recorded with what was read."""
        return tuple(dict.fromkeys(provider.host for provider in self.providers if provider.answers))

    @property
    def troubles(self) -> tuple[ProviderTrouble, ...]:
        return tuple(self._troubles.values())

    def call(self, method: str, *params: object, at_least: int | None = None) -> Json:
        """Ask one thing; `at_least` is a block the answering provider must have.

        Raises:
            RpcError: a revert, or no provider answered within the budget.
        """
        outcome = self._ask([Ask(method, params)], at_least)[0]
        if isinstance(outcome, RpcError):
            raise outcome
        return outcome

    def batch(self, asks: Sequence[Ask], at_least: int | None = None, *, size: int = BATCH) -> list[Outcome]:
        """Ask many things in few requests; failures stay in their places. Halves what a gateway finds too much."""
        outcomes: list[Outcome] = []
        for start in range(0, len(asks), size):
            outcomes += self._halving(asks[start : start + size], at_least)
        return outcomes

    def _halving(self, asks: Sequence[Ask], at_least: int | None) -> list[Outcome]:
        outcomes = self._ask(asks, at_least)
        too_large = all(_has_fault(one, Fault.BATCH_SIZE) for one in outcomes)
        if len(asks) == 1 or not too_large:
            return outcomes
        middle = len(asks) // 2
        return self._halving(asks[:middle], at_least) + self._halving(asks[middle:], at_least)

    def _ask(self, asks: Sequence[Ask], at_least: int | None) -> list[Outcome]:
        """Fill in outcomes provider by provider until none is missing, or patience or budget ends."""
        nobody = RpcError(Fault.TRANSPORT, f"{self.network.slug}: no usable provider{self._why()}")
        outcomes: list[Outcome] = [nobody] * len(asks)
        open_ = list(range(len(asks)))
        gone: dict[int, dict[int, Outcome]] = {}  # who no longer has what is asked, by its place, and in which words
        first = True
        for round_ in range(ROUNDS):
            tried: set[int] = set()
            while open_ and (index := self._choose(at_least, tried)) is not None:
                tried.add(index)
                try:
                    replies = self._ask_one(index, [asks[place] for place in open_], repeated=not first)
                except BudgetSpentError as error:
                    return _spent(outcomes, open_, RpcError(Fault.TRANSPORT, f"{self.network.slug}: {error}"))
                for place, reply in zip(open_, replies, strict=True):
                    outcomes[place] = reply
                    if _has_fault(reply, Fault.HISTORY):
                        gone.setdefault(place, {})[index] = reply
                open_ = [place for place in open_ if _unsettled(outcomes[place])]
                # Whose history is shorter is no failure: the next provider is not asked again, but for the first time.
                first = all(_has_fault(outcomes[place], Fault.HISTORY) for place in open_)
            # What everybody was asked once and answered with an error: repeating it would spend what others need.
            open_ = [place for place in open_ if not _has_fault(outcomes[place], *_ASKED_ONCE)]
            open_ = [place for place in open_ if not self._is_gone(gone.get(place))]
            if not open_ or not self.wait_for_round(round_):
                break
        return [self._certain(outcome, gone.get(place)) for place, outcome in enumerate(outcomes)]

    def _is_gone(self, said: Mapping[int, Outcome] | None) -> bool:
        """Return whether every provider of this chain said that it no longer has something."""
        return self._askable() <= set(said or ())

    def _askable(self) -> set[int]:
        """Return who could still have something. Public ones that never answered are no archive next to own ones."""
        has_own = any(not one.is_public for one in self.providers)
        return {
            index
            for index, one in enumerate(self.providers)
            if one.barred is None and (one.answers or not (has_own and one.is_public))
        }

    def _certain(self, outcome: Outcome, said: Mapping[int, Outcome] | None) -> Outcome:
        """Take "no longer has it" for the answer when everybody has given it, and only then."""
        if not isinstance(outcome, RpcError) or not said:
            return outcome
        if self._is_gone(said):
            return outcome if outcome.fault is Fault.HISTORY else next(iter(said.values()))
        if outcome.fault is not Fault.HISTORY:
            return outcome
        others = [self.providers[index].host for index in sorted(self._askable() - set(said))]
        return RpcError(Fault.TRANSPORT, f"{outcome}; {', '.join(others)} could not be asked", host=outcome.host)

    def _ask_one(self, index: int, asks: Sequence[Ask], *, repeated: bool) -> list[Outcome]:
        provider = self.providers[index]
        try:
            if repeated:
                self.budget.spend_retry()
            if not provider.verified:
                self._verify(provider)
            replies = self._send(provider, asks)
        except RpcError as error:
            self._blame(provider, error, of_all=True)
            return [error] * len(asks)
        failures = [reply for reply in replies if isinstance(reply, RpcError) and _unsettled(reply)]
        if failures:
            self._blame(provider, failures[0], of_all=False)
        else:
            provider.breaker.success()
            self._current = index
        return replies

    def _send(self, provider: Provider, asks: Sequence[Ask]) -> list[Outcome]:
        if len(asks) > 1 and not provider.batches:
            return [self._send_single(provider, ask) for ask in asks]
        try:
            return provider.ask(asks, self.budget.request_s())
        except RpcError as error:
            if error.fault is Fault.BATCH_SIZE and len(asks) == 2:  # noqa: PLR2004 - the smallest batch there is
                provider.batches = False
                return self._send(provider, asks)
            raise

    def _send_single(self, provider: Provider, ask: Ask) -> Outcome:
        return provider.ask([ask], self.budget.request_s())[0]

    def _verify(self, provider: Provider) -> None:
        self._check_chain_id(provider, self._send_single(provider, Ask("eth_chainId")))

    def _check_chain_id(self, provider: Provider, outcome: Outcome) -> None:
        if isinstance(outcome, RpcError):
            raise outcome
        said = int(str(outcome) if outcome != "0x" else "0x0", 16)
        if said != self.network.id:
            raise RpcError(
                Fault.WRONG_CHAIN,
                f"{provider.host}: {Fault.WRONG_CHAIN.value}: {said} instead of {self.network.id}",
                host=provider.host,
            )
        provider.verified = True

    def _choose(self, at_least: int | None, tried: set[int]) -> int | None:
        now_s = self.budget.clock.monotonic()
        for index in self._order():
            provider = self.providers[index]
            behind = at_least is not None and provider.head is not None and provider.head < at_least
            usable = provider.barred is None and not provider.doubted and not behind
            if index not in tried and usable and provider.breaker.closed(now_s):
                return index
        return None

    def _order(self) -> list[int]:
        """Return the places of all providers, own ones first, each group from the one that answered last."""
        count = len(self.providers)
        turns = [place % count for place in range(self._current, self._current + count)]
        return sorted(turns, key=lambda place: self.providers[place].is_public)

    def doubt(self, at_least: int) -> Provider | None:
        """Leave out the provider that answered last, for `trust` to take back; None where no other can be asked."""
        if self._choose(at_least, {self._current}) is None:
            return None
        self.providers[self._current].doubted = True
        return self.providers[self._current]

    @property
    def current(self) -> Provider:
        """Return who answered last."""
        return self.providers[self._current]

    def others(self, than: Collection[str], at_least: int) -> list[Provider]:
        """Return the providers with other names that could be asked for what these have said.

        Public ones see what is watched, so they are not asked where the operator has own ones.
        """
        has_own = any(not one.is_public for one in self.providers)
        tried = {i for i, one in enumerate(self.providers) if one.host in than or (has_own and one.is_public)}
        found: list[Provider] = []
        while (index := self._choose(at_least, tried)) is not None:
            found.append(self.providers[index])
            tried.add(index)
        return found

    def ask_once(self, provider: Provider, asks: Sequence[Ask]) -> list[Outcome]:
        """Ask one provider, once, what no check waits for: a failure is not held against it."""
        try:
            if not provider.verified:
                self._verify(provider)
            return self._send(provider, asks)
        except BudgetSpentError as error:
            return [RpcError(Fault.TRANSPORT, f"{self.network.slug}: {error}")] * len(asks)
        except RpcError as error:
            return [error] * len(asks)

    def wait_for_round(self, round_: int) -> bool:
        """Wait before the next round; False when no round is left, or only failures keep everybody out."""
        if round_ == ROUNDS - 1:
            return False
        now_s = self.budget.clock.monotonic()
        pauses = [one.breaker.paused_s(now_s) for one in self.providers if one.barred is None]
        known = [pause for pause in pauses if pause is not None]
        return bool(known) and self.budget.wait(max(min(known), _BACKOFF.delay_s(round_ + 1)))

    def _blame(self, provider: Provider, error: RpcError, *, of_all: bool) -> None:
        if error.fault in FINAL:
            return
        provider.blame(error, self.budget.clock.monotonic(), of_all=of_all)
        if provider.barred is error and error.fault is not Fault.WRONG_CHAIN:  # which is reported, as an own one's is
            log.warning("%s: left out for the rest of this task: %s", self.network.slug, error)
        self.note(provider.host, error.fault, str(error))

    def note(self, host: str, fault: Fault, message: str) -> None:
        """Record a trouble once per host and kind."""
        self._troubles.setdefault((host, fault), ProviderTrouble(self.network.slug, host, fault, message))

    def _why(self) -> str:
        problems = "; ".join(trouble.message for trouble in self.troubles)
        return f" ({problems})" if problems else ""

    def groups(self) -> list[list[Provider]]:
        """Return the providers in the order in which their heads are asked for: own ones, then a few public ones."""
        own = [one for one in self.providers if not one.is_public]
        public = [one for one in self.providers if one.is_public]
        at_once = range(0, len(public), _PUBLIC_AT_ONCE)
        return ([own] if own else []) + [public[start : start + _PUBLIC_AT_ONCE] for start in at_once]

    def heads(self, asked: Sequence[Provider]) -> list[Head | RpcError]:
        """Ask providers at once for their chain id and newest block, in one request each."""
        now_s = self.budget.clock.monotonic()
        usable = [one for one in asked if one.barred is None and one.breaker.closed(now_s)]
        if len(self.providers) <= 1:
            return [self._head(one, self.budget.left_s) for one in usable]
        with ThreadPoolExecutor(max(1, len(usable))) as threads:
            return list(threads.map(lambda one: self._head(one, _HEAD_S), usable))

    def _head(self, provider: Provider, at_most_s: float) -> Head | RpcError:
        asks = [Ask("eth_chainId"), Ask("eth_getBlockByNumber", ("latest", False))]
        try:
            chain_id, block = self._pair(provider, asks, min(self.budget.request_s(), at_most_s))
            self._check_chain_id(provider, chain_id)
            if isinstance(block, RpcError):
                raise block
            return _read_head(provider, block)
        except BudgetSpentError as error:
            return RpcError(Fault.TRANSPORT, f"{self.network.slug}: {error}")
        except RpcError as error:
            self._blame(provider, error, of_all=True)
            return error

    def _pair(self, provider: Provider, asks: Sequence[Ask], timeout_s: float) -> list[Outcome]:
        try:
            return provider.ask(asks, timeout_s)
        except RpcError as error:
            if error.fault is not Fault.BATCH_SIZE:
                raise
            provider.batches = False
            return [self._send_single(provider, ask) for ask in asks]


def _has_fault(outcome: Outcome, *faults: Fault) -> bool:
    return isinstance(outcome, RpcError) and outcome.fault in faults


def _unsettled(outcome: Outcome) -> bool:
    """Return whether another provider may do better."""
    return isinstance(outcome, RpcError) and outcome.fault not in FINAL


def _spent(outcomes: list[Outcome], open_: list[int], error: RpcError) -> list[Outcome]:
    return [error if place in open_ else outcome for place, outcome in enumerate(outcomes)]


def _read_head(provider: Provider, block: Json) -> Head:
    fields = block if isinstance(block, dict) else {}
    try:
        head = Head(provider, int(str(fields["number"]), 16), str(fields["hash"]), int(str(fields["timestamp"]), 16))
    except (KeyError, ValueError):
        raise RpcError(
            Fault.DECODE, f"{provider.host}: a block with fields that are no numbers", host=provider.host
        ) from None
    provider.head = head.number
    return head
