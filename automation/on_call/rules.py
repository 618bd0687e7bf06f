"""The rules of on_call.yaml that span several values. The form of the file is right already."""

from __future__ import annotations

from datetime import timedelta

from automation.on_call.model import EscalationStep, OnCall, Override, Rota
from automation.on_call.values import CHAT, EVERYBODY, ON_CALL
from monitoring.base.suggest import instead_of
from monitoring.base.yaml.marks import YamlNode

_TO = (CHAT, ON_CALL, EVERYBODY)
_LEAST_AFTER_S, _LEAST_REPEAT_S = 60, 300
_LONGEST_OVERRIDE = timedelta(days=92)


def check_rules(root: YamlNode, team: OnCall) -> None:
    """Note every mistake that only several values together show."""
    _check_people(_at(root, "people"), team)
    if team.rota is not None:
        _check_rota(_at(root, "rota"), team, team.rota)
    for _, escalation in _at(root, "escalation").children() if team.escalation is not None else ():
        _check_escalation(escalation, team)


def _check_people(at: YamlNode, team: OnCall) -> None:
    owners: dict[int, str] = {}
    for key, person in at.children():
        if key.text in _TO:
            person.mistakes.add(key.at, person.path, f"{key.text} already has a meaning in `to`: write another name")
        number = team.people[key.text].telegram_id
        if number is not None and owners.setdefault(number, key.text) != key.text:
            _at(person, "telegram_id").wrong(
                f"this is also the account of {owners[number]}: write the number of another account"
            )
    if not team.available:
        at.wrong("all of them are disabled: enable at least one")


def _check_rota(at: YamlNode, team: OnCall, rota: Rota) -> None:
    for name in _at(at, "order").elements():
        _check_name(name, str(getattr(name.node, "text", "")), team)
    if rota.starts.weekday() != rota.handover.day or rota.starts.time() != rota.handover.at:
        _at(at, "starts").wrong(f"the first week begins with a handover: write the date of a {rota.handover}")
    if not rota.overrides:
        return
    found = list(zip(_at(at, "overrides").elements(), rota.overrides, strict=True))
    for index, (node, override) in enumerate(found):
        _check_name(_at(node, "who"), override.who, team)
        _check_override(node, override, found[:index])


def _check_override(at: YamlNode, override: Override, before: list[tuple[YamlNode, Override]]) -> None:
    if override.ends <= override.starts:
        _at(at, "ends").wrong("it ends before it starts: correct one of the two")
    elif override.ends - override.starts > _LONGEST_OVERRIDE:
        _at(at, "ends").wrong(f"an override lasts at most {_LONGEST_OVERRIDE.days} days: change the order instead")
    for node, other in before:
        if override.starts < other.ends and other.starts < override.ends:
            at.wrong(f"it overlaps the override in line {node.node.at.line}: only one person can be on call")


def _check_escalation(at: YamlNode, team: OnCall) -> None:
    severity = at.path.rpartition(".")[2]
    escalation = getattr(team.escalation, severity)
    last_s = 0
    for node, step in zip(_at(at, "steps").elements(), escalation.steps, strict=True):
        _check_step(node, step, last_s, team)
        last_s = max(last_s, step.after_s)
    if escalation.repeat_s < _LEAST_REPEAT_S:
        _at(at, "repeat").wrong("write at least 5m")
    if severity == "critical" and all(step.to == CHAT for step in escalation.steps):
        _at(at, "steps").wrong("no step reaches a person: add one with to: on-call or to: everybody")


def _check_step(at: YamlNode, step: EscalationStep, last_s: int, team: OnCall) -> None:
    if step.after_s < _LEAST_AFTER_S:
        _at(at, "after").wrong("write at least 1m")
    elif step.after_s < last_s:
        _at(at, "after").wrong("it comes before the step above: write the steps in the order of their times")
    if step.to == ON_CALL and team.rota is None:
        _at(at, "to").wrong("there is no rota, so no one person is on call: write everybody, or add a rota")
    elif step.to not in (*_TO, *team.people):
        _at(at, "to").wrong(f"no person is named {step.to!r}: {instead_of(step.to, (*_TO, *team.people))}")


def _check_name(at: YamlNode, name: str, team: OnCall) -> None:
    if name not in team.people:
        at.wrong(f"no person is named {name!r}: {instead_of(name, team.people)}")


def _at(at: YamlNode, key: str) -> YamlNode:
    """Return the value of a key, or where it would be."""
    return at.get(key) or at
