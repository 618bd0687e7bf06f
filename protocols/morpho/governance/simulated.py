"""The chains, vaults and calls that the drills of governance run on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from monitoring.chains.abi.addresses import ZERO, keccak256
from monitoring.chains.abi.function import encode
from monitoring.chains.abi.types import AbiType
from monitoring.checks.recorded.sim_chain import SimLog
from protocols.morpho.governance.events import declarations
from protocols.morpho.governance.main import govern
from protocols.morpho.governance.words import MorphoMarket, calls
from protocols.morpho.markets_data import WatchedVault, load
from utils.monitor import Context, monitor
from utils.testing import Run, SimChain, SimClock, run

OWNER, CURATOR, GUARDIAN = (f"0x{digit * 40}" for digit in "234")
NEW = "0x" + "7" * 40
USDC, WETH, WSTETH = "0x" + "a1" * 20, "0x" + "b2" * 20, "0x" + "c3" * 20
MORPHO, ORACLE, IRM, ADAPTER = (f"0x{digits * 20}" for digits in ("d4", "e5", "f6", "17"))
MARKET = MorphoMarket(USDC, WSTETH, ORACLE, IRM, 86 * 10**16)
WATCHED = load()
V1, V2, BASE, KATANA = (
    next(one for one in WATCHED.vaults if (one.version, one.chain) == wanted)
    for wanted in ((1, "mainnet"), (2, "mainnet"), (2, "base"), (2, "katana"))
)


class GovernanceWorld:
    """The three chains with every watched vault on them, the clock, and the store that the runs share."""

    def __init__(self, folder: Path, *vaults: WatchedVault, first_run: bool = True) -> None:
        self.store = folder / f"run{len([*folder.iterdir()])}"
        self.store.mkdir()
        self.clock = SimClock()
        self.vaults = vaults or (V1, V2)
        self.chains = {one.chain: SimChain(chain=one.chain) for one in self.vaults}
        for chain in self.chains.values():
            for vault in (one for one in self.vaults if one.chain == chain.chain):
                chain.calls |= _views(vault)
            for token, symbol, decimals in ((USDC, "USDC", 6), (WETH, "WETH", 18), (WSTETH, "wstETH", 18)):
                chain.calls |= {(token, "symbol()(string)"): symbol, (token, "decimals()(uint8)"): decimals}
            chain.calls[MORPHO, "idToMarketParams(bytes32)(address,address,address,address,uint256)"] = _params
            chain.calls |= {(ADAPTER, "morpho()(address)"): MORPHO, (ADAPTER, "executableAt(bytes)(uint256)"): 0}
        if first_run and self.run():
            raise AssertionError("the first run of a quiet world reports something")

    def run(self, after: str = "1h") -> Run:
        """Run the monitor once, later."""

        @monitor("morpho-governance", channel="morpho", runbook="protocols/morpho/governance/README.md")
        def governance(m: Context) -> None:
            govern(m, replace(WATCHED, vaults=self.vaults))

        self.clock.move(after)
        return run(governance, store=self.store, chain=self.chains.values(), clock=self.clock)

    def emit(self, vault: WatchedVault, name: str, *values: Any, contract: str = "") -> SimLog:  # noqa: ANN401
        """Let a vault, or its adapter, emit one of its events."""
        declared = next(one for one in declarations() if one.startswith(f"{name}("))
        return self.chains[vault.chain].emit(contract or vault.address, declared, *values)

    def set(self, vault: WatchedVault, view: str, value: Any, contract: str = "") -> None:  # noqa: ANN401
        """Let a view that the world has answer something else."""
        key, calls = (contract or vault.address, view), self.chains[vault.chain].calls
        calls[key] = value if key in calls else calls[key]

    @property
    def later(self) -> int:
        """An instant in three days."""
        return int(self.clock.now().timestamp()) + 3 * 86400


def _params(market: bytes) -> tuple[Any, ...]:
    row = (MARKET.loan, MARKET.collateral, MARKET.oracle, MARKET.irm, MARKET.lltv)
    return row if "0x" + market.hex() == MARKET.id else (ZERO,) * 4 + (0,)


def _views(vault: WatchedVault) -> dict[tuple[str, str], Any]:
    views: dict[str, Any] = {
        "asset()(address)": USDC,
        "owner()(address)": OWNER,
        "curator()(address)": CURATOR,
        "isAllocator(address)(bool)": True,
    }
    if vault.version == 1:
        views |= {
            "guardian()(address)": GUARDIAN,
            "MORPHO()(address)": MORPHO,
            "timelock()(uint256)": 3 * 86400,
            "pendingTimelock()(uint192,uint64)": (0, 0),
            "pendingGuardian()(address,uint64)": (ZERO, 0),
            "pendingCap(bytes32)(uint192,uint64)": (0, 0),
            "config(bytes32)(uint184,bool,uint64)": (10**12, True, 0),
            "withdrawQueueLength()(uint256)": 1,
            "withdrawQueue(uint256)(bytes32)": bytes.fromhex(MARKET.id[2:]),
        }
    else:
        views |= {
            "adaptersLength()(uint256)": 1,
            "adapters(uint256)(address)": ADAPTER if vault == V2 else vault.address,
            "isSentinel(address)(bool)": True,
            "executableAt(bytes)(uint256)": 0,
            "absoluteCap(bytes32)(uint256)": 10**12,
            "relativeCap(bytes32)(uint256)": 10**17,
        }
    return {(vault.address, view): value for view, value in views.items()}


def market_id(market: MorphoMarket = MARKET) -> bytes:
    return bytes.fromhex(market.id[2:])


def value_of(kind: str, name: str) -> Any:  # noqa: ANN401
    """A value of a type that suits an argument of this name."""
    if name == "idData":
        return risk_of(MARKET)
    sizes = {"cap": 5 * 10**12, "duration": 86400, "fee": 10**17, "penalty": 10**16}
    by_type = {"address": NEW, "bool": True, "bytes32": market_id(), "bytes4": keccak256("addAdapter(address)")[:4]}
    return by_type.get(kind, sizes.get(name, 5 * 10**12))


def risk_of(market: MorphoMarket) -> bytes:
    params = AbiType("tuple", (AbiType("address"),) * 4 + (AbiType("uint256"),))
    row = (market.loan, market.collateral, market.oracle, market.irm, market.lltv)
    return encode([AbiType("string"), AbiType("address"), params], ["this/marketParams", ADAPTER, row], "id")


def data_of(name: str, *values: Any) -> bytes:  # noqa: ANN401
    found = next(one.declared.function for one in calls().values() if one.name == name)
    return found.encode(values)


def submit(world: GovernanceWorld, data: bytes, contract: str = V2.address) -> Run:
    world.set(V2, "executableAt(bytes)(uint256)", world.later, contract)
    world.emit(V2, "Submit", data[:4], data, world.later, contract=contract)
    return world.run()


def call_of(name: str) -> bytes:
    found = next(one for one in calls().values() if one.name == name)
    sizes = {"setManagementFee": 10**9, "increaseRelativeCap": 4 * 10**17}
    kinds = [str(kind) for kind in found.declared.function.inputs]
    values = [value_of(*pair) for pair in zip(kinds, found.declared.names, strict=True)]
    return found.declared.function.encode([*values[:-1], sizes.get(name, values[-1])])
