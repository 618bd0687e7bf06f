"""Morpho Blue and a vault of it (MetaMorpho) on a real node: compiled from the sources that an npm package carries.

They differ from what is deployed by their pragma and comments alone.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from functools import cache
from typing import Any

from tests.support import parts
from tests.support.anvil import Anvil
from tests.support.contracts import NODE_MODULES, Artifact, Contract, artifact
from tests.support.rpc import RpcError

LLTV = 86 * 10**16
PRICE = 10**36
_DAY_S = 86_400
_WEALTH = 10**30
_SOURCES = {
    "Morpho": "metamorpho/domains/morpho/contracts/Morpho.sol",
    "MetaMorpho": "metamorpho/domains/metamorpho/contracts/MetaMorpho.sol",
    "IrmMock": "metamorpho/domains/morpho/contracts/mocks/IrmMock.sol",
    "OracleMock": "metamorpho/domains/morpho/contracts/mocks/OracleMock.sol",
}


@cache
def compiled() -> dict[str, Artifact]:
    """Compile them once a process; it takes some seconds."""
    if not (NODE_MODULES / "metamorpho").exists() or not (NODE_MODULES / "solc").exists():
        parts.missing("no metamorpho or no solc in node_modules: run `make node`")
    parts.require("node")
    asked = [word for name, path in _SOURCES.items() for word in (path, name)]
    done = subprocess.run(
        ["node", "tests/support/compile_sources.mjs", *asked],
        cwd=NODE_MODULES.parent, check=True, capture_output=True, timeout=250,
    )  # fmt: skip
    return {
        name: Artifact(name, tuple(one["abi"]), f"0x{one['bytecode']}", f"0x{one['deployedBytecode']}")
        for name, one in json.loads(done.stdout).items()
    }


@dataclass(frozen=True, slots=True)
class MorphoOnChain:
    """Morpho with one vault and two markets, which the vault fills in turn up to their caps."""

    node: Anvil
    morpho: Contract
    vault: Contract
    loan: Contract
    collaterals: tuple[Contract, ...]
    oracle: Contract
    irm: Contract

    def params(self, market: int) -> tuple[Any, ...]:
        return (self.loan.address, self.collaterals[market].address, self.oracle.address, self.irm.address, LLTV)

    def borrow(self, market: int, borrower: str, collateral: int, amount: int) -> None:
        """Let an account of the node borrow against collateral."""
        token = self.collaterals[market]
        token.send("transfer", borrower, collateral)
        token.send("approve", self.morpho.address, collateral, sender=borrower)
        self.morpho.send("supplyCollateral", self.params(market), collateral, borrower, b"", sender=borrower)
        self.morpho.send("borrow", self.params(market), amount, 0, borrower, borrower, sender=borrower)

    def can_be_liquidated(self, market: int, borrower: str) -> bool:
        """Ask Morpho itself; that nobody pays comes after that."""
        call = self.morpho.artifact.calldata("liquidate", self.params(market), borrower, 1, 0, b"")
        try:
            self.node.call(self.morpho.address, call)
        except RpcError as error:
            return "position is healthy" not in str(error)
        return True


def deploy(node: Anvil, caps: tuple[int, int]) -> MorphoOnChain:
    """Create everything and deposit what fills both caps."""
    built, owner = compiled(), node.accounts[0]
    token = artifact("oz4", "ERC20PresetFixedSupply")
    loan, *collaterals = (token.deploy(node, name, name, _WEALTH, owner) for name in ("USDX", "SAFE", "RISKY"))
    morpho = built["Morpho"].deploy(node, owner)
    oracle, irm = built["OracleMock"].deploy(node), built["IrmMock"].deploy(node)
    vault = built["MetaMorpho"].deploy(node, owner, morpho.address, _DAY_S, loan.address, "Acme", "acme")
    found = MorphoOnChain(node, morpho, vault, loan, tuple(collaterals), oracle, irm)
    oracle.send("setPrice", PRICE)
    morpho.send("enableIrm", irm.address)
    morpho.send("enableLltv", LLTV)
    for market, cap in enumerate(caps):
        morpho.send("createMarket", found.params(market))
        vault.send("submitCap", found.params(market), cap)
    node.increase_time(_DAY_S + 1)
    for market in range(len(caps)):
        vault.send("acceptCap", found.params(market))
    vault.send("setSupplyQueue", [vault.call("withdrawQueue", place) for place in range(len(caps))])
    loan.send("approve", vault.address, _WEALTH)
    vault.send("deposit", sum(caps), owner)
    return found
