"""The host monitor: what it reads from a /proc of our own, and what it finds bad."""

from __future__ import annotations

import dataclasses
import errno
from fractions import Fraction
from pathlib import Path

import pytest

from monitoring.alerts.message.model import Severity
from monitoring.base.errors import UsageError
from monitoring.base.kernel_clock import KernelClock
from monitoring.chains.abi.values import Unknown
from monitoring.checks.builtin.host.judge import HostFinding, SubjectState, judge
from monitoring.checks.builtin.host.limits import HostLimit, HostLimits, keys, parse_limit, parse_one, size
from monitoring.checks.builtin.host.proc import (
    Filesystem,
    HostReadings,
    Load,
    Memory,
    StateFiles,
    read_all,
    read_clock,
    read_filesystems,
    read_load,
    read_memory,
    read_state_files,
)

GIB = 1024**3
FIELDS = {key.name: field for field, key in keys().items()}
WELL = HostReadings(
    filesystems={"state": Filesystem(("state",), ("state /s",), 100 * GIB, 50 * GIB, 1000, 500)},
    memory=Memory(4 * GIB, 2 * GIB, GIB, GIB),
    clock=KernelClock(synchronised=True, max_error_s=0.01, source="the kernel"),
    load=Load(0.5, 2),
    state=StateFiles(5 * 1024**2, 1024),
)
MEMINFO = """MemTotal:        4000 kB
MemFree:          100 kB
MemAvailable:    1500 kB
SwapTotal:       2000 kB
SwapFree:         500 kB
HugePages_Total:     0
"""


def proc(root: Path, name: str, text: str) -> Path:
    path = root / "proc" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return root


def bad(readings: HostReadings, limits: HostLimits | None = None) -> list[HostFinding]:
    return [finding for finding in judge(readings, limits or HostLimits()) if finding.state is SubjectState.BAD]


# -- reading ----------------------------------------------------------------------------------------------------------


def test_memory_is_read_in_bytes(tmp_path: Path) -> None:
    proc(tmp_path, "meminfo", MEMINFO)

    assert read_memory(tmp_path) == Memory(4000 * 1024, 1500 * 1024, 2000 * 1024, 500 * 1024)


def test_a_meminfo_without_what_we_need_says_what_is_missing(tmp_path: Path) -> None:
    proc(tmp_path, "meminfo", "MemTotal: 4000 kB\nSwapTotal: 0 kB\n")

    with pytest.raises(ValueError, match="does not contain MemAvailable, SwapFree"):
        read_memory(tmp_path)


def test_the_load_is_that_of_fifteen_minutes(tmp_path: Path) -> None:
    proc(tmp_path, "loadavg", "9.00 5.00 1.25 2/300 4242\n")

    assert read_load(tmp_path).average == 1.25
    assert read_load(tmp_path).cores >= 1


def test_the_database_and_its_log_are_measured(tmp_path: Path) -> None:
    database = tmp_path / "monitoring.db"
    database.write_bytes(b"x" * 4096)
    assert read_state_files(database) == StateFiles(4096, 0)

    (tmp_path / "monitoring.db-wal").write_bytes(b"x" * 100)
    assert read_state_files(database) == StateFiles(4096, 100)


def test_paths_on_one_file_system_are_one_reading(tmp_path: Path) -> None:
    found = read_filesystems({"state": tmp_path, "checkout": tmp_path.parent})
    disk = found["state"]

    assert len(found) == 1
    assert isinstance(disk, Filesystem)
    assert disk.paths == (f"state {tmp_path}", f"checkout {tmp_path.parent}")
    assert 0 < disk.free_bytes <= disk.size_bytes


def test_another_file_system_is_a_reading_of_its_own(tmp_path: Path) -> None:
    found = read_filesystems({"state": tmp_path, "kernel": Path("/proc")})

    assert {name: disk.paths for name, disk in found.items() if isinstance(disk, Filesystem)} == {
        "state": (f"state {tmp_path}",),
        "kernel": ("kernel /proc",),
    }


def test_what_is_not_there_is_unknown_and_says_why(tmp_path: Path) -> None:
    readings = read_all(tmp_path / "no.db", {"state": tmp_path / "nowhere"}, root=tmp_path)

    unknown = [*readings.filesystems.values(), readings.memory, readings.load, readings.state]
    assert all(isinstance(reading, Unknown) and "No such file" in reading.reason for reading in unknown)


