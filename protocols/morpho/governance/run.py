"""One run over the vaults of one chain: read events and views, find what changed, report and remember it.

What is said commits together with the block to go on from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from monitoring.base.plural import counted
from monitoring.chains.networks import network
from monitoring.checks.events.decoded import LogsRead
from protocols.morpho.governance.events import PendingChange, declarations, submits
from protocols.morpho.governance.state import GovernanceState, VaultFinding
from protocols.morpho.governance.texts import Texts
from protocols.morpho.governance.views import VaultViews, add_markets, read_views, waits_until
from protocols.morpho.markets_data import Book, WatchedVault
from utils.chain import Chain
from utils.monitor import HIGH, LOW, Context, Unknown

FIRST_RUN = "1d"  # what waits since before is found in the state of V1
_GRAVE = ("owner", "curator", "guardian")
Due: TypeAlias = Mapping[str, int | Unknown]


@dataclass(frozen=True, slots=True)
class ChainLook:
    """What is remembered of the vaults of one chain, what was of vaults that are not watched any more, and what is."""

    state: GovernanceState
    left: Sequence[PendingChange]
    views: Sequence[VaultViews]
    logs: LogsRead


def look_at(chain: Chain, book: Book, kept: Mapping[str, Any]) -> ChainLook:
    """Read the vaults of one chain. `kept` is what the last run remembered of them."""
    vaults, roles = [vault for vault in book.vaults if vault.chain == chain.slug], kept.get("roles", {})
    views = read_views(chain, vaults, roles)
    # Changes may wait in a market though no queue has it yet.
    markets = [market for slug, market in book.tiers if slug == chain.slug]
    add_markets(chain, [one for one in views if one.vault.address not in roles], markets)
    state = GovernanceState.of(kept, {})
    state.vaults = _contracts(views, state)
    left = state.left()
    return ChainLook(state, left, views, chain.logs("changes", list(state.vaults), declarations(), first_run=FIRST_RUN))


def follow(m: Context, chain: Chain, found: ChainLook) -> None:
    """Judge and remember what was read of the vaults of one chain."""
    slug, state, views = chain.slug, found.state, found.views
    texts = Texts(chain, {one.vault.address: one.asset for one in views}, m.now)
    findings = _findings(found.logs, state, views, texts)
    waiting = waits_until(chain, list(state.open.values()))
    findings += state.hold_pending(waiting)
    due = {change.key: at for change, at in waiting}
    today = _today(chain, findings, texts)
    with m.together():
        _report_logs(m, slug, found.logs, findings, texts)
        for finding in findings:
            _report(m, finding, texts, due, today)
        for change in found.left:
            m.resolve(f"pending/{slug}/{change.key}", note=f"{change.says}: the vault is no longer watched")
        for one in views:
            readable = False if one.unknown is None else one.unknown
            what = f"{one.vault.title} cannot be read"
            m.flag(f"vault/{one.vault.address}", readable, chain=slug, severity=HIGH, text=what)
        m.remember(slug, state.as_kept())


def _contracts(views: Sequence[VaultViews], state: GovernanceState) -> dict[str, WatchedVault]:
    """Return the contracts to follow, each with its vault. An adapter of V2 has delays of its own."""
    found = {one.vault.address.lower(): one.vault for one in views}
    for one in views:
        adapters = one.roles.get("adapters") or state.roles.get(one.vault.address, {}).get("adapters") or ()
        waiting = [change.contract for change in state.open.values() if change.vault == one.vault.address]
        found |= {each.lower(): one.vault for each in (*adapters, *waiting) if each.lower() not in found}
    return found


def _findings(read: LogsRead, state: GovernanceState, views: Sequence[VaultViews], texts: Texts) -> list[VaultFinding]:
    """Take in the events, then what the views alone say."""
    found: list[VaultFinding] = []
    first = {one.vault.address for one in views if one.vault.address not in state.roles}

    def keep(one: VaultFinding) -> None:
        if one.what in ("submitted", "found") and one.change is not None:
            one.change.says = texts.says(one)
        found.append(one)

    for log in read if read.unknown is None else ():
        for one in state.apply(log):
            keep(one)
    for each in views:
        if each.unknown is None:
            is_first = each.vault.address in first
            for one in state.hold_proposed(each.vault, each.proposed, is_first=is_first):
                keep(one)
            found += state.hold_roles(each, is_first=is_first)
    return found


def _today(chain: Chain, findings: Sequence[VaultFinding], texts: Texts) -> dict[str, str]:
    """Return what the changes that begin to wait would replace, in words, by the key of the change."""
    wanted = [(one, asked) for one in findings if one.what in ("submitted", "found") and (asked := texts.replaced(one))]
    found: dict[str, str] = {}
    for (finding, (_, place, form)), row in chain.read_each(wanted, lambda pair: {"value": pair[1][0]}):
        value = row.value[place] if isinstance(row.value, tuple) else row.value
        if finding.change is not None and not isinstance(value, Unknown):
            found[finding.change.key] = str(getattr(texts.words(finding), f"as_{form}")(value))
    return found


def _report_logs(m: Context, slug: str, read: LogsRead, findings: Sequence[VaultFinding], texts: Texts) -> None:
    """Report what happened at once, in one message of the chain, and go on from the last block that was read."""
    lines = {one.log.id: one for one in findings if one.what == "happened"}
    m.logs(
        "changes",
        read,
        when=lambda log: log.id in lines,
        show=lambda log: texts.line(lines[log.id]),
        severity_of=lambda log: row.severity if (row := lines[log.id].row) else LOW,
        severity=LOW,
        text=_headline(slug, list(lines.values()), texts),
    )


def _headline(slug: str, happened: Sequence[VaultFinding], texts: Texts) -> str:
    if not happened:
        return f"a reported event of vaults on {network(slug).name} is no longer on the chain (reorganisation)"
    worst = max(happened, key=lambda one: one.row.severity if one.row else LOW)
    rest = len(happened) - 1
    more = f" (and {counted(rest, 'more change')})" if rest else ""
    return f"{texts.line(worst)}{more}".replace("{", "").replace("}", "")  # braces would name a value


def _report(m: Context, finding: VaultFinding, texts: Texts, due: Due, today: Mapping[str, str]) -> None:
    slug, change = finding.vault.chain, finding.change
    if finding.what == "differs":
        severity = HIGH if finding.args["role"] in _GRAVE else LOW
        m.alert(severity, texts.differs(finding), texts.vault_block(finding))
    if change is None:
        return
    key = f"pending/{slug}/{change.key}"
    if finding.what in ("submitted", "found"):
        at = due.get(change.key, 0)
        row = submits(finding.vault.version, change.kind)
        blocks = texts.blocks(finding, at, today.get(change.key, ""))
        note = f"Until it is executed it can be stopped by {row.stop}"
        m.alert(row.severity, texts.title(finding, at), *blocks, key=key, remind="never", note=note)
    else:
        m.resolve(key, note=texts.ending(finding))
