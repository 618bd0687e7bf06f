"""The monitor file of what was found at an address, and its drill: the checks that a careful person would want.

Pure. Every limit is one that somebody may change: the file is the team's own from the moment it is written.
"""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from automation.setup.watch import WatchWish, url_variable
from monitoring.base.errors import UsageError
from monitoring.base.plural import counted
from monitoring.chains.abi.addresses import ZERO
from monitoring.chains.inspection.model import ContractFacts, Inspection
from monitoring.chains.networks import network
from monitoring.checks.expression.scope import RESERVED

OWNER_VIEW = "owner()(address)"
IMPLEMENTATION_VIEW = "implementation()(address)"
_SOMEBODY = "0x00000000000000000000000000000000000000A1"  # in a drill: a stranger who became the owner
_SECRET_IN_URL = re.compile(r"[?@]|/[A-Za-z0-9_-]{20,}")
_NAMES_HERE = {"vault", "proxy_admin", "beacon"}  # what rows of erc4626 and the checks below name themselves
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))


@dataclass(frozen=True, slots=True)
class FormulaCheck:
    """A check of one call: its line in the file, the call, what it answers when all is well, what makes it fire."""

    id: str
    line: str
    call: str
    well: object
    fires: str
    bad: object
    quiet: object = None


@dataclass(frozen=True, slots=True)
class WatchFiles:
    """The text of monitor.yaml and of its drill (empty where no formula is in it), and values for the env file."""

    monitor: str
    drill: str = ""
    env: dict[str, str] = field(default_factory=dict)


def watch_files(watch: WatchWish, found: Inspection | None) -> WatchFiles:
    """Return the files of a watch whose kind is settled; `found` for all but http.

    Raises:
        UsageError: nothing of it can be watched by a file without code.
    """
    if found is None:
        return _http(watch)
    head = f"# {title(found)}\nmonitor: {watch.name}\nchain: {found.chain}\n"
    if watch.kind == "safe":
        return WatchFiles(head + _safe(watch, found.facts))
    if watch.kind == "timelock":
        return WatchFiles(head + _timelock(watch, found.facts))
    checks = list(_checks(watch, found))
    vault = _vault_rows(watch, found.facts) if watch.kind == "vault" else ""
    if not checks and not vault:
        raise UsageError(
            f"nothing of {found.address} can be watched by a file without code: it has no owner(), paused() or "
            "totalSupply(); docs/write-a-monitor.md shows how to watch other views"
        )
    return WatchFiles(head + _names(watch, found, checks) + vault + _lines(checks), _drill(watch, found.facts, checks))


def title(found: Inspection) -> str:
    """Say in a line what and where an address is."""
    return f"{found.address} on {network(found.chain).name}: {describe(found.facts)}"


def describe(facts: ContractFacts) -> str:
    """Say what a contract is."""
    what = {
        "safe": f"Safe {facts.safe_version}, {facts.threshold} of {counted(len(facts.owners), 'owner')}",
        "timelock": f"timelock ({facts.timelock}), delay {duration(facts.delay_s or 0)}",
        "vault": f"vault {facts.symbol} of {facts.asset_symbol or 'an asset without symbol'}",
        "token": f"token {facts.symbol}, {facts.decimals} decimals",
        "account": "account without code (a person, or a machine with a key)",
        "unread": "could not be read",
    }.get(facts.kind.value, "contract")
    return f"{what}, {facts.proxy} proxy" if facts.proxy and facts.kind.value != "safe" else what


def duration(seconds: int) -> str:
    """Return a span as monitor files write it: the largest unit that fits without a rest."""
    size, unit = next((size, unit) for size, unit in _UNITS if seconds % size == 0)
    return f"{seconds // size}{unit}"


