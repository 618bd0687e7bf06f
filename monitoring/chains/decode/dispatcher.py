"""Which functions a contract answers, read from its code: the comparisons at its beginning with four bytes of a call.

Pure. Code that finds its functions in another way (Vyper's tables, written by hand) gives none, which says nothing.
"""

from __future__ import annotations

_PUSH1, _PUSH32, _PUSH2, _PUSH3, _PUSH4 = 0x60, 0x7F, 0x61, 0x62, 0x63
_EQ, _JUMPI = 0x14, 0x57
_DUPS = range(0x80, 0x90)
_SWAPS = range(0x90, 0xA0)
_NEAR = 4  # operations between a constant and the jump that depends on it


def selectors_in(code: bytes) -> frozenset[bytes]:
    """Return the selectors that the code compares a call with and then jumps."""
    operations = list(_operations(code))
    found = set()
    for place, (operation, constant) in enumerate(operations):
        if operation in (_PUSH3, _PUSH4) and _is_compared(
            [one for one, _ in operations[place + 1 : place + 1 + _NEAR]]
        ):
            found.add(constant.rjust(4, b"\0"))
    return frozenset(found)


def _is_compared(following: list[int]) -> bool:
    """Return whether EQ, a jump's target and JUMPI follow; the constant or the call's selector may be moved first."""
    rest = following[1:] if following and (following[0] in _DUPS or following[0] in _SWAPS) else following
    return len(rest) >= 3 and rest[0] == _EQ and _PUSH1 <= rest[1] <= _PUSH3 and rest[2] == _JUMPI  # noqa: PLR2004 - EQ, PUSH, JUMPI


def _operations(code: bytes) -> list[tuple[int, bytes]]:
    found, at = list[tuple[int, bytes]](), 0
    while at < len(code):
        operation = code[at]
        size = operation - _PUSH1 + 1 if _PUSH1 <= operation <= _PUSH32 else 0
        found.append((operation, code[at + 1 : at + 1 + size]))
        at += 1 + size
    return found
