"""Troubles in any combination: every tick that did not simply run is named with its cause, and no other."""

from __future__ import annotations

from hypothesis import given, settings

from tests.support.planted import BEGINS_AT, JOBS, Observer, Trouble, exceptions, troubles
from tests.support.properties import patient
from tests.support.simulated_host import Chat, SimulatedHost, state_directory


@settings(patient, max_examples=12, derandomize=True)
@given(troubles)
def test_whatever_is_planted_the_ledger_says_what_an_observer_saw(planted: list[Trouble]) -> None:
    with state_directory() as directory, Chat() as chat:
        host = SimulatedHost(directory, BEGINS_AT, chat, JOBS)
        host.start_daemon()
        observer = Observer(host, planted)
        host.until(observer.ends_at)
        found = exceptions(host.facts(BEGINS_AT, host.clock.now()).ticks)
        expected = observer.expected()
    assert found.keys() == expected.keys()
    wrong = {tick: (found[tick], cause) for tick, cause in expected.items() if not found[tick].startswith(cause)}
    assert not wrong
