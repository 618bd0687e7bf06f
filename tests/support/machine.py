"""A machine of its own for a test: real systemd as PID 1 on a throw-away file system, without a network to the world.

An overlay on a Debian tree (`make host-tree`), booted by systemd-nspawn. Needs root.
"""

from __future__ import annotations

import ctypes
import os
import re
import shlex
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from tests.support import parts
from tests.support.host import ROOT, wait_until

TREE = Path(os.environ.get("HOST_TREE", ROOT / ".tools/host-tree"))
WHEELS = Path(os.environ.get("HOST_WHEELS", ROOT / ".tools/host-wheels"))
_HYBRID = Path("/sys/fs/cgroup/unified")
_COMMAND_LIMIT_S = 90
_END_LIMIT_S = 30
_MEMORY = "3g"  # room, not use: a session of host tests takes a few hundred MB
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_CLONE_NEWNET = 0x40000000  # <linux/sched.h>
Made = TypeVar("Made")


def require_machine() -> None:
    """Skip (in CI: fail) where no machine can be booted, saying why."""
    if os.geteuid() != 0:
        parts.missing("booting a host needs root")
    parts.require("systemd-nspawn")
    for part in (TREE / "usr/lib/systemd/systemd", WHEELS / "requirements.lock"):
        if not part.exists():
            parts.missing(f"{part} is missing: sudo make host-tree")


class Machine:
    """One machine: its file system below `root`, its PID 1 `leader` while it is up."""

    def __init__(
        self, name: str, directory: Path, layers: Sequence[Path] = (), binds: Sequence[tuple[Path, str]] = ()
    ) -> None:
        self.root = directory / "root"
        self.upper = directory / "upper"
        self.name = name
        self.leader = 0
        self._binds = binds
        self._log = directory / "console"
        self._nspawn: subprocess.Popen[bytes] | None = None
        for path in (self.root, self.upper, directory / "work"):
            path.mkdir(parents=True)
        lower = ":".join(str(layer) for layer in (*reversed(layers), TREE))
        options = f"lowerdir={lower},upperdir={self.upper},workdir={directory / 'work'}"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, str(self.root)], check=True)

    @property
    def is_up(self) -> bool:
        return self.leader != 0

    def boot(self) -> None:
        """Start it and wait until its multi-user target is reached."""
        nspawn = ["systemd-nspawn", "--quiet", "--boot", f"--directory={self.root}", f"--machine={self.name}"]
        nspawn += ["--register=no", "--keep-unit", "--private-network", "--console=pipe"]
        nspawn += ["--system-call-filter=@clock"]  # asking how the clock is kept is refused otherwise
        nspawn += [f"--bind-ro={path}:{place}" for path, place in self._binds]
        enter = "".join(f"mkdir -p {path} && echo $$ >{path}/cgroup.procs && " for path in self._control_groups())
        with self._log.open("ab") as console:
            self._nspawn = subprocess.Popen(
                ["bash", "-c", f"{enter}exec {shlex.join(nspawn)}"],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
            )
        wait_until(self._find_leader, f"{self.name} does not start: {self._log}")
        wait_until(self._has_booted, f"{self.name} does not boot: {self._log}")
        # nspawn's own boot id is not seen in a unit with ProtectProc=, which mounts /proc anew: the same one for all.
        self.run("umount /proc/sys/kernel/random/boot_id")

    def power_off(self) -> None:
        """Shut it down as an operator would, and wait until it is off."""
        with suppress(subprocess.TimeoutExpired):
            self.run("systemctl poweroff", check=False, limit_s=10)
        self._await_end()

    def pull_the_plug(self) -> None:
        """End it at once: nothing in it gets to say a word."""
        os.kill(self.leader, signal.SIGKILL)
        self._await_end()

    def remove(self) -> None:
        """End it and let go of its file system; `upper` is what was written."""
        if self.is_up:
            self.pull_the_plug()
        self._await_end()
        subprocess.run(["umount", "--lazy", str(self.root)], check=False)

    def run(
        self,
        command: str,
        *,
        user: str = "root",
        check: bool = True,
        limit_s: float = _COMMAND_LIMIT_S,
        stdin: str = "",
        before: str = ":",
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell command in it, for another user than root in a login shell of theirs; `before` it one outside."""
        inside = ["bash", "-c", command] if user == "root" else ["runuser", "--login", user, "--command", command]
        enter = ["nsenter", f"--target={self.leader}", "--all", "env", "--chdir=/", "-i", f"PATH={_PATH}", "HOME=/root"]
        done = subprocess.run(
            ["bash", "-c", f'{before} && exec "$@"', "enter", *enter, *inside],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=limit_s,
            check=False,
        )
        assert done.returncode == 0 or not check, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def said(self, command: str, *, user: str = "root") -> str:
        return self.run(command, user=user).stdout.strip()

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file as root."""
        place = self.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        place.chmod(mode)

    def in_its_network(self, make: Callable[[], Made]) -> Made:
        """Make something there whose sockets stay in this machine's network namespace."""
        made: list[Made] = []

        def enter_and_make() -> None:
            with Path(f"/proc/{self.leader}/ns/net").open() as namespace:
                assert ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), _CLONE_NEWNET) == 0
            made.append(make())

        thread = threading.Thread(target=enter_and_make)  # setns(2) moves one thread
        thread.start()
        thread.join()
        return made[0]

    def _control_groups(self) -> Iterator[Path]:
        """Name a control group of its own, where systemd's own bookkeeping of two machines cannot meet."""
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            number, controller, path = line.split(":", 2)
            if controller == "name=systemd":
                yield Path(f"/sys/fs/cgroup/systemd{path}") / self.name
            elif number == "0":
                yield (_HYBRID if _HYBRID.is_dir() else Path("/sys/fs/cgroup")) / path.lstrip("/") / self.name

    def _find_leader(self) -> bool:
        """Find PID 1 of the machine: nspawn's first child is only the one that makes it."""
        assert self._nspawn is not None
        assert self._nspawn.poll() is None, self._log.read_text()
        pid = self._nspawn.pid
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            with suppress(OSError):
                status = Path(f"/proc/{child}/status").read_text()
                if re.search(r"^Name:\tsystemd$", status, re.MULTILINE) and re.search(
                    r"^NSpid:.*\t1$", status, re.MULTILINE
                ):
                    self.leader = int(child)
        return self.is_up

    def _has_booted(self) -> bool:
        assert self._nspawn is not None
        assert self._nspawn.poll() is None, self._log.read_text()
        with suppress(subprocess.TimeoutExpired):
            state = self.run("systemctl is-system-running", check=False, limit_s=10).stdout.strip()
            return state in ("running", "degraded")
        return False

    def _await_end(self) -> None:
        if self._nspawn is None:
            return
        try:
            self._nspawn.wait(_END_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._nspawn.kill()
            self._nspawn.wait()
        self._nspawn, self.leader = None, 0
        for group in filter(Path.exists, self._control_groups()):
            wait_until(lambda group=group: _emptied(group), f"{group} is in use")


def _emptied(group: Path) -> bool:
    """Remove a control group with all beneath it; False while a process is still ending in it."""
    try:
        for path in sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True):
            path.rmdir()
        group.rmdir()
    except OSError:
        for procs in group.rglob("cgroup.procs"):
            for pid in map(int, procs.read_text().split()):
                os.kill(pid, signal.SIGKILL)
        return False
    return True


