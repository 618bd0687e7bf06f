"""Token metadata, asked once and remembered permanently: neither symbol nor decimals of a token change.

Called by `reads.ChainView.tokens`. Symbols are a stranger's text, so they come out short and printable.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Protocol

import orjson

from monitoring.chains.abi.addresses import ZERO, checksum
from monitoring.chains.abi.values import AbiValue, Unknown
from monitoring.chains.networks import NATIVE_TOKEN, Network
from monitoring.chains.rpc.memory import ChainMemory
from monitoring.chains.rpc.multicall import Call, call

_MAX_DECIMALS = 77  # 10**77 is the largest power of ten below 2**256
_MAX_SYMBOL = 24
_NATIVE_DECIMALS = 18


@dataclass(frozen=True, slots=True)
class Token:
    """What turns an integer into an amount."""

    address: str
    symbol: str
    decimals: int

    def amount(self, units: int) -> str:
        """Return `1,250.5 USDC`, exact to the last digit."""
        return f"{self.digits(units)} {self.symbol}"

    def digits(self, units: int) -> str:
        """Return `1,250.5`, exact to the last digit."""
        with localcontext() as context:
            context.prec = 120  # 78 digits of a uint256 and up to 77 decimals
            value = Decimal(units).scaleb(-self.decimals)
            text = f"{value:,f}"
        if "." in text:
            text = text.rstrip("0").rstrip(".")
        return text


class TokenView(Protocol):
    """What of a chain view is needed here."""

    network: Network

    def read(self, calls: Mapping[tuple[str, str], Call]) -> dict[tuple[str, str], AbiValue | Unknown]: ...

    def code(self, addresses: Iterable[str]) -> dict[str, bytes | Unknown]: ...


def native_token(network: Network) -> Token:
    return Token(NATIVE_TOKEN, network.native, _NATIVE_DECIMALS)


def token_metadata(view: TokenView, addresses: Iterable[str], memory: ChainMemory) -> dict[str, Token | Unknown]:
    """Return a token or `Unknown` for each address, as it was written.

    Only addresses with code are asked, all in one multicall. A failed read is not remembered.
    """
    wanted = {written: checksum(written) for written in addresses}
    found: dict[str, Token | Unknown] = {}
    for address in dict.fromkeys(wanted.values()):
        known = _known(view.network, address, memory)
        if known is not None:
            found[address] = known
    missing = [address for address in dict.fromkeys(wanted.values()) if address not in found]
    if missing:
        found.update(_probe(view, missing, memory))
    return {written: found[address] for written, address in wanted.items()}


def _known(network: Network, address: str, memory: ChainMemory) -> Token | None:
    if address in (NATIVE_TOKEN, ZERO):
        return native_token(network)
    text = memory.recall("token", f"{network.id}:{address}")
    if text is None:
        return None
    try:
        symbol, decimals = orjson.loads(text)
    except ValueError:
        return None
    return Token(address, str(symbol), int(decimals))


def _probe(view: TokenView, addresses: list[str], memory: ChainMemory) -> dict[str, Token | Unknown]:
    codes = view.code(addresses)
    found: dict[str, Token | Unknown] = {}
    calls: dict[tuple[str, str], Call] = {}
    for address in addresses:
        code = codes[address]
        if isinstance(code, Unknown):
            found[address] = code
        elif not code:
            found[address] = Unknown(f"{view.network.slug}: {address} is no contract", view.network.slug)
        else:
            calls[address, "symbol"] = call(address, "symbol()(string)")
            calls[address, "symbol32"] = call(address, "symbol()(bytes32)")
            calls[address, "decimals"] = call(address, "decimals()(uint256)")
    answers = view.read(calls) if calls else {}
    for address in addresses:
        if address not in found:
            found[address] = _token(view.network, address, answers, memory)
    return found


def _token(
    network: Network, address: str, answers: Mapping[tuple[str, str], AbiValue | Unknown], memory: ChainMemory
) -> Token | Unknown:
    symbol = _symbol(answers[address, "symbol"], answers[address, "symbol32"])
    decimals = answers[address, "decimals"]
    if isinstance(decimals, Unknown):
        return decimals
    if not symbol or not isinstance(decimals, int) or decimals > _MAX_DECIMALS:
        return Unknown(f"{network.slug}: {address} is no token: it has no symbol or no sane decimals", network.slug)
    token = Token(address, symbol, decimals)
    memory.remember("token", f"{network.id}:{address}", orjson.dumps([token.symbol, token.decimals]).decode())
    return token


def _symbol(text: AbiValue | Unknown, word: AbiValue | Unknown) -> str:
    """Take a string, or the text of a bytes32 as the oldest tokens return it."""
    if isinstance(text, str):
        return clean_symbol(text)
    if isinstance(word, bytes):
        return clean_symbol(word.rstrip(b"\0").decode("utf-8", "replace"))
    return ""


def clean_symbol(text: str) -> str:
    return "".join(char for char in text if char.isprintable()).strip()[:_MAX_SYMBOL]
