"""Buttons under a message, and the data in them: what a tap means, about which alert, and a proof that we wrote it.

Pure. The data is authenticated by a key derived from the bot's token, for one chat, in the 64 bytes that Telegram
allows (core.telegram.org/bots/api, InlineKeyboardButton). Anyone can send a bot any data, and copy what they see.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from monitoring.alerts.senders import Button, ButtonAction

MAX_DATA_BYTES = 64
_VERSION, _MAC_BYTES = 1, 16
_LABEL = b"monitoring: buttons under messages, 1"
_BODY = struct.Struct(">BBBQI")  # version, action, which incident of the alert, alert, when it was stored
_MOST_CHARACTERS = -(-(_BODY.size + _MAC_BYTES) * 4 // 3)
_NUMBERS = {ButtonAction.HAVE_IT: 1, ButtonAction.MUTE: 2, ButtonAction.DETAILS: 3, ButtonAction.REACHED: 4}
_ACTIONS = {number: action for action, number in _NUMBERS.items()}


def key_of(token: str) -> bytes:
    """Derive the key of a bot's buttons from its token: no new secret, and another token makes old buttons invalid."""
    return hmac.digest(token.strip().encode("utf-8", "surrogatepass"), _LABEL, hashlib.sha256)


def data_of(key: bytes, button: Button, chat_id: str) -> str:
    """Return the callback data of a button in one chat: printable ASCII."""
    body = _BODY.pack(_VERSION, _NUMBERS[button.action], button.which, button.alert_id, _seconds(button.stored_at))
    return base64.urlsafe_b64encode(body + _mac(key, body, chat_id)).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True)
class TappedButton:
    """What authentic data says. `stored_s` is when the alert was stored, in whole seconds since 1970."""

    action: ButtonAction
    alert_id: int
    which: int
    stored_s: int

    def is_of(self, stored_at: datetime) -> bool:
        """Return whether it is about the alert of its id that is here: ids begin again in a database that is new."""
        return _seconds(stored_at) == self.stored_s


def read_data(key: bytes, data: str, chat_ids: Collection[str]) -> TappedButton | None:
    """Return what data says that was written for one of these names of a chat; None if it is not ours.

    A chat has several: its number, its @name, and the number it had before it became a supergroup.
    """
    if not data.isascii() or len(data) != _MOST_CHARACTERS:
        return None
    try:
        raw = base64.b64decode(data + "=" * (-len(data) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return None
    # Of several spellings of the same bytes only ours counts.
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != data:
        return None
    body, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
    if not any(hmac.compare_digest(mac, _mac(key, body, chat_id)) for chat_id in chat_ids):
        return None
    version, number, which, alert_id, stored_s = _BODY.unpack(body)
    action = _ACTIONS.get(number)
    return TappedButton(action, alert_id, which, stored_s) if version == _VERSION and action is not None else None


def markup(key: bytes, rows: Sequence[Sequence[Button]], chat_id: str) -> dict[str, object]:
    """Return the `reply_markup` of a message."""
    return {
        "inline_keyboard": [
            [{"text": button.label, "callback_data": data_of(key, button, chat_id)} for button in row] for row in rows
        ]
    }


def _seconds(at: datetime) -> int:
    return int(at.timestamp()) & 0xFFFFFFFF  # whatever a clock said


def _mac(key: bytes, body: bytes, chat_id: str) -> bytes:
    return hmac.digest(key, body + chat_id.casefold().encode(), hashlib.sha256)[:_MAC_BYTES]
