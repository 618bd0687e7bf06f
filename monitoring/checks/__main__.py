"""`python -m monitoring.checks`: what a task with `monitors:` starts, and what looks at monitor files by hand."""

from __future__ import annotations

from monitoring.base.drop_privileges import become_owner_of_checkout

if __name__ == "__main__":
    become_owner_of_checkout()

import sys

from monitoring.checks.commands import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
