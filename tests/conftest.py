"""Settings and fixtures for every test: property tests are not judged by a shared machine's speed; a local chain."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.support import anvil, parts

settings.register_profile("shared-machine", deadline=None)
settings.load_profile("shared-machine")


@pytest.fixture(scope="session")
def _shared_node() -> Iterator[anvil.Anvil]:
    if anvil.binary() is None:
        parts.missing(anvil.HOW_TO_GET_IT)
    with anvil.running() as node:
        yield node


@pytest.fixture
def chain(_shared_node: anvil.Anvil) -> Iterator[anvil.Anvil]:
    """A real EVM node, put back to its first block afterwards; a test that needs its own uses `anvil.running()`."""
    before = _shared_node.snapshot()
    yield _shared_node
    _shared_node.revert(before)
