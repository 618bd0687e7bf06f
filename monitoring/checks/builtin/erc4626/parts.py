"""`erc4626`: one row a vault; what can go wrong with its share price, its size, its exit, its flags and its asset.

A row becomes ordinary checks over view calls, so that vaults share their multicalls with everything else of a task.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from monitoring.alerts.message.model import Severity
from monitoring.base.yaml.keys import Key
from monitoring.base.yaml.marks import Mapping as MappingNode
from monitoring.checks.builtin.erc4626.keys import (
    ACCOUNT,
    ASSET,
    ASSET_DECIMALS,
    ASSETS_SEVERITY,
    AT_LEAST,
    DECIMALS,
    ERC4626,
    EXIT,
    EXIT_SEVERITY,
    EXITS,
    ITS_ADDRESS,
    ITS_CHAIN,
    NAMED,
    OF,
    PRICE_SEVERITY,
    ROW,
    SHARE_PRICE,
    TOLERANCE,
    TOTAL_ASSETS,
)  # fmt: skip
from monitoring.checks.config.names import IDENTIFIER
from monitoring.checks.config.yaml_node import Spot
from monitoring.checks.engine.formula_checks import Check, FormulaPart
from monitoring.checks.engine.plugin import CheckType, PluginContext
from monitoring.checks.expression.scope import Scope
from monitoring.checks.expression.tree import Tree
from monitoring.checks.expression.typecheck import check as read_formula
from monitoring.checks.expression.values import Number
from monitoring.checks.expression.views import parse_view, standard_views
from monitoring.checks.messages.plain import OwnRoute
from monitoring.checks.rows.eval_scope import EvalScope
from monitoring.checks.rules.delta import BASELINE, MIN_ABS, DeltaPolicy, Move, MoveLevel
from monitoring.checks.rules.keys import own_route_of
from monitoring.checks.rules.limit import WORSE_BY, Level, LimitPolicy, Side
from monitoring.checks.rules.never_falls import REBASE, NeverFallsPolicy, Rebase
from monitoring.checks.rules.steps import Step, either
from monitoring.checks.rules.verb import with_base
from monitoring.conditions.condition import ConditionKey
from monitoring.conditions.policy import Policy

MAX_DECIMALS = 36
# Beyond the vault's own unit, so that a fall of a billionth still moves an integer.
_FINER = 6
_LEAST_PROBE = 18
_SYMBOL = re.compile(r"[A-Za-z0-9$][A-Za-z0-9$.+-]{0,15}")
_VAULT = "vault"
_ASSET_CHECK = "asset"


@dataclass(frozen=True, slots=True)
class Vault:
    """A row: a vault on a chain, and the checks made of it."""

    name: str
    chain: int
    address: str
    checks: tuple[Check, ...]
    own: OwnRoute


@dataclass(frozen=True, slots=True)
class _VaultRow:
    """A row being read; decimals are those of a share and of the asset."""

    spot: Spot
    name: str
    decimals: int
    asset_decimals: int

    @property
    def unit(self) -> str:
        text = self.spot.value(ASSET)
        return text if text and _SYMBOL.fullmatch(text) and not text.startswith("0x") else ""


def schema(spot: Spot, around: PluginContext) -> tuple[Vault, ...] | None:
    """Read the rows; a name stands once."""
    found: dict[str, Vault] = {}
    for item in spot.items("a list of vaults"):
        vault = _vault(item, around)
        if vault and vault.name in found:
            (item.get("name") or item).wrong(f"{vault.name} stands here twice: state is kept by it")
        elif vault:
            found[vault.name] = vault
    return tuple(found.values())


def plan(vaults: Sequence[Vault], around: PluginContext) -> list[FormulaPart]:
    """Make a part of each check of each vault."""
    parts: list[FormulaPart] = []
    for vault in vaults:
        scene, route = (
            EvalScope(around.monitor, vault.chain, {_VAULT: vault.address}, {}),
            around.route.narrowed(vault.own),
        )
        parts += [
            FormulaPart(
                ConditionKey(around.monitor, one.name, vault.chain, vault.name),
                one,
                scene,
                # Another asset is a mistake of the file, and no reason to move funds.
                replace(route, machine=route.machine and one.name != _ASSET_CHECK),
            )
            for one in vault.checks
        ]
    return parts


def _vault(spot: Spot, around: PluginContext) -> Vault | None:
    spot.only(ROW.keys)
    name, at = spot.value(NAMED), spot.value(ITS_ADDRESS)
    chain, decimals = _chain(spot, around), _decimals(spot, DECIMALS)
    if name is None or at is None or chain is None or decimals is None:
        return None
    asset_decimals = _decimals(spot, ASSET_DECIMALS) if spot.get(ASSET_DECIMALS.name) else decimals
    row = _VaultRow(spot, name, decimals, decimals if asset_decimals is None else asset_decimals)
    checks = [one for one in (_share_price(row), _total_assets(row), _exit(row), _asset(row)) if one]
    checks += _flags(row)
    if not checks and not spot.mistakes.found:
        spot.wrong("nothing is asked of this vault: share_price, total_assets, exit, flags or asset")
    return Vault(name, chain, at, tuple(checks), own_route_of(spot))


def _chain(spot: Spot, around: PluginContext) -> int | None:
    if spot.get(ITS_CHAIN.name):
        return spot.value(ITS_CHAIN)
    if len(around.chains) == 1:
        return around.chains[0]
    spot.wrong("chain is missing: the monitor does not run on exactly one")
    return None


def _decimals(spot: Spot, key: Key[Number]) -> int | None:
    found, number = spot.get(key.name), spot.value(key)
    if found is None or number is None:
        return None
    if not isinstance(number, int) or not 0 <= number <= MAX_DECIMALS:
        found.wrong(f"decimals are a whole number from 0 to {MAX_DECIMALS}")
        return None
    return number


def _share_price(row: _VaultRow) -> Check | None:
    """Read `share_price: critical`, or with what is rounding and what becomes of the mark.

    Left out, rounding is one smallest unit of the asset in what the vault answers for the probe.
    """
    spot = row.spot.get("share_price")
    if spot is None:
        return None
    if isinstance(spot.node, MappingNode):
        spot.only(SHARE_PRICE.keys)
        policy = spot.policy(either(spot.value(PRICE_SEVERITY), Severity.CRITICAL))
        tolerance, rebase = spot.value(TOLERANCE), spot.value(REBASE)
    else:
        policy, tolerance, rebase = spot.policy(either(spot.severity(), Severity.CRITICAL)), None, None
    probe = max(row.decimals + _FINER, _LEAST_PROBE)
    scale = probe + row.asset_decimals - row.decimals
    formula = f"vault.convertToAssets(1e{probe}) / 1e{scale}"
    judged = with_base(
        NeverFallsPolicy,
        policy,
        tolerance=tolerance or Step(Fraction(1, 10**scale)),
        rebase=Rebase(rebase or Rebase.AFTER_ALERT),
    )
    return _check("share-price", "never_falls", formula, judged, f"{row.name}: share price fell", row.unit)


def _total_assets(row: _VaultRow) -> Check | None:
    """Read how far the assets may move between two readings."""
    spot = row.spot.get("total_assets")
    if spot is None:
        return None
    spot.only(TOTAL_ASSETS.keys)
    written = [move for move in Move if spot.get(move.value)]
    if len(written) != 1:
        spot.wrong(f"one of {', '.join(Move)} says which move is too large")
        return None
    policy = spot.policy(either(spot.value(ASSETS_SEVERITY), Severity.LOW))
    step = _step(spot, written[0])
    if step is None:
        return None
    judged = with_base(
        DeltaPolicy,
        policy,
        levels=(MoveLevel(written[0], step, policy.severity),),
        baseline_max_age=spot.value(BASELINE),
        min_abs=spot.value(MIN_ABS) or 0,
    )
    formula = f"vault.totalAssets() / 1e{row.asset_decimals}"
    return _check("total-assets", "delta", formula, judged, f"{row.name}: total assets changed sharply", row.unit)


def _step(spot: Spot, move: Move) -> Step | None:
    size = spot.get(move.value)
    step = size.step() if size else None
    if size and step and move is Move.DROP and step.relative and step.size >= 1:
        size.wrong("nothing can drop by more than 100%")
    return step


def _exit(row: _VaultRow) -> Check | None:
    """Read how much must be withdrawable: by a view (for an account, if the view asks for one) or idle in the vault."""
    spot = row.spot.get("exit")
    if spot is None:
        return None
    spot.only(EXIT.keys)
    word, bound, owner = spot.value(OF), spot.value(AT_LEAST), spot.get(ACCOUNT.name)
    if owner and word == "idle":
        owner.wrong("what lies idle in the vault is nobody's in particular")
    if owner is None and word == "maxWithdraw":
        spot.wrong("account is missing: maxWithdraw is asked for somebody")
    account = f'"{owner.text()}"' if owner and owner.address() else "zero"
    policy = spot.policy(either(spot.value(EXIT_SEVERITY), Severity.MEDIUM))
    if word is None or bound is None:
        return None
    policy = replace(policy, worse_by=spot.value(WORSE_BY))
    judged = with_base(LimitPolicy, policy, side=Side.BELOW, levels=(Level(bound, policy.severity),))
    formula = f"{EXITS[word].format(account=account)} / 1e{row.asset_decimals}"
    return _check("exit-liquidity", "limit", formula, judged, f"{row.name}: exit liquidity is low", row.unit)


def _flags(row: _VaultRow) -> list[Check]:
    """Read `{isShutdown: critical, paused: high}`: views that return a boolean, bad when true."""
    spot, found = row.spot.get("flags"), list[Check]()
    for key, value in spot.entries("views and severities, as in {isShutdown: critical}") if spot else []:
        severity = value.severity()
        if not IDENTIFIER.fullmatch(key.text):
            value.mistakes.add(key.at, value.path, f"{key.text!r} is no view")
        elif severity is not None:
            words = f"{row.name}: {key.text}() is true"
            policy = value.policy(severity)
            found.append(_check(f"flag-{key.text}", "flag", f"vault.{key.text}()", policy, words, flag=key.text))
    return found


def _asset(row: _VaultRow) -> Check | None:
    """Read what `asset()` must be: a symbol or an address. A wrong one means that the wrong vault is watched."""
    spot, text = row.spot.get(ASSET.name), row.spot.value(ASSET)
    if spot is None or text is None:
        return None
    words = f"{row.name}: underlying asset is not {text}"
    policy = spot.policy(Severity.HIGH)
    if text.startswith("0x"):
        address = spot.address()
        return _check(_ASSET_CHECK, "flag", f'vault.asset() != "{text}"', policy, words) if address else None
    if not _SYMBOL.fullmatch(text):
        spot.wrong(f"{text!r} is no token's symbol")
        return None
    return _check(_ASSET_CHECK, "flag", f'erc20(vault.asset()).symbol() != "{text}"', policy, words)


def _check(name: str, verb: str, formula: str, policy: Policy, words: str, unit: str = "", *, flag: str = "") -> Check:
    subject = words.partition(": ")[0]
    return Check(f"{name}/{subject}", name, verb, (_tree(formula, flag),), policy, formula, unit, words)


def _tree(formula: str, flag: str) -> Tree:
    own = {flag: (parse_view(f"{flag}()(bool)"),)} if flag else {}
    return read_formula(formula, Scope(contracts=(_VAULT,), views={**standard_views(), **own})).tree


TYPE: CheckType[Any] = CheckType(ERC4626, schema, plan)
