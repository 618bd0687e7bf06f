"""SIGKILL of the reader of the chat at any step: no update, answer or question is lost, and no effect happens twice."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitoring.alerts.message.model import Alert, Severity
from monitoring.alerts.recording.store_alert import raise_in
from monitoring.store.db.schema import open_database, open_readonly
from tests.support.chat_reader import ANA, TEAM
from tests.support.fake_telegram import CHAT, TelegramStandIn
from tests.support.listen_scene import ListenScene
from tests.support.outbox import Outbox

CHECKOUT = Path(__file__).resolve().parents[2]
TAPS = ("one", "two", "three")


class Lives:
    """A process that forks one life of the reader for each scene."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.listen_scene"],
            cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def live(self, scene: ListenScene) -> tuple[int, int]:
        """Return how a life ended (negative: by a signal) and how many steps it took."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(scene)) + "\n")
        self._process.stdin.flush()
        self._process.stdout.readline()
        ended = json.loads(self._process.stdout.readline())
        return ended["code"], ended["steps"]

    def close(self) -> None:
        self._process.communicate(timeout=30)


@pytest.fixture(scope="module")
def lives() -> Iterator[Lives]:
    made = Lives()
    yield made
    made.close()


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A host on which something CRITICAL began ten minutes ago, and which announced it."""
    folder = tmp_path_factory.mktemp("before")
    with TelegramStandIn() as telegram:
        outbox = Outbox(folder, telegram.url)
        with outbox.database.write() as tx:
            alert = Alert(Severity.CRITICAL, "the vault is empty", protocol="acme", key="vault")
            raise_in(tx, alert, now=datetime.now(UTC) - timedelta(minutes=10))
        outbox.drain()
        outbox.close()
    (folder / "on_call.yaml").write_text(TEAM.replace("2026-10-12", "2020-01-06"))
    (folder / "locks").mkdir(exist_ok=True)
    return folder


@contextmanager
def world(before: Path, folder: Path) -> Iterator[tuple[TelegramStandIn, Path]]:
    with TelegramStandIn() as telegram:
        telegram.longest_poll_s = 0
        shutil.copytree(before, folder)
        with open_database(folder / "monitoring.db"):
            pass
        for data in TAPS:
            telegram.tap(ANA, data)
        telegram.write(ANA, "/firing", CHAT)
        yield telegram, folder


def faults(telegram: TelegramStandIn, folder: Path) -> list[str]:
    """Return what was lost or happened too often."""
    found = []
    with open_readonly(folder / "monitoring.db") as database:
        effects = dict(database.rows("SELECT key, value FROM monitor_state WHERE namespace = 'taps'"))
        asked = database.rows("SELECT delivery_status FROM alert_events WHERE kind = 'escalation'")
    if effects != dict.fromkeys(TAPS, "1"):
        found.append(f"effects of taps: {effects}")
    if len(telegram.answered_taps) != len(TAPS):
        found.append(f"{len(telegram.answered_taps)} taps answered")
    if telegram.updates:
        found.append(f"{len(telegram.updates)} updates not confirmed")
    chats = Counter(each.chat_id for each in telegram.messages)
    if chats[CHAT] not in (1, 2):
        found.append(f"{chats[CHAT]} answers to the command")
    people = chats["111"] + chats["222"]
    if len(asked) != 1 or asked[0][0] != "delivered" or people not in (1, 2):
        found.append(f"questions stored: {asked}, arrived: {people}")
    if sum(chats.values()) > 3:
        found.append(f"more than one message came twice: {dict(chats)}")
    return found


def sweep(lives: Lives, before: Path, tmp_path: Path, *, every: int) -> dict[int, list[str]]:
    with world(before, tmp_path / "whole") as (telegram, folder):
        code, steps = lives.live(ListenScene(str(folder), telegram.url))
        assert (code, faults(telegram, folder)) == (0, [])
    wrong = {}
    for kill_at in range(1, steps + 1, every):
        with world(before, tmp_path / str(kill_at)) as (telegram, folder):
            code, _ = lives.live(ListenScene(str(folder), telegram.url, kill_at=kill_at))
            assert code in (-9, 0)
            assert lives.live(ListenScene(str(folder), telegram.url, late_s=120))[0] == 0
            if found := faults(telegram, folder):
                wrong[kill_at] = found
    return wrong


@pytest.mark.ci
def test_a_kill_at_any_step_loses_nothing_and_doubles_no_effect(lives: Lives, before: Path, tmp_path: Path) -> None:
    assert sweep(lives, before, tmp_path, every=11) == {}


@pytest.mark.proof
@pytest.mark.timeout(600)
def test_a_kill_at_every_single_step_does_neither(lives: Lives, before: Path, tmp_path: Path) -> None:
    assert sweep(lives, before, tmp_path, every=1) == {}
