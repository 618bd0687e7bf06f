"""The shape of jobs.yaml as it is written: the keys, their kinds, their defaults.

config.py validates with these models and jobs.schema.json is generated from them. What a key means once
defaults are applied is config.py's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationInfo, WithJsonSchema

from automation.jobs import values as read
from automation.jobs.paths import check_file
from monitoring.ledger.cron import Cron

_AS_WRITTEN = ["string", "number", "boolean"]  # whatever YAML takes the characters for


def _pattern(pattern: str, **more: object) -> WithJsonSchema:
    return WithJsonSchema({"type": _AS_WRITTEN, "pattern": f"^{pattern}$", **more})


def _bounds(low: int, high: int) -> WithJsonSchema:
    return WithJsonSchema({"type": "integer", "minimum": low, "maximum": high})


def _read_file(value: object, info: ValidationInfo[Path]) -> str:
    """The context of a validation is the checkout that the paths are relative to."""
    return check_file(read.read_text(value), info.context)


def _read_catch_up(value: object) -> str:
    text = read.read_text(value)
    if text not in ("none", "latest"):
        raise ValueError(f"{text!r} is unknown: write none or latest")
    return text


Text = Annotated[str, PlainValidator(read.read_text), WithJsonSchema({"type": _AS_WRITTEN})]
Flag = Annotated[bool, PlainValidator(read.read_flag), WithJsonSchema({"type": "boolean"})]
Name = Annotated[str, PlainValidator(read.read_name), _pattern(read.NAME, maxLength=read.MAX_NAME_LENGTH)]
Variable = Annotated[str, PlainValidator(read.read_variable), _pattern(read.VARIABLE)]
TaskVariable = Annotated[
    str,
    PlainValidator(read.read_task_variable),
    _pattern(rf"(?!({'|'.join(read.RESERVED_VARIABLES)})$|{'|'.join(read.RESERVED_PREFIXES)}){read.VARIABLE}"),
]
Argument = Annotated[str, PlainValidator(read.read_argument), _pattern(read.ARGUMENT)]
Seconds = Annotated[
    int,
    PlainValidator(read.read_duration_s),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": read.MAX_DURATION_S},
                {"type": "string", "pattern": f"^0*[1-9]{read.DURATION.replace('+', '*', 1)}$"},
            ]
        }
    ),
]
CronText = Annotated[
    Cron,
    PlainValidator(read.read_cron),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^\s*(@[a-zA-Z]+|[0-9a-zA-Z*/,?-]+([ \t]+[0-9a-zA-Z*/,?-]+){4})\s*$",
            "examples": ["5 * * * *", "0/10 * * * *", "@daily"],
        }
    ),
]
File = Annotated[
    str, PlainValidator(_read_file), WithJsonSchema({"type": "string", "pattern": r"^(?!/)(?!(.*/)?\.\.(/|$)).*\S"})
]
CatchUp = Annotated[
    Literal["none", "latest"], PlainValidator(_read_catch_up), WithJsonSchema({"enum": ["none", "latest"]})
]


Parallel = Annotated[int, PlainValidator(read.number_between(1, 256)), _bounds(1, 256)]
Retries = Annotated[int, PlainValidator(read.number_between(0, 10)), _bounds(0, 10)]
Failures = Annotated[int, PlainValidator(read.number_between(1, 100)), _bounds(1, 100)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TaskEntry(_Entry):
    """One task: a script, or YAML monitors that share one plan."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": ["script"]},
                {"required": ["monitors"], "properties": {"args": False}},
            ]
        }
    )

    name: Name = Field(description="Unique within the profile: lower-case letters, digits, - and _.")
    script: File | None = Field(None, description="A Python script, relative to the checkout, as is its directory.")
    monitors: Annotated[list[File], Field(min_length=1)] | None = Field(
        None, description="YAML monitors, relative to the checkout, in place of a script."
    )
    args: dict[Argument, Text] = Field({}, description="Passed to the script as --key=value, in this order.")
    env: dict[TaskVariable, Text] = Field({}, description="Environment of this task, over that of the profile.")
    enabled: Flag = Field(True, description="A disabled task is left out of every run.")
    timeout: Seconds | None = Field(
        None, description="The deadline of the task; else the profile's. Seconds, or 90s, 10m, 2h, 1d."
    )
    needs: list[Name] = Field([], description="Tasks of this profile that must have succeeded before this one starts.")
    retries: Retries = Field(0, description="How often a failed task is tried again within the run.")
    isolate: Flag = Field(False, description="Start a fresh interpreter instead of a warm fork.")
    alert_after: Failures = Field(1, description="Failures in a row after which the task's own crash alert goes out.")


class ProfileEntry(_Entry):
    """One profile: tasks that run together at the same ticks."""

    cron: CronText = Field(
        description="When it runs, in UTC: five fields, or @hourly, @daily, @weekly, @monthly, @yearly."
    )
    description: Text = Field("", description="What it is for, in a sentence.")
    enabled: Flag = Field(True, description="A disabled profile is in no crontab and refuses to run.")
    sync_before_run: Flag = Field(False, description="Bring the checkout to origin/main before the tasks.")
    env: dict[TaskVariable, Text] = Field({}, description="Environment of every task.")
    tasks: list[TaskEntry] = Field(description="Run from top to bottom, `parallel` at once; [] is legal.")
    parallel: Parallel = Field(1, description="How many tasks run at once.")
    timeout: Seconds = Field(
        600, description="The deadline of each task that names none. Seconds, or 90s, 10m, 2h, 1d."
    )
    run_timeout: Seconds | None = Field(None, description="The deadline of the whole run.")
    heartbeat_env: Variable | None = Field(None, description="The variable that holds the URL to ping after a run.")
    catch_up: CatchUp = Field("none", description="latest: run once after a start if the newest tick was missed.")
    max_age: Seconds | None = Field(None, description="How old a missed tick may be and still be caught up.")


class JobsFile(_Entry):
    """The profiles and tasks of this host, the single source of truth of what runs when."""

    profiles: Annotated[dict[Name, ProfileEntry], Field(min_length=1)] = Field(description="The profiles by name.")
