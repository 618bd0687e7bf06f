"""Chains of a team's own: `automation/chains.d/*.yaml`, read with the place of each mistake.

Called by `networks` when there is such a file, and by `validate`. A row of an id that the project knows replaces the
project's, so that a chain that is added there later never breaks a fork.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from monitoring.base.yaml.keys import Many, One, Table, key, keys, read_value
from monitoring.base.yaml.marks import START, Mistakes, Scalar, YamlNode
from monitoring.base.yaml.marks import Mapping as MappingNode
from monitoring.base.yaml.reader import read_yaml
from monitoring.chains.abi.addresses import address_problem
from monitoring.chains.services.urls import url_problem

_MAX_ID = 2**53 - 1  # EIP-2294
_SLUG = re.compile(r"[a-z][a-z0-9_]{0,39}")


def _whole(value: Scalar) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,15}", value.text) or int(value.text) > _MAX_ID:
        raise ValueError(f"{value.text!r} does not fit: write a whole number greater than 0")
    return int(value.text)


def _seconds(value: Scalar) -> float:
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,3})?", value.text) or not float(value.text):
        raise ValueError(f"{value.text!r} does not fit: write a number of seconds greater than 0, as in 2 or 0.25")
    return float(value.text)


def _slug(value: Scalar) -> str:
    if not _SLUG.fullmatch(value.text):
        raise ValueError(
            f"{value.text!r} is no slug: write lower-case letters, digits and _, as in acme (for PROVIDER_URL_ACME)"
        )
    return value.text


def _text(value: Scalar) -> str:
    if value.is_null or not value.text.strip() or not value.text.isprintable():
        raise ValueError("there is no text: write one, or remove the key")
    return value.text


def _address(value: Scalar) -> str:
    if problem := address_problem(value.text):
        raise ValueError(problem)
    return value.text


def _url(value: Scalar) -> str:
    # What is wrong is said without the address: a part of it may be a key.
    if problem := url_problem(value.text):
        raise ValueError(f"the address {problem}")
    return value.text.rstrip("/")


_TEXT = One("text", _text, {"type": "string"})
_URL = One("address", _url, {"type": "string"})
_NUMBER = One("number", _whole, {"type": "integer"})
_SECONDS = One("seconds", _seconds, {"type": "number"})


@keys
class OwnChain:
    """A chain of a team's own."""

    id: int = key(_NUMBER, "The chain id.", example="id: 31337")
    slug: str = key(
        One("slug", _slug, {"type": "string"}),
        "Its name in monitors, and in capitals in PROVIDER_URL_<SLUG>.",
        example="slug: acme",
    )
    name: str = key(_TEXT, "Its name in alerts.", example="name: Acme Chain")
    native: str = key(_TEXT, "The symbol of its native token.", default="ETH", example="native: ACME")
    explorer: str = key(
        _URL,
        "The explorer that alerts link to; without it they do not link.",
        default="",
        example='explorer: "https://explorer.acme.example"',
    )
    public_rpcs: tuple[str, ...] = key(
        Many(_URL),
        "Endpoints without a key. One with a key belongs into PROVIDER_URL_<SLUG> in the env file.",
        default=(),
        example='public_rpcs: ["https://rpc.acme.example"]',
    )
    block_time_s: float = key(_SECONDS, "About how long a block takes.", default=2, example="block_time_s: 2")
    max_head_age_s: float = key(
        _SECONDS,
        "A newest block older than this is not believed.",
        default=180,
        example="max_head_age_s: 180",
    )
    max_lag_blocks: int = key(
        _NUMBER,
        "An endpoint this many blocks behind the best one is left out of a run.",
        default=30,
        example="max_lag_blocks: 30",
    )
    confirmations: int = key(
        _NUMBER,
        "Blocks on top of an event before it is reported.",
        default=20,
        example="confirmations: 20",
    )
    multicall3: str = key(
        One("address", _address, {"type": "string"}),
        "Where Multicall3 is.",
        default="",
        without="the usual address",
        example='multicall3: "0xcA11bde05977b3631167028862bE2a173976CA11"',
    )
    defillama: str = key(
        _TEXT,
        "The chain's name in the price service; without it there are no prices.",
        default="",
        example="defillama: acme",
    )
    safe_app: str = key(_TEXT, "Its short name in the Safe app.", default="", example="safe_app: acme")
    safe_service: str = key(
        _TEXT,
        "Its part of the Safe Transaction Service's address; without it the queues of its Safes cannot be read.",
        default="",
        example="safe_service: acme",
    )


OWN_CHAIN = Table(OwnChain, example="{id: 31337, slug: acme, name: Acme Chain}")


@keys
class OwnChains:
    """A file of chains.d."""

    chains: tuple[OwnChain, ...] = key(Many(OWN_CHAIN), "The chains.", example="chains: [{id: 31337, slug: acme, …}]")


_FILE = Table(OwnChains, example="chains: and under it one - {id: …, slug: …, name: …} for each chain")


def read_own(folder: Path, known: Mapping[int, str]) -> tuple[list[OwnChain], list[str]]:
    """Return the chains that are sound, and each mistake as `file:line:column path: message`.

    known: the slugs of the project's chains by id.
    """
    found: list[OwnChain] = []
    lines: list[str] = []
    taken: dict[int | str, str] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.suffix not in (".yaml", ".yml"):
            continue
        mistakes = Mistakes(str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path))
        if path.suffix == ".yml":
            mistakes.add(START, "", f"is not read: rename it to {path.stem}.yaml")
        elif node := read_yaml(path, mistakes, aliases=True):
            found += _rows(YamlNode(node, "", mistakes), known, taken)
        lines += mistakes.lines()
    return found, lines


def _rows(root: YamlNode, known: Mapping[int, str], taken: dict[int | str, str]) -> list[OwnChain]:
    """Return the sound rows of one file. The file as a whole is read first, so that every mistake has its place."""
    read_value(_FILE, root)
    chains = root.get("chains")
    sound: list[OwnChain] = []
    for at in chains.elements() if chains else ():
        if not isinstance(at.node, MappingNode):
            continue
        alone = Mistakes(at.mistakes.file)
        row = read_value(OWN_CHAIN, YamlNode(at.node, at.path, alone, at.named_at))
        if row is not None and not alone.found and not _is_taken(at, row, known, taken):
            sound.append(row)
    return sound


def _is_taken(at: YamlNode, row: OwnChain, known: Mapping[int, str], taken: dict[int | str, str]) -> bool:
    """Note that an id or slug belongs to another chain, or to a row above."""
    place = f"{at.mistakes.file}:{at.node.at}"
    id_at, slug_at = at.get("id") or at, at.get("slug") or at
    if known.get(row.id, row.slug) != row.slug:
        slug_at.wrong(f"chain {row.id} is known as {known[row.id]}: write slug: {known[row.id]}")
        return True
    if row.slug in known.values() and row.id not in known:
        slug_at.wrong(f"{row.slug!r} is another chain: write another slug")
        return True
    for value, where in ((row.id, id_at), (row.slug, slug_at)):
        if value in taken:
            where.wrong(f"{value!r} is taken by the chain in {taken[value]}: remove one of the two")
            return True
    taken[row.id] = taken[row.slug] = place
    return False


if __name__ == "__main__":
    from monitoring.base.settings import CHECKOUT
    from monitoring.base.yaml.reference import with_tables

    page = CHECKOUT / "docs" / "chains.md"
    page.write_text(with_tables(page.read_text(encoding="utf-8"), {"chain": OWN_CHAIN}), encoding="utf-8")
