"""A SOCKS proxy in the environment (`ALL_PROXY=socks5h://…`) stopped every alert with "the sender broke (ImportError)".

Right: it works, or the alert's error names the variable and what to do.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.fake_telegram import BOT_TOKEN, CHAT, TelegramStandIn
from tests.support.host import Host

pytestmark = [
    pytest.mark.case("A.10"),
    pytest.mark.ci,
]
RAISES = """
from utils.monitor import monitor

@monitor("aave")
def main(m):
    m.alert("HIGH", "it is 99%", key="utilisation")

main()
"""


@pytest.mark.parametrize("variable", ["ALL_PROXY", "all_proxy"])
def test_an_alert_arrives_or_its_error_names_the_variable(tmp_path: Path, variable: str) -> None:
    host = Host(tmp_path)
    host.profile({"aave": RAISES})
    with TelegramStandIn() as telegram:
        environ = {
            variable: "socks5h://127.0.0.1:9",
            "TELEGRAM_API_URL": telegram.url,
            "TELEGRAM_BOT_TOKEN_DEFAULT": BOT_TOKEN,
            "TELEGRAM_CHAT_ID_DEFAULT": CHAT,
        }
        done = host.automation("run", "hourly", **environ)
        status, error = host.rows("SELECT status, error FROM deliveries ORDER BY id")[0]
        assert "Traceback" not in done.stderr
        assert status == "delivered" or variable in str(error), (status, error)
