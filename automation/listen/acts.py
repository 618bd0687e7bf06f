"""The two buttons that change something: *I have it* and *Mute 1 h*, with what limits them.

They do what `ack` and `silence` do on the host, for one condition, and less: what somebody does with an account that
is not theirs is seen and heard by everybody, and is stopped by time and by counts. `SECURITY.md` has the table.
"""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from automation.on_call.silencing import STILL_SENT, announce_silence
from monitoring.alerts.recording.acknowledge import acknowledge_in, lasts
from monitoring.base.formatting import format_clock, format_duration
from monitoring.conditions.condition import Condition
from monitoring.conditions.severity import Severity
from monitoring.conditions.silence import FROM_CHAT, Silence, silence_of, subject_of
from monitoring.store.db.database import Tx
from monitoring.store.people import acknowledgements, narrow_silences
from monitoring.store.tables import silences

MUTED_FOR = timedelta(hours=1)
# Ours. Three hours of a day for one condition: what needs more is silenced on the host, by somebody with a login there.
MOST_MUTES_OF_CONDITION, _OF_CONDITION_WITHIN = 3, timedelta(hours=24)
# More incidents than a person reads in an hour: what needs more is one silence of a protocol.
MOST_MUTES_OF_PERSON, _OF_PERSON_WITHIN = 10, timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class TapEffect:
    """What came of a tap: words for the row, words for the person, and whether anything changed."""

    outcome: str
    toast: str
    is_done: bool = False


def have_it(tx: Tx, condition: Condition, person: str, now: datetime) -> TapEffect:
    """Give an incident to a person, unless somebody has it.

    By the button one person has one incident, as bad as it is, once: from the first tap on for as long as `ack` lasts.
    """
    name, held = _name(condition), acknowledgements.of(tx, condition, now)
    if held is not None:
        who = "You have" if held.by == person else f"{held.by} has"
        return TapEffect(f"{held.by} has {name}", f"{who} it already, since {format_clock(held.at, now)}.")
    first = acknowledgements.first_at(tx, condition, person, FROM_CHAT)
    ends_at = first + lasts(condition) if first is not None else None
    if ends_at is not None and ends_at <= now:
        return TapEffect(
            f"{person} had {name} by the button before",
            f"You had it for {format_duration(lasts(condition))}, since {format_clock(first or now, now)}. "
            f"Ask somebody else to tap, or acknowledge it on the host: ack {name}",
        )
    made = acknowledge_in(tx, condition, by=person, note=FROM_CHAT, now=now, ends_at=ends_at)
    until = format_clock(made.ends_at, now)
    toast = f"You have it until {until}, or until it is worse. Reminders and questions to others stop."
    return TapEffect(f"{person} acknowledged {name}", toast, is_done=True)


def mute(tx: Tx, condition: Condition, person: str, now: datetime) -> TapEffect:
    """Silence one incident for an hour, no worse than it is now, and announce that with sound."""
    name = _name(condition)
    holding = silence_of(silences.active(tx, now), subject_of(condition))
    if holding is not None:
        words = f"It is silenced already until {format_clock(holding.ends_at, now)}, by {holding.created_by}."
        return TapEffect(f"{name} is silenced by {holding.created_by}", words)
    wanted = _silence(condition, person, now)
    before = [each for each in narrow_silences.between(tx, now - _OF_CONDITION_WITHIN, now) if each.is_from_chat]
    if why := _too_many(wanted, before, now):
        return TapEffect(f"{name}: {why}", f"{why}. To silence it for longer: `silence` on the host.")
    made = replace(wanted, id=silences.put(tx, wanted))
    announce_silence(tx, made, [condition], now, least=Severity.LOW)
    toast = f"Muted until {format_clock(made.ends_at, now)}, announced in the chat. {STILL_SENT}"
    return TapEffect(f"{person} muted {name} for 1 h (silence {made.id})", toast, is_done=True)


def _silence(condition: Condition, person: str, now: datetime) -> Silence:
    """Return the silence of exactly one condition: by its monitor, its key as it is, its chain, its severity."""
    worst = subject_of(condition).severity
    return Silence(
        0, condition.key.monitor, glob.escape(condition.key.text), now, now + MUTED_FOR, FROM_CHAT, person,
        severity=worst, chain=condition.key.chain or None,
    )  # fmt: skip


def _too_many(wanted: Silence, before: Sequence[Silence], now: datetime) -> str:
    """Return why this would be one mute too many; nothing if it would not."""
    what = wanted.protocol, wanted.key, wanted.chain
    same = [each for each in before if (each.protocol, each.key, each.chain) == what]
    if sum(each.starts_at > now - _OF_CONDITION_WITHIN for each in same) >= MOST_MUTES_OF_CONDITION:
        return f"It was muted {MOST_MUTES_OF_CONDITION} times from the chat within 24 h"
    own = [each for each in before if each.created_by == wanted.created_by]
    if sum(each.starts_at > now - _OF_PERSON_WITHIN for each in own) >= MOST_MUTES_OF_PERSON:
        return f"You muted {MOST_MUTES_OF_PERSON} incidents from the chat within an hour"
    return ""


def _name(condition: Condition) -> str:
    return f"{condition.key.monitor}/{condition.key.text}"
