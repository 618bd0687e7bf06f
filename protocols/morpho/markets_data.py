"""What the Morpho monitors watch and allow: the vaults, markets and limits in the YAML files next to this one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

from monitoring.base.errors import UsageError
from monitoring.base.yaml.keys import Kind, Many, Named, One, Table, key, keys, read_value
from monitoring.base.yaml.marks import Mistakes, Scalar, YamlNode
from monitoring.base.yaml.reader import read_yaml
from monitoring.chains.abi.addresses import ZERO, address_problem
from monitoring.chains.networks import network
from monitoring.checks.rules.keywords import number

T = TypeVar("T")
HERE = Path(__file__).parent
_APP = "https://app.morpho.org"
_HIGH_LLTV, _LOW_LLTV = Fraction(86, 100), Fraction(77, 100)
_ID_LENGTH = 66
_TIERS = ("1", "2", "3", "4", "5")


def _address(value: Scalar) -> str:
    if problem := address_problem(value.text):
        raise ValueError(problem)
    return value.text


def _chain(value: Scalar) -> str:
    try:
        return network(value.text).slug
    except UsageError as error:
        raise ValueError(str(error)) from None


def _id(value: Scalar) -> str:
    if not _is_id(value.text):
        raise ValueError(f"{value.text!r} is no market id: write 0x and 64 hex digits")
    return value.text.lower()


def _rated(value: Scalar) -> str:
    """Read what has a tier: a market by its id, or an adapter of a vault V2 by its address."""
    return _address(value).lower() if len(value.text) == len(ZERO) else _id(value)


def _is_id(text: str) -> bool:
    return len(text) == _ID_LENGTH and text.startswith("0x") and _is_hex(text[2:])


def _is_hex(text: str) -> bool:
    return all(one in "0123456789abcdefABCDEF" for one in text)


def _amount(value: Scalar) -> Fraction:
    try:
        found = Fraction(number(value.text, "value"))
    except UsageError as error:
        raise ValueError(str(error)) from None
    if found <= 0:
        raise ValueError(f"{value.text!r} does not fit: write a number greater than 0")
    return found


def _tier(value: Scalar) -> int:
    if value.text not in _TIERS:
        raise ValueError(f"{value.text!r} is no tier: write 1 (safest) to 5")
    return int(value.text)


def _text(value: Scalar) -> str:
    if value.is_null or not value.text.strip():
        raise ValueError("there is no text: write one")
    return value.text.strip()


_ADDRESS, _CHAIN = One("address", _address, {}), One("chain", _chain, {})
_ID, _RATED = One("market id", _id, {}), One("market id or address", _rated, {})
_AMOUNT = One("number", _amount, {})
_TIER, _TEXT = One("tier", _tier, {}), One("text", _text, {})
_BY_TIER = Named(One("tier", lambda value: str(_tier(value)), {}), _AMOUNT)


@keys
class WatchedVault:
    """A vault that is watched. `risk_level` is how much risk it may take; its generation comes with the file."""

    name: str = key(_TEXT, "Its name.", example='name: "Yearn USDC"')
    chain: str = key(_CHAIN, "Its chain.", example="chain: mainnet")
    address: str = key(_ADDRESS, "Its address.", example='address: "0x…"')
    risk_level: int = key(_TIER, "How much risk it may take.", example="risk_level: 1")
    collateral_asset: str = key(_ADDRESS, "The asset of the Yearn vault that invests here.", default="")
    version: int = 1

    @property
    def subject(self) -> str:
        """Return its name with its generation: the subject of its conditions, with the chain."""
        suffix = f"V{self.version}"
        return self.name if self.name.endswith(suffix) else f"{self.name} {suffix}"

    @property
    def title(self) -> str:
        return f"{self.subject} on {network(self.chain).name}"

    @property
    def page(self) -> str:
        return f"{_APP}/{network(self.chain).name.lower()}/vault/{self.address}"


@keys
class TieredMarket:
    """A market with its tier, 1 safest; or an adapter, by its address in place of an id."""

    id: str = key(_RATED, "Its id.", example='id: "0x…"')
    chain: str = key(_CHAIN, "Its chain.", example="chain: mainnet")
    tier: int = key(_TIER, "Its tier.", example="tier: 2")
    pair: str = key(_TEXT, "Collateral and loan token.", example='pair: "WBTC/USDC"')
    lltv: Fraction | None = key(_AMOUNT, "A note for people.", default=None)
    oracle: tuple[str, ...] = key(Many(_TEXT), "A note for people.", default=())


@keys
class UnwindMarket:
    """A market whose collateral is a vault of `asset`, which a liquidator has to withdraw."""

    asset: str = key(_TEXT, "The symbol.", example="asset: USDC")
    asset_address: str = key(_ADDRESS, "What the collateral is withdrawn as.", example='asset_address: "0x…"')
    chain: str = key(_CHAIN, "Its chain.", example="chain: katana")
    id: str = key(_ID, "Its id.", example='id: "0x…"')
    morpho: str = key(_ADDRESS, "Morpho on this chain.", example='morpho: "0x…"')

    @property
    def page(self) -> str:
        return f"{_APP}/{network(self.chain).name.lower()}/market/{self.id}"


@keys
class _PriceFall:
    """How far a price falls in the shock, by the loan-to-value limit of the market."""

    high: Fraction = key(_AMOUNT, "From 86% on.", example="high: 2%")
    middle: Fraction = key(_AMOUNT, "Between.", example="middle: 10%")
    low: Fraction = key(_AMOUNT, "Up to 77%.", example="low: 15%")


@keys
class Limits:
    """What a vault may hold; risk.yaml explains each."""

    max_share: Mapping[str, Fraction] = key(_BY_TIER, "Of a vault in one market.", example="max_share: {1: 101%, …}")
    max_risk: Mapping[str, Fraction] = key(_BY_TIER, "The weighted tier.", example="max_risk: {1: 1.15, …}")
    unknown_tier: int = key(_TIER, "Of a market without a tier.", example="unknown_tier: 5")
    bad_debt: Fraction = key(_AMOUNT, "Of what is borrowed.", example="bad_debt: 0.5%")
    liquidity: Fraction = key(_AMOUNT, "Of a vault.", example="liquidity: 1%")
    smallest: Fraction = key(_AMOUNT, "US dollars.", example="smallest: 10_000")
    coverage: Fraction = key(_AMOUNT, "Of the collateral at risk.", example="coverage: 1.25")
    price_fall: _PriceFall = key(
        Table(_PriceFall), "The shock.", example="price_fall: {high: 2%, middle: 10%, low: 15%}"
    )

    def share_of(self, tier: int, level: int) -> Fraction:
        """Return the largest share in a market of a tier, for a vault of a risk level."""
        return self.max_share[str(max(1, tier - (level - 1)))]

    def fall_at(self, lltv: Fraction) -> Fraction:
        """Return how far the collateral's price falls in the shock."""
        if lltv >= _HIGH_LLTV:
            return self.price_fall.high
        return self.price_fall.low if lltv <= _LOW_LLTV else self.price_fall.middle


