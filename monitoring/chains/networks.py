"""The chains this project knows, read from `data/chains.yaml`: ids, links, patience, and where their RPCs are.

Called where a chain is opened. The environment is passed in; nothing here opens a connection.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import yaml

from monitoring.base.errors import UsageError
from monitoring.chains.services.urls import url_problem

DATA = Path(__file__).parent / "data"
NATIVE_TOKEN = "0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE"  # noqa: S105 - an address, not a secret
MAX_PROVIDERS = 10  # PROVIDER_URL_X and _1 … _9; the seed's files use four


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
        """Return an explorer's page.

        `kind` and its parts: `tx` hash, `address` address, `token` address, `block` number, `diff` old and new.
        """
        return self.explorer + self.explorer_paths[kind].format(**parts)

    def safe_link(self, address: str, safe_tx_hash: str = "") -> str:
        """Return the Safe app's page of a Safe, or of one of its transactions."""
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
    """Return every known chain by its id."""
    data = read_data("chains.yaml")
    paths = cast("dict[str, str]", data["explorer_paths"])
    rows = cast("list[dict[str, object]]", data["chains"])
    found = [
        Network(
            **cast("dict[str, str]", {key: value for key, value in row.items() if key != "public_rpcs"}),  # type: ignore[arg-type]
            public_rpcs=tuple(cast("list[str]", row["public_rpcs"])),
            multicall3=cast("str", data["multicall3"]),
            explorer_paths=paths,
        )
        for row in rows
    ]
    return {network.id: network for network in found}


def network(chain: int | str) -> Network:
    """Find a chain by id or slug.

    Raises:
        UsageError: no such chain.
    """
    for known in networks().values():
        if chain in (known.id, known.slug, str(known.id)):
            return known
    names = ", ".join(f"{known.slug} ({known.id})" for known in networks().values())
    raise UsageError(f"chain {chain!r} is not known: write one of {names}")


def provider_urls(chain: Network, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the RPC URLs in order: `PROVIDER_URL_<SLUG>`, `_1` … from the environment, else the public ones.

    A variable that holds no usable address is left out: `provider_mistakes` names it.
    """
    named = [url for url in _own(chain, environ).values() if url_problem(url) is None]
    return tuple(dict.fromkeys(named)) or chain.public_rpcs


def provider_mistakes(chain: Network, environ: Mapping[str, str]) -> dict[str, str]:
    """Return what is wrong with the variables of a chain's providers, and the remedy, by the variable's name."""
    problems = {name: url_problem(url) for name, url in _own(chain, environ).items()}
    return {name: problem for name, problem in problems.items() if problem is not None}


def _own(chain: Network, environ: Mapping[str, str]) -> dict[str, str]:
    name = f"PROVIDER_URL_{chain.slug.upper()}"
    names = [name, *(f"{name}_{index}" for index in range(1, MAX_PROVIDERS))]
    return {key: environ[key].strip() for key in names if environ.get(key, "").strip()}
