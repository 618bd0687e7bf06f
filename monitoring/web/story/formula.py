"""The formula of a check with its inputs filled in, and links to the contracts that were asked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from monitoring.base.errors import UsageError
from monitoring.base.formatting import format_value
from monitoring.store.readings.inputs import Inputs


@dataclass(frozen=True, slots=True)
class ContractLink:
    """A contract by the author's name; `href` is empty where no explorer of its chain is known."""

    name: str
    address: str
    chain: str
    href: str


@dataclass(frozen=True, slots=True)
class FilledFormula:
    """`text` is the formula as the author wrote it, `filled` the same with its values; empty if none was put in."""

    text: str
    filled: str
    values: tuple[tuple[str, str], ...]
    at: datetime
    block: int | None
    contracts: tuple[ContractLink, ...]


def filled_formula(found: Inputs) -> FilledFormula:
    values = tuple((name, format_value(value)) for name, value in found.values)
    filled = fill(found.formula, values)
    contracts = tuple(contract_link(*one) for one in found.contracts)
    return FilledFormula(
        found.formula, filled if filled != found.formula else "", values, found.at, found.block, contracts
    )


def fill(formula: str, values: Sequence[tuple[str, str]]) -> str:
    """Put values in the places of their names: whole names alone, and the longest first. Pure."""
    known = {name: value for name, value in values if name}
    if not known:
        return formula
    names = "|".join(re.escape(name) for name in sorted(known, key=len, reverse=True))
    return re.sub(rf"(?<![\w.])(?:{names})(?![\w(])", lambda found: known[found[0]], formula)


def contract_link(chain: int, address: str, name: str) -> ContractLink:
    from monitoring.chains.networks import network  # noqa: PLC0415 - the API does without the table of chains

    try:
        known = network(chain)
    except UsageError:
        return ContractLink(name, address, f"chain {chain}", "")
    return ContractLink(name, address, known.name, known.link("address", address=address))
