"""Every problem that `doctor` knows, planted on a sound host: exactly that one is found, with what to type."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from automation.jobs.load import load_jobs
from automation.schedule.schedule_difference import schedule_of
from automation.status.doctor import (
    alarms,
    checkout,
    environment,
    explainer,
    host,
    limits,
    network,
    problems,
    schedule,
    state,
)  # fmt: skip
from automation.sync.state import SyncState, SyncStatus, write_sync_state
from monitoring.alerts.message.model import Alert
from monitoring.alerts.recording.store_alert import store_in
from monitoring.base.kernel_clock import KernelClock
from monitoring.base.locks.profile_lock import ProfileLock
from monitoring.base.settings import CHECKOUT
from monitoring.checks.drill.rehearsal import StoppedClock
from monitoring.store.db.compatibility import VERSION
from monitoring.store.maintenance.backups import default_directory
from monitoring.store.queries import explanations
from monitoring.store.spool import unstored
from monitoring.store.tables import schedules
from tests.support import rpc_server
from tests.support.fake_telegram import BOT_TOKEN, CHAT, TelegramStandIn
from tests.support.host import NOWHERE
from tests.support.newer_database import make_newer
from tests.support.planted_chat import escalate_without_reader, read_chat
from tests.support.sound_host import SoundHost, add_run, make_template, settle

Plant = Callable[[SoundHost], None]
KINDS = [problem.kind for problem in problems()]
ANOTHER_USER = 12345
MONITOR = """\
monitor: acme
chain: mainnet
contracts: {token: "0x5A98FcBEA516Cf06857215779Fd812CA3beF1B32"}
checks:
  - {id: supply, changed: token.totalSupply(), severity: low}
