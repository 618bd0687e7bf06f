"""Who may change the watched Morpho vaults, and what is about to change: from their events, held against their views.

A change that waits for a delay is a condition of its own from its submission to its end; what happened at once is one
message a chain. Every chain is read for itself, all of its vaults in the same requests.
"""

from __future__ import annotations

from protocols.morpho.governance_events import vaults
from protocols.morpho.governance_run import follow
from utils.monitor import Context, monitor


@monitor("morpho-governance", channel="morpho", runbook="protocols/morpho/README.md")
def main(m: Context) -> None:
    for network in dict.fromkeys(vault.network for vault in vaults()):
        follow(m, network, [vault for vault in vaults() if vault.network == network])


if __name__ == "__main__":
    main()
