"""A host of a release before follows main to this one, goes back by a revert, and forward again, while it works.

Its state was made by the release before: conditions that fire, a source without data, baselines, a cursor, a silence,
an alert that waits and a run that still delivers. Nothing is lost, nothing is said twice, nothing fires or recovers
because of it, and the API answers throughout.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import release_before
from tests.support.checkouts import AS_SHIPPED
from tests.support.fake_telegram import BOT_TOKEN, CHAT, Answer, TelegramStandIn
from tests.support.git import run_git
from tests.support.host import PACKAGES, ROOT, Host, wait_until
from tests.support.web import Web, free_port
from tools.scripted_server import Request

pytestmark = pytest.mark.ci
STUCK = "-1009999999999"
# Each kind of condition; the world is a file, so that it changes when the test says so and not with the release.
MONITOR = """
import json, os, pathlib
from utils.monitor import CRITICAL, HIGH, LOW, MEDIUM, monitor

@monitor("acme")
def main(m):
    WORLD = json.loads((pathlib.Path(os.environ["CACHE_DIR"]) / "world.json").read_text())
    m.limit("backing", WORLD["backing"], below=[(1, CRITICAL)])
    m.limit("calm", WORLD["calm"], above=10, severity=HIGH)
    m.flag("paused", WORLD["paused"], severity=HIGH)
    m.never_falls("price", WORLD["price"], severity=CRITICAL)
    m.changed("owner", WORLD["owner"], severity=HIGH)
    m.delta("supply", WORLD["supply"], max_change="5%", severity=MEDIUM)
    m.members("signers", WORLD["signers"], severity=HIGH)
    if WORLD["raised"]:
        m.alert(HIGH, "a script raised this", key="raised")
    else:
        m.resolve("raised")
    m.remember("cursor", WORLD["cursor"])

if __name__ == "__main__":
    main()
"""
NO_DATA = """\
monitor: blind
chain: mainnet
contracts: {token: "0x1111111111111111111111111111111111111111"}
checks:
  - {id: supply, require: token.totalSupply() >= 1, severity: low}
"""
STUCK_MONITOR = """
from utils.monitor import HIGH, monitor

@monitor("stuck")
def main(m):
    m.alert(HIGH, "this one waits for its chat", key="waits")

if __name__ == "__main__":
    main()
"""
SILENCED = """
from utils.monitor import HIGH, monitor

@monitor("hushed")
def main(m):
    m.alert(HIGH, "nobody hears this", key="hushed")

if __name__ == "__main__":
    main()
"""
JOBS = """
profiles:
  multisig:
    cron: "0 0 1 1 *"
    sync_before_run: true
    tasks: [{name: look, script: protocols/test/look.py}]
  hourly:
    cron: "0 0 1 1 *"
    tasks:
      - {name: acme, script: protocols/test/acme.py}
      - {name: blind, monitors: [protocols/test/blind.yaml]}
      - {name: hushed, script: protocols/test/hushed.py}
      - {name: stuck, script: protocols/test/stuck.py}
"""
WELL = {
    "backing": 2, "calm": 1, "paused": False, "price": 100, "owner": "alice", "supply": 1000, "signers": ["a", "b"],
    "raised": False, "cursor": 7,
}  # fmt: skip
# The releases differ in what they write before a title; without it the same alert is the same text to all of them.
_LEAD = re.compile(r"(\S+) (?:(?:CRITICAL|HIGH|MEDIUM|LOW) )?(?:(?:acme|blind|stuck|hushed|automation): )?")
BAD = WELL | {"backing": 0.5, "paused": True, "raised": True, "cursor": 8}


class Chat(TelegramStandIn):
    """One chat answers 500 until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.open = threading.Event()

    def respond(self, request: Request) -> Answer:
        if STUCK.encode() in request.body and not self.open.is_set():
            return Answer.of_json(500, {"ok": False, "error_code": 500, "description": "Internal Server Error"})
        return super().respond(request)

    @property
    def titles(self) -> Counter[str]:
        return Counter(_LEAD.sub(r"\1 ", message.text.splitlines()[0], count=1) for message in self.messages)


