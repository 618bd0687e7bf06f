"""`python -m automation`."""
# ruff: noqa: E402 - root loads no more than it must

from monitoring.base.drop_privileges import become_owner_of_checkout

become_owner_of_checkout()

import sys

from automation.cli.main import main

sys.exit(main())
