"""Finds the last block at or before each of many instants: by interpolation, a batch of headers a round. Pure.

Called by `archive`, which asks for the headers.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

_STRAIGHT = 6  # rounds of interpolation; where blocks come too unevenly for it, halving ends the search


@dataclass(frozen=True, slots=True)
class BlockHeader:
    """A block by its number, when it was made (unix seconds) and its hash."""

    number: int
    at_s: int
    hash: str


class BlockSearch:
    """What is known of a chain's blocks. `ask` returns the headers of these numbers, or fewer if it was stopped."""

    def __init__(
        self,
        ask: Callable[[Collection[int]], Iterable[BlockHeader]],
        known: Iterable[BlockHeader],
        newest: BlockHeader,
        block_time_s: float,
    ) -> None:
        self._ask = ask
        self._block_time_s = max(block_time_s, 0.01)
        self._newest = newest
        self._headers = {one.number: one for one in [*known, newest] if one.number <= newest.number}

    def find(self, instants_s: Collection[int]) -> Mapping[int, BlockHeader | None]:
        """Return for each instant the last block not later than it; None before the first block, or if stopped."""
        found: dict[int, BlockHeader | None] = {}
        round_ = 0
        while open_ := [at for at in instants_s if at not in found]:
            numbers = sorted(self._headers)
            times = [self._headers[number].at_s for number in numbers]
            guesses: set[int] = set()
            for at in open_:
                answer = self._settled_or_guess(at, numbers, times, round_)
                if isinstance(answer, int):
                    guesses |= {answer, answer + 1} - self._headers.keys()
                else:
                    found[at] = answer
            if guesses:
                new = {one.number: one for one in self._ask(guesses)}
                self._headers |= new
                if not new:
                    return {**dict.fromkeys(instants_s, None), **found}
            round_ += 1
        return found

    def _settled_or_guess(self, at: int, numbers: list[int], times: list[int], round_: int) -> BlockHeader | int | None:
        place = bisect_right(times, at)
        if place == len(numbers):
            return self._newest
        above = self._headers[numbers[place]]
        if place == 0:
            if above.number == 0:
                return None
            back = max(1, round((above.at_s - at) / self._block_time_s) * (1 + round_ // _STRAIGHT))
            return max(0, above.number - back)
        below = self._headers[numbers[place - 1]]
        if above.number == below.number + 1:
            return below
        gap = above.number - below.number
        part = (at - below.at_s) / max(1, above.at_s - below.at_s) if round_ < _STRAIGHT else 0.5
        return min(max(below.number + int(gap * part), below.number + 1), above.number - 1)
