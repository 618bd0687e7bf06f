"""Buttons with the process that reads them: `python -m automation listen`, killed where it hurts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from monitoring.base.clock import SystemClock
from monitoring.conditions.condition import ConditionKey
from tests.support.child import CHECKOUT
from tests.support.fake_telegram import TelegramStandIn
from tests.support.tapping import ALICE, Chat, data_under, labels

pytestmark = pytest.mark.ci


class _Host(Chat):
    """A host whose chat is read by a process of its own."""

    def __post_init__(self) -> None:
        self.is_read = False
        self.clock = SystemClock()  # type: ignore[assignment]
        super().__post_init__()
        self.telegram.longest_poll_s = 30
        self.jobs_file.write_text("profiles: {}\n")

    @contextmanager
    def listening(self) -> Iterator[subprocess.Popen[bytes]]:
        """Start the reader and wait until it polls; it is ended with the block."""
        before = len(self.telegram.requests)
        process = subprocess.Popen(
            [sys.executable, "-m", "automation", "--config", str(self.jobs_file), "listen"],
            cwd=CHECKOUT,
            env={**os.environ, **self.settings.environ, "CACHE_DIR": str(self.directory), "MONITORING_ENV_FILE": ""},
        )
        try:
            assert self.telegram.wait_for(lambda: self.polls(before) > 1, 90)
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)

    def polls(self, since: int) -> int:
        return sum(each.path.endswith("/getUpdates") for each in self.telegram.requests[since:])


@pytest.fixture
def host(tmp_path: Path) -> Iterator[_Host]:
    with TelegramStandIn() as telegram:
        found = _Host(tmp_path, telegram)
        yield found
        found.close()


def test_a_tap_is_seen_in_the_message_and_the_row_within_seconds(host: _Host) -> None:
    with host.listening():
        host.fires()
        sent = host.newest()
        assert labels(sent) == [["I have it", "Mute 1 h", "Details"]]
        host.telegram.tap(ALICE, data_under(sent, "I have it"), sent)
        assert host.telegram.wait_for(lambda: bool(host.telegram.answered_taps))
        assert host.telegram.wait_for(lambda: "✋ alice has it since" in host.now_shown(sent).text)
        assert host.held() == [("alice", "aave/backing")]
        assert host.telegram.wait_for(
            lambda: any("alice has it: backing" in each.text for each in host.telegram.messages)
        )
    host.fires("HIGH", key=ConditionKey("aave", "use"), text="use is 99 %")
    assert "use is 99 %" in host.telegram.messages[-1].text
    assert labels(host.telegram.messages[-1]) == [], "nobody reads the chat any more"


def test_killed_between_the_tap_and_the_edit_it_shows_it_after_its_restart(host: _Host) -> None:
    with host.listening() as first:
        host.fires()
        sent = host.newest()
        first.send_signal(signal.SIGSTOP)
        host.telegram.tap(ALICE, data_under(sent, "I have it"), sent)
        host.telegram.tap(ALICE, data_under(sent, "I have it"), sent)
        first.kill()
    with host.listening():
        assert host.telegram.wait_for(lambda: "✋ alice has it since" in host.now_shown(sent).text)
        assert host.telegram.wait_for(lambda: len(host.telegram.answered_taps) > 0)
    assert host.box.database.rows("SELECT count(*) FROM acknowledgements") == [(1,)]
    assert len([each for each in host.telegram.messages if "has it: backing" in each.text]) == 1
