"""Values of Morpho's governance in words: caps in the vault's asset, markets by pair and LLTV, calls by their effect.

Words never raise: what cannot be decoded or read is shown as it came, because the alert must go out all the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, cached_property
from pathlib import Path
from typing import Any, cast

import yaml

from monitoring.base.formatting import format_pct, format_seconds
from monitoring.chains.abi.addresses import ZERO, SignatureError, keccak256, short
from monitoring.chains.abi.function import AbiError, decode, encode, parse_function
from monitoring.chains.abi.selectors import Declaration, declare
from monitoring.chains.abi.types import AbiType
from monitoring.chains.abi.values import Unknown
from monitoring.chains.networks import network
from monitoring.chains.rpc.tokens import Token
from utils.chain import Chain, ViewCall
from utils.monitor import addr, call, link

HERE = Path(__file__).parent
WAD = 10**18
YEAR_S = 365 * 24 * 3600
UNLIMITED = 2**128 - 1  # the largest cap of V2; nobody means a number by it, nor by the larger ones of V1
_HOLE = re.compile(r"\{(\w+):([\w/]+)\}")
_PARAMS = AbiType("tuple", (AbiType("address"),) * 4 + (AbiType("uint256"),))
_ID_TO_PARAMS = "idToMarketParams(bytes32)(address,address,address,address,uint256)"
_SELECTOR = 4


@dataclass(frozen=True, slots=True)
class MorphoMarket:
    """A market of Morpho Blue by what defines it; `lltv` is in 1e-18."""

    loan: str
    collateral: str
    oracle: str
    irm: str
    lltv: int

    @property
    def id(self) -> str:
        row = (self.loan, self.collateral, self.oracle, self.irm, self.lltv)
        return "0x" + keccak256(encode([_PARAMS], [row], "market")).hex()


@dataclass(frozen=True, slots=True)
class CallWords:
    """How a call that waits for a delay is put into words, and which view has the value it would replace."""

    declared: Declaration
    says: str
    now: str = ""
    of: str = ""

    @property
    def name(self) -> str:
        return self.declared.function.name

    def arguments(self, data: bytes) -> dict[str, Any]:
        """Return the arguments by name.

        Raises:
            AbiError: the data is not what the declaration says.
        """
        values = decode(self.declared.function.inputs, data[_SELECTOR:], self.name)
        return dict(zip(self.declared.names, values, strict=True))


@cache
def calls() -> Mapping[bytes, CallWords]:
    """Return the calls of calls.yaml by selector."""
    rows = cast("list[dict[str, str]]", read_yaml("calls.yaml")["calls"])
    found = [CallWords(declare(row["call"]), row["says"], row.get("now", ""), row.get("of", "")) for row in rows]
    return {one.declared.function.selector: one for one in found}


def read_yaml(name: str) -> dict[str, Any]:
    """Read a data file of this folder."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return cast("dict[str, Any]", yaml.load((HERE / name).read_text(encoding="utf-8"), Loader=loader))  # noqa: S506 - a safe loader


