"""When is a time without readings a gap? Pure.

A check says nothing of how often it runs: the distance of its readings does. A gap is more than two and a half times
that, so one late run is none. Two gaps of about the same length in a row are a new cadence.
"""

from __future__ import annotations

from dataclasses import dataclass

_LATE = 2.5
_WEIGHT = 4  # a reading by hand between two runs moves the usual distance by a fourth of the difference


@dataclass(frozen=True, slots=True)
class Cadence:
    """`step_s`: how far apart readings usually are, 0 while there is only one. `gap_s`: the gap before the last one."""

    step_s: int = 0
    gap_s: int = 0

    def after(self, passed_s: int) -> tuple[Cadence, bool]:
        """Return the cadence after the next reading, and whether the time before it was a gap.

        A clock that was set back makes a gap too: what was read before is not known to come before.
        """
        if passed_s < 0:
            return Cadence(self.step_s), True
        if not self.step_s:
            return Cadence(passed_s), False
        if passed_s <= self.step_s * _LATE:
            return Cadence(max(1, self.step_s + (passed_s - self.step_s) // _WEIGHT)), False
        if self.gap_s and self.gap_s / _LATE <= passed_s <= self.gap_s * _LATE:
            return Cadence(passed_s), True
        return Cadence(self.step_s, passed_s), True


NOT_KNOWN = Cadence()
