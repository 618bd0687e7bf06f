"""What a monitor reads with: the chains of a task, and a view of each at one pinned block.

Made once per task. Nothing here raises for the network's sake: what cannot be read is `Unknown`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from monitoring.base.http.client import HttpClient
from monitoring.chains.abi.addresses import check_address
from monitoring.chains.abi.function import AbiError, from_hex
from monitoring.chains.abi.values import AbiValue, Block, Unknown
from monitoring.chains.networks import Network, network, own_urls, provider_mistakes, provider_urls
from monitoring.chains.rpc.block_pinning import pin, pin_at
from monitoring.chains.rpc.budget import Budget
from monitoring.chains.rpc.errors import Fault, RpcError
from monitoring.chains.rpc.logs import (
    Displaced,
    EventLog,
    LogCursor,
    LogFilter,
    LogScan,
    displaced,
    last_certain_block,
    scan,
)
from monitoring.chains.rpc.memory import ChainMemory, RunMemory, judged_block
from monitoring.chains.rpc.multicall import Call, Multicall
from monitoring.chains.rpc.pool import ProviderPool, ProviderTrouble
from monitoring.chains.rpc.provider import Ask, Fetch
from monitoring.chains.rpc.supposed import StateOverrides, Supposed
from monitoring.chains.rpc.tokens import Token, token_metadata

Name = TypeVar("Name")
T = TypeVar("T")


class ChainView:
    """One chain at one block."""

    def __init__(self, pool: ProviderPool, block: Block, memory: ChainMemory, supposed: Supposed | None = None) -> None:
        self.pool = pool
        self.network = pool.network
        self.block = block
        self._memory = memory
        self._multicall = Multicall(pool, block, supposed)
        self._answers: dict[Call, AbiValue | Unknown] = {}

    def supposing(self, supposed: Supposed) -> ChainView:
        """Return a view of the same block with a state that is supposed; only `read` looks at that."""
        return ChainView(self.pool, self.block, self._memory, supposed)

    def read(self, calls: Mapping[Name, Call]) -> dict[Name, AbiValue | Unknown]:
        """Read all calls in one multicall; what was read before at this block is not asked again."""
        new = {one: one for one in calls.values() if one not in self._answers}
        if new:
            self._answers.update(self._multicall.read(new))
        return {name: self._answers[one] for name, one in calls.items()}

    def attempt(self, calls: Mapping[Name, Call]) -> dict[Name, AbiValue | Unknown]:
        """Read views that a contract may not have, in one multicall; what fails here is asked again by `read`."""
        new = {one: one for one in calls.values() if one not in self._answers}
        found = self._multicall.read(new, may_fail=True) if new else {}
        self._answers.update({one: value for one, value in found.items() if not isinstance(value, Unknown)})
        return {name: self._answers.get(one, found.get(one, Unknown("not read"))) for name, one in calls.items()}

    def tokens(self, addresses: Iterable[str]) -> dict[str, Token | Unknown]:
        """Return symbol and decimals by address; `Unknown` for what is no token."""
        return token_metadata(self, addresses, self._memory)

    def code(self, addresses: Iterable[str]) -> dict[str, bytes | Unknown]:
        """Return the contract code at each address, empty where there is none."""
        return self._each("eth_getCode", {one: (check_address(one), self.block.tag) for one in addresses}, from_hex)

    def storage(self, slots: Iterable[tuple[str, str]]) -> dict[tuple[str, str], bytes | Unknown]:
        """Return the word in each (address, slot)."""
        asked = {(address, slot): (check_address(address), slot, self.block.tag) for address, slot in slots}
        return self._each("eth_getStorageAt", asked, _word)

    def balances(self, addresses: Iterable[str]) -> dict[str, int | Unknown]:
        """Return each address's balance of the native token in its smallest unit."""
        asked = {one: (check_address(one), self.block.tag) for one in addresses}
        return self._each("eth_getBalance", asked, lambda text: int(text, 16))

    def logs(self, wanted: LogFilter, cursor: LogCursor) -> LogScan:
        """Read logs from the cursor up to the newest block with enough blocks on top."""
        return scan(self.pool, wanted, cursor, last_certain_block(self.network, self.block.number))

    def displaced(self, alerted: Sequence[EventLog]) -> tuple[Displaced, ...] | Unknown:
        """Return the alerted logs that their blocks no longer hold; give only recent ones."""
        return displaced(self.pool, alerted, self.block.number)

    def _each(
        self, method: str, asked: Mapping[Name, tuple[object, ...]], read: Callable[[str], T]
    ) -> dict[Name, T | Unknown]:
        outcomes = self.pool.batch([Ask(method, params) for params in asked.values()], at_least=self.block.number)
        found: dict[Name, T | Unknown] = {}
        for name, outcome in zip(asked, outcomes, strict=True):
            found[name] = self._unknown(str(outcome)) if isinstance(outcome, RpcError) else self._read(outcome, read)
        return found

    def _read(self, outcome: object, read: Callable[[str], T]) -> T | Unknown:
        try:
            return read(str(outcome))
        except (AbiError, ValueError):
            return self._unknown("the answer is not hex")

    def _unknown(self, reason: str) -> Unknown:
        return Unknown(f"{self.network.slug}: {reason}", source=self.network.slug)