@dataclass(frozen=True, slots=True)
class Book:
    """All of it. `tiers` is by chain and market id."""

    vaults: tuple[WatchedVault, ...]
    tiers: Mapping[tuple[str, str], TieredMarket]
    unwind: tuple[UnwindMarket, ...]
    limits: Limits


def load(folder: Path = HERE) -> Book:
    """Read the files.

    Raises:
        ConfigError: each mistake with its file, line and column.
    """
    v1, v2 = (_rows(folder / name, WatchedVault) for name in ("vaults.yaml", "vaults_v2.yaml"))
    markets = _rows(folder / "markets.yaml", TieredMarket)
    limits = _read(folder / "risk.yaml", Table(Limits))
    if missing := [tier for tier in _TIERS if tier not in limits.max_share or tier not in limits.max_risk]:
        raise UsageError(
            f"{folder / 'risk.yaml'}: max_share and max_risk need each tier: {', '.join(missing)} is missing"
        )
    vaults = (*v1, *(replace(one, version=2) for one in v2))
    _once(folder / "vaults.yaml, vaults_v2.yaml", [(one.chain, one.address) for one in vaults])
    _once(folder / "vaults.yaml, vaults_v2.yaml", [(one.chain, one.subject) for one in vaults])
    _once(folder / "markets.yaml", [(one.chain, one.id) for one in markets])
    unwind = _rows(folder / "markets_unwind.yaml", UnwindMarket)
    return Book(vaults, {(one.chain, one.id): one for one in markets}, unwind, limits)


def _rows(path: Path, cls: type[T]) -> tuple[T, ...]:
    return _read(path, Many(Table(cls), may_be_empty=False))


def _read(path: Path, kind: Kind[T]) -> T:
    mistakes = Mistakes(str(path))
    node = read_yaml(path, mistakes)
    found = read_value(kind, YamlNode(node, "", mistakes)) if node is not None else None
    mistakes.raise_any()
    if found is None:
        raise UsageError(f"{path}: there is nothing in it")
    return found


def _once(path: Path, names: list[tuple[str, str]]) -> None:
    if twice := [" ".join(one) for one in dict.fromkeys(names) if names.count(one) > 1]:
        raise UsageError(f"{path}: {', '.join(twice)} is listed twice: remove one")
