"""A chain as a function reads it: views at one block of the run, tokens, names and links.

Made by `m.chain`. Nothing here raises for the network's sake: what cannot be read is `Unknown`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from monitoring.base.errors import UsageError
from monitoring.chains.abi.values import Block
from monitoring.chains.networks import network
from monitoring.chains.rpc import multicall
from monitoring.chains.rpc.errors import RpcError
from monitoring.chains.rpc.tokens import Token
from monitoring.chains.rpc.views import ChainView
from utils.unknown import Unknown, known

if TYPE_CHECKING:
    from monitoring.checks.engine.point import EvaluationPoint
    from monitoring.checks.events.decoded import LogsRead
    from monitoring.conditions.condition import Condition

T = TypeVar("T")
_HASH_LENGTH = 66


@dataclass(frozen=True, slots=True)
class ViewCall:
    """A view to be read; made by `call`."""

    target: Any
    signature: str
    arguments: tuple[Any, ...]
    decimals: int

    @property
    def unknown(self) -> Unknown | None:
        """Return the target or argument that is unknown, where one is."""
        return next((one for one in (self.target, *self.arguments) if isinstance(one, Unknown)), None)

    def value(self, answer: Any) -> Any:  # noqa: ANN401 - whatever the view returns
        if not self.decimals:
            return known(answer)
        if isinstance(answer, tuple):
            return tuple(self.value(one) for one in answer)
        whole = isinstance(answer, int) and not isinstance(answer, bool)
        return Fraction(answer, 10**self.decimals) if whole else known(answer)


class Readings:
    """The answers of one `read`, by the names given to it: numbers, texts, bools, tuples or `Unknown`."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.__dict__.update(values)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - a name that was not read
        raise UsageError(f"{name} was not read here; this has {', '.join(self.__dict__) or 'nothing'}")

    def __repr__(self) -> str:
        return f"Readings({', '.join(f'{name}={value!r}' for name, value in self.__dict__.items())})"


class ReadingSession(Protocol):
    """What a chain is read with."""

    @property
    def at(self) -> EvaluationPoint: ...

    def before(self, key: str, chain: int) -> Condition: ...

    def note_answer(self, chain: int, address: str, value: Any) -> None: ...  # noqa: ANN401 - whatever a view returns


