"""Faults planted on a host: each is found and comes with its remedy; a sound host has none but what it cannot have."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.fake_telegram import TelegramStandIn
from tests.support.host import Host, wait_until

GOOD_CREDENTIALS = {
    "TELEGRAM_BOT_TOKEN_DEFAULT": "123456789:AAExample-token_that_no_log_may_show_0",
    "TELEGRAM_CHAT_ID_DEFAULT": "-1001234567890",
}


@pytest.fixture(scope="module")
def telegram() -> Iterator[TelegramStandIn]:
    with TelegramStandIn() as stand_in:
        yield stand_in


@pytest.fixture
def host(tmp_path: Path, telegram: TelegramStandIn) -> Host:
    made = Host(tmp_path)
    made.profile({"good": "print('fine')"}, cron="0 0 1 1 *", options="heartbeat_env: PING")
    made.environ |= GOOD_CREDENTIALS | {"TELEGRAM_API_URL": telegram.url}
    made.environ |= {"PING": "http://127.0.0.1:9/secret-of-the-watcher"}
    return made


def doctor(host: Host, **environ: str) -> tuple[int, dict[str, list[dict[str, str]]]]:
    done = host.automation("doctor", "--json", **environ)
    assert done.stdout, done.stderr
    assert "secret-of-the-watcher" not in done.stdout
    assert "AAExample" not in done.stdout
    found: dict[str, list[dict[str, str]]] = {}
    for each in json.loads(done.stdout):
        found.setdefault(each["level"], []).append(each)
    return done.returncode, found


def test_a_sound_host_has_nothing_wrong_but_that_no_scheduler_runs_in_a_test(host: Host) -> None:
    host.automation("render-crontab", "--activate", str(host.cache.parent / "crontab"))
    host.automation("run", "hourly")
    code, found = doctor(host)
    assert [each["subject"] for each in found["wrong"]] == ["scheduler"]
    assert code == 1
    assert {each["subject"] for each in found["fine"]} >= {
        "state directory", "SQLite", "database", "disk", "jobs.yaml", "venv", "credentials", "heartbeat", "outbox",
    }  # fmt: skip


@pytest.mark.ci
def test_it_says_how_often_each_queue_is_read_and_what_a_key_changes(host: Host) -> None:
    safes = [f'{{name: S{place}, chain: mainnet, address: "0x{place:040}", protocol: acme}}' for place in range(1, 11)]
    file = host.checkout / "protocols" / "test" / "monitor.yaml"
    file.write_text(f"monitor: acme\nchain: mainnet\nsafes:\n  rows: [{', '.join(safes)}]\n")
    task = "{name: acme, monitors: [protocols/test/monitor.yaml]}"
    host.jobs(f"profiles:\n  hourly:\n    cron: '5 * * * *'\n    tasks: [{task}]\n")
    said = [
        next(each["text"] for each in found["fine"] if each["subject"] == "safes")
        for _, found in (doctor(host), doctor(host, SAFE_API_KEY="key"))
    ]
    pace = "10 queues, each asked every 1 h 48 min without a key, 10 min with one, 10 min with two: "
    assert said == [f"{pace}no SAFE_API_KEY is set; free keys: docs/how-to/safe.md", f"{pace}1 SAFE_API_KEY set"]


def test_with_a_scheduler_a_sound_host_passes(host: Host) -> None:
    up = host.start("up")
    try:
        wait_until(lambda: host.peek("SELECT 1 FROM scheduler_starts"), "the scheduler is up")
        done = host.automation("doctor")
        assert done.returncode == 0, done.stdout
        assert "no problems" in done.stdout
    finally:
        up.terminate()
        up.communicate(timeout=60)


def unset_chat(host: Host) -> None:
    del host.environ["TELEGRAM_CHAT_ID_DEFAULT"]


def unset_ping(host: Host) -> None:
    del host.environ["PING"]


def break_jobs(host: Host) -> None:
    host.jobs("profiles: {hourly: {cron: '61 * * * *', tasks: []}}")


def raise_a_pin(host: Host) -> None:
    lock = host.checkout / "requirements.lock"
    lock.write_text(lock.read_text().replace("apsw==", "apsw==99."))


def damage_database(host: Host) -> None:
    (host.cache / "monitoring.db").write_bytes(b"no database at all" * 1000)


def open_env_file(host: Host) -> None:
    path = host.cache.parent / "env"
    path.write_text("A=b\n")
    path.chmod(0o644)
    host.environ["MONITORING_ENV_FILE"] = str(path)


def lose_state_directory(host: Host) -> None:
    host.environ["CACHE_DIR"] = str(host.cache / "gone")


def leave_a_foreign_file(host: Host) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    (host.cache / "monitoring.db-wal").touch()
    os.chown(host.cache / "monitoring.db-wal", 12345, 12345)


def wrong_chat_id(host: Host) -> None:
    host.environ["TELEGRAM_CHAT_ID_AUTOMATION"] = "not a chat"


def break_supercronic(host: Host) -> None:
    binary = host.cache.parent / "bin" / "supercronic"
    binary.parent.mkdir()
    binary.write_text("#!/bin/sh\necho bad crontab >&2\nexit 1\n")
    binary.chmod(0o755)
    host.environ["PATH"] = f"{binary.parent}:{host.environ['PATH']}"


@pytest.mark.parametrize(
    ("plant", "subject", "text", "remedy"),
    [
        (unset_chat, "credentials", "alerts of AUTOMATION wait for TELEGRAM_CHAT_ID_DEFAULT", "env file"),
        (wrong_chat_id, "credentials", "TELEGRAM_CHAT_ID_AUTOMATION is not a chat id", "env file"),
        (unset_ping, "heartbeat", "hourly sends no ping: PING is not set", "heartbeat_env"),
        (break_jobs, "jobs.yaml", "the minute '61' is unknown", "validate"),
        (raise_a_pin, "venv", "the lock says 99.", "make sync"),
        (damage_database, "database", "is damaged", "restore a backup"),
        (open_env_file, "env file", "every user may read it", "chmod 0640"),
        (lose_state_directory, "state directory", "does not exist", "CACHE_DIR"),
        (leave_a_foreign_file, "state directory", "1 files have another owner", "chown -R"),
        (break_supercronic, "supercronic", "refuses the crontab: bad crontab", "validate"),
    ],
)
def test_a_planted_fault_is_found_with_its_remedy(
    host: Host, plant: Callable[[Host], None], subject: str, text: str, remedy: str
) -> None:
    plant(host)
    code, found = doctor(host)
    assert code == 1
    others = [each for each in found["wrong"] if each["subject"] != "scheduler"]
    assert [each["subject"] for each in others if text in each["text"] and remedy in each["remedy"]] == [subject], found


@pytest.mark.parametrize("setting", [{"LOG_LEVEL": "DEBUG"}, {"TELEGRAM_TEST_CHAT_ID": "-1001"}])
def test_settings_that_keep_alerts_in_are_wrong(host: Host, setting: dict[str, str]) -> None:
    _, found = doctor(host, **setting)
    assert "settings" in {each["subject"] for each in found["wrong"]}


def test_a_supercronic_that_takes_the_crontab_is_fine(host: Host, tmp_path: Path) -> None:
    break_supercronic(host)
    seen = tmp_path / "seen"
    (tmp_path / "bin" / "supercronic").write_text(f'#!/bin/sh\n[ "$1" = -test ] && cp "$2" {seen}\n')
    _, found = doctor(host)
    assert "supercronic" in {each["subject"] for each in found["fine"]}
    assert seen.read_text().startswith("CRON_TZ=UTC\n0 0 1 1 *\t")


def test_a_backup_that_is_missing_is_a_note_and_an_old_one_is_wrong(host: Host) -> None:
    host.automation("run", "hourly")
    assert "backups" in [each["subject"] for each in doctor(host)[1]["note"]]
    host.automation("backup")
    assert "backups" in [each["subject"] for each in doctor(host)[1]["fine"]]
    [made] = (host.cache / "backups").iterdir()
    made.rename(made.with_name("monitoring-20260101T000000Z.db"))
    [told] = [each for each in doctor(host)[1]["wrong"] if each["subject"] == "backups"]
    assert "old" in told["text"]
    assert "python -m automation backup" in told["remedy"]
