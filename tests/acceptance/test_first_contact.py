"""A new user on a clean clone in an empty home: the commands of README and of the tutorial, to the first real alert.

Not root where the machine has setpriv, and without the internet: the chain is a node of its own, Telegram and the Safe
service are stand-ins. Only what a package index would give is there already: .venv and .tools.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.anvil import Anvil
from tests.support.child import CHECKOUT
from tests.support.fake_telegram import BOT_TOKEN, TelegramStandIn
from tests.support.first_chain import VAULT, first_chain, put_share_price
from tests.support.host import DEAF, wait_until
from tests.support.safes import BOT, CURATION, queued
from tests.support.terminal import Terminal
from tools.demo_chain import SafeService

pytestmark = [pytest.mark.ci, pytest.mark.timeout(900)]
TUTORIAL = (CHECKOUT / "docs/tutorial.md").read_text()
README = (CHECKOUT / "README.md").read_text()
CHAT = "42"
NOBODY = 65534
LIMIT_S = 15 * 60  # what the tutorial's title promises; a person reads and types, this machine may be loaded
WRITTEN = {"0x90D0f26025571295D18a6c041E47450B81886B51": CURATION, "0xE4E4e4e4E4E4e4E4E4e4e4e4E4e4E4E4e4E4E4e4": VAULT}


def commands(page: str, mark: str) -> list[str]:
    """Return the commands of the console block behind a mark, each as one line of a shell."""
    block = page.partition(mark)[2].partition("```console\n")[2].partition("```")[0]
    lines = block.replace("\\\n", " ").splitlines()
    return [line.removeprefix("$ ").partition("  #")[0].strip() for line in lines if line.startswith("$ ")]


def dialogue() -> list[tuple[str, str]]:
    """Return each question of the tutorial with its answer."""
    block = TUTORIAL.partition("<!-- dialogue -->")[2].partition("```text\n")[2].partition("```")[0]
    found = [re.fullmatch(r"(.*[\])a-z?]):(?: (.*))?", line) for line in block.splitlines()]
    assert all(found)
    return [(one[1], one[2] or "") for one in found if one]


@dataclass
class User:
    """Somebody with an empty home, who types."""

    home: Path
    environ: dict[str, str]
    prefix: tuple[str, ...]
    python: str
    inputs: int = 0
    begun: float = field(default_factory=time.monotonic)

    @property
    def clone(self) -> Path:
        return self.home / "monitoring"

    @property
    def folder(self) -> Path:
        return self.clone if self.clone.exists() else self.home

    def types(self, command: str, **environ: str) -> subprocess.CompletedProcess[str]:
        self.inputs += 1
        return subprocess.run(
            [*self.prefix, "bash", "-c", command], cwd=self.folder, env={**self.environ, **environ},
            capture_output=True, text=True, timeout=300, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def succeeds(self, command: str, **environ: str) -> str:
        done = self.types(command, **environ)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def at_a_terminal(self, command: str) -> Terminal:
        self.inputs += 1
        return Terminal([*self.prefix, "bash", "-c", command], self.folder, self.environ)

    def took_s(self) -> float:
        return time.monotonic() - self.begun


@dataclass
class World:
    telegram: TelegramStandIn
    safes: SafeService
    chain: Anvil

    def queue_a_transaction(self) -> None:
        """Queue what the tutorial says: nothing to the Safe itself."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.safes.queue.append(queued(1, to=CURATION, data=None, submissionDate=now, proposer=BOT))

    def texts(self) -> list[str]:
        return [message.text for message in self.telegram.messages if message.chat_id == CHAT]


@pytest.fixture
def world() -> Iterator[World]:
    with TelegramStandIn(tokens=[BOT_TOKEN], chats=[CHAT]) as telegram, SafeService() as safes, first_chain() as chain:
        chat = {"id": int(CHAT), "type": "private", "first_name": "Ann", "username": "ann"}
        telegram.updates = [{"update_id": 1, "message": {"chat": chat, "from": chat, "text": "hello"}}]
        yield World(telegram, safes, chain)


