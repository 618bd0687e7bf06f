"""How old a contract is, by asking one provider for its nonce at earlier blocks: some small requests, no index needed.

A contract's nonce is 1 from its creation on. A provider without old states gives a lower bound, or nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from monitoring.chains.abi.values import Unknown
from monitoring.chains.rpc.errors import RpcError
from monitoring.chains.rpc.provider import Ask
from monitoring.chains.rpc.views import ChainView

ROUNDS = 4  # requests at most, of fifteen small questions each
POINTS = 15
_CLOSE = 50  # an age is given to one part in so many


@dataclass(frozen=True, slots=True)
class ContractAge:
    """About how long a contract has been there; `at_least` where the provider knows no older states."""

    age: timedelta
    at_least: bool = False


def contract_age(view: ChainView, address: str) -> ContractAge | Unknown:
    """Return how old a contract is.

    1. Look further and further back, until it is not there or the provider does not know.
    2. Narrow the time between, until the age is right to about two percent.
    """
    newest = view.block.number
    seen = _nonces(view, address, _backwards(newest))
    if not seen.get(newest):
        return Unknown("the provider does not say how old the new code is")
    there = min(point for point, nonce in seen.items() if nonce)
    absent = max((point for point, nonce in seen.items() if not nonce and point < there), default=None)
    if absent is None:
        return _age(view, there, at_least=there > 0)
    for _ in range(ROUNDS - 1):
        points = _between(absent, there, newest)
        if not points or view.pool.budget.is_scarce:
            break
        seen = _nonces(view, address, points)
        there = min([there, *(point for point, nonce in seen.items() if nonce)])
        absent = max([absent, *(point for point, nonce in seen.items() if not nonce and point < there)])
    return _age(view, there, at_least=False)


def _backwards(newest: int) -> list[int]:
    steps = {newest - 4**power for power in range(POINTS - 2)} | {0, newest}
    return sorted(step for step in steps if step >= 0)


def _between(absent: int, there: int, newest: int) -> list[int]:
    gap = there - absent
    if gap <= 1 or gap * _CLOSE <= newest - absent:
        return []
    return sorted({absent + gap * place // (POINTS + 1) for place in range(1, POINTS + 1)} - {absent, there})


def _nonces(view: ChainView, address: str, points: list[int]) -> dict[int, int]:
    """Return the nonces at the blocks whose state the provider still has."""
    asks = [Ask("eth_getTransactionCount", (address, hex(point))) for point in points]
    answers = view.pool.ask_once(view.pool.current, asks)
    found = zip(points, map(_number, answers), strict=True)
    return {point: nonce for point, nonce in found if nonce is not None}


def _age(view: ChainView, block: int, *, at_least: bool) -> ContractAge | Unknown:
    (answer,) = view.pool.ask_once(view.pool.current, [Ask("eth_getBlockByNumber", (hex(block), False))])
    seconds = _number(answer.get("timestamp")) if isinstance(answer, dict) else None
    if seconds is None:
        return Unknown("the provider does not say when the new code came")
    return ContractAge(max(view.block.at - datetime.fromtimestamp(seconds, UTC), timedelta(0)), at_least)


def _number(answer: object) -> int | None:
    try:
        return None if isinstance(answer, RpcError) else int(str(answer), 16)
    except ValueError:
        return None
