"""Names that others give to addresses nobody of the team knows: ENS, and the explorer's name of a verified contract.

They are hints with their source in an alert, next to the whole address. Looked up within bounds, and never judged by.
"""

from __future__ import annotations

from collections.abc import Sequence

from monitoring.chains.abi.values import Unknown
from monitoring.chains.decode.ens import ens_names
from monitoring.chains.decode.foreign_names import quoted
from monitoring.chains.decode.signature_resolver import ExplorerAbi
from monitoring.chains.rpc.views import ChainView

MAX_LOOKED_UP = 4  # addresses of one message that the explorer is asked for


def foreign_names(view: ChainView, addresses: Sequence[str], explorer: ExplorerAbi | None) -> dict[str, str]:
    """Return `ENS “…”, explorer “…”` for the addresses that have such names."""
    ens = ens_names(view, addresses)
    found: dict[str, list[str]] = {one: [f"ENS {quoted(name)}"] for one, name in ens.items()}
    for address in addresses[:MAX_LOOKED_UP] if explorer else ():
        source = explorer.verified(view.network.id, address) if explorer else None
        if source is not None and not isinstance(source, Unknown) and source.is_verified:
            found.setdefault(address, []).append(f"explorer {quoted(source.name)}")
    return {address: ", ".join(names) for address, names in found.items()}
