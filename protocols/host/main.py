"""Watches the machine the checks run on: disk, inodes, memory, swap, clock, load, and the size of its own state.

A task of a profile; by hand: `python -m protocols.host.main --disk-free 15%`. It says every reading on stdout.
"""

from __future__ import annotations

from monitoring.settings import load_settings
from protocols.host.judgement import Finding, State, judge
from protocols.host.limits import parse_limits
from protocols.host.readings import read_all
from utils.monitor import Monitor, monitor


@monitor("host")
def main(m: Monitor) -> None:
    """Read, judge, and raise or end one condition a subject."""
    limits = parse_limits()
    settings = load_settings()
    paths = {"state": settings.cache_dir, "checkout": settings.checkout}
    for finding in judge(read_all(settings.database, paths), limits):
        print(finding)
        tell(m, finding)


def tell(m: Monitor, finding: Finding) -> None:
    """Pass a finding on; an unknown one neither raises nor ends anything."""
    if finding.state is State.BAD:
        m.alert(finding.severity, finding.headline, finding.advice, key=finding.key)
    elif finding.state is State.FINE:
        m.resolve(finding.key)


if __name__ == "__main__":
    main()
