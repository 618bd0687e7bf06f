"""`incidents`: what is firing now and what happened once within a day; `--done` ends what no monitor file ends."""

from __future__ import annotations

import argparse
import getpass
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from automation.cli import zone
from automation.cli.console import write_json, write_table
from automation.cli.layout import shorten_ids
from monitoring.alerts.message.lines import mute_command, reminder_words
from monitoring.alerts.recording.close_orphaned import end_by_hand_in
from monitoring.base.clock import SystemClock, to_text
from monitoring.base.errors import UsageError
from monitoring.base.formatting import format_duration
from monitoring.base.settings import Settings
from monitoring.conditions.condition import Condition, State, distinct_texts
from monitoring.conditions.silence import Silence, silence_of, subject_of
from monitoring.conditions.transition import done
from monitoring.store.db.schema import open_database, open_readonly
from monitoring.store.people import acknowledgements
from monitoring.store.people.acknowledgements import Acknowledgement
from monitoring.store.tables import conditions, silences

if TYPE_CHECKING:
    from monitoring.store.readings.against_limit import Measured

HELP = "list conditions that are firing now"
EXAMPLES = """\
python -m automation incidents                    # firing now, the worst first
python -m automation incidents --all              # also those that are over, latest change first
python -m automation incidents --json             # as JSON
python -m automation incidents --done acme/owner  # end what happened once, or what a removed script left firing"""
_MOST, _MOST_NAMED = 500, 20


@dataclass(frozen=True, slots=True)
class _IncidentLine:
    """A condition with the text that names it here, who has it, and what was read last of it."""

    condition: Condition
    text: str
    held: Acknowledgement | None
    measured: Measured | None

    @property
    def value(self) -> str:
        return (self.measured.words if self.measured else "") or self.condition.value

    def as_json(self) -> dict[str, object]:
        return {
            "acknowledgement": self.held.as_json() if self.held else None,
            "reading": self.measured.as_json() if self.measured else None,
        }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all", action="store_true", help="also show those that are over")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--done",
        metavar="KEY",
        help="end what happened once, or what a script left firing: MONITOR/CONDITION as listed",
    )


def run(args: argparse.Namespace, settings: Settings) -> int:
    now = SystemClock().now()
    if args.done is not None:
        return _end(args.done, settings, now)
    # A terminal's completion imports this module for its help, and needs no readings.
    from monitoring.store.readings.against_limit import last_measured

    with open_readonly(settings.database) as database, database.snapshot() as tx:
        found = conditions.everything(database, _MOST) if args.all else _worst_first(conditions.incidents(tx, now))
        holding = silences.active(tx, now)
        texts = distinct_texts(each.key for each in found)
        listed = [
            _IncidentLine(each, texts[each.key], acknowledgements.of(tx, each, now), last_measured(tx, each))
            for each in found
        ]
    if args.json:
        write_json([{**as_json(each.condition, holding, now), **each.as_json()} for each in listed])
    else:
        headers = (
            "MONITOR", "CONDITION", "STATE", "SEVERITY", zone.heading("SINCE"), "FOR", "TIMES", "REMINDER", "VALUE",
            "TITLE",
        )  # fmt: skip
        write_table(headers, [_row(each, holding, now) for each in listed])
        if not listed and not args.all:
            print("No incident is open.")
    return 0


def _worst_first(found: list[Condition]) -> list[Condition]:
    return sorted(found, key=lambda each: (-each.severity, not each.is_firing))


def _end(name: str, settings: Settings, now: datetime) -> int:
    with open_database(settings.database) as database, database.write() as tx:
        current = conditions.incidents(tx, now)
        ending = _the_one(name, _named(name, current), current)
        by = getpass.getuser()
        if ending.is_firing:
            end_by_hand_in(tx, ending, by, now)
        else:
            conditions.put(tx, done(ending, f"{by} at {to_text(now)}"), now)
    print(f"{ending.key.monitor}/{ending.key.text} is done; {by} and the time are recorded")
    if ending.is_firing:
        print("It was firing. If a script still finds it, it fires again.")
    return 0


