"""`python -m automation` as an operator meets it: real processes in a checkout of their own."""

from __future__ import annotations

import errno
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from automation.cli.commands import command_names, load_command
from automation.cli.main import exit_code
from monitoring.base.errors import ConfigError, LockedError, MonitoringError, StoreError, UsageError
from tests.support.checkouts import AS_SHIPPED, SCRIPTS, make_checkout, write

ROOT = Path(__file__).parent.parent.parent
PATIENCE_S = 60
JOBS = """\
profiles:
  hourly:
    cron: "5 * * * *"
    tasks:
      - {name: aave, script: protocols/aave/main.py}
      - {name: lido, script: protocols/lido/main.py, enabled: false}
  resting:
    cron: "@daily"
    enabled: false
    tasks: [{name: aave, monitors: [protocols/aave/monitor.yaml]}]
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the runner with a jobs.yaml of its own."""
    root = make_checkout(tmp_path_factory.mktemp("checkout"))
    for package in ("automation", "monitoring"):
        shutil.copytree(ROOT / package, root / package, ignore=AS_SHIPPED)
    shutil.copy(ROOT / "pyproject.toml", root)
    write(root / "automation/jobs.yaml", JOBS)
    return root


def environment(**more: str) -> dict[str, str]:
    """What a process needs, without the settings of the machine that tests."""
    return {"PATH": os.environ["PATH"], "MONITORING_ENV_FILE": "", "PYTHONDONTWRITEBYTECODE": "1", **more}


def command(*args: str) -> list[str]:
    return [sys.executable, "-m", "automation", *args]


def automation(checkout: Path, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*args), cwd=checkout, env=environment(**env), capture_output=True, text=True, timeout=PATIENCE_S,
        check=False,
    )  # fmt: skip


def test_without_a_command_the_overview_is_shown(checkout: Path) -> None:
    shown = automation(checkout)
    assert (shown.returncode, shown.stderr) == (0, "")
    overview = shown.stdout.partition("\ncommands:\n")[2].partition("\n\n")[0]
    assert overview.splitlines() == [f"  {name:<16}{load_command(name).HELP}" for name in command_names()]


HELLO = '''"""`say-hello`: greet somebody."""

HELP = "greet somebody"
EXAMPLES = "python -m automation say-hello --to you  # greets you"


def add_arguments(parser):
    parser.add_argument("--to", required=True)


def run(args, settings):
    print(f"hello {args.to}")
    return 0
'''


def test_a_new_command_is_one_file(checkout: Path, tmp_path: Path) -> None:
    shutil.copytree(checkout, tmp_path / "copy", symlinks=True)
    write(tmp_path / "copy/automation/cli/commands/say_hello.py", HELLO)
    assert "\n  say-hello       greet somebody\n" in automation(tmp_path / "copy", "--help").stdout
    assert "did you mean say-hello?" in automation(tmp_path / "copy", "say-helo").stderr
    assert "Greet somebody." in automation(tmp_path / "copy", "say-hello", "--help").stdout
    assert automation(tmp_path / "copy", "say-hello", "--to", "you").stdout == "hello you\n"


def test_the_version_is_that_of_the_checkout(checkout: Path) -> None:
    shown = automation(checkout, "--version")
    assert (shown.returncode, shown.stdout) == (0, "monitoring 0.1.0\n")


