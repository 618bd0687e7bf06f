"""What a message about a step in a transaction's life says: what happened, who did it, and what it is about.

Each is read alone, by somebody who has not seen the first one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from monitoring.alerts.message.text import Block, addr, bold, kv, line, link, tx
from monitoring.base.plural import counted
from monitoring.chains.abi.addresses import checksum
from monitoring.chains.decode.calldata import Transaction
from monitoring.chains.networks import Network, network
from monitoring.checks.builtin.safes.executed import Content
from monitoring.checks.builtin.safes.life import Life, LifeSight, LifeStage, News
from monitoring.checks.builtin.shared.data_rows import RowContract
from monitoring.checks.builtin.shared.transactions import Room, call_blocks
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.expression.values import Value
from monitoring.checks.messages.plain import AlertText
from monitoring.conditions.condition import ConditionKey
from monitoring.conditions.outcome import Entry

_MOST_NAMED = 3  # nonces in a row that are named one by one
_MAX_EXECUTED = 6  # executions of one message shown with what they did
_REJECTION = "Empty transaction to the Safe itself: it only uses up the nonce, to reject another one."
_REFUND = "It can make the Safe pay for gas, any amount of a token: look at its gas price and receiver."
_STILL_VALID = (
    "Its signatures stay valid: until another transaction uses nonce {nonce}, anybody who has kept them can still "
    "execute it{now}."
)


def thread_of(key: ConditionKey) -> str:
    """Return the name of the thread of a transaction's condition."""
    return thread_name(key.chain, key.subject.partition("/")[2])


def thread_name(chain: int, tx_hash: str) -> str:
    return f"safe-tx/{chain}/{tx_hash}"


def nonces(found: Sequence[int]) -> str:
    """Name nonces in a few words: `nonce 7`, `nonces 7, 8`, `nonces 7 to 26`."""
    if len(found) == 1:
        return f"nonce {found[0]}"
    if len(found) > _MOST_NAMED and found[-1] - found[0] == len(found) - 1:
        return f"nonces {found[0]} to {found[-1]}"
    return f"nonces {', '.join(map(str, found))}"


def stage_in_words(life: Life, seen: LifeSight) -> str:
    """Say which stage a transaction is in, for listings."""
    signed = f"{life.signed} of {life.required} signed"
    words = {
        LifeStage.QUEUED: signed,
        LifeStage.SIGNED: f"{signed}, waits until nonce {life.nonce} is next (now {seen.nonce})",
        LifeStage.READY: f"{signed}, can be executed now",
        LifeStage.REMOVED: f"{signed}, no longer in the queue",
        LifeStage.CLAIMED: f"{signed}, executed as the service says, not by the chain",
        LifeStage.USED: "its nonce is used",
    }
    text = words.get(life.stage, life.stage.value)
    if life.passed is not None:
        text = f"its nonce was used by block {life.passed:,}, waits for the events up to there"
    return f"nonce {life.nonce}: {text}{f', nothing is queued at {nonces(life.gap)}' if life.gap else ''}"


def waits_behind(facts: Mapping[str, Value]) -> str:
    """Say which nonces come first, and which of them nothing is queued at; nothing where it is next."""
    ahead, gap = _numbers(facts.get("ahead")), _numbers(facts.get("gap"))
    parts = [f"{nonces(ahead)} (queued)"] * bool(ahead) + [f"{nonces(gap)} (nothing is queued there)"] * bool(gap)
    return " and ".join(parts)


def rival_blocks(entry: Entry, place: RowContract, at: EvaluationPoint) -> list[Block]:
    """Show what the rivals of a queued transaction would do."""
    found: list[Block] = []
    known, calls = network(place.chain), entry.facts.get("rival_calls")
    for one in calls if isinstance(calls, tuple) and entry.kind == "competing" else ():
        if isinstance(one, tuple):
            content = _content(place.chain, *one[1:])
            found.append(line(bold("Rival"), " ", _link(str(one[0]), place, known), " at the same nonce would do:"))
            found += _calls(content, place, at)
    return found


def rival_hashes(entry: Entry) -> tuple[str, ...]:
    rivals = entry.facts.get("rivals")
    return tuple(str(one) for one in rivals) if isinstance(rivals, tuple) else ()


def describe_step(place: RowContract, entry: Entry, at: EvaluationPoint) -> AlertText:
    """Put one step of one transaction into words."""
    facts, known = entry.facts, network(place.chain)
    content, news = _content_of(facts, place.chain), News(entry.kind)
    rows: dict[str, object] = {"Transaction": _link(str(entry.id), place, known), "Nonce": str(content.nonce)}
    if news in (News.READY, News.SIGNED, News.STUCK, News.REMOVED, News.UNDONE):
        rows["Signed by"] = _signed(facts)
    if facts.get("tx"):
        rows |= _executed_rows(facts, known, at)
    blocks: list[Block] = [safe_line(place), kv(rows), *(line(one) for one in _explained(news, facts, content))]
    does = _DOES.get(news, "What it does:")
    done_in = _block(facts) if news in (News.EXECUTED, News.FAILED) else None
    blocks += [line(does), *_calls(content, place, at, done_in)]
    if news is News.REPLACED:
        blocks += _instead(facts, place, at)
    threads = (str(facts["instead"]),) if facts.get("instead") else ()
    return AlertText(
        f"{place.title}: {_TITLES[news](facts, content, place)}",
        tuple(blocks),
        tuple(thread_name(place.chain, one) for one in (str(entry.id), *threads)),
    )