def called(name: str, current: list[Condition]) -> Condition:
    """Return the incident of a name, as it is listed.

    Raises:
        UsageError: there is none of this name, or there are several.
    """
    found = _named(name, current)
    if len(found) == 1:
        return found[0]
    if found:
        raise _several(name, found)
    listed = ", ".join(f"{each.key.monitor}/{each.key.text}" for each in current[:_MOST_NAMED])
    raise UsageError(f"there is no incident {name}: " + (f"one of {listed}" if listed else "nothing fires"))


def _named(name: str, current: list[Condition]) -> list[Condition]:
    texts = distinct_texts(each.key for each in current)
    found = [each for each in current if name == f"{each.key.monitor}/{texts[each.key]}"]
    found = found or [each for each in current if name == f"{each.key.monitor}/{each.key.text}"]
    found = found or [each for each in current if name == each.key.text]
    return found or [each for each in current if name == shorten_ids(f"{each.key.monitor}/{texts[each.key]}")]


def _several(name: str, found: list[Condition]) -> UsageError:
    texts = distinct_texts(each.key for each in found)
    choices = ", ".join(sorted(f"'{each.key.monitor}/{texts[each.key]}'" for each in found))
    return UsageError(f"several incidents are called {name}; write one of {choices}")


def _the_one(name: str, found: list[Condition], current: list[Condition]) -> Condition:
    """Return the incident that a person may end.

    Raises:
        UsageError: there is none of this name, there are several, or it ends by itself.
    """
    if len(found) == 1 and not (found[0].is_firing and found[0].declared):
        return found[0]
    if len(found) == 1:
        mute = mute_command(found[0].protocol or found[0].key.monitor, found[0].key.text)
        raise UsageError(
            f"{name} is firing, and a monitor file still has its check: it ends when the check is good again. "
            f"To mute it: {mute}"
        )
    if found:
        raise _several(name, found)
    open_ones = [f"{each.key.monitor}/{each.key.text}" for each in current if not (each.is_firing and each.declared)]
    listed = f"one of {', '.join(open_ones)}" if open_ones else "nothing is open that a person may end"
    raise UsageError(f"there is no incident {name}: {listed}")


def as_json(condition: Condition, holding: list[Silence], now: datetime) -> dict[str, object]:
    instants = {
        name: getattr(condition, name) for name in ("fired_at", "last_seen_at", "last_sent_at", "next_reminder_at")
    }
    return {
        "monitor": condition.key.monitor,
        "check": condition.key.check,
        "chain": str(condition.key.chain or ""),
        "subject": condition.key.subject,
        "key": condition.key.text,
        "state": State.FIRING if condition.is_incident(now) else condition.state,
        "once": condition.happened_once(now),
        "done_by": condition.done_by,
        "silenced": _is_silenced(condition, holding, now),
        "severity": condition.severity.name,
        "worst": condition.worst.name,
        "title": condition.title,
        "times": condition.times,
        "alert_id": condition.alert_id,
        "remind_every_s": condition.remind_every.total_seconds() if condition.remind_every is not None else None,
        **{name: to_text(value) if value else None for name, value in instants.items()},
    }


def _row(listed: _IncidentLine, holding: list[Silence], now: datetime) -> tuple[str, ...]:
    condition, held = listed.condition, listed.held
    once = condition.happened_once(now)
    state = "happened once" if once else condition.state.value
    state += ", silenced" if _is_silenced(condition, holding, now) else ""
    state += f", {held.by} has it" if held else ""
    worst = f" (was {condition.worst.name})" if condition.worst != condition.severity else ""
    fired_at = condition.fired_at
    since = zone.at(fired_at) if fired_at else ""
    lasted = format_duration(now - fired_at) if fired_at and condition.is_incident(now) else ""
    return (
        condition.key.monitor, listed.text, state, condition.severity.name + worst, since, lasted,
        str(condition.times), "" if held else _reminder(condition, now), listed.value, condition.title,
    )  # fmt: skip


def _reminder(condition: Condition, now: datetime) -> str:
    words = reminder_words(condition.remind_every, condition.next_reminder_at, now) if condition.is_firing else ""
    return words.removeprefix("reminder ")


def _is_silenced(condition: Condition, holding: list[Silence], now: datetime) -> bool:
    return condition.is_incident(now) and silence_of(holding, subject_of(condition)) is not None
