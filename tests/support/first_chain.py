"""The chain a new user meets in tests: a Safe, a timelock, a token and a vault of it, and a Multicall."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from monitoring.chains.abi.addresses import checksum
from monitoring.checks.expression.evaluate import ViewRead
from tests.support import anvil, parts
from tests.support.answers import put_answers, put_multicall
from tests.support.anvil import Anvil
from tests.support.safes import CURATION, safe_at
from tests.support.timelocks import DAY, timelock_at

VAULT = checksum("0x" + "e4" * 20)
ASSET = checksum("0x" + "a5" * 20)
_ONE_SHARE, _PROBE = 10**18, 10**24  # what `init` asks, and what the check of a share price asks


@contextmanager
def first_chain() -> Iterator[Anvil]:
    if anvil.binary() is None:
        parts.missing(anvil.HOW_TO_GET_IT)
    with anvil.running("--chain-id", "1") as node:
        put_multicall(node)
        safe_at(node)
        timelock_at(node, "oz5", 2 * DAY)
        put_views(node, ASSET, symbol="US\x1bDC", decimals=6, totalSupply=10**15, owner=CURATION, paused=False)
        put_views(node, VAULT, symbol="vUSDC", decimals=18, totalSupply=10**24, asset=ASSET, totalAssets=2 * 10**12)
        put_views(node, VAULT, paused=False, owner=CURATION)
        put_share_price(node, 1_050_000)
        node.mine(3)
        yield node


def put_share_price(node: Anvil, assets: int) -> None:
    """Set how many units of the asset one share of the vault is worth."""
    for probe in (_ONE_SHARE, _PROBE):
        call = ViewRead(1, VAULT, "convertToAssets(uint256)(uint256)", (probe,))
        put_answers(node, {call: assets * probe // _ONE_SHARE})


def put_views(node: Anvil, target: str, **views: object) -> None:
    """Let an address answer views without arguments."""
    kinds = {bool: "bool", int: "uint256"}
    for name, value in views.items():
        kind = "address" if isinstance(value, str) and value.startswith("0x") else kinds.get(type(value), "string")
        put_answers(node, {ViewRead(1, target, f"{name}()({kind})"): value})  # type: ignore[dict-item]
