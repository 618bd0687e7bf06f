"""Expressions to readings: exact, bounded, and with value, `Unknown`, `none` and "not read yet" kept apart.

The planner calls this in passes. Nothing here raises for what a chain or a service may answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from typing import Final, Protocol, TypeAlias

from monitoring.alerts.message.sanitize import clean_line, shorten
from monitoring.chains.abi.addresses import ZERO, is_address
from monitoring.chains.abi.function import Function
from monitoring.chains.abi.types import AbiType
from monitoring.chains.abi.values import Unknown
from monitoring.checks.expression.tree import (
    Aggregate,
    Apply,
    IfElse,
    Literal,
    Lookup,
    Name,
    Operation,
    Operator,
    Pick,
    Tree,
    ViewExpression,
)
from monitoring.checks.expression.values import NONE, Absent, Number, Reading, Value, describe, is_number, magnitude

_LONGEST_KEY = 60
MAX_POWER = 77  # of pow10: the widest number a chain has, as for a constant
MAX_BITS = 4096  # of a numerator or denominator: sixteen of the widest numbers a chain has, multiplied


class NotYet(Enum):
    """The type of `PENDING`."""

    PENDING = "pending"


PENDING: Final = NotYet.PENDING
Result: TypeAlias = "Reading | NotYet"
_COMPARE: dict[Operator, Callable[[Number, Number], bool]] = {
    Operator.LESS: lambda a, b: a < b,
    Operator.AT_MOST: lambda a, b: a <= b,
    Operator.MORE: lambda a, b: a > b,
    Operator.AT_LEAST: lambda a, b: a >= b,
}


@dataclass(frozen=True, slots=True)
class ViewRead:
    """One view call on one chain; two equal ones are read once. Addresses are lower case."""

    chain: int
    target: str
    signature: str
    arguments: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class PriceRead:
    """The market price of one whole token in US dollars; `asset` is its address, or `coingecko:ID`.

    `feed` is a price feed on the same chain, asked where the market's service has no price.
    """

    chain: int
    asset: str
    feed: str = ""


Ask: TypeAlias = "ViewRead | PriceRead"


class World(Protocol):
    """What an expression can see. A call not answered yet is noted, and `PENDING` comes back."""

    @property
    def chain(self) -> int:
        """The chain that calls go to."""
        ...

    def name(self, name: str) -> Result:
        """Return a value, a source, a contract's address or a row's field."""
        ...

    def call(self, call: Ask) -> Result:
        """Return the answer to a view or the price of a token."""
        ...

    def over_rows(self, tree: Aggregate) -> Result:
        """Return what `aggregate` makes of the worlds of the rows."""
        ...


def evaluate(tree: Tree, world: World) -> Result:  # noqa: PLR0911 - one a kind
    """Evaluate a tree. Every part is visited even where another is not read yet, so that all calls are found."""
    match tree:
        case Literal(value=value):
            return value
        case Name(name=name):
            return world.name(name)
        case IfElse():
            return _choose(tree, world)
        case Operation(operator=Operator.AND | Operator.OR):
            return _connect(tree, world)
        case Aggregate():
            return world.over_rows(tree)
    parts = [evaluate(part, world) for part in _parts(tree)]
    missing = _missing(parts)
    if missing is not None:
        return missing
    return _apply(tree, [part for part in parts if not isinstance(part, Unknown | Absent | NotYet)], world)


def _parts(tree: Tree) -> tuple[Tree, ...]:
    match tree:
        case ViewExpression(target=target, arguments=arguments):
            return (target, *arguments)
        case Apply(arguments=arguments):
            return arguments
        case Operation(operands=operands):
            return operands
        case Pick(whole=whole):
            return (whole,)
        case Lookup(key=key):
            return (key,)
    return ()


def aggregate(tree: Aggregate, rows: Sequence[World]) -> Result:
    """Put the rows of a list together. A row in which the operand is `none` does not count; no row has no extreme."""
    found = [_of_row(tree, row) for row in rows]
    missing = _missing([one for one in found if not isinstance(one, Absent)])
    if missing is not None:
        return missing
    parts = [one for one in found if not isinstance(one, Unknown | Absent | NotYet)]
    if tree.function == "count":
        odd = next((one for one in parts if not isinstance(one, bool)), None)
        return sum(part is True for part in parts) if odd is None else _wrong("true or false", odd)
    if not parts and tree.function != "sum":
        return NONE
    return _numeric(parts, lambda numbers: _put_together(tree.function, numbers))


def _of_row(tree: Aggregate, row: World) -> Result:
    """Return the operand in one row, `none` in one that `where` leaves out; both are read along with each other."""
    wanted = True if tree.where is None else evaluate(tree.where, row)
    value = evaluate(tree.operand, row)
    if isinstance(wanted, Unknown | Absent | NotYet):
        return wanted
    if not isinstance(wanted, bool):
        return _wrong("true or false", wanted)
    return value if wanted else NONE


def _put_together(function: str, numbers: list[Number]) -> Result:
    if function != "sum":
        return _function(function, numbers)
    total: Number = 0
    for number in numbers:
        total += number
    return _bounded(total)


def _missing(parts: list[Result]) -> Unknown | Absent | NotYet | None:
    """Return what stands in for the result when a part has no value.

    Unknown wins over `none`: what is unknown may not clear a condition.
    """
    for kind in (Unknown, NotYet, Absent):
        found = next((part for part in parts if isinstance(part, kind)), None)
        if found is not None:
            return found
    return None


def _apply(tree: Tree, parts: list[Value], world: World) -> Result:  # noqa: PLR0911 - one a kind
    match tree:
        case ViewExpression(view=view):
            return _call(view, parts, world)
        case Pick(index=index):
            return _pick(parts[0], index)
        case Lookup():
            return _look_up(tree, parts[0])
        case Operation(operator=Operator.EQUAL | Operator.UNEQUAL as operator):
            return _equal(parts[0], parts[1]) is (operator is Operator.EQUAL)
        case Apply(function="price"):
            return _price(parts, world)
        case Apply(function="not"):
            return not parts[0] if isinstance(parts[0], bool) else _wrong("true or false", parts[0])
    return _numeric(parts, lambda numbers: _compute(tree, numbers))


def _compute(tree: Tree, numbers: list[Number]) -> Result:
    if isinstance(tree, Operation):
        return _operate(tree.operator, numbers[0], numbers[1])
    return _function(tree.function if isinstance(tree, Apply) else "", numbers)


def _choose(tree: IfElse, world: World) -> Result:
    test = evaluate(tree.test, world)
    if test is PENDING:
        evaluate(tree.then, world)  # both branches are read along with the test: fewer passes, some calls too many
        evaluate(tree.otherwise, world)
        return PENDING
    if isinstance(test, Unknown | Absent):
        return test
    if not isinstance(test, bool):
        return _wrong("true or false", test)
    return evaluate(tree.then if test else tree.otherwise, world)


def _connect(tree: Operation, world: World) -> Result:
    """`and` is false as soon as one side is, `or` true as soon as one is, whatever the others are."""
    decisive = tree.operator is Operator.OR
    parts = [evaluate(part, world) for part in tree.operands]
    if any(part is decisive for part in parts):
        return decisive
    missing = _missing(parts)
    if missing is not None:
        return missing
    odd = next((part for part in parts if not isinstance(part, bool)), None)
    return (not decisive) if odd is None else Unknown("and, or join true and false only")


def _wrong(wanted: str, found: Value | NotYet) -> Unknown:
    return Unknown(f"{wanted} was needed, not {describe(found) if not isinstance(found, NotYet) else 'nothing'}")


def _numeric(parts: list[Value], compute: Callable[[list[Number]], Result]) -> Result:
    odd = next((part for part in parts if not is_number(part)), None)
    if odd is not None:
        return _wrong("a number", odd)
    return compute([part for part in parts if isinstance(part, int | Fraction)])


def _function(function: str, numbers: list[Number]) -> Result:
    match function:
        case "min":
            return min(numbers)
        case "max":
            return max(numbers)
        case "abs":
            return magnitude(numbers[0])
        case "pow10":
            return _power_of_ten(numbers[0])
    return -numbers[0]


def _power_of_ten(exponent: Number) -> Result:
    """Return 10 to the power of what a contract says, as its `decimals()`; never a number of its choice."""
    if exponent.denominator != 1 or not 0 <= exponent <= MAX_POWER:
        return Unknown(f"pow10 takes a whole number from 0 to {MAX_POWER}, not {exponent}")
    return int(10**exponent.numerator)


def _operate(operator: Operator, first: Number, second: Number) -> Result:
    if operator in _COMPARE:
        return _COMPARE[operator](first, second)
    match operator:
        case Operator.ADD:
            return _bounded(first + second)
        case Operator.SUBTRACT:
            return _bounded(first - second)
        case Operator.MULTIPLY:
            return _bounded(first * second)
    return Unknown("division by zero") if second == 0 else _bounded(Fraction(first) / second)


def _bounded(number: Number) -> Result:
    if max(number.numerator.bit_length(), number.denominator.bit_length()) > MAX_BITS:
        return Unknown(f"a number of more than {MAX_BITS} bits")
    return number.numerator if number.denominator == 1 else number


def _equal(first: Value, second: Value) -> bool:
    return isinstance(first, bool) is isinstance(second, bool) and first == second


def _pick(whole: Value, index: int) -> Result:
    if not isinstance(whole, tuple):
        return _wrong("a list", whole)
    return whole[index] if index < len(whole) else Unknown(f"there is no part {index}, only {len(whole)}")


def _look_up(tree: Lookup, key: Value) -> Result:
    if isinstance(key, bool):
        return _wrong("a text, a number or an address", key)
    if tree.asks and tree.table.of_parts:
        return any(str(part) in str(key).lower() for part in tree.table.entries)
    if tree.asks:
        return key in tree.table.entries
    if key not in tree.table.entries:
        shown = shorten(clean_line(str(key)), _LONGEST_KEY)
        return Unknown(f"{tree.table.name} says nothing of {shown}", tree.table.name)
    return tree.table.entries[key]


def _price(parts: list[Value], world: World) -> Result:
    asset, feed = (*parts, ZERO)[:2]
    if not isinstance(asset, str) or not isinstance(feed, str):
        return Unknown("a price is that of an address")
    return world.call(PriceRead(world.chain, asset, "" if feed == ZERO else feed))


def _call(view: Function, parts: list[Value], world: World) -> Result:
    target, *arguments = parts
    if not isinstance(target, str) or not is_address(target):
        return Unknown(f"{view.name} was to be asked of {target!r}, which is no address")
    fitted: list[Value] = []
    for position, (value, abi) in enumerate(zip(arguments, view.inputs, strict=True), start=1):
        argument = _fitted(value, abi)
        if argument is None:
            return Unknown(f"argument {position} of {view.name} does not fit {abi}")
        fitted.append(argument)
    return world.call(ViewRead(world.chain, target.lower(), str(view), tuple(fitted)))


def _fitted(value: Value, abi: AbiType) -> Value | None:
    """Return the value as this ABI type takes it, None where it does not fit."""
    if abi.members:
        return None
    if abi.base.startswith(("uint", "int")):
        return _fitted_integer(value, abi.base)
    if abi.base == "address":
        return value.lower() if isinstance(value, str) and is_address(value) else None
    if abi.base.startswith("bytes"):
        size = abi.base.removeprefix("bytes")
        return value if isinstance(value, bytes) and (not size or len(value) == int(size)) else None
    wanted: dict[str, type] = {"bool": bool, "string": str}
    return value if abi.base in wanted and isinstance(value, wanted[abi.base]) else None


def _fitted_integer(value: Value, name: str) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | Fraction) or value.denominator != 1:
        return None
    signed, bits = name.startswith("int"), int(name.removeprefix("u").removeprefix("int"))
    low, high = (-(1 << (bits - 1)), 1 << (bits - 1)) if signed else (0, 1 << bits)
    return value.numerator if low <= value < high else None


def has_no_value(result: Result) -> bool:
    """Return whether this is anything but a value."""
    return isinstance(result, Unknown | NotYet) or result is NONE
