"""What makes a price believable. Apart from its reader, so that a monitor file is read without an HTTP client."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction

COINGECKO = re.compile(r"coingecko:[a-z0-9][a-z0-9._-]{0,99}")  # an asset without a chain, by the service's own key
MAX_AGE = timedelta(minutes=30)
MIN_CONFIDENCE = Fraction(9, 10)
FEED_MAX_AGE = timedelta(days=1, minutes=10)  # the longest heartbeat of Chainlink's feeds, and time for its transaction


@dataclass(frozen=True, slots=True)
class PriceGate:
    """An older or less certain price is none; `feed_max_age` is for feeds on chain, which move by heartbeat."""

    max_age: timedelta = MAX_AGE
    min_confidence: Fraction = MIN_CONFIDENCE
    feed_max_age: timedelta = FEED_MAX_AGE


USUAL_GATE = PriceGate()
