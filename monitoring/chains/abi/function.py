"""The ABI by signature string: `"balanceOf(address)(uint256)"` in, selector and codec out, through eth-abi.

One `Function` serves formulas, reads, logs and decoded calls. Data from a chain is measured before it is decoded, since
a few bytes can name an array of a billion entries.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

from monitoring.base.errors import ChainError
from monitoring.chains.abi.addresses import SignatureError, keccak256
from monitoring.chains.abi.signatures import Parameter, parse_declaration
from monitoring.chains.abi.types import WORD, AbiType, check_extent
from monitoring.chains.abi.values import AbiValue

_SELECTOR_BYTES = 4


class AbiError(ChainError):
    """Bytes from a chain are not what the signature says."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function by its signature; hashable, so that equal reads can be asked once."""

    name: str
    inputs: tuple[AbiType, ...]
    outputs: tuple[AbiType, ...]

    @property
    def signature(self) -> str:
        return f"{self.name}({','.join(map(str, self.inputs))})"

    @property
    def selector(self) -> bytes:
        return selector_of(self.signature)

    @property
    def output_bytes(self) -> int | None:
        """How long every answer is; None where the outputs have no fixed size."""
        if not self.outputs or any(kind.dynamic for kind in self.outputs):
            return None
        return WORD * sum(kind.head_words for kind in self.outputs)

    def __str__(self) -> str:
        return f"{self.signature}({','.join(map(str, self.outputs))})"

    def encode(self, args: Sequence[object]) -> bytes:
        """Return calldata.

        Raises:
            SignatureError: the arguments do not fit the inputs.
        """
        return self.selector + encode(self.inputs, args, self.signature)

    def decode(self, data: bytes) -> AbiValue:
        """Return the value of a single output, a tuple of several.

        Raises:
            AbiError: the data does not fit the outputs.
        """
        values = decode(self.outputs, data, self.signature)
        return values[0] if len(values) == 1 else values


@functools.lru_cache(maxsize=4096)
def selector_of(signature: str) -> bytes:
    return keccak256(signature)[:_SELECTOR_BYTES]


@functools.lru_cache(maxsize=4096)
def parse_function(text: str) -> Function:
    """Read `name(inputs)` or `name(inputs)(outputs)`; only types stand in the parentheses.

    Raises:
        SignatureError: with what to write instead.
    """
    found = parse_declaration(text, named=False)
    return Function(found.name, found.kinds, tuple(one.kind for one in found.outputs or ()))


def encode(types: Sequence[AbiType], args: Sequence[object], what: str) -> bytes:
    """Encode arguments; addresses and bytes may be given as hex text.

    Raises:
        SignatureError: they do not fit.
    """
    from eth_abi import abi, exceptions  # noqa: PLC0415 - half a second, which checking a formula never needs

    if len(args) != len(types):
        raise SignatureError(f"{what} takes {len(types)} arguments, not {len(args)}")
    try:
        ready = [kind.for_codec(arg) for kind, arg in zip(types, args, strict=True)]
        return abi.encode([str(kind) for kind in types], ready)
    except (exceptions.EncodingError, TypeError, ValueError, OverflowError) as error:
        detail = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SignatureError(f"{what}: the arguments do not fit: {detail[:200]}") from None


def decode(types: Sequence[AbiType], data: bytes, what: str = "data", *, strict: bool = True) -> tuple[AbiValue, ...]:
    """Decode into ints, bools, text, bytes, EIP-55 addresses and tuples of these.

    Raises:
        AbiError: the data does not fit the types.
    """
    from eth_abi import abi, exceptions  # noqa: PLC0415 - as above

    try:
        check_extent(types, data)
        raw = abi.decode([str(kind) for kind in types], data, strict=strict)
    except (exceptions.DecodingError, exceptions.ParseError, ValueError, OverflowError, RecursionError) as error:
        detail = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise AbiError(f"{what}: {len(data)} bytes do not decode: {detail[:120]}") from None
    return tuple(kind.from_codec(value) for kind, value in zip(types, raw, strict=True))


# A check of rows asks for the same few with each row, again in each pass.
@functools.lru_cache(maxsize=1024)
def _topic(signature: str) -> str:
    return "0x" + keccak256(signature).hex()


@dataclass(frozen=True, slots=True)
class Event:
    """An event by its declaration, with names, since logs are read by name."""

    name: str
    fields: tuple[Parameter, ...]

    @property
    def topic(self) -> str:
        return _topic(f"{self.name}({','.join(str(field.kind) for field in self.fields)})")

    def encode(self, values: Sequence[object]) -> tuple[tuple[str, ...], str]:
        """Return topics and data of a log, in hex; an indexed value of dynamic type is given as its hash.

        Raises:
            SignatureError: the values do not fit.
        """
        if len(values) != len(self.fields):
            raise SignatureError(f"{self.name} takes {len(self.fields)} values, not {len(values)}")
        topics, plain = [self.topic], []
        for one, value in zip(self.fields, values, strict=True):
            if one.indexed:
                kind = AbiType("bytes32") if one.kind.hashed_when_indexed else one.kind
                topics.append("0x" + encode([kind], [value], self.name).hex())
            else:
                plain.append((one.kind, value))
        data = encode([kind for kind, _ in plain], [value for _, value in plain], self.name)
        return tuple(topics), "0x" + data.hex()

    def decode(self, topics: Sequence[str], data: str) -> dict[str, AbiValue]:
        """Return the fields by name; an indexed value of dynamic type is its hash.

        Raises:
            AbiError: another event, or the same one with other fields indexed.
        """
        indexed = [field for field in self.fields if field.indexed]
        plain = [field for field in self.fields if not field.indexed]
        if not topics or topics[0] != self.topic or len(topics) != len(indexed) + 1:
            raise AbiError(f"{self.name}: the log has other topics than the event")
        values: dict[str, AbiValue] = {}
        for field, topic in zip(indexed, topics[1:], strict=True):
            kind = AbiType("bytes32") if field.kind.hashed_when_indexed else field.kind
            values[field.name] = decode([kind], from_hex(topic), self.name)[0]
        decoded = decode([field.kind for field in plain], from_hex(data), self.name)
        values.update({field.name: value for field, value in zip(plain, decoded, strict=True)})
        return {field.name: values[field.name] for field in self.fields}


@functools.lru_cache(maxsize=512)
def parse_event(text: str) -> Event:
    """Read `Name(type indexed name, type name, …)`; fields without a name are called by their place.

    Raises:
        SignatureError: with what to write instead.
    """
    found = parse_declaration(text.strip().removeprefix("event ").rstrip(";"), named=True)
    if found.outputs is not None:
        raise SignatureError("write an event as in Paused(address account)", text=text)
    return Event(found.name, found.inputs)


def from_hex(text: str) -> bytes:
    """Read hex with 0x.

    Raises:
        AbiError: not hex.
    """
    try:
        return bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        raise AbiError(f"{text[:20]!r} is not hex") from None
