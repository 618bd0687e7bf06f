"""The section `prices` of a monitor file: how old and how doubtful a price may be, for all formulas of the file."""

from __future__ import annotations

from fractions import Fraction

from monitoring.base.yaml.keys import Section, entry
from monitoring.chains.services.price_gate import FEED_MAX_AGE, MAX_AGE, MIN_CONFIDENCE, USUAL_GATE, PriceGate
from monitoring.checks.config.yaml_node import Spot
from monitoring.checks.rules.keys import DURATION, SHARE

OLDEST = entry("max_age", DURATION, "An older market price is none.", default="30m", example="max_age: 2h")
CONFIDENCE = entry(
    "confidence", SHARE, "A less certain market price is none.", default="90%", example="confidence: 90%"
)
FEED_OLDEST = entry(
    "feed_max_age",
    DURATION,
    "An older answer of the feed in price(token, feed) is none.",
    default="87000s",
    example="feed_max_age: 25h",
)
PRICES_OF = Section("What makes a price count.", OLDEST, CONFIDENCE, FEED_OLDEST)


def read_gate(spot: Spot | None) -> PriceGate:
    """Read what is demanded of prices; what is left out has its default."""
    if spot is None or not spot.entries("max_age, confidence, feed_max_age"):
        return USUAL_GATE
    spot.only(PRICES_OF.keys)
    oldest, sure, feed = spot.value(OLDEST), spot.value(CONFIDENCE), spot.value(FEED_OLDEST)
    return PriceGate(oldest or MAX_AGE, MIN_CONFIDENCE if sure is None else Fraction(sure), feed or FEED_MAX_AGE)
