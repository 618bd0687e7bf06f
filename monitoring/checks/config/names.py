"""The names a monitor file declares: contracts, functions, values in an order that has no circle.

Called by `load.py`. Each reader notes mistakes at their places and returns what was sound.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from monitoring.base.yaml.keys import Section, entry
from monitoring.base.yaml.marks import Mapping as MappingNode
from monitoring.base.yaml.marks import Scalar
from monitoring.chains.abi.addresses import SignatureError
from monitoring.chains.abi.function import Function
from monitoring.chains.networks import instead_of_chain
from monitoring.checks.config.yaml_node import Spot
from monitoring.checks.engine.monitor import CHAINS
from monitoring.checks.expression.parse import LanguageError, names_in, parse
from monitoring.checks.expression.scope import RESERVED, Scope
from monitoring.checks.expression.tree import ANYTHING, Expression, ValueType
from monitoring.checks.expression.typecheck import check
from monitoring.checks.expression.views import parse_view
from monitoring.checks.rules.keys import ADDRESS, Either, Listed, Value, text_of

IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
Views = dict[str, tuple[Function, ...]]


@dataclass(slots=True)
class Declared:
    """Every name so far and the section that declared it, so that one name never means two things."""

    sections: dict[str, str]

    def take(self, key: Scalar, spot: Spot, section: str) -> str | None:
        """Return a new name, or note why it cannot be one."""
        name = key.text
        problem = ""
        if not IDENTIFIER.fullmatch(name):
            problem = f"{name!r} cannot be named in an expression: a letter, then letters, digits and _"
        elif name in RESERVED or keyword.iskeyword(name):
            problem = f"{name} is a word of the language, choose another name"
        elif name in self.sections:
            problem = f"{name} is already declared under {self.sections[name]}"
        if problem:
            spot.mistakes.add(key.at, spot.path, problem)
            return None
        self.sections[name] = section
        return name


_EXAMPLE = 'address: "0x83F20F44975D03b1b09e64809B757c47f942BEeA"'
ITS_ADDRESS = entry("address", ADDRESS, "Where it is.", example=_EXAMPLE, without="0x and 40 hex digits")
FUNCTIONS = entry(
    "functions",
    Listed(text_of("signature", "a signature")),
    "Views that the library does not know, or other ones of a known name.",
    default="",
    example='functions: ["expires()(uint64)"]',
)
# One address for all chains, or one per chain.
_ADDRESSES = Either("address, or one per chain", ADDRESS, Listed(ADDRESS, named=True))
_AT = entry("address", _ADDRESSES, "Where it is.", example=_EXAMPLE)
CONTRACT = Section("A contract with views of its own.", _AT, FUNCTIONS)
CONTRACTS = Listed(
    Either("address, one per chain, or a mapping", ADDRESS, CONTRACT, Listed(ADDRESS, named=True)), named=True
)


def read_chain(spot: Spot) -> int | None:
    """Read a chain by id or slug."""
    text = spot.text("a chain")
    known = {str(number): number for number in CHAINS} | {slug: number for number, slug in CHAINS.items()}
    if text is None or text in known:
        return known[text] if text else None
    spot.wrong(f"{text} is no known chain: {instead_of_chain(text)}")
    return None


CHAIN = Value("chain", read_chain, {"enum": [*CHAINS.values(), *CHAINS, *map(str, CHAINS)]})
ITS_CHAIN = entry(
    "chain",
    CHAIN,
    "Where it is: an id or a slug.",
    without="an id or a slug, as in 1 or mainnet",
    example="chain: mainnet",
)


def read_contract(spot: Spot, chains: tuple[int, ...], own: dict[str, Views], name: str) -> dict[int, str]:
    """Read an address, one per chain, or `{address: …, functions: […]}`."""
    if isinstance(spot.node, MappingNode) and spot.get("address"):
        spot.only(CONTRACT.keys)
        functions = spot.get(FUNCTIONS.name)
        if functions:
            own[name] = read_functions(functions)
        return read_contract(spot.get("address") or spot, chains, {}, name)
    if not isinstance(spot.node, MappingNode):
        address = spot.address()
        return dict.fromkeys(chains, address) if address else {}
    found: dict[int, str] = {}
    for key, value in spot.entries():
        chain = read_chain(Spot(key, value.path, spot.mistakes))
        address = value.address()
        if chain and chain not in chains:
            spot.mistakes.add(key.at, value.path, f"the monitor does not run on chain {chain}")
        if chain and address:
            found[chain] = address
    for chain in chains:
        if chain not in found and len(found) == len(spot.entries()):
            spot.wrong(f"its address on chain {chain} is missing")
    return found


def read_functions(spot: Spot) -> Views:
    """Read declared views; declared twice with one arity is a mistake.

    A name whose signature was refused is kept without any, so that its mistake is not repeated at each use.
    """
    found: Views = {}
    refused: Views = {}
    for item in spot.items("a list of signatures"):
        text = item.text("a signature")
        if text is None:
            continue
        try:
            view = parse_view(text.strip())
        except SignatureError as error:
            item.wrong(error.reason, error.offset)
            refused[text.strip().partition("(")[0].strip()] = ()
            continue
        same = [one for one in found.get(view.name, ()) if len(one.inputs) == len(view.inputs)]
        if same:
            item.wrong(f"{view.name} with {len(view.inputs)} arguments is declared twice")
            continue
        found[view.name] = (*found.get(view.name, ()), view)
    return found | refused


def read_values(spots: Mapping[str, Spot], scope: Scope) -> dict[str, Expression]:
    """Check values in the order in which they need each other."""
    needs: dict[str, set[str]] = {}
    for name, spot in spots.items():
        text = spot.text("an expression")
        try:
            needs[name] = set(names_in(parse(text))) & spots.keys() if text else set()
        except LanguageError as error:
            spot.wrong(str(error), error.offset)
    found: dict[str, Expression] = {}
    kinds: dict[str, ValueType] = {**scope.values, **dict.fromkeys(spots, ANYTHING)}
    rows = dict(scope.row_names)
    for name in _in_order(needs, spots):
        expression = read_expression(spots[name], replace(scope, values=kinds, row_names=rows))
        if expression is not None:
            found[name], kinds[name], rows[name] = expression, expression.kind, expression.rows
    return found


def read_expression(spot: Spot, scope: Scope) -> Expression | None:
    """Check one expression; a mistake is noted at its very character."""
    text = spot.text("an expression")
    if text is None:
        return None
    try:
        return check(text, scope)
    except LanguageError as error:
        spot.wrong(str(error), error.offset)
        return None


def _in_order(needs: dict[str, set[str]], spots: Mapping[str, Spot]) -> list[str]:
    """Sort names so that each comes after those it needs; a circle is noted once, with its path."""
    order: list[str] = []
    left = dict(needs)
    while left:
        ready = [name for name, needed in left.items() if not needed & left.keys()]
        if not ready:
            name = _a_circle(left)[0]
            spots[name].wrong(f"values go in a circle: {' -> '.join(_a_circle(left))}")
            return order
        order += ready
        left = {name: needed for name, needed in left.items() if name not in ready}
    return order


def _a_circle(needs: dict[str, set[str]]) -> list[str]:
    """Follow needs until a name comes up again, and return the way from it to itself."""
    path: list[str] = []
    name = next(iter(needs))
    while name not in path:
        path.append(name)
        name = min(needs[name] & needs.keys())
    circle = path[path.index(name) :]
    first = circle.index(min(circle, key=list(needs).index))
    turned = circle[first:] + circle[:first]
    return [*turned, turned[0]]
