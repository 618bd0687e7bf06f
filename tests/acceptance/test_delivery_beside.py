"""Alerts leave while other tasks of the same run still work, hang or fail."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path

import pytest

from tests.support.fake_telegram import BOT_TOKEN, CHAT, TelegramStandIn
from tests.support.host import Host

RAISES = """
from utils.monitor import CRITICAL, monitor

@monitor("aave")
def main(m):
    m.alert(CRITICAL, "The vault is empty")

if __name__ == "__main__":
    main()
"""


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


@pytest.mark.parametrize("parallel", [1, 2])
def test_an_alert_arrives_while_another_task_hangs(host: Host, parallel: int) -> None:
    host.profile(
        {"raises": RAISES, "hangs": "import time; time.sleep(600)"},
        options=f"parallel: {parallel}\nrun_timeout: 40",
    )
    with TelegramStandIn() as telegram:
        run = host.start(
            "run",
            "hourly",
            TELEGRAM_API_URL=telegram.url,
            TELEGRAM_BOT_TOKEN_DEFAULT=BOT_TOKEN,
            TELEGRAM_CHAT_ID_DEFAULT=CHAT,
        )
        (received,) = telegram.wait_for_messages(1)
        arrived = time.time()
        assert "The vault is empty" in received.text
        assert run.poll() is None, "the other task still hangs"
        ((stored_at,),) = host.rows("SELECT created_at FROM alert_events")
        waited_s = arrived - datetime.fromisoformat(str(stored_at)).timestamp()
        assert waited_s < 10, "generous: this machine may be busy; unloaded it takes milliseconds"
        assert host.automation("stop", "hourly", "--grace", "30s").returncode == 0
        output, _ = run.communicate(timeout=60)
        assert BOT_TOKEN not in output


def test_an_alert_that_cannot_be_stored_is_sent_straight_away_and_once_an_hour(host: Host, tmp_path: Path) -> None:
    host.profile({"raises": RAISES})
    host.cache.rmdir()
    host.cache.write_text("a file where the state directory should be")
    with TelegramStandIn() as telegram:
        environ = {
            "TELEGRAM_API_URL": telegram.url,
            "TELEGRAM_BOT_TOKEN_DEFAULT": BOT_TOKEN,
            "TELEGRAM_CHAT_ID_DEFAULT": CHAT,
            "TMPDIR": str(tmp_path),
        }
        first, second = host.automation("run", "hourly", **environ), host.automation("run", "hourly", **environ)
        assert (first.returncode, second.returncode) == (1, 1)
        (received,) = telegram.messages
        assert "nothing can be stored" in received.text
        assert "The vault is empty" in received.text
