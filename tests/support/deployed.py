"""The product on a machine of its own, installed by `deploy/install.sh`, with its origin and its chat beside it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support import parts
from tests.support.checkouts import is_of_a_team
from tests.support.fake_telegram import BOT_TOKEN, CHAT, TelegramStandIn
from tests.support.git import run_git
from tests.support.host import ROOT, wait_until
from tests.support.machine import WHEELS, Machine

USER = "monitoring"
CHECKOUT = "/srv/monitoring"
CACHE = "/srv/cache"
ENV_FILE = "/etc/monitoring/.env"
TELEGRAM_PORT = 8081
# Where the machine finds what it would otherwise download.
_PARTS = "/opt/parts"
INSTALL = (
    f"UV_BIN={_PARTS}/uv UV_OFFLINE=1 UV_FIND_LINKS={_PARTS}/wheels SUPERCRONIC_BIN={_PARTS}/supercronic "
    "bash /srv/clone/deploy/install.sh"
)
_ORIGIN = "srv/git/monitoring.git"
_ORIGIN_UNIT = """\
[Service]
ExecStart=git daemon --export-all --listen=127.0.0.1 --base-path=/srv/git
[Install]
WantedBy=multi-user.target
"""
# The unit's own sandbox and environment for one command, without the wait for a tick.
_ONCE = "/run/systemd/system/once.service"
_NOT_ONCE = ("Exec", "Type=", "Restart", "StartLimit", "WantedBy", "[Install]")


def binds() -> list[tuple[Path, str]]:
    """Return the parts a machine is given."""
    uv = shutil.which("uv") or str(ROOT / ".tools/bin/uv")
    if not Path(uv).exists():
        parts.missing("uv is not installed")
    return [(Path(uv), f"{_PARTS}/uv"), (WHEELS, f"{_PARTS}/wheels"), (_supercronic(), f"{_PARTS}/supercronic")]


def _supercronic() -> Path:
    built = ROOT / ".tools/parts/supercronic"
    return built if built.exists() else Path(parts.require("supercronic"))


def copy_checkout(to: Path) -> Path:
    """Copy what is, or is about to be, under version control here, but for what a fork added."""
    names = subprocess.check_output(
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT
    )
    for name in os.fsdecode(names).split("\0"):
        if name and not is_of_a_team(name) and (ROOT / name).exists():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name, follow_symlinks=False)
    return to


def make_seed(directory: Path, work: Path | None = None) -> Path:
    """Make the layer beneath the installation: a tree, else this checkout, as git's daemon serves it, and a clone."""
    work, bare = work or copy_checkout(directory / "work"), directory / "layer" / _ORIGIN
    run_git(work, "init", "--quiet")
    run_git(work, "add", "--all")
    run_git(work, "commit", "--quiet", "--message", "as it is")
    bare.parent.mkdir(parents=True)
    run_git(directory, "clone", "--quiet", "--bare", str(work), str(bare))
    clone = directory / "layer/srv/clone"
    run_git(directory, "clone", "--quiet", "--no-hardlinks", str(work), str(clone))
    run_git(clone, "remote", "set-url", "origin", "git://127.0.0.1/monitoring.git")
    units = directory / "layer/etc/systemd/system"
    (units / "multi-user.target.wants").mkdir(parents=True)
    (units / "origin.service").write_text(_ORIGIN_UNIT)
    (units / "multi-user.target.wants/origin.service").symlink_to("/etc/systemd/system/origin.service")
    return directory / "layer"


@dataclass(frozen=True, slots=True)
class Script:
    """A task of a profile under test."""

    name: str
    text: str
    options: str = ""


def jobs(profiles: Mapping[str, str], scripts: Mapping[str, Sequence[Script]]) -> dict[str, str | None]:
    """Return the files of a jobs.yaml: of each profile its keys (with `cron:`), and its scripts."""
    lines, files = ["profiles:\n"], {}
    for name, keys in profiles.items():
        lines.append(f"  {name}:\n" + "".join(f"    {key}\n" for key in keys.splitlines()) + "    tasks:\n")
        for script in scripts[name]:
            path = f"protocols/test/{script.name}.py"
            files[path] = script.text
            lines.append(f"      - {{name: {script.name}, script: {path}{script.options}}}\n")
    return {"automation/jobs.yaml": "".join(lines), **files}


