"""Eight processes record and two deliver at once."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from monitoring.store.db.schema import open_database
from tests.support.child import CHECKOUT, child_environ
from tests.support.fake_telegram import TelegramStandIn

RECORDERS, ALERTS = 8, 5000


def start(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.support.crowd", *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=CHECKOUT, env=child_environ(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.ci
@pytest.mark.timeout(300)
def test_five_thousand_alerts_of_eight_processes_are_all_delivered_once_and_in_order(tmp_path: Path) -> None:
    with open_database(tmp_path / "monitoring.db"):
        pass
    started = time.monotonic()
    with TelegramStandIn() as telegram:
        crowd = [start("deliver", tmp_path, telegram.url, ALERTS) for _ in range(2)]
        crowd += [start("record", tmp_path, f"writer-{number}", ALERTS // RECORDERS) for number in range(RECORDERS)]
        ended = [member.communicate(timeout=250) for member in crowd]
        assert [member.returncode for member in crowd] == [0] * 10, ended
        assert [stderr for _, stderr in ended] == [""] * 10, "no `database is locked`, no warning"
        messages = list(telegram.messages)
    print(f"{ALERTS} alerts in {time.monotonic() - started:.1f} s")
    with open_database(tmp_path / "monitoring.db") as database:
        assert database.rows("SELECT delivery_status, count(*) FROM alert_events GROUP BY 1") == [("delivered", ALERTS)]
        order = {row[1]: row[0] for row in database.rows("SELECT id, title FROM alert_events")}
    titles = Counter(message.text.partition(": ")[2] for message in messages)
    assert len(titles) == ALERTS
    assert set(titles.values()) == {1}, "nothing twice without a crash between"
    assert sum(int(stdout) for stdout, _ in ended[:2]) == ALERTS
    lanes: dict[tuple[str, str], list[int]] = {}
    for message in messages:
        lead, _, title = message.text.partition(": ")
        sign = lead.split(" ")[0]
        lanes.setdefault((message.chat_id, sign), []).append(order[title])
    assert all(ids == sorted(ids) for ids in lanes.values()), "in order within a chat and severity"
