"""A trivial built-in type, to prove the shape that all of them share."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from monitoring.alerts.message.model import Severity
from monitoring.base.yaml.keys import Section, entry
from monitoring.checks.config.yaml_node import Spot
from monitoring.checks.engine.plan import ReadContext
from monitoring.checks.engine.plugin import CheckType, PluginContext, registry
from monitoring.checks.expression.evaluate import ViewRead
from monitoring.checks.messages.plain import AlertRoute, AlertText, plain_message
from monitoring.checks.rules import flag
from monitoring.checks.rules.keys import ADDRESS, SEVERITY, Listed
from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.conditions.policy import Policy


class RollCall:
    """A trivial built-in type: is each of these addresses at home?"""

    def __init__(self, key: ConditionKey, call: ViewRead, severity: Severity) -> None:
        self.key, self.call, self.severity = key, call, severity

        self.route, self.about = AlertRoute(key.monitor), f"{key.subject} is at home"

    def compose(self, transition: Any, _: Any) -> AlertText:
        return plain_message(self.about, transition)

    def read(self, desk: ReadContext) -> Any:
        return desk.call(self.call)

    def judge(self, before: Condition, reading: Any, now: datetime) -> Any:
        return flag.judge(before, reading, now, Policy(severity=self.severity))


WHO = entry(
    "who",
    Listed(ADDRESS),
    "Who should be at home.",
    without="addresses",
    example='who: ["0x83F20F44975D03b1b09e64809B757c47f942BEeA"]',
)
HOW_BAD = entry("severity", SEVERITY, "How bad it is.", without="a severity", example="severity: low")
SECTION = Section("Is each of these addresses at home?", WHO, HOW_BAD)


def roll_call_schema(spot: Spot, _: PluginContext) -> tuple[list[str], Severity] | None:
    spot.only(SECTION.keys)
    who, told = spot.need(WHO.name, WHO.without), spot.value(HOW_BAD)
    addresses = [item.address() for item in who.items()] if who else []
    return ([one for one in addresses if one], told) if told is not None else None


def roll_call_plan(config: tuple[list[str], Severity], around: PluginContext) -> list[RollCall]:
    who, severity = config
    return [
        RollCall(
            ConditionKey(around.monitor, "roll-call", chain, one), ViewRead(chain, one, "isShutdown()(bool)"), severity
        )
        for chain in around.chains
        for one in who
    ]


KIND = CheckType(entry("roll_call", SECTION, SECTION.sentence, default=""), roll_call_schema, roll_call_plan)
TYPES = registry(KIND)
