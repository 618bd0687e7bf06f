"""Every way a repository or its origin is known to break on a host; each must heal by itself or be told in one line."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from automation.sync.candidate import Judgement
from automation.sync.state import read_sync_state
from automation.sync.sync import SyncStatus, SyncTimeouts
from monitoring.base.clock import SystemClock
from tests.support.child import CHECKOUT, child_environ, wait_until
from tests.support.git import Host, Origin, deploy, git_daemon, run_git

HANGING = SyncTimeouts(fetch_s=1.5)
LONG_AGO = time.time() - 3600


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    origin = Origin(tmp_path / "far")
    origin.push({"a": "one\n", "folder/b": "two\n", "old": "0\n"})
    return origin


@pytest.fixture
def host(tmp_path: Path, origin: Origin) -> Host:
    return deploy(tmp_path / "host", origin.url)


def age(path: Path, at: float = LONG_AGO) -> None:
    os.utime(path, (at, at))


def processes_naming(text: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in words:
            found.append(words)
    return found


class TestRemote:
    def test_git_over_its_own_daemon_works(self, tmp_path: Path, origin: Origin) -> None:
        with git_daemon(origin.bare.parent) as (_, url):
            host = deploy(tmp_path / "host", f"{url}/origin.git")
            pushed = origin.push({"a": "new\n"})
            assert host.sync().revision == pushed

    def test_a_stopped_daemon_costs_its_time_limit_and_nothing_more(self, tmp_path: Path, origin: Origin) -> None:
        with git_daemon(origin.bare.parent) as (daemon, url):
            host = deploy(tmp_path / "host", f"{url}/origin.git")
            pushed = origin.push({"a": "new\n"})
            daemon.send_signal(signal.SIGSTOP)
            before = time.monotonic()
            result = host.sync(limits=HANGING)
            assert time.monotonic() - before < 30
            assert (result.status, result.failures, host.read("a")) == (SyncStatus.FAILED, 1, "one\n")
            assert result.reason == "git fetch took longer than 2 s and was ended"
            assert processes_naming(str(host.checkout)) == []
            daemon.send_signal(signal.SIGCONT)
            assert host.sync().revision == pushed

    def test_a_web_server_that_never_answers_leaves_no_remote_helper_behind(self, host: Host) -> None:
        """`subprocess.run(timeout=...)` kills git and leaves its grandchild git-remote-http waiting."""
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            listening.listen(1)
            url = f"http://127.0.0.1:{listening.getsockname()[1]}/origin.git"
            host.git("remote", "set-url", "origin", url)
            result = host.sync(limits=HANGING)
            assert (result.status, result.reason[:9]) == (SyncStatus.FAILED, "git fetch")
            assert processes_naming(url) == []

    def test_an_ssh_that_ignores_term_is_gone_after_the_limit(self, host: Host, tmp_path: Path) -> None:
        ssh = tmp_path / "ssh"
        ssh.write_text(f"#!/bin/sh\ntrap '' TERM\necho $$ > {tmp_path}/pid\nwhile :; do sleep 1; done\n")
        ssh.chmod(0o755)
        host.git("remote", "set-url", "origin", "ssh://somewhere/origin.git")
        result = host.sync(limits=HANGING, environ={**host.environ, "GIT_SSH_COMMAND": str(ssh)})
        assert result.status is SyncStatus.FAILED
        pid = (tmp_path / "pid").read_text().strip()
        wait_until(lambda: not Path(f"/proc/{pid}").exists(), "ssh outlived the fetch")

    def test_ssh_is_told_not_to_ask(self, host: Host, tmp_path: Path) -> None:
        ssh = tmp_path / "bin/ssh"
        ssh.parent.mkdir()
        ssh.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/words\nexit 255\n')
        ssh.chmod(0o755)
        host.git("remote", "set-url", "origin", "ssh://somewhere/origin.git")
        environ = {**host.environ, "PATH": f"{ssh.parent}:{host.environ['PATH']}"}
        assert host.sync(environ=environ).status is SyncStatus.FAILED
        assert "BatchMode=yes" in (tmp_path / "words").read_text()

    def test_a_configured_deploy_key_stays_in_use(self, host: Host, tmp_path: Path) -> None:
        ssh = tmp_path / "with-key"
        ssh.write_text(f'#!/bin/sh\necho "$0" > {tmp_path}/words\nexit 255\n')
        ssh.chmod(0o755)
        host.git("remote", "set-url", "origin", "ssh://somewhere/origin.git")
        host.git("config", "core.sshCommand", str(ssh))
        assert host.sync().status is SyncStatus.FAILED
        assert (tmp_path / "words").read_text().strip() == str(ssh)

    def test_a_server_that_wants_a_password_is_not_waited_for(self, host: Host) -> None:
        class Unauthorized(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="git"')
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        with HTTPServer(("127.0.0.1", 0), Unauthorized) as server:
            Thread(target=server.serve_forever, daemon=True).start()
            url = f"http://deploy:hunter2@127.0.0.1:{server.server_port}/origin.git"
            host.git("remote", "set-url", "origin", url)
            before = time.monotonic()
            result = host.sync()
            server.shutdown()
        assert result.status is SyncStatus.FAILED
        assert time.monotonic() - before < 30
        assert "Authentication failed" in result.reason
        assert "hunter2" not in result.reason

    def test_no_network_is_one_line_and_the_checks_go_on_with_what_is_there(self, host: Host) -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            host.git("remote", "set-url", "origin", f"git://127.0.0.1:{closed.getsockname()[1]}/origin.git")
            results = [host.sync() for _ in range(2)]
        assert [result.status for result in results] == [SyncStatus.FAILED] * 2
        assert [result.failures for result in results] == [1, 2]
        assert "unable to connect" in results[0].reason
        assert "\n" not in results[0].reason

    def test_a_deleted_branch_is_said(self, origin: Origin, host: Host) -> None:
        run_git(origin.bare, "update-ref", "-d", "refs/heads/main")
        result = host.sync()
        assert result.status is SyncStatus.FAILED
        assert "couldn't find remote ref refs/heads/main" in result.reason
        assert host.read("a") == "one\n"

    def test_no_origin_is_said(self, host: Host) -> None:
        host.git("remote", "remove", "origin")
        assert "'origin' does not appear to be a git repository" in host.sync().reason

    def test_a_damaged_origin_does_not_cost_the_local_history(self, origin: Origin, host: Host) -> None:
        origin.push({"a": "new\n"})
        for path in (origin.bare / "objects").glob("[0-9a-f][0-9a-f]/*"):
            path.chmod(0o644)
            path.write_bytes(b"rotten")
        before = host.head
        assert host.sync().status is SyncStatus.FAILED
        assert (host.head, host.read("a"), host.git("fsck")) == (before, "one\n", "")

    def test_a_tracking_branch_below_the_one_to_write_is_cleared_away(self, origin: Origin, host: Host) -> None:
        host.git("update-ref", "-d", "refs/remotes/origin/main")
        host.git("update-ref", "refs/remotes/origin/main/old", "HEAD")
        pushed = origin.push({"a": "new\n"})
        result = host.sync()
        assert (result.status, result.revision) == (SyncStatus.UPDATED, pushed)
        assert "repaired" in result.reason


class TestLeftovers:
    @pytest.mark.parametrize(
        "name", ["index.lock", "HEAD.lock", "refs/heads/main.lock", "refs/remotes/origin/main.lock"]
    )
    def test_the_lock_of_a_killed_git_does_not_block_for_ever(self, origin: Origin, host: Host, name: str) -> None:
        lock = host.checkout / ".git" / name
        lock.touch()
        age(lock)
        pushed = origin.push({"a": "new\n"})
        result = host.sync()
        assert (result.status, result.revision) == (SyncStatus.UPDATED, pushed)
        assert f"repaired: {name}" in result.reason
        assert not lock.exists()

    def test_a_lock_from_a_time_when_the_clock_was_wrong_does_not_block_for_ever(
        self, origin: Origin, host: Host
    ) -> None:
        lock = host.checkout / ".git/index.lock"
        lock.touch()
        age(lock, time.time() + 10**7)
        origin.push({"a": "new\n"})
        assert host.sync().status is SyncStatus.UPDATED

    @pytest.mark.parametrize("name", ["index.lock", "HEAD.lock", "refs/heads/main.lock"])
    def test_a_fresh_lock_is_respected_and_the_tree_is_of_one_commit(
        self, origin: Origin, host: Host, name: str
    ) -> None:
        """`reset --hard` writes the files first: with HEAD locked it would leave new files under an old HEAD."""
        lock, before = host.checkout / ".git" / name, host.head
        lock.touch()
        origin.push({"a": "new\n", "folder/b": "new\n"})
        result = host.sync()
        assert (result.status, result.revision) == (SyncStatus.FAILED, before)
        assert "File exists" in result.reason
        assert (host.read("a"), host.read("folder/b")) == ("one\n", "two\n")
        lock.unlink()
        assert host.sync().status is SyncStatus.UPDATED

    def test_an_old_lock_is_respected_while_a_git_works_in_the_checkout(self, origin: Origin, host: Host) -> None:
        """`git commit` holds index.lock as long as a person's editor is open."""
        lock = host.checkout / ".git/index.lock"
        lock.touch()
        age(lock)
        origin.push({"a": "new\n"})
        busy = subprocess.Popen(["git", "cat-file", "--batch"], cwd=host.checkout / "folder", stdin=subprocess.PIPE)
        try:
            wait_until(lambda: Path(f"/proc/{busy.pid}/comm").read_text().startswith("git"), "git did not start")
            assert host.sync().status is SyncStatus.FAILED
            assert lock.exists()
        finally:
            busy.communicate()
        assert host.sync().status is SyncStatus.UPDATED

    def test_what_a_killed_fetch_was_writing_does_not_pile_up(self, host: Host) -> None:
        leftovers = [host.checkout / ".git/objects" / name for name in ("pack/tmp_pack_x1Y2z3", "ab/tmp_obj_4")]
        for path in leftovers:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"x" * 1000)
            age(path)
        assert host.sync().status is SyncStatus.UNCHANGED
        assert [path for path in leftovers if path.exists()] == []


