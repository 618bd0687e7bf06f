"""What an author writes in Python, made exact: values, bounds, steps, durations, and the keywords of every verb.

Called by the verbs. A keyword that could never do what it says is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from inspect import signature
from typing import Any, TypeAlias, TypedDict, TypeVar

from monitoring.alerts.message.guidance import guidance_of_call
from monitoring.alerts.message.model import Severity
from monitoring.base.clock import parse_duration
from monitoring.base.errors import UsageError
from monitoring.base.suggest import instead_of
from monitoring.chains.abi.addresses import check_address, is_address
from monitoring.chains.abi.values import Unknown
from monitoring.checks.expression.values import NONE, Number, Reading, Value
from monitoring.checks.messages.plain import OwnRoute
from monitoring.checks.rules.steps import Step, seconds_of, seconds_of_span
from monitoring.conditions.policy import USUAL, PendingPolicy, Reminders

T = TypeVar("T")
Amount: TypeAlias = "int | float | str | Decimal | Fraction"
_LASTING = ("fire_after", "for_runs", "at_once", "remind")
_NOT_FINITE = ("nan", "inf", "infinity")


def reading(value: Any) -> Reading:
    """Return a value as the verbs read it; a float counts as the decimal it is written as."""
    if isinstance(value, Unknown | bool | int | Fraction | bytes) or value is NONE:
        return value
    if isinstance(value, float | Decimal):
        return _finite(value)
    if isinstance(value, str):
        return value.lower() if is_address(value) else value
    if isinstance(value, datetime | timedelta):
        return _time(value)
    if isinstance(value, Iterable):
        return _list(value)
    return Unknown("None was given" if value is None else f"a {type(value).__name__} was given, which is no value")


def _time(value: datetime | timedelta) -> Fraction | Unknown:
    if isinstance(value, timedelta):
        return seconds_of_span(value)
    return Unknown("a time without a zone was given") if value.tzinfo is None else seconds_of(value)


def _finite(value: float | Decimal) -> Fraction | Unknown:
    text = str(value)
    return Unknown(f"{text} was given") if text.lower().lstrip("-+s") in _NOT_FINITE else Fraction(text)


def _list(value: Iterable[Any]) -> Reading:
    found = [reading(one) for one in value]
    odd = next((one for one in found if isinstance(one, Unknown)), None)
    if odd is not None:
        return odd
    if any(one is NONE for one in found):
        return Unknown("none stands in a list")
    return tuple(found)  # type: ignore[arg-type]  # what is no value was left above


def number(value: Amount, what: str) -> Number:
    """Return a bound exactly; `80%` is 0.8.

    Raises:
        UsageError: it is no number.
    """
    text = str(value).replace("_", "").strip()
    percent = text.endswith("%")
    try:
        exact = Fraction(text.removesuffix("%"))
    except (ValueError, ZeroDivisionError):
        raise UsageError(f"{what}={value!r} is not a number: write one, or a percentage as in '80%'") from None
    return exact / 100 if percent else exact


def step(value: Amount, what: str) -> Step:
    """Return a size of change: `5%` of what it is measured from, or in the value's own unit."""
    size = number(value, what)
    if size < 0:
        raise UsageError(f"{what}={value!r}: a size of change is not negative")
    return Step(size, relative=str(value).strip().endswith("%"))


def span(value: str | timedelta) -> timedelta:
    """Return a duration, as in `90s` or `24h`."""
    return value if isinstance(value, timedelta) else parse_duration(value)


