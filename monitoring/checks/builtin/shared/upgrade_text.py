"""What an upgrade replaces, as lines of an alert: both addresses, and what is known of the new code.

What was not looked at is said, so that nobody takes silence for safety.
"""

from __future__ import annotations

from monitoring.alerts.message.text import Block, addr, bold, line, link
from monitoring.base.formatting import format_duration
from monitoring.chains.abi.addresses import ZERO
from monitoring.chains.abi.selectors import table
from monitoring.chains.abi.values import Unknown
from monitoring.chains.decode.birth import ContractAge
from monitoring.chains.decode.flags import SEVERITIES
from monitoring.chains.decode.foreign_names import quoted
from monitoring.chains.decode.labels import Labels
from monitoring.chains.decode.proxies import Upgrade
from monitoring.chains.decode.signature_resolver import VerifiedSource
from monitoring.chains.decode.upgrades import NewCode
from monitoring.chains.networks import Network
from monitoring.chains.sentences.catalogue import shipped

MAX_NAMED = 6  # functions that come or go, by name


def upgrade_line(one: Upgrade, labels: Labels, known: Network) -> Block:
    """Say which code a proxy uses now and which it would use."""
    proxy = addr(one.proxy, labels.name(known.id, one.proxy), known)
    old: object = "unknown" if isinstance(one.old, Unknown) or one.old == ZERO else addr(one.old, chain=known)
    compare = (" (", link("compare", one.diff_link), ")") if one.diff_link else ()
    return line("Proxy ", proxy, ": ", old, " → ", addr(one.new, chain=known), *compare)


def new_code_line(one: NewCode) -> Block:
    """Say what is known of the new code."""
    if one.has_code is False:
        return line(bold("There is no contract at the new address"), ": the proxy would answer nothing.")
    facts = [_source(one.source), _age(one.age), _functions(one), "storage layout not compared"]
    return line("New code: ", "; ".join(facts), ".")


def _source(found: VerifiedSource | Unknown | None) -> str:
    if found is None:
        return "whether its source is verified was not looked up (no key for an explorer)"
    if isinstance(found, Unknown):
        return "the explorer did not say whether its source is verified"
    return (
        f"source verified, the explorer calls it {quoted(found.name)}" if found.is_verified else "source NOT verified"
    )


def _age(found: ContractAge | Unknown) -> str:
    if isinstance(found, Unknown):
        return "its age is unknown"
    return f"{'at least' if found.at_least else 'about'} {format_duration(found.age)} old"


def _functions(one: NewCode) -> str:
    if isinstance(one.comes, Unknown) or isinstance(one.goes, Unknown):
        return "functions not compared: they could not be read from the code"
    if not one.comes and not one.goes:
        return "the same functions as before, read from the code"
    added, gone = _named("new", one.comes), _named("gone", one.goes)
    return f"functions read from the code: {', '.join(filter(None, (added, gone)))}"


def _named(what: str, selectors: frozenset[bytes]) -> str:
    """Name some, those with most power first."""
    ordered = sorted(selectors, key=lambda one: (-_power(one), _name(one).startswith("0x"), _name(one)))
    if not ordered:
        return ""
    more = f" and {len(ordered) - MAX_NAMED} more" if len(ordered) > MAX_NAMED else ""
    return f"{len(ordered)} {what} ({', '.join(map(_name, ordered[:MAX_NAMED]))}{more})"


def _power(selector: bytes) -> int:
    declared = table().get(selector)
    return SEVERITIES.index(declared.severity) if declared else 0


def _name(selector: bytes) -> str:
    """Name a function by our own tables; another may have the same four bytes, so that others stay hex."""
    declared = table().get(selector)
    pattern = shipped().get(selector)
    if declared:
        return declared.function.name
    return pattern.signature.declaration.function.name if pattern else f"0x{selector.hex()}"