Damage = Callable[[Host], object]


def _object(name: str, content: bytes | None) -> Damage:
    def damage(host: Host) -> None:
        host.loosen()
        path = host.object(name)
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)

    return damage


def _file(name: str, content: bytes) -> Damage:
    def damage(host: Host) -> None:
        path = host.checkout / ".git" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    return damage


def _swapped(host: Host) -> None:
    host.loosen()
    shutil.copyfile(host.object("HEAD:a"), host.object("HEAD"))


def _truncated(suffix: str) -> Damage:
    def damage(host: Host) -> None:
        (path,) = (host.checkout / ".git/objects/pack").glob(f"*.{suffix}")
        path.chmod(0o644)
        path.write_bytes(path.read_bytes()[:50])

    return damage


DAMAGES: dict[str, Damage] = {
    "an empty blob": _object("HEAD:a", b""),
    "a garbled blob": _object("HEAD:a", b"garbage"),
    "a missing blob": _object("HEAD:a", None),
    "an empty tree": _object("HEAD^{tree}", b""),
    "a missing tree": _object("HEAD:folder", None),
    "an empty commit": _object("HEAD", b""),
    "a missing commit": _object("HEAD", None),
    "an object under the name of another": _swapped,
    "a truncated pack": _truncated("pack"),
    "a truncated pack index": _truncated("idx"),
    "an empty branch": _file("refs/heads/main", b""),
    "a branch of zeros": _file("refs/heads/main", b"\0" * 41),
    "an empty tracking branch": _file("refs/remotes/origin/main", b""),
    "packed refs of zeros": _file("packed-refs", b"\0" * 100),
    "an empty index": _file("index", b""),
    "an index of zeros": _file("index", b"\0" * 100),
    "an empty HEAD": _file("HEAD", b""),
    "a HEAD of zeros": _file("HEAD", b"\0" * 20),
    "no HEAD": lambda host: (host.checkout / ".git/HEAD").unlink(),
    "no objects": lambda host: shutil.rmtree(host.checkout / ".git/objects"),
    "no refs": lambda host: shutil.rmtree(host.checkout / ".git/refs"),
    "no index": lambda host: (host.checkout / ".git/index").unlink(),
    "no index and an empty tree": lambda host: (
        (host.checkout / ".git/index").unlink(),
        _object("HEAD^{tree}", b"")(host),
    ),
    "an empty index and an empty tree": lambda host: (
        _object("HEAD^{tree}", b"")(host),
        _file("index", b"")(host),
    ),
}