def identifier(name: str) -> str:
    """Return a name as formulas may use it: `our-vault` is `our_vault`, a word of the language `zero` is `its_zero`."""
    plain = re.sub(r"[^a-z0-9]", "_", name)
    is_free = plain[0].isalpha() and plain not in RESERVED | _NAMES_HERE and not keyword.iskeyword(plain)
    return plain if is_free else f"its_{plain}"


def _safe(watch: WatchWish, facts: ContractFacts) -> str:
    return (
        "safes:\n"
        "  every: 10m                # how often its queue is asked for\n"
        "  severity: medium          # a transaction is queued\n"
        "  competing: high           # a rival at a nonce that is queued already\n"
        "  changes: high             # owners, modules, threshold, code, guards\n"
        "  module_runs: medium       # a transaction run by a module, past the owners\n"
        "  first_run_lookback: 12h   # what was queued before the first run\n" + _row(watch, facts)
    )


def _timelock(watch: WatchWish, facts: ContractFacts) -> str:
    delay = f"      min_delay: {duration(facts.delay_s)}\n" if facts.delay_s else ""
    return (
        "timelocks:\n"
        "  severity: high            # an operation is scheduled\n"
        "  settled: low              # it was executed or cancelled\n"
        "  changes: medium           # of its delay and roles; a delay below min_delay: high\n"
        f"{_row(watch, facts)}      kind: {facts.timelock}\n{delay}"
    )


def _row(watch: WatchWish, facts: ContractFacts) -> str:
    return (
        f"  rows:\n    - name: {watch.name}\n      chain: {watch.chain}\n"
        f'      address: "{facts.address}"\n      protocol: {watch.name}\n'
    )


def _http(watch: WatchWish) -> WatchFiles:
    is_secret = _SECRET_IN_URL.search(watch.url.partition("://")[2]) is not None
    where = f"url_env: {url_variable(watch.name)}" if is_secret else f"url: {json.dumps(watch.url)}"
    lasts = "    certificate: [14d, 3d]  # before it ends\n" if watch.url.startswith("https:") and not is_secret else ""
    text = (
        f"# Does the endpoint answer, and how fast.\nmonitor: {watch.name}\nhttp:\n"
        f"  - name: {watch.name}\n    {where}\n    latency: 10s\n{lasts}"
        "    for: 2 runs             # a short outage is ignored\n    severity: high\n"
    )
    return WatchFiles(text, env={url_variable(watch.name): watch.url} if is_secret else {})


def _vault_rows(watch: WatchWish, facts: ContractFacts) -> str:
    flags = "    flags: {paused: high}\n" if facts.paused is not None else ""
    return (
        "erc4626:\n"
        f"  - name: {identifier(watch.name)}\n"
        f'    address: "{facts.address}"\n'
        f"    decimals: {facts.decimals}            # of a share\n"
        f'    asset: "{facts.asset}"\n'
        f"    asset_decimals: {_asset_decimals(facts)}\n"
        "    share_price: critical   # never falls\n"
        "    total_assets: {max_change: 20%, baseline_max_age: 3h, severity: medium}\n" + flags
    )


def _asset_decimals(facts: ContractFacts) -> int:
    found = facts.asset_decimals if facts.asset_decimals is not None else facts.decimals
    return found or 0


