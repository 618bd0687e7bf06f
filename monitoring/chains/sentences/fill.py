"""Fills a pattern with the values of a call. Pure: tokens and views were read before.

A value that does not fit is written as it is; no sentence is lost for one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext

from monitoring.base.formatting import format_duration
from monitoring.base.plural import counted
from monitoring.chains.abi.addresses import ZERO, address_in, checksum, is_address
from monitoring.chains.abi.selectors import roles, table
from monitoring.chains.abi.values import AbiValue, Unknown
from monitoring.chains.decode.calldata import DecodedCall
from monitoring.chains.decode.flags import is_unlimited
from monitoring.chains.decode.foreign_names import quoted
from monitoring.chains.decode.format_tx import Names, spell
from monitoring.chains.sentences.named_signature import value_at
from monitoring.chains.sentences.pattern import TARGET, VALUE, Pattern, ValueSlot

_MAX_SECONDS = 10**10  # beyond it is no duration anybody means
_NO_END = 10**11  # a date so far away is none


@dataclass(frozen=True, slots=True)
class Mention:
    """An address in a sentence; of a `party` it is said where no monitor file of the team names it."""

    address: str
    is_party: bool = False


Part = str | Mention


@dataclass(frozen=True, slots=True)
class Known:
    """What was read for sentences: names and tokens, and views by (contract in lower case, signature).

    `is_done`: the calls were executed, and what they change was read before that.
    """

    names: Names = field(default_factory=Names)
    views: Mapping[tuple[str, str], AbiValue | Unknown] = field(default_factory=dict)
    is_done: bool = False


def filled(pattern: Pattern, call: DecodedCall, known: Known) -> list[Part]:
    """Return the sentence of a call."""
    found: list[Part] = []
    for part in pattern.parts:
        found += [part] if isinstance(part, str) else _slot(part, call, known)
    return found


def value_of(slot: ValueSlot, call: DecodedCall) -> AbiValue | None:
    """Return the value of a slot; None where the call holds none there."""
    if slot.path == VALUE:
        return call.tx.value
    if slot.path == TARGET:
        return call.tx.to
    values = tuple(one.value for one in call.arguments)
    return value_at(values, slot.path) if isinstance(slot.path, tuple) else None


def token_of(slot: ValueSlot, call: DecodedCall, known: Known) -> str:
    """Return the address of the token a slot is an amount of, nothing where it is not known."""
    if slot.view:
        found: object = known.views.get((call.tx.to.lower(), slot.view), "")
    elif isinstance(slot.token, tuple):
        found = value_at(tuple(one.value for one in call.arguments), slot.token)
        if isinstance(found, bytes) and len(found) >= 20:  # noqa: PLR2004 - an address, or a word that holds one
            found = address_in(found[:32])
    else:
        found = slot.token or call.tx.to
    return checksum(found) if isinstance(found, str) and is_address(found) else ""


def _slot(slot: ValueSlot, call: DecodedCall, known: Known) -> list[Part]:
    value = value_of(slot, call)
    return ["(not there)"] if value is None else written(slot, value, call, known)


def written(slot: ValueSlot, value: AbiValue, call: DecodedCall, known: Known) -> list[Part]:  # noqa: PLR0911 - one a kind
    """Write a value in the way of a slot: the call's own, or one that was read in its place."""
    address = _as_address(value, slot)
    if address:
        return ["the zero address"] if address == ZERO else [Mention(address, slot.form == "party")]
    if isinstance(value, int) and not isinstance(value, bool):
        if slot.form == "token":
            return _amount(value, slot, call, known)
        return [_number(value, slot, call, known)]
    if slot.form == "count" and isinstance(value, tuple):
        return [counted(len(value), slot.unit or "call")]
    if slot.form == "function" and isinstance(value, bytes):
        found = table().get(value)
        return [found.function.signature if found else f"0x{value.hex()}"]
    if isinstance(value, bytes) and value in roles():
        return [roles()[value]]
    return _spelled(value, call, known)


def _spelled(value: AbiValue, call: DecodedCall, known: Known) -> list[Part]:
    """Write a list by its entries, so that each address in it is one; anything else as in the list of calls."""
    if isinstance(value, tuple) and 0 < len(value) <= 4 and all(is_address(one) for one in value):  # noqa: PLR2004 - as a line bears
        return [part for one in value for part in (", ", Mention(checksum(str(one))))][1:]
    return [spell(value, call.tx.chain_id, known.names)]


def _as_address(value: AbiValue, slot: ValueSlot) -> str:
    if isinstance(value, str) and is_address(value):
        return checksum(value)
    if slot.form in ("party", "address"):
        if isinstance(value, bytes) and len(value) in (20, 32) and not any(value[:-20]):
            return address_in(value)
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 160:
            return address_in(value.to_bytes(32))
    return ""


def _amount(value: int, slot: ValueSlot, call: DecodedCall, known: Known) -> list[Part]:
    """Write an amount with the token's own name in quotes and its address; without decimals as units."""
    address = token_of(slot, call, known)
    native = known.names.native.get(call.tx.chain_id)
    token = known.names.token(call.tx.chain_id, address) if address else None
    if token and native and token.address == native.address:
        return [token.amount(value)]
    where: list[Part] = ["token ", Mention(address)] if address else ["a token that is not known"]
    if _means_all(value, slot.kind):
        return ["an unlimited amount of ", *([f"{quoted(token.symbol)} of "] if token else []), *where]
    if token is None:
        return [f"{value:,} units of ", *where, " (its decimals are not known)" if address else ""]
    return [f"{token.digits(value)} {quoted(token.symbol)} of ", *where]


def _number(value: int, slot: ValueSlot, call: DecodedCall, known: Known) -> str:  # noqa: PLR0911 - one a way to write it
    if slot.form == "native":
        native = known.names.native.get(call.tx.chain_id)
        return native.amount(value) if native else f"{value} wei"
    if slot.form == "duration":
        return format_duration(timedelta(seconds=value)) if value < _MAX_SECONDS else f"{value} s"
    if slot.form == "date":
        return f"{datetime.fromtimestamp(value, UTC):%Y-%m-%d %H:%M} UTC" if value < _NO_END else "no end"
    if slot.form == "percent":
        return f"{_scaled(value, slot.places - 2)}%"
    if slot.form == "decimals":
        return f"{_scaled(value, slot.places)}{slot.unit}"
    if slot.form == "number":
        return "unlimited" if _means_all(value, slot.kind) else f"{value:,}{slot.unit}"
    named = slot.names.get(str(value))
    return f"{named} ({value})" if named else str(value)


def _means_all(value: int, kind: str) -> bool:
    """Return whether an amount is the largest of its type, or so large that nobody has it."""
    bits = kind.removeprefix("uint")
    return is_unlimited(value, kind) or (bits == "128" and value == (1 << 128) - 1)


def _scaled(value: int, places: int) -> str:
    """Write a number with its decimals, exact to the last digit."""
    with localcontext() as context:
        context.prec = 200
        text = f"{Decimal(value).scaleb(-places):,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
