"""Booted hosts: one installation for all of these tests, and on top of it a fresh host for each module."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from tests.support import deployed, release_before, scenes
from tests.support.deployed import Deployed
from tests.support.fake_telegram import TelegramStandIn
from tests.support.machine import Machine, memory_directory, removed_afterwards, require_machine

_numbers = count()
# What install.sh answers for. git's index and the stamps of make are no part of it, nor what running code writes.
_SURVEY = """
find_() {
    find /etc /opt /srv/monitoring /srv/cache /usr/local /home -not -path '*/.git/index' -not -path '/opt/parts/*' \\
        -not -name __pycache__ -not -name '*.pyc' -not -path '/srv/cache/locks*' -not -name '*.db-*' "$@"
}
find_ -printf '%p %M %u:%g %l\\n' | sort
find_ -type f -print0 | sort -z | xargs -0 sha256sum
"""


@dataclass(frozen=True, slots=True)
class Installation:
    """What install.sh said and did, first and again, and the layer of files it left."""

    first: str
    second: str
    before_second: list[str]
    after_second: list[str]
    layers: list[Path]


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return where machines write: in memory, which makes and forgets many small files at once."""
    require_machine()
    with memory_directory(tmp_path_factory.mktemp("stage")) as directory:
        yield directory


def _new_machine(directory: Path, layers: list[Path]) -> Machine:
    """Name it so that machines of several sessions cannot meet."""
    return Machine(f"host-{os.getpid()}-{next(_numbers)}", directory, layers, deployed.binds())


@pytest.fixture(scope="session")
def installation(stage: Path) -> Installation:
    """Install from a local clone, twice; the result is the layer that other hosts start from."""
    seed = deployed.make_seed(stage / "seed")
    with removed_afterwards(_new_machine(stage / "installation", [seed]), keep_upper=True) as machine:
        machine.boot()
        first = machine.said(deployed.INSTALL)
        before = machine.said(_SURVEY).splitlines()
        second = machine.said(deployed.INSTALL)
        after = machine.said(_SURVEY).splitlines()
        # Each host that starts from here writes a journal of its own.
        machine.run("rm -rf /var/log/journal/* && : >/etc/machine-id")
        machine.power_off()
        upper = machine.upper
    return Installation(first, second, before, after, [seed, upper])


@contextmanager
def fresh_host(installation: Installation, directory: Path) -> Iterator[Deployed]:
    """Boot an installed host with nothing configured yet."""
    with removed_afterwards(_new_machine(directory / "machine", installation.layers)) as machine:
        machine.boot()
        yield Deployed(machine, directory / "work")


@pytest.fixture(scope="module")
def host(installation: Installation, stage: Path) -> Iterator[Deployed]:
    with fresh_host(installation, stage / f"host-{next(_numbers)}") as booted:
        yield booted


@dataclass(frozen=True, slots=True)
class OlderHost:
    """A booted host and the commit that it was installed from."""

    release: str
    deployed: Deployed


@pytest.fixture(scope="module", params=release_before.COMMITS, ids=release_before.name_of)
def older_host(stage: Path, request: pytest.FixtureRequest) -> Iterator[OlderHost]:
    """Boot a host that a release before installed, by its own script."""
    directory, release = stage / f"older-{next(_numbers)}", str(request.param)
    seed = deployed.make_seed(directory / "seed", release_before.extract(release, directory / "tree"))
    with removed_afterwards(_new_machine(directory / "machine", [seed])) as machine:
        machine.boot()
        machine.said(deployed.INSTALL)
        yield OlderHost(release, Deployed(machine, directory / "work"))


@dataclass(frozen=True, slots=True)
class Scenes:
    """What the clock decides is played beside the other tests, on hosts of its own, and looked at last."""

    restarted: Future[scenes.Seen]
    rebooted: Future[scenes.Seen]
    rebooted_database: Path


@pytest.fixture(scope="session", name="scenes")
def _scenes(installation: Installation, stage: Path) -> Iterator[Scenes]:
    database = stage / "rebooted.db"

    def play(scene: Callable[[Deployed], scenes.Seen], keep: Path | None) -> scenes.Seen:
        with fresh_host(installation, stage / scene.__name__) as booted:
            seen = scene(booted)
            for suffix in ("", "-wal", "-shm") if keep else ():
                shutil.copy(booted.path(f"{deployed.CACHE}/monitoring.db{suffix}"), f"{keep}{suffix}")
            return seen

    with ThreadPoolExecutor(2) as beside:
        restarted = beside.submit(play, scenes.restart_during_a_run, None)
        rebooted = beside.submit(play, scenes.reboot_over_a_tick, database)
        yield Scenes(restarted, rebooted, database)


@pytest.fixture(scope="session", autouse=True)
def _clock_starts_now(request: pytest.FixtureRequest) -> None:
    """Let the scenes begin with the first test, if one that looks at them is asked for."""
    if any("scenes" in getattr(item, "fixturenames", ()) for item in request.session.items):
        request.getfixturevalue("scenes")


@pytest.fixture
def telegram(host: Deployed) -> Iterator[TelegramStandIn]:
    """The chat of the module's host, new for each test."""
    with host.chat() as stand_in:
        yield stand_in
