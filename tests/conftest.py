"""Settings and fixtures for every test: property tests are not judged by a shared machine's speed; a local chain."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from monitoring.chains.networks import network
from tests.support import anvil, parts
from tests.support.own_contracts import runtime_code

# A shell that is no terminal's starts what it puts into the background (`make test &`) with SIGINT ignored, and every
# child inherits that. A handler is reset to the default by exec, so the children of tests hear an interrupt again.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("shared-machine", deadline=None)
settings.load_profile("shared-machine")


class ByFile(LoadScopeScheduling):
    """Keeps the tests of a file in one worker, and all that boot a host: what they share is then made once."""

    def _split_scope(self, nodeid: str) -> str:
        return "tests/host" if nodeid.startswith("tests/host/") else nodeid.partition("::")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    """Hand out the files in their order, the quick ones of tests/unit last: the workers end together."""
    config.option.loadscopereorder = False
    return ByFile(config, log)


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


@pytest.fixture(scope="module")
def _shared_mainnet() -> Iterator[anvil.Anvil]:
    if anvil.binary() is None:
        parts.missing(anvil.HOW_TO_GET_IT)
    with anvil.running("--chain-id", "1") as running:
        running.set_code(network(1).multicall3, runtime_code("Aggregate3"))
        running.mine(3)
        yield running


@pytest.fixture
def node(_shared_mainnet: anvil.Anvil) -> Iterator[anvil.Anvil]:
    """A real EVM node that monitors take for Ethereum, one for a file, put back to its first blocks after each test."""
    before = _shared_mainnet.snapshot()
    yield _shared_mainnet
    _shared_mainnet.revert(before)
