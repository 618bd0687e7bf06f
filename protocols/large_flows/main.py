"""Large deposits into and withdrawals from Yearn's vaults, from their events: one message a chain and run.

What an asset is worth comes from its price. Without one, what counts is the share of the vault's supply that moved;
while the service of prices itself does not answer, the flows of its vaults wait and none is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from monitoring.checks.events.decoded import LogsRead
from protocols.large_flows.vaults import ONE_DOLLAR, VAULTS, FlowVault
from utils.chain import Chain
from utils.monitor import LOW, Context, Unknown, call, monitor

EVENTS = ("Deposit(address,address,uint256,uint256)", "Withdraw(address,address,address,uint256,uint256)")
LARGE_USD = 500_000
LARGE_OUT_OF_KATANA_USD = 50_000
LARGE_SHARE = Fraction(1, 10)  # of the supply, where the asset has no price
OWN_MOVES = "0x283132390eA87D6ecc20255B59Ba94329eE17961"  # moves between Yearn's own vaults, which are no news
SERVICE_ANSWERS = "coingecko:ethereum"  # always priced: without it the service is to blame, and not the asset


@monitor("large-flows", channel="yearn", runbook="protocols/large_flows/README.md")
def main(m: Context) -> None:
    for on, logs in m.on_chains(list(dict.fromkeys(vault.chain for vault in VAULTS)), _read):
        _watch(m, on, logs)


def _read(on: Chain) -> LogsRead:
    addresses = {vault.name: vault.address for vault in VAULTS if vault.chain == on.slug}
    return on.logs("flows", addresses, EVENTS, first_run="2h")


def _watch(m: Context, on: Chain, logs: LogsRead) -> None:
    chain, vaults = on.slug, {vault.name: vault for vault in VAULTS if vault.chain == on.slug}
    moved = list(dict.fromkeys(vaults[log.name] for log in logs)) if logs.unknown is None else []
    supplies = dict(on.read_each(moved, lambda vault: {"supply": call(vault.address, "totalSupply()(uint256)")}))
    prices = _prices(m, chain, moved)

    def usd(log: Any) -> Any:  # noqa: ANN401 - a log of `m.chain(…).logs`, and a Fraction, Unknown or None
        """Return what a flow is worth: None where its asset has no price, Unknown where that is not known now."""
        vault, price = vaults[log.name], prices[vaults[log.name]]
        return None if price is None else Fraction(log["assets"], 10**vault.decimals) * price

    def is_large(log: Any) -> bool:  # noqa: ANN401 - as above
        if OWN_MOVES in (log["owner"], log["sender"]):
            return False
        worth = usd(log)
        if worth is None:
            return bool(log["shares"] >= supplies[vaults[log.name]].supply * LARGE_SHARE)
        is_out_of_katana = chain == "katana" and log.event == "Withdraw"
        return bool(worth >= (LARGE_OUT_OF_KATANA_USD if is_out_of_katana else LARGE_USD))

    def show(log: Any) -> str:  # noqa: ANN401 - as above
        vault, worth, supply = vaults[log.name], usd(log), supplies[vaults[log.name]].supply
        amount = f"{log.shown(Fraction(log['assets'], 10**vault.decimals), vault.symbol)}"
        worded = "no price known" if worth is None else log.shown(worth, "usd")
        part = (
            "" if isinstance(supply, Unknown) or not supply else f", {log.shown(Fraction(log['shares'], supply), '%')}"
        )
        way = "deposited into" if log.event == "Deposit" else "withdrawn from"
        return f"{amount} ({worded}{part} of supply) {way} the {log.name} by {log.shown(log['owner'])}"

    text = f"{{value}} large flows of vaults on {chain}"
    m.logs("flows", logs, severity=LOW, when=is_large, show=show, text=text, protocol="yearn")


def _prices(m: Context, chain: str, moved: Sequence[FlowVault]) -> dict[FlowVault, Fraction | Unknown | None]:
    """Return the dollars of one unit of each asset: None has no price, Unknown is not known now."""
    priced = [vault for vault in moved if vault.priced_as != ONE_DOLLAR]
    found = m.price(list({SERVICE_ANSWERS, *(vault.priced_as for vault in priced)}), chain=chain) if priced else {}
    prices: dict[FlowVault, Fraction | Unknown | None] = dict.fromkeys(moved, Fraction(1))
    for vault in priced:
        price, answers = found[vault.priced_as], found[SERVICE_ANSWERS]
        has_none = isinstance(price, Unknown) and not isinstance(answers, Unknown)
        prices[vault] = None if has_none else price
    return prices


if __name__ == "__main__":
    main()