def test_this_machine_can_be_read() -> None:
    readings = read_all(Path(__file__), {"checkout": Path(__file__)})

    assert isinstance(readings.memory, Memory)
    assert readings.memory.total_bytes > readings.memory.available_bytes > 0
    assert isinstance(readings.load, Load)


# -- the clock --------------------------------------------------------------------------------------------------------


def forbidden() -> KernelClock:
    raise OSError(errno.EPERM, "Operation not permitted")


def test_the_kernel_is_asked_first(tmp_path: Path) -> None:
    told = KernelClock(synchronised=False, max_error_s=16.0, source="the kernel")

    assert read_clock(tmp_path, lambda: told) == told


def test_where_the_kernel_may_not_be_asked_the_mark_of_timesyncd_tells(tmp_path: Path) -> None:
    mark = tmp_path / "run/systemd/timesync/synchronized"
    mark.parent.mkdir(parents=True)
    mark.touch()

    assert read_clock(tmp_path, forbidden) == KernelClock(
        synchronised=True, max_error_s=None, source="systemd-timesyncd"
    )


def test_a_clock_nobody_can_tell_about_is_unknown_not_wrong(tmp_path: Path) -> None:
    clock = read_clock(tmp_path, forbidden)

    assert isinstance(clock, Unknown)
    assert "Operation not permitted" in clock.reason
    assert [
        finding.state
        for finding in judge(dataclasses.replace(WELL, clock=clock), HostLimits())
        if "clock" in finding.key
    ] == [SubjectState.UNKNOWN]


def test_the_clock_of_this_machine_is_told_or_unknown_with_a_reason() -> None:
    clock = read_clock()

    if isinstance(clock, Unknown):
        assert "the kernel does not report it" in clock.reason
    elif clock.source == "the kernel":
        assert clock.max_error_s is not None
        assert 0 <= clock.max_error_s <= 16  # the kernel's own ceiling, NTP_PHASE_LIMIT


# -- judging ----------------------------------------------------------------------------------------------------------


def test_a_well_machine_has_nothing_bad_and_everything_said() -> None:
    findings = judge(WELL, HostLimits())

    assert {finding.state for finding in findings} == {SubjectState.FINE}
    assert [finding.key.split()[0] for finding in findings] == [
        "disk", "inodes", "memory", "swap", "clock", "load", "database", "wal",
    ]  # fmt: skip


def with_disk(free_bytes: int, free_inodes: int = 500) -> HostReadings:
    disk = Filesystem(("state",), ("state /s",), 100 * GIB, free_bytes, 1000, free_inodes)
    return dataclasses.replace(WELL, filesystems={"state": disk})


@pytest.mark.parametrize(
    ("readings", "key", "severity", "words"),
    [
        (with_disk(10 * GIB - 1), "disk state", Severity.HIGH, "10.0% (10.0 GiB) of the disk is free, less than 10%"),
        (with_disk(3 * GIB - 1), "disk state", Severity.CRITICAL, "3.0% (3.0 GiB) of the disk is free, less than 3%"),
        (with_disk(50 * GIB, 49), "inodes state", Severity.HIGH, "49 of 1,000 inodes are free, less than 5%"),
        (
            dataclasses.replace(WELL, memory=Memory(1000, 49, 0, 0)),
            "memory",
            Severity.HIGH,
            "4.9% (49 B) of the memory is available, less than 5%",
        ),
        (
            dataclasses.replace(WELL, memory=Memory(1000, 500, 1000, 199)),
            "swap",
            Severity.MEDIUM,
            "19.9% (199 B) of the swap is free, less than 20%",
        ),
        (
            dataclasses.replace(WELL, clock=KernelClock(synchronised=False, max_error_s=16, source="the kernel")),
            "clock",
            Severity.MEDIUM,
            "system clock is not synchronized (NTP), according to the kernel",
        ),
        (
            dataclasses.replace(WELL, load=Load(8.01, 2)),
            "load",
            Severity.MEDIUM,
            "load is 8.01 on 2 cores, more than 4 per core",
        ),
        (
            dataclasses.replace(WELL, state=StateFiles(11 * GIB, 0)),
            "database",
            Severity.MEDIUM,
            "database is 11.0 GiB, more than 10.0 GiB",
        ),
        (
            dataclasses.replace(WELL, state=StateFiles(0, GIB)),
            "wal",
            Severity.MEDIUM,
            "database is 1.0 GiB, more than 512.0 MiB",
        ),
    ],
)
def test_each_subject_is_found_bad_past_its_limit(
    readings: HostReadings, key: str, severity: Severity, words: str
) -> None:
    (finding,) = bad(readings)

    assert (finding.key, finding.severity) == (key, severity)
    assert finding.headline.endswith(words)
    assert finding.advice


