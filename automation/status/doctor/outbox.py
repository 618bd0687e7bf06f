"""What waits to be sent: whether people are being reached, by the one definition of `monitoring.ledger.reach`."""

from __future__ import annotations

from collections.abc import Iterator

from automation.status.doctor import DoctorContext, Examination, Finding, FindingLevel, Problem, ok
from monitoring.ledger import reach
from monitoring.ledger.reach import Cause
from monitoring.store.tables import deliveries

_SYMPTOM = "`NOT REACHED` in `status`, `/fail` pings, exit code 1 though all tasks are ok"
_WHY = "somebody who should know of an alert does not"

WAITING = Problem(
    "unreached-waiting",
    "outbox",
    _SYMPTOM,
    "alerts have waited for more than ten minutes: the destination or the network does not answer",
    _WHY,
    "python -m automation deliver",
)
CREDENTIALS = Problem(
    "unreached-credentials",
    "outbox",
    _SYMPTOM,
    "alerts wait for a token or a chat that is not set, or for a token that was revoked",
    _WHY,
    "set or correct the token and the chat in the env file, then: python -m automation deliver",
)
REFUSED = Problem(
    "unreached-refused",
    "outbox",
    _SYMPTOM,
    "a chat or a webhook refuses: bot removed, chat gone, an address that redirects",
    _WHY,
    "Telegram: add the bot to the chat again, or correct the chat id. Webhook or Apprise: correct its address. "
    "Then: python -m automation deliver",
)
GIVEN_UP = Problem(
    "unreached-given-up",
    "outbox",
    _SYMPTOM,
    "alerts were given up undelivered in the last 24 hours",
    _WHY,
    "list them (status `failed`): python -m automation alerts --since 31d --limit 500",
)
UNSTORED = Problem(
    "unreached-unstored",
    "outbox",
    "`the database cannot be written`",
    "alerts could not be stored and are kept in a file",
    _WHY,
    "free disk space or correct the owner of the state directory; the next run stores and sends them",
)
LATER = Problem(
    "waiting",
    "outbox",
    "one alert did not arrive yet",
    "alerts wait for their next attempt",
    "they reach people later",
    "python -m automation deliver sends them now and says what is left",
    FindingLevel.WARN,
)
_OF_CAUSE = {
    Cause.WAITING: WAITING,
    Cause.CREDENTIALS: CREDENTIALS,
    Cause.REFUSED: REFUSED,
    Cause.GIVEN_UP: GIVEN_UP,
    Cause.UNSTORED: UNSTORED,
}


def outbox(context: DoctorContext) -> Iterator[Finding]:
    """A waiting alert is a problem only once `/healthz` reports it."""
    with context.database() as database:
        if database is None:
            found, waiting = reach.reach_problems_without_database(context.settings.cache_dir, context.now), []
        else:
            found, waiting = reach.reach_problems(database, context.now), deliveries.why_waiting(database)
    yield from (_OF_CAUSE[reason.cause].found(str(reason)) for reason in found)
    for destination, channel, status, error, count in waiting:
        yield LATER.found(f"{count} to {destination.partition(' ')[0]} of {channel} wait: {error or status}")
    if database and not waiting and not found:
        yield ok("outbox", "no alert waits")


EXAMINATIONS: tuple[Examination, ...] = (outbox,)
