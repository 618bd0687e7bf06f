"""What a value was made of, to be said next to it: the parts of its formula, and the contracts that were asked."""

from __future__ import annotations

from dataclasses import dataclass

from monitoring.checks.expression.values import Value


@dataclass(frozen=True, slots=True, order=True)
class AskedContract:
    """A contract that was asked, by the name its author gave it."""

    chain: int
    address: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """`inputs` are pairs of a text and a value, `contracts` those that answered for them.

    `reads` are pairs too, of all that was read for it.

    `prices` are lines, each of which says where a market price came from and when.
    """

    inputs: tuple[tuple[str, Value], ...] = ()
    contracts: tuple[AskedContract, ...] = ()
    prices: tuple[str, ...] = ()
    reads: tuple[tuple[str, Value], ...] = ()


NO_EVIDENCE = Evidence()
