"""What an alert about the governance of a vault says: which vault, what changes from what, from when on, who did it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from monitoring.alerts.message.text import Block
from monitoring.base.formatting import format_instant
from monitoring.chains.networks import network
from monitoring.checks.builtin.shared.transactions import when
from protocols.morpho.governance.events import REPLACES
from protocols.morpho.governance.state import VaultFinding
from protocols.morpho.governance.words import Words
from utils.chain import Chain, ViewCall
from utils.monitor import Unknown, addr, call, kv, link, tx


class Texts:
    """Puts findings of one chain into words. `assets`: the token of each vault, by the vault's address."""

    def __init__(self, chain: Chain, assets: Mapping[str, str | Unknown], now: datetime) -> None:
        self._chain = chain
        self._assets = assets
        self._now = now

    def words(self, finding: VaultFinding) -> Words:
        """Return what puts the values of this finding into words."""
        vault = finding.vault
        view = "MORPHO()(address)" if vault.version == 1 else "morpho()(address)"
        return Words(self._chain, network(vault.chain).id, self._assets[vault.address], call(finding.contract, view))

    def says(self, finding: VaultFinding) -> str:
        """Return what changes."""
        return self.words(finding).text(finding.row.says, finding.args) if finding.row else ""

    def line(self, finding: VaultFinding) -> str:
        """Return one line about what happened at once."""
        row = finding.row
        what = {"executes": "executed: ", "revokes": "revoked: "}.get(row.effect, "") if row else ""
        by = f", by {self.words(finding).as_account(finding.by)}" if finding.by else ""
        return f"{finding.vault.title}: {what}{self.says(finding)}{by}"

    def title(self, finding: VaultFinding, at: int | Unknown) -> str:
        """Return the title of a change that waits."""
        since = _instant(at)
        until = f", executable from {format_instant(since)}" if since is not None else ""
        return f"{finding.vault.title}: submitted: {_change(finding)}{until}"

    def ending(self, finding: VaultFinding) -> str:
        """Return how a change ended, in one line."""
        if finding.what == "ended":
            unknown = "no longer pending; no event says whether it was executed or revoked"
            return f"{finding.vault.title}: {_change(finding)}: {unknown}"
        by = f" by {self.words(finding).as_account(finding.by)}" if finding.what == "revoked" and finding.by else ""
        return f"{finding.vault.title}: {finding.what}{by}: {_change(finding)}"

    def differs(self, finding: VaultFinding) -> str:
        """Return that a view says something else than the events."""
        words, args = self.words(finding), finding.args
        now, before = (_accounts(args[name], words) for name in ("is", "was"))
        source = "by the vault's own view; no event of this change was read"
        return f"{finding.vault.title}: {args['role']}: {before} → {now} {source}"

    def blocks(self, finding: VaultFinding, at: int | Unknown, replaced: str) -> list[Block]:
        """Return what is shown below the title of a change that waits."""
        vault, words, chain_id = finding.vault, self.words(finding), network(finding.vault.chain).id
        rows = _vault_rows(finding)
        if finding.contract.lower() != vault.address.lower():
            rows["Adapter"] = addr(finding.contract, None, chain_id)
        rows |= {"Today": replaced} if replaced else {}
        rows["Executable"] = self._when(at)
        rows |= words.rows(finding.args)
        if finding.by:
            label = words.as_account(finding.by)
            rows["Submitted by"] = addr(finding.by, label if "(" in label else None, chain_id)
        rows["Transaction"] = (
            tx(finding.log.tx, chain=chain_id) if finding.log else "unknown: found in the vault's state, without event"
        )
        return [kv(rows)]

    def vault_block(self, finding: VaultFinding) -> Block:
        """Return where to look."""
        return kv(_vault_rows(finding))

    def replaced(self, finding: VaultFinding) -> tuple[ViewCall, int, str] | None:
        """Return the view with what a change would replace, which of its values that is, and its form."""
        change = finding.change
        if change is None:
            return None
        if change.kind in REPLACES:
            view, place, form = REPLACES[change.kind]
            return call(change.contract, view, *([change.subject] if change.subject else [])), place, form
        found = self.words(finding).current(bytes.fromhex(change.subject[2:])) if change.kind == "call" else None
        return None if found is None else (call(change.contract, found[0], *found[1]), 0, found[2])

    def _when(self, at: int | Unknown) -> str:
        if isinstance(at, Unknown):
            return "unknown: the vault could not be read"
        if at == 0:
            return "the vault no longer lists it as pending"
        since = _instant(at)
        return "never: its delay ends after the year 9999" if since is None else when(since, self._now)


def _instant(at: int | Unknown) -> datetime | None:
    """Return from when on a change can be executed; None where that is unknown, over, or in no calendar."""
    if isinstance(at, Unknown) or at == 0:
        return None
    try:
        return datetime.fromtimestamp(at, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _vault_rows(finding: VaultFinding) -> dict[str, object]:
    vault = finding.vault
    return {"Vault": (addr(vault.address, vault.name, vault.chain), " (", link("Morpho", vault.page), ")")}


def _change(finding: VaultFinding) -> str:
    return finding.change.says if finding.change else ""


def _accounts(value: Any, words: Words) -> str:  # noqa: ANN401 - an account, or a list of them
    if isinstance(value, list):
        return ", ".join(words.as_account(one) for one in value) or "none"
    return words.as_account(value)