@contextmanager
def removed_afterwards(machine: Machine, *, keep_upper: bool = False) -> Iterator[Machine]:
    """Remove the machine at the end of the block, and what it wrote unless that is to be a layer of others."""
    try:
        yield machine
    finally:
        machine.remove()
        if not keep_upper:
            shutil.rmtree(machine.upper.parent, ignore_errors=True)


@contextmanager
def memory_limited(limit_bytes: int) -> Iterator[str]:
    """Make a control group with so much memory; yields what a shell says to enter it. The kernel kills beyond."""
    old = Path("/sys/fs/cgroup/memory")
    group = (old if old.is_dir() else Path("/sys/fs/cgroup")) / f"limited-{os.getpid()}"
    try:
        if not old.is_dir():
            (group.parent / "cgroup.subtree_control").write_text("+memory")
        group.mkdir()
        (group / ("memory.limit_in_bytes" if old.is_dir() else "memory.max")).write_text(str(limit_bytes))
    except OSError as error:
        parts.missing(f"no control group with a memory limit can be made here: {error}")
    try:
        yield f"echo $$ >{group}/cgroup.procs"
    finally:
        wait_until(lambda: _emptied(group), f"{group} is in use")


@contextmanager
def memory_directory(directory: Path) -> Iterator[Path]:
    """Put a file system in memory there; all that is in it is forgotten at the end."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_MEMORY}", "machines", str(directory)], check=True)
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=False)
