"""What a verb is, and where it is found: a module of this package with a `Verb` in it.

A new verb is one file here: its judge, its keys in monitor files, its keywords in Python and its words. Nothing else
names it; monitor files and `m.<verb>` find it by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from monitoring.checks.rules.words import ROW_WORDS, VerbWords
from monitoring.conditions.condition import Condition
from monitoring.conditions.outcome import Outcome
from monitoring.conditions.policy import Policy

if TYPE_CHECKING:
    from monitoring.base.yaml.keys import Key
    from monitoring.checks.config.check import CheckBuilder
    from monitoring.checks.engine.formula_checks import FormulaPart
    from monitoring.checks.engine.plan import Answerer, ReadContext
    from monitoring.checks.expression.tree import Tree
    from monitoring.checks.rules.keywords import CommonOptions

P = TypeVar("P", bound=Policy)
Judge: TypeAlias = Callable[[Condition, Any, datetime, Any], Outcome]


@dataclass(frozen=True, slots=True)
class ParsedCheck:
    """What a key of a monitor file asks for: the verb, what it reads, its policy, and the formula to show."""

    verb: str
    trees: tuple[Tree, ...]
    policy: Policy
    formula: str
    percent: bool = False  # its bounds are written with %, and so is its value shown
    difference: bool = False  # two readings are compared: what is judged is the first less the second
    at_once: Tree | None = None  # while this is true it does not wait
    asks: Any = None  # for the `reads` of its verb


@dataclass(frozen=True, slots=True)
class Asked:
    """What a call of `m.<verb>` asks for: the reading in hand, exact, and the policy of its keywords.

    `key`: the one that it was read for, where its reading goes on from what is remembered under it.
    """

    reading: Any
    policy: Policy
    options: CommonOptions
    key: str = ""


@dataclass(frozen=True, slots=True)
class YamlForm:
    """A key of a check that asks for a verb: `read` makes the check of it and of the `keys` it allows next to it."""

    asks: Key[Any]
    read: Callable[[CheckBuilder], ParsedCheck | None]
    keys: tuple[Key[Any], ...] = ()


def _one(found: tuple[Any, ...]) -> Any:
    return found if len(found) > 1 else found[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """All of one verb.

    `yaml` has the keys under which a monitor file asks for it, `python` the keywords of `m.<name>`; without one of them
    it is not offered there. `facts` are what an author's own text may name, `combine` makes a reading of its formulas,
    `words` are its sentences. `reads` makes the reading of a file's check where formulas alone do not; `answers` says
    who answers what that asks.
    """

    name: str
    judge: Judge
    yaml: tuple[YamlForm, ...] = ()
    python: Callable[..., Asked] | None = None
    facts: tuple[str, ...] = ("value",)
    reads: Callable[[FormulaPart, ReadContext], Any] | None = None
    answers: Callable[[], Mapping[type, Answerer]] = dict
    combine: Callable[[tuple[Any, ...]], Any] = _one
    words: VerbWords = ROW_WORDS

    def __post_init__(self) -> None:
        if self.python is not None:
            self.python.__qualname__ = f"m.{self.name}"  # what Python says of a wrong call names what the author wrote


@cache
def find_verb(name: str) -> Verb | None:
    """Return a verb; where its module has its name no other one is loaded."""
    package = __package__ or ""
    if name.isidentifier() and any(one.name == name for one in iter_modules(import_module(package).__path__)):
        found = getattr(import_module(f"{package}.{name}"), "VERB", None)
        if isinstance(found, Verb):
            return found
    return verbs().get(name)


def verb(name: str) -> Verb:
    """Return a verb that is there."""
    found = find_verb(name)
    if found is None:
        raise LookupError(f"there is no verb {name}")
    return found


@cache
def verbs() -> Mapping[str, Verb]:
    """Return every verb by its name."""
    package = __package__ or ""
    modules = [import_module(f"{package}.{one.name}") for one in iter_modules(import_module(package).__path__)]
    return {one.name: one for module in modules for one in vars(module).values() if isinstance(one, Verb)}


def yaml_forms() -> Mapping[str, YamlForm]:
    """Return the keys under which a monitor file can ask for something."""
    forms = {form.asks.name: form for verb in verbs().values() for form in verb.yaml}
    return dict(sorted(forms.items()))


def with_base(kind: Callable[..., P], base: Policy, **more: object) -> P:
    """Make a verb's policy of what every verb understands and its own."""
    return kind(**{one.name: getattr(base, one.name) for one in fields(base)}, **more)
