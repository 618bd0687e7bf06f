"""How much a day allows, and how much of it is spent. Pure, but for one read of the store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from monitoring.explain.explainer_settings import ExplainerSettings
from monitoring.store.db.database import Tx
from monitoring.store.queries import explanations


@dataclass(frozen=True, slots=True)
class DaySpent:
    """Requests and tokens since 00:00 UTC; tokens as the server counts them."""

    requests: int
    tokens: int

    def refusal(self, settings: ExplainerSettings) -> str:
        """Return which bound is reached, in words; nothing where none is."""
        if self.requests >= settings.daily_requests:
            return f"the daily bound of {settings.daily_requests} requests is reached"
        if self.tokens >= settings.daily_tokens:
            return f"the daily bound of {settings.daily_tokens} tokens is reached"
        return ""

    def is_reached(self, settings: ExplainerSettings) -> bool:
        return bool(self.refusal(settings))


def day_spent(tx: Tx, now: datetime) -> DaySpent:
    found = explanations.spent(tx, now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0))
    return DaySpent(found.requests, found.tokens)


def day_words(spent: DaySpent, settings: ExplainerSettings) -> str:
    requests = f"{spent.requests} of {settings.daily_requests} requests"
    return f"{requests}, {spent.tokens} of {settings.daily_tokens} tokens"
