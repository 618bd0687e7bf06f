"""`python -m automation`."""
# ruff: noqa: E402 - root loads no more than it must, and a start that waits for its turn no more than that

from monitoring.base.drop_privileges import become_owner_of_checkout

become_owner_of_checkout()

import gc
import os
import sys

from automation.turns import await_turn
from monitoring.base.invocation import missing_package

# What a start makes (modules, classes, patterns) lives as long as the process: to look through it for garbage at each
# 700 objects, as Python does, only delays a command. With this many, garbage is still no more than a few MiB.
gc.set_threshold(50_000)

await_turn(sys.argv[1:], os.environ, sys.path[0])

try:
    from automation.cli.main import main

    status = main()
except ModuleNotFoundError as error:
    # Mostly the Python of the system; else the venv is older than the checkout.
    if (hint := missing_package(error)) is None:
        raise
    sys.stderr.write(hint)
    status = 2
gc.freeze()  # the end of a process looks for garbage three times, in memory that is about to be returned as a whole
sys.exit(status)
