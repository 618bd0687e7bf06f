"""What the names in an expression can mean: the words of the language, and what one monitor declares."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from monitoring.base.suggest import did_you_mean
from monitoring.chains.abi.addresses import ZERO
from monitoring.chains.abi.function import Function
from monitoring.checks.expression.parse import LanguageError
from monitoring.checks.expression.tree import ADDRESS, BOOLEAN, NOTHING, LookupTable, ValueType
from monitoring.checks.expression.values import NONE, Absent, Value

WORDS: Mapping[str, tuple[Value | Absent, ValueType]] = {
    "none": (NONE, NOTHING),
    "zero": (ZERO, ADDRESS),
    "true": (True, BOOLEAN),
    "false": (False, BOOLEAN),
}
AGGREGATES = ("sum", "count", "min", "max", "share")
MANY = 300  # more arguments than an expression can have
# The fewest and the most arguments of each function.
FUNCTIONS: Mapping[str, tuple[int, int]] = {
    "min": (2, MANY), "max": (2, MANY), "abs": (1, 1), "keccak": (1, 1), "erc20": (1, 1), "price": (1, 2),
    "pow10": (1, 1),
}  # fmt: skip
# Files from before there were these functions have values of their names, so these stay free.
_NOT_RESERVED = {"price", "pow10"}
RESERVED = frozenset({*WORDS, *FUNCTIONS, "if", "else", "and", "or", "not"} - _NOT_RESERVED)


@dataclass(frozen=True, slots=True)
class Scope:
    """What names mean. `values` has values and sources, `rows` the fields of each row name.

    `views` are the functions by name, `own_views` those a contract declares for itself. In an `open` scope (the
    answer of a service) a name that is not known here may be anything. `row_names` has, by value and by name of
    `for_each`, the rows it differs by; `levels` are the names of `for_each`, the outermost first, `written` those
    whose rows are written.
    """

    contracts: Collection[str] = ()
    values: Mapping[str, ValueType] = field(default_factory=dict)
    rows: Mapping[str, Mapping[str, ValueType]] = field(default_factory=dict)
    views: Mapping[str, tuple[Function, ...]] = field(default_factory=dict)
    own_views: Mapping[str, Mapping[str, tuple[Function, ...]]] = field(default_factory=dict)
    open: bool = False
    tables: Mapping[str, LookupTable] = field(default_factory=dict)
    row_names: Mapping[str, frozenset[str]] = field(default_factory=dict)
    levels: tuple[str, ...] = ()
    written: tuple[str, ...] = ()

    def known(self) -> list[str]:
        return [*self.contracts, *self.values, *self.rows, *self.tables, *WORDS, *FUNCTIONS]


def resolve_view(scope: Scope, owner: str, name: str, count: int, at: int) -> Function | None:
    """Find the one view that a call with `count` arguments means, None where its declaration was refused already.

    Raises:
        LanguageError: there is none, or more than one.
    """
    views = {**scope.views, **scope.own_views.get(owner, {})}
    if name not in views:
        hint = did_you_mean(name, views)
        raise LanguageError(at, f"{name} is no known view{hint}: declare it under functions")
    if not views[name]:
        return None
    fitting = [one for one in views[name] if len(one.inputs) == count]
    if not fitting:
        wanted = " or ".join(str(len(one.inputs)) for one in views[name])
        plural = "" if wanted == "1" else "s"
        raise LanguageError(at, f"{name} takes {wanted} argument{plural}, not {count}: {views[name][0]}")
    if len(fitting) > 1:
        both = " or ".join(str(one) for one in fitting)
        raise LanguageError(at, f"{name} is ambiguous: declare under functions which is meant, {both}")
    return fitting[0]
