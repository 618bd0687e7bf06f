"""Were the rules of a hosted alerting service changed? By a hash of them, without what changes by itself."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from utils.monitor import MEDIUM, Context, Unknown, monitor

KEY, ACCOUNT, PROJECT = "TENDERLY_ACCESS_KEY", "TENDERLY_ACCOUNT", "TENDERLY_PROJECT"
URL = "https://api.tenderly.co/api/v1/account/{account}/project/{project}/alerts"
# Counters and times of a rule that move without anybody touching it.
_MOVING = re.compile(r".*_at|last_.*|.*_count")


@monitor("rule-drift", channel="sources", runbook="protocols/rule_drift/README.md")
def main(m: Context) -> None:
    missing = [name for name in (KEY, ACCOUNT, PROJECT) if not m.env(name, "")]
    if missing:
        m.say(f"off: {', '.join(missing)} not set")
        return
    url = URL.format(account=m.env(ACCOUNT), project=m.env(PROJECT))
    rules = m.http(url, headers={"X-Access-Key": m.env(KEY)}, require=["alerts"], name="alerts")
    found = rules if isinstance(rules, Unknown) else rules["alerts"]
    m.changed("tenderly", hash_of(found), severity=MEDIUM, text="the alert rules at Tenderly changed")


def hash_of(rules: Any) -> Any:  # noqa: ANN401 - a list of JSON, and a text or Unknown
    """Return a hash of a list of rules, whatever their order."""
    if isinstance(rules, Unknown):
        return rules
    if not isinstance(rules, list) or not all(isinstance(rule, Mapping) for rule in rules):
        return Unknown("alerts is no list of rules")
    texts = sorted(json.dumps(_plain(rule), sort_keys=True) for rule in rules)
    return f"{len(rules)} rules, {hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:16]}"


def _plain(value: Any) -> Any:  # noqa: ANN401 - as above
    if isinstance(value, Mapping):
        return {name: _plain(value[name]) for name in value if not _MOVING.fullmatch(name)}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, Unknown):  # null
        return None
    return str(value) if isinstance(value, Fraction) else value


if __name__ == "__main__":
    main()
