"""What a monitor script imports: read, judge, raise alerts, remember values. docs/write-a-monitor.md shows how.

The script never sends and holds no credentials: it stores, and the runner delivers. Started by hand, without a
runner, the wrapper delivers at the end.
"""
# ruff: noqa: E402 - root loads no more than it must

from __future__ import annotations

from monitoring.base.drop_privileges import become_owner_of_checkout

become_owner_of_checkout()  # a script started by root leaves no file that the service cannot write

import functools
import sys
from collections.abc import Callable
from typing import Any

from monitoring.alerts.message.guidance import guidance_of_call
from monitoring.alerts.message.model import Severity
from monitoring.alerts.message.text import addr, bold, code, kv, line, link, pct, quote, since, table, tx, usd
from monitoring.checks.expression.values import NONE as none  # noqa: N811 - the word of monitor files
from utils.context import Context
from utils.reading import call
from utils.script import run_as_script
from utils.unknown import Unknown, UnknownError

LOW, MEDIUM, HIGH, CRITICAL = Severity.LOW, Severity.MEDIUM, Severity.HIGH, Severity.CRITICAL

__all__ = [
    "CRITICAL", "HIGH", "LOW", "MEDIUM", "Context", "Severity", "Unknown", "UnknownError", "addr", "bold", "call",
    "code", "kv", "line", "link", "monitor", "none", "pct", "quote", "since", "table", "tx", "usd",
]  # fmt: skip


def monitor(
    name: str, *, channel: str = "", runbook: str = "", note: str = ""
) -> Callable[[Callable[[Context], Any]], Callable[[], None]]:
    """Make a function that takes a `Context` into a script's `main()`.

    `name` is the protocol its alerts belong to and the name its memory is kept under; `channel` where they go, if
    not by the protocol's name. `runbook` (a URL, or a path in the repository) and `note` are shown in each alert that
    says nothing else. `main()` returns if all went well and exits with 1 after a crash, which becomes one
    stored alert. The function itself stays reachable as `main.function`.

    Raises:
        TypeError: it is written without its parentheses and name.
        UsageError: `runbook` or `note` is not usable.
    """
    if not isinstance(name, str):
        raise TypeError('write @monitor("name") with the protocol\'s name, above def main(m)')

    guidance = guidance_of_call(f"@monitor({name!r}, ", runbook, note)

    def decorate(function: Callable[[Context], Any]) -> Callable[[], None]:
        @functools.wraps(function)
        def main() -> None:
            code = run_as_script(name, channel, function, sys.argv[1:], guidance)
            if code:
                sys.exit(code)

        main.function, main.monitor, main.channel = function, name, channel  # type: ignore[attr-defined]
        main.guidance = guidance  # type: ignore[attr-defined]
        return main

    return decorate
