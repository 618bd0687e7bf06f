"""jobs.yaml as the runner knows it, and the one table of its keys: a field of a class here is a key of the file.

A new key is one entry in `Task` or `Profile`: its reading, its mistakes, jobs.schema.json and docs/jobs.md come from
that; the executor and the task's process get the same `Task`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from automation.jobs.values import (
    ARGUMENT,
    CRON,
    FILE,
    FLAG,
    NAME,
    SECONDS,
    TASK_VARIABLE,
    TEXT,
    TIME_OR_OFF,
    VARIABLE,
    one_of,
    whole_number,
)  # fmt: skip
from monitoring.base.yaml.keys import Many, Named, Table, key, keys
from monitoring.ledger.cron import Cron


@keys
class Task:
    """One task: a script, or YAML monitors that share one plan."""

    name: str = key(NAME, "Unique within the profile: lower-case letters, digits, - and _.", example="name: my-task")
    script: str | None = key(
        FILE,
        "A Python script, relative to the checkout, as is its directory.",
        default=None,
        without="or monitors",
        example="script: protocols/aave/main.py",
    )
    monitors: tuple[str, ...] = key(
        Many(FILE, may_be_empty=False),
        "YAML monitors, relative to the checkout, in place of a script.",
        default=(),
        without="or script",
        example="monitors: [protocols/aave/monitor.yaml]",
    )
    args: Mapping[str, str] = key(
        Named(ARGUMENT, TEXT),
        "Passed to the script as --key=value, in this order.",
        default={},
        example="args: {name: value}",
    )
    env: Mapping[str, str] = key(
        Named(TASK_VARIABLE, TEXT),
        "Environment of this task, over that of the profile.",
        default={},
        example="env: {NAME: value}",
    )
    enabled: bool = key(FLAG, "A disabled task is left out of every run.", default=True, example="enabled: false")
    timeout_s: float = key(
        SECONDS,
        "The deadline of the task. Seconds, or 90s, 10m, 2h, 1d.",
        name="timeout",
        default=0,
        without="the profile's",
        example="timeout: 10m",
    )
    needs: tuple[str, ...] = key(
        Many(NAME),
        "Tasks of this profile that must have succeeded before this one starts.",
        default=(),
        example="needs: [other-task]",
    )
    retries: int = key(
        whole_number(0, 10), "How often a failed task is tried again within the run.", default=0, example="retries: 2"
    )
    isolate: bool = key(
        FLAG, "Start a fresh interpreter instead of a warm fork.", default=False, example="isolate: true"
    )
    alert_after: int = key(
        whole_number(1, 100),
        "Failures in a row after which the task's own crash alert goes out.",
        default=1,
        example="alert_after: 3",
    )
    example: bool = key(
        FLAG,
        "One of the examples that come with the project: left out where a file says `examples: off`.",
        default=False,
        example="example: true",
    )
    # Not keys of the file: what the run adds before it hands the task to the executor, which also puts the complete
    # environment of the process in the place of `env`. With `module` it runs as `python -m module`, and `argv[0]` is
    # ignored; otherwise that is the script.
    argv: tuple[str, ...] = ()
    module: str | None = None
    cwd: str = ""


TASK = Table(
    Task,
    example="{name: my-task, script: protocols/aave/main.py}",
    more_schema={"oneOf": [{"required": ["script"]}, {"required": ["monitors"], "properties": {"args": False}}]},
)


@keys
class Profile:
    """One profile: tasks that run together at the same ticks."""

    name: str = ""  # the key it is under
    cron: Cron = key(
        CRON,
        "When it runs, in UTC: five fields, or @hourly, @daily, @weekly, @monthly, @yearly.",
        example='cron: "5 * * * *"',
    )
    description: str = key(
        TEXT, "What it is for, in a sentence.", default="", example="description: Checks of every protocol."
    )
    enabled: bool = key(
        FLAG, "A disabled profile is in no crontab and refuses to run.", default=True, example="enabled: false"
    )
    sync_before_run: bool = key(
        FLAG,
        "Bring the checkout to origin/main before the tasks.",
        default=False,
        example="sync_before_run: true",
    )
    env: Mapping[str, str] = key(
        Named(TASK_VARIABLE, TEXT), "Environment of every task.", default={}, example="env: {NAME: value}"
    )
    tasks: tuple[Task, ...] = key(
        Many(TASK),
        "Run from top to bottom, `parallel` at once; [] is legal.",
        example="tasks: [{name: my-task, script: protocols/aave/main.py}]",
    )
    parallel: int = key(whole_number(1, 256), "How many tasks run at once.", default=1, example="parallel: 4")
    timeout_s: int = key(
        SECONDS,
        "The deadline of each task that sets none. Seconds, or 90s, 10m, 2h, 1d.",
        name="timeout",
        default=600,
        example="timeout: 10m",
    )
    run_timeout_s: int | None = key(
        SECONDS, "The deadline of the whole run.", name="run_timeout", default=None, example="run_timeout: 1h"
    )
    heartbeat_env: str | None = key(
        VARIABLE,
        "The variable that holds the URL to ping after a run.",
        default=None,
        example="heartbeat_env: HEARTBEAT_HOURLY",
    )
    catch_up: str = key(
        one_of("none", "latest"),
        "latest: run once after a start if the newest tick was missed.",
        default="none",
        example="catch_up: latest",
    )
    max_age_s: int | None = key(
        SECONDS,
        "How old a missed tick may be and still be caught up.",
        name="max_age",
        default=None,
        example="max_age: 1d",
    )

    @property
    def enabled_tasks(self) -> tuple[Task, ...]:
        return tuple(task for task in self.tasks if task.enabled)


PROFILE = Table(Profile, example="cron: and tasks: under the name of the profile")


@keys
class Jobs:
    """The profiles and tasks of this host, the single source of truth of what runs when."""

    profiles: Mapping[str, Profile] = key(
        Named(NAME, PROFILE, may_be_empty=False),
        "The profiles by name.",
        example='profiles: {hourly: {cron: "5 * * * *", tasks: []}}',
    )
    examples: str = key(
        one_of("on", "off"),
        "off: leave out every task that says `example: true`. Write it in a file of jobs.d.",
        default="on",
        example="examples: off",
    )
    daily_report: str = key(
        TIME_OR_OFF,
        "When the message about the day before is sent, in UTC: with the first run after it. off: not sent.",
        default="07:00",
        example='daily_report: "07:00"',
    )

    @property
    def daily_report_after(self) -> timedelta:
        """Return how long after midnight UTC the day before is reported."""
        hour, _, minute = (self.daily_report if self.is_day_sent else "07:00").partition(":")
        return timedelta(hours=int(hour), minutes=int(minute))

    @property
    def is_day_sent(self) -> bool:
        return self.daily_report != "off"


JOBS = Table(Jobs, example='profiles: {hourly: {cron: "5 * * * *", tasks: []}}')