_DOES = {
    News.EXECUTED: "What it did:",
    News.FAILED: "What it should have done:",
    News.REPLACED: "What it would have done:",
    News.USED: "What it did, if it was executed:",
    News.UNDONE: "What it did, and may do again:",
}
_Title = Callable[[Mapping[str, Value], Content, RowContract], str]
_TITLES: Mapping[News, _Title] = {
    News.READY: lambda facts, one, place: f"{_what(one, place)} can be executed now, {_signed(facts)} signed",
    News.SIGNED: lambda facts, one, place: f"{_what(one, place)} has all signatures, {_signed(facts)}, and waits",
    News.STUCK: lambda facts, one, place: (
        f"{_what(one, place)} is stuck behind {nonces(_numbers(facts.get('gap')))}, where nothing is queued"
    ),
    News.REMOVED: lambda _, one, place: f"{_what(one, place)} is no longer in the queue",
    News.CLAIMED: lambda _, one, place: f"{_what(one, place)} was not executed, though the service says so",
    News.EXECUTED: lambda _, one, place: f"{_what(one, place)} was executed",
    News.FAILED: lambda _, one, place: f"{_what(one, place)} failed when it was executed",
    News.REPLACED: lambda facts, one, place: f"{_what(one, place)} was {_ended_by(facts, place)}",
    News.USED: lambda _, one, place: f"{_what(one, place)} was executed or replaced",
    News.UNDONE: lambda _, one, place: f"{_what(one, place)} is pending again after a reorganisation",
}


def _what(content: Content, place: RowContract) -> str:
    kind = "rejection" if content.is_rejection(place.address) else "transaction"
    return f"{kind} at nonce {content.nonce}"


def _signed(facts: Mapping[str, Value]) -> str:
    return f"{_number(facts.get('signed'))} of {_number(facts.get('required'))}"


def _ended_by(facts: Mapping[str, Value], place: RowContract) -> str:
    other = _other(facts, place.chain)
    is_rejected = other is not None and other.is_rejection(place.address)
    return "rejected" if is_rejected else "replaced by another one"


def _explained(news: News, facts: Mapping[str, Value], content: Content) -> list[str]:
    """Say what a step means for somebody who has to decide what to do."""
    nonce, gap, next_nonce = content.nonce, _numbers(facts.get("gap")), _number(facts.get("safe_nonce"))
    missing = f" Nothing is queued at {nonces(gap)}." if gap else ""
    now = ", now" if _is_signed(facts) and next_nonce == nonce else ""
    valid = f" {_STILL_VALID.format(nonce=nonce, now=now)}" if facts.get("signed") else ""
    claim = f"The service gives it as executed, but by the chain the Safe is at nonce {next_nonce}."
    found = {
        News.READY: "Anybody can execute it from now on, not only an owner.",
        News.SIGNED: f"It can be executed once the Safe is at nonce {nonce}; it is at {next_nonce}.{missing}",
        News.STUCK: f"It cannot be executed until {nonces(gap)} {'is' if len(gap) == 1 else 'are'} used.",
        News.REMOVED: f"The service does not list it any more, and the chain has not executed it.{valid}",
        News.CLAIMED: f"{claim} Do not rely on the service: its signatures stay valid.",
        News.FAILED: f"Its call reverted and changed nothing. Nonce {nonce} is used: to try again, queue it again.",
        News.USED: f"Nonce {nonce} is used, and no event that can be read says by which transaction.",
        News.UNDONE: "The block that ended it is not on the chain any more. It can be executed again.",
    }
    return [found[news]] if news in found else []


def _is_signed(facts: Mapping[str, Value]) -> bool:
    signed, required = facts.get("signed"), facts.get("required")
    return isinstance(signed, int) and isinstance(required, int) and 0 < required <= signed


def _executed_rows(facts: Mapping[str, Value], known: Network, at: EvaluationPoint) -> dict[str, object]:
    sender = str(facts.get("sender") or "")
    by: object = addr(sender, at.labels.name(known.id, sender), known) if sender else "not known"
    return {"Sent by": by, "In": tx(facts["tx"], chain=known)}


def _instead(facts: Mapping[str, Value], place: RowContract, at: EvaluationPoint) -> list[Block]:
    if not facts.get("instead"):
        return [line("It is not known which transaction used its nonce: none with that nonce was queued.")]
    known, other = network(place.chain), _other(facts, place.chain)
    head = line(bold("Executed instead"), ": ", _link(str(facts["instead"]), place, known))
    return [head, *(_calls(other, place, at, _block(facts)) if other is not None else [])]