"""


@pytest.fixture(scope="module")
def telegram() -> Iterator[TelegramStandIn]:
    with TelegramStandIn(tokens=[BOT_TOKEN], chats=[CHAT]) as stand_in:
        yield stand_in


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_template(tmp_path_factory.mktemp("template"))


@pytest.fixture
def sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, telegram: TelegramStandIn, template: Path
) -> Iterator[SoundHost]:
    made = SoundHost(tmp_path, monkeypatch, telegram.url, template)
    made.patch(environment, "ENV_FILE", tmp_path / "etc-env")
    made.patch(schedule, "ENV_FILE", tmp_path / "etc-env")
    made.patch(limits, "_CGROUPS", tmp_path / "cgroups")
    with made.stack:
        yield made


# -- the environment ---------------------------------------------------------------------------------------------------


def close_env_file(sound: SoundHost) -> None:
    (sound.root / "etc-env").write_text("A=b\n")
    without_env_file(sound)


def lose_env_file_of_unit(sound: SoundHost) -> None:
    without_env_file(sound)
    sound.install_unit()


def without_env_file(sound: SoundHost) -> None:
    sound.environ |= sound.settings.environ
    sound.environ["MONITORING_ENV_FILE"] = ""


def edit_after_start(sound: SoundHost) -> None:
    sound.hold()
    assert sound.held is not None
    sound.held = type(sound.held)(sound.held.process, sound.held.environ, sound.held.differences, written_since=True)


def edit_after_start_of_api(sound: SoundHost) -> None:
    sound.install_unit(MainPID=str(os.getpid()))
    os.utime(sound.env_file, (sound.now.timestamp() + 60,) * 2)


def forward_public_host(sound: SoundHost) -> None:
    sound.patch(environment, "forwards_public_host", lambda: True)


# -- the state ---------------------------------------------------------------------------------------------------------


def lose_state(sound: SoundHost) -> None:
    sound.environ["CACHE_DIR"] = str(sound.root / "gone")


def close_state(sound: SoundHost) -> None:
    sound.patch(state, "os", SimpleNamespace(access=lambda *_: False, W_OK=os.W_OK, X_OK=os.X_OK))


def give_away_state(sound: SoundHost) -> None:
    give_away(sound.cache / "left-by-root")


def give_away_checkout(sound: SoundHost) -> None:
    give_away(sound.checkout / ".git" / "left-by-root")


def give_away(path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    path.touch()
    os.chown(path, ANOTHER_USER, ANOTHER_USER)


def damage_database(sound: SoundHost) -> None:
    for path in sound.cache.glob("monitoring.db*"):
        path.unlink()
    sound.database.write_bytes(b"no database at all" * 1000)


def close_locks(sound: SoundHost) -> None:
    sound.patch(state, "usable_locks", lambda _locks: sound.root / "other-locks")


def hang(sound: SoundHost) -> None:
    sound.settings.locks.mkdir(exist_ok=True)
    LOCKS.append(
        ProfileLock.acquire(sound.settings.locks, "hourly", clock=StoppedClock(sound.now - timedelta(hours=7)))
    )


LOCKS: list[ProfileLock] = []


def lose_backups(sound: SoundHost) -> None:
    shutil.rmtree(default_directory(sound.cache))


def age_backups(sound: SoundHost) -> None:
    [made] = default_directory(sound.cache).glob("*.db")
    made.rename(made.with_name("monitoring-20260101T000000Z.db"))


# -- the machine -------------------------------------------------------------------------------------------------------


def fill_disk(sound: SoundHost) -> None:
    full = SimpleNamespace(total=10**12, free=10**6)
    sound.patch(host, "shutil", SimpleNamespace(disk_usage=lambda path: full if path == sound.cache else usage(path)))


def usage(path: Path) -> object:
    return SimpleNamespace(total=10**12, free=10**12) if path else None


def use_up_inodes(sound: SoundHost) -> None:
    found = {sound.cache: SimpleNamespace(f_files=1000, f_favail=1)}
    sound.patch(
        host, "os", SimpleNamespace(statvfs=lambda path: found.get(path, SimpleNamespace(f_files=0, f_favail=0)))
    )


def free_clock(sound: SoundHost) -> None:
    sound.patch(
        host, "ask_kernel_clock", lambda: KernelClock(synchronised=False, max_error_s=None, source="the kernel")
    )


def run_in_the_future(sound: SoundHost) -> None:
    with sound.writing() as tx:
        add_run(tx, sound.now + timedelta(hours=2))


# -- the scheduler -----------------------------------------------------------------------------------------------------


def stop_scheduler(sound: SoundHost) -> None:
    sound.patch(schedule.scheduler_liveness, "find_scheduler", lambda _settings: None)


def change_cron(sound: SoundHost) -> None:
    jobs = load_jobs(sound.checkout / "automation" / "jobs.yaml", sound.checkout)
    with sound.writing() as tx:
        schedules.record_in_force(tx, [schedule_of(profile) for profile in jobs.profiles.values()], sound.now, "up")
    sound.jobs(lambda text: text.replace("5 * * * *", "7 * * * *"))


def lose_supercronic(sound: SoundHost) -> None:
    sound.install_unit()
    (sound.root / "etc-env").write_text("A=b\n")
    unit = sound.root / "units" / "monitoring.service"
    unit.write_text(unit.read_text().replace("/bin/true", "/nowhere/supercronic"))


def break_supercronic(sound: SoundHost) -> None:
    binary = sound.root / "bin" / "supercronic"
    binary.parent.mkdir(exist_ok=True)
    binary.write_text("#!/bin/sh\necho bad crontab >&2\nexit 1\n")
    binary.chmod(0o755)
    sound.monkeypatch.setenv("PATH", f"{binary.parent}:{os.environ['PATH']}")


def break_jobs(sound: SoundHost) -> None:
    sound.jobs(lambda text: text.replace("5 * * * *", "61 * * * *"))


def break_jobs_of_unit(sound: SoundHost) -> None:
    sound.install_unit()
    break_jobs(sound)


# -- the unit and its limits -------------------------------------------------------------------------------------------


def use_another_state(sound: SoundHost) -> None:
    sound.install_unit()
    unit = sound.root / "units" / "monitoring.service"
    unit.write_text(unit.read_text().replace(str(sound.cache), "/srv/cache"))


def allow_few_files(sound: SoundHost) -> None:
    proc = sound.root / "proc" / str(os.getpid())
    proc.mkdir(parents=True)
    (proc / "limits").write_text("Limit        Soft Limit  Hard Limit  Units\nMax open files     64     64     files\n")
    sound.patch(limits, "PROC", proc.parent)
    sound.hold()


def hide_limits(sound: SoundHost) -> None:
    sound.patch(limits, "PROC", sound.root / "no-proc")
    sound.hold()


def kill_for_memory(sound: SoundHost) -> None:
    group = sound.root / "cgroups" / "system.slice" / "monitoring.service"
    group.mkdir(parents=True)
    (group / "memory.events").write_text("low 0\noom 3\noom_kill 2\n")
    sound.install_unit(ControlGroup="/system.slice/monitoring.service")


# -- the checkout ------------------------------------------------------------------------------------------------------


def lose_lock(sound: SoundHost) -> None:
    (sound.checkout / "requirements.lock").unlink()
    sound.git("commit", "--quiet", "--all", "--message", "without")
    sound.git("push", "--quiet", "origin", "main")


def raise_a_pin(sound: SoundHost) -> None:
    lock = sound.checkout / "requirements.lock"
    lock.write_text(lock.read_text().replace("apsw==", "apsw==99."))
    sound.git("commit", "--quiet", "--all", "--message", "newer")
    sound.git("push", "--quiet", "origin", "main")


def leave_git(sound: SoundHost) -> None:
    (sound.checkout / ".git").rename(sound.root / "elsewhere")


def fall_behind(sound: SoundHost) -> None:
    sound.jobs(lambda text: f"{text}# newer\n")
    sound.git("reset", "--quiet", "--hard", "HEAD~1")


def refuse_a_commit(sound: SoundHost) -> None:
    (sound.cache / "sync").mkdir()
    write_sync_state(sound.cache, SyncState().after(SyncStatus.FAILED, "could not resolve host", None, sound.now))


def open_token_of_git(sound: SoundHost) -> None:
    sound.git("remote", "add", "fork", "https://user:a-token-of-the-forge@forge.example/watch.git")
    (sound.checkout / ".git" / "config").chmod(0o644)


# -- alerts ------------------------------------------------------------------------------------------------------------


def lose_apprise(sound: SoundHost) -> None:
    sound.add_env("NOTIFY_URLS_AUTOMATION=json://127.0.0.1")
    sound.patch(alarms.importlib.util, "find_spec", lambda name: None if name == "apprise" else name)


find_spec = importlib.util.find_spec


def forget_heartbeat(sound: SoundHost) -> None:
    sound.jobs(lambda text: text.replace("    heartbeat_env: HEARTBEAT_HOURLY\n", ""))
    sound.drop_env("HEARTBEAT_HOURLY")


def forget_drill(sound: SoundHost) -> None:
    with sound.writing() as tx:
        tx.execute("UPDATE alert_events SET kind = 'alert'")


def age_drill(sound: SoundHost) -> None:
    with sound.writing() as tx:
        tx.execute("UPDATE alert_events SET created_at = '2026-01-01T00:00:00Z', delivered_at = '2026-01-01T00:00:01Z'")


def leave(status: str, *, age: timedelta = timedelta(0), refuses: bool = False) -> Plant:
    """Return what leaves an alert in the outbox with a status."""

    def plant(sound: SoundHost) -> None:
        with sound.writing() as tx:
            stored = store_in(tx, Alert("HIGH", "the vault is empty", protocol="acme"), now=sound.now - age)
            settle(tx, stored.alert_id, status, sound.now, "403 Forbidden" if refuses else None)
            tx.execute("DELETE FROM deliveries WHERE destination <> 'telegram'")
            if refuses:
                tx.execute("INSERT INTO lanes (key, block_reason) VALUES (?, 'refused: 403')", (f"telegram:1:{CHAT}",))

    return plant


def keep_unstored(sound: SoundHost) -> None:
    alert = Alert("HIGH", "the vault is empty", protocol="acme")
    kept = unstored.KeptAlert(sound.now, "HIGH", alert.protocol, alert.title, alert.to_json())
    assert unstored.keep([kept], sound.cache)


# -- outside -----------------------------------------------------------------------------------------------------------


def lose_network(sound: SoundHost) -> None:
    silence_bot(sound)
    lose_origin(sound)


def silence_bot(sound: SoundHost) -> None:
    sound.add_env(f"TELEGRAM_API_URL={NOWHERE}")


def lose_origin(sound: SoundHost) -> None:
    (sound.root / "origin.git").rename(sound.root / "moved.git")


def watch_a_chain(sound: SoundHost, *urls: str) -> None:
    (sound.checkout / "protocols" / "acme" / "monitor.yaml").write_text(MONITOR)
    sound.jobs(lambda text: f"{text}      - {{name: acme, monitors: [protocols/acme/monitor.yaml]}}\n")
    sound.git("add", "--all")
    sound.git("commit", "--quiet", "--amend", "--message", "watch")
    sound.git("push", "--quiet", "--force", "origin", "main")
    sound.add_env("PROVIDER_PUBLIC=off")
    for number, url in enumerate(urls, 1):
        sound.add_env(f"PROVIDER_URL_MAINNET_{number}={url}")


def lose_an_endpoint(sound: SoundHost) -> None:
    provider = rpc_server.Provider(head_time=lambda: datetime.now(UTC).timestamp())
    [url] = sound.until_the_end(rpc_server.serving(provider))
    watch_a_chain(sound, url, NOWHERE)


def kill_api(sound: SoundHost) -> None:
    sound.patch(network, "ask_systemd", lambda *_: "enabled")
    sound.add_env("MONITORING_API_PORT=9")


# -- the explainer -----------------------------------------------------------------------------------------------------


def explain_by_nobody(sound: SoundHost) -> None:
    """Switch the explainer on, at a server that does not answer."""
    sound.add_env(f"LLM_BASE_URL={NOWHERE}/v1")
    sound.add_env("LLM_MODEL=small")


def explain_by_half(sound: SoundHost) -> None:
    sound.add_env("LLM_MODEL=small")


def lose_pydantic(sound: SoundHost) -> None:
    explain_by_nobody(sound)
    sound.patch(explainer, "find_spec", lambda name: None if name == "pydantic" else name)


def spend_the_day(sound: SoundHost) -> None:
    explain_by_nobody(sound)
    sound.add_env("LLM_DAILY_REQUESTS=1")
    ask_in_vain(sound, 1)


def ask_in_vain(sound: SoundHost, times: int = 5) -> None:
    explain_by_nobody(sound)
    with sound.writing() as tx:
        for _ in range(times):
            stored = store_in(tx, Alert("HIGH", "queued", protocol="acme"), now=sound.now)
            settle(tx, stored.alert_id, "delivered", sound.now, None)
            content = explanations.QuestionContent("", 1, "small")
            assert explanations.claim(tx, stored.alert_id, content, sound.now)
            cost = explanations.ExplanationCost(requests=1)
            explanations.end(tx, stored.alert_id, explanations.NOT_SENT, "the answer is empty", cost, sound.now)


PLANTED: Mapping[str, Plant] = {
    "chat-unread": escalate_without_reader,
    "chat-not-readable": read_chat(problem="another program reads the updates of @a_bot"),
    "chat-hangs": read_chat(age=timedelta(minutes=4)),
    "explainer-settings": explain_by_half,
    "explainer-extra": lose_pydantic,
    "explainer-bound": spend_the_day,
    "explainer-nothing-sent": ask_in_vain,
    "explainer-server": explain_by_nobody,
    "unchecked": hide_limits,
    "env-file-closed": close_env_file,
    "env-file-missing": lose_env_file_of_unit,
    "env-file-none": without_env_file,
    "env-file-open": lambda sound: sound.env_file.chmod(0o644),
    "env-file-line": lambda sound: sound.add_env("export LOG_LEVEL=INFO"),
    "env-file-late": edit_after_start,
    "api-late": edit_after_start_of_api,
    "text-cache": lambda sound: sound.add_env("CACHE_BACKEND=file"),
    "public-url-wrong": lambda sound: sound.add_env("MONITORING_PUBLIC_URL=watch.example"),
    "public-url-missing": forward_public_host,
    "time-zone": lambda sound: sound.add_env("TZ=Europe/Pariss"),
    "variable-old-name": lambda sound: sound.add_env("ETHERSCAN_TOKEN=0123456789"),
    "variable-retired": lambda sound: sound.add_env("LIQUIDITY_WEBHOOK_URL=https://old.example/hook"),
    "variable-misspelt": lambda sound: sound.add_env("TELEGRAM_CHATID_DEFAULT=-100"),
    "variable-unread": lambda sound: sound.add_env("COLOUR_OF_THE_SHED=green"),
    "state-missing": lose_state,
    "state-closed": close_state,
    "state-owners": give_away_state,
    "sqlite": lambda sound: sound.patch(state, "sqlite_fault", lambda: "SQLite 3.7.0 can corrupt a WAL database"),
    "database-missing": lambda sound: [path.unlink() for path in sound.cache.glob("monitoring.db*")] and None,
    "database-damaged": damage_database,
    "database-refused": lambda sound: make_newer(sound.database, oldest_release=VERSION + 1),
    "locks-closed": close_locks,
    "run-hangs": hang,
    "backup-none": lose_backups,
    "backup-old": age_backups,
    "readings-dropped": SoundHost.drop_readings,
    "disk-full": fill_disk,
    "disk-inodes": use_up_inodes,
    "clock-free": free_clock,
    "clock-back": run_in_the_future,
    "scheduler": stop_scheduler,
    "crontab": change_cron,
    "supercronic-missing": lose_supercronic,
    "supercronic-refuses": break_supercronic,
    "supercronic-untried": break_jobs_of_unit,
    "unit-state": use_another_state,
    "unit-disabled": lambda sound: sound.install_unit(is_enabled="disabled"),
    "unit-edited": lambda sound: sound.install_unit(NeedDaemonReload="yes"),
    "limit-files": allow_few_files,
    "limit-memory": lambda sound: sound.install_unit(MemoryMax="104857600"),
    "out-of-memory": kill_for_memory,
    "jobs-mistakes": break_jobs,
    "lock-missing": lose_lock,
    "venv-differs": raise_a_pin,
    "git-none": leave_git,
    "git-refuses": lambda sound: sound.git("config", "monitoring.sync", "perhaps"),
    "sync-off": lambda sound: sound.git("config", "monitoring.sync", "false"),
    "sync-behind": fall_behind,
    "sync-edits": lambda sound: (sound.checkout / "protocols" / "acme" / "main.py").write_text("edited") and None,
    "launcher-missing": lambda sound: sound.patch(
        checkout.importlib.util, "find_spec", lambda name: None if name == "automation_launcher" else find_spec(name)
    ),
    "sync-fails": refuse_a_commit,
    "git-token": open_token_of_git,
    "checkout-owners": give_away_checkout,
    "alerts-muted": lambda sound: sound.add_env(f"TELEGRAM_TEST_CHAT_ID={CHAT}"),
    "route-missing": lambda sound: sound.drop_env("TELEGRAM_CHAT_ID_DEFAULT"),
    "webhook-uncalled": lambda sound: sound.add_env(
        "WEBHOOK_URL_AUTOMATION=https://machine.example/hook\nWEBHOOK_SECRET=long enough to sign with"
    ),
    "route-malformed": lambda sound: sound.add_env("TELEGRAM_CHAT_ID_AUTOMATION=not a chat"),
    "apprise-missing": lose_apprise,
    "proxy": lambda sound: sound.add_env("ALL_PROXY=socks5h://127.0.0.1:1\nNO_PROXY=127.0.0.1"),
    "heartbeat-wrong": lambda sound: sound.drop_env("HEARTBEAT_HOURLY"),
    "heartbeat-none": forget_heartbeat,
    "drill-none": forget_drill,
    "drill-old": age_drill,
    "unreached-waiting": leave("pending", age=timedelta(hours=1)),
    "unreached-credentials": leave("skipped_missing_credentials"),
    "unreached-refused": leave("pending", refuses=True),
    "unreached-given-up": leave("failed"),
    "unreached-unstored": keep_unstored,
    "waiting": leave("pending"),
    "network": lose_network,
    "bot-refused": lambda sound: sound.add_env("TELEGRAM_BOT_TOKEN_DEFAULT=1:revoked"),
    "bot-silent": silence_bot,
    "chat-refused": lambda sound: sound.add_env("TELEGRAM_CHAT_ID_DEFAULT=-100999"),
    "chain-silent": lambda sound: watch_a_chain(sound, NOWHERE),
    "endpoint-dead": lose_an_endpoint,
    "origin-silent": lose_origin,
    "api-down": kill_api,
}
# What cannot be otherwise where the problem is planted.
WITH_IT: Mapping[str, set[str]] = {
    "state-missing": {"database-missing", "backup-none"},
    "supercronic-untried": {"jobs-mistakes"},
    "explainer-nothing-sent": {"explainer-server"},
    "unreached-waiting": {"waiting"},
    "unreached-credentials": {"waiting"},
    "unreached-refused": {"waiting"},
}


def test_a_sound_host_has_no_problem(sound: SoundHost) -> None:
    assert sound.problems() == []


# Each takes half a second: all of them run in CI, and of every part of the host one runs in `make test`.
QUICK = {"env-file-line", "variable-retired", "database-damaged", "clock-free", "scheduler", "unit-disabled",
         "sync-off", "route-missing", "unreached-refused", "chat-refused"}  # fmt: skip


@pytest.mark.parametrize(
    "kind", [kind if kind in QUICK else pytest.param(kind, marks=pytest.mark.ci) for kind in KINDS]
)
def test_a_planted_problem_is_found_and_no_other(sound: SoundHost, kind: str) -> None:
    PLANTED[kind](sound)
    found = Counter(each.kind for each in sound.problems())
    assert found[kind] == 1, found
    assert set(found) == {kind} | WITH_IT.get(kind, set())


def test_each_kind_of_problem_has_a_name_of_its_own_and_says_why_it_matters_and_what_to_type() -> None:
    assert len(set(KINDS)) == len(KINDS)
    assert set(KINDS) == set(PLANTED)
    for problem in problems():
        assert all((problem.subject, problem.symptom, problem.cause, problem.why, problem.remedy)), problem.kind


def test_every_variable_of_the_example_env_file_is_known(sound: SoundHost) -> None:
    shown = re.findall(r"^#?([A-Z_]+(?:_\d)?)=", (CHECKOUT / ".env.example").read_text(), re.MULTILINE)
    assert "LOG_LEVEL" in shown
    for name in shown:
        if name not in sound.settings.environ:
            sound.environ[name] = ""
    assert [each for each in sound.problems() if each.kind.startswith("variable-")] == []


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("TELEGRAM_BOT_TOKEN_DEFUALT", "TELEGRAM_BOT_TOKEN_DEFAULT"),
        ("TELEGRAM_CHAT_ID_ERORS", "TELEGRAM_CHAT_ID_ERRORS"),
        ("PROVIDER_URL_MAINET", "PROVIDER_URL_MAINNET"),
        ("MONITORING_PUBLIC_ADDRESS", "MONITORING_PUBLIC_URL"),
        ("SAFE_APIKEY", "SAFE_API_KEY"),
        ("WEBHOOK_SECRETS", "WEBHOOK_SECRET"),
    ],
)
def test_a_near_miss_of_a_known_variable_is_answered_with_the_name_that_was_meant(
    sound: SoundHost, name: str, meant: str
) -> None:
    sound.environ[name] = "x"
    [found] = sound.problems()
    assert found.text == f"nothing reads {name}: did you mean {meant}?"


def test_a_variable_that_a_script_of_the_team_names_is_read(sound: SoundHost) -> None:
    sound.add_env("COLOUR_OF_THE_SHED=green")
    script = sound.checkout / "protocols" / "acme" / "main.py"
    script.write_text("import os\nprint(os.environ['COLOUR_OF_THE_SHED'])\n")
    assert [each.kind for each in sound.problems()] == ["sync-edits"]


def test_offline_nothing_outside_is_asked(sound: SoundHost) -> None:
    lose_network(sound)
    sound.online = False
    assert sound.problems() == []


def test_several_problems_at_once_are_all_found(sound: SoundHost) -> None:
    for kind in ("jobs-mistakes", "database-damaged", "network", "env-file-line", "clock-free"):
        PLANTED[kind](sound)
    found = {each.kind for each in sound.problems()}
    assert found >= {"jobs-mistakes", "database-damaged", "network", "env-file-line", "clock-free"}