class Deployed:
    """An installed host: its files, its unit, its origin, its chat."""

    def __init__(self, machine: Machine, work: Path) -> None:
        self.machine = machine
        self.work = work
        self.environ = {
            "CACHE_DIR": CACHE,
            "TELEGRAM_BOT_TOKEN_DEFAULT": BOT_TOKEN,
            "TELEGRAM_CHAT_ID_DEFAULT": CHAT,
            "TELEGRAM_API_URL": f"http://127.0.0.1:{TELEGRAM_PORT}",
        }

    # -- the world around it ---------------------------------------------------------------------------

    @contextmanager
    def chat(self) -> Iterator[TelegramStandIn]:
        """Let a Bot API answer on this host's own loopback."""
        with self.machine.in_its_network(lambda: TelegramStandIn(port=TELEGRAM_PORT)) as telegram:
            yield telegram

    def push_tree(self, copy: Callable[[Path], Path], files: Mapping[str, str | None]) -> str:
        """Merge a whole tree, with these files in it, in the place of the one before."""
        self._clone()
        for entry in self.work.iterdir():
            if entry.name != ".git":
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        copy(self.work)
        return self.push(files, "a release")

    def _clone(self) -> None:
        if not self.work.exists():
            run_git(self.work.parent, "clone", "--quiet", str(self.machine.root / _ORIGIN), str(self.work))

    def push(self, files: Mapping[str, str | None], message: str = "change") -> str:
        """Merge a change on the origin's main."""
        bare = self.machine.root / _ORIGIN
        self._clone()
        for name, content in files.items():
            path = self.work / name
            if content is None:
                path.unlink()
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content)
        run_git(self.work, "add", "--all")
        run_git(self.work, "commit", "--quiet", "--allow-empty", "--message", message)
        run_git(self.work, "push", "--quiet", str(bare), "HEAD:refs/heads/main")
        return run_git(self.work, "rev-parse", "HEAD")

    # -- what an operator does -------------------------------------------------------------------------

    def write_env(self, **environ: str) -> None:
        """Write the env file, with these variables beside those of the chat."""
        text = "".join(f"{name}={value}\n" for name, value in {**self.environ, **environ}.items())
        self.machine.write(ENV_FILE, text)
        self.machine.run(f"chown root:{USER} {ENV_FILE} && chmod 0640 {ENV_FILE}")

    def land(self, files: Mapping[str, str | None]) -> str:
        """Merge a change and land it at once, as the runbook's manual path does."""
        commit = self.push(files)
        self.shell("git fetch --quiet origin main && git reset --quiet --hard origin/main")
        return commit

    def shell(self, command: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Type a command in the checkout, logged in as the deploy user."""
        return self.machine.run(f"cd {CHECKOUT} && {command}", user=USER, check=check)

    def automation(self, verb: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.shell(f"uv run python -m automation {verb}", check=check)

    def systemctl(self, words: str, *, check: bool = True) -> str:
        return self.machine.run(f"systemctl {words}", check=check).stdout.strip()

    def restart(self) -> None:
        """Restart the unit; its start limit counts starts by hand too, and tests do more of them than anybody."""
        self.machine.run("systemctl reset-failed monitoring; systemctl restart monitoring")

    def state_of(self, unit: str = "monitoring") -> dict[str, str]:
        names = "ActiveState,SubState,Result,MainPID,NRestarts"
        lines = self.systemctl(f"show --property={names} {unit}").splitlines()
        return dict(line.split("=", 1) for line in lines)

    def journal(self, unit: str = "monitoring", options: str = "") -> str:
        return self.machine.run(f"journalctl --no-pager --output=cat --unit={unit} {options}").stdout

    def wait_for_journal(self, text: str, *, unit: str = "monitoring", options: str = "", limit_s: float = 30) -> None:
        wait_until(lambda: text in self.journal(unit, options), f"{text!r} in the journal of {unit}", limit_s)

    def once(self, command: str, *, check: bool = True, wait: bool = True) -> str:
        """Run a command in the sandbox and environment of the unit; return what the journal has of it."""
        unit = (self.machine.root / "etc/systemd/system/monitoring.service").read_text()
        kept = [line for line in unit.splitlines() if not line.startswith(_NOT_ONCE)]
        at = kept.index("[Service]") + 1
        kept[at:at] = ["Type=oneshot", f"ExecStart=/bin/sh -c '{command}'"]
        mark = self.machine.said("date +%s.%N")
        text = "\n".join(kept)
        self.machine.run(f"mkdir -p $(dirname {_ONCE}) && cat >{_ONCE} && systemctl daemon-reload", stdin=text)
        self.machine.run(f"systemctl start {'' if wait else '--no-block'} once.service", check=check)
        return self.journal("once", f"--since=@{mark}")

    # -- what it left behind ---------------------------------------------------------------------------

    def path(self, place: str) -> Path:
        """Return where a place of the machine is seen from here, with what is mounted in it."""
        root = Path(f"/proc/{self.machine.leader}/root") if self.machine.is_up else self.machine.root
        return root / place.lstrip("/")

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        """Read the database with the sqlite3 shell."""
        shell = f"sqlite3 -readonly -json -cmd '.timeout 30000' {CACHE}/monitoring.db"
        told = self.machine.said(f'{shell} "{sql}"')
        return [tuple(row.values()) for row in json.loads(told or "[]")]