def _checks(watch: WatchWish, found: Inspection) -> Iterator[FormulaCheck]:
    """Yield what is asked of any contract, as far as it answers: its size, whether it is paused, who controls it."""
    facts, it = found.facts, identifier(watch.name)
    if watch.kind == "token" and facts.total_supply is not None:
        unit = 10 ** (facts.decimals or 0)
        line = (
            f"change_of: {it}.totalSupply() / 1e{facts.decimals}, max_change: 10%, baseline_max_age: 3h, "
            "severity: medium, text: supply changed sharply"
        )
        supply = max(facts.total_supply, 100 * unit)
        call = f"{it}.totalSupply()"
        yield FormulaCheck("supply", line, call, supply, "medium", supply * 2, supply + supply // 20)
    if facts.paused is not None and watch.kind != "vault":
        line = f"flag: {it}.paused(), severity: high, text: it is paused"
        yield FormulaCheck("paused", line, f"{it}.paused()", "false", "high", "true")
    if facts.owner:
        line = f"changed: {it}.owner(), severity: high, text: owner changed"
        yield FormulaCheck("owner", line, f"{it}.owner()", facts.owner, "high", _SOMEBODY)
    admin = found.contracts.get(facts.admin)
    if admin is not None and admin.owner:
        line = "changed: proxy_admin.owner(), severity: high, text: owner of the proxy admin changed"
        yield FormulaCheck("proxy-admin-owner", line, "proxy_admin.owner()", admin.owner, "high", _SOMEBODY)
    if facts.beacon:
        line = "changed: beacon.implementation(), severity: high, text: implementation changed"
        yield FormulaCheck("implementation", line, "beacon.implementation()", facts.implementation, "high", _SOMEBODY)


def _names(watch: WatchWish, found: Inspection, checks: Sequence[FormulaCheck]) -> str:
    """Return the contracts and views that the checks name."""
    addresses = {
        identifier(watch.name): found.facts.address,
        "proxy_admin": found.facts.admin,
        "beacon": found.facts.beacon,
    }
    used = {name: at for name, at in addresses.items() if any(one.call.startswith(f"{name}.") for one in checks)}
    called = {one.call.partition(".")[2] for one in checks}
    views = [view for view in (OWNER_VIEW, IMPLEMENTATION_VIEW) if f"{view.partition('(')[0]}()" in called]
    text = "contracts:\n" + "".join(f'  {name}: "{at}"\n' for name, at in used.items()) if used else ""
    return text + (f"functions: {json.dumps(views)}\n" if views else "")


def _lines(checks: Sequence[FormulaCheck]) -> str:
    return "checks:\n" + "".join(f"  - {{id: {one.id}, {one.line}}}\n" for one in checks) if checks else ""


def _drill(watch: WatchWish, facts: ContractFacts, checks: Sequence[FormulaCheck]) -> str:
    """Return what the chain answers when all is well, and for each check what it must fire on and what not."""
    all_checks = [*(_vault_drills(watch, facts) if watch.kind == "vault" else ()), *checks]
    well = "".join(f"  {one.call}: {_value(one.well)}\n" for one in all_checks)
    drills = "".join(
        f"  - {{check: {one.id}, when: {{{one.call}: {_value(one.bad)}}}, "
        + (f"quiet: {{{one.call}: {_value(one.quiet)}}}, " if one.quiet is not None else "")
        + f"fires: {one.fires}}}\n"
        for one in all_checks
    )
    return f"# What each check must fire on; docs/drill-yaml.md says how to run it.\nwell:\n{well}drills:\n{drills}"


def _vault_drills(watch: WatchWish, facts: ContractFacts) -> Iterator[FormulaCheck]:
    """The calls are those that a row of `erc4626` makes."""
    it, decimals = identifier(watch.name), facts.decimals or 0
    probe = max(decimals + 6, 18)
    price = (facts.assets_of_share or 10 ** _asset_decimals(facts)) * 10 ** (probe - decimals)
    size = max(facts.total_assets or 0, 1000 * 10 ** _asset_decimals(facts))
    yield FormulaCheck(
        "share-price", "", f"{it}.convertToAssets(1e{probe})", price, "critical", price * 99 // 100, price * 101 // 100
    )
    yield FormulaCheck(
        "total-assets", "", f"{it}.totalAssets()", size, "medium", size // 2, size + size // 10
    )  # fmt: skip
    yield FormulaCheck("asset", "", f"{it}.asset()", facts.asset or ZERO, "high", _SOMEBODY)
    if facts.paused is not None:
        yield FormulaCheck("flag-paused", "", f"{it}.paused()", "false", "high", "true")


def _value(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) and value.startswith("0x") else str(value)
