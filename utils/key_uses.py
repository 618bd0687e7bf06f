"""One key has one rule in a run: a verb judges it, or `m.alert` and `m.resolve` raise and resolve it.

Part of `Context`. With two rules each run would say that it recovered, and that it fired.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from monitoring.base.errors import UsageError

_HERE = str(Path(__file__).parent)


@dataclass(frozen=True, slots=True)
class KeyUse:
    """How a key was used first, and where in the author's file."""

    call: str
    judges: bool
    place: str


class KeyUses:
    """The keys of one run. They are compared as people write them: `utilisation/USDC`."""

    def __init__(self) -> None:
        self._first: dict[str, KeyUse] = {}

    def note(self, key: str, call: str, *, judges: bool) -> None:
        """Note a use of a key.

        Raises:
            UsageError: another rule has this key in this run.
        """
        use = KeyUse(call, judges, _caller())
        first = self._first.setdefault(key, use)
        if first.judges is not judges:
            raise UsageError(
                f"{use.call} at {use.place}: the key {key!r} has another rule already, {first.call} at {first.place}. "
                "A verb raises and resolves its key by itself; m.alert and m.resolve need a key of their own."
            )

    def kept(self) -> dict[str, KeyUse]:
        return dict(self._first)

    def put_back(self, kept: dict[str, KeyUse]) -> None:
        """Forget what was noted since."""
        self._first = kept


def _caller() -> str:
    """Return the line of the author's file that is running."""
    frame = sys._getframe()  # noqa: SLF001 - the traceback module reads the sources, for each use of a key
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_HERE):
        frame = frame.f_back
    return f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
