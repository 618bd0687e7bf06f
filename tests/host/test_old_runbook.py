"""The runbook of the system this replaces, typed line by line on a booted host, as its deploy user, who may use sudo.

Each line works, or says in one line what to type instead.
"""

from __future__ import annotations

import re

import pytest

from tests.support.deployed import CACHE, CHECKOUT, ENV_FILE, USER, Deployed
from tests.support.fake_telegram import CHAT
from tests.support.host import wait_until
from tests.support.typing_users import let_deploy_user_do_anything, let_people_type, type_line

pytestmark = [pytest.mark.host, pytest.mark.case("G.1")]
LOOK = [
    "systemctl status monitoring",
    "systemctl status monitoring-api",
    "cd /srv/monitoring",
    "uv run python -m automation list           # profiles + cron + task counts",
    "uv run python -m automation render-crontab # the exact crontab supercronic runs",
    "journalctl -u monitoring -n 50",
    "ls -l /srv/cache",
    "git -C /srv/monitoring status --short",
    "cd /srv/monitoring && uv run python -m automation render-crontab",
    "curl http://127.0.0.1:8923/healthz",
    "curl 'http://127.0.0.1:8923/v1/alerts?limit=10&source=protocol'",
    "sqlite3 /srv/cache/monitoring.db 'select namespace, key, value from monitor_state order by 1, 2 limit 20;'",
]
FOLLOW = [
    "journalctl -u monitoring -f --since '15 min ago'",
    "journalctl -u monitoring-api -f",
    "journalctl -u monitoring -f",
]
RUN = ["uv run python -m automation run hourly --dry-run", "uv run python -m automation run hourly"]
DEPLOY = [
    "git fetch origin main && git reset --hard origin/main  # or let the next multisig tick land it",
    "uv sync --frozen --extra ai   # only if pyproject.toml / uv.lock changed",
    "uv sync --frozen",
    "sudo systemctl restart monitoring   # re-renders the crontab and re-points supercronic at the tree",
]
FAILOVER = [
    "sudo bash deploy/install.sh",
    "sudo systemctl enable --now monitoring",
    "systemctl status monitoring",
    "sudo systemctl disable --now monitoring",
    "sudo systemctl enable --now monitoring",
]
API = ["sudo systemctl enable --now monitoring-api", "systemctl status monitoring-api"]
MIGRATION = [
    "cd /srv/monitoring",
    "git pull --ff-only",
    "uv sync --frozen --extra ai",
    "sudo systemctl stop monitoring",
    "sudo REPO_DIR=/srv/monitoring CACHE_DIR=/srv/cache ./deploy/migrate-file-cache-to-db.sh",
    "sudo systemctl daemon-reload",
    "sudo systemctl start monitoring",
    "sudo systemctl enable --now monitoring-api",
]
EDIT = "sudo $EDITOR /etc/monitoring/.env"
RESTART = "sudo systemctl restart monitoring"


@pytest.fixture(scope="module")
def old(host: Deployed) -> Deployed:
    """A host whose deploy user is what it was: somebody who logs in and may use sudo."""
    host.write_env()
    let_people_type(host)
    let_deploy_user_do_anything(host)
    host.systemctl("enable --quiet --now monitoring monitoring-api")
    wait_until(
        lambda: host.machine.run("curl -sf http://127.0.0.1:8923/", check=False).returncode == 0, "the API is up"
    )
    return host


@pytest.mark.parametrize(
    "lines",
    [LOOK, DEPLOY, FAILOVER, API, MIGRATION, RUN],
    ids=["look", "deploy", "failover", "api", "migration", "run"],
)
def test_each_line_works_as_it_is_typed(old: Deployed, lines: list[str]) -> None:
    with old.chat():
        for line in lines:
            typed = type_line(old, line)
            # Offline every shipped check is without data: the run says so by its exit code.
            expected = (0, 1) if line.endswith("run hourly") else (0,)
            assert typed.code in expected, f"{line}\n{typed.output}"
            for words in ("Traceback", "ermission denied", "dubious", "unmanaged"):
                assert words not in typed.output, f"{line}\n{typed.output}"
    assert old.machine.said(f"find {CHECKOUT} {CACHE} ! -user {USER}") == ""


@pytest.mark.parametrize("line", FOLLOW)
def test_a_journal_that_is_followed_ends_by_ctrl_c(old: Deployed, line: str) -> None:
    typed = type_line(old, line, ends_s=2)
    assert typed.code in (0, 130), typed.output  # without the right to read it: 1, and words on permissions
    assert "ermission" not in typed.output


def test_a_search_of_the_journal_finds_a_run(old: Deployed) -> None:
    """`--since 1h`, as the old page has it, is no time to journalctl, which says so; ours has `'1 hour ago'`."""
    typed = type_line(old, "journalctl -u monitoring --since 1h | grep 'automation run hourly'")
    assert "Failed to parse timestamp: 1h" in typed.output or typed.code in (0, 1)


