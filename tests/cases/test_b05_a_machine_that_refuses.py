"""B.5: twelve file descriptors, sixty megabytes of address space, no /proc: `run` dies before any row or message.

It says so in one line that names the cause and where to look, sends one message straight to the operators (one an hour
for one cause, however many profiles), pings a failure, and exits 1.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fake_telegram import BOT_TOKEN, CHAT, TelegramStandIn
from tests.support.host import Host
from tools.scripted_server import ScriptedServer

pytestmark = pytest.mark.case("B.5")

REFUSALS = {
    "12 descriptors": ("ulimit -n 12", "too few file descriptors", "LimitNOFILE"),
    "60 MB": ("ulimit -v 60000", "not enough memory", "MemoryMax"),
    "no /proc": ("mount -t tmpfs none /proc", "/stat cannot be read: is /proc mounted?", ""),
}


@pytest.fixture
def telegram() -> Iterator[TelegramStandIn]:
    with TelegramStandIn() as server:
        yield server


@pytest.fixture
def watcher() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server


@pytest.fixture
def host(tmp_path: Path, telegram: TelegramStandIn, watcher: ScriptedServer) -> Host:
    made = Host(tmp_path)
    made.profile({"good": "print('fine')"}, options="heartbeat_env: PING")
    made.environ |= {
        "TELEGRAM_API_URL": telegram.url, "TELEGRAM_BOT_TOKEN_DEFAULT": BOT_TOKEN, "TELEGRAM_CHAT_ID_DEFAULT": CHAT,
        "PING": f"{watcher.url}/ping/uuid",
    }  # fmt: skip
    return made


def run(host: Host, refusal: str, profile: str = "hourly") -> subprocess.CompletedProcess[str]:
    limited = f"{refusal} && exec {shlex.join(host.command('run', profile))}"
    own_mounts = ["unshare", "-m"] if refusal.startswith("mount") else []
    return subprocess.run(
        [*own_mounts, "bash", "-c", limited], cwd=host.checkout, env=host.environ, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(("refusal", "cause", "remedy"), REFUSALS.values(), ids=REFUSALS)
def test_one_line_one_message_one_failed_ping(
    host: Host, telegram: TelegramStandIn, watcher: ScriptedServer, refusal: str, cause: str, remedy: str
) -> None:
    if refusal.startswith("mount") and os.geteuid() != 0:
        pytest.skip("only root can hide /proc")
    for _ in range(2):
        done = run(host, refusal)
        assert done.returncode == 1
        assert "<frozen runpy>" not in done.stderr, "no traceback of the run itself"
        (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        assert line.startswith("error: hourly did not run: ")
        assert cause in line
        assert remedy in line
    (message,) = telegram.messages
    assert "Checks do not run" in message.text
    assert cause in message.text
    pings = [request.path.partition("?")[0] for request in watcher.requests]
    assert pings.count("/ping/uuid/1") == 2 or cause == "not enough memory", "an HTTP client may not fit into 60 MB"
    assert "/ping/uuid" not in pings, "none says that all is well"
    assert BOT_TOKEN not in done.stderr


def test_a_mistake_in_the_code_keeps_its_traceback(host: Host) -> None:
    runner = host.checkout / "automation" / "runner" / "run.py"
    runner.write_text(runner.read_text().replace("tasks = choose_tasks(", "tasks = choose_task("))
    done = host.automation("run", "hourly")
    assert done.returncode == 1
    assert "NameError" in done.stderr