class Upgraded:
    """A host on the release before, whose origin can be moved to this release and back."""

    def __init__(self, directory: Path, chat: Chat, release: str) -> None:
        self.host, self._author = Host(directory), directory / "author"
        origin = directory / "origin.git"
        run_git(directory, "init", "-q", "--bare", "-b", "main", str(origin))
        run_git(directory, "clone", "-q", str(origin), str(self._author))
        self.before = self.push(release_before.extract(release, directory / "before"))
        shutil.rmtree(self.host.checkout)
        run_git(directory, "clone", "-q", str(origin), str(self.host.checkout))
        run_git(self.host.checkout, "config", "monitoring.sync", "true")
        self.host.environ |= {
            "TELEGRAM_API_URL": chat.url,
            "TELEGRAM_BOT_TOKEN_DEFAULT": BOT_TOKEN,
            "TELEGRAM_CHAT_ID_DEFAULT": CHAT,
            "TELEGRAM_CHAT_ID_STUCK": STUCK,
        }

    def push(self, tree: Path) -> str:
        """Make the tree, with this test's jobs and scripts, what origin's main has."""
        for entry in self._author.iterdir():
            if entry.name != ".git":
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        for name in (*PACKAGES, "deploy"):
            shutil.copytree(tree / name, self._author / name, ignore=AS_SHIPPED, symlinks=True)
        for name in ("pyproject.toml", "requirements.lock", "Makefile"):
            shutil.copy(tree / name, self._author)
        folder = self._author / "protocols" / "test"
        folder.mkdir()
        scripts = {"look.py": "print('fine')", "acme.py": MONITOR, "blind.yaml": NO_DATA, "hushed.py": SILENCED}
        for name, text in {**scripts, "stuck.py": STUCK_MONITOR}.items():
            (folder / name).write_text(text)
        (self._author / "automation" / "jobs.yaml").write_text(JOBS)
        run_git(self._author, "add", "-A")
        run_git(self._author, "commit", "-q", "--allow-empty", "-m", "a release")
        run_git(self._author, "push", "-q", "origin", "HEAD:main")
        return run_git(self._author, "rev-parse", "HEAD").strip()

    def world(self, **values: object) -> None:
        (self.host.cache / "world.json").write_text(json.dumps(values))

    def run(self) -> None:
        done = self.host.automation("run", "hourly")
        assert "Traceback" not in done.stderr, done.stderr

    def sync(self, commit: str) -> None:
        done = self.host.automation("run", "multisig")
        assert "Traceback" not in done.stderr, done.stderr
        assert run_git(self.host.checkout, "rev-parse", "HEAD").strip() == commit, done.stderr

    def alerts(self) -> list[tuple[object, ...]]:
        """Every alert of the monitors but the silenced ones, which are stored and counted at each run."""
        sql = (
            "SELECT id, protocol, title FROM alert_events "
            "WHERE protocol != 'automation' AND delivery_status != 'silenced' ORDER BY id"
        )
        return self.host.rows(sql)

    def states(self) -> dict[object, object]:
        sql = "SELECT monitor || '/' || check_name || '/' || subject, state FROM conditions ORDER BY 1"
        return dict(self.host.rows(sql))  # type: ignore[arg-type]

    @contextmanager
    def api(self) -> Iterator[Web]:
        """Serve the API from whatever the checkout holds now, and ask it all the while."""
        log, port = self.host.cache.parent / "web.log", free_port()
        environ = {**self.host.environ, "MONITORING_API_PORT": str(port)}
        with log.open("ab") as sink:
            process = subprocess.Popen(
                [sys.executable, "-m", "monitoring.web"], cwd=self.host.checkout, env=environ, stdout=sink, stderr=sink
            )
        web = Web(port, process, log)
        try:
            wait_until(lambda: _answers(web), "the API answers")
            yield web
        finally:
            process.terminate()
            process.wait(30)


