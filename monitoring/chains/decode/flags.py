"""What in a decoded transaction a person must look at, by rules alone: the same calldata always gives the same flags.

Pure; called for each alert about a transaction. A flag never depends on text from the transaction's author.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from monitoring.chains.abi.values import AbiValue
from monitoring.chains.decode.calldata import DecodedCall
from monitoring.chains.decode.labels import is_multisend


class FlagKind(StrEnum):
    DELEGATE_CALL = "delegate call"
    UNLIMITED_APPROVAL = "unlimited approval"
    APPROVAL = "approval"
    OWNERSHIP = "ownership"
    ROLE = "role"
    UPGRADE = "upgrade"
    OWNERS = "owners"
    MODULE = "module"
    GUARD = "guard"
    DELAY = "delay"
    MINT = "mint"
    PAUSE = "pause"
    ORACLE = "oracle"
    UNDECODED = "undecoded"


SEVERITIES = ("", "LOW", "MEDIUM", "HIGH", "CRITICAL")
# An amount with the upper half of its bits in use is no amount anybody has: it means "all, permanently".
_UNLIMITED_BITS = {256: 1 << 255, 160: (1 << 160) - 1}


@dataclass(frozen=True, slots=True)
class Flag:
    """One finding; `severity` is where a judgement starts, `call` is the call it is about."""

    kind: FlagKind
    severity: str
    text: str
    call: DecodedCall


def flags(decoded: DecodedCall) -> tuple[Flag, ...]:
    """Return every finding of the tree, the worst first, then in the order of calls."""
    return worst_first(flag for call in decoded.walk() for flag in _of_call(call))


def worst_first(found: Iterable[Flag]) -> tuple[Flag, ...]:
    """Sort flags by severity; equally bad ones stay in their order."""
    return tuple(sorted(found, key=lambda flag: -SEVERITIES.index(flag.severity)))


def _of_call(call: DecodedCall) -> list[Flag]:
    found: list[Flag] = []
    if call.tx.operation == 1 and not is_multisend(call.tx.to):
        text = f"delegate call to {call.tx.to or 'an unknown target'}, which is no MultiSend"
        found.append(Flag(FlagKind.DELEGATE_CALL, "CRITICAL", text, call))
    elif call.tx.operation not in (0, 1):
        found.append(Flag(FlagKind.DELEGATE_CALL, "CRITICAL", f"operation {call.tx.operation} is none", call))
    if call.declaration is None:
        if call.tx.data:
            shown = f"0x{call.selector.hex()} of {call.tx.to or 'an unknown target'} could not be decoded: {call.note}"
            found.append(Flag(FlagKind.UNDECODED, "LOW", shown, call))
        return found
    if call.note and call.note.endswith(("packed transaction", "not shown")):
        found.append(Flag(FlagKind.UNDECODED, "MEDIUM", f"{call.declaration.function.name}: {call.note}", call))
    if call.declaration.flag:
        found += _declared(call, FlagKind(call.declaration.flag))
    return found


def _declared(call: DecodedCall, kind: FlagKind) -> list[Flag]:
    declaration = call.declaration
    if declaration is None:
        return []
    if kind is FlagKind.APPROVAL:
        return _approval(call)
    return [Flag(kind, declaration.severity, f"{kind.value}: {declaration.function.name}", call)]


def _approval(call: DecodedCall) -> list[Flag]:
    name = call.declaration.function.name if call.declaration else ""
    granted = [argument for argument in call.arguments if argument.name in ("amount", "added", "value", "approved")]
    for argument in granted:
        if is_unlimited(argument.value, str(argument.kind)):
            return [Flag(FlagKind.UNLIMITED_APPROVAL, "HIGH", f"{name} without a limit", call)]
        if not argument.value:
            return []  # an approval taken back
    severity = call.declaration.severity if call.declaration else ""
    return [Flag(FlagKind.APPROVAL, severity, name, call)]


def is_unlimited(value: AbiValue, kind: str) -> bool:
    """Return whether an amount means "all"; a boolean approval of everything does."""
    if isinstance(value, bool):
        return value
    bits = int(kind.removeprefix("uint")) if kind.startswith("uint") else 0
    return isinstance(value, int) and bits in _UNLIMITED_BITS and value >= _UNLIMITED_BITS[bits]
