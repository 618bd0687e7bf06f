"""What makes a queued Safe transaction loud, and which ones a monitor leaves out. Pure, by our own table alone."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass

from monitoring.alerts.message.model import Severity
from monitoring.chains.decode.calldata import DecodedCall, Decoder, Transaction
from monitoring.chains.decode.flags import FlagKind, flags
from monitoring.chains.safes.hashing import GasTerms
from monitoring.chains.services.safe_rows import SafeQueue, SafeTransaction
from monitoring.checks.expression.values import Value

# Findings that make a transaction louder than its proposer does: they hand over the Safe, or what it owns, for good.
_RAISING = frozenset(
    {
        FlagKind.DELEGATE_CALL,
        FlagKind.OWNERSHIP,
        FlagKind.UPGRADE,
        FlagKind.OWNERS,
        FlagKind.MODULE,
        FlagKind.GUARD,
    }
)
# At least so loud, no matter who proposes: what can pay the Safe out, and what nobody can read.
_REFUND, _UNREADABLE = Severity.HIGH, Severity.MEDIUM
_MOST_BEFORE, _MOST_RIVALS = 20, 3  # nonces and rivals that a message names
MAX_EARLIER = 5  # transactions that are simulated before one


@dataclass(frozen=True, slots=True)
class Loudness:
    """Severities: of a transaction, by an expected proposer, by a stranger, and of a rival at a known nonce."""

    usual: Severity = Severity.MEDIUM
    expected: Severity = Severity.LOW
    unexpected: Severity = Severity.CRITICAL
    competing: Severity = Severity.HIGH


@dataclass(frozen=True, slots=True)
class Skip:
    """Leaves out a protocol's transactions unless they reach one of these targets or make one of these calls.

    Only what is understood is left out: a call that cannot be decoded may carry anything, and so may one whose bytes
    name a target or a call of the rule at a place that nobody decodes.
    """

    protocol: str
    unless_to: frozenset[str] = frozenset()
    unless_calls: frozenset[bytes] = frozenset()

    def leaves_out(self, decoded: DecodedCall) -> bool:
        calls = decoded.walk()
        if any(call.note for call in calls if call.tx.data) or self._named_in(decoded.tx.data):
            return False
        reached = any(call.tx.to.lower() in self.unless_to for call in calls)
        made = any(call.selector in self.unless_calls for call in calls)
        return not reached and not made

    def _named_in(self, data: bytes) -> bool:
        targets = (bytes.fromhex(target.removeprefix("0x")) for target in self.unless_to)
        return any(mark in data for mark in (*targets, *self.unless_calls))


def as_transaction(row: SafeTransaction) -> Transaction:
    return Transaction(row.chain_id, row.to, row.data, row.value, row.operation)


def decoded_offline(row: SafeTransaction) -> DecodedCall:
    """Decode by our own table, without asking anybody: judging may not depend on a service."""
    return Decoder().decode(as_transaction(row))


def is_unexpected(row: SafeTransaction, expected: frozenset[str]) -> bool:
    """Return whether it was proposed by an address that is neither expected nor a delegate of an expected one."""
    return bool(expected) and not {row.proposer.lower(), row.proposed_by_delegate.lower()} & expected


def pays_refund(row: SafeTransaction) -> bool:
    """Return whether the Safe pays for gas: also an empty transaction can move all it has then."""
    return row.gas is not None and row.gas.gas_price > 0


def may_pay_refund(row: SafeTransaction) -> bool:
    """Return whether the Safe pays for gas, or the service leaves out by which that would be known."""
    return row.gas is None or pays_refund(row)


def severity_of(row: SafeTransaction, decoded: DecodedCall, expected: frozenset[str], loud: Loudness) -> Severity:
    base = loud.usual
    if expected:
        base = loud.unexpected if is_unexpected(row, expected) else loud.expected
    return max(_raised(decoded, base), _REFUND) if pays_refund(row) else _raised(decoded, base)


def severity_of_call(
    decoded: DecodedCall | None, sender: str, expected: frozenset[str], loud: Loudness, *, refund: bool
) -> Severity:
    """Return how loud one is that was executed without having been queued: who proposed it is not known, only who sent.

    One whose call is not known is at least as loud as one that cannot be decoded.
    """
    base = loud.expected if sender.lower() in expected else loud.usual
    found = max(base, _UNREADABLE) if decoded is None else _raised(decoded, base)
    return max(found, _REFUND) if refund else found


def _raised(decoded: DecodedCall, base: Severity) -> Severity:
    found = flags(decoded)
    raised = [Severity[flag.severity] for flag in found if flag.kind in _RAISING and flag.severity]
    return max([base, *raised, *(_UNREADABLE for flag in found if flag.kind is FlagKind.UNDECODED)])


def facts_of(row: SafeTransaction, rivals: Iterable[str], threshold: int, expected: frozenset[str]) -> dict[str, Value]:
    """Return what a message needs of a transaction, in values that can be kept."""
    gas = row.gas or GasTerms()
    return {
        "nonce": row.nonce,
        "to": row.to,
        "value": row.value,
        "data": row.data,
        "operation": row.operation,
        "proposer": row.proposer,
        "delegate": row.proposed_by_delegate,
        "unexpected": is_unexpected(row, expected),
        "confirmations": len(row.confirmations),
        "required": threshold,
        "rivals": tuple(rivals),
        "gas": (gas.safe_tx_gas, gas.base_gas, gas.gas_price, gas.token, gas.receiver),
    }


def around(
    row: SafeTransaction, rivals: Iterable[SafeTransaction], queue: SafeQueue, next_nonce: int
) -> dict[str, Value]:
    """Return what a transaction waits for and competes with: nonces before its own, and what rivals would do."""
    listed = {one.nonce for one in queue.transactions}
    before = range(next_nonce, min(row.nonce, next_nonce + _MOST_BEFORE))
    calls = tuple(
        (one.safe_tx_hash, one.to, one.value, one.data, one.operation, len(one.data), one.nonce, may_pay_refund(one))
        for one in rivals
    )
    return {
        "rival_calls": calls[:_MOST_RIVALS],
        "ahead": tuple(nonce for nonce in before if nonce in listed),
        "gap": tuple(nonce for nonce in before if nonce not in listed) if queue.complete else (),
    }


def earlier_of(
    row: SafeTransaction, rows: Sequence[SafeTransaction], sound: Container[str], safe_nonce: int
) -> tuple[Value, ...]:
    """Return what will be executed before a row, by nonce; nothing where that is open.

    It is open behind a gap, rivals, more than a few, and a row that is not among the `sound` ones.
    """
    before: list[Value] = []
    for nonce in range(safe_nonce, min(row.nonce, safe_nonce + MAX_EARLIER + 1)):
        at_nonce = [one for one in rows if one.nonce == nonce]
        if len(at_nonce) != 1 or at_nonce[0].safe_tx_hash not in sound or len(before) == MAX_EARLIER:
            return ()
        one, gas = at_nonce[0], at_nonce[0].gas or GasTerms()
        terms = (gas.safe_tx_gas, gas.base_gas, gas.gas_price, gas.token, gas.receiver)
        before.append((nonce, one.to, one.value, one.data, one.operation, terms))
    return tuple(before)
