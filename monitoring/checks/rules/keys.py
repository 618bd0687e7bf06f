"""The kinds of values in monitor files, and the keys that many sections share: what is read, and what editors accept.

A kind reads with a method of `Spot`. Editors see what YAML makes of a text: `4_000_000` is a number to them, and `2.5`,
and an address without quotes; patterns hold for what stays a text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from monitoring.alerts.message.guidance import Guidance, note_problem
from monitoring.base.yaml.keys import Key, Keyed, Kind, entry
from monitoring.base.yaml.marks import Mapping as MappingNode
from monitoring.base.yaml.marks import Scalar, Sequence
from monitoring.checks.messages.plain import OwnRoute
from monitoring.conditions.severity import Severity
from monitoring.conditions.values import Number

if TYPE_CHECKING:
    from monitoring.checks.config.yaml_node import Spot
    from monitoring.checks.rules.steps import Step

T_co = TypeVar("T_co", covariant=True)
AS_WRITTEN = ["string", "number", "boolean"]  # whatever YAML takes the characters for


class Value(Kind[T_co]):
    """A value that a function reads from its place."""

    shape = Scalar

    def __init__(self, word: str, read: Callable[[Spot], T_co | None], schema: Mapping[str, object]) -> None:
        self.word, self._read, self._schema = word, read, schema

    def read(self, at: Any) -> T_co | None:
        return self._read(at)

    def schema(self) -> dict[str, object]:
        return dict(self._schema)


class Listed(Kind[None]):
    """A list or a mapping that its section reads, item by item: here is only what an item is."""

    def __init__(self, item: Kind[Any], word: str = "", *, named: bool = False) -> None:
        self.item, self.named = item, named
        self.word = word or (f"name: {item.word}" if named else f"list of {item.word}")
        self.shape = MappingNode if named else Sequence

    def schema(self) -> dict[str, object]:
        if self.named:
            return {"type": "object", "additionalProperties": self.item.schema()}
        return {"type": "array", "items": self.item.schema()}


class Either(Kind[None]):
    """One of several shapes; the section that reads it sees which."""

    shape = Scalar

    def __init__(self, word: str, *kinds: Kind[Any]) -> None:
        self.word, self.kinds = word, kinds

    def schema(self) -> dict[str, object]:
        return {"anyOf": [kind.schema() for kind in self.kinds]}


class Everything(Kind[None]):
    """What only its reader knows: a field of a row that no formula may name."""

    word, shape = "anything", Scalar

    def schema(self) -> dict[str, object]:
        return {}


def guidance_of(at: Spot) -> Guidance:
    """Read `runbook` and `note` of a monitor, a check or a row."""
    return Guidance(at.value(RUNBOOK) or "", (at.value(NOTE) or "").strip())


def own_route_of(at: Spot) -> OwnRoute:
    """Read what a check or a row says of its own alerts."""
    machine = at.value(MACHINE)
    return OwnRoute(
        at.value(PROTOCOL) or "", at.value(CHANNEL) or "", machine == "true" if machine else None, guidance_of(at)
    )


def text_of(word: str, what: str = "a text") -> Value[str]:
    """Return the kind of a text that is not empty; `what` is needed where there is none."""
    return Value(word, lambda at: at.text(what), {"type": AS_WRITTEN})


def pattern(word: str, regex: str, read: Callable[[Spot], T_co | None]) -> Value[T_co]:
    return Value(word, read, {"type": AS_WRITTEN, "pattern": f"^\\s*(?:{regex})\\s*$"})


def one_of(words: Iterable[str], word: str = "") -> Value[str]:
    known = list(words)
    shown = word or " or ".join(f"`{one}`" for one in known)
    return Value(shown, lambda at: at.word(known), {"enum": known})


def levels(table: Keyed[Any]) -> Listed:
    return Listed(table, "list of levels")


TEXT = text_of("text")
NAME = pattern("name", "[a-z0-9][a-z0-9_-]*", lambda at: at.name())
FORMULA = text_of("expression", "an expression")
SEVERITY: Value[Severity] = Value(
    "severity", lambda at: at.severity(), {"enum": [severity.name.lower() for severity in Severity]}
)
_NUMBER = r"-?[0-9][0-9_]*(?:\.[0-9_]+)?(?:[eE][+-]?[0-9]+)?"
NUMBER: Value[Number] = pattern("number", rf"{_NUMBER}%?", lambda at: at.number())
POSITIVE: Value[Number] = pattern("number", rf"{_NUMBER}%?", lambda at: at.positive())
SHARE: Value[Number] = pattern("percentage", f"{_NUMBER}%", lambda at: at.share())
STEP: Value[Step] = pattern("number or percentage", rf"{_NUMBER}%?", lambda at: at.step())
DURATION: Value[timedelta] = pattern("duration", "[0-9]+[smhd]?", lambda at: at.duration())
_FIELD = r"[A-Za-z][A-Za-z0-9_]*\.[A-Za-z][A-Za-z0-9_]*"
SHARE_OF_ROW: Value[Number] = pattern(
    "percentage, or a field of the row", f"{_NUMBER}%|{_FIELD}", lambda at: at.share()
)
DURATION_OF_ROW: Value[timedelta] = pattern(
    "duration, or a field of the row", f"[0-9]+[smhd]?|{_FIELD}", lambda at: at.duration()
)
ADDRESS: Value[str] = Value(
    "address", lambda at: at.address(), {"type": ["string", "integer"], "pattern": "^0x[0-9a-fA-F]{40}$"}
)
SWITCH: Value[str] = Value(
    "`true` or `false`", lambda at: at.word(("true", "false")), {"enum": [True, False, "true", "false"]}
)

FOR = entry(
    "for",
    pattern("runs or a duration", "[0-9]+ runs?|[0-9]+[smhd]?", lambda at: at.hold()),
    "How long it must last before it is reported: `3 runs`, or a duration.",
    default="",
    without="at once",
    example="for: 2 runs",
)
REMIND = entry(
    "remind",
    pattern("duration or `never`", "[0-9]+[smhd]?|never", lambda at: at.duration()),
    "How often it is reported again while it lasts.",
    default="",
    without="by severity",
    example="remind: 12h",
)
AT_ONCE = entry(
    "at_once",
    FORMULA,
    "With `for`: it does not wait while this is true, as where a value is far beyond its bound.",
    default="",
    example="at_once: price < 0.98",
)
LASTING = (FOR, REMIND)  # of something that lasts
WAITING = (FOR, AT_ONCE, REMIND)  # of a formula that lasts
RUNBOOK = entry(
    "runbook",
    Value("URL or path", lambda at: at.runbook(), {"type": "string"}),
    "What to do, shown in each alert: an http(s) URL, or a path in the repository. The nearest one counts.",
    default="",
    example="runbook: protocols/cap/README.md",
)
NOTE = entry(
    "note",
    Value("text", lambda at: at.checked("a note", note_problem), {"type": AS_WRITTEN}),
    "A short remark, shown in each alert: one line.",
    default="",
    example="note: the keeper restarts it within ten minutes",
)
GUIDANCE = (RUNBOOK, NOTE)
PROTOCOL = entry(
    "protocol",
    NAME,
    "Whose alerts these are: `silence --protocol` covers them, and their first line names it. The nearest one counts.",
    default="",
    example="protocol: circle",
)
CHANNEL = entry(
    "channel",
    NAME,
    "Where its alerts go. The nearest one counts, then the protocol.",
    default="",
    example="channel: maker",
)
MACHINE = entry(
    "machine",
    SWITCH,
    "Its HIGH and CRITICAL alerts call the webhook of its channel: for machines that act on funds.",
    default="",
    without="no machine is called",
    example="machine: true",
)
UNLESS = entry(
    "unless",
    Either("id, or list of ids", text_of("id", "an id"), Listed(text_of("id", "an id"))),
    "A check that this one follows from: while that one fires and is reported, at least as severe, this one waits.",
    default="",
    without="it waits for no other",
    example="unless: stale",
)
OWN_ROUTE = (PROTOCOL, CHANNEL, MACHINE, *GUIDANCE)
LEVEL_SEVERITY = entry(
    "severity", SEVERITY, "How bad this level is.", without="low, medium, high or critical", example="severity: high"
)


def severity_row(usual: Severity, sentence: str = "How bad it is.", name: str = "severity") -> Key[Severity]:
    """Return the key of a severity that has a default."""
    return entry(name, SEVERITY, sentence, default=usual.name.lower(), example=f"{name}: high")
