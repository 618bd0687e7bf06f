"""on_call.yaml as the escalation knows it: a field of a class here is a key of the file."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from automation.jobs.values import FLAG, NAME, SECONDS, TEXT
from automation.on_call.values import (
    HOURS,
    LOCAL,
    TARGET,
    TELEGRAM_ID,
    WEEK_TIME,
    ZONE,
    Hours,
    WeekTime,
)
from monitoring.alerts.channels import variable_part
from monitoring.base.yaml.keys import Many, Named, Table, key, keys
from monitoring.conditions.severity import Severity

# What a person's own destinations are found by, as a chat is by its channel: `NOTIFY_URLS_ON_CALL_ANA`.
CHANNEL = "on_call_"


@keys
class Person:
    """Somebody who can be on call. `NOTIFY_URLS_ON_CALL_<NAME>` in the env file adds destinations of their own."""

    telegram_id: int | None = key(
        TELEGRAM_ID,
        "The number of their Telegram account, which has started a chat with the bot: there they are asked, and from "
        "there they may answer.",
        default=None,
        example="telegram_id: 123456789",
    )
    quiet_hours: Hours | None = key(
        HOURS,
        "When somebody else is asked, if anybody is not quiet; CRITICAL is never quiet.",
        default=None,
        example='quiet_hours: "22:00-07:00"',
    )
    enabled: bool = key(
        FLAG, "Somebody who is away for long: never asked, and cannot answer.", default=True, example="enabled: false"
    )

    @staticmethod
    def variable(name: str) -> str:
        """Return the variable that holds a person's further destinations."""
        return f"NOTIFY_URLS_{variable_part(CHANNEL + name)}"


PERSON = Table(Person, example="telegram_id: 123456789")


@keys
class Override:
    """A time in which another person is on call than the rota says."""

    who: str = key(NAME, "Who is on call instead.", example="who: ben")
    starts: datetime = key(LOCAL, "From when, in the zone of the file.", example="starts: 2026-12-24T09:00")
    ends: datetime = key(LOCAL, "Until when; every override ends.", example="ends: 2026-12-27T09:00")
    reason: str = key(TEXT, "Why, for the others.", default="", example="reason: holidays")


OVERRIDE = Table(Override, example="{who: ben, starts: 2026-12-24T09:00, ends: 2026-12-27T09:00}")


@keys
class Rota:
    """Who is on call in which week."""

    order: tuple[str, ...] = key(
        Many(NAME, may_be_empty=False), "Who follows whom, a week each.", example="order: [ana, ben]"
    )
    handover: WeekTime = key(
        WEEK_TIME, "When one hands over to the next, in the zone of the file.", example="handover: monday 09:00"
    )
    starts: datetime = key(
        LOCAL, "The handover at which the first of `order` begins.", example="starts: 2026-11-30T09:00"
    )
    overrides: tuple[Override, ...] = key(
        Many(OVERRIDE),
        "Exceptions, each with its end.",
        default=(),
        example="overrides: [{who: ben, starts: 2026-12-24T09:00, ends: 2026-12-27T09:00}]",
    )


ROTA = Table(Rota, example="{order: [ana, ben], handover: monday 09:00, starts: 2026-11-30T09:00}")


@keys
class EscalationStep:
    """Whom to ask when nobody has acted for so long."""

    after_s: int = key(SECONDS, "How long after the alert; at least 1m.", name="after", example="after: 5m")
    to: str = key(TARGET, "Whom: the chat again, who is on call, everybody, or one person.", example="to: on-call")


STEP = Table(EscalationStep, example="{after: 5m, to: on-call}")


@keys
class Escalation:
    """What happens while nobody acts on an incident of one severity."""

    steps: tuple[EscalationStep, ...] = key(
        Many(STEP, may_be_empty=False),
        "Whom to ask, and when; in this order.",
        example="steps: [{after: 5m, to: on-call}]",
    )
    repeat_s: int = key(
        SECONDS,
        "How often the last step is repeated until somebody acts; at least 5m.",
        name="repeat",
        default=1800,
        without="`30m`",
        example="repeat: 30m",
    )


ESCALATION = Table(Escalation, example="{steps: [{after: 5m, to: on-call}], repeat: 30m}")


@keys
class EscalationBySeverity:
    """The steps for each severity; one without steps is left to its chat."""

    critical: Escalation | None = key(
        ESCALATION, "For CRITICAL.", default=None, example="critical: {steps: [{after: 5m, to: on-call}]}"
    )
    high: Escalation | None = key(
        ESCALATION, "For HIGH.", default=None, example="high: {steps: [{after: 30m, to: on-call}]}"
    )
    medium: Escalation | None = key(
        ESCALATION, "For MEDIUM.", default=None, example="medium: {steps: [{after: 4h, to: chat}]}"
    )

    def of(self, severity: Severity) -> Escalation | None:
        return {Severity.CRITICAL: self.critical, Severity.HIGH: self.high, Severity.MEDIUM: self.medium}.get(severity)


ESCALATIONS = Table(EscalationBySeverity, example="{critical: {steps: [{after: 5m, to: on-call}]}}")


@keys
class OnCall:
    """Who is on call, how each is reached, and whom to ask when nobody acts."""

    zone: str = key(ZONE, "The time zone of every hour in this file.", example="zone: Europe/Berlin")
    people: Mapping[str, Person] = key(
        Named(NAME, PERSON, may_be_empty=False),
        "The people by name.",
        example="people: {ana: {telegram_id: 123456789}}",
    )
    rota: Rota | None = key(
        ROTA,
        "Who is on call when.",
        default=None,
        without="everybody is",
        example="rota: {order: [ana], handover: monday 09:00, starts: 2026-11-30T09:00}",
    )
    escalation: EscalationBySeverity | None = key(
        ESCALATIONS,
        "Whom to ask when nobody acts.",
        default=None,
        without="nobody: alerts go to their chats alone",
        example="escalation: {critical: {steps: [{after: 5m, to: on-call}]}}",
    )

    @property
    def available(self) -> tuple[str, ...]:
        """Return the people who can be asked, in the order written."""
        return tuple(name for name, person in self.people.items() if person.enabled)


ON_CALL_FILE = Table(OnCall, example="{zone: Europe/Berlin, people: {ana: {telegram_id: 123456789}}}")
