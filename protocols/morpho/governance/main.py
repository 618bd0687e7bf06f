"""Who may change the watched Morpho vaults, and what is about to change: from their events, held against their views.

A change that waits for a delay is a condition of its own from its submission to its end; what happened at once is one
message a chain. Every chain is read for itself, all of its vaults in the same requests.
"""

from __future__ import annotations

from protocols.morpho.governance.run import follow, look_at
from protocols.morpho.markets_data import Book, load
from utils.monitor import Context, monitor


@monitor("morpho-governance", channel="morpho", runbook="protocols/morpho/governance/README.md")
def main(m: Context) -> None:
    govern(m, load())


def govern(m: Context, book: Book) -> None:
    """Follow the vaults of a book, chain by chain."""
    chains = list(dict.fromkeys(vault.chain for vault in book.vaults))
    kept = {chain: m.recall(chain, default={}) for chain in chains}
    for chain, found in m.on_chains(chains, lambda chain: look_at(chain, book, kept[chain.slug])):
        follow(m, chain, found)


if __name__ == "__main__":
    main()