class TestDamage:
    @pytest.mark.parametrize("what", DAMAGES)
    def test_it_heals_by_itself(self, origin: Origin, host: Host, what: str) -> None:
        """A power loss leaves such files; neither fetch nor refetch heals them."""
        (host.checkout / "notes").write_text("mine\n")
        DAMAGES[what](host)
        pushed = origin.push({"c": "three\n", "old": None})
        result = host.sync()
        assert (result.status, result.revision) == (SyncStatus.UPDATED, pushed), result.reason
        assert (host.read("a"), host.read("c"), host.read("notes")) == ("one\n", "three\n", "mine\n")
        assert host.git("fsck", "--full") == ""
        assert host.git("status", "--porcelain") == "?? notes"
        assert not (host.checkout / "old").exists()
        assert host.sync().status is SyncStatus.UNCHANGED

    @pytest.mark.parametrize("what", ["an empty tree", "an empty branch", "a truncated pack"])
    def test_it_heals_also_when_there_is_nothing_new(self, host: Host, what: str) -> None:
        before = host.head
        DAMAGES[what](host)
        result = host.sync()
        assert (result.status.worked, result.revision) == (True, before)
        assert host.git("fsck", "--full") == ""

    def test_without_its_origin_it_is_said_and_nothing_is_lost(self, origin: Origin, host: Host) -> None:
        DAMAGES["an empty tree"](host)
        origin.push({"c": "three\n"})
        away = origin.bare.rename(origin.bare.with_name("away.git"))
        result = host.sync()
        assert result.status is SyncStatus.FAILED
        assert len(list((host.checkout / ".git/objects").glob("[0-9a-f][0-9a-f]/*"))) >= 5
        away.rename(origin.bare)
        assert host.sync().status is SyncStatus.UPDATED

    def test_what_was_damaged_lies_aside_and_is_named(self, origin: Origin, host: Host) -> None:
        host.git("branch", "keepsake")
        kept = host.git("rev-parse", "keepsake")
        DAMAGES["an empty blob"](host)
        origin.push({"c": "three\n"})
        result = host.sync()
        (aside,) = (host.checkout / ".git").glob("damaged-*")
        assert str(aside) in result.reason
        assert (aside / "refs/heads/keepsake").read_text().strip() == kept
        assert not (host.checkout / ".git/renewed").exists()

    @pytest.mark.parametrize("what", ["an empty blob", "an empty HEAD"])
    def test_the_running_revision_stays_known_when_the_new_one_is_refused(
        self, origin: Origin, host: Host, what: str
    ) -> None:
        before = host.head
        DAMAGES[what](host)
        origin.push({"c": "three\n"})

        def refuse(candidate: Path, *, environ: Mapping[str, str], time_limit_s: float) -> Judgement:
            return Judgement("no")

        result = host.sync(validate=refuse)
        assert (result.status, result.revision) == (SyncStatus.REFUSED, before)
        assert host.git("status", "--porcelain") == ""

    def test_a_shallow_checkout_stays_shallow(self, tmp_path: Path, origin: Origin) -> None:
        host = deploy(tmp_path / "shallow", origin.url, "--depth=1")
        DAMAGES["an empty blob"](host)
        origin.push({"c": "three\n"})
        assert host.sync().status is SyncStatus.UPDATED
        assert (host.checkout / ".git/shallow").exists()

    def test_a_damaged_configuration_is_said(self, host: Host) -> None:
        (host.checkout / ".git/config").write_bytes(b"\0" * 100)
        result = host.sync()
        assert result.status is SyncStatus.FAILED
        assert "bad config line 1" in result.reason


