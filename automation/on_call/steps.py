"""Which steps of an escalation are due. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from automation.on_call.model import Escalation, EscalationBySeverity, OnCall
from automation.on_call.rota import on_duty
from automation.on_call.values import CHAT, EVERYBODY, ON_CALL
from monitoring.conditions.severity import Severity
from monitoring.store.people.escalations import EscalationProgress


@dataclass(frozen=True, slots=True)
class DueQuestion:
    """Whom to ask now about one incident: people with the reason why them, and the chat of the alert.

    `asked` is to be remembered, also where nobody has to be asked yet.
    """

    people: dict[str, str]
    chat: bool
    asked: EscalationProgress


def next_ask(
    team: OnCall, steps: EscalationBySeverity, before: EscalationProgress | None, episode: str, severity: Severity,
    began: datetime, now: datetime,
) -> DueQuestion | None:  # fmt: skip
    """Return whom to ask about an incident on which nobody acts, None if there is nothing to ask or to remember.

    1. Minutes count from the begin of the incident; from when it was seen to be worse than ever, if it became worse.
    2. Of steps that became due since the last look each is taken, and nobody is asked twice at once.
    3. After the last step that one is repeated.
    """
    escalation = steps.of(severity)
    if escalation is None:
        return None
    asked = _continued(before, episode, severity, began, now)
    count = _due(escalation, asked, now)
    if count == asked.count:
        return DueQuestion({}, chat=False, asked=asked) if before is not None and asked != before else None
    last = len(escalation.steps) - 1
    taken = [escalation.steps[min(number, last)].to for number in range(asked.count, count)]
    people: dict[str, str] = {}
    for target in taken:
        people |= {name: why for name, why in _people(team, target, severity, now).items() if name not in people}
    after = replace(asked, count=count, last_at=now, people=tuple(dict.fromkeys([*asked.people, *people])))
    return DueQuestion(people, CHAT in taken, after)


def _continued(
    before: EscalationProgress | None, episode: str, severity: Severity, began: datetime, now: datetime
) -> EscalationProgress:
    if before is None or before.episode != episode:
        return EscalationProgress(episode, severity, began)
    if severity > before.severity:
        return EscalationProgress(episode, severity, now, people=before.people)
    # The worst so far stays: a severity that comes and goes would start the minutes again each time.
    return replace(before, begun_at=min(before.begun_at, now))


def _due(escalation: Escalation, asked: EscalationProgress, now: datetime) -> int:
    """Return how many asks there should have been by now."""
    steps = escalation.steps
    reached = sum(now - asked.begun_at >= timedelta(seconds=step.after_s) for step in steps)
    if asked.count < len(steps):
        return max(reached, asked.count)
    wait = timedelta(seconds=escalation.repeat_s)
    # An instant further ahead than that is of a clock that was wrong.
    is_time = asked.last_at is None or not now - wait < asked.last_at <= now + wait
    return asked.count + 1 if is_time else asked.count


def _people(team: OnCall, target: str, severity: Severity, now: datetime) -> dict[str, str]:
    """Return who is meant by a step, with why; somebody disabled is replaced by the one who is on call."""
    if target == CHAT:
        return {}
    if target == EVERYBODY:
        awake = on_duty(team, now, severity).people
        return dict.fromkeys(awake, "on call") | {
            name: "everybody is asked now" for name in team.available if name not in awake
        }
    if target == ON_CALL or not team.people[target].enabled:
        duty = on_duty(team, now, severity)
        return dict.fromkeys(duty.people, duty.why)
    return {target: "on_call.yaml names you for this step"}
