"""Yearn's vaults whose flows are watched, and what each asset is worth: one dollar, or by its price.

A bridged asset of Katana is redeemable one to one and has hardly a market of its own: its price is that of what
is bridged.
"""

from __future__ import annotations

from dataclasses import dataclass

ONE_DOLLAR = ""


@dataclass(frozen=True, slots=True)
class FlowVault:
    """A vault: its asset with decimals, and the token whose price its asset has."""

    chain: str
    address: str
    symbol: str
    decimals: int
    priced_as: str

    @property
    def name(self) -> str:
        return f"{self.symbol} vault {self.address[:6]}…{self.address[-4:]}"


VAULTS = (
    FlowVault("mainnet", "0xBe53A109B494E5c9f97b9Cd39Fe969BE68BF6204", "USDC", 6, ONE_DOLLAR),
    FlowVault("mainnet", "0x028eC7330ff87667b6dfb0D94b954c820195336c", "DAI", 18, ONE_DOLLAR),
    FlowVault("mainnet", "0x310B7Ea7475A0B449Cfd73bE81522F1B88eFAFaa", "USDT", 6, ONE_DOLLAR),
    FlowVault("mainnet", "0x182863131F9a4630fF9E27830d945B1413e347E8", "USDS", 18, ONE_DOLLAR),
    FlowVault("mainnet", "0xBF319dDC2Edc1Eb6FDf9910E39b37Be221C8805F", "CRVUSD", 18, ONE_DOLLAR),
    FlowVault(
        "mainnet",
        "0xc56413869c6CDf96496f2b1eF801fEDBdFA7dDB0",
        "WETH",
        18,
        "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2",
    ),
    FlowVault("base", "0xb13CF163d916917d9cD6E836905cA5f12a1dEF4B", "USDC", 6, ONE_DOLLAR),
    FlowVault("base", "0xc3BD0A2193c8F027B82ddE3611D18589ef3f62a9", "USDC", 6, ONE_DOLLAR),
    FlowVault(
        "base", "0x4d81C7d534D703E0a0AECaDF668C0E0253E1f1C3", "WETH", 18, "0x4200000000000000000000000000000000000006"
    ),
    FlowVault(
        "base", "0x25f32eC89ce7732A4E9f8F3340a09259F823b7d3", "cbBTC", 8, "0xcbB7C0000aB88B473b1f5aFd9ef808440eed33Bf"
    ),
    FlowVault(
        "base", "0x989381F7eFb45F97E46BE9f390a69c5d94bf9e17", "cbETH", 18, "0x2Ae3F1Ec7F1F5012CFEab0185bfc7aa3cf0DEc22"
    ),
    FlowVault(
        "arbitrum",
        "0x252b965400862d94BDa35FeCF7Ee0f204a53Cc36",
        "USND",
        18,
        "0x4ecf61a6c2FaB8A047CEB3B3B263B401763e9D49",
    ),
    FlowVault("arbitrum", "0xb739AE19620f7ECB4fb84727f205453aa5bc1AD2", "USDC", 6, ONE_DOLLAR),
    FlowVault("arbitrum", "0x9FA306b1F4a6a83FEC98d8eBbaBEDfF78C407f6B", "USDC", 6, ONE_DOLLAR),
    FlowVault("arbitrum", "0x6FAF8b7fFeE3306EfcFc2BA9Fec912b4d49834C1", "USDC", 6, ONE_DOLLAR),
    FlowVault("arbitrum", "0xc0ba9bfED28aB46Da48d2B69316A3838698EF3f5", "USDT", 6, ONE_DOLLAR),
    FlowVault(
        "arbitrum",
        "0x7DEB119b92b76f78C212bc54FBBb34CEA75f4d4A",
        "ARB",
        18,
        "0x912CE59144191C1204E64559FE8253a0e49E6548",
    ),
    FlowVault("katana", "0x80c34BD3A3569E126e7055831036aa7b212cB159", "vbUSDC", 6, ONE_DOLLAR),
    FlowVault("katana", "0xE007CA01894c863d7898045ed5A3B4Abf0b18f37", "vbETH", 18, "coingecko:ethereum"),
    FlowVault("katana", "0x9A6bd7B6Fd5C4F87eb66356441502fc7dCdd185B", "vbUSDT", 6, ONE_DOLLAR),
    FlowVault("katana", "0xAa0362eCC584B985056E47812931270b99C91f9d", "vbWBTC", 8, "coingecko:wrapped-bitcoin"),
)
