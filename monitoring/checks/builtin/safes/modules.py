"""What modules ran on a Safe: transactions that pass its owners and its queue, seen only as events of the chain."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from monitoring.alerts.message.text import Block, addr, bold, line, tx
from monitoring.base.plural import counted
from monitoring.chains.abi.addresses import address_in, checksum, is_address
from monitoring.chains.abi.selectors import events
from monitoring.chains.abi.values import Unknown
from monitoring.chains.networks import Network, network
from monitoring.chains.rpc.logs import EventLog
from monitoring.checks.builtin.safes.life_text import safe_line
from monitoring.checks.builtin.shared.contract_logs import Stretch
from monitoring.checks.builtin.shared.data_rows import RowContract
from monitoring.checks.builtin.shared.log_reading import MIN_LOOKBACK, judge_stretch, read_stretch
from monitoring.checks.engine.plan import ReadContext
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.expression.evaluate import NotYet
from monitoring.checks.messages.plain import AlertRoute, AlertText, plain_message
from monitoring.checks.rules.logs import LogsPolicy
from monitoring.checks.rules.readings import LogEvent
from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.conditions.outcome import Entry, Outcome, Transition, TransitionKind

MAX_SHOWN = 10
_RAN = events("safe")["ExecutionFromModuleSuccess"].topic


@dataclass(frozen=True, slots=True)
class ModuleRunsPart:
    """Transactions that a module ran. The first sight reports none: a Safe with a busy module is no news."""

    key: ConditionKey
    place: RowContract
    policy: LogsPolicy

    @property
    def route(self) -> AlertRoute:
        return self.place.route

    @property
    def about(self) -> str:
        return f"{self.place.title}: transactions run by its modules"

    def read(self, desk: ReadContext) -> Stretch | Unknown | NotYet:
        return read_stretch(desk, self.key, frozenset({_RAN}), self.policy, MIN_LOOKBACK)

    def judge(self, before: Condition, reading: Stretch | Unknown, now: datetime) -> Outcome:
        found = [_event(log, reading) for log in reading.logs] if isinstance(reading, Stretch) else []
        return judge_stretch(before, reading, found, now, self.policy)

    def in_words(self, reading: Stretch) -> str:
        """Say what was read, for listings."""
        return f"blocks {reading.first} to {reading.last}, {counted(len(reading.logs), 'transaction')}"

    def compose(self, transition: Transition, at: EvaluationPoint) -> AlertText:
        if transition.kind is not TransitionKind.FIRED:
            return plain_message(self.about, transition)
        known, entries = network(self.place.chain), transition.entries
        ran = [entry for entry in entries if entry.kind == "new"]
        gone = len(entries) - len(ran)
        parts = [f"{counted(len(ran), 'transaction')} run by a module"] * bool(ran)
        parts += [f"{counted(gone, 'reported transaction')} removed by a reorganisation"] * bool(gone)
        rows = [_row(entry, known, at) for entry in entries[:MAX_SHOWN]]
        more = [line(f"… and {len(entries) - MAX_SHOWN} more")] if len(entries) > MAX_SHOWN else []
        return AlertText(f"{self.place.title}: {', '.join(parts)}", (safe_line(self.place), *rows, *more))


def _event(log: EventLog, reading: Stretch) -> LogEvent:
    """Read which module ran; it is the first topic after the event's own, and in old Safes the data."""
    word = log.topics[1] if len(log.topics) > 1 else log.data
    digits = bytes.fromhex(word[2:66].rjust(64, "0"))
    return LogEvent(
        log.block_number,
        log.block_hash,
        log.tx_hash,
        log.index,
        reading.at(log.block_number),
        facts={"module": address_in(digits), "tx": log.tx_hash, "block": log.block_number},
    )


def _row(entry: Entry, known: Network, at: EvaluationPoint) -> Block:
    where = tx(str(entry.facts.get("tx")), chain=known)
    module = str(entry.facts.get("module", ""))
    if entry.kind != "new" or not is_address(module):
        return line(bold("Removed by a reorganisation"), ": ", where)
    return line("Module ", addr(checksum(module), at.labels.name(known.id, module), known), " in ", where)
