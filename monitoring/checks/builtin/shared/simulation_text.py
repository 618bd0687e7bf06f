"""What a simulation found, in lines of an alert: our own checks, what leaves and arrives, what is granted and set.

What was not looked at is said, so that nobody takes silence for safety.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from monitoring.alerts.message.text import Block, addr, bold, line
from monitoring.base.formatting import format_seconds
from monitoring.chains.abi.addresses import ZERO, checksum, is_address
from monitoring.chains.abi.selectors import roles
from monitoring.chains.abi.values import AbiValue, Unknown
from monitoring.chains.decode.flags import is_unlimited
from monitoring.chains.decode.format_tx import Names
from monitoring.chains.networks import Network
from monitoring.chains.rpc.tokens import native_token
from monitoring.chains.rpc.views import ChainView
from monitoring.chains.simulation.facts import MAX_LOGS, BeforeAfter, Grant, Setting, Simulation
from monitoring.checks.builtin.shared.own_checks import Effect, OwnChecks, own_checks
from monitoring.checks.builtin.shared.simulated_moves import Tokens, contracts_of, other_moves, own_moves, prices_of
from monitoring.checks.builtin.shared.simulation_facts import effect_facts, simulation_facts
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.expression.value_text import words

MAX_LINES = 12
MAX_EFFECTS = 4
_NO_EVENT = "No event says that it moves tokens or changes approvals, roles or implementations"
_SPAN = re.compile("delay|period|duration", re.IGNORECASE)
_SECONDS = ("getMinDelay", "delay")  # of timelocks: always seconds. A governor's votingDelay may count blocks
_MAX_SPAN_S = 10**10
_SAID_BY = {"OwnershipTransferred": "owner", "Upgraded": "implementation", "AdminChanged": "proxy admin"}


def report(found: Simulation, own: str, view: ChainView, at: EvaluationPoint) -> list[Block]:
    """Put a simulation into lines; `own` is whose tokens leave and arrive."""
    contracts = contracts_of(found)
    tokens = {(view.network.id, address): one for address, one in (view.tokens(contracts) if contracts else {}).items()}
    names = Names(at.labels, tokens, {view.network.id: native_token(view.network)})
    at.noted.extend(simulation_facts(found, own, view, names))
    if found.runs is None:
        return [line(bold("Not simulated"), f": {found.reason}. That says nothing about what it does.")]
    head = ("it runs" if found.runs else f"it fails: {found.reason}") + (f" ({found.note})" if found.note else "")
    if found.changes is None:
        return [line(bold("Simulated"), f": {head}. What it moves and changes was not looked at.")]
    return _Report(found, checksum(own), view, at).blocks(head)


def report_executed(found: Simulation, own: str, view: ChainView, at: EvaluationPoint, block: int) -> list[Block]:
    """Put into the same lines what an execution in a block did, as the chain has it."""
    return _Report(found, checksum(own), view, at).blocks(
        f"from block {block - 1:,} to {block:,}", "Changed on the chain"
    )


class _Report:
    """Puts one simulation into words."""

    def __init__(self, found: Simulation, own: str, view: ChainView, at: EvaluationPoint) -> None:
        self._found = found
        self._known: Network = view.network
        self._at = at
        self._own = own
        self._block = view.block.number
        contracts = contracts_of(found)
        known = view.tokens(contracts) if contracts else {}
        self._tokens = Tokens(view.network, known, prices_of(found, own, view.network, at.spare))

    def blocks(self, head: str, title: str = "Simulated") -> list[Block]:
        found = self._found
        lines = [
            *self._changes(found.changes or {}),
            *own_moves(found, self._own, self._tokens, self._name),
            *(block for place, one in enumerate(found.grants) if (block := self._grant(one, found.seen.get(place)))),
            *map(self._setting, self._settings()),
            *other_moves(found, self._own, self._tokens, self._name),
        ]
        more = [line(f"… and {len(lines) - MAX_LINES} more")] if len(lines) > MAX_LINES else []
        if found.unread_logs:
            more.append(line(f"It emits more than {MAX_LOGS} events: {found.unread_logs} were not looked at."))
        if found.unread and found.runs:
            more.append(line(f"Not looked at, since it could not be read: {', '.join(found.unread)}."))
        stay = f"; {', '.join(found.same)} {'is' if len(found.same) == 1 else 'are'} unchanged" if found.same else ""
        nothing = [line(f"{_NO_EVENT}{stay}. Nothing else was looked at.")] if found.runs and not lines else []
        return [line(bold(title), f": {head}"), *self._own_checks(), *lines[:MAX_LINES], *more, *nothing]

    def _own_checks(self) -> Iterator[Block]:
        """Say what becomes of our own checks, the worst first."""
        ran, folder = self._found.ran, self._at.monitors
        if folder is None or ran is None or ran.before is None or ran.after is None:
            return
        found = own_checks(folder, self._found.touched, self._known.id, (ran.before, ran.after), self._at.spare)
        self._at.noted.extend(effect_facts(found.effects, self._block))
        yield from map(_effect, found.effects[:MAX_EFFECTS])
        if rest := _rest(found):
            yield line("Own checks: ", rest)

    def _changes(self, changes: Mapping[str, tuple[AbiValue, AbiValue]]) -> Iterator[Block]:
        for name, (before, after) in changes.items():
            if not isinstance(before, tuple) or not isinstance(after, tuple):
                yield _line(f"{name}: ", self._value(before), " → ", self._value(after))
                continue
            for what, some in (("added", set(after) - set(before)), ("removed", set(before) - set(after))):
                named = [part for one in sorted(map(str, some)) for part in (", ", self._name(one))][1:]
                if some:
                    yield _line(f"{name}, {len(some)} {what}: ", *named)

    def _grant(self, one: Grant, pair: BeforeAfter | None) -> Block | None:
        """Say what a view answers before and after; where none does, what the event says, as that."""
        before, after = pair or (Unknown(""), Unknown(""))
        if isinstance(before, Unknown) or isinstance(after, Unknown):
            rows = [
                part for name, value in one.fields.items() for part in (f", {name} ", self._field(one, name, value))
            ]
            return _line(f"{one.event} by ", self._name(one.contract), *rows, ", as its event says: no view was read")
        ends = (self._granted(one, before), " → ", self._granted(one, after))
        stays = (" (an event says that it changes)",) if before == after else ()
        fields = {name: self._field(one, name, value) for name, value in one.fields.items()}
        if one.event in _SAID_BY:
            return _line(f"{_SAID_BY[one.event]} of ", self._name(one.contract), ": ", *ends, *stays)
        if one.event.startswith("Role"):
            words_ = ("role ", fields["role"], " of ", self._name(one.contract), " for ", fields["account"])
            return _line(*words_, ": ", *ends, *stays)
        spender = fields["spender" if one.event == "Approval" else "operator"]
        whose = () if one.fields["owner"] == self._own else (" of ", fields["owner"])
        return _line("may be taken", *whose, " by ", spender, ": ", *ends, *stays)

    def _granted(self, one: Grant, value: AbiValue) -> object:
        if one.event == "Approval":
            return self._field(one, "amount", value)
        if one.event == "ApprovalForAll":
            return ("all of " if value else "none of ", self._name(one.contract))
        return self._value(value)

    def _settings(self) -> Iterator[Setting]:
        said = {(one.contract, _SAID_BY[one.event]) for one in self._found.grants if one.event in _SAID_BY}
        return (one for one in self._found.settings if (one.contract, one.name) not in said)

    def _setting(self, one: Setting) -> Block:
        token = self._tokens.of(one.contract) if one.name == "totalSupply" else None
        shown = [
            token.digits(value) if token and isinstance(value, int) else (self._value(value), _span(one, value))
            for value in (one.before, one.after)
        ]
        return _line(f"{one.name} of ", self._name(one.contract), ": ", shown[0], " → ", shown[1])

    def _field(self, one: Grant, name: str, value: AbiValue) -> object:
        if isinstance(value, bytes):
            return roles().get(value) or "0x" + value.hex()
        if name == "amount" and isinstance(value, int):
            if is_unlimited(value, "uint256"):
                return "unlimited"
            return self._tokens.amount(one.contract, value, self._name)
        return self._value(value)

    def _value(self, value: AbiValue) -> object:
        if isinstance(value, bool):
            return "yes" if value else "no"
        return self._name(str(value)) if is_address(value) else words(value)

    def _name(self, address: str) -> object:
        if address == ZERO:
            return "nobody"
        return addr(checksum(address), self._at.labels.name(self._known.id, address), self._known)


def _span(one: Setting, value: AbiValue) -> str:
    """Return a span of time in words: for sure of a timelock's delay, if it is one of what only sounds like it."""
    found = _SPAN.search(one.name)
    if found is None or isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _MAX_SPAN_S:
        return ""
    return f" ({format_seconds(value)}{'' if one.name in _SECONDS else ', if in seconds'})"


def _line(*parts: object) -> Block:
    """Put parts together, some of which are several."""
    return line(*(each for part in parts for each in (part if isinstance(part, tuple) else (part,))))


def _effect(one: Effect) -> Block:
    """Say `CRITICAL takes cap backing from 1.02 to 0.93 (limit ≥ 1)`."""
    bound = f" (limit {one.bound})" if one.bound else ""
    takes = f"takes {one.name} from {one.before} to {one.after}{bound}"
    if one.becomes is None:
        return line(takes, ": good again" if one.was else "")
    if one.was == one.becomes:
        return line(takes, f": {one.becomes.name} before and after")
    return line(bold(one.becomes.name), f" {takes}")


def _rest(found: OwnChecks) -> str:
    more = len(found.effects) - MAX_EFFECTS
    parts = [f"{more} more change"] if more > 0 else []
    parts += (
        [f"{found.same} that may read what it touches {'is' if found.same == 1 else 'are'} unchanged"]
        if found.same
        else []
    )
    parts += [f"{found.lost} could not be read before and after"] if found.lost else []
    parts += [found.problem] if found.problem else []
    if not parts and not found.effects:
        return "none names a contract that it touches."
    return ", ".join(parts) + "." if parts else ""
