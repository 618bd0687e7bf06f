"""A host of this release goes back to one before for some runs, and forward again: what only this one writes is kept.

Every table that an addition made has rows: readings with limits, who has an incident, pauses, answered drills, closed
days, what the chat wrote. The release before knows none of them; it runs, stores alerts and audits all the same.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import release_before
from tests.support.added_tables import added_tables, fill_empty, rows_of
from tests.support.fake_telegram import BOT_TOKEN, CHAT, TelegramStandIn
from tests.support.host import Host

pytestmark = pytest.mark.ci
MONITOR = """
import json, os, pathlib
from utils.monitor import CRITICAL, HIGH, monitor

@monitor("acme")
def main(m):
    world = json.loads((pathlib.Path(os.environ["CACHE_DIR"]) / "world.json").read_text())
    m.limit("backing", world["backing"], below=[(1, CRITICAL)])
    m.limit("calm", world["calm"], above=10, severity=HIGH)

if __name__ == "__main__":
    main()
"""
# Its provider answers nothing: it is asked all the same, and counted.
NO_DATA = """\
monitor: blind
chain: mainnet
contracts: {token: "0x1111111111111111111111111111111111111111"}
checks:
  - {id: supply, require: token.totalSupply() >= 1, severity: low}
"""
# A row of these changes while it is open; the others are written once.
CHANGES = {"open_readings", "reading_series", "acknowledgements", "pauses", "narrow_silences", "provider_requests"}
_LEAD = re.compile(r"(\S+) (?:(?:CRITICAL|HIGH|MEDIUM|LOW) )?(?:(?:acme|blind|automation): )?")


@pytest.fixture
def chat() -> Iterator[TelegramStandIn]:
    with TelegramStandIn() as running:
        yield running


@pytest.fixture
def host(tmp_path: Path, chat: TelegramStandIn) -> Host:
    made = Host(tmp_path)
    made.script("acme", MONITOR)
    (made.checkout / "protocols" / "test" / "blind.yaml").write_text(NO_DATA)
    made.jobs(
        "profiles:\n  hourly:\n    cron: '0 0 1 1 *'\n    tasks:\n"
        "      - {name: acme, script: protocols/test/acme.py}\n"
        "      - {name: blind, monitors: [protocols/test/blind.yaml]}\n"
    )
    made.environ |= {
        "TELEGRAM_API_URL": chat.url, "TELEGRAM_BOT_TOKEN_DEFAULT": BOT_TOKEN, "TELEGRAM_CHAT_ID_DEFAULT": CHAT,
    }  # fmt: skip
    return made


def run(host: Host, **world: object) -> None:
    (host.cache / "world.json").write_text(json.dumps(world))
    done = host.automation("run", "hourly")
    assert "Traceback" not in done.stderr, done.stderr


def ok(host: Host, *arguments: str) -> None:
    done = host.automation(*arguments)
    assert done.returncode == 0, done.stderr


@pytest.mark.timeout(600)
@pytest.mark.parametrize("release", release_before.COMMITS, ids=release_before.name_of)
def test_what_only_this_release_writes_outlives_some_runs_of_the_release_before(
    tmp_path: Path, host: Host, chat: TelegramStandIn, release: str
) -> None:
    database = host.cache / "monitoring.db"
    run(host, backing=2, calm=1)
    run(host, backing=0.5, calm=1)
    ok(host, "ack", "acme/backing", "--note", "on it")
    ok(host, "pause", "--check", "acme/calm", "--for", "2h", "--reason", "moves")
    ok(host, "resume", "1")
    ok(host, "silence", "--protocol", "acme", "--severity", "low", "--for", "2h", "--reason", "noise")
    by_product = {name for name, rows in rows_of(database, added_tables()).items() if rows}
    assert {"reading_series", "readings", "open_readings", "provider_requests", "acknowledgements"} <= by_product
    fill_empty(database)
    ours = rows_of(database, added_tables())
    assert all(ours.values())
    said = host.rows("SELECT max(id) FROM alert_events")[0][0]

    release_before.put(release_before.extract(release, tmp_path / "before"), host)
    run(host, backing=0.5, calm=50)
    audit = host.automation("audit")
    assert audit.returncode in (0, 1), audit.stderr
    assert "Traceback" not in audit.stderr
    new = "SELECT title FROM alert_events WHERE id > ? AND protocol = 'acme'"
    assert [("calm" in str(title)) for (title,) in host.rows(new, said)] == [True], "it stores what fires meanwhile"
    assert rows_of(database, added_tables()) == ours, "and leaves alone what it does not know"

    release_before.put(Path(__file__).resolve().parents[2], host)
    run(host, backing=0.5, calm=50)
    ok(host, "deliver")
    assert "Traceback" not in host.automation("audit").stderr
    again = rows_of(database, added_tables())
    for name, rows in ours.items():
        if name in CHANGES:
            assert [row[0] for row in again[name]][: len(rows)] == [row[0] for row in rows], name
        else:
            assert set(rows) <= set(again[name]), name
    assert len(host.rows(new, said)) == 1, "what fires is not said again"
    held = "SELECT count(*) FROM acknowledgements WHERE ended_at IS NULL AND note = 'on it'"
    assert host.rows(held) == [(1,)], "who has it still has it"
    titles = Counter(_LEAD.sub(r"\1 ", message.text.splitlines()[0], count=1) for message in chat.messages)
    assert {title for title, count in titles.items() if count > 1 and "tasks failed" not in title} == set()
    values = host.rows(
        "SELECT s.check_name, o.value, o.state FROM reading_series s JOIN open_readings o ON o.series = s.id "
        "WHERE s.monitor = 'acme' ORDER BY 1"
    )
    assert values == [("backing", "0.5", 2), ("calm", 50, 2)]