class TestOwnership:
    def test_a_checkout_of_another_user_is_refused_with_the_command_that_helps(
        self, host: Host, tmp_path: Path
    ) -> None:
        environ = host.environ
        if os.geteuid() == 0:
            for path in [host.checkout, *host.checkout.rglob("*")]:
                os.chown(path, 12345, 12345, follow_symlinks=False)
        else:  # only root can give files away: let git see it so
            environ = {
                **environ,
                "PATH": f"{shim(tmp_path, 'env GIT_TEST_ASSUME_DIFFERENT_OWNER=1')}:{environ['PATH']}",
            }
        result = host.sync(environ=environ)
        assert result.status is SyncStatus.FAILED
        assert f"{host.checkout} belongs to" in result.reason
        assert f"sudo chown -R {__import__('pwd').getpwuid(os.geteuid()).pw_name} {host.checkout}" in result.reason

    def test_files_of_another_user_inside_are_said(self, origin: Origin, host: Host, tmp_path: Path) -> None:
        """After a `sudo git pull` git may read but not write."""
        origin.push({"a": "new\n"})
        environ = host.environ
        if os.geteuid() == 0:  # root without its privilege to write everywhere
            place = shim(tmp_path, "setpriv --inh-caps=-all --bounding-set=-all")
            environ = {**environ, "PATH": f"{place}:{environ['PATH']}"}
        objects = host.checkout / ".git/objects"
        for path in [objects, *objects.rglob("*")]:
            if path.is_dir():
                path.chmod(0o555)
        result = host.sync(environ=environ)
        for path in [objects, *objects.rglob("*")]:
            if path.is_dir():
                path.chmod(0o755)
        assert result.status is SyncStatus.FAILED
        assert "sudo chown -R" in result.reason
        assert host.sync().status is SyncStatus.UPDATED


