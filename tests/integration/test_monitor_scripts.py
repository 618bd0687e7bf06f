"""Monitor scripts as real child processes: what they store, what they exit with, what they never see."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitoring.store.db.database import Database
from monitoring.store.db.schema import open_database
from tests.support.fake_telegram import BOT_TOKEN, CHAT, TelegramStandIn

CHECKOUT = Path(__file__).resolve().parents[2]
HEAD = """
from datetime import timedelta
from utils.monitor import *

@monitor("aave")
def main(m):
"""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with open_database(tmp_path / "monitoring.db") as opened:
        yield opened


def run(
    tmp_path: Path, body: str, *arguments: str, by_hand: bool = False, run_id: str = "7", **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run a monitor whose function has this body, under a runner unless by hand."""
    script = tmp_path / "main.py"
    script.write_text(
        HEAD + textwrap.indent(textwrap.dedent(body), "    ") + '\nif __name__ == "__main__":\n    main()\n'
    )
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    marks = {} if by_hand else {"AUTOMATION_RUN_ID": run_id, "AUTOMATION_TASK": "aave"}
    return subprocess.run(
        [sys.executable, str(script), *arguments],
        env={
            **inherited, "PYTHONPATH": str(CHECKOUT), "CACHE_DIR": str(tmp_path), "MONITORING_ENV_FILE": "",
            **marks, **environ,
        },
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def alerts(database: Database) -> list[tuple[str, str, str]]:
    return database.rows("SELECT severity, title, delivery_status FROM alert_events ORDER BY id")  # type: ignore[return-value]


def test_an_alert_is_stored_with_its_run_task_and_deliveries(tmp_path: Path, database: Database) -> None:
    done = run(tmp_path, 'm.alert(HIGH, "backing", kv(ratio=pct("0.97")), channel="risk team", machine=True)')
    assert (done.returncode, done.stderr) == (0, "")
    columns = "severity, protocol, channel, run_id, task, source, delivery_status"
    assert database.row(f"SELECT {columns} FROM alert_events") == (
        "HIGH", "aave", "risk team", 7, "aave", "protocol", "pending",
    )  # fmt: skip
    rows = database.rows("SELECT destination, channel, status FROM deliveries ORDER BY id")
    assert rows == [(kind, "RISK_TEAM", "pending") for kind in ("telegram", "notify", "webhook")]


def test_a_keyed_alert_is_told_once_worsens_and_resolves_once(tmp_path: Path, database: Database) -> None:
    body = """
    key = "utilisation/USDC"
    seen = [m.alert(HIGH, "utilisation", key=key), m.alert(HIGH, "utilisation", key=key),
            m.alert(CRITICAL, "utilisation", key=key), m.resolve(key, note="back at 80 %"), m.resolve(key)]
    print([(each.reason, each.told) for each in seen])
    """
    done = run(tmp_path, body)
    assert done.stdout.strip() == str(
        [("fired", True), ("repeated", False), ("worsened", True), ("resolved", True), ("not firing", False)]
    )
    assert [row[:2] for row in alerts(database)] == [
        ("HIGH", "utilisation"),
        ("CRITICAL", "utilisation"),
        ("LOW", "back at 80 %"),
    ]


def test_values_come_back_as_they_were_with_their_age(tmp_path: Path, database: Database) -> None:
    run(tmp_path, 'm.remember("zero", 0); m.remember("wei", 2**200 + 1); m.remember("ids", ["a", {"b": [1.5, False]}])')
    body = """
    assert m.recall("zero") == 0 and m.recall("zero", max_age="1h") == 0
    assert m.recall("wei") == 2**200 + 1
    assert m.recall("ids") == ["a", {"b": [1.5, False]}]
    assert m.recall("never") is None and m.recall("never", default=5) == 5
    assert m.age_of("zero") < timedelta(minutes=1) and m.age_of("never") is None
    m.forget("zero")
    assert m.recall("zero") is None
    """
    done = run(tmp_path, body)
    assert (done.returncode, done.stderr) == (0, "")
    assert database.row("SELECT count(*) FROM monitor_state WHERE namespace = 'monitor:aave'") == (2,)


def test_a_stale_value_counts_as_absent_and_so_does_one_from_the_future(tmp_path: Path, database: Database) -> None:
    run(tmp_path, 'm.remember("price", 5); m.remember("later", 6)')
    with database.write() as tx:
        tx.execute("UPDATE monitor_state SET updated_at = '2020-01-01T00:00:00.000000Z' WHERE key = 'price'")
        tx.execute("UPDATE monitor_state SET updated_at = '2999-01-01T00:00:00.000000Z' WHERE key = 'later'")
    done = run(tmp_path, 'print(m.recall("price", max_age="3h"), m.recall("price"), m.recall("later", max_age="3h"))')
    assert done.stdout.strip() == "None 5 None"


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("(1, 2)", "would come back as [1, 2]"),
        ("{1: 2}", "would come back as"),
        ("None", "write m.forget"),
        ("object()", "remember texts, numbers, lists and dicts"),
        ("float('nan')", "remember texts, numbers"),
    ],
)
def test_a_value_that_would_change_is_refused_with_advice(
    tmp_path: Path, database: Database, value: str, complaint: str
) -> None:
    done = run(tmp_path, f'm.remember("key", {value})')
    assert done.returncode == 1
    assert complaint in done.stderr


