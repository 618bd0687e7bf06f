"""The question for a market price, as a check asks it: which token, and what makes its price believable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from monitoring.chains.services.price_gate import PriceGate
from monitoring.checks.expression.evaluate import PriceRead, Result


@dataclass(frozen=True, slots=True)
class PriceQuery:
    """A price that a monitor asks for; all of a task share their requests, whatever each demands of the answer."""

    monitor: str
    read: PriceRead
    gate: PriceGate


def value_of(answer: Any) -> Result:  # noqa: ANN401 - a view's answer, or a price
    """Return an answer as the language computes with it."""
    found: Result = getattr(answer, "usd", answer)
    return found
