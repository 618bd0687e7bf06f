"""Does the indexer follow its chains? By when its last processed block was mined, not by a height that it reports."""

from __future__ import annotations

from typing import Any

from utils.monitor import LOW, Context, Unknown, monitor

VARIABLE = "ENVIO_GRAPHQL_URL"
QUERY = "{ chain_metadata { chain_id latest_processed_block } }"
CHAINS = {1: "mainnet", 10: "optimism", 137: "polygon", 8453: "base", 42161: "arbitrum", 747474: "katana"}
MOST_BEHIND = "60m"


@monitor("indexer", channel="sources", runbook="protocols/indexer/README.md")
def main(m: Context) -> None:
    url = m.env(VARIABLE, "")
    if not url:
        m.say(f"off: {VARIABLE} is not set")
        return
    data = m.graphql(url, QUERY, require=["chain_metadata"], name="chain_metadata")
    rows = data if isinstance(data, Unknown) else data["chain_metadata"]
    if isinstance(rows, Unknown):
        blocks = {}
    else:
        blocks = {_number(row, "chain_id"): _number(row, "latest_processed_block") for row in rows}
    for chain, slug in CHAINS.items():
        is_missing = rows if isinstance(rows, Unknown) else chain not in blocks
        m.flag(f"missing/{slug}", is_missing, severity=LOW, text=f"the indexer does not list {slug}")
        at = rows if isinstance(rows, Unknown) else _mined_at(m, chain, blocks.get(chain))
        if at is not None:
            what = f"the indexer's newest block of {slug}"
            m.age(f"behind/{slug}", at, max=MOST_BEHIND, severity=LOW, text=what)


def _number(row: Any, name: str) -> Any:  # noqa: ANN401 - JSON, and a number or Unknown
    return row.number(name) if hasattr(row, "number") else Unknown("a row of chain_metadata is no object")


def _mined_at(m: Context, chain: int, block: Any) -> Any:  # noqa: ANN401 - as above; None where the chain is not listed
    if block is None or isinstance(block, Unknown):
        return block
    return m.chain(chain).time_of(int(block))


if __name__ == "__main__":
    main()
