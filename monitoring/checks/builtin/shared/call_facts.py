"""Facts of the calls of an alert, next to its text: one a call, none left out and in order, with what each was made of.

An amount is one only where our table of functions says so of this argument; every other integer stays a plain number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from monitoring.alerts.message.facts import Fact, FactKind, quoted
from monitoring.base.plural import counted
from monitoring.chains.abi.addresses import ZERO, checksum, is_address, short
from monitoring.chains.abi.selectors import roles
from monitoring.chains.abi.values import AbiValue, Unknown
from monitoring.chains.decode.calldata import Argument, DecodedCall
from monitoring.chains.decode.flags import Flag, FlagKind, is_unlimited
from monitoring.chains.decode.format_tx import Names
from monitoring.chains.decode.inspect_tx import Examined
from monitoring.chains.decode.proxies import Upgrade
from monitoring.chains.rpc.tokens import Token
from monitoring.chains.sentences.catalogue import Catalogue
from monitoring.chains.sentences.describe import Sentence

OWN_TABLE = "table"  # how the decoder calls our own functions; other names are a stranger's
_MOST_ARGUMENTS = 6
_SHOWN_ITEMS = 3
_SHOWN_BYTES = 32
_LOUD = ("HIGH", "CRITICAL")


def call_facts(found: Examined, catalogue: Catalogue, first: int = 1) -> list[Fact]:
    """Return the facts of decoded calls: each call, what must be looked at, what upgrades replace.

    `first` is the number of the first call, where others were noted before.
    """
    placed = [pair for number, one in enumerate(found.decoded, first) for pair in _placed(one, str(number))]
    places = {id(call): place for place, call in placed}
    said = {id(one.call): words for one in found.sentences if (words := _sentence(one, catalogue, found.names))}
    made = [_call(call, place, found.names, said.get(id(call), "")) for place, call in placed]
    # What could not be decoded at all is a fact of its own.
    flags = [one for one in found.flags if one.call.declaration is not None or one.kind is not FlagKind.UNDECODED]
    made += [_flag(one, places.get(id(one.call), "")) for one in flags]
    return made + [_upgrade(one, places.get(id(one.call), ""), found.names) for one in found.upgrades]


def address_words(chain: int, address: str, names: Names) -> str:
    """Write an address with our label, or whole with the quoted symbol of a token."""
    if not is_address(address):
        return "an unknown target"
    if address == ZERO:
        return "the zero address"
    if label := names.labels.name(chain, address):
        return f"{label} ({short(checksum(address))})"
    token = names.token(chain, address)
    symbol = quoted(token.symbol) if token else ""
    return f"{symbol} ({checksum(address)})" if symbol else checksum(address)


def amount_words(token: Token, units: int, *, of_chain: bool = False) -> str:
    """Write an amount; the symbol is quoted where a stranger chose it, and left out where it is no plain name."""
    number = token.amount(units).split(" ")[0]
    if of_chain:
        return f"{number} {token.symbol}"
    return f"{number} {quoted(token.symbol) or 'units of the token'} ({short(checksum(token.address))})"


def _placed(call: DecodedCall, place: str) -> Iterator[tuple[str, DecodedCall]]:
    """Yield a call and all inside it with their places: `1`, `1.1`, `1.2`, `2`."""
    yield place, call
    for number, inside in enumerate(call.inner, 1):
        yield from _placed(inside, f"{place}.{number}")


def _call(call: DecodedCall, place: str, names: Names, said: str) -> Fact:
    data: dict[str, Any] = {
        "place": place, "to": call.tx.to, "selector": "0x" + call.selector.hex(), "value": str(call.tx.value),
        "operation": call.tx.operation, "inner": len(call.inner), "origin": call.origin,
    }  # fmt: skip
    target = address_words(call.tx.chain_id, call.tx.to, names)
    native = names.native.get(call.tx.chain_id)
    value = amount_words(native, call.tx.value, of_chain=True) if native else f"{call.tx.value} wei"
    is_delegate = call.tx.operation == 1
    paid = f", with {value}" if call.tx.value else ""
    if call.declaration is None and not call.tx.data:
        says = f"makes an empty delegate call to {target}{paid}" if is_delegate else f"sends {value} to {target}"
        return Fact(FactKind.CALL, says, data, must=is_delegate)
    if call.declaration is None:
        size = counted(len(call.tx.data), "byte")
        what = f"{'delegate ' if is_delegate else ''}call that could not be decoded"
        says = f"makes a {what}: function {data['selector']} of {target}, {size}{paid}"
        return Fact(FactKind.UNKNOWN, says, data, must=True)
    shown = [(one, _hint(call, nth, names)) for nth, one in enumerate(call.arguments)]
    data["arguments"] = [_argument_data(one, hint) for one, hint in shown]
    arguments = ", ".join(_argument(call, one, hint, names) for one, hint in shown[:_MOST_ARGUMENTS])
    more = f", which carries {counted(len(call.inner), 'call')}" if call.inner else arguments and f" with {arguments}"
    says = f"{'delegate-calls' if is_delegate else 'calls'} {_function(call)} of {target}{paid}{more}"
    return Fact(FactKind.CALL, says if is_delegate else said or says, data, must=is_delegate and not call.inner)


def _sentence(one: Sentence, catalogue: Catalogue, names: Names) -> str:
    """Return our own sentence about a call as a clause; nothing where it has none, or repeats more than a name."""
    pattern = catalogue.pattern(one.call)
    if pattern is None or pattern.source:
        return ""
    label = partial(names.labels.text, one.call.tx.chain_id)  # a token is named by what is said before its address
    words = "".join(part if isinstance(part, str) else label(part.address) for part in one.parts)
    theirs = [part.partition("”")[0] for part in words.split("“")[1:]]
    return words[:1].lower() + words[1:] if all(map(quoted, theirs)) else ""


def _function(call: DecodedCall) -> str:
    name = call.declaration.function.name if call.declaration else ""
    return name if call.origin == OWN_TABLE else quoted(name) or f"function 0x{call.selector.hex()}"


def _hint(call: DecodedCall, place: int, names: Names) -> tuple[str, Token | None] | None:
    """Return of what token an argument is an amount, if it is one."""
    amount = call.declaration.amount if call.declaration else {}
    value = call.arguments[place].value
    if call.origin != OWN_TABLE or amount.get("at") != place or not isinstance(value, int) or isinstance(value, bool):
        return None
    of = amount.get("of")
    if of == "native":
        return "native", names.native.get(call.tx.chain_id)
    found = call.tx.to if of == "self" else call.arguments[of].value if isinstance(of, int) else ""
    return (checksum(found), names.token(call.tx.chain_id, found)) if is_address(found) else None  # type: ignore[arg-type]


def _argument_data(one: Argument, hint: tuple[str, Token | None] | None) -> dict[str, Any]:
    value = one.value.hex() if isinstance(one.value, bytes) else str(one.value)
    known = {"kind": str(one.kind), "value": value[:100]}
    return {**known, "amount_of": hint[0]} if hint else known


def _argument(call: DecodedCall, one: Argument, hint: tuple[str, Token | None] | None, names: Names) -> str:
    is_ours = call.origin == OWN_TABLE
    name = one.name if is_ours else quoted(one.name) or f"argument {call.arguments.index(one) + 1}"
    return f"{name} {_value(call, one, hint, names)}"


def _value(call: DecodedCall, one: Argument, hint: tuple[str, Token | None] | None, names: Names) -> str:
    if hint is None or not isinstance(one.value, int):
        return spelled(one.value, call.tx.chain_id, names)
    of, token = hint
    what = "" if token is None else f" {token.symbol if of == 'native' else quoted(token.symbol)}".rstrip()
    if is_unlimited(one.value, str(one.kind)):
        return f"unlimited{what}"
    return amount_words(token, one.value, of_chain=of == "native") if token else f"{one.value} smallest units"


def spelled(value: AbiValue, chain: int, names: Names) -> str:
    """Write one value; of a stranger's text only how long it is."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return address_words(chain, value, names) if is_address(value) else f"a text of {len(value)} characters"
    if isinstance(value, bytes):
        whole = len(value) <= _SHOWN_BYTES
        return roles().get(value) or ("0x" + value.hex() if whole else f"{len(value)} bytes")
    if isinstance(value, tuple):
        items = ", ".join(spelled(one, chain, names) for one in value[:_SHOWN_ITEMS])
        return f"[{items}{f', … {len(value)} in all' if len(value) > _SHOWN_ITEMS else ''}]"
    return str(value)


def _flag(one: Flag, place: str) -> Fact:
    """Return a flag; one that names a function by a stranger's table names it by its selector."""
    text, call = one.text, one.call
    if call.declaration is not None and call.origin != OWN_TABLE:
        text = text.replace(call.declaration.function.name, _function(call))
    is_loud = one.severity in _LOUD or one.kind is FlagKind.UNDECODED
    return Fact(FactKind.FLAG, f"is flagged {one.severity or 'LOW'}: {text}", {"place": place}, must=is_loud)


def _upgrade(one: Upgrade, place: str, names: Names) -> Fact:
    chain = one.call.tx.chain_id
    old = "code that could not be read" if isinstance(one.old, Unknown) else address_words(chain, one.old, names)
    proxy, new = (address_words(chain, address, names) for address in (one.proxy, one.new))
    data: Mapping[str, Any] = {"place": place, "proxy": one.proxy, "old": str(one.old), "new": one.new}
    return Fact(FactKind.UPGRADE, f"replaces the code of {proxy}: {old} by {new}", data, must=True)
