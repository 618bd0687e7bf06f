"""What a written row says of the alerts of its checks: where they go, how bad they are, in which words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from monitoring.alerts.message.guidance import MOST_NOTE, Guidance
from monitoring.alerts.message.sanitize import clean_line, shorten
from monitoring.checks.engine.formula_checks import Check, FormulaPart
from monitoring.checks.expression.values import Value, is_number
from monitoring.checks.messages.plain import OwnRoute
from monitoring.checks.rows.eval_scope import EvalScope
from monitoring.checks.rules.age import AgePolicy
from monitoring.checks.rules.diverge import DivergePolicy
from monitoring.checks.rules.steps import with_severity
from monitoring.checks.rules.words import PLACEHOLDER
from monitoring.conditions.severity import Severity


def of_row(part: FormulaPart, scope: EvalScope) -> FormulaPart:
    """Return a part as the written row of its scope has it; what is read says nothing of where alerts go."""
    row, fields = scope.written_row, scope.fields
    if not row:
        return part
    route = part.route.narrowed(own_route_of_row(row))
    return replace(part, check=check_of_row(part.check, row, fields), route=route)


def own_route_of_row(row: Mapping[str, object]) -> OwnRoute:
    """Return what the fields `protocol`, `channel`, `machine`, `runbook` and `note` of a row say of its alerts."""
    protocol, channel, machine = row.get("protocol"), row.get("channel"), row.get("machine")
    return OwnRoute(
        protocol if isinstance(protocol, str) else "",
        channel if isinstance(channel, str) else "",
        machine if isinstance(machine, bool) else None,
        guidance_of_row(row),
    )


def check_of_row(check: Check, row: Mapping[str, object], fields: Mapping[str, Value]) -> Check:
    """Return the check with the `severity` and `text` of a row, and with its bound where that is a field.

    A check whose own text fills in the row's keeps it. Where levels have several severities, those count.
    """
    severity, text = row.get("severity"), row.get("text")
    if isinstance(check.policy, AgePolicy | DivergePolicy) and check.policy.field:
        bound = fields[check.policy.field]
        check = replace(check, policy=check.policy.for_row(bound if is_number(bound) else 0))
    if isinstance(severity, str):
        check = replace(check, policy=with_severity(check.policy, Severity.parse(severity)))
    fills_in = any(
        name.strip() in fields and name.strip().endswith(".text") for name in PLACEHOLDER.findall(check.text)
    )
    return replace(check, text=text) if isinstance(text, str) and not fills_in else check


def guidance_of_row(row: Mapping[str, object]) -> Guidance:
    """Return what the fields `runbook` and `note` of a row say; a note was there for readers of the file before."""
    runbook, note = (
        clean_line(found) if isinstance(found := row.get(name), str) else "" for name in ("runbook", "note")
    )
    return Guidance(runbook, shorten(note, MOST_NOTE))
