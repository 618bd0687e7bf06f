"""The words an alert is made of: blocks and spans that carry meaning, never markup. Monitor authors import these.

A plain string is always literal, whatever characters it holds. Nothing here raises over odd input: a value that is
no number, address or instant is shown as its text, because an alert must not be lost over its formatting.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Literal, Protocol, TypeAlias
from urllib.parse import urlsplit

from monitoring.alerts.message.sanitize import clean, clean_line
from monitoring.base.formatting import exact, show

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_URL = 2000  # ours: browsers and chat clients agree on no more
_HEX_VALUE = re.compile(r"0x[0-9a-fA-F]{40}([0-9a-fA-F]{24})?")

ReferenceKind: TypeAlias = Literal["addr", "tx"]
AmountKind: TypeAlias = Literal["usd", "pct"]


class Explorer(Protocol):
    """A chain that can link to its explorer; `monitoring.chains.networks.Network` is one."""

    @property
    def name(self) -> str: ...

    def link(self, kind: str, **parts: object) -> str: ...


@dataclass(frozen=True, slots=True)
class Text:
    """Literal text."""

    text: str


@dataclass(frozen=True, slots=True)
class Bold:
    """Spans that stand out."""

    parts: tuple[Plain, ...]


@dataclass(frozen=True, slots=True)
class Code:
    """Literal text in fixed width: inside a line a word, on its own a block."""

    text: str


@dataclass(frozen=True, slots=True)
class Link:
    """A label that leads to an http or https address."""

    text: str
    url: str


@dataclass(frozen=True, slots=True)
class Reference:
    """An address or a transaction; shown short where a label or a link says the rest."""

    kind: ReferenceKind
    value: str
    label: str = ""
    url: str = ""
    chain: str = ""

    @property
    def short(self) -> str:
        return f"{self.value[:6]}…{self.value[-4:]}"


@dataclass(frozen=True, slots=True)
class Amount:
    """An exact number of dollars (`usd`) or a ratio shown in percent (`pct`)."""

    kind: AmountKind
    value: Fraction
    signed: bool = False


@dataclass(frozen=True, slots=True)
class Since:
    """An instant, shown with its age."""

    at: datetime


Plain: TypeAlias = Text | Code | Link | Reference | Amount | Since
Span: TypeAlias = Plain | Bold
Spans: TypeAlias = tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Line:
    parts: Spans


@dataclass(frozen=True, slots=True)
class KeyValues:
    rows: tuple[tuple[str, Spans], ...]


@dataclass(frozen=True, slots=True)
class TableBlock:
    """Rows of cells; every row, and the header unless it is empty, has the same number of them."""

    header: tuple[Spans, ...]
    rows: tuple[tuple[Spans, ...], ...]


@dataclass(frozen=True, slots=True)
class Quote:
    parts: Spans


Block: TypeAlias = Line | KeyValues | TableBlock | Quote | Code


# -- spans ------------------------------------------------------------------------------------------------------------


def bold(*parts: object) -> Bold:
    """Make text or other spans stand out."""
    return Bold(tuple(inner for span in spans(parts) for inner in (span.parts if isinstance(span, Bold) else (span,))))


def code(text: object) -> Code:
    """Show text in fixed width: a word within a line, a block on its own."""
    return Code(clean(show(text)))


def link(text: object, url: str) -> Link | Text:
    """Link to an http or https address; any other becomes plain text, with the address written out."""
    label, url = clean_line(show(text)), str(url).strip()
    if is_web_address(url):
        return Link(label or url, url)
    return Text(clean(f"{label} ({url})" if label and url else label or url))


def addr(address: object, label: str | None = None, chain: Explorer | int | str | None = None) -> Reference | Text:
    """Show an address, short next to its label; with a chain that has an explorer, linked."""
    return _on_chain("addr", address, label, chain)


def tx(transaction: object, label: str | None = None, chain: Explorer | int | str | None = None) -> Reference | Text:
    """Show a transaction hash like an address."""
    return _on_chain("tx", transaction, label, chain)


def usd(amount: object, *, signed: bool = False) -> Amount | Text:
    """Show an exact amount of dollars: int, Decimal, Fraction, or a text that is a number."""
    return _amount("usd", amount, signed)


def pct(ratio: object, *, signed: bool = False) -> Amount | Text:
    """Show a ratio in percent: `pct(Fraction(1, 8))` is 12.5%."""
    return _amount("pct", ratio, signed)


def since(instant: object) -> Since | Text:
    """Show an instant with its age: a datetime (UTC unless it says otherwise), or seconds since 1970."""
    try:
        if isinstance(instant, datetime):
            return Since(instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC))
        seconds = exact(instant)
        return Text(clean(show(instant))) if seconds is None else Since(_EPOCH + timedelta(seconds=float(seconds)))
    except OverflowError:
        return Text(clean(show(instant)))


# -- blocks -----------------------------------------------------------------------------------------------------------


def line(*parts: object) -> Line:
    """One paragraph of text and spans, put together as they are."""
    return Line(spans(parts))


def kv(*pairs: Mapping[str, object] | tuple[str, object], **named: object) -> KeyValues:
    """Named values, one a line: `kv({"Backing": pct(x)}, Vault=addr(y))`. A list or tuple as a value is joined."""
    rows: list[tuple[str, object]] = []
    for pair in (*pairs, named):
        rows.extend(pair.items() if isinstance(pair, Mapping) else [pair])
    return KeyValues(tuple((clean_line(show(key)), cell(value)) for key, value in rows))


def table(header: Sequence[object], rows: Iterable[Sequence[object]]) -> TableBlock:
    """Rows of cells under a header (which may be empty); missing cells are blank."""
    body = [[cell(value) for value in row] for row in rows]
    head = [cell(value) for value in header]
    width = max((len(row) for row in (head, *body)), default=0)
    return TableBlock(_padded(head, width) if head else (), tuple(_padded(row, width) for row in body))


def quote(*parts: object) -> Quote:
    """Words of somebody else."""
    return Quote(spans(parts))


# -- what the constructors share --------------------------------------------------------------------------------------


def is_web_address(url: str) -> bool:
    """Return whether a link may lead there."""
    if len(url) > _MAX_URL or clean(url) != url or any(char.isspace() for char in url):
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def spans(parts: Iterable[object]) -> Spans:
    """Turn what an author wrote into spans; everything that is none becomes literal text."""
    return tuple(part if isinstance(part, Span) else Text(clean(show(part))) for part in parts)


def cell(value: object) -> Spans:
    return spans(value) if isinstance(value, tuple | list) else spans((value,))


def as_block(part: object) -> Block:
    """Take a block as it is; a span or a plain value becomes a line of its own."""
    return part if isinstance(part, Block) else line(part)


def _padded(row: list[Spans], width: int) -> tuple[Spans, ...]:
    return tuple(row + [()] * (width - len(row)))


def reference(kind: ReferenceKind, value: object, label: str, url: str, chain: str) -> Reference | Text:
    """Build an address or a transaction; a value that is neither becomes literal text."""
    text, name = clean_line(show(value)), clean_line(label)
    if not _HEX_VALUE.fullmatch(text):
        return Text(f"{name} ({text})" if name and text else name or text)
    return Reference(kind, text, name, url if is_web_address(url) else "", clean_line(chain))


def _on_chain(
    kind: ReferenceKind, value: object, label: str | None, chain: Explorer | int | str | None
) -> Reference | Text:
    if chain is None or isinstance(chain, int | str):
        return reference(kind, value, label or "", "", "" if chain is None else str(chain))
    part = "hash" if kind == "tx" else "address"
    url = chain.link("tx" if kind == "tx" else "address", **{part: value})
    return reference(kind, value, label or "", url, chain.name)


def _amount(kind: AmountKind, value: object, signed: bool) -> Amount | Text:
    number = exact(value)
    return Text(clean(show(value))) if number is None else Amount(kind, number, signed)