def test_a_test_chat_is_in_force_after_the_restart_and_until_the_next_one(old: Deployed) -> None:
    """G.1 as it is typed: the variable set, restarted, commented out, and only then restarted."""
    status = "uv run python -m automation status"
    test_chat = "-1009876543210"
    write(old, f"TELEGRAM_TEST_CHAT_ID={test_chat}")
    for line in (EDIT, RESTART):
        assert type_line(old, line).code == 0
    assert "TELEGRAM_TEST_CHAT_ID is set: all alerts go only to the test chat" in type_line(old, status).output
    old.machine.run(f"sed -i 's/^TELEGRAM_TEST/# TELEGRAM_TEST/' {ENV_FILE}")
    for verb in ("status", "doctor", "audit"):
        told = type_line(old, f"uv run python -m automation {verb}").output
        assert "STILL IN USE, although the env file has changed" in told
        assert "To apply the change: sudo systemctl restart monitoring" in told
        assert "removed: TELEGRAM_TEST_CHAT_ID" in told
        assert test_chat not in told
    with old.chat() as telegram:
        for line in ("uv run python -m automation drill", "uv run python -m automation drill --here"):
            assert type_line(old, line).code == 0
        drills = [message.chat_id for message in telegram.messages if "DRILL" in message.text]
    assert drills == [test_chat, CHAT]
    assert type_line(old, RESTART).code == 0
    told = type_line(old, status).output
    assert "TELEGRAM_TEST_CHAT_ID" not in told
    assert "the env file changed" not in told


def write(host: Deployed, line: str) -> None:
    """Let the editor write this line when it is called next."""
    host.machine.run("cat >/tmp/to-write && chmod a+r /tmp/to-write", stdin=f"{line}\n")


def test_one_rule_for_what_is_added_changed_and_removed(old: Deployed) -> None:
    """What a tick of the unit is given is what systemd read at the start."""
    old.write_env(REMOVED_MODE="yes", CHANGED_MODE="before")
    assert type_line(old, RESTART).code == 0
    old.write_env(ADDED_MODE="yes", CHANGED_MODE="after")
    told = type_line(old, "uv run python -m automation status").output
    names = "(new: ADDED_MODE; changed: CHANGED_MODE; removed: REMOVED_MODE)"
    assert f"pending     the env file changed since the scheduler started {names}: {RESTART}" in told
    old.write_env()
    assert type_line(old, RESTART).code == 0


def test_the_way_back_to_the_text_files_has_the_values_of_today(old: Deployed) -> None:
    """G.5: CACHE_BACKEND=file set, restarted, and nothing else, as the old page says; and the line taken out again."""
    keep = "from utils import cache; cache.set('cache-id.txt', 'queue', '{}')"
    old.shell("printf 'queue:1\\n' >/srv/cache/cache-id.txt && touch -d 2020-01-01 /srv/cache/cache-id.txt")
    old.shell(f'.venv/bin/python -c "{keep.format(2)}"')
    write(old, "CACHE_BACKEND=file")
    for line in (EDIT, RESTART):
        assert type_line(old, line).code == 0
    assert old.shell("cat /srv/cache/cache-id.txt").stdout == "queue:2\n"
    assert "CACHE_BACKEND=file: monitors keep their values in the text files" in (
        type_line(old, "uv run python -m automation status").output
    )
    old.shell(f'.venv/bin/python -c "{keep.format(3)}"')
    old.write_env()
    assert type_line(old, RESTART).code == 0
    assert old.rows("SELECT value FROM monitor_state WHERE key = 'queue'") == [("3",)]


def test_a_state_directory_of_somebody_else_is_not_a_scheduler_that_is_gone(old: Deployed) -> None:
    """G.4, as the deploy user sees it."""
    old.machine.run(f"chown root:root {CACHE}")
    try:
        status = type_line(old, "uv run python -m automation status").output
        doctor = type_line(old, "uv run python -m automation doctor").output
    finally:
        old.machine.run(f"chown {USER}: {CACHE}")
    assert re.search(r"scheduler   (alive|its runs are not recorded): supercronic", status), status
    assert "NOT RUNNING" not in status + doctor
    assert f"change its owner: sudo chown -R {USER}: {CACHE}" in doctor


def test_the_sixth_restart_in_a_minute_is_said_with_what_clears_it(old: Deployed) -> None:
    for _ in range(6):
        old.machine.run("systemctl restart monitoring", check=False)
    assert old.state_of()["ActiveState"] == "failed"
    doctor = type_line(old, "uv run python -m automation doctor").output
    assert "sudo systemctl reset-failed monitoring && sudo systemctl start monitoring" in doctor
    assert type_line(old, "sudo systemctl reset-failed monitoring && sudo systemctl start monitoring").code == 0
