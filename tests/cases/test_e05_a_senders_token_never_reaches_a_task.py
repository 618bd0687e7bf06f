"""A new sender's token (`MATRIX_ACCESS_TOKEN_DEFAULT`) was handed to every monitor: the list is kept by hand elsewhere.

Right: a sender is one file. It declares its variables there, and what is declared never reaches a task, a log or the
web process; the rest of that file finds its route and delivers.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.fake_webhook import FakeWebhook
from tests.support.host import Host

pytestmark = pytest.mark.case("E.5")
DECLARED = '''"""A sender of a test."""

VARIABLES = ("MATRIX_ACCESS_TOKEN_*",)
'''
SENDER = '''"""Matrix, as far as a test needs it: one room a channel."""

from dataclasses import dataclass

from monitoring.alerts.message.render import render_plain
from monitoring.alerts.senders import TIMEOUT_S, Destination, Sent, ignore_part
from monitoring.base.errors import SendError
from monitoring.base.http.client import Failure, HttpClient, Request

VARIABLES = ("MATRIX_*",)
PUBLIC = ("MATRIX_ROOM_*",)


@dataclass(frozen=True, slots=True)
class MatrixRoom(Destination):
    room: str
    missing: tuple[str, ...] = ()

    kind = "matrix"

    @classmethod
    def find(cls, channel, settings, *, operational):
        room = settings.text(f"MATRIX_ROOM_{channel}")
        return [cls(room, () if settings.text("MATRIX_HUSH") else ("MATRIX_HUSH",))] if room else []

    def __str__(self):
        return f"matrix room={self.room}"

    def describe(self):
        return f"Matrix room {self.room}"

    def open(self, environ):
        return MatrixSender(environ)


DESTINATION = MatrixRoom


class MatrixSender:
    def __init__(self, environ):
        self._environ, self._http = environ, HttpClient(environ)

    def send(self, message, destination, on_part=ignore_part):
        text = render_plain(message.alert, now=message.created_at)
        url, headers = self._environ["MATRIX_SERVER"], {"authorization": self._environ["MATRIX_HUSH"]}
        found = self._http.exchange(Request(url, "POST", headers, text.encode()), TIMEOUT_S)
        if isinstance(found, Failure):
            raise SendError(found.what, unanswered=True)
        return Sent()

    def close(self):
        self._http.close()
'''
PRINTS = "import os; print('seen', [name for name in os.environ if name.startswith('MATRIX')])"
RAISES = f"""
{PRINTS}
from utils.monitor import monitor

@monitor("aave")
def main(m):
    print("it slipped out: rosebud by the lake")
    m.alert("HIGH", "utilisation is 99%", key="utilisation")

main()
"""
WEB = (
    "from monitoring.base.settings import load_settings; from monitoring.web.__main__ import without_secrets; "
    "print([name for name in without_secrets(load_settings()).environ if name.startswith('MATRIX')])"
)


def test_what_a_sender_declares_is_kept_from_tasks(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.profile({"prints": PRINTS})
    (host.checkout / "monitoring/alerts/senders/matrix.py").write_text(DECLARED)
    done = host.automation("run", "hourly", MATRIX_ACCESS_TOKEN_DEFAULT="syt_abcdefghijklmnop")

    assert "prints | seen []" in done.stderr


def test_one_file_is_a_whole_sender(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.profile({"aave": RAISES})
    (host.checkout / "monitoring/alerts/senders/matrix.py").write_text(SENDER)
    with FakeWebhook() as server:
        secret = "rosebud by the lake"  # nothing but its declaration says that this is one
        environ = {"MATRIX_HUSH": secret, "MATRIX_SERVER": server.url, "MATRIX_ROOM_AAVE": "!ops:example"}
        done = host.automation("run", "hourly", **environ)
        route = host.automation("alerts", "--route", "aave", **environ).stdout
        web = subprocess.run(
            [sys.executable, "-c", WEB], cwd=host.checkout, env={**host.environ, **environ}, check=True,
            capture_output=True, text=True,
        )  # fmt: skip

    assert [b"utilisation is 99%" in request.body for request in server.requests] == [True]
    assert server.requests[0].headers["authorization"] == secret
    assert "Matrix room !ops:example" in route
    assert "aave | seen []" in done.stderr
    assert "it slipped out: [MATRIX_HUSH]" in done.stderr
    assert secret not in done.stderr
    assert web.stdout.strip() == "['MATRIX_ROOM_AAVE']"