def _answers(web: Web) -> bool:
    try:
        return web.ask("/v1/alerts").status == 200
    except OSError:
        return False


@contextmanager
def asked_all_the_while(web: Web) -> Iterator[list[int]]:
    """Ask for alerts until the block ends; the statuses that came."""
    stop, statuses = threading.Event(), list[int]()

    def ask() -> None:
        while not stop.wait(0.05):
            statuses.append(web.ask("/v1/alerts").status)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield statuses
    finally:
        stop.set()
        thread.join(60)


@pytest.fixture(params=release_before.COMMITS, ids=release_before.name_of)
def release(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def chat() -> Iterator[Chat]:
    with Chat() as running:
        yield running


def make_state(upgraded: Upgraded) -> None:
    """Let the release before make the state: well, then bad; a silence; a source that has no data for three runs."""
    upgraded.world(**WELL)
    upgraded.host.automation("silence", "--protocol", "hushed", "--for", "2h", "--reason", "the upgrade")
    upgraded.run()
    upgraded.world(**BAD)
    for _ in range(3):
        upgraded.run()


@pytest.mark.timeout(1200)
def test_a_host_goes_forward_back_and_forward_again_without_anybody_noticing(
    tmp_path: Path, chat: Chat, release: str
) -> None:
    upgraded = Upgraded(tmp_path, chat, release)
    make_state(upgraded)
    said, states = upgraded.alerts(), upgraded.states()
    assert {"acme/backing/", "acme/paused/", "acme/raised/"} <= {
        key for key, state in states.items() if state == "firing"
    }
    assert any("blind" in str(row) for row in said), "the source without data is known"
    with upgraded.api() as web, asked_all_the_while(web) as statuses:
        draining = upgraded.host.start("run", "hourly")
        runs = "SELECT count(*) FROM runs WHERE profile = 'hourly' AND status != 'running'"
        wait_until(lambda: upgraded.host.rows(runs) == [(5,)], "the run of the release before only delivers now")
        now = upgraded.push(ROOT)
        upgraded.sync(now)
        upgraded.run()
        chat.open.set()
        draining.communicate(timeout=120)
        with upgraded.api() as restarted:
            assert restarted.ask("/v1/alerts").status == 200
        back = upgraded.push(release_before.extract(release, tmp_path / "again"))
        upgraded.sync(back)
        upgraded.run()
        with upgraded.api() as restarted:
            assert restarted.ask("/v1/alerts").status == 200
        forward = upgraded.push(ROOT)
        upgraded.sync(forward)
        upgraded.run()
        assert (upgraded.alerts(), upgraded.states()) == (said, states)
        upgraded.host.automation("deliver")
    assert set(statuses) == {200}
    # This release calls a task failed that had no data, the one before does not: the digest goes with the release.
    twice = {title for title, count in chat.titles.items() if count > 1 and "tasks failed" not in title}
    assert twice == set()
    waiting = "SELECT count(*) FROM deliveries WHERE status IN ('pending', 'skipped_missing_credentials')"
    assert upgraded.host.rows(waiting) == [(0,)]
    assert any("waits for its chat" in title for title in chat.titles)
    assert not any("nobody hears this" in title for title in chat.titles)


@pytest.mark.timeout(1200)
def test_what_changes_after_the_upgrade_is_judged_against_what_was_remembered_before(
    tmp_path: Path, chat: Chat, release: str
) -> None:
    chat.open.set()
    upgraded = Upgraded(tmp_path, chat, release)
    make_state(upgraded)
    upgraded.sync(upgraded.push(ROOT))
    seen = len(upgraded.alerts())
    upgraded.world(
        **BAD | {"backing": 2, "raised": False, "price": 90, "owner": "mallory", "supply": 1200, "signers": ["a"]}
    )
    upgraded.run()
    said = "\n".join(str(title) for _, _, title in upgraded.alerts()[seen:])
    for word in ("backing", "raised", "price", "owner", "supply", "signers"):
        assert word in said, said
    assert "paused" not in said, "it fires as before"