def _word(text: str) -> bytes:
    return from_hex(text).rjust(32, b"\0")


class Chains:
    """All chains of a task: one pool each, one block each, one budget together."""

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        budget: Budget | None = None,
        memory: ChainMemory | None = None,
        fetch: Fetch | None = None,
        blocks: Mapping[int, int] | None = None,
        overrides: Mapping[int, StateOverrides | Supposed] | None = None,
    ) -> None:
        self.budget = budget or Budget()
        self.memory = memory or RunMemory()
        self.fetch: Fetch = fetch or HttpClient()
        self._environ = environ
        self._blocks = blocks or {}
        self._overrides = overrides or {}
        self._pools: dict[int, ProviderPool] = {}
        self._views: dict[int, ChainView | Unknown] = {}

    def pool(self, chain: int | str | Network) -> ProviderPool:
        """Return a chain's providers.

        Raises:
            UsageError: no such chain.
        """
        known = chain if isinstance(chain, Network) else network(chain)
        if known.id not in self._pools:
            urls, own = provider_urls(known, self._environ), len(own_urls(known, self._environ))
            pool = self._pools[known.id] = ProviderPool(known, urls, self.fetch, self.budget, own=own)
            for name, problem in provider_mistakes(known, self._environ).items():
                pool.note(name, Fault.MISCONFIGURED, f"{name} {problem}")
        return self._pools[known.id]

    def view(self, chain: int | str | Network, last_judged: int | None = None) -> ChainView | Unknown:
        """Return a chain at the block this task reads it at: the one asked for, or the head that the first call pins.

        `last_judged` bounds the head below, or else what the memory knows of it.

        Raises:
            UsageError: no such chain.
        """
        pool = self.pool(chain)
        if pool.network.id not in self._views:
            block = self._block(pool, last_judged)
            given = self._overrides.get(pool.network.id)
            supposed = given if given is None or isinstance(given, Supposed) else Supposed(given)
            view = block if isinstance(block, Unknown) else ChainView(pool, block, self.memory, supposed)
            self._views[pool.network.id] = view
        return self._views[pool.network.id]

    def _block(self, pool: ProviderPool, last_judged: int | None) -> Block | Unknown:
        chain = pool.network.id
        if chain in self._blocks:
            return pin_at(pool, self._blocks[chain])
        last_judged = judged_block(self.memory, chain) if last_judged is None else last_judged
        return pin(pool, self.budget.clock.now(), last_judged)

    @property
    def views(self) -> Mapping[int, ChainView | Unknown]:
        """Every chain this task has looked at so far."""
        return dict(self._views)

    @property
    def pools(self) -> tuple[ProviderPool, ...]:
        return tuple(self._pools.values())

    @property
    def troubles(self) -> tuple[ProviderTrouble, ...]:
        """Every provider that misbehaved in this task, each kind of trouble once."""
        return tuple(trouble for pool in self._pools.values() for trouble in pool.troubles)

    @property
    def requests(self) -> int:
        return sum(pool.requests for pool in self._pools.values())
