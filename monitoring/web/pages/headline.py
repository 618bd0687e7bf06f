"""The verdict of the overview, in one sentence: the worst of all that is known comes first. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from monitoring.base.plural import counted
from monitoring.web.pages.page import Alarms

_MANY = 5  # a fifth of all checks without data is as bad as an alarm: what they watch may be on fire


@dataclass(frozen=True, slots=True)
class Standing:
    """What the sentence is made of: profiles in force, whether one ever ran, checks and how many have no data."""

    profiles: int
    has_run: bool
    unreached: int
    alarms: Alarms
    checks: int
    no_data: int
    problems: int


@dataclass(frozen=True, slots=True)
class Headline:
    """The sentence, and the class of its colour and sign."""

    text: str
    tone: str


def headline(known: Standing) -> Headline:
    """Return the verdict; green only where nothing fires, all checks have data and nothing was missed."""
    if known.unreached:
        return Headline("People are not being reached", "bad")
    if known.alarms.count:
        return _firing(known.alarms)
    if known.no_data:
        verb = "has" if known.checks == 1 else "have"
        text = f"{known.no_data} of {counted(known.checks, 'check')} {verb} no data"
        return Headline(text, "bad" if known.no_data * _MANY >= known.checks else "warn")
    if not known.has_run:
        return Headline("Nothing has run yet" if known.profiles else "Nothing is scheduled yet", "unknown")
    if known.problems:
        return Headline(f"Not verified: {counted(known.problems, 'problem')}", "bad")
    return Headline("All is well: nothing is firing, nothing was missed", "good")


def _firing(alarms: Alarms) -> Headline:
    verb, worst = ("is", alarms.worst) if alarms.count == 1 else ("are", f"the worst {alarms.worst}")
    return Headline(f"{counted(alarms.count, 'incident')} {verb} firing, {worst}", f"fires-{alarms.worst}")