@pytest.mark.parametrize("verb", command_names())
def test_every_command_has_examples_in_its_help(verb: str, checkout: Path) -> None:
    shown = automation(checkout, verb, "--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    _, _, examples = shown.stdout.partition("\nexamples:\n")
    assert examples.splitlines() == [f"  {line}" for line in load_command(verb).EXAMPLES.splitlines()]
    assert f"  python -m automation {verb}" in examples


def test_list_shows_counts_disabled_profiles_and_the_next_tick(checkout: Path) -> None:
    shown = automation(checkout, "list")
    header, hourly, resting = shown.stdout.splitlines()
    assert (shown.returncode, shown.stderr) == (0, "")
    assert header.split("  ")[0] == "PROFILE"
    assert hourly.startswith("hourly   5 * * * *  1/2             20")
    assert hourly.endswith(":05")
    assert resting == "resting  @daily     1/1             disabled"


def test_list_as_json_has_exactly_the_agreed_keys(checkout: Path) -> None:
    before = datetime.now(UTC)
    hourly, resting = json.loads(automation(checkout, "list", "--json").stdout)
    next_tick = datetime.fromisoformat(hourly.pop("next_tick"))
    assert before < next_tick <= before + timedelta(hours=1, minutes=2)
    assert next_tick.minute == 5
    assert hourly == {"name": "hourly", "cron": "5 * * * *", "enabled": True, "tasks": {"enabled": 1, "total": 2}}
    assert resting == {
        "name": "resting",
        "cron": "@daily",
        "enabled": False,
        "tasks": {"enabled": 1, "total": 1},
        "next_tick": None,
    }


def test_render_crontab_prints_the_crontab_and_nothing_else(checkout: Path) -> None:
    shown = automation(checkout, "render-crontab", LOG_LEVEL="DEBUG")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout == (
        "CRON_TZ=UTC\n5 * * * *\tflock -n /tmp/automation.hourly.lock python -m automation run hourly\n"
    )


@pytest.mark.parametrize("verb", ["list", "render-crontab", "validate"])
@pytest.mark.parametrize("before", [True, False])
def test_config_may_stand_before_or_after_the_command(verb: str, before: bool, checkout: Path) -> None:
    write(checkout / "other.yaml", 'profiles:\n  hourly:\n    cron: "61 * * * *"\n    tasks: []\n')
    args = ("--config", "other.yaml", verb) if before else (verb, "--config", "other.yaml")
    shown = automation(checkout, *args)
    assert (shown.returncode, shown.stdout) == (2, "")
    assert shown.stderr == "other.yaml:3:11 profiles.hourly.cron: the minute '61' is unknown: write 0 to 59\n"


def test_validate_says_what_it_looked_at(checkout: Path) -> None:
    shown = automation(checkout, "validate")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout == "automation/jobs.yaml: no mistakes in 2 profiles, 3 tasks, 2 scripts, 1 monitor\n"


def test_validate_says_whether_it_read_the_people_on_call(checkout: Path) -> None:
    people = "zone: UTC\npeople: {ana: {telegram_id: 101}, ben: {telegram_id: 102}}\n"
    write(checkout / "automation/on_call.yml", people)
    misnamed = automation(checkout, "validate")
    assert misnamed.stderr == "warning: automation/on_call.yml is not read: rename it to on_call.yaml\n"
    assert "on_call" not in misnamed.stdout

    (checkout / "automation/on_call.yml").rename(checkout / "automation/on_call.yaml")
    assert automation(checkout, "validate").stdout.endswith("1 monitor; on_call.yaml: 2 people\n")


def test_validate_tells_the_mistakes_of_the_file_and_of_what_it_names_at_once(tmp_path: Path, checkout: Path) -> None:
    shutil.copytree(checkout, tmp_path / "copy", symlinks=True)
    copy = tmp_path / "copy"
    write(copy / SCRIPTS[0], "import os\n\ndef main(:\n    pass\n")
    write(copy / SCRIPTS[1], "x = '\\d'  # an odd escape is no mistake\n")
    write(copy / "protocols/aave/list.yaml", "- not a mapping\n")
    write(copy / "protocols/aave/tab.yaml", "name:\n\tvalue\n")
    write(
        copy / "bad.yaml",
        """\
profiles:
  hourly:
    cron: "61 * * * *"
    tasks:
      - {name: aave, script: protocols/aave/main.py}
      - {name: again, script: protocols/aave/main.py}
      - {name: lido, script: protocols/lido/main.py}
      - {name: lists, monitors: [protocols/aave/list.yaml, protocols/aave/tab.yaml]}
""",
    )
    shown = automation(copy, "validate", "bad.yaml")
    assert (shown.returncode, shown.stdout) == (2, "")
    assert shown.stderr.splitlines() == [
        "bad.yaml:3:11 profiles.hourly.cron: the minute '61' is unknown: write 0 to 59",
        "protocols/aave/main.py:3:10 profiles.hourly.tasks[0].script: not Python: invalid syntax; correct the script",
        "protocols/aave/list.yaml:1:1 keys and values are needed here",
        "protocols/aave/tab.yaml:2:1 yaml: a tab cannot indent: use spaces",
    ]


def test_validate_runs_nothing_it_reads(tmp_path: Path, checkout: Path) -> None:
    shutil.copytree(checkout, tmp_path / "copy", symlinks=True)
    write(tmp_path / "copy" / SCRIPTS[0], "open('ran', 'w').close()\n")
    assert automation(tmp_path / "copy", "validate").returncode == 0
    assert not (tmp_path / "copy/ran").exists()


def test_an_unknown_command_is_answered_with_the_nearest(checkout: Path) -> None:
    shown = automation(checkout, "validat")
    assert (shown.returncode, shown.stdout) == (2, "")
    assert shown.stderr.endswith("error: unknown command 'validat': did you mean validate?\n")


@pytest.mark.parametrize("args", [("list", "--jsn"), ("list", "extra"), ("--nonsense",), ("list", "--config")])
def test_a_wrong_command_line_exits_2(args: tuple[str, ...], checkout: Path) -> None:
    shown = automation(checkout, *args)
    assert (shown.returncode, shown.stdout) == (2, "")
    assert "error: " in shown.stderr


def test_an_error_is_one_line_and_a_traceback_only_at_debug(checkout: Path) -> None:
    shown = automation(checkout, "list", MONITORING_ENV_FILE="/none")
    assert shown.returncode == 2
    assert shown.stderr == (
        "error: MONITORING_ENV_FILE=/none cannot be read: correct the path, or unset the variable\n"
    )
    assert "Traceback" in automation(checkout, "list", MONITORING_ENV_FILE="/none", LOG_LEVEL="DEBUG").stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MonitoringError("x"), 1),
        (StoreError("x"), 1),
        (UsageError("x"), 2),
        (ConfigError(["x"]), 2),
        (LockedError("x"), 75),
    ],
)
def test_errors_have_the_exit_codes_of_the_table(error: MonitoringError, code: int) -> None:
    assert exit_code(error) == code


