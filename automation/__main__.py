"""`python -m automation`."""
# ruff: noqa: E402 - root loads no more than it must, and a start that waits for its turn no more than that

from monitoring.base.drop_privileges import become_owner_of_checkout

become_owner_of_checkout()

import os
import sys

from automation.turns import await_turn
from monitoring.base.invocation import missing_package

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
sys.exit(status)
