"""Built-in type `erc4626`: vaults, one row each.

Tests: tests/unit/test_erc4626*.py, and the drills of the vaults that ship.
"""

from monitoring.checks.builtin.erc4626.parts import TYPE as TYPE