class Words:
    """Puts the values of one vault into words, with what its chain says of tokens, accounts and markets."""

    def __init__(self, chain: Chain, chain_id: int, asset: str | Unknown, morpho: ViewCall) -> None:
        """`morpho` is the view that has the address of Morpho itself; it is only asked for an id."""
        self._chain = chain
        self._chain_id = chain_id
        self._asset = asset
        self._morpho_view = morpho

    def text(self, template: str, values: Mapping[str, Any]) -> str:
        """Fill `{argument:form}`; a form with a slash has the words for true and false."""

        def fill(hole: re.Match[str]) -> str:
            value, form = values.get(hole[1]), hole[2]
            if "/" in form:
                yes, no = form.split("/")
                return yes if value else no
            return str(getattr(self, f"as_{form}")(value))

        return _HOLE.sub(fill, template)

    # -- the forms of the data files -----------------------------------------------------------------------------------

    def as_account(self, address: Any) -> str:  # noqa: ANN401 - an argument, as all of these
        """Return an account's name and short address; the zero address is none."""
        text = str(address)
        if text.lower() == ZERO:
            return "none"
        label = self._chain.label(text)
        return short(text) if label == text else label

    def as_amount(self, units: Any) -> str:  # noqa: ANN401
        """Return an amount of the vault's asset, `unlimited` where it stands for no limit."""
        if units >= UNLIMITED:
            return "unlimited"
        token = self._token
        return f"{units:,} units of an unknown asset" if token is None else token.amount(units)

    def as_share(self, wad: Any) -> str:  # noqa: ANN401
        """Return a share in 1e-18 as a percentage."""
        return "unlimited" if wad >= UNLIMITED else format_pct(Fraction(wad, WAD))

    def as_yearly(self, wad: Any) -> str:  # noqa: ANN401
        """Return a fee in 1e-18 a second as a percentage a year."""
        return f"{format_pct(Fraction(wad * YEAR_S, WAD))} a year"

    def as_span(self, seconds: Any) -> str:  # noqa: ANN401
        return "no delay" if seconds == 0 else format_seconds(seconds)

    def as_function(self, selector: Any) -> str:  # noqa: ANN401
        """Return a function's name; the selector where it is not known."""
        found = calls().get(bytes(selector))
        return found.name if found else "0x" + bytes(selector).hex()

    def as_market(self, market: Any) -> str:  # noqa: ANN401
        """Return `market wstETH/WETH 94.5%`; of an id that Morpho does not know, the id."""
        found = market if isinstance(market, MorphoMarket) else self.market("0x" + bytes(market).hex())
        if found is None:
            return f"market {'0x' + bytes(market).hex()[:8]}…"
        if found.collateral.lower() == ZERO:
            return f"the idle market of {self._symbol(found.loan)}"
        pair = f"{self._symbol(found.collateral)}/{self._symbol(found.loan)}"
        return f"market {pair} {format_pct(Fraction(found.lltv, WAD))}"

    def as_risk(self, id_data: Any) -> str:  # noqa: ANN401
        """Return what a cap of V2 is about: a market, a collateral, or all of an adapter."""
        kind, about = read_risk(bytes(id_data))
        if isinstance(about, MorphoMarket):
            return self.as_market(about)
        if kind == "collateralToken":
            return f"collateral {self._symbol(about)}"
        if kind == "this":
            return f"adapter {self.as_account(about)}"
        return f"id {about[:10]}…"

    def as_call(self, data: Any) -> str:  # noqa: ANN401
        """Return what a submitted call does; one that is not known or does not decode as its selector and size."""
        raw = bytes(data)
        found = calls().get(raw[:_SELECTOR])
        if found is not None:
            try:
                return self.text(found.says, found.arguments(raw))
            except (AbiError, SignatureError):
                return f"{found.name} with arguments that do not decode ({len(raw)} bytes)"
        return f"an unknown call 0x{raw[:_SELECTOR].hex()} ({len(raw)} bytes)"

    # -- what an alert shows below its title ---------------------------------------------------------------------------

    def rows(self, values: Mapping[str, Any]) -> dict[str, object]:
        """Return the accounts and the market among the arguments, linked."""
        found: dict[str, object] = {}
        for name, value in _arguments(values).items():
            if name in ("caller", "sender"):
                continue  # who did it is said anyway
            if isinstance(value, str) and value.startswith("0x") and value.lower() != ZERO:
                found[_spaced(name)] = addr(value, None, self._chain_id)
            elif isinstance(value, bytes) and (market := self._market_in(name, value)) is not None:
                found |= self._market_rows(market)
        return found

    def current(self, data: bytes) -> tuple[str, tuple[Any, ...], str] | None:
        """Return the view that has the value a call would replace, its arguments, and the form it is shown in."""
        found = calls().get(data[:_SELECTOR])
        if found is None or not found.now:
            return None
        try:
            value = found.arguments(data).get(found.of)
        except (AbiError, SignatureError):
            return None
        wants_hash = parse_function(found.now).inputs and isinstance(value, bytes) and "idData" in found.of
        arguments = () if not found.of else (keccak256(value) if wants_hash and isinstance(value, bytes) else value,)
        return found.now, arguments, _HOLE.findall(found.says)[-1][1]

    def market(self, market: str) -> MorphoMarket | None:
        """Return a market by its id, as Morpho itself has it."""
        found = self._chain.read(row=call(self._morpho, _ID_TO_PARAMS, market)).row
        return None if isinstance(found, Unknown) or found[0].lower() == ZERO else MorphoMarket(*found)

    def _market_in(self, name: str, value: bytes) -> MorphoMarket | None:
        if name == "idData":
            about = read_risk(value)[1]
            return about if isinstance(about, MorphoMarket) else None
        return self.market("0x" + value.hex()) if name == "id" else None

    def _market_rows(self, market: MorphoMarket) -> dict[str, object]:
        url = f"https://app.morpho.org/{network(self._chain_id).name.lower()}/market/{market.id}"
        rows: dict[str, object] = {"Market": link(self.as_market(market).removeprefix("market "), url)}
        for name, address in (("Collateral", market.collateral), ("Oracle", market.oracle)):
            if address.lower() != ZERO:
                rows[name] = addr(address, None, self._chain_id)
        return rows

    @cached_property
    def _morpho(self) -> str | Unknown:
        found: str | Unknown = self._chain.read(morpho=self._morpho_view).morpho
        return found

    @cached_property
    def _token(self) -> Token | None:
        found = self._asset if isinstance(self._asset, Unknown) else self._chain.token(self._asset)
        return None if isinstance(found, Unknown) else found

    def _symbol(self, address: str) -> str:
        found = self._chain.token(address)
        return short(address) if isinstance(found, Unknown) else found.symbol


def read_risk(id_data: bytes) -> tuple[str, Any]:
    """Return the kind of a V2 id and what it is about: an address, a market, or the hash of what is not understood."""
    address, text = AbiType("address"), AbiType("string")
    shapes: Mapping[str, Sequence[AbiType]] = {
        "this": (text, address),
        "collateralToken": (text, address),
        "this/marketParams": (text, address, _PARAMS),
    }
    for kind, types in shapes.items():
        try:
            values = decode(types, id_data, "id")
        except AbiError:
            continue
        if values[0] == kind:
            found: Any = values[-1]
            return kind, MorphoMarket(*found) if isinstance(found, tuple) else found
    return "", "0x" + keccak256(id_data).hex()


def _arguments(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the arguments of the call that an event carries; of any other event its own."""
    data = values.get("data")
    if not isinstance(data, bytes):
        return values
    found = calls().get(data[:_SELECTOR])
    try:
        return found.arguments(data) if found else {}
    except (AbiError, SignatureError):
        return {}


def _spaced(name: str) -> str:
    return re.sub(r"([A-Z])", lambda big: f" {big[1].lower()}", name).capitalize()
