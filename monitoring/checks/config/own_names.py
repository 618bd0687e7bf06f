"""Names of the addresses that a team's own monitor files name: rows of Safes and timelocks, and contracts.

Only these addresses count as known in alerts about transactions. Read when the first such alert is written.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

from monitoring.base.settings import CHECKOUT
from monitoring.chains.abi.addresses import ZERO
from monitoring.checks.config.load_all import load_all
from monitoring.checks.engine.monitor import Monitor

FOLDER = CHECKOUT / "protocols"


@functools.cache
def own_names(folder: Path = FOLDER) -> Mapping[tuple[int, str], str]:
    """Return names by chain and address in lower case, of every sound `monitor.yaml` in the folders of `folder`."""
    # Types need the files of config, so that they cannot be known to each other from the start.
    from monitoring.checks.builtin import TYPES  # noqa: PLC0415

    monitors, _ = load_all(sorted(folder.glob("*/monitor.yaml")), TYPES)
    found: dict[tuple[int, str], str] = {}
    for monitor in monitors:
        found |= _contracts(monitor)
    for monitor in monitors:  # what a row is called says more than the name of a contract in formulas
        found |= _rows(monitor)
    return found


def _contracts(monitor: Monitor) -> dict[tuple[int, str], str]:
    return {
        (chain, address.lower()): f"{name} of {monitor.name}"
        for name, by_chain in monitor.contracts.items()
        for chain, address in by_chain.items()
        if address != ZERO
    }


def _rows(monitor: Monitor) -> dict[tuple[int, str], str]:
    places = [place for part in monitor.more if (place := getattr(part, "place", None)) is not None]
    return {(place.chain, place.address.lower()): place.name for place in places}
