"""The nearest known word to a mistyped one, for every "did you mean"."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word most like this one, None when none is like it."""
    import difflib  # noqa: PLC0415 - only a mistake pays for it

    matches = difflib.get_close_matches(word.lower(), list(known), n=1)
    return matches[0] if matches else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `, did you mean x?` when a known word is like this one, else nothing."""
    match = nearest(word, known)
    return f", did you mean {match}?" if match else ""


def instead_of(word: str, known: Iterable[str]) -> str:
    """Return `did you mean x?`, or what is known, if anything is."""
    known = list(known)
    match = nearest(word, known)
    if match is not None:
        return f"did you mean {match}?"
    return f"write one of {', '.join(known)}" if known else "remove it"