def somebody_else() -> tuple[tuple[str, ...], str]:
    """Return what makes a command another user's, and a Python that user can start; if not, nothing and ours."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    if os.geteuid() == 0 and shutil.which("setpriv"):
        prefix = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
        for python in (os.path.realpath(sys.executable), f"/usr/bin/{version}"):
            if subprocess.run([*prefix, "test", "-x", python], check=False).returncode == 0:
                return prefix, python
    return (), sys.executable


@pytest.fixture
def user(world: World) -> Iterator[User]:
    prefix, python = somebody_else()
    with tempfile.TemporaryDirectory(prefix="new-user-", dir="/tmp") as made:
        home = Path(made)
        home.chmod(0o755)
        # This checkout may belong to somebody else. Git knows no name yet, as in any empty home.
        (home / ".gitconfig").write_text('[safe]\n  directory = "*"\n')
        if prefix:
            os.chown(home, NOBODY, NOBODY)
        environ = {
            "PATH": os.environ["PATH"], "HOME": str(home), "TERM": "dumb", "LANG": "C.UTF-8",
            **{name: url for name, url in DEAF.items() if name != "PROVIDER_URL_MAINNET"},
            "TELEGRAM_API_URL": world.telegram.url, "SAFE_SERVICE_URL": world.safes.url, "MONITORING_API_PORT": "0",
        }  # fmt: skip
        if not prefix:
            environ["CACHE_DIR"] = str(home / "state")  # root could write a host's own
        yield User(home, environ, prefix, python)


def clones(user: User) -> None:
    """Type the first block; then put in its place what a package index would give."""
    for command in commands(TUTORIAL, "## 1. Get it"):
        user.succeeds(command.replace("<repository>", str(CHECKOUT)))
    user.succeeds(f"{user.python} -m venv --without-pip .venv")
    user.inputs -= 1  # make does this for a real one
    (site,) = (user.clone / ".venv").glob("lib/python*/site-packages")
    (site / "parts.pth").write_text(sysconfig.get_path("purelib") + "\n")
    shutil.copy(user.clone / "deploy/launcher/monitoring", user.clone / ".venv/bin/monitoring")
    (user.clone / ".venv/.stamp-dev").touch()
    (user.clone / ".tools").symlink_to(CHECKOUT / ".tools")


def answers(world: World) -> Mapping[str, str]:
    return {"123456789:AAE…": BOT_TOKEN, "https://…": world.chain.url, **WRITTEN}


def question(shown: str) -> str:
    """Return a question as a pattern: what is in brackets may be any name and id."""
    return re.escape(shown) + ": "


def sees_a_first_alert(user: User, world: World) -> None:
    """Follow the tutorial from the files to the alert, to the second one, and to the commit."""
    looked = "".join(user.succeeds(command) for command in commands(TUTORIAL, "<!-- look -->"))
    assert "monitor: treasury" in looked
    assert "no mistakes" in looked
    (drilled,) = [text for text in world.texts() if "DRILL" in text]
    assert drilled
    world.queue_a_transaction()
    seen = [user.types(command) for command in commands(TUTORIAL, "<!-- first alert -->")]
    assert [one.returncode for one in seen] == [0, 0, 0], [one.stderr for one in seen]
    alerts = [text for text in world.texts() if "DRILL" not in text and "treasury" in text]
    assert any(CURATION[:6] in text and BOT[:6] in text for text in alerts), world.texts()
    assert "delivered" in seen[-1].stdout

    put_share_price(world.chain, 1_040_000)
    world.chain.mine()
    user.types(commands(TUTORIAL, "<!-- first alert -->")[1])
    assert any("CRITICAL" in text and "share price" in text for text in world.texts()), world.texts()
    for command in commands(TUTORIAL, "<!-- keep -->"):
        user.succeeds(command)
    kept = user.succeeds("git show --stat --format=%s HEAD")
    assert "protocols/our-vault/drill.yaml" in kept
    assert ".env" not in kept


def note(user: User, record: Callable[[str, object], None], way: str) -> None:
    """Keep how long it took and how much was typed, for who reads the report of a run."""
    took_s = user.took_s()
    record(f"first contact {way}", f"{took_s:.0f} s, {user.inputs} inputs")
    print(f"first contact {way}: {took_s:.0f} s from the clone to the first alerts, {user.inputs} inputs")
    assert took_s < LIMIT_S


def test_asked_on_a_terminal_a_new_user_gets_from_a_clone_to_the_first_alert(
    user: User, world: World, record_property: Callable[[str, object], None]
) -> None:
    clones(user)
    assert commands(TUTORIAL, "## 3. Set it up")[0] == commands(README, "## Start")[0] == "make init"
    terminal = user.at_a_terminal("make init")
    for asked, answer in dialogue():
        terminal.answer(question(asked), answers(world).get(answer, answer))
    assert terminal.end() == 0, terminal.shown
    assert terminal.inputs == 12, "the tutorial says how many questions there are"
    assert "Safe 1.4.1, 1 of 1 owner" in terminal.shown
    assert BOT_TOKEN not in terminal.shown
    assert (user.clone / ".env").stat().st_mode & 0o777 == 0o600
    user.inputs += terminal.inputs

    sees_a_first_alert(user, world)
    note(user, record_property, "by questions")


def test_by_flags_a_script_gets_there_without_a_question(
    user: User, world: World, record_property: Callable[[str, object], None]
) -> None:
    clones(user)
    given: dict[str, Any] = {
        "BOT_TOKEN": BOT_TOKEN, "CHAT": CHAT, "RPC": world.chain.url, "SAFE": CURATION, "VAULT": VAULT
    }  # fmt: skip
    sync, export, init = commands(TUTORIAL, "<!-- by flags -->")
    assert sync == "make sync"  # needs a package index: the venv is there already
    assert re.findall(r"([A-Z_]+)=", export) == list(given)
    user.succeeds(init, **given)

    sees_a_first_alert(user, world)
    note(user, record_property, "by flags")


def test_it_keeps_running_with_one_command(user: User, world: World) -> None:
    clones(user)
    up = commands(README, "## Start")[1]
    assert [up] == commands(TUTORIAL, "## 6. Keep it running")[:1]
    user.succeeds(
        commands(TUTORIAL, "<!-- by flags -->")[2],
        BOT_TOKEN=BOT_TOKEN, CHAT=CHAT, RPC=world.chain.url, SAFE=CURATION, VAULT=VAULT,
    )  # fmt: skip
    output = user.home / "up.log"
    with output.open("w") as log:
        process = subprocess.Popen(
            [*user.prefix, "bash", "-c", f"exec {up}"], cwd=user.clone, env=user.environ, stdout=log, stderr=log
        )
    try:
        wait_until(lambda: "http://127.0.0.1:" in output.read_text(), "the dashboard's address", 60)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0, output.read_text()
    finally:
        process.kill()
        process.wait()
