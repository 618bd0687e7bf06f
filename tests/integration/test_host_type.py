"""The built-in type `host` on this machine and on a made-up one: subjects, levels, what shares a file system."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from monitoring.base.errors import ConfigError
from monitoring.base.kernel_clock import KernelClock
from monitoring.chains.abi.values import Unknown
from monitoring.checks.builtin import TYPES
from monitoring.checks.builtin.host.parts import Look
from monitoring.checks.builtin.host.proc import Filesystem, HostReadings, Load, Memory, StateFiles
from monitoring.checks.config.load import load_monitor
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.conditions.outcome import Reason
from tests.support.child import CHECKOUT
from tests.support.evaluating import judge_file

SHIPPED = CHECKOUT / "protocols/host/monitor.yaml"
NOW = datetime(2026, 5, 1, tzinfo=UTC)
GIB = 1024**3


def disk(free: int, *names: str) -> Filesystem:
    return Filesystem(names, tuple(f"{name} /{name}" for name in names), 100 * GIB, free, 1000, 500)


WELL = HostReadings(
    filesystems={"state": disk(50 * GIB, "state", "checkout")},
    memory=Memory(4 * GIB, 2 * GIB, GIB, GIB),
    clock=KernelClock(synchronised=True, max_error_s=0.01, source="the kernel"),
    load=Load(0.5, 2),
    state=StateFiles(5 * 1024**2, 1024),
)


class Machine:
    def __init__(self, readings: HostReadings) -> None:
        self.readings = readings

    def read(self, questions: Any) -> Mapping[Any, Any]:
        return dict.fromkeys(questions, self.readings)


def drive(*machines: HostReadings) -> list[list[str]]:
    """Judge the shipped monitor an hour apart; return the titles told."""
    conditions, said = dict[ConditionKey, Condition](), list[list[str]]()
    for hour, readings in enumerate(machines):
        outcomes, alerts = judge_file(SHIPPED, Machine(readings), conditions, NOW + timedelta(hours=hour))
        conditions = {key: one.condition for key, one in outcomes.items()}
        told = [(key, one.transition) for key, one in outcomes.items() if one.transition]
        said.append([f"{one.kind} {one.severity.name}: {alerts[key].title}" for key, one in told])
    return said


def full(free: int) -> HostReadings:
    return dataclasses.replace(WELL, filesystems={"state": disk(free, "state", "checkout")})


def test_this_machine_is_read_by_the_shipped_monitor(tmp_path: Path) -> None:
    at = EvaluationPoint({"CACHE_DIR": str(tmp_path), "MONITORING_ENV_FILE": ""})
    (tmp_path / "monitoring.db").write_bytes(b"x")
    outcomes, _ = judge_file(SHIPPED, None, {}, NOW, at)

    assert len(outcomes) == 10
    assert outcomes[ConditionKey("host", "disk", 0, "state")].reason in (Reason.GOOD, Reason.BREACHED)
    assert outcomes[ConditionKey("host", "database", 0)].reason is Reason.GOOD


def test_a_disk_that_fills_is_told_again_when_it_is_critical_and_once_when_it_is_over() -> None:
    assert drive(WELL, full(9 * GIB), full(8 * GIB), full(2 * GIB), WELL) == [
        [],
        ["fired HIGH: 9.0% (9.0 GiB) of the disk is free, less than 10%"],
        [],
        ["worsened CRITICAL: Worse: 2.0% (2.0 GiB) of the disk is free, less than 3%"],
        ["recovered CRITICAL: 50.0% (50.0 GiB) of the disk is free"],
    ]


def test_a_place_on_another_file_system_is_a_condition_of_its_own() -> None:
    apart = dataclasses.replace(WELL, filesystems={"state": disk(50 * GIB, "state"), "checkout": disk(GIB, "checkout")})

    outcomes, _ = judge_file(SHIPPED, Machine(apart), {}, NOW)
    together, _ = judge_file(SHIPPED, Machine(full(GIB)), {}, NOW)

    assert outcomes[ConditionKey("host", "disk", 0, "checkout")].reason is Reason.BREACHED
    assert outcomes[ConditionKey("host", "disk", 0, "state")].reason is Reason.GOOD
    assert together[ConditionKey("host", "disk", 0, "checkout")].reason is Reason.DOES_NOT_APPLY


def test_what_cannot_be_read_is_unknown_for_all_it_tells_of_and_ends_nothing() -> None:
    blind = dataclasses.replace(full(GIB), memory=Unknown("no /proc"), state=Unknown("no database"))
    first, _ = judge_file(SHIPPED, Machine(full(GIB)), {}, NOW)
    lost = dataclasses.replace(blind, filesystems={"state": Unknown("gone")})
    conditions = {key: one.condition for key, one in first.items()}
    outcomes, _ = judge_file(SHIPPED, Machine(lost), conditions, NOW)

    unknown = {key.check for key, one in outcomes.items() if one.reason is Reason.UNKNOWN}
    assert unknown == {"disk", "inodes", "memory", "swap", "database", "wal"}
    assert outcomes[ConditionKey("host", "disk", 0, "state")].condition.state.value == "firing"
    assert not any(one.transition for one in outcomes.values())


def test_all_subjects_come_from_one_look() -> None:
    parts = load_monitor(SHIPPED, TYPES).parts()

    assert {part.route.protocol for part in parts} == {"host"}
    assert all(part.about for part in parts)
    assert Look() == Look()


@pytest.mark.parametrize(
    ("section", "mistake"),
    [
        ("host: {disk-fre: 1%}", "2:8 host.disk-fre: disk-fre is not known here, did you mean disk-free?"),
        ("host: {disk-free: lots}", "2:19 host.disk-free: 'lots' is no limit: write a share or a size"),
        ("host: {wal: 10%}", "2:13 host.wal: 10% is a share of nothing: write a size, as in 2GiB"),
        ("host: {load: heavy}", "2:14 host.load: 'heavy' is no number: write one, as in 4"),
        ("host: {for: long}", "2:13 host.for: 'long' is neither a number of runs"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_at_its_place(tmp_path: Path, section: str, mistake: str) -> None:
    path = tmp_path / "monitor.yaml"
    path.write_text(f"monitor: host\n{section}\n")

    with pytest.raises(ConfigError) as refused:
        load_monitor(path, TYPES)

    assert refused.value.mistakes[0].startswith(f"{path}:{mistake}")
