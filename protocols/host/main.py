"""Watches the machine the checks run on: disk, inodes, memory, swap, clock, load, and the size of its own state.

A task of a profile; by hand: `python -m protocols.host.main --disk-free=15%`. It says every reading on stdout.
"""

from __future__ import annotations

import dataclasses

from monitoring.checks.builtin.host_judgement import Finding, State, judge
from monitoring.checks.builtin.host_limits import Limits, names, parse_one
from monitoring.checks.builtin.host_readings import read_all
from monitoring.settings import load_settings
from utils.monitor import Context, monitor


@monitor("host")
def main(m: Context) -> None:
    """Read, judge, and raise or end one condition a subject."""
    known = names()
    changes = {known[name]: parse_one(known[name], text) for name, text in m.args.items()}
    limits = dataclasses.replace(Limits(), **changes)
    settings = load_settings()
    paths = {"state": settings.cache_dir, "checkout": settings.checkout}
    findings = judge(read_all(settings.database, paths), limits)
    with m.together():
        for finding in findings:
            print(finding)
            tell(m, finding)


def tell(m: Context, finding: Finding) -> None:
    """Pass a finding on; an unknown one neither raises nor ends anything."""
    if finding.severity is not None:
        where = [finding.where] if finding.where else []
        m.alert(finding.severity.name, finding.headline, *where, finding.advice, key=finding.key)
    elif finding.state is State.FINE:
        m.resolve(finding.key)


if __name__ == "__main__":
    main()
