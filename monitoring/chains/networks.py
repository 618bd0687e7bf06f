"""The chains that are known, from `data/chains.yaml` and `automation/chains.d`: ids, links, patience, endpoints.

Called where a chain is opened. The environment is passed in; nothing here opens a connection.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import yaml

from monitoring.base.errors import UsageError
from monitoring.base.settings import CHECKOUT
from monitoring.base.suggest import nearest
from monitoring.chains.services.urls import url_problem

DATA = Path(__file__).parent / "data"
OWN = CHECKOUT / "automation" / "chains.d"
NATIVE_TOKEN = "0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE"  # noqa: S105 - an address, not a secret
MAX_PROVIDERS = 10  # PROVIDER_URL_X and _1 … _9; the seed's files use four
PUBLIC = "PROVIDER_PUBLIC"
_ALSO_CALLED = {"op": "optimism", "arb": "arbitrum", "pol": "polygon", "binance": "bsc"}
_ON = ("on", "1", "true", "yes")
_OFF = ("off", "0", "false", "no")


@dataclass(frozen=True, slots=True)
class Network:
    """One chain: how it is named in different places and how patient to be with it."""

    id: int
    slug: str
    name: str
    native: str
    explorer: str
    defillama: str
    safe_app: str
    safe_service: str
    public_rpcs: tuple[str, ...]
    block_time_s: float
    max_head_age_s: float
    max_lag_blocks: int
    confirmations: int
    multicall3: str
    explorer_paths: Mapping[str, str] = field(compare=False)

    def link(self, kind: str, **parts: object) -> str:
        """Return an explorer's page, nothing where no explorer is known.

        `kind` and its parts: `tx` hash, `address` address, `token` address, `block` number, `diff` old and new.
        """
        return self.explorer + self.explorer_paths[kind].format(**parts) if self.explorer else ""

    def safe_link(self, address: str, safe_tx_hash: str = "") -> str:
        """Return the Safe app's page of a Safe, or of one of its transactions; else the explorer's of the Safe."""
        if not self.safe_app:
            return self.link("address", address=address)
        if not safe_tx_hash:
            return f"https://app.safe.global/home?safe={self.safe_app}:{address}"
        return (
            f"https://app.safe.global/transactions/tx?safe={self.safe_app}:{address}"
            f"&id=multisig_{address}_{safe_tx_hash}"
        )

    def blocks_in(self, seconds: float) -> int:
        """Return about how many blocks a span of time holds."""
        return max(1, round(seconds / self.block_time_s))


def read_data(name: str) -> dict[str, object]:
    """Read one of our own data files."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return cast("dict[str, object]", yaml.load((DATA / name).read_text(encoding="utf-8"), Loader=loader))  # noqa: S506 - a safe loader


@functools.cache
def networks() -> Mapping[int, Network]:
    """Return every known chain by its id. Of chains.d only what is sound; `own_mistakes` says the rest."""
    data = read_data("chains.yaml")
    usual: dict[str, Any] = {
        **dict.fromkeys(("explorer", "defillama", "safe_app", "safe_service"), ""),
        "multicall3": data["multicall3"],
        "explorer_paths": data["explorer_paths"],
    }
    rows = cast("list[dict[str, Any]]", data["chains"])
    found = {row["id"]: Network(**{**usual, **row, "public_rpcs": tuple(row["public_rpcs"])}) for row in rows}
    own, mistakes = _own_chains({row["id"]: row["slug"] for row in rows})
    for line in mistakes:
        logging.getLogger("monitoring.chains").warning("left out: %s", line)
    for fields in own:
        found[fields["id"]] = Network(**{**usual, **{name: value for name, value in fields.items() if value != ""}})
    return found


def own_mistakes() -> list[str]:
    """Return each mistake in the files of chains.d as `file:line:column path: message`."""
    return _own_chains({one["id"]: one["slug"] for one in cast("list[Any]", read_data("chains.yaml")["chains"])})[1]


def _own_chains(known: Mapping[int, str]) -> tuple[list[dict[str, Any]], list[str]]:
    if not OWN.is_dir():
        return [], []
    # Only who has such files pays for the reader that knows the place of each value.
    from monitoring.chains.own_chains import read_own  # noqa: PLC0415

    rows, mistakes = read_own(OWN, known)
    return [{row.name: getattr(one, row.name) for row in dataclasses.fields(one)} for one in rows], mistakes


def network(chain: int | str) -> Network:
    """Find a chain by id or slug.

    Raises:
        UsageError: no such chain.
    """
    for known in networks().values():
        if chain in (known.id, known.slug, str(known.id)):
            return known
    raise UsageError(f"chain {chain!r} is not known: {instead_of_chain(str(chain))}")


def instead_of_chain(text: str) -> str:
    """Return what to write instead of a name that is no chain's."""
    # Of the short names only exact ones count: three letters are like too much.
    short = {name.lower(): one.slug for one in networks().values() for name in (one.defillama, one.safe_app) if name}
    names = {name.lower(): one.slug for one in networks().values() for name in (one.name, one.slug)}
    word = text.strip().lower()
    match = {**_ALSO_CALLED, **short, **names}.get(word) or names.get(nearest(word, names) or "")
    return f"did you mean {match}?" if match else "write one of docs/chains.md, or add it in automation/chains.d"


def provider_urls(chain: Network, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the RPC URLs in order: `PROVIDER_URL_<SLUG>`, `_1` … from the environment, then the public ones.

    `PROVIDER_PUBLIC=off` leaves the public ones out. A variable that holds no usable address is left out:
    `provider_mistakes` names it.
    """
    own = own_urls(chain, environ)
    public = () if environ.get(PUBLIC, "").strip().lower() in _OFF else chain.public_rpcs
    return tuple(dict.fromkeys((*own, *public)))


def own_urls(chain: Network, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the RPC URLs that the environment names for a chain."""
    return tuple(dict.fromkeys(url for url in _own(chain, environ).values() if url_problem(url) is None))


def provider_mistakes(chain: Network, environ: Mapping[str, str]) -> dict[str, str]:
    """Return what is wrong with the variables of a chain's providers, and the remedy, by the variable's name."""
    problems = {name: url_problem(url) for name, url in _own(chain, environ).items()}
    if environ.get(PUBLIC, "").strip().lower() not in ("", *_ON, *_OFF):
        problems[PUBLIC] = "is neither on nor off: write one of the two"
    return {name: problem for name, problem in problems.items() if problem is not None}


def _own(chain: Network, environ: Mapping[str, str]) -> dict[str, str]:
    name = f"PROVIDER_URL_{chain.slug.upper()}"
    names = [name, *(f"{name}_{index}" for index in range(1, MAX_PROVIDERS))]
    return {key: environ[key].strip() for key in names if environ.get(key, "").strip()}
