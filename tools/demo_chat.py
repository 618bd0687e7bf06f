"""The people of the demo: the process that reads the chat, what they tap, and the time in which nobody does."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tools.telegram_stand_in import Received, TelegramStandIn

ANA, BEN = 1000001, 1000002
ON_CALL_TEXT = f"""\
zone: UTC
people:
  ana: {{telegram_id: {ANA}}}
  ben: {{telegram_id: {BEN}}}
rota: {{order: [ben], handover: monday 09:00, starts: 2026-01-05T09:00}}
escalation:
  critical: {{steps: [{{after: 1h, to: on-call}}, {{after: 2h, to: everybody}}]}}
"""
_LIMIT_S = 30


@dataclass
class People:
    """What they do, each by its name in the story. `command` starts the reader, which `end` ends."""

    telegram: TelegramStandIn
    command: list[str]
    environ: Mapping[str, str]
    home: Path
    reader: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def acts(self) -> Mapping[str, Callable[[], str]]:
        return {"read the chat": self.read_chat, "ana taps": self.tap, "an hour passes": self.let_time_pass}

    def read_chat(self) -> str:
        """Start the reader and wait until senders can know of it: after its first poll."""
        before = len(self.telegram.requests)
        with (self.home / "listen.log").open("wb") as log:
            self.reader = subprocess.Popen(
                self.command, env=dict(self.environ), stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        self._wait(lambda: sum(each.path.endswith("/getUpdates") for each in self.telegram.requests[before:]) > 1)
        return "`python -m automation listen` runs from now on: messages get buttons"

    def tap(self) -> str:
        """Let ana tap the first button of the newest message that has one; return what she sees then."""
        message = next(each for each in reversed(self.telegram.messages) if _buttons(each))
        button = _buttons(message)[0]
        taps, edits = len(self.telegram.answered_taps), len(self.telegram.edits)
        self.telegram.tap(ANA, button["callback_data"], message)
        self._wait(lambda: len(self.telegram.answered_taps) > taps and len(self.telegram.edits) > edits)
        toast = self.telegram.answered_taps[-1].get("text", "")
        edited = self.telegram.edits[-1]
        return f"ana taps “{button['text']}” under message {message.message_id}, and reads: {toast}\n{_shown(edited)}"

    def let_time_pass(self) -> str:
        """Move the begin of what fires back, and wait until the reader has asked about it; end the reader then.

        It delivers what waits as well, and what a run of a later step sends must arrive within that step.
        """
        self.end()
        began = f"{datetime.now(UTC) - timedelta(hours=1):%Y-%m-%dT%H:%M:%S.%fZ}"
        change = "UPDATE conditions SET fired_at = ? WHERE monitor = 'cap' AND state = 'firing'"
        with (
            contextlib.closing(sqlite3.connect(self.home / "state" / "monitoring.db", timeout=10)) as connection,
            connection,
        ):
            connection.execute(change, (began,))
        self.read_chat()
        self._wait(lambda: any(each.chat_id == str(BEN) for each in self.telegram.messages))
        self.end()
        return "an hour passes, and nobody has the other incident (the demo moves its begin back)"

    def end(self) -> None:
        if self.reader is not None:
            self.reader.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.reader.wait(_LIMIT_S)
            self.reader.kill()
            self.reader.wait()
            self.reader = None

    def _wait(self, until: Callable[[], bool]) -> None:
        if not self.telegram.wait_for(until, _LIMIT_S):
            raise TimeoutError(f"the reader of the chat did not answer: {(self.home / 'listen.log').read_text()}")


@contextlib.contextmanager
def people(telegram: TelegramStandIn, options: list[str], environ: Mapping[str, str], home: Path) -> Iterator[People]:
    command = [sys.executable, "-m", "automation", *options, "listen"]
    found = People(telegram, command, environ, home)
    try:
        yield found
    finally:
        found.end()


def _buttons(message: Received) -> list[dict[str, Any]]:
    markup = message.payload.get("reply_markup") or {}
    markup = json.loads(markup) if isinstance(markup, str) else markup
    return [button for row in markup.get("inline_keyboard", ()) for button in row]


def _shown(edited: Received) -> str:
    return f"Message {edited.message_id} ends with “{edited.text.rstrip().splitlines()[-1]}” now"