class CommonKeywords(TypedDict, total=False):
    """What every verb understands.

    `severity`; `fire_after` and `for_runs`: only once it has lasted so long; `at_once`: true where the breach is so bad
    that it does not wait; `remind`: again while it stands;
    `unit` of the value (`usd`, `%`, `ETH`); `text`: the title in your own words, with `{value}`, `{bound}`,
    `{before}`; `chain`, where one key is judged on several; `inputs`: what the value was made of, by name, and
    `contract`: the address it is about, where it was calculated from several, both shown in the alert; so are `runbook`
    (a URL, or a path in the repository) and `note`: what to do; `protocol` and `channel`: whose alert it is and where
    it goes, if not the monitor's; `machine=True`: if it is HIGH or CRITICAL it calls the webhook of its channel.
    `unless`: the key that it follows from, or several: while one of them fires and is reported, it waits.
    """

    severity: Severity | str
    fire_after: str | timedelta
    for_runs: int
    at_once: bool
    remind: str | timedelta | None
    unit: str
    text: str
    chain: int | str
    inputs: Mapping[str, Any]
    contract: str
    runbook: str
    note: str
    protocol: str
    channel: str
    machine: bool
    unless: str | Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommonOptions:
    """What every verb understands in addition to its own keywords."""

    severity: Severity | str | None = None
    fire_after: str | timedelta = "0"
    for_runs: int = 1
    at_once: bool = False
    remind: str | timedelta | Reminders | None = USUAL
    unit: str = ""
    text: str = ""
    chain: int | str = 0
    inputs: Mapping[str, Any] = field(default_factory=dict)
    contract: str = ""
    runbook: str = ""
    note: str = ""
    protocol: str = ""
    channel: str = ""
    machine: bool = False
    unless: str | Sequence[str] = ()

    @classmethod
    def of(cls, verb: str, keywords: Mapping[str, Any], python: Callable[..., Any]) -> CommonOptions:
        """Read the keywords that every verb understands; `python` is the function that has the verb's own.

        Raises:
            UsageError: one of them is unknown; the message names the nearest keyword of this verb.
        """
        common = [one.name for one in fields(cls)]
        for word in keywords:
            if word not in common:
                own = [name for name, one in signature(python).parameters.items() if one.kind is one.KEYWORD_ONLY]
                raise UsageError(f"m.{verb}(…, {word}=…): unknown keyword, {instead_of(word, [*own, *common])}")
        options = cls(**keywords)
        options.own_route(verb)
        if options.contract:
            check_address(options.contract)
        if not isinstance(options.inputs, Mapping):
            raise UsageError(f"m.{verb}(…, inputs=…): name each, as in inputs={{'assets': vault.assets}}")
        return options

    @property
    def causes(self) -> Sequence[str]:
        """Return the keys under `unless`."""
        return [self.unless] if isinstance(self.unless, str) and self.unless else list(self.unless)

    def own_route(self, verb: str) -> OwnRoute:
        """Return what the call says of its own alerts.

        Raises:
            UsageError: one of its keywords is not usable.
        """
        guidance = guidance_of_call(f"m.{verb}(…, ", self.runbook, self.note)
        for word in ("protocol", "channel"):
            if not isinstance(found := getattr(self, word), str):
                raise UsageError(f"m.{verb}(…, {word}={found!r}): write a name")
        if not all(isinstance(key, str) and key for key in self.causes):
            raise UsageError(f"m.{verb}(…, unless={self.unless!r}): write the key of another check, or a list of them")
        if not isinstance(self.machine, bool):
            raise UsageError(f"m.{verb}(…, machine={self.machine!r}): write True or False")
        return OwnRoute(self.protocol, self.channel, self.machine, guidance)

    def policy(
        self, verb: str, severity: Severity | None = None, *, understood: Sequence[str] | None = None
    ) -> dict[str, Any]:
        """Return what all policies share; `severity` is that of the worst level where there are levels.

        `understood`: the words of what lasts that have a meaning here, all of them where nothing is said.
        """
        if severity is None and self.severity is None:
            raise UsageError(f"m.{verb}(…): severity is missing: LOW, MEDIUM, HIGH or CRITICAL")
        for word in _LASTING:
            if getattr(self, word) != getattr(_PLAIN, word) and word not in (
                _LASTING if understood is None else understood
            ):
                raise UsageError(f"m.{verb}, {word}=…: what it reports does not last, so {word} has no meaning")
        if not isinstance(self.for_runs, int):
            raise UsageError(f"m.{verb}(…, for_runs={self.for_runs!r}): write a whole number, as in for_runs=3")
        if self.for_runs < 1:
            raise UsageError(f"m.{verb}(…, for_runs={self.for_runs}): at least 1")
        held = PendingPolicy(self.for_runs, span(self.fire_after))
        if self.at_once and held == PendingPolicy():
            raise UsageError(f"m.{verb}(…, at_once=…) needs for_runs or fire_after: without them nothing waits")
        worst = Severity.parse(self.severity) if self.severity is not None else severity
        return {
            "severity": worst if severity is None else severity,
            "hold": PendingPolicy() if self.at_once else held,
            "remind": reminders(self.remind),
        }

    def levels(self, verb: str, what: str, bounds: object, read: Callable[[Any, str], T]) -> list[tuple[T, Severity]]:
        """Read one bound, which has the check's severity, or pairs of a bound and its own."""
        if not isinstance(bounds, list):
            if self.severity is None:
                raise UsageError(f"m.{verb}(…): severity is missing: LOW, MEDIUM, HIGH or CRITICAL")
            return [(read(bounds, what), Severity.parse(self.severity))]
        if self.severity is not None:
            raise UsageError(f"m.{verb}(…): each level of {what} has its severity; leave the other one out")
        return [(read(bound, what), Severity.parse(severity)) for bound, severity in bounds]


_PLAIN = CommonOptions()


def reminders(remind: str | timedelta | Reminders | None) -> timedelta | Reminders | None:
    """Read a duration; `"never"` and None are never, left out it is by severity."""
    if remind is None or remind == "never" or isinstance(remind, Reminders):
        return None if remind == "never" else remind
    return span(remind)


def one_of(verb: str, choices: Mapping[str, object]) -> tuple[str, object]:
    """Return the one keyword that was given.

    Raises:
        UsageError: none was, or several.
    """
    given = [(name, value) for name, value in choices.items() if value is not None]
    if len(given) != 1:
        raise UsageError(f"m.{verb}(…): exactly one of {', '.join(choices)} says what is too much")
    return given[0]


def identity_of(row: Any, identify: Callable[[Any], Any]) -> Value | Unknown:
    found = reading(identify(row))
    return Unknown("none is no identity") if found is NONE else found


def facts_shown(row: Any, show: Callable[[Any], Mapping[str, Any]] | None) -> Mapping[str, Value]:
    named = show(row) if show else {}
    if not isinstance(named, Mapping):
        raise UsageError(f"show=… must return facts by name, as in {{'borrower': row['borrower']}}, not {named!r}")
    found = {name: reading(value) for name, value in named.items()}
    return {name: str(one) if isinstance(one, Unknown) or one is NONE else one for name, one in found.items()}