def test_an_alert_and_its_cursor_commit_together_or_not_at_all(tmp_path: Path, database: Database) -> None:
    body = """
    m.remember("block", 1)
    with m.together():
        m.alert(HIGH, "timelock scheduled")
        m.remember("block", 2)
        assert m.recall("block") == 2
        raise ValueError("a reading behind it fails")
    """
    assert run(tmp_path, body).returncode == 1
    assert [title for _, title, _ in alerts(database)] == ["script crashed: ValueError"]
    assert run(tmp_path, 'print(m.recall("block"))').stdout.strip() == "1"
    run(tmp_path, 'm.alert(HIGH, "timelock scheduled", remember={"block": 3})')
    assert run(tmp_path, 'print(m.recall("block"))').stdout.strip() == "3"


def test_an_outcome_cannot_be_asked_before_it_is_on_disk(tmp_path: Path, database: Database) -> None:
    done = run(tmp_path, 'with m.together():\n    m.alert(LOW, "x").told')
    assert done.returncode == 1
    assert "behind the `with m.together():` block" in done.stderr


def test_a_crash_is_one_stored_alert_a_traceback_and_a_failure(tmp_path: Path, database: Database) -> None:
    body = 'm.alert(LOW, "before the crash")\n1 / 0'
    done = run(tmp_path, body, TELEGRAM_BOT_TOKEN_DEFAULT="x")
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
    assert "line 8, in main" in done.stderr
    assert [row[1] for row in alerts(database)] == ["before the crash", "script crashed: ZeroDivisionError"]
    assert run(tmp_path, body).returncode == 1
    assert sum("crashed" in row[1] for row in alerts(database)) == 1, "a standing crash is one condition"
    assert run(tmp_path, "pass").returncode == 0
    assert alerts(database)[-1][1] == "the script ends without a crash again"
    routes = database.rows("SELECT DISTINCT channel FROM deliveries WHERE alert_id > 1 AND destination = 'telegram'")
    assert ("AAVE/crash",) in routes


@pytest.mark.parametrize(("code", "expected"), [("0", 0), ("3", 3), ("'stop'", 1)])
def test_the_scripts_own_exit_code_is_respected(tmp_path: Path, database: Database, code: str, expected: int) -> None:
    assert run(tmp_path, f"import sys; sys.exit({code})").returncode == expected
    assert alerts(database) == []


def test_arguments_of_jobs_yaml_arrive_and_others_are_refused(tmp_path: Path, database: Database) -> None:
    done = run(tmp_path, 'print(m.args, m.name, m.env("COLOUR"))', "--cache-file=a=b.json", "--x=", COLOUR="red")
    assert done.stdout.strip() == "{'cache-file': 'a=b.json', 'x': ''} aave red"
    done = run(tmp_path, "print(m.arguments); m.args", "--disk-free", "15%")
    assert done.stdout.strip() == "('--disk-free', '15%')"
    assert "'--disk-free' is not of the form --key=value" in done.stderr
    assert "set it in the env file" in run(tmp_path, 'm.env("MISSING")').stderr


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        ('m.alert("something is wrong")', "main.py:7 m.alert takes a severity and a title: write m.alert(HIGH, "),
        ('m.alert("URGENT", "title")', "is not a severity: write LOW, MEDIUM, HIGH or CRITICAL"),
        ('m.alert(3.5, "title")', "the severity comes first"),
        ('m.alert(HIGH, "title", key=5)', "a key is a text"),
        ('m.alert(HIGH, "title", key="k", remind="soon")', "is not a duration"),
    ],
)
def test_misuse_is_explained(tmp_path: Path, database: Database, call: str, complaint: str) -> None:
    done = run(tmp_path, call)
    assert done.returncode == 1
    assert complaint in done.stderr


def test_a_decorator_without_its_name_is_explained() -> None:
    from utils.monitor import monitor

    with pytest.raises(TypeError, match="write @monitor"):
        monitor(lambda m: None)  # type: ignore[arg-type, return-value]