def describe_executed(place: RowContract, entries: Sequence[Entry], at: EvaluationPoint) -> AlertText:
    """Put executions of transactions that were not followed into words, the loudest first."""
    entries = sorted(entries, key=lambda entry: -entry.severity)
    blocks: list[Block] = [safe_line(place)]
    for entry in entries[:_MAX_EXECUTED]:
        blocks += _execution(entry, place, at)
    if len(entries) > _MAX_EXECUTED:
        blocks.append(line(f"… and {len(entries) - _MAX_EXECUTED} more"))
    threads = tuple(thread_name(place.chain, str(one.facts["hash"])) for one in entries if "hash" in one.facts)
    return AlertText(f"{place.title}: {_executed_title(entries)}", tuple(blocks), threads)


def _executed_title(entries: Sequence[Entry]) -> str:
    ran = [entry for entry in entries if entry.kind == "new"]
    gone, unseen = len(entries) - len(ran), sum(not entry.facts.get("queued") for entry in ran)
    failed = sum(not entry.facts.get("ran") for entry in ran)
    if len(entries) == 1 and ran:
        at = f" at nonce {_number(ran[0].facts['nonce'])}" if "nonce" in ran[0].facts else ""
        what = "failed when it was executed" if failed else "was executed"
        return f"transaction{at} {what}{', which was not seen in its queue' if unseen else ''}"
    parts = [f"{counted(len(ran), 'transaction')} executed"] * bool(ran)
    parts += [f"{failed} failed"] * bool(failed) + [f"{unseen} not seen in the queue"] * bool(unseen)
    parts += [f"{counted(gone, 'reported execution')} undone by a reorganisation"] * bool(gone)
    return ", ".join(parts)


def _execution(entry: Entry, place: RowContract, at: EvaluationPoint) -> list[Block]:
    known, facts = network(place.chain), entry.facts
    if entry.kind != "new" or "hash" not in facts:
        return [line(bold("Undone by a reorganisation"), ": ", tx(facts.get("tx"), chain=known))]
    rows: dict[str, object] = {
        "Transaction": _link(str(facts["hash"]), place, known), **_executed_rows(facts, known, at),
    }  # fmt: skip
    head: list[Block] = [kv(rows)]
    if not facts.get("ran"):
        head.append(line(bold("It failed"), ": its call reverted and changed nothing; its nonce is used."))
    if "nonce" not in facts:
        return [*head, line("What it did is not known: another contract carried it, so look at the transaction.")]
    return [*head, line("What it did:"), *_calls(_content_of(facts, place.chain), place, at, _block(facts))]


def _calls(content: Content, place: RowContract, at: EvaluationPoint, executed_in: int | None = None) -> list[Block]:
    if content.is_rejection(place.address):
        return [line(_REJECTION)]
    refund: list[Block] = [line(bold(_REFUND))] if content.refund else []
    return [*refund, *_call(content, place, at, executed_in)]


def _call(content: Content, place: RowContract, at: EvaluationPoint, executed_in: int | None) -> list[Block]:
    if not content.is_whole:
        to = addr(content.call.to, at.labels.name(place.chain, content.call.to), network(place.chain))
        return [line(f"Calldata of {content.size} bytes to ", to, ": see the first message about it.")]
    return call_blocks([content.call], at, Room(lines=12, units=700, flags=4), executed_in)


def _block(facts: Mapping[str, Value]) -> int | None:
    """Return the block of an execution."""
    block = facts.get("block")
    return block if isinstance(block, int) else None


def safe_line(place: RowContract) -> Block:
    """Say which Safe, with a link to the app."""
    known, address = network(place.chain), checksum(place.address)
    return line("Safe ", addr(address, place.name, known), " (", link("app", known.safe_link(address)), ")")


def _link(tx_hash: str, place: RowContract, known: Network) -> object:
    return link(f"{tx_hash[:10]}…{tx_hash[-4:]}", known.safe_link(checksum(place.address), tx_hash))


def _content_of(facts: Mapping[str, Value], chain: int) -> Content:
    return _content(
        chain, *(facts.get(name) for name in ("to", "value", "data", "operation", "size", "nonce", "refund"))
    )


def _other(facts: Mapping[str, Value], chain: int) -> Content | None:
    found = facts.get("instead_call")
    return _content(chain, *found) if isinstance(found, tuple) and found else None


def _content(chain: int, *parts: Value | None) -> Content:
    to, value, data, operation, size, nonce, *refund = parts
    call = Transaction(chain, str(to), data if isinstance(data, bytes) else b"", _number(value), _number(operation))
    return Content(_number(nonce), call, _number(size), True in refund)


def _number(value: Value | None) -> int:
    return value if isinstance(value, int) else 0


def _numbers(value: Value | None) -> tuple[int, ...]:
    return tuple(one for one in value if isinstance(one, int)) if isinstance(value, tuple) else ()
