"""What somebody wants to watch: read from the command line, or asked for; each by address and chain, or by URL."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from monitoring.base.errors import UsageError
from monitoring.base.suggest import instead_of
from monitoring.chains.abi.addresses import check_address, short
from monitoring.chains.inspection.model import ContractFacts, ContractKind
from monitoring.chains.networks import network
from monitoring.chains.services.urls import url_problem

KINDS = ("safe", "timelock", "vault", "token", "contract", "http", "host")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,40}")
_FORM = "--watch takes KIND:CHAIN:ADDRESS, http:URL or host; KIND is one of safe, timelock, vault, token, contract"


@dataclass(frozen=True, slots=True)
class WatchWish:
    """One wish. `name` is the folder below protocols/, the monitor and its channel; empty until it is known."""

    kind: str
    chain: str = ""
    address: str = ""
    url: str = ""
    name: str = ""


def read_watch(text: str, name: str = "") -> WatchWish:
    """Read `safe:mainnet:0x…`, `http:https://…` or `host`; an address alone is one of mainnet.

    Raises:
        UsageError: it is none of these.
    """
    if text[:2].lower() == "0x" and ":" not in text:
        text = f"contract:mainnet:{text}"
    kind, _, rest = text.partition(":")
    if kind not in KINDS:
        raise UsageError(f"{kind!r} cannot be watched: {instead_of(kind, KINDS)}")
    if name:
        check_name(name)
    if kind == "host":
        return WatchWish(kind, name="host")
    if kind == "http":
        if problem := url_problem(rest):
            raise UsageError(f"the address to watch {problem}")
        return WatchWish(kind, url=rest, name=name)
    chain, colon, address = rest.partition(":")
    if not colon:
        raise UsageError(_FORM)
    return WatchWish(kind, network(chain).slug, check_address(address), name=name)


def check_name(name: str) -> str:
    """Return a name that a folder, a monitor and a task can have.

    Raises:
        UsageError: it cannot be one.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} is not a name: write lower-case letters, digits, - and _")
    return name


def fitting(watch: WatchWish, facts: ContractFacts) -> str:
    """Return as what an address is watched: as it was asked for, `contract` as the kind that it is.

    Raises:
        UsageError: there is no contract, or it is not what was asked for.
    """
    if facts.kind is ContractKind.ACCOUNT:
        raise UsageError(
            f"{facts.address} has no code on {watch.chain}: it is an account, or the contract is on another chain"
        )
    if watch.kind in ("contract", facts.kind.value) or (watch.kind == "token" and facts.kind is ContractKind.VAULT):
        return facts.kind.value if watch.kind == "contract" else watch.kind
    raise UsageError(
        f"{short(facts.address)} on {watch.chain} is a {facts.kind.value} and not a {watch.kind}: "
        f"write {facts.kind.value}: in place of {watch.kind}:"
    )


def usual_name(watch: WatchWish, facts: ContractFacts | None) -> str:
    """Return a name for what has none: a token's symbol, else the kind and the beginning of the address or host."""
    if facts is None:
        return _slug(re.sub(r"^https?://(www\.)?", "", watch.url).partition("/")[0])
    return _slug(facts.symbol) or f"{watch.kind}-{facts.address[2:8].lower()}"


def is_there(watch: WatchWish, folder: Path) -> bool:
    """Return whether the folder watches this already.

    Raises:
        UsageError: the folder is of something else.
    """
    if not folder.exists():
        return False
    file = folder / "monitor.yaml"
    text = file.read_text(encoding="utf-8", errors="replace").lower() if file.is_file() else ""
    marks = (watch.address.lower(), watch.chain) if watch.address else (watch.url.lower() or "host:", "")
    if all(mark in text for mark in marks) or url_variable(watch.name).lower() in text:
        return True
    raise UsageError(f"protocols/{folder.name} is there already and watches something else: give another --name")


def watching_file(watch: WatchWish, files: Iterable[Path]) -> Path | None:
    """Return the monitor file that watches an address already: in a row, or in the title that `init` writes."""
    if not watch.address:
        return None
    mark = re.compile(
        rf"""^# {watch.address} on |\baddress:[ \t]*["']?{watch.address}\b""", re.IGNORECASE | re.MULTILINE
    )
    chain = re.compile(rf"^[ -]*chains?:.*\b{watch.chain}\b", re.MULTILINE)
    for file in files:
        text = file.read_text(encoding="utf-8", errors="replace")
        if mark.search(text) and chain.search(text):
            return file
    return None


def url_variable(name: str) -> str:
    """Return the variable that holds a URL with a key in it."""
    return f"{re.sub(r'[^A-Z0-9]', '_', name.upper())}_URL"


def _slug(text: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40]
    return slug if _NAME.fullmatch(slug) else ""
