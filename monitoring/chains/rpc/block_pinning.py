"""Chooses the one block of a chain that a whole run reads at.

The choice is pure (`choose`); `pin` asks the providers. A block older than the last judged one is never chosen, since
a value from the past looks like a fall.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from monitoring.chains.abi.values import Block, Unknown
from monitoring.chains.networks import Network
from monitoring.chains.rpc.errors import Fault, RpcError
from monitoring.chains.rpc.pool import ROUNDS, Head, ProviderPool

_FUTURE_S = 60.0  # clocks differ by seconds; a block from further ahead means that one of them is wrong


@dataclass(frozen=True, slots=True)
class PinnedHead:
    """The head to read at, or why there is none, and the providers left out with their reasons."""

    head: Head | None
    left_out: tuple[tuple[Head, str], ...]
    reason: str = ""


def choose(heads: list[Head], network: Network, now: datetime, last_judged: int | None) -> PinnedHead:
    """Pick the newest block that every provider worth asking has.

    1. A head too old by the wall clock, or from the future, is left out.
    2. So is one behind the last judged block, and one far behind the best.
    3. Of the rest the lowest is read. Equal numbers with different hashes are a fork: the majority's is read.
    """
    left_out: list[tuple[Head, str]] = []
    kept = _believed(heads, network, now, left_out)
    if last_judged is not None:
        kept = _without(
            kept, left_out, lambda head: head.number < last_judged, f"is behind block {last_judged}, judged before"
        )
    if not kept:
        why = "; ".join(f"{head.provider.host} {reason}" for head, reason in left_out) or "no provider answered"
        return PinnedHead(None, tuple(left_out), why)
    best = max(head.number for head in kept)
    kept = _without(
        kept,
        left_out,
        lambda head: best - head.number > network.max_lag_blocks,
        f"is more than {network.max_lag_blocks} blocks behind the newest, {best}",
    )
    lowest = min(head.number for head in kept)
    at_lowest = [head for head in kept if head.number == lowest]
    hashes = [head.hash for head in at_lowest]
    chosen = max(at_lowest, key=lambda head: hashes.count(head.hash))
    forked = [head for head in at_lowest if head.hash != chosen.hash]
    left_out += [(head, f"has another block {lowest}") for head in forked]
    return PinnedHead(chosen, tuple(left_out))


def _believed(heads: list[Head], network: Network, now: datetime, left_out: list[tuple[Head, str]]) -> list[Head]:
    now_s = now.timestamp()
    kept = _without(
        heads,
        left_out,
        lambda head: now_s - head.timestamp > network.max_head_age_s,
        f"has no block younger than {network.max_head_age_s:g} s",
    )
    return _without(kept, left_out, lambda head: head.timestamp - now_s > _FUTURE_S, "has a block from the future")


def _without(
    heads: list[Head], left_out: list[tuple[Head, str]], bad: Callable[[Head], bool], reason: str
) -> list[Head]:
    left_out += [(head, reason) for head in heads if bad(head)]
    return [head for head in heads if not bad(head)]


def pin(pool: ProviderPool, now: datetime, last_judged: int | None = None) -> Block | Unknown:
    """Ask the providers and choose; providers left out are not read from and are noted as troubles.

    Asks again, a few times within the budget, while nobody answers or nobody has caught up with the last judged block.
    """
    slug = pool.network.slug
    answers, choice = _ask(pool, now, last_judged)
    failures = _failures(answers)
    for round_ in range(ROUNDS):
        if choice.head is not None or not _may_help(answers, last_judged) or not pool.wait_for_round(round_):
            break
        answers, choice = _ask(pool, now, last_judged)
        failures |= _failures(answers)  # who is left out by now is not asked again, and said why before
    for head, reason in choice.left_out:
        pool.note(head.provider.host, Fault.STALE_HEAD, f"{head.provider.host}: {reason}")
        head.provider.head = -1  # behind any block, so that no read of this run goes there
    if choice.head is None:
        reasons = list(failures.values())
        reasons += [choice.reason] if choice.left_out or not reasons else []
        reasons += [one.message for one in pool.troubles if one.fault is Fault.MISCONFIGURED]
        return Unknown(f"{slug}: {'; '.join(reasons)}", source=slug, is_whole=True)
    chosen = choice.head
    return Block(pool.network.id, chosen.number, chosen.hash, datetime.fromtimestamp(chosen.timestamp, UTC))


def _ask(pool: ProviderPool, now: datetime, last_judged: int | None) -> tuple[list[Head | RpcError], PinnedHead]:
    """Ask one group of providers after the other, until one has a block to read at."""
    answers: list[Head | RpcError] = []
    choice = choose([], pool.network, now, last_judged)
    for group in pool.groups():
        answers += pool.heads(group)
        choice = choose(_heads(answers), pool.network, now, last_judged)
        if choice.head is not None:
            break
    return answers, choice


def pin_at(pool: ProviderPool, number: int) -> Block | Unknown:
    """Return the block of a number, as the first provider that answers has it."""
    slug = pool.network.slug
    try:
        found = pool.call("eth_getBlockByNumber", hex(number), False)
        fields = found if isinstance(found, dict) else {}
        seconds = int(str(fields["timestamp"]), 16)
    except RpcError as error:
        return Unknown(f"{slug}: {error}", source=slug)
    except (KeyError, ValueError):
        return Unknown(f"{slug}: there is no block {number}", source=slug)
    return Block(pool.network.id, number, str(fields.get("hash", "")), datetime.fromtimestamp(seconds, UTC))


def _heads(answers: list[Head | RpcError]) -> list[Head]:
    return [answer for answer in answers if isinstance(answer, Head)]


def _failures(answers: list[Head | RpcError]) -> dict[str, str]:
    """Return why each provider did not answer."""
    errors = [answer for answer in answers if not isinstance(answer, Head)]
    return {error.host or str(error): str(error) for error in errors}


def _may_help(answers: list[Head | RpcError], last_judged: int | None) -> bool:
    """Return whether asking again could: a wrong chain or a stuck clock stays what it is."""
    heads = _heads(answers)
    behind = last_judged is not None and any(head.number < last_judged for head in heads)
    return behind or not heads
