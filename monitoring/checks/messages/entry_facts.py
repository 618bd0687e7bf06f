"""Facts of the entry an alert is about: whether it is shown falsely, how many signed, what gas refund it pays.

Read from what the entry keeps, by its names; an entry that keeps none of them has no such facts.
"""

from __future__ import annotations

from collections.abc import Iterator

from monitoring.alerts.message.facts import Fact, FactKind
from monitoring.chains.abi.addresses import ZERO, checksum, is_address
from monitoring.chains.networks import networks
from monitoring.chains.rpc.tokens import native_token
from monitoring.conditions.outcome import Entry
from monitoring.conditions.values import Json, Value

# Of what is over nobody decides any more.
_OVER = frozenset(
    {
        "executed",
        "cancelled",
        "failed",
        "expired",
        "replaced",
        "removed",
        "gone",
        "used",
        "closed",
        "claimed",
        "undone",
        "delay changed",
        "power moved",
    }
)
_FIELDS_OF_GAS = 5


def is_undecided(entry: Entry) -> bool:
    """Return whether an entry is of something that people may still approve, reject or cancel."""
    said = {entry.kind, *(str(entry.facts.get(name, "")) for name in ("what", "stage", "state"))}
    return not said & _OVER


def state_of(entry: Entry) -> dict[str, Json]:
    """Return what the chain said of the account by plain views, to hold simulations against."""
    required, owners = entry.facts.get("required"), entry.facts.get("owners")
    found: dict[str, Json] = {"threshold": str(required)} if isinstance(required, int) else {}
    if isinstance(owners, tuple):
        found["owners"] = [checksum(str(one)) for one in owners if is_address(one)]
    return found


def entry_facts(entry: Entry, chain: int) -> Iterator[Fact]:
    """Yield them, the worst first; `chain` names the coin of a refund."""
    facts = entry.facts
    if facts.get("contradiction"):
        says = "is shown falsely: the hash to sign is not the hash of what the service shows"
        yield Fact(FactKind.FALSE, says, {"contradiction": True}, must=True)
    suspects = facts.get("suspects")
    if isinstance(suspects, tuple) and suspects:
        yield Fact(FactKind.FALSE, "has signatures that no owner made", {"number": len(suspects)}, must=True)
    signed, required = facts.get("signed"), facts.get("required")
    if isinstance(signed, int) and isinstance(required, int) and not facts.get("unchecked"):
        yield Fact(FactKind.SIGNATURES, f"has {signed} of {required} signatures", {"signed": signed})
    yield from _refund(facts.get("gas"), chain)


def _refund(gas: Value | None, chain: int) -> Iterator[Fact]:
    if not isinstance(gas, tuple) or len(gas) != _FIELDS_OF_GAS:
        return
    _, base, price, token, receiver = gas
    if not isinstance(base, int) or not isinstance(price, int) or not price:
        return
    known = networks().get(chain) if token == ZERO else None
    of = "wei" if token == ZERO else f"smallest units of {checksum(str(token))}"
    amount = native_token(known).amount(base * price) if known else f"{base * price} {of}"
    to = "the account that executes it" if receiver == ZERO else checksum(str(receiver))
    says = f"pays a gas refund of at least {amount} to {to}, whatever gas it uses"
    yield Fact(FactKind.REFUND, says, {"price": str(price), "token": str(token)}, must=True)