@pytest.mark.parametrize(
    "readings",
    [
        with_disk(10 * GIB, 50),
        dataclasses.replace(WELL, memory=Memory(1000, 50, 1000, 200)),
        dataclasses.replace(WELL, load=Load(8.0, 2)),
        dataclasses.replace(WELL, state=StateFiles(10 * GIB, 512 * 1024**2)),
    ],
)
def test_a_reading_at_its_limit_is_fine(readings: HostReadings) -> None:
    assert bad(readings) == []


def test_a_finding_is_one_line_that_says_all() -> None:
    (finding,) = bad(with_disk(10 * GIB - 1))

    assert str(finding) == "bad: 10.0% (10.0 GiB) of the disk is free, less than 10% (state /s)"


def test_what_a_machine_does_not_have_is_fine() -> None:
    without = dataclasses.replace(
        WELL,
        filesystems={"state": Filesystem(("state",), ("state /s",), GIB, GIB, 0, 0)},
        memory=Memory(1000, 500, 0, 0),
    )

    assert {finding.state for finding in judge(without, HostLimits())} == {SubjectState.FINE}


def test_limits_may_be_sizes() -> None:
    limits = HostLimits(disk_free=HostLimit(size_bytes=60 * GIB))

    assert [finding.key for finding in bad(WELL, limits)] == ["disk state"]


# -- limits from the command line -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("10%", HostLimit(share=Fraction(1, 10))),
        ("0.5%", HostLimit(share=Fraction(1, 200))),
        ("2GiB", HostLimit(size_bytes=2 * GIB)),
        ("1.5 GiB", HostLimit(size_bytes=3 * GIB // 2)),
        ("500MB", HostLimit(size_bytes=500_000_000)),
        ("7B", HostLimit(size_bytes=7)),
    ],
)
def test_a_limit_is_a_share_or_a_size(text: str, limit: HostLimit) -> None:
    assert parse_limit(text) == limit


@pytest.mark.parametrize("text", ["", "10", "-5%", "%", "2 gigs", "1e3B", "10%%"])
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match="as in 10% or 2GiB"):
        parse_limit(text)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("disk-free", "15%", HostLimit(share=Fraction(15, 100))),
        ("memory-free", "200MiB", HostLimit(size_bytes=200 * 1024**2)),
        ("wal", "1GiB", GIB),
        ("load", "2.5", 2.5),
    ],
)
def test_a_limit_is_read_as_its_own_kind(name: str, text: str, value: object) -> None:
    assert parse_one(FIELDS[name], text) == value


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("disk-free", "lots", "'lots' is no limit"),
        ("wal", "10%", "10% is a share of nothing: write a size"),
        ("load", "heavy", "'heavy' is no number: write one, as in 4"),
    ],
)
def test_a_wrong_limit_is_refused_with_what_to_write(name: str, text: str, words: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_one(FIELDS[name], text)

    assert words in str(refused.value)


def test_the_readme_lists_every_limit_with_its_default() -> None:
    readme = (Path(__file__).parents[2] / "protocols/host/README.md").read_text()
    assert set(keys()) == {limit.name for limit in dataclasses.fields(HostLimits)}
    for limit in dataclasses.fields(HostLimits):
        default = limit.default
        shown = size(default) if isinstance(default, int) else f"{default:g}" if isinstance(default, float) else default
        (row,) = [
            line for line in readme.splitlines() if f"`{limit.name.removesuffix('_bytes').replace('_', '-')}`" in line
        ]
        assert f"| {str(shown).replace('.0 ', ' ')} |" in row


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), (GIB, "1.0 GiB"), (1024**5, "1024.0 TiB")],
)
def test_sizes_are_said_as_a_person_says_them(number: int, text: str) -> None:
    assert size(number) == text
