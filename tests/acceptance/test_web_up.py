"""`up` serves the dashboard, starts it again when it dies, and never leaves it behind."""

from __future__ import annotations

import os
import signal
import urllib.request
from pathlib import Path

from tests.support.host import Host, processes_with, wait_until
from tests.support.web import free_port


def is_served(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=30) as answer:
            return bool(answer.read() == b'{"status":"ok"}')
    except OSError:
        return False


def web_of(host: Host) -> list[int]:
    return [
        pid for pid in processes_with(str(host.cache)) if b"monitoring.web" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]


def test_up_serves_the_dashboard_starts_it_again_and_ends_it(tmp_path: Path) -> None:
    host, port = Host(tmp_path), free_port()
    host.profile({"good": "print('fine')"}, cron="0 0 1 1 *")
    up = host.start("up", MONITORING_API_PORT=str(port), TELEGRAM_BOT_TOKEN_DEFAULT="123456:a-secret-of-this-test")
    wait_until(lambda: is_served(port), "the dashboard answers", limit_s=60)
    (first,) = web_of(host)
    assert b"a-secret-of-this-test" not in Path(f"/proc/{first}/environ").read_bytes()
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: is_served(port) and web_of(host) != [first], "it is back", limit_s=60)
    up.send_signal(signal.SIGINT)
    output, _ = up.communicate(timeout=90)
    assert up.returncode == 0, output
    assert web_of(host) == []
    assert "the dashboard ended with -9" in output


def test_a_killed_up_takes_the_dashboard_along(tmp_path: Path) -> None:
    host, port = Host(tmp_path), free_port()
    host.profile({"good": "print('fine')"}, cron="0 0 1 1 *")
    up = host.start("up", MONITORING_API_PORT=str(port))
    wait_until(lambda: is_served(port), "the dashboard answers", limit_s=60)
    up.kill()
    up.communicate(timeout=60)
    wait_until(lambda: web_of(host) == [], "it is gone", limit_s=60)


def test_no_web_serves_ticks_alone(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.profile({"good": "print('fine')"}, cron="0 0 1 1 *")
    up = host.start("up", "--no-web")
    wait_until(lambda: host.peek("SELECT 1 FROM scheduler_starts"), "the scheduler is up")
    assert web_of(host) == []
    up.send_signal(signal.SIGTERM)
    up.communicate(timeout=60)
    assert up.returncode == 0
