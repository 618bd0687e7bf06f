"""The built-in type `erc4626`: what its rows become, what they judge, and every mistake at its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.base.errors import ConfigError
from monitoring.chains.abi.values import Unknown
from monitoring.checks.builtin import TYPES
from monitoring.checks.config.load import load_monitor
from monitoring.checks.engine.plan import CheckInstance, ReadContext
from monitoring.checks.expression.evaluate import PENDING, ViewRead
from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.conditions.outcome import Reason
from tests.support.evaluating import judge_file
from tests.support.properties import patient

NOW = datetime(2026, 5, 1, tzinfo=UTC)
VAULT, USDC = "0x056B269Eb1f75477a8666ae8C7fE01b64dD55eCc", "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"
FILE = f"""\
monitor: vaults
chain: 1
erc4626:
  - name: usd3
    address: "{VAULT}"
    decimals: 6
    asset: USDC
    share_price: critical
    total_assets: {{max_change: 15%, baseline_max_age: 3h, severity: low}}
    exit: {{of: availableWithdrawLimit, at_least: 4_000_000, severity: medium, worse_by: 500_000}}
    flags: {{isShutdown: critical, paused: high}}
"""
WELL: dict[str, Any] = {
    "convertToAssets": lambda shares: shares * 1_070_000_000 // 1_000_000_000,
    "totalAssets": 50_000_000 * 10**6,
    "availableWithdrawLimit": 5_000_000 * 10**6,
    "isShutdown": False,
    "paused": False,
    "asset": USDC.lower(),
    "symbol": "USDC",
}


class Table:
    """Answers calls by function name; a callable gets the arguments."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self.answers, self.asked = answers, list[ViewRead]()

    def read(self, questions: Sequence[ViewRead]) -> dict[ViewRead, Any]:
        self.asked += questions
        return {one: self._answer(one) for one in questions}

    def _answer(self, call: ViewRead) -> Any:
        found = self.answers.get(call.signature.split("(")[0], Unknown("execution reverted"))
        return found(*call.arguments) if callable(found) else found


@pytest.fixture
def vaults(tmp_path: Path) -> Path:
    path = tmp_path / "monitor.yaml"
    path.write_text(FILE)
    return path


def drive(path: Path, *steps: dict[str, Any]) -> list[dict[str, str]]:
    """Judge the file an hour apart, each step changing the chain; return what was told."""
    conditions: dict[ConditionKey, Condition] = {}
    said = []
    for hour, changes in enumerate(steps):
        outcomes, _ = judge_file(path, Table({**WELL, **changes}), conditions, NOW + timedelta(hours=hour))
        conditions = {key: one.condition for key, one in outcomes.items()}
        said.append({
            key.check: f"{one.transition.kind} {one.transition.severity.name.lower()}"
            for key, one in outcomes.items() if one.transition
        })  # fmt: skip
    return said


def price(assets_per_billion: int) -> Any:
    return lambda shares: shares * assets_per_billion // 1_000_000_000


def test_a_row_becomes_one_condition_a_question_about_the_vault(vaults: Path) -> None:
    keys = [part.key for part in load_monitor(vaults, TYPES).parts()]

    assert keys == [
        ConditionKey("vaults", check, 1, "usd3")
        for check in ("share-price", "total-assets", "exit-liquidity", "asset", "flag-isShutdown", "flag-paused")
    ]


