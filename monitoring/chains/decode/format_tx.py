"""Writes a decoded transaction as lines a person reads: names for addresses, amounts in tokens, calls indented.

Pure. The lines are plain text; the builder of the alert decides how they look.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from monitoring.chains.abi.addresses import ZERO, checksum, is_address
from monitoring.chains.abi.selectors import roles
from monitoring.chains.abi.values import AbiValue, Unknown
from monitoring.chains.decode.calldata import Argument, DecodedCall
from monitoring.chains.decode.flags import is_unlimited
from monitoring.chains.decode.foreign_names import quoted
from monitoring.chains.decode.labels import Labels
from monitoring.chains.rpc.tokens import Token

_MAX_LINES = 120
_SHOWN_BYTES = 36
_SHOWN_TEXT = 120
_SHOWN_ITEMS = 12


@dataclass(frozen=True, slots=True)
class Names:
    """What is known to call things by: labels, and tokens and native tokens by (chain, address)."""

    labels: Labels = field(default_factory=Labels)
    tokens: Mapping[tuple[int, str], Token | Unknown] = field(default_factory=dict)
    native: Mapping[int, Token] = field(default_factory=dict)

    def token(self, chain_id: int, address: object) -> Token | None:
        found = self.tokens.get((chain_id, checksum(str(address)))) if is_address(address) else None
        return found if isinstance(found, Token) else None

    def address(self, chain_id: int, address: str) -> str:
        if not is_address(address):
            return "an unknown target"
        token = self.token(chain_id, address)
        if token and not self.labels.name(chain_id, address):
            return f"{checksum(address)} (token {quoted(token.symbol)})"
        return self.labels.text(chain_id, address)


@dataclass(frozen=True, slots=True)
class TxLine:
    """One line at a depth: 0 is the transaction itself."""

    depth: int
    text: str

    def __str__(self) -> str:
        return "  " * self.depth + self.text


def token_addresses(decoded: DecodedCall) -> list[str]:
    """Return the tokens whose symbol and decimals the amounts in a tree need."""
    found = [one for call in decoded.walk() if (one := _amount_token(call)) and one != "native"]
    return list(dict.fromkeys(found))


def outline(decoded: DecodedCall, names: Names) -> tuple[TxLine, ...]:
    """Write the tree. It is cut at 120 lines and says so."""
    lines = _lines(decoded, 0, names)
    if len(lines) > _MAX_LINES:
        cut = len(lines) - _MAX_LINES
        return (*lines[:_MAX_LINES], TxLine(0, f"… {cut} more lines"))
    return tuple(lines)


def _lines(call: DecodedCall, depth: int, names: Names) -> list[TxLine]:
    lines = [TxLine(depth, _title(call, names))]
    for argument in call.arguments:
        lines.append(TxLine(depth + 1, f"{argument.name}: {_spell(call, argument, names)}"))  # noqa: PERF401 - see next
    for inside in call.inner:
        lines += _lines(inside, depth + 1, names)
    return lines


def _title(call: DecodedCall, names: Names) -> str:
    target = names.address(call.tx.chain_id, call.tx.to)
    how = "delegate call: " if call.tx.operation == 1 else ""
    native = names.native.get(call.tx.chain_id)
    value = f" with {native.amount(call.tx.value) if native else f'{call.tx.value} wei'}" if call.tx.value else ""
    note = f" [{call.note}]" if call.note and call.note != "no calldata" else ""
    if call.declaration:
        return f"{how}{call.declaration.function.name} on {target}{value}{note}"
    if not call.tx.data:
        return f"{how}send to {target}{value}"
    return f"{how}{_hex(call.tx.data)} to {target}{value}{note}"


def _spell(call: DecodedCall, argument: Argument, names: Names) -> str:
    place = call.arguments.index(argument)
    if _is_below(call, argument, place):
        return (
            f"{len(argument.value)} bytes, the calls below" if isinstance(argument.value, bytes) else "the calls below"
        )
    amount = call.declaration.amount if call.declaration else {}
    value = argument.value
    if isinstance(value, int) and not isinstance(value, bool) and amount.get("at") == place:
        return _amount(call, value, str(argument.kind), names)
    return spell(value, call.tx.chain_id, names)


def _is_below(call: DecodedCall, argument: Argument, place: int) -> bool:
    """Return whether a value is shown as the calls that it carries; what could not be read whole stays hex."""
    inner = call.declaration.inner if call.declaration else None
    carries = inner is not None and place in (inner.packed, inner.script, inner.data, inner.rows)
    return carries and bool(call.inner) and not call.note and isinstance(argument.value, bytes | tuple)


def _amount(call: DecodedCall, value: int, kind: str, names: Names) -> str:
    source = _amount_token(call)
    token = names.native.get(call.tx.chain_id) if source == "native" else names.token(call.tx.chain_id, source)
    if token is None:
        return "unlimited" if is_unlimited(value, kind) else f"{value} (in the token's smallest unit)"
    symbol = token.symbol if source == "native" else quoted(token.symbol)
    return f"{'unlimited' if is_unlimited(value, kind) else token.digits(value)} {symbol}"


def _amount_token(call: DecodedCall) -> str:
    """Return the address of the token an amount is of, `native`, or nothing."""
    amount = call.declaration.amount if call.declaration else {}
    of = amount.get("of")
    if of == "native":
        return "native"
    found = call.tx.to if of == "self" else call.arguments[of].value if isinstance(of, int) else ""
    return checksum(found) if isinstance(found, str) and is_address(found) else ""


def spell(value: AbiValue, chain_id: int, names: Names) -> str:
    """Write one value: addresses by name, roles by name, long bytes and lists cut with their size."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        if is_address(value):
            return "the zero address" if value == ZERO else names.address(chain_id, value)
        text = " ".join("".join(char if char.isprintable() else " " for char in value).split())
        return f"“{text[:_SHOWN_TEXT]}{'…' if len(text) > _SHOWN_TEXT else ''}”"
    if isinstance(value, bytes):
        return roles().get(value) or _hex(value)
    if isinstance(value, tuple):
        shown = ", ".join(spell(one, chain_id, names) for one in value[:_SHOWN_ITEMS])
        return f"[{shown}{f', … {len(value)} in all' if len(value) > _SHOWN_ITEMS else ''}]"
    return str(value)


def _hex(data: bytes) -> str:
    if len(data) <= _SHOWN_BYTES:
        return "0x" + data.hex()
    return f"0x{data[:_SHOWN_BYTES].hex()}… ({len(data)} bytes)"