def shim(directory: Path, before: str) -> Path:
    """A directory for PATH in which git is started through another command."""
    place = directory / "shim"
    place.mkdir()
    (place / "git").write_text(f'#!/bin/sh\nexec {before} {shutil.which("git")} "$@"\n')
    (place / "git").chmod(0o755)
    return place


# Run in a mount namespace of its own: a small file system is filled as the words after it say, then one sync is made.
FULL_DISK = """
import json, os, subprocess, sys
from pathlib import Path
from tests.support.git import Host
place, url, what = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
small = place / "small"
small.mkdir()
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%s" % sys.argv[4], "none", small], check=True)
environ = {"PATH": os.environ["PATH"], "HOME": str(place), "LC_ALL": "C"}
host = Host(small / "monitoring" if what == "checkout" else place / "monitoring",
            small / "cache" if what == "cache" else place / "cache", environ)
subprocess.run(["git", "clone", "-q", "-b", "main", url, host.checkout], check=True, env=environ)
host.git("config", "monitoring.sync", "true")
before = host.head
subprocess.run(["sh", "-c", sys.argv[5]], check=True)
if what == "cache":
    host.cache_dir.mkdir()
ballast = small / "ballast"
with ballast.open("wb", 0) as file:
    try:
        while True:
            file.write(b"x" * 4096)
    except OSError:
        if what == "checkout":
            file.truncate(file.tell() - int(sys.argv[6]))
first = host.sync()
status = host.git("--no-optional-locks", "status", "--porcelain"), host.read("a") == "one\\n", host.head == before
ballast.unlink()
second = host.sync()
print(json.dumps([first.status, first.reason, *status, second.status, second.reason]))
"""


