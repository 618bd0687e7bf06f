"""What Telegram demands of a `sendMessage` and an `editMessageText`, written from the Bot API's documentation alone.

The stand-in refuses what breaks a rule. Nothing here is shared with the code that is tested by it: units are counted
by encoding, nesting by sorting.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

MAX_UNITS = 4096
MAX_ENTITIES = 100
MAX_CALLBACK_BYTES = 64  # InlineKeyboardButton.callback_data
MAX_BUTTONS = 100  # what the servers take in one keyboard
_FIELDS = """
business_connection_id chat_id message_thread_id direct_messages_topic_id text parse_mode entities link_preview_options
disable_notification protect_content allow_paid_broadcast message_effect_id suggested_post_parameters reply_parameters
reply_markup
"""
_TYPES = """
mention hashtag cashtag bot_command url email phone_number bold italic underline strikethrough spoiler blockquote
expandable_blockquote code pre text_link text_mention custom_emoji date_time
"""
KNOWN_FIELDS = frozenset(_FIELDS.split())
_EDITED = """
business_connection_id chat_id message_id text parse_mode entities link_preview_options reply_markup
"""
_REPLIED = """
message_id chat_id allow_sending_without_reply quote quote_parse_mode quote_entities quote_position
"""
EDIT_FIELDS = frozenset(_EDITED.split())
_REPLY_FIELDS = frozenset(_REPLIED.split())
ENTITY_TYPES = frozenset(_TYPES.split())
# Emphasis may stand around and inside everything but code; two entities that are both no emphasis may not share text.
_MAY_SHARE = frozenset({"bold", "italic", "underline", "strikethrough", "spoiler"})
_SHARES_NOTHING = frozenset({"pre", "code"})


def fault_of(payload: Mapping[str, Any], fields: frozenset[str] = KNOWN_FIELDS) -> str:
    """Return the description of the first rule a request breaks, or nothing; `fields` are those of its method."""
    return (
        _fault_of_fields(payload, fields)
        or _fault_of_reply(payload)
        or _fault_of_markup(payload)
        or _fault_of_text(payload["text"])
        or _fault_of_entities(payload)
    )


def _fault_of_fields(payload: Mapping[str, Any], fields: frozenset[str]) -> str:
    unknown = sorted(set(payload) - fields)
    if unknown:
        return f"unknown field {unknown[0]}"
    empty = sorted(name for name, value in payload.items() if value is None)
    if empty:
        return f"field {empty[0]} must not be null"
    if "chat_id" not in payload:
        return "chat_id is empty"
    return "" if isinstance(payload.get("text"), str) else "message text is empty"


def _fault_of_reply(payload: Mapping[str, Any]) -> str:
    reply = payload.get("reply_parameters")
    if reply is None:
        return ""
    if not isinstance(reply, dict):
        return "can't parse reply parameters JSON object"
    if set(reply) - _REPLY_FIELDS:
        return f"unknown field {min(set(reply) - _REPLY_FIELDS)}"
    is_sound = type(reply.get("message_id")) is int and reply["message_id"] > 0
    return "" if is_sound else "can't parse reply parameters: message_id must be a positive number"


def _fault_of_markup(payload: Mapping[str, Any]) -> str:
    """Judge an inline keyboard: rows of buttons, each with a text and with data of 1 to 64 bytes."""
    markup = payload.get("reply_markup")
    if markup is None:
        return ""
    rows = markup.get("inline_keyboard") if isinstance(markup, dict) and len(markup) == 1 else None
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        return "can't parse reply keyboard markup JSON object"
    buttons = [each for row in rows for each in row]
    fault = next(filter(None, map(_fault_of_button, buttons)), "")
    return fault or ("reply markup is too long" if len(buttons) > MAX_BUTTONS else "")


def _fault_of_button(button: object) -> str:
    if not isinstance(button, dict) or set(button) != {"text", "callback_data"}:
        return "can't parse inline keyboard button: exactly one of its optional fields must be used"
    if not isinstance(button["text"], str) or not button["text"].strip():
        return "can't parse inline keyboard button: text is empty"
    return "" if 0 < len(button["callback_data"].encode()) <= MAX_CALLBACK_BYTES else "BUTTON_DATA_INVALID"


def _fault_of_text(text: str) -> str:
    try:
        units = len(text.encode("utf-16-le")) // 2
    except UnicodeEncodeError:
        return "strings must be encoded in UTF-8"
    if not text.strip():
        return "text must be non-empty"
    if text != text.strip():
        return "white space at the ends moves entities"  # Telegram trims; entities would shift
    return "message is too long" if units > MAX_UNITS else ""


def _fault_of_entities(payload: Mapping[str, Any]) -> str:
    entities: Sequence[Mapping[str, Any]] = payload.get("entities", [])
    if "entities" in payload and not entities:
        return "can't parse entities: an empty list should be left out"
    if len(entities) > MAX_ENTITIES:
        return f"can't parse entities: {len(entities)} of them, 100 are kept"
    edges = _unit_edges(payload["text"])
    spans: list[tuple[int, int, str]] = []
    for entity in entities:
        fault = _fault_of_entity(entity, edges)
        if fault:
            return f"can't parse entities: {fault}"
        spans.append((entity["offset"], entity["offset"] + entity["length"], entity["type"]))
    return _fault_of_nesting(spans)


def _unit_edges(text: str) -> set[int]:
    """Return every offset that does not cut a surrogate pair."""
    edges, at = {0}, 0
    for char in text:
        at += len(char.encode("utf-16-le")) // 2
        edges.add(at)
    return edges


def _fault_of_entity(entity: Mapping[str, Any], edges: set[int]) -> str:
    kind, offset, length = entity.get("type"), entity.get("offset"), entity.get("length")
    if kind not in ENTITY_TYPES:
        return f"unknown type {kind}"
    if not isinstance(offset, int) or not isinstance(length, int) or offset < 0 or length <= 0:
        return "offset and length must be positive numbers"
    if offset + length > max(edges):
        return "ENTITY_BOUNDS_INVALID: beyond the end"
    if offset not in edges or offset + length not in edges:
        return "ENTITY_BOUNDS_INVALID: cuts a surrogate pair"
    if kind == "text_link" and not str(entity.get("url", "")).startswith(("http://", "https://")):
        return "a text_link needs a url"
    return _fault_of_date_time(entity) if kind == "date_time" else _unknown_field(entity, "url", "language")


def _fault_of_date_time(entity: Mapping[str, Any]) -> str:
    if type(entity.get("unix_time")) is not int:
        return "a date_time needs a unix_time"
    if not re.fullmatch("r|w?[dD]?[tT]?", entity.get("date_time_format", "")):
        return "date_time_format is of another form"
    return _unknown_field(entity, "unix_time", "date_time_format")


def _unknown_field(entity: Mapping[str, Any], *known: str) -> str:
    extra = set(entity) - {"type", "offset", "length", *known}
    return f"unknown field {min(extra)}" if extra else ""


def _fault_of_nesting(spans: list[tuple[int, int, str]]) -> str:
    open_spans: list[tuple[int, int, str]] = []
    for start, end, kind in sorted(spans, key=lambda span: (span[0], -span[1])):
        open_spans = [span for span in open_spans if span[1] > start]
        for _, outer_end, outer in open_spans:
            if end > outer_end:
                return f"can't parse entities: {kind} overlaps {outer}"
            if {kind, outer} & _SHARES_NOTHING or not {kind, outer} & _MAY_SHARE:
                return f"can't parse entities: {kind} inside {outer}"
        open_spans.append((start, end, kind))
    return ""
