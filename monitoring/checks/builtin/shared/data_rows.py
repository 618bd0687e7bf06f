"""The rows of a built-in type: in the section itself, or in a data file next to the monitor; each names a contract.

Mistakes of a data file carry that file's own places.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from monitoring.base.yaml.keys import Key, Section, entry
from monitoring.base.yaml.marks import Mapping, Mistakes, Scalar
from monitoring.checks.config.names import ITS_ADDRESS, ITS_CHAIN
from monitoring.checks.config.rows import IN_FILE, MAX_ROWS, open_data
from monitoring.checks.config.yaml_node import Spot
from monitoring.checks.engine.monitor import CHAINS
from monitoring.checks.engine.plugin import PluginContext
from monitoring.checks.messages.plain import AlertRoute
from monitoring.checks.rows.own_row import guidance_of_row
from monitoring.checks.rules.keys import NAME, RUNBOOK, SWITCH, Everything, Listed, text_of

FROM = entry(
    "from",
    IN_FILE,
    "A data file next to this one, with the rows under the section's name.",
    default="",
    without="or rows",
    example="from: safes.yaml",
)
ITS_NAME = entry(
    "name", text_of("text", "a name"), "What people call it.", without="what people call it", example="name: Treasury"
)
PROTOCOL = entry(
    "protocol", NAME, "Whose alerts these are.", without="whose alerts these are", example="protocol: euler"
)
CHANNEL = entry("channel", NAME, "Where its alerts go.", default="", without="the protocol's", example="channel: euler")
ENABLED = entry("enabled", SWITCH, "A disabled row is not watched.", default="true", example="enabled: false")
# Whatever it holds, because it was for readers of the file alone before; of a text its alerts show the beginning.
NOTE = entry("note", Everything(), "A remark, shown in its alerts.", default="", example="note: moved in May")
COMMON = (ITS_NAME, ITS_CHAIN, ITS_ADDRESS, PROTOCOL, CHANNEL, ENABLED, RUNBOOK, NOTE)


def rows_key(rows: Section) -> Key[None]:
    """Return the key of rows in the section itself."""
    return entry("rows", Listed(rows, "list of rows"), "The rows, in place of a file.", default="", without="or from")


@dataclass(frozen=True, slots=True)
class RowContract:
    """Which contract a row is about, how people call it, and whose alerts it causes. `address` is lower case."""

    name: str
    chain: int
    address: str
    route: AlertRoute

    @property
    def chain_slug(self) -> str:
        return CHAINS[self.chain]

    @property
    def title(self) -> str:
        return f"{self.name} ({self.chain_slug})"


def read_rows(section: Spot, around: PluginContext) -> list[Spot]:
    """Return the rows of a section: `rows: […]`, or `from: FILE` with the rows under the section's name in it."""
    source, inline = section.get("from"), section.get("rows")
    if (source is None) is (inline is None):
        section.wrong("one of from (a data file next to this one) and rows (a list) says what is watched")
        return []
    rows = inline or (_in_file(source, section.path, around) if source else None)
    found = rows.items("a list of rows") if rows else []
    if rows and not found:
        rows.wrong("there are no rows, so nothing would be watched")
    if rows and len(found) > MAX_ROWS:
        rows.wrong(f"more than {MAX_ROWS} rows")
    return found[:MAX_ROWS]


def _in_file(source: Spot, name: str, around: PluginContext) -> Spot | None:
    text = source.text("a file name")
    root = open_data(source, text, around.folder) if text else None
    if root is None or text is None:
        return None
    node = root.get(name) if isinstance(root, Mapping) else None
    if node is None:
        source.wrong(f"{text} has no {name} in it: the rows stand under that name")
        return None
    data = Mistakes(str(around.folder / text))
    source.mistakes.included.append(data)
    return Spot(node, name, data)


def read_places(
    rows: list[Spot], around: PluginContext, more: tuple[Key[Any], ...]
) -> Iterator[tuple[RowContract, Spot]]:
    """Yield the sound and enabled rows; `more` are the keys a row may have in addition to the common ones."""
    seen: dict[tuple[int, str], str] = {}
    for row in rows:
        row.only((*COMMON, *more))
        enabled = row.value(ENABLED) != "false"
        place = _place(row, around)
        if place is None:
            continue
        twin = seen.get((place.chain, place.address))
        if twin is not None:
            (row.get("address") or row).wrong(f"{twin} is this address on this chain already: state is kept by it")
        seen[place.chain, place.address] = place.name
        if enabled and twin is None:
            yield place, row


def _place(row: Spot, around: PluginContext) -> RowContract | None:
    name, chain, address = row.value(ITS_NAME), row.value(ITS_CHAIN), row.value(ITS_ADDRESS)
    route, where = read_route(row, around), row.get(ITS_CHAIN.name)
    if where and chain and chain not in around.chains:
        where.wrong(f"the monitor does not read {CHAINS[chain]}: write it under chains there")
        return None
    return RowContract(name, chain, address, route) if name and chain and address and route else None


def read_route(row: Spot, around: PluginContext) -> AlertRoute | None:
    """Read whose alerts a row causes, and what to do then."""
    protocol, channel, note = row.value(PROTOCOL), row.value(CHANNEL), row.get(NOTE.name)
    own = guidance_of_row(
        {"runbook": row.value(RUNBOOK), "note": note.node.text if note and isinstance(note.node, Scalar) else ""}
    )
    return AlertRoute(protocol, channel or "", around.route.guidance).guided(own) if protocol else None