def test_a_well_vault_says_nothing_however_often_it_is_read(vaults: Path) -> None:
    assert drive(vaults, {}, {}, {}) == [{}, {}, {}]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"convertToAssets": price(1_069_999_999)}, {"share-price": "fired critical"}),
        ({"convertToAssets": price(1_070_000_001)}, {}),
        ({"totalAssets": 50_000_000 * 10**6 * 84 // 100}, {"total-assets": "fired low"}),
        ({"totalAssets": 50_000_000 * 10**6 * 85 // 100}, {}),
        ({"availableWithdrawLimit": 4_000_000 * 10**6 - 1}, {"exit-liquidity": "fired medium"}),
        ({"availableWithdrawLimit": 4_000_000 * 10**6}, {}),
        ({"isShutdown": True}, {"flag-isShutdown": "fired critical"}),
        ({"paused": True}, {"flag-paused": "fired high"}),
        ({"symbol": "USDT"}, {"asset": "fired high"}),
    ],
)
def test_each_check_fires_past_its_bound_and_not_at_it(
    vaults: Path, changes: dict[str, Any], told: dict[str, str]
) -> None:
    assert drive(vaults, {}, changes)[1] == told


def test_what_is_over_recovers_and_a_worse_exit_is_told_again(vaults: Path) -> None:
    short, shorter = {"availableWithdrawLimit": 3_900_000 * 10**6}, {"availableWithdrawLimit": 3_300_000 * 10**6}

    assert drive(vaults, {}, short, short, shorter, {}) == [
        {},
        {"exit-liquidity": "fired medium"},
        {},
        {"exit-liquidity": "worsened medium"},
        {"exit-liquidity": "recovered medium"},
    ]


def test_a_view_that_fails_blinds_its_own_check_only_and_clears_nothing(vaults: Path) -> None:
    conditions: dict[ConditionKey, Condition] = {}
    for function in WELL:
        outcomes, _ = judge_file(vaults, Table({**WELL, function: Unknown("reverted")}), conditions, NOW)
        unknown = {key.check for key, one in outcomes.items() if one.reason is Reason.UNKNOWN}
        assert (
            unknown
            == {
                "convertToAssets": {"share-price"},
                "totalAssets": {"total-assets"},
                "availableWithdrawLimit": {"exit-liquidity"},
                "isShutdown": {"flag-isShutdown"},
                "paused": {"flag-paused"},
                "asset": {"asset"},
                "symbol": {"asset"},
            }[function]
        )
        assert not any(one.transition for one in outcomes.values())


@pytest.mark.parametrize(
    ("decimals", "asset_decimals", "probe", "price"),
    [(6, 6, 10**18, 1), (18, 18, 10**24, 1), (18, 6, 10**24, 1), (8, 18, 10**18, 1), (0, 6, 10**18, 1)],
)
def test_the_probe_is_large_and_the_price_is_that_of_one_whole_share(
    tmp_path: Path, decimals: int, asset_decimals: int, probe: int, price: int
) -> None:
    path = tmp_path / "monitor.yaml"
    path.write_text(
        f'monitor: v\nchain: 1\nerc4626:\n  - {{name: a, address: "{VAULT}", decimals: {decimals}, '
        f"asset_decimals: {asset_decimals}, share_price: high}}\n"
    )
    # One whole share is worth one whole asset.
    table = Table({"convertToAssets": lambda shares: shares * 10**asset_decimals // 10**decimals})

    outcomes, _ = judge_file(path, table, {}, NOW)

    (outcome,) = outcomes.values()
    assert table.asked[0].arguments == (probe,)
    assert outcome.condition.memory["mark"] == str(price)


def test_a_tolerance_lets_rounding_pass(tmp_path: Path) -> None:
    path = tmp_path / "monitor.yaml"
    path.write_text(FILE.replace("share_price: critical", "share_price: {severity: high, tolerance: 0.01%}"))

    assert drive(path, {}, {"convertToAssets": price(1_069_900_000)})[1] == {}
    assert drive(path, {}, {"convertToAssets": price(1_069_800_000)})[1] == {"share-price": "fired high"}


@pytest.mark.parametrize(
    ("line", "function", "arguments"),
    [
        (f'exit: {{of: maxWithdraw, account: "{USDC}", at_least: 1}}', "maxWithdraw", (USDC.lower(),)),
        (f'exit: {{of: availableWithdrawLimit, account: "{USDC}", at_least: 1}}', "availableWithdrawLimit",
         (USDC.lower(),)),
        ("exit: {of: idle, at_least: 1}", "balanceOf", (VAULT.lower(),)),
    ],
)  # fmt: skip
def test_the_exit_is_read_in_the_way_the_row_names(
    tmp_path: Path, line: str, function: str, arguments: tuple[str, ...]
) -> None:
    path = tmp_path / "monitor.yaml"
    path.write_text(f'monitor: v\nchain: 1\nerc4626:\n  - {{name: a, address: "{VAULT}", decimals: 6, {line}}}\n')
    table = Table({**WELL, function: 10**6})

    outcomes, _ = judge_file(path, table, {}, NOW)

    assert [one.reason for one in outcomes.values()] == [Reason.GOOD]
    assert (function, arguments) in {(call.signature.split("(")[0], call.arguments) for call in table.asked}


def test_the_asset_may_be_an_address(tmp_path: Path) -> None:
    path = tmp_path / "monitor.yaml"
    path.write_text(FILE.replace("asset: USDC", f'asset: "{USDC}"'))

    assert drive(path, {}, {"asset": VAULT.lower()})[1] == {"asset": "fired high"}


def test_vaults_of_several_chains_stand_in_one_monitor(tmp_path: Path) -> None:
    path = tmp_path / "monitor.yaml"
    path.write_text(
        "monitor: v\nerc4626:\n"
        f'  - {{name: a, chain: base, address: "{VAULT}", decimals: 18, share_price: high}}\n'
        f'  - {{name: b, chain: 1, address: "{VAULT}", decimals: 18, share_price: high}}\n'
    )

    assert [part.key.chain for part in load_monitor(path, TYPES).parts()] == [8453, 1]


def test_a_message_names_the_vault_and_what_happened(vaults: Path) -> None:
    first, _ = judge_file(vaults, Table(WELL), {}, NOW)
    conditions = {key: one.condition for key, one in first.items()}
    _, alerts = judge_file(vaults, Table({**WELL, "convertToAssets": price(1)}), conditions, NOW)
    message = alerts[ConditionKey("vaults", "share-price", 1, "usd3")]
    assert "usd3" in message.title
    assert "share price" in message.title


ROW = f'erc4626:\n  - {{name: a, address: "{VAULT}", decimals: 6, '


@pytest.mark.parametrize(
    ("section", "at", "mistake"),
    [
        ("erc4626: yes\n", "yes", "erc4626: a list of vaults is needed here"),
        (ROW + "shareprice: high}\n", "shareprice", "erc4626[0].shareprice: shareprice is not known here,"),
        (ROW[:-13] + "share_price: high}\n", "{name", "erc4626[0]: decimals is missing: how many decimals a share has"),
        (ROW.replace("6,", "six,") + "share_price: high}\n", "six", "erc4626[0].decimals: six is not a number"),
        (ROW.replace("6,", "99,") + "share_price: high}\n", "99", "erc4626[0].decimals: decimals are a whole"),
        (ROW.replace("eCc", "ecc") + "share_price: high}\n", '"0x', "erc4626[0].address: the checksum of"),
        (ROW + "share_price: hihg}\n", "hihg", "erc4626[0].share_price: 'hihg' is none of low, medium, high, critical"),
        (ROW + "total_assets: {severity: low}}\n", "{sev", "erc4626[0].total_assets: one of max_rise, max_drop, max_"),
        (ROW + "total_assets: {max_drop: 150%}}\n", "150", "erc4626[0].total_assets.max_drop: nothing can drop by"),
        (ROW + "exit: {of: idle}}\n", "{of", "erc4626[0].exit: at_least is missing: how much must"),
        (ROW + "exit: {of: maxWithdraw, at_least: 1}}\n", "{of", "erc4626[0].exit: account is missing: maxWithdraw is"),
        (ROW + "exit: {of: vault, at_least: 1}}\n", "vault,", "erc4626[0].exit.of: 'vault' is none of available"),
        (ROW + "flags: {is paused: high}}\n", "is paused", "erc4626[0].flags.is paused: 'is paused' is no view"),
        (ROW + "asset: 'US\"DC'}\n", "'US", "erc4626[0].asset: 'US\"DC' is no token's symbol"),
        (ROW + "}\n", "{name", "erc4626[0]: nothing is asked of this vault"),
        (ROW + "share_price: high}\n" + ROW[9:] + "share_price: low}\n", "a, ad", "erc4626[1].name: a stands here"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_at_its_place(tmp_path: Path, section: str, at: str, mistake: str) -> None:
    path = tmp_path / "monitor.yaml"
    path.write_text(f"monitor: v\nchain: 1\n{section}")

    with pytest.raises(ConfigError) as refused:
        load_monitor(path, TYPES)

    place, words = refused.value.mistakes[0].removeprefix(f"{path}:").split(" ", 1)
    row, column = map(int, place.split(":"))
    assert path.read_text().splitlines()[row - 1][column - 1 :].startswith(at)
    assert words.startswith(mistake)


def test_a_vault_without_a_chain_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "monitor.yaml"
    path.write_text(f"monitor: v\n{ROW}share_price: high}}\n")

    with pytest.raises(ConfigError, match="chain is missing: the monitor does not run on exactly one"):
        load_monitor(path, TYPES)


@dataclass
class Vault4626:
    """A vault by the arithmetic of ERC-4626: what is paid in or out is rounded against who asks."""

    decimals: int
    asset_decimals: int
    offset: int
    supply: int = 0
    held: int = 0

    def to_assets(self, shares: int) -> int:
        return shares * (self.held + 1) // (self.supply + 10**self.offset)

    def to_shares(self, assets: int) -> int:
        return assets * (self.supply + 10**self.offset) // (self.held + 1)

    def act(self, name: str, share: Fraction) -> None:
        """Move so large a part of what there is; a donation only adds assets."""
        assets, shares = int(self.held * share) + 1, int(self.supply * share)
        if name == "deposit":
            self.supply, self.held = self.supply + self.to_shares(assets), self.held + assets
        elif name == "mint":
            self.supply, self.held = self.supply + shares, self.held + -(-shares * (self.held + 1) // self._all)
        elif name == "redeem":
            self.supply, self.held = self.supply - shares, self.held - self.to_assets(shares)
        else:
            self.held += assets

    @property
    def _all(self) -> int:
        return self.supply + 10**self.offset


SIZES = st.sampled_from([(18, 18, 0), (6, 6, 0), (18, 6, 12), (8, 8, 0), (18, 18, 3)])
ACTS = st.lists(
    st.tuples(st.sampled_from(["deposit", "mint", "redeem", "donate"]), st.fractions(0, 1, max_denominator=10**6)),
    max_size=12,
)


@cache
def price_part(decimals: int, asset_decimals: int) -> CheckInstance:
    row = f'{{name: v, address: "{VAULT}", decimals: {decimals}, asset_decimals: {asset_decimals}, share_price: high}}'
    with TemporaryDirectory() as folder:
        path = Path(folder) / "monitor.yaml"
        path.write_text(f"monitor: vaults\nchain: 1\nerc4626: [{row}]\n")
        (part,) = load_monitor(path, TYPES).parts()
    return part


def reading_of(part: CheckInstance, vault: Vault4626, less: int = 0) -> Any:
    """Read the part's formula off a vault that answers `less` units less."""
    world = Table({"convertToAssets": lambda shares: vault.to_assets(shares) - less})
    desk = ReadContext({}, {})
    assert part.read(desk) is PENDING
    return part.read(ReadContext(world.read([one for one in desk.wanted if isinstance(one, ViewRead)]), {}))


@given(size=SIZES, acts=ACTS, seed=st.integers(1, 10**12))
@patient
def test_rounding_never_fires_in_any_order_and_a_loss_beyond_one_unit_does(
    size: tuple[int, int, int], acts: list[tuple[str, Fraction]], seed: int
) -> None:
    decimals, asset_decimals, offset = size
    vault = Vault4626(decimals, asset_decimals, offset)
    part = price_part(decimals, asset_decimals)
    vault.act("deposit", Fraction(0))
    vault.held, vault.supply = vault.held + seed, vault.supply + seed * 10**offset
    condition = part.judge(Condition(part.key), reading_of(part, vault), NOW).condition
    for name, share in acts:
        vault.act(name, share)
        outcome = part.judge(condition, reading_of(part, vault), NOW)
        assert outcome.transition is None, (name, vault)
        condition = outcome.condition
    assert part.judge(condition, reading_of(part, vault, less=1), NOW).transition is None, "one unit is rounding"
    assert part.judge(condition, reading_of(part, vault, less=2), NOW).transition is not None
