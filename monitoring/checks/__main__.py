"""`python -m monitoring.checks`: what a task with `monitors:` starts. This release reads such files, and runs none."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    sys.exit("this release cannot run YAML monitors: write it in Python with utils.monitor, and name its `script`")
