"""Watches the machine the checks run on: disk, inodes, memory, swap, clock, load, and the size of its own state.

A task of a profile; by hand: `python -m protocols.host.main --disk-free=15%`. It says every reading on stdout.
"""

from __future__ import annotations

from monitoring.settings import load_settings
from protocols.host.judgement import Finding, State, judge
from protocols.host.limits import parse_limits
from protocols.host.readings import read_all
from utils.monitor import Context, monitor


@monitor("host")
def main(m: Context) -> None:
    """Read, judge, and raise or end one condition a subject."""
    limits = parse_limits(m.args)
    settings = load_settings()
    paths = {"state": settings.cache_dir, "checkout": settings.checkout}
    findings = judge(read_all(settings.database, paths), limits)
    with m.together():
        for finding in findings:
            print(finding)
            tell(m, finding)


def tell(m: Context, finding: Finding) -> None:
    """Pass a finding on; an unknown one neither raises nor ends anything."""
    if finding.state is State.BAD:
        where = [finding.where] if finding.where else []
        m.alert(finding.severity, finding.headline, *where, finding.advice, key=finding.key)
    elif finding.state is State.FINE:
        m.resolve(finding.key)


if __name__ == "__main__":
    main()