def test_under_debug_the_alert_is_recorded_and_told_by_the_next_run_that_sends(
    tmp_path: Path, database: Database
) -> None:
    run(tmp_path, 'm.alert(HIGH, "standing", key="k")', LOG_LEVEL="DEBUG")
    assert alerts(database) == [("HIGH", "standing", "skipped_debug")]
    run(tmp_path, 'm.alert(HIGH, "standing", key="k")')
    assert alerts(database)[1:] == [("HIGH", "standing", "pending")]


def test_an_alert_that_cannot_be_stored_is_said_on_stderr_and_the_script_goes_on(tmp_path: Path) -> None:
    (tmp_path / "monitoring.db").mkdir()
    body = 'o = m.alert(HIGH, "first", "line one"); print(o.reason, m.recall("x")); m.alert(LOW, "second")'
    done = run(tmp_path, body)
    assert done.returncode == 1
    assert done.stdout.strip() == "unstored None"
    said = [line for line in done.stderr.splitlines() if line.startswith("ALERT NOT STORED: ")]
    assert said == [
        "ALERT NOT STORED: HIGH aave: first | line one",
        "ALERT NOT STORED: LOW aave: second",
    ]
    assert run(tmp_path, 'm.alert(LOW, "x"); import sys; sys.exit(0)').returncode == 1


def test_a_damaged_database_does_not_stop_a_monitor(tmp_path: Path) -> None:
    (tmp_path / "monitoring.db").write_bytes(b"this is no database" * 1000)
    done = run(tmp_path, 'm.remember("a", 1); m.alert(HIGH, "kept")')
    assert (done.returncode, done.stderr) == (0, "")
    with open_database(tmp_path / "monitoring.db") as fresh:
        assert ("HIGH", "kept", "pending") in alerts(fresh)


def test_a_monitor_under_the_runner_never_sees_the_env_file(tmp_path: Path, database: Database) -> None:
    secret = tmp_path / "env"
    secret.write_text(f"TELEGRAM_BOT_TOKEN_DEFAULT={BOT_TOKEN}\nCOLOUR=blue\n")
    body = 'print(m.env("COLOUR", "unset"), m.env("TELEGRAM_BOT_TOKEN_DEFAULT", "unset"))'
    assert run(tmp_path, body, MONITORING_ENV_FILE=str(secret)).stdout.strip() == "unset unset"
    assert run(tmp_path, body, by_hand=True, MONITORING_ENV_FILE=str(secret)).stdout.startswith("blue")


def test_a_script_by_hand_delivers_its_own_alerts_at_its_end(tmp_path: Path, database: Database) -> None:
    with TelegramStandIn() as telegram:
        secret = tmp_path / "env"
        secret.write_text(
            f"TELEGRAM_BOT_TOKEN_DEFAULT={BOT_TOKEN}\nTELEGRAM_CHAT_ID_DEFAULT={CHAT}\nTELEGRAM_API_URL={telegram.url}\n"
        )
        done = run(tmp_path, 'm.alert(HIGH, "by hand")', by_hand=True, MONITORING_ENV_FILE=str(secret))
        assert (done.returncode, done.stderr) == (0, "1 delivered\n")
        assert [message.text for message in telegram.messages] == ["🚨 HIGH aave: by hand"]
        assert telegram.messages[0].token == BOT_TOKEN
        crashed = run(tmp_path, "1/0", by_hand=True, MONITORING_ENV_FILE=str(secret))
        assert crashed.returncode == 1
        assert BOT_TOKEN not in crashed.stderr
        done = run(tmp_path, 'm.alert(HIGH, "no way")', by_hand=True)
        assert "1 still wait" in done.stderr


def test_a_secret_of_the_environment_never_reaches_an_alert(tmp_path: Path, database: Database) -> None:
    url = "https://eth.example/v2/3f9a7c81d2e64b50"
    body = """
    url = m.env("PROVIDER_URL_MAINNET")
    m.alert(HIGH, f"cannot read {url}", kv(url=url), code(url))
    raise RuntimeError(f"cannot read {url}")
    """
    done = run(tmp_path, body, PROVIDER_URL_MAINNET=url)
    everything = done.stderr + str(database.rows("SELECT * FROM alert_events"))
    assert "3f9a7c81d2e64b50" not in everything
    assert "[PROVIDER_URL_MAINNET]" in everything


def test_two_protocols_of_one_script_go_to_their_own_channels(tmp_path: Path, database: Database) -> None:
    run(tmp_path, 'm.alert(LOW, "a"); m.alert(LOW, "b", protocol="maple"); m.alert(LOW, "c", channel="CAP MONEY")')
    rows = database.rows("SELECT channel FROM deliveries WHERE destination = 'telegram' ORDER BY id")
    assert rows == [("AAVE",), ("MAPLE",), ("CAP_MONEY",)]
