"""`run PROFILE`: runs a profile now; alerts are really sent. `--dry-run` prints what would run and changes nothing."""

from __future__ import annotations

import argparse
import logging
import os
import shlex
import traceback
from datetime import datetime
from pathlib import Path

from automation.executor.chosen_tasks import choose_tasks, own_environment, preload_for, with_command_line
from automation.executor.fork_client import ForkServer, server_environment
from automation.jobs.load import load_profile
from automation.jobs.model import Profile, Task
from automation.runner.last_words import REFUSALS, speak
from monitoring.base.clock import SystemClock, from_text
from monitoring.base.errors import MonitoringError
from monitoring.base.log import set_up
from monitoring.base.settings import Settings

log = logging.getLogger("automation.run")

HELP = "run a profile now; alerts are really sent"
EXAMPLES = """\
python -m automation run hourly              # run it now; alerts are really sent
python -m automation run hourly --dry-run    # print what would run; change nothing
python -m automation run hourly --task aave  # run one task, even a disabled one
python -m automation run hourly -v           # show every check, also what is fine"""
_TRIGGERS = ("cron", "embedded", "catch-up")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("profile", help="the profile to run")
    parser.add_argument(
        "--dry-run", action="store_true", help="print what would run; no sync, lock, database or message"
    )
    parser.add_argument("--task", metavar="NAME", help="run only this task, even a disabled one")
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="on a terminal: also show checks that are fine, as logs do"
    )


def run(args: argparse.Namespace, settings: Settings) -> int:
    if args.dry_run:
        return _dry_run(load_profile(args.config, settings.checkout, args.profile), args.task)
    try:
        return _run(args, settings)
    except REFUSALS as error:
        if logging.getLogger().isEnabledFor(logging.DEBUG):
            traceback.print_exc()
        speak(error, args.profile, Path(args.config).absolute(), settings)


def _run(args: argparse.Namespace, settings: Settings) -> int:
    from automation.sync.git import current_revision

    loaded_revision = current_revision(settings.checkout)
    server = _server_beforehand(args, settings)
    from automation.cli.live import display_for
    from automation.runner.run import Runner, RunRequest
    from monitoring.base.process_identity import started_at

    request = RunRequest(
        profile=args.profile,
        config=Path(args.config),
        trigger=_trigger(),
        started_at=_instant("AUTOMATION_STARTED_AT") or started_at(SystemClock().now()),
        tick_at=_instant("AUTOMATION_TICK"),
        only_task=args.task,
    )
    output = set_up(settings.environ)
    for mistake in settings.env_mistakes:
        log.warning("%s", mistake)
    display = display_for(output, is_manual=request.trigger == "manual", verbose=args.verbose)
    if display.is_brief:
        logging.getLogger("automation.sync.sync").addFilter(_is_news)
    return Runner(request, settings, SystemClock(), display, loaded_revision=loaded_revision, server=server).run()


def _is_news(record: logging.LogRecord) -> bool:
    """Nobody at a terminal asked for a sync, so that this checkout is not a deployed one is worth no line there."""
    return record.levelno > logging.INFO or "not deployed" not in record.getMessage()


def _server_beforehand(args: argparse.Namespace, settings: Settings) -> ForkServer | None:
    """Start the fork server before this process imports the rest of a run, which takes as long as the server does.

    It starts no task by itself, and ends when this process does. None where a sync comes first: the server would be of
    the revision before it.
    """
    try:
        profile = load_profile(args.config, settings.checkout, args.profile)
        tasks = choose_tasks(profile, args.task) if profile.enabled and not profile.sync_before_run else []
        env = server_environment([{**settings.environ, **own_environment(profile, task)} for task in tasks])
        preload = preload_for(tasks, settings.checkout)
        return ForkServer(cwd=str(settings.checkout), env=env, preload=preload) if tasks else None
    except (MonitoringError, OSError):
        return None  # the run itself meets it, records it and reports it


def _trigger() -> str:
    """Read why this run was started; a run by hand sets no variable."""
    named = os.environ.get("AUTOMATION_TRIGGER", "")
    return named if named in _TRIGGERS else "manual"


def _instant(variable: str) -> datetime | None:
    text = os.environ.get(variable)
    return from_text(text) if text else None


def _dry_run(profile: Profile, only: str | None) -> int:
    state = "" if profile.enabled else " (disabled: `run` does nothing)"
    print(f"{profile.name}{state}: {profile.cron.text}, parallel {profile.parallel}")
    for number, task in enumerate(_in_order(choose_tasks(profile, only)), start=1):
        print(f"{number}. {task.name}: {shlex.join(_argv(task))}")
        for note in _notes(profile, task):
            print(f"   {note}")
    return 0


def _in_order(tasks: list[Task]) -> list[Task]:
    """Return the tasks in the order they would start if each succeeded at once."""
    from automation.executor.task import TaskStatus
    from automation.executor.task_order import next_steps

    by_name = {task.name: task for task in tasks}
    ended: dict[str, TaskStatus] = {}
    while steps := next_steps(tasks, ended, set(), 1).start:
        ended[steps[0].name] = TaskStatus.OK
    return [by_name[name] for name in ended]


def _argv(task: Task) -> list[str]:
    ready = with_command_line(task)
    return ["python", *(["-m"] if ready.module else []), *ready.argv]


def _notes(profile: Profile, task: Task) -> list[str]:
    notes = [f"timeout {task.timeout_s} s"]
    names = sorted(own_environment(profile, task))
    notes += [f"environment: {', '.join(names)}"] if names else []
    notes += [f"needs: {', '.join(task.needs)}"] if task.needs else []
    notes += [f"retries: {task.retries}"] if task.retries else []
    notes += ["isolate: runs in a new interpreter"] if task.isolate else []
    return notes