class TestFullDisk:
    def run(self, tmp_path: Path, origin: Origin, what: str, size: str, free_bytes: int = 0) -> list[object]:
        change = f"head -c 300000 /dev/urandom > {origin.work}/big && cp {origin.work}/big {origin.work}/a"
        commit = "git add -A && git -c user.name=t -c user.email=t commit -qm 2"
        push = f"cd {origin.work} && {commit} && git push -q origin HEAD:main"
        words = [str(tmp_path), origin.url, what, size, f"{change} && {push}", str(free_bytes)]
        done = subprocess.run(
            ["unshare", "--user", "--map-root-user", "--mount", sys.executable, "-c", FULL_DISK, *words],
            env=child_environ({"HOME": str(tmp_path)}),
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def test_a_disk_that_fills_during_the_fetch_harms_nothing(self, tmp_path: Path, origin: Origin) -> None:
        status, reason, dirty, old, same, *later = self.run(tmp_path, origin, "checkout", "32m", 100_000)
        assert status == "failed"
        assert "No space left on device" in str(reason)
        assert (dirty, old, same) == ("", True, True)
        assert later[0] == "updated", later[1]

    def test_a_disk_that_could_not_hold_the_commit_is_not_begun(self, tmp_path: Path, origin: Origin) -> None:
        status, reason, dirty, old, same, *later = self.run(tmp_path, origin, "checkout", "32m", 4_000_000)
        assert status == "failed"
        assert "MB free, the commit needs" in str(reason)
        assert (dirty, old, same) == ("", True, True)
        assert later[0] == "updated", later[1]

    def test_a_full_state_directory_fails_the_sync_and_nothing_else(self, tmp_path: Path, origin: Origin) -> None:
        status, _, dirty, old, same, *later = self.run(tmp_path, origin, "cache", "1m")
        assert status == "failed"
        assert (dirty, old, same) == ("", True, True)
        assert later[0] == "updated", later[1]


class Later(SystemClock):
    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(minutes=10)


class Racing(SystemClock):
    """An hour passes between any two looks."""

    def __init__(self) -> None:
        self._at = 0.0

    def monotonic(self) -> float:
        self._at += 3600
        return self._at


class TestKilled:
    SOURCE = """
        import os, sys
        from pathlib import Path
        from tests.support.git import Host
        print("ready", flush=True)
        Host(Path(sys.argv[1]), Path(sys.argv[2]), dict(os.environ)).sync()
    """

    def test_a_sync_killed_at_any_moment_is_made_good_by_the_next(self, origin: Origin, host: Host) -> None:
        from tests.support.child import hear, running_child

        for moment in range(12):
            pushed = origin.push({"a": f"{moment}\n", "folder/b": f"{moment}\n", f"new/{moment}": "x\n"})
            with running_child(self.SOURCE, host.checkout, host.cache_dir, env=host.environ) as child:
                assert hear(child) == "ready"
                time.sleep(moment * 0.012)
                child.kill()
            # A git that lost its runner ends by itself; its locks count as old ten minutes later.
            wait_until(lambda: host.sync(clock=Later()).status.worked, f"no sync worked after moment {moment}")
            assert (host.head, host.read("a"), host.read("folder/b")) == (pushed, f"{moment}\n", f"{moment}\n")
            assert host.git("status", "--porcelain") == ""


class TestBudget:
    def test_the_whole_sync_has_one_limit(self, origin: Origin, host: Host) -> None:
        origin.push({"a": "new\n"})
        result = host.sync(clock=Racing())
        assert (result.status, host.read("a")) == (SyncStatus.FAILED, "one\n")
        assert result.reason == "not done after 200 s"

    def test_validation_gets_its_share(self, origin: Origin, host: Host) -> None:
        origin.push({"a": "new\n"})
        limits = []

        def look(candidate: Path, *, environ: Mapping[str, str], time_limit_s: float) -> Judgement:
            limits.append(time_limit_s)
            return Judgement()

        host.sync(validate=look, limits=SyncTimeouts(validation_s=7))
        assert limits == [7]


class TestState:
    @pytest.mark.parametrize(
        "content", [b"", b"\0\0", b"[]", b'{"deferrals": "many"}', b'{"verdict": {"candidate": 1}}']
    )
    def test_a_damaged_memory_counts_as_none(self, origin: Origin, host: Host, content: bytes) -> None:
        (host.cache_dir / "sync").mkdir(parents=True)
        (host.cache_dir / "sync/state.json").write_bytes(content)
        pushed = origin.push({"a": "new\n"})
        assert host.sync().revision == pushed
        assert read_sync_state(host.cache_dir).status is SyncStatus.UPDATED

    def test_a_state_directory_that_cannot_be_made_is_a_failed_sync(self, origin: Origin, host: Host) -> None:
        origin.push({"a": "new\n"})
        (host.checkout.parent / "file").touch()
        nowhere = Host(host.checkout, host.checkout.parent / "file/cache", host.environ)
        assert nowhere.sync().status is SyncStatus.FAILED
        assert host.read("a") == "one\n"
