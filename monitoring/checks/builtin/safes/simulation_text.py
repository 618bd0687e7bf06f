"""What a simulation found, in lines of an alert: whether it runs, what it moves, and what it changes.

What was not looked at is said, so that nobody takes silence for safety.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from monitoring.alerts.message.text import Block, addr, bold, line
from monitoring.chains.abi.addresses import ZERO, checksum, is_address
from monitoring.chains.abi.selectors import roles
from monitoring.chains.abi.values import AbiValue
from monitoring.chains.decode.calldata import Transaction
from monitoring.chains.decode.flags import is_unlimited
from monitoring.chains.networks import Network, network
from monitoring.chains.rpc.tokens import Token, native_token
from monitoring.chains.rpc.views import ChainView
from monitoring.chains.safes.hashing import SafeIdentity
from monitoring.chains.safes.simulation import Grant, Planned, Simulation, TokenMove, simulate
from monitoring.checks.builtin.safes.hash_text import gas_of
from monitoring.checks.builtin.shared.data_rows import RowContract
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.expression.value_text import words
from monitoring.conditions.outcome import Entry

MAX_LINES = 8
_LOOKED_AT = (
    "tokens, approvals, roles and implementations as events say them; threshold, owners and modules of the Safe"
)


def simulation_blocks(entry: Entry, call: Transaction, place: RowContract, at: EvaluationPoint) -> list[Block]:
    """Simulate a transaction on the block of this run and say what came of it."""
    one, view = _planned(entry, call, place), at.chains.view(network(place.chain))
    if one is None or not isinstance(view, ChainView):
        return []
    return _Report(simulate(one, view), view, place, at).blocks()


def _planned(entry: Entry, call: Transaction, place: RowContract) -> Planned | None:
    facts = entry.facts
    version, owners = facts.get("version"), facts.get("owners")
    numbers = [facts.get(name) for name in ("nonce", "safe_nonce", "required")]
    nonce, safe_nonce, threshold = (one if isinstance(one, int) else -1 for one in numbers)
    if not isinstance(version, str) or not isinstance(owners, tuple) or min(nonce, safe_nonce, threshold) < 0:
        return None
    identity = SafeIdentity(checksum(place.address), place.chain, version)
    return Planned(
        identity, call, nonce, gas_of(entry), safe_nonce, tuple(checksum(str(one)) for one in owners), threshold
    )


class _Report:
    """Puts one simulation into words."""

    def __init__(self, found: Simulation, view: ChainView, place: RowContract, at: EvaluationPoint) -> None:
        self._found = found
        self._known: Network = view.network
        self._at = at
        self._own = checksum(place.address)
        named = {move.token for move in found.moves} | {one.contract for one in found.grants}
        self._tokens = view.tokens(sorted(named - {ZERO})) if named - {ZERO} else {}

    def blocks(self) -> list[Block]:
        found = self._found
        if found.runs is None:
            return [line(bold("Not simulated"), f": {found.reason}. That says nothing about what it does.")]
        head = "it runs" if found.runs else f"it fails: {found.reason}"
        if found.changes is None:
            return [line(bold("Simulated"), f": {head}. What it moves and changes was not looked at.")]
        lines = [*self._moves(), *self._changes(found.changes), *map(self._grant, found.grants)]
        more = [line(f"… and {len(lines) - MAX_LINES} more")] if len(lines) > MAX_LINES else []
        nothing = [line(f"None of this changes: {_LOOKED_AT}.")] if found.runs and not lines else []
        return [line(bold("Simulated"), f": {head}"), *lines[:MAX_LINES], *more, *nothing]

    def _moves(self) -> Iterator[Block]:
        for move in self._found.moves:
            how = "leaves" if move.sender == self._own else "arrives" if move.receiver == self._own else "moves"
            ends: tuple[object, ...] = (" to ", self._name(move.receiver)) if how != "arrives" else ()
            start: tuple[object, ...] = (" from ", self._name(move.sender)) if how != "leaves" else ()
            yield line(f"{how}: ", *self._amount(move), *start, *ends)

    def _amount(self, move: TokenMove) -> tuple[object, ...]:
        token = self._token(move.token)
        if move.is_one:
            return (f"number {move.amount} of ", self._name(move.token))
        return (token.amount(move.amount),) if token else (f"{move.amount} units of ", self._name(move.token))

    def _token(self, address: str) -> Token | None:
        if address == ZERO:
            return native_token(self._known)
        found = self._tokens.get(address)
        return found if isinstance(found, Token) else None

    def _changes(self, changes: Mapping[str, tuple[AbiValue, AbiValue]]) -> Iterator[Block]:
        for name, (before, after) in changes.items():
            if not isinstance(before, tuple) or not isinstance(after, tuple):
                yield line(f"{name} of the Safe: {words(before)} → {words(after)}")
                continue
            for what, some in (("added", set(after) - set(before)), ("removed", set(before) - set(after))):
                named = [part for one in sorted(map(str, some)) for part in (", ", self._name(one))][1:]
                if some:
                    yield line(f"{name} of the Safe, {len(some)} {what}: ", *named)

    def _grant(self, one: Grant) -> Block:
        shown = [part for name, value in one.fields.items() for part in (f", {name} ", self._field(one, name, value))]
        return line(f"{one.event} by ", self._name(one.contract), *shown)

    def _field(self, one: Grant, name: str, value: AbiValue) -> object:
        if is_address(value):
            return self._name(str(value))
        if isinstance(value, bytes):
            return roles().get(value) or "0x" + value.hex()
        token = self._token(one.contract)
        if name == "amount" and isinstance(value, int):
            return "unlimited" if is_unlimited(value, "uint256") else token.amount(value) if token else f"{value} units"
        return words(value)

    def _name(self, address: str) -> object:
        if address == ZERO:
            return "nobody"
        return addr(address, self._at.labels.name(self._known.id, address), self._known)
