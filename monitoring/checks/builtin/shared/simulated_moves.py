"""What simulated calls do to the tokens of one account, in lines of an alert: its balances decide, events only say.

A token emits what it likes, so an event counts where the account's balance changes by the same amount.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from monitoring.alerts.message.text import Block, line
from monitoring.base.plural import counted
from monitoring.chains.abi.addresses import ZERO, checksum
from monitoring.chains.abi.values import Unknown
from monitoring.chains.decode.foreign_names import quoted
from monitoring.chains.networks import Network
from monitoring.chains.rpc.tokens import Token, native_token
from monitoring.chains.services.price_gate import USUAL_GATE
from monitoring.chains.simulation.facts import BeforeAfter, Simulation, TokenMove
from monitoring.checks.engine.plan import PriceQuery
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.engine.prices import answer_prices
from monitoring.checks.expression.evaluate import PriceRead
from monitoring.checks.expression.value_text import words

MAX_PRICED = 10
Named = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Tokens:
    """Symbols, decimals and prices of tokens, as far as they are known."""

    chain: Network
    known: Mapping[str, Token | Unknown]
    prices: Mapping[str, Fraction]

    def of(self, address: str) -> Token | None:
        if address == ZERO:
            return native_token(self.chain)
        found = self.known.get(address)
        return found if isinstance(found, Token) else None

    def amount(self, address: str, units: int, named: Named) -> tuple[object, ...]:
        """Return `400 “COIN” of token 0x…`; where it names no symbol, how many of its smallest units."""
        token = self.of(address)
        if token is None:
            return (f"{units} units of ", named(address))
        if address == ZERO:
            return (token.amount(units),)
        return (f"{token.digits(units)} {quoted(token.symbol)} of token ", named(address))

    def value(self, address: str, units: int) -> str:
        """Return what it is worth, or that nobody says so."""
        token, price = self.of(address), self.prices.get(address)
        if token is None or price is None:
            return " (price unknown)"
        return f" ({words(price * units / 10**token.decimals, 'usd')})"


def prices_of(found: Simulation, own: str, chain: Network, at: EvaluationPoint) -> dict[str, Fraction]:
    """Ask for the prices of what leaves and arrives, all in one request."""
    tokens = [one.token for one in found.moves if own in (one.sender, one.receiver) and not one.is_one]
    asked = {
        one: PriceQuery("", PriceRead(chain.id, one), USUAL_GATE)
        for one in list(dict.fromkeys(tokens))[:MAX_PRICED]
        if chain.defillama
    }
    answers = answer_prices(list(asked.values()), at) if asked else {}
    prices = {token: answers[query] for token, query in asked.items()}
    return {token: one.usd for token, one in prices.items() if not isinstance(one, Unknown)}


def own_moves(found: Simulation, own: str, tokens: Tokens, named: Named) -> Iterator[Block]:
    """Yield a line for each move of the account's tokens, and one for each token whose balance says otherwise."""
    moves: dict[str, list[TokenMove]] = {}
    for move in found.moves:
        if own in (move.sender, move.receiver) and move.sender != move.receiver:
            moves.setdefault(move.token, []).append(move)
    for token in dict.fromkeys([*moves, *found.balances]):
        pair = found.balances.get(token)
        yield from _of_token(token, moves.get(token, []), pair, own, tokens, named)


def _of_token(
    token: str, moves: Sequence[TokenMove], pair: BeforeAfter | None, own: str, tokens: Tokens, named: Named
) -> Iterator[Block]:
    said = sum((1 if one.is_one else one.amount) * (1 if one.receiver == own else -1) for one in moves)
    before, after = pair or (Unknown("it was not read"), Unknown("it was not read"))
    if not isinstance(before, int) or not isinstance(after, int):
        lines = [_move(one, own, tokens, named, "as its event says, its balance was not read: ") for one in moves]
        yield from lines
    elif after - before == said:
        yield from (_move(one, own, tokens, named, "") for one in moves)
    else:
        known = tokens.of(token)
        old, new = (known.digits(one) if known else f"{one} units" for one in (before, after))
        goes = f"goes from {old} to {new}" if before != after else f"stays {old}"
        event = "without an event" if not moves else f"whatever {counted(len(moves), 'event')} of the token may say"
        yield line("balance of ", "the native token" if token == ZERO else named(token), f" {goes}, {event}")


def _move(move: TokenMove, own: str, tokens: Tokens, named: Named, doubt: str) -> Block:
    leaves = move.sender == own
    ends = (" to ", named(move.receiver)) if leaves else (" from ", named(move.sender))
    doubt = "" if move.token == ZERO else doubt
    return line(doubt, "leaves: " if leaves else "arrives: ", *_amount(move, tokens, named), *ends)


def other_moves(found: Simulation, own: str, tokens: Tokens, named: Named) -> Iterator[Block]:
    """Yield a line for each move between others, of which only events speak."""
    for move in found.moves:
        if own not in (move.sender, move.receiver):
            ends = (" from ", named(move.sender), " to ", named(move.receiver))
            yield line("moves: ", *_amount(move, tokens, named, priced=False), *ends)


def _amount(move: TokenMove, tokens: Tokens, named: Named, *, priced: bool = True) -> tuple[object, ...]:
    if move.is_one:
        return (f"number {move.amount} of ", named(move.token))
    value = tokens.value(move.token, move.amount) if priced else ""
    return (*tokens.amount(move.token, move.amount, named), value)


def contracts_of(found: Simulation) -> list[str]:
    """Return whose symbols and decimals are wanted."""
    named = [move.token for move in found.moves]
    named += [one.contract for one in found.grants] + [one.contract for one in found.settings]
    balances = [token for token, pair in found.balances.items() if pair[0] != pair[1]]
    return [checksum(one) for one in dict.fromkeys([*named, *balances]) if one != ZERO]