@pytest.mark.parametrize(("unbuffered", "code"), [("", 0), ("1", 141)])
def test_a_reader_who_went_away_is_met_with_silence(unbuffered: str, code: int, checkout: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        command("list"), cwd=checkout, env=environment(PYTHONUNBUFFERED=unbuffered), stdout=writing,
        stderr=subprocess.PIPE, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    os.close(writing)
    assert (done.returncode, done.stderr) == (code, b"")


def test_ctrl_c_ends_quietly(tmp_path: Path, checkout: Path) -> None:
    blocking = tmp_path / "jobs.yaml"
    os.mkfifo(blocking)
    with subprocess.Popen(
        command("list", "--config", str(blocking)), cwd=checkout, env=environment(), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        try:
            writing = open_when_read(blocking)
            process.send_signal(signal.SIGINT)
            os.close(writing)  # a signal that came just before the read would otherwise not end it
            output = process.communicate(timeout=PATIENCE_S)
        finally:
            process.kill()
    assert (process.returncode, *output) == (130, b"", b"")


def open_when_read(fifo: Path) -> int:
    """Open a fifo for writing as soon as somebody reads it."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            assert error.errno == errno.ENXIO  # noqa: PT017 - nobody reads yet
            time.sleep(0.01)
    raise AssertionError("nobody opened the fifo")


@pytest.mark.parametrize(("no_color", "is_styled"), [("", True), ("1", False)])
def test_a_terminal_gets_a_table_and_no_color_is_honoured(no_color: str, is_styled: bool, checkout: Path) -> None:
    ours, theirs = pty.openpty()
    done = subprocess.run(
        command("list"), cwd=checkout, env=environment(TERM="xterm-256color", NO_COLOR=no_color, COLUMNS="100"),
        stdout=theirs, stderr=subprocess.PIPE, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert (done.returncode, done.stderr) == (0, b"")
    assert "hourly" in shown
    assert ("\x1b[" in shown) == is_styled


LOADED = """\
import sys
from automation.cli.main import main
main(sys.argv[1:])
print(*sorted(sys.modules), file=sys.stderr)
"""


def modules_loaded_by(checkout: Path, *args: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *args], cwd=checkout, env=environment(), capture_output=True, text=True,
        timeout=PATIENCE_S, check=True,
    )  # fmt: skip
    return set(done.stderr.split())


@pytest.mark.parametrize("args", [("list",), ("status",), ("run", "hourly")])
def test_reading_jobs_yaml_needs_no_pydantic(args: tuple[str, ...], checkout: Path, tmp_path: Path) -> None:
    shutil.copytree(checkout, tmp_path / "copy", symlinks=True)
    loaded = modules_loaded_by(tmp_path / "copy", *args)
    assert "automation.jobs.load" in loaded
    assert not {"pydantic", "pydantic_core"} & loaded


def test_what_sends_is_not_imported_before_the_first_task(checkout: Path) -> None:
    imports = "import sys, automation.runner.run; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", imports], cwd=checkout, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "automation.runner.notifications" in loaded
    assert not {name for name in loaded if name.startswith("monitoring.alerts.")}
    for_later = {
        "automation.evidence.when_due", "automation.on_call.load", "automation.on_call.model",
        "automation.status.webhooks", "monitoring.ledger.reach", "monitoring.store.tables.digests", "orjson",
    }  # fmt: skip
    assert not for_later & loaded


def test_the_fork_server_is_started_before_the_rest_of_a_run_is_imported(checkout: Path) -> None:
    imports = "import sys, automation.cli.commands.run; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", imports], cwd=checkout, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "automation.executor.fork_client" in loaded
    with_the_rest = {
        "apsw", "shutil", "tempfile", "automation.executor.fork_server", "automation.executor.task_child",
        "automation.runner.run", "automation.runner.workspace", "monitoring.store.db.database",
    }  # fmt: skip
    assert not with_the_rest & loaded


def test_a_command_is_imported_only_when_it_is_called(checkout: Path) -> None:
    bare = modules_loaded_by(checkout, "--version")
    assert not {"automation.cli.commands.list", "automation.jobs.load", "pydantic", "yaml", "rich"} & bare
    listing = modules_loaded_by(checkout, "list")
    assert "automation.cli.commands.list" in listing
    unneeded = {
        "automation.cli.commands.validate", "rich", "httpx2", "asyncio", "difflib", "apsw", "pydantic", "json",
        "shutil", "bz2", "subprocess", "unicodedata", "zoneinfo", "monitoring.base.env_file",
        "monitoring.base.secrets.secret_values",
    }  # fmt: skip
    assert not unneeded & listing


def test_status_imports_nothing_that_writes_readings_or_alerts(checkout: Path, tmp_path: Path) -> None:
    shutil.copytree(checkout, tmp_path / "copy", symlinks=True)
    loaded = modules_loaded_by(tmp_path / "copy", "status")
    assert "automation.status.collect" in loaded
    writing = ("monitoring.alerts.", "monitoring.store.readings.writing", "monitoring.store.readings.reading")
    assert not {name for name in loaded if name.startswith(writing)}
