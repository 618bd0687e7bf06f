"""A sentence with slots: `Sends {amount|token} to {to|party}`, bound to one function. Pure.

A slot names a value of the call by its path, `@value` for the native amount or `@to` for the called contract, and says
after `|` how it is written. What a pattern says wrong is found when it is read, not when an alert is written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from monitoring.chains.abi.addresses import SignatureError, is_address
from monitoring.chains.sentences.named_signature import NamedSignature, Step, parse_named

VALUE, TARGET = "@value", "@to"
# How a slot is written; of each the types it fits.
FORMATS: Mapping[str, tuple[str, ...]] = {
    "plain": (),
    "party": ("address", "bytes"),  # an address one should know: said where no monitor file names it
    "address": ("address", "bytes", "uint256"),
    "token": ("uint", "int"),
    "native": ("uint",),
    "duration": ("uint",),
    "date": ("uint",),
    "percent": ("uint", "int"),
    "decimals": ("uint", "int"),
    "count": ("]",),
    "function": ("bytes4",),
    "number": ("uint", "int"),
}
_SLOT = re.compile(r"\{([^{}|]+)(?:\|([a-z]+)(?::([^{}]+))?)?\}")
_VIEW = re.compile(r"([A-Za-z_]\w*)\(\)")
MAX_PATTERN = 400


@dataclass(frozen=True, slots=True)
class ValueSlot:
    """A value in a sentence. `token` is a path, an address, a view of the called contract, or empty for itself."""

    path: tuple[Step, ...] | str
    kind: str
    form: str = "plain"
    token: tuple[Step, ...] | str = ""
    places: int = 0  # decimals of a percentage or a plain number
    names: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    unit: str = ""

    @property
    def view(self) -> str:
        """Return the view that holds the token's address, or nothing."""
        return f"{self.token}(address)" if isinstance(self.token, str) and self.token.endswith("()") else ""


@dataclass(frozen=True, slots=True)
class Pattern:
    """The sentence of one function; `source` names the descriptor of a team's own, else it is ours."""

    signature: NamedSignature
    parts: tuple[str | ValueSlot, ...]
    source: str = ""

    @property
    def slots(self) -> tuple[ValueSlot, ...]:
        return tuple(part for part in self.parts if isinstance(part, ValueSlot))


def parse_pattern(call: str, says: str) -> Pattern:
    """Read a pattern of our own files.

    Raises:
        SignatureError: the declaration or a slot is wrong.
    """
    signature = parse_named(call)
    parts: list[str | ValueSlot] = []
    end = 0
    for found in _SLOT.finditer(says):
        parts += [says[end : found.start()], slot_of(signature, found[1], found[2] or "plain", found[3] or "")]
        end = found.end()
    parts.append(says[end:])
    if len(says) > MAX_PATTERN or any(isinstance(one, str) and set(one) & set("{}") for one in parts):
        raise SignatureError(f"{says[:80]!r} is no sentence: write values as in {{amount|token}}")
    return Pattern(signature, tuple(one for one in parts if one))


def slot_of(signature: NamedSignature, path: str, form: str, detail: str = "") -> ValueSlot:
    """Bind a slot to its function.

    Raises:
        SignatureError: there is no such value, or it cannot be written so.
    """
    where, kind = _where(signature, path)
    fits = FORMATS.get(form)
    if fits is None:
        raise SignatureError(f"there is no way to write a value called {form!r}: use one of {', '.join(FORMATS)}")
    if fits and not any(one in kind for one in fits):
        raise SignatureError(f"{path} is {kind}, which cannot be written as {form}")
    if form in ("percent", "decimals"):
        if not re.fullmatch(r"[0-9]{1,2}", detail):
            raise SignatureError(f"{form} needs its decimals, as in {{{path}|{form}:4}}")
        return ValueSlot(where, kind, form, places=int(detail))
    return ValueSlot(where, kind, form, token=_token(signature, detail) if form == "token" else "")


def _where(signature: NamedSignature, path: str) -> tuple[tuple[Step, ...] | str, str]:
    if path in (VALUE, TARGET):
        return path, "uint256" if path == VALUE else "address"
    return signature.resolve(path)


def _token(signature: NamedSignature, detail: str) -> tuple[Step, ...] | str:
    if not detail or detail == TARGET:
        return ""
    if _VIEW.fullmatch(detail) or is_address(detail):
        return detail
    path, kind = signature.resolve(detail)
    if "address" not in kind and "bytes" not in kind:
        raise SignatureError(f"{detail} is {kind}, which is no token's address")
    return path
