"""Endpoints of one's own: tested before they are written, first in line before the public ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from automation.setup.chain_child import ChainReader
from automation.setup.dialogue import Dialogue
from monitoring.base.errors import UsageError
from monitoring.chains.networks import Network, network
from monitoring.chains.services.urls import url_problem


def read_wish(text: str) -> tuple[Network, str]:
    """Read `CHAIN=URL`.

    Raises:
        UsageError: it is not that, or names no chain or address; never quotes the address.
    """
    chain, equals, url = text.partition("=")
    if not equals:
        raise UsageError("--rpc takes CHAIN=URL, as in mainnet=https://…")
    known = network(chain)
    if problem := url_problem(url):
        raise UsageError(f"--rpc {known.slug}: the address {problem}")
    return known, url


def variable(chain: Network) -> str:
    return f"PROVIDER_URL_{chain.slug.upper()}"


def checked(chain: Network, url: str, reader: ChainReader, dialogue: Dialogue) -> str:
    """Return the address after it answered as this chain.

    Raises:
        UsageError: it does not answer, or is another chain.
    """
    alone = ChainReader(reader.checkout, {**reader.environ, **_only(chain, url)})
    own = next((row for row in alone.endpoints(chain.slug) if row["configured"]), None)
    if own is None or own["head"] is None:
        raise UsageError(f"{chain.name}: {own['problem'] if own else 'the endpoint does not answer'}")
    dialogue.say(f"ok: {chain.name} by {own['host']}: {said(own)}")
    return url


def said(row: Mapping[str, Any]) -> str:
    """Say what an endpoint can do."""
    age = f", {row['problem']}" if row["problem"] else f", {row['age_s']:.0f} s old"
    archive = "with old state (archive)" if row["archive"] else "without old state (no archive)"
    logs = f"logs of {row['log_range']:,} blocks at once" if row["log_range"] else "no logs"
    return f"block {row['head']:,}{age}; {archive}; {logs}"


def _only(chain: Network, url: str) -> dict[str, str]:
    """Return an environment in which this is the chain's one endpoint."""
    name = variable(chain)
    return {"PROVIDER_PUBLIC": "off", name: url, **{f"{name}_{place}": "" for place in range(1, 10)}}


def offered(chain: Network, reader: ChainReader, dialogue: Dialogue) -> str:
    """Ask for an endpoint of one's own for a chain that has none; nothing for the public ones."""
    return dialogue.until_usable(
        lambda: dialogue.secret(f"Your RPC endpoint for {chain.name}, Enter for the public ones"),
        lambda answer: checked(chain, read_wish(f"{chain.slug}={answer}")[1], reader, dialogue) if answer else "",
    )
