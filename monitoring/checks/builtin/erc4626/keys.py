"""The keys of `erc4626` in a monitor file: a vault, and what is asked of it."""

from __future__ import annotations

from monitoring.alerts.message.model import Severity
from monitoring.base.yaml.keys import Section, entry
from monitoring.checks.config.names import CHAIN
from monitoring.checks.expression.values import Number
from monitoring.checks.rules.delta import BASELINE, MIN_ABS, MOVE_KEYS
from monitoring.checks.rules.keys import (
    ADDRESS,
    LASTING,
    OWN_ROUTE,
    POSITIVE,
    SEVERITY,
    STEP,
    Either,
    Listed,
    Value,
    one_of,
    pattern,
    severity_row,
    text_of,
)
from monitoring.checks.rules.limit import WORSE_BY
from monitoring.checks.rules.never_falls import REBASE

# How much can be withdrawn, as a formula over the vault.
EXITS = {
    "availableWithdrawLimit": "vault.availableWithdrawLimit({account})",
    "maxWithdraw": "vault.maxWithdraw({account})",
    "idle": "erc20(vault.asset()).balanceOf(vault)",
}

DECIMALS_KIND: Value[Number] = pattern("number, 0 to 36", "[0-9]{1,2}", lambda at: at.number())
NAMED = entry(
    "name",
    text_of("text", "a name"),
    "What the vault is called, once in the list.",
    without="what the vault is called",
    example="name: USD3",
)
ITS_ADDRESS = entry(
    "address",
    ADDRESS,
    "The vault.",
    without="the vault's address",
    example='address: "0x056B269Eb1f75477a8666ae8C7fE01b64dD55eCc"',
)
ITS_CHAIN = entry(
    "chain",
    CHAIN,
    "Where it is: an id or a slug.",
    default="",
    without="the monitor's, if it is one",
    example="chain: mainnet",
)
DECIMALS = entry(
    "decimals",
    DECIMALS_KIND,
    "Decimals of a share.",
    without="how many decimals a share has, as in 18",
    example="decimals: 18",
)
ASSET = entry(
    "asset",
    text_of("symbol or address", "a symbol or an address"),
    "What asset() must be; a name under contracts is taken for a symbol.",
    default="",
    example="asset: USDC",
)
ASSET_DECIMALS = entry(
    "asset_decimals",
    DECIMALS_KIND,
    "Decimals of the asset.",
    default="",
    without="those of a share",
    example="asset_decimals: 6",
)
PRICE_SEVERITY, ASSETS_SEVERITY, EXIT_SEVERITY = (
    severity_row(usual) for usual in (Severity.CRITICAL, Severity.LOW, Severity.MEDIUM)
)
TOLERANCE = entry(
    "tolerance",
    STEP,
    "A smaller fall is rounding.",
    default="",
    without="one smallest unit of the asset in the vault's answer",
    example="tolerance: 0.01%",
)
SHARE_PRICE = Section("How a share price may fall.", TOLERANCE, REBASE, PRICE_SEVERITY, *LASTING)
TOTAL_ASSETS = Section(
    "How far the assets may move between two readings.", *MOVE_KEYS, MIN_ABS, BASELINE, ASSETS_SEVERITY
)
OF = entry("of", one_of(EXITS), "What says how much can be withdrawn.", without=", ".join(EXITS), example="of: idle")
ACCOUNT = entry(
    "account",
    ADDRESS,
    "The account whose limit is asked for.",
    default="",
    without="the zero address",
    example='account: "0x056B269Eb1f75477a8666ae8C7fE01b64dD55eCc"',
)
AT_LEAST = entry(
    "at_least",
    POSITIVE,
    "How much must be withdrawable.",
    without="how much must be withdrawable",
    example="at_least: 4_000_000",
)
EXIT = Section("How much must be withdrawable.", OF, ACCOUNT, AT_LEAST, WORSE_BY, EXIT_SEVERITY, *LASTING)
ROW = Section(
    "A vault, and what is asked of it.",
    NAMED,
    ITS_ADDRESS,
    ITS_CHAIN,
    DECIMALS,
    ASSET,
    ASSET_DECIMALS,
    entry(
        "share_price",
        Either("severity, or a mapping", SEVERITY, SHARE_PRICE),
        "Reports a share price that falls.",
        default="",
        example="share_price: critical",
    ),
    entry(
        "total_assets",
        TOTAL_ASSETS,
        "Reports total assets that move too far.",
        default="",
        example="total_assets: {max_change: 15%}",
    ),
    entry(
        "exit",
        EXIT,
        "Fires while too little can be withdrawn.",
        default="",
        example="exit: {of: idle, at_least: 4_000_000}",
    ),
    entry(
        "flags",
        Listed(SEVERITY, "view: severity", named=True),
        "Views without arguments, bad when true.",
        default="",
        example="flags: {isShutdown: critical}",
    ),
    *OWN_ROUTE,
)
ERC4626 = entry(
    "erc4626",
    Listed(ROW, "list of vaults"),
    "Vaults: share price, size, exit, flags and asset.",
    default="",
    example='erc4626: [{name: USD3, address: "0x056B269Eb1f75477a8666ae8C7fE01b64dD55eCc", decimals: 6}]',
)