class Chain:
    """One chain at the block that the whole run reads it at."""

    def __init__(self, chain: int | str, session: ReadingSession) -> None:
        """`session` is given each answer of a contract, so that an alert about it can name the contract."""
        self._network = network(chain)
        self._tools = session.at
        self._session = session
        self._view = session.at.chains.view(self._network)

    @property
    def slug(self) -> str:
        """Return the chain's short name, as in `mainnet`."""
        return self._network.slug

    @property
    def block(self) -> Block | Unknown:
        """Return the block: `.number`, `.at`."""
        return self._view.block if isinstance(self._view, ChainView) else Unknown(self._view.reason, self._view.source)

    def read(self, **calls: ViewCall) -> Readings:
        """Read all calls in one request."""
        return Readings(self._read(calls))

    def read_each(self, rows: Iterable[T], calls: Callable[[T], Mapping[str, ViewCall]]) -> list[tuple[T, Readings]]:
        """Read what `calls` wants of each row, for all rows in one request."""
        wanted = [(row, calls(row)) for row in rows]
        named = {(index, name): one for index, (_, row) in enumerate(wanted) for name, one in row.items()}
        found = self._read(named)
        return [
            (row, Readings({name: found[index, name] for name in calls})) for index, (row, calls) in enumerate(wanted)
        ]

    def logs(
        self,
        key: str,
        contracts: str | Iterable[str] | Mapping[str, str],
        events: str | Iterable[str],
        *,
        first_run: str | timedelta = "skip",
        whole: bool = False,
    ) -> LogsRead:
        """Read the logs that `m.logs(key, …)` has not judged yet, of all contracts and events in the same requests.

        `contracts`: addresses, or names with addresses. `events`: declarations with names, as in `Transfer(address
        indexed from, address indexed to, uint256 value)`. At first sight nothing is new, or with `first_run="24h"` what
        is younger. `whole`: hold each block against what else says which events it has (as for who controls
        something), and not a sample. The block to go on from is remembered with what the verb reports, in one
        transaction.

        Raises:
            UsageError: an address or a declaration is not usable.
        """
        from monitoring.checks.events.read import WatchedEvents, first_run_of, read_logs  # noqa: PLC0415 - few need it

        watched, lookback, chain = WatchedEvents.of(contracts, events), first_run_of(first_run), self._network.id
        return read_logs(key, watched, self._session.before(key, chain), self._tools, lookback, whole=whole)

    def time_of(self, number: int) -> datetime | Unknown:
        """Return when a block was mined."""
        chain = self._network
        try:
            found = self._tools.chains.pool(chain).call("eth_getBlockByNumber", hex(number), False)
        except RpcError as error:
            return Unknown(f"{chain.slug}: block {number} cannot be read ({error})", chain.slug)
        if not isinstance(found, dict):
            return Unknown(f"{chain.slug}: there is no block {number}", chain.slug)
        return datetime.fromtimestamp(int(str(found["timestamp"]), 16), UTC)

    def token(self, address: str) -> Token | Unknown:
        """Return a token's `.symbol` and `.decimals`; asked once and remembered."""
        return self.tokens([address])[address]

    def tokens(self, addresses: Iterable[str]) -> dict[str, Token | Unknown]:
        """Return the same of many tokens by address; what is not yet remembered is one request."""
        view, wanted = self._view, list(dict.fromkeys(addresses))
        if not isinstance(view, ChainView):
            return dict.fromkeys(wanted, Unknown(view.reason, view.source))
        return {address: known(found) for address, found in view.tokens(wanted).items()}

    def label(self, address: str) -> str:
        """Return `Name (0x1234…abcd)`, or the address where it has no name."""
        return self._tools.labels.text(self._network.id, address)

    def link(self, what: str) -> str:
        """Return the explorer's page of an address or of a transaction's hash."""
        if len(what) == _HASH_LENGTH:
            return self._network.link("tx", hash=what)
        return self._network.link("address", address=what)

    def _read(self, calls: Mapping[Any, ViewCall]) -> dict[Any, Any]:
        view = self._view
        if not isinstance(view, ChainView):
            return dict.fromkeys(calls, known(view))
        ready = {
            name: multicall.call(one.target, one.signature, *one.arguments)
            for name, one in calls.items()
            if one.unknown is None
        }
        answers = view.read(ready)
        found = {name: one.value(answers[name]) if name in ready else one.unknown for name, one in calls.items()}
        for name in ready:
            self._session.note_answer(self._network.id, str(calls[name].target), found[name])
        return found


class _Ahead:
    """Reads as a session does, and keeps the answers until their chain has its turn."""

    def __init__(self, session: ReadingSession) -> None:
        self._session = session
        self.answers: list[tuple[int, str, Any]] = []

    @property
    def at(self) -> EvaluationPoint:
        return self._session.at

    def before(self, key: str, chain: int) -> Condition:
        return self._session.before(key, chain)

    def note_answer(self, chain: int, address: str, value: Any) -> None:  # noqa: ANN401 - whatever a view returns
        self.answers.append((chain, address, value))


def read_chains(
    chains: Sequence[int | str], read: Callable[[Chain], T], session: ReadingSession
) -> Iterator[tuple[Chain, T]]:
    """Yield each chain with what `read` returns of it, in their order; what it raises, at the turn of its chain.

    What a chain answered counts as evidence from its turn on, as if it had been read then.
    """
    _ = session.at.chains, session.at.service  # opened here, and not by several threads at once
    ahead = [_Ahead(session) for _ in chains]
    with ThreadPoolExecutor(max(len(chains), 1)) as threads:
        found = [
            threads.submit(lambda chain, one: read(Chain(chain, one)), chain, one)
            for chain, one in zip(chains, ahead, strict=True)
        ]
        for chain, one, future in zip(chains, ahead, found, strict=True):
            result = future.result()
            for answer in one.answers:
                session.note_answer(*answer)
            yield Chain(chain, session), result
