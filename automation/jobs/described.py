"""What the enabled tasks watch, asked of a child: the channels of their alerts, the chains, who calls a machine."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from automation.jobs.model import Jobs
from monitoring.alerts.channels import variable_part
from monitoring.alerts.senders.webhook import EMERGENCY, FORMAT, OLD_URL

_LIMIT_S = 30
_CALLS = re.compile(r"\bmachine\s*=\s*True\b")
_CHANNELS = re.compile(r"""(?:@monitor\(|\bchannel\s*=|\bprotocol\s*=)\s*["']([^"']+)["']""")
_WEBHOOK = "WEBHOOK_URL_"


@dataclass(frozen=True, slots=True)
class Described:
    """Channels and chain ids of monitor files; `machines` are the channels whose webhook some check or script calls.

    `cadences` counts the checks that ask a service as often as its keys allow, by how often that is. Of Python scripts
    only `machines` are known, by their text.
    """

    channels: frozenset[str] = frozenset()
    chains: frozenset[int] = frozenset()
    machines: frozenset[str] = frozenset()
    cadences: Mapping[str, int] = field(default_factory=dict)


def described(jobs: Jobs, checkout: Path, cache_dir: Path) -> Described:
    """Describe what the enabled tasks run; nothing of the files where the child fails, which `validate` reports."""
    tasks = [task for profile in jobs.profiles.values() if profile.enabled for task in profile.tasks if task.enabled]
    files = list(dict.fromkeys(file for task in tasks for file in task.monitors))
    found = _ask(files, checkout, cache_dir) if files else []
    checks = [check for monitor in found for check in monitor["checks"]]
    scripts = dict.fromkeys(task.script for task in tasks if task.script)
    return Described(
        frozenset(str(one["channel"]) for one in [*found, *checks]),
        frozenset(int(chain) for monitor in found for chain in monitor["chains"]),
        frozenset([*(str(one["channel"]) for one in checks if one["machine"]), *_of_scripts(scripts, checkout)]),
        Counter(str(one["cadence"]) for one in checks if one.get("cadence")),
    )


def uncalled(environ: Mapping[str, str], machines: Iterable[str]) -> list[str]:
    """Return the variables of webhooks that no check calls."""
    called = {variable_part(channel) for channel in machines}
    set_here = [name for name in sorted(environ) if environ[name].strip()]
    own = [name for name in set_here if name.startswith(_WEBHOOK) and name != f"{_WEBHOOK}ERRORS"]
    lost = [name for name in own if name.removeprefix(_WEBHOOK) not in called]
    is_chosen = environ.get(FORMAT, "").strip() == EMERGENCY
    return [*lost, *([OLD_URL] if OLD_URL in set_here and is_chosen and not called else [])]


def has_webhook(environ: Mapping[str, str]) -> bool:
    """Return whether `uncalled` could find any."""
    return bool(uncalled(environ, ()))


def _of_scripts(scripts: Iterable[str], checkout: Path) -> Iterator[str]:
    for script in scripts:
        try:
            text = (checkout / script).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if _CALLS.search(text):
            yield from _CHANNELS.findall(text)


def _ask(files: list[str], checkout: Path, cache_dir: Path) -> list[Mapping[str, Any]]:
    argv = [sys.executable, "-m", "monitoring.checks", "describe", "--json", *files]
    environ = {"CACHE_DIR": str(cache_dir), "MONITORING_ENV_FILE": ""}
    try:
        done = subprocess.run(
            argv, cwd=checkout, env=environ, capture_output=True, text=True, timeout=_LIMIT_S, check=False
        )
        found: list[Mapping[str, Any]] = json.loads(done.stdout)
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return []
    return found
