"""A whole monitor.yaml around every key of the table: what the examples speak of, and what a reader wants with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import yaml

from monitoring.base.yaml.keys import Key, Keyed, Kind
from monitoring.checks.config.check import CheckList, check_keys
from monitoring.checks.rules.keys import Either, Listed
from monitoring.checks.rules.verb import yaml_forms

Wrap = Callable[[Any], Any]
# What the examples speak of.
BASE: dict[str, dict[str, object]] = {
    "": {
        "chain": "mainnet",
        "contracts": dict.fromkeys(("vault", "feed", "loan", "safe"), "0x83F20F44975D03b1b09e64809B757c47f942BEeA"),
        "functions": ["expires()(uint64)", "owner()(address)", "getOwners()(address[])"],
        "values": dict.fromkeys(("size", "price", "a", "b"), "vault.totalAssets()"),
    },
    "checks": {"severity": "high"},
}
# What some readers want to see before they read the rest; other keys are read only without it.
MORE: dict[str, dict[str, object]] = {
    "checks.age": {"max": "25h"},
    "checks.change_of": {"max_rise": "5%"},
    "checks.change_of.levels": {"max_rise": "5%"},
    "checks.watch.levels": {"below": 5},
    "http": {"url": "https://api.example.org/health"},
    "erc4626.total_assets": {"max_change": "5%"},
}


def said(key: Key[Any]) -> object:
    """Return the value of a key's example, as a reader that makes nothing of it has it."""
    return yaml.load(key.example, Loader=yaml.BaseLoader)[key.name]


def least(table: Keyed[Any], path: str, *, more: bool) -> dict[str, object]:
    required = {key.name: said(key) for key in table.keys if key.is_required}
    return required | BASE.get(path, {}) | (MORE.get(path, {}) if more else {})


def everywhere(
    kind: Kind[Any], path: str = "", wrap: Wrap = lambda value: value, *, more: bool = True
) -> Iterator[tuple[str, Keyed[Any], Wrap]]:
    """Yield each table with what makes a whole file of the keys of its mapping."""
    if isinstance(kind, Keyed):
        start = least(kind, path, more=more) | (
            BASE["checks"] if path.startswith("checks.") and path.count(".") == 1 else {}
        )

        def whole(keys: Any) -> Any:
            return wrap({**start, **keys})

        yield path, kind, whole
        for key in kind.keys:
            inside = f"{path}.{key.name}".lstrip(".")
            yield from everywhere(key.kind, inside, lambda value, name=key.name: whole({name: value}), more=more)
    elif isinstance(kind, Listed):
        yield from everywhere(kind.item, path, lambda value: wrap({"x": value} if kind.named else [value]), more=more)
    elif isinstance(kind, Either):
        for one in kind.kinds:
            yield from everywhere(one, path, wrap, more=more)
    elif isinstance(kind, CheckList):
        for name, form in yaml_forms().items():
            yield from everywhere(check_keys(form), f"checks.{name}", lambda value: wrap([value]), more=more)
