"""Built-in type `proposals`: what a protocol's governance decides, from its contracts or its service.

Tests: tests/integration/test_proposals*.py, protocols/proposals/test_proposals.py.
"""

from monitoring.checks.builtin.proposals.config import TYPE as TYPE
