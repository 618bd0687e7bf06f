"""An alert as plain text, as HTML and for a terminal: the same words everywhere.

Called by the store's writers (`message`), the dashboard and the console. Telegram has `telegram_text`.
"""

from __future__ import annotations

from datetime import datetime
from html import escape
from typing import assert_never

from monitoring.alerts.message.model import Alert, Severity
from monitoring.alerts.message.text import Block, Code, KeyValues, Line, Quote, Spans, TableBlock
from monitoring.alerts.message.text_layout import Piece, align, dated, lay_out, written_out
from monitoring.base.clock import to_text

_ANSI = {Severity.LOW: "36", Severity.MEDIUM: "33", Severity.HIGH: "31", Severity.CRITICAL: "1;31"}


def headline(alert: Alert) -> str:
    """Return the first line, the same for every alert: sign, severity, monitor, and what happened."""
    return f"{alert.lead}{alert.title}"


def render_plain(alert: Alert, *, now: datetime) -> str:
    """Return what the API's `message` shows; ages are counted to `now`, the time of raising."""
    return "\n".join([headline(alert), *(_plain(block, now) for block in alert.blocks)]).rstrip()


def render_terminal(alert: Alert, *, now: datetime, colour: bool = False) -> str:
    """Return the plain text, its first line coloured by severity if the terminal can, the rest indented."""
    head, *rest = render_plain(alert, now=now).split("\n")
    if colour:
        head = f"\x1b[{_ANSI[alert.severity]}m{head}\x1b[0m"
    return "\n".join([head, *(f"   {line}".rstrip() for line in rest)])


def render_html(alert: Alert, *, now: datetime) -> str:
    """Return the title and the blocks as HTML, everything escaped."""
    title = f'<p class="title">{"".join(_html_piece(piece) for piece in dated(headline(alert)))}</p>'
    return "\n".join([title, *(_html(block, now) for block in alert.blocks)])


def _plain(block: Block, now: datetime) -> str:
    match block:
        case Line(parts):
            return written_out(lay_out(parts, now))
        case Quote(parts):
            return "\n".join(f"> {line}" for line in written_out(lay_out(parts, now)).split("\n"))
        case KeyValues(rows):
            return "\n".join(f"{key}: {written_out(lay_out(value, now))}" for key, value in rows)
        case TableBlock():
            return align(block, now)
        case Code(text):
            return text
    assert_never(block)


def _html(block: Block, now: datetime) -> str:
    match block:
        case Line(parts):
            return f"<p>{_inline(parts, now)}</p>"
        case Quote(parts):
            return f"<blockquote>{_inline(parts, now)}</blockquote>"
        case KeyValues(rows):
            items = (f"<dt>{escape(key)}</dt><dd>{_inline(value, now)}</dd>" for key, value in rows)
            return f"<dl>{''.join(items)}</dl>"
        case TableBlock(header, rows):
            head = f"<thead>{_html_row('th', header, now)}</thead>" if header else ""
            body = "".join(_html_row("td", row, now) for row in rows)
            return f"<table>{head}<tbody>{body}</tbody></table>"
        case Code(text):
            return f"<pre><code>{escape(text)}</code></pre>"
    assert_never(block)


def _html_row(tag: str, cells: tuple[Spans, ...], now: datetime) -> str:
    return f"<tr>{''.join(f'<{tag}>{_inline(cell, now)}</{tag}>' for cell in cells)}</tr>"


def _inline(parts: Spans, now: datetime) -> str:
    return "".join(_html_piece(piece) for piece in lay_out(parts, now))


def _html_piece(piece: Piece) -> str:
    text = escape(piece.text).replace("\n", "<br>")
    title = f' title="{escape(piece.full)}"' if piece.full else ""
    if piece.code:
        text = f"<code{title}>{text}</code>"
    if piece.href:
        text = f'<a href="{escape(piece.href)}"{title} rel="noopener noreferrer nofollow">{text}</a>'
    if piece.at is not None:
        text = f'<time datetime="{to_text(piece.at)}">{text}</time>'
    return f"<strong>{text}</strong>" if piece.bold else text
