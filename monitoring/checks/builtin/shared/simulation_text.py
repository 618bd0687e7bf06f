"""What a simulation found, in lines of an alert: whether it runs, what it moves, and what it changes.

What was not looked at is said, so that nobody takes silence for safety.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from monitoring.alerts.message.text import Block, addr, bold, line
from monitoring.chains.abi.addresses import ZERO, checksum, is_address
from monitoring.chains.abi.selectors import roles
from monitoring.chains.abi.values import AbiValue
from monitoring.chains.decode.flags import is_unlimited
from monitoring.chains.decode.format_tx import Names
from monitoring.chains.networks import Network
from monitoring.chains.rpc.tokens import Token, native_token
from monitoring.chains.rpc.views import ChainView
from monitoring.chains.simulation import Grant, Simulation, TokenMove
from monitoring.checks.builtin.shared.simulation_facts import simulation_facts
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.expression.value_text import words

MAX_LINES = 8
_NO_EVENT = "No event says that it moves tokens or changes approvals, roles or implementations"


def report(found: Simulation, own: str, view: ChainView, at: EvaluationPoint, *, views: str = "") -> list[Block]:
    """Put a simulation into lines; `own` is whose tokens leave and arrive, `views` what was read twice."""
    made, chain = _Report(found, checksum(own), view, at), view.network.id
    tokens = {(chain, address): token for address, token in made.tokens.items()}
    names = Names(at.labels, tokens, {chain: native_token(view.network)})
    at.noted.extend(simulation_facts(found, own, view, names))
    return made.blocks(views)


class _Report:
    """Puts one simulation into words."""

    def __init__(self, found: Simulation, own: str, view: ChainView, at: EvaluationPoint) -> None:
        self._found = found
        self._known: Network = view.network
        self._at = at
        self._own = own
        named = {move.token for move in found.moves} | {one.contract for one in found.grants}
        self.tokens = view.tokens(sorted(named - {ZERO})) if named - {ZERO} else {}

    def blocks(self, views: str) -> list[Block]:
        found = self._found
        if found.runs is None:
            return [line(bold("Not simulated"), f": {found.reason}. That says nothing about what it does.")]
        head = "it runs" if found.runs else f"it fails: {found.reason}"
        if found.changes is None:
            return [line(bold("Simulated"), f": {head}. What it moves and changes was not looked at.")]
        lines = [*self._moves(), *self._changes(found.changes), *map(self._grant, found.grants)]
        more = [line(f"… and {len(lines) - MAX_LINES} more")] if len(lines) > MAX_LINES else []
        stay = f"; {views} stay" if views else ""
        nothing = [line(f"{_NO_EVENT}{stay}. Nothing else was looked at.")] if found.runs and not lines else []
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
        found = self.tokens.get(address)
        return found if isinstance(found, Token) else None

    def _changes(self, changes: Mapping[str, tuple[AbiValue, AbiValue]]) -> Iterator[Block]:
        for name, (before, after) in changes.items():
            if not isinstance(before, tuple) or not isinstance(after, tuple):
                yield line(f"{name}: {words(before)} → {words(after)}")
                continue
            for what, some in (("added", set(after) - set(before)), ("removed", set(before) - set(after))):
                named = [part for one in sorted(map(str, some)) for part in (", ", self._name(one))][1:]
                if some:
                    yield line(f"{name}, {len(some)} {what}: ", *named)

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
