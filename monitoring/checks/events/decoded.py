"""What was read of the events that an author asked for: decoded logs, and how far the reading goes.

Made by `events.read`; judged by the verb `logs`. A log that cannot be decoded or decided upon ends what was read:
the cursor stays before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from monitoring.chains.abi.addresses import is_address
from monitoring.chains.abi.selectors import roles
from monitoring.chains.decode.labels import Labels
from monitoring.checks.expression.value_text import words
from monitoring.checks.rules.readings import SEED, FirstRun, LogBatch, LogEvent
from monitoring.conditions.severity import Severity
from monitoring.conditions.values import Unknown, UnknownError, Value

Judgement: TypeAlias = "tuple[bool, Severity | None, str]"  # whether it is reported, how bad it is, what it says


@dataclass(frozen=True, slots=True)
class DecodedLog:
    """One log: `log["value"]` is an argument by its name, `log.name` what the author calls its contract.

    Addresses are in their EIP-55 form, amounts whole numbers of the smallest unit. `at` is None where no provider
    said when its block was mined.
    """

    chain: int
    contract: str
    name: str
    event: str
    args: Mapping[str, Value]
    block: int
    block_hash: str
    tx: str
    index: int
    at: datetime | None = None

    def __getitem__(self, name: str) -> Value:
        return self.args[name]

    @property
    def id(self) -> str:
        """Identify this log among all others, and in this block."""
        return f"{self.block_hash}/{self.tx}/{self.index}"

    def __str__(self) -> str:
        where = self.name or Labels().text(self.chain, self.contract)
        shown = ", ".join(f"{name} {self.shown(value)}" for name, value in self.args.items())
        return f"{where}: {self.event}({shown})"

    def shown(self, value: Value, unit: str = "") -> str:
        """Return a value as people read it: an address by its name, the hash of a well-known role by the role's."""
        if isinstance(value, bytes) and value in roles():
            return roles()[value]
        return Labels().text(self.chain, str(value)) if is_address(value) else words(value, unit)


@dataclass(frozen=True, slots=True)
class LogsRead:
    """The logs of the blocks `first` to `last` that a key is to be judged by. It iterates over the new ones.

    `unknown`: nothing new could be read; `problem`: why it ends before the chain does. `old` are the ids of logs that
    were judged before (they are read again in case a reorganisation removed them) or are left out at first sight.
    `cursor` is the first block that was never judged, None at first sight. `standing`: hashes of blocks that are still
    there, whose events are no reorganisation if they are missing.
    """

    key: str
    chain: int
    first_run: FirstRun = SEED
    cursor: int | None = None
    first: int = 0
    last: int = -1
    logs: tuple[DecodedLog, ...] = ()
    old: frozenset[str] = frozenset()
    gap: bool = False
    problem: Unknown | None = None
    unknown: Unknown | None = None
    standing: frozenset[str] = frozenset()

    def __iter__(self) -> Iterator[DecodedLog]:
        if self.unknown is not None:
            raise UnknownError(self.unknown)
        return (log for log in self.logs if log.id not in self.old)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def batch(self, judge: Callable[[DecodedLog], Judgement]) -> LogBatch | Unknown:
        """Return what the verb judges. A log that `judge` cannot decide upon ends the batch before its block."""
        if self.unknown is not None:
            return self.unknown
        events: list[LogEvent] = []
        last, problem = self.last, self.problem
        for log in self.logs:
            try:
                wanted, severity, text = (False, None, "") if log.id in self.old else judge(log)
            except UnknownError as error:
                last, problem = log.block - 1, error.unknown
                break
            events.append(_event(log, severity, text, wanted=wanted))
        if problem is not None and self.cursor is not None and last + 1 < self.cursor:
            return problem
        whole = tuple(event for event in events if event.block <= last)
        return LogBatch(self.first, last, whole, gap=self.gap, problem=problem, standing=self.standing)


def _event(log: DecodedLog, severity: Severity | None, text: str, *, wanted: bool) -> LogEvent:
    facts: dict[str, Value] = {"text": text, "contract": log.contract, "block": log.block, "tx": log.tx}
    if log.at is not None:
        facts["mined at"] = int(log.at.timestamp())
    return LogEvent(log.block, log.block_hash, log.tx, log.index, log.at, severity, facts, wanted=wanted)
