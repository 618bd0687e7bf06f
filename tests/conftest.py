"""Fixtures for every test: a local chain where the machine has one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import anvil, parts


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
