"""Blocks and spans as JSON values and back, for the store.

Reading never fails: what this version does not know, or finds broken, becomes plain text that keeps every word.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import Any, TypeAlias, TypeVar, assert_never

from monitoring.alerts.message.text import (
    Amount,
    Block,
    Bold,
    Code,
    KeyValues,
    Line,
    Link,
    Quote,
    Reference,
    Since,
    Span,
    Spans,
    TableBlock,
    Text,
    bold,
    code,
    kv,
    line,
    link,
    pct,
    reference,
    since,
    spans,
    table,
    usd,
)
from monitoring.base.clock import from_text

Json: TypeAlias = Any
_Kind = TypeVar("_Kind", Block, Span)
_FRACTION = re.compile(r"-?\d{1,1300}(/\d{1,1300})?")  # as long as `numbers.exact` allows


def encode_block(block: Block) -> Json:
    match block:
        case Line(parts):
            return {"kind": "line", "parts": _encode_spans(parts)}
        case Quote(parts):
            return {"kind": "quote", "parts": _encode_spans(parts)}
        case KeyValues(rows):
            return {"kind": "kv", "rows": [[key, _encode_spans(value)] for key, value in rows]}
        case TableBlock(header, rows):
            cells = [[_encode_spans(value) for value in row] for row in (header, *rows)]
            return {"kind": "table", "header": cells[0], "rows": cells[1:]}
        case Code(text):
            return {"kind": "code", "text": text}
    assert_never(block)


def decode_block(data: Json) -> Block:
    block = _decode(_BLOCKS, data)
    return line(_words_of(data)) if block is None else block


def _encode_spans(parts: Spans) -> list[Json]:
    return [_encode_span(span) for span in parts]


def _encode_span(span: Span) -> Json:  # noqa: PLR0911 - one a kind
    match span:
        case Text(text):
            return text
        case Bold(parts):
            return {"kind": "bold", "parts": _encode_spans(parts)}
        case Code(text):
            return {"kind": "code", "text": text}
        case Link(text, url):
            return {"kind": "link", "text": text, "url": url}
        case Reference(kind, value, label, url, chain):
            return {"kind": kind, "value": value, "label": label, "url": url, "chain": chain}
        case Amount(kind, number, signed):
            return {"kind": kind, "value": str(number), "signed": signed}
        case Since(at):
            return {"kind": "since", "at": at.isoformat()}
    assert_never(span)


def _decode_span(data: Json) -> Span:
    if isinstance(data, str):
        return spans((data,))[0]
    span = _decode(_SPANS, data)
    return spans((_words_of(data),))[0] if span is None else span


def _decode_spans(data: Json) -> Spans:
    return tuple(_decode_span(item) for item in data)


def _decode(known: Mapping[str, Callable[[Json], _Kind]], data: Json) -> _Kind | None:
    try:
        return known[data["kind"]](data)
    except (KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError):
        return None


def _decode_amount(data: Json) -> Span:
    if not _FRACTION.fullmatch(data["value"]):
        raise ValueError("not a fraction")
    number, signed = Fraction(data["value"]), bool(data.get("signed"))
    return usd(number, signed=signed) if data["kind"] == "usd" else pct(number, signed=signed)


def _decode_reference(data: Json) -> Span:
    return reference(
        data["kind"], data["value"], data.get("label") or "", data.get("url") or "", data.get("chain") or ""
    )


def _words_of(data: Json) -> str:
    return " ".join(_words(data)) or "(empty)"


def _words(data: Json) -> Iterator[str]:
    if isinstance(data, dict):
        data = [value for name, value in data.items() if name != "kind"]
    if isinstance(data, list):
        for item in data:
            yield from _words(item)
    elif data is not None and data != "":
        yield str(data)


_BLOCKS: Mapping[str, Callable[[Json], Block]] = {
    "line": lambda data: Line(_decode_spans(data["parts"])),
    "quote": lambda data: Quote(_decode_spans(data["parts"])),
    "kv": lambda data: kv(*((key, _decode_spans(value)) for key, value in data["rows"])),
    "table": lambda data: table(
        [_decode_spans(value) for value in data["header"]],
        [[_decode_spans(value) for value in row] for row in data["rows"]],
    ),
    "code": lambda data: code(data["text"]),
}
_SPANS: Mapping[str, Callable[[Json], Span]] = {
    "bold": lambda data: bold(*_decode_spans(data["parts"])),
    "code": lambda data: code(data["text"]),
    "link": lambda data: link(data["text"], data["url"]),
    "addr": _decode_reference,
    "tx": _decode_reference,
    "usd": _decode_amount,
    "pct": _decode_amount,
    "since": lambda data: since(from_text(data["at"])),
}
