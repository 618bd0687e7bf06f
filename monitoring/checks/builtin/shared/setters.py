"""The views that go with setters in decoded calls: `setFee(uint256)` has `fee()` or `getFee()`, where they exist."""

from __future__ import annotations

import re
from collections.abc import Sequence

from monitoring.chains.decode.calldata import DecodedCall

_SETTER = re.compile(r"(?:set|update|change)([A-Z]\w{0,60})")
_PLAIN = re.compile(r"u?int\d+|address|bool|bytes32")
MAX_SETTERS = 20


def called(calls: Sequence[DecodedCall]) -> tuple[str, ...]:
    """Return every contract that is called, those inside batches too."""
    made = [one.tx for each in calls for one in each.walk()]
    return tuple(dict.fromkeys(tx.to for tx in made if tx.to and tx.data))


def settings_of(calls: Sequence[DecodedCall]) -> tuple[tuple[str, str], ...]:
    """Return views by contract, as guessed by the names of setters: one that is not there is no answer."""
    found: list[tuple[str, str]] = []
    for one in (inside for each in calls for inside in each.walk()):
        named = _SETTER.fullmatch(one.declaration.function.name) if one.declaration else None
        if named is None or len(one.arguments) != 1 or not _PLAIN.fullmatch(str(one.arguments[0].kind)):
            continue
        what, kind = named[1], str(one.arguments[0].kind)
        names = dict.fromkeys((what[0].lower() + what[1:], f"get{what}", what))
        found += [(one.tx.to, f"{name}()({kind})") for name in names]
    return tuple(dict.fromkeys(found))[:MAX_SETTERS]
