from __future__ import annotations

import fcntl
import json
import os
import stat
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from monitoring.base.errors import LockedError
from monitoring.base.locks.lock_record import RECORD_BYTES, Holder, read_record, write_record
from monitoring.base.locks.profile_lock import (
    FDS_VARIABLE,
    ProfileLock,
    SyncLock,
    TreeLock,
    is_held,
    running_profiles,
    surviving_exec,
)
from monitoring.base.process_identity import current_process
from tests.support.child import hear, run_child, running_child, tell

AT = datetime(2026, 11, 23, 14, 10, 3, tzinfo=UTC)
HOLD_PROFILE = """
    import sys
    from datetime import UTC, datetime
    from pathlib import Path
    from monitoring.base.locks.profile_lock import ProfileLock
    lock = ProfileLock.acquire(Path(sys.argv[1]), "hourly")
    lock.describe(run_id=812, started_at=datetime(2026, 11, 23, 14, 10, 3, tzinfo=UTC), trigger="cron")
    print("held")
    input()
    lock.release()
    print("released")
    input()
"""
HOLD_TREE = """
    import sys
    from pathlib import Path
    from monitoring.base.locks.profile_lock import TreeLock
    tree = TreeLock(Path(sys.argv[1]))
    print(tree.hold_shared(20) if sys.argv[2] == "shared" else tree.hold_exclusive(20))
    input()
    tree.release()
    print("released")
    input()
"""


@pytest.fixture
def locks(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "locks"


def path_of(locks: Path) -> Path:
    return locks / "run.hourly.lock"


class TestProfileLock:
    def test_a_second_run_is_told_who_holds_the_lock(self, locks: Path) -> None:
        with running_child(HOLD_PROFILE, locks) as child:
            assert hear(child) == "held"
            with pytest.raises(LockedError) as refused:
                ProfileLock.acquire(locks, "hourly")
            assert refused.value.holder == f"run 812 (pid {child.pid}, since 2026-11-23 14:10:03 UTC, trigger cron)"
            assert str(refused.value).startswith("hourly is already running: run 812")

    def test_another_profile_is_not_held_up(self, locks: Path) -> None:
        with running_child(HOLD_PROFILE, locks) as child:
            hear(child)
            ProfileLock.acquire(locks, "multisig").release()

    def test_a_released_lock_can_be_taken(self, locks: Path) -> None:
        ProfileLock.acquire(locks, "hourly").release()
        lock = ProfileLock.acquire(locks, "hourly")
        assert lock.held
        lock.release()

    def test_a_killed_holder_lets_go_and_its_description_is_not_believed(self, locks: Path) -> None:
        with running_child(HOLD_PROFILE, locks) as child:
            hear(child)
        assert b"812" in path_of(locks).read_bytes()
        assert is_held(path_of(locks)) is None
        ProfileLock.acquire(locks, "hourly").release()

    def test_a_new_holder_without_a_run_yet_is_not_taken_for_the_dead_one(self, locks: Path) -> None:
        with running_child(HOLD_PROFILE, locks) as child:
            hear(child)
        lock = ProfileLock.acquire(locks, "hourly")
        holder = is_held(path_of(locks))
        assert holder is not None
        assert (holder.pid, holder.run_id) == (os.getpid(), None)
        assert "has not yet said which run it is" in str(holder)
        lock.release()

    def test_a_live_process_that_released_is_not_named(self, locks: Path) -> None:
        with running_child(HOLD_PROFILE, locks) as child:
            hear(child)
            tell(child)
            assert hear(child) == "released"
            assert is_held(path_of(locks)) is None

    def test_files_and_directory_are_private(self, locks: Path) -> None:
        lock = ProfileLock.acquire(locks, "hourly")
        assert stat.S_IMODE(locks.stat().st_mode) == 0o700
        assert stat.S_IMODE(path_of(locks).stat().st_mode) == 0o600
        lock.release()

    def test_a_lock_file_that_is_a_link_is_not_followed(self, locks: Path, tmp_path: Path) -> None:
        locks.mkdir(parents=True)
        path_of(locks).symlink_to(tmp_path / "elsewhere")
        with pytest.raises(OSError, match="symbolic links"):
            ProfileLock.acquire(locks, "hourly")
        assert not (tmp_path / "elsewhere").exists()

    def test_children_do_not_inherit_the_descriptor(self, locks: Path) -> None:
        lock = ProfileLock.acquire(locks, "hourly")
        child = subprocess.Popen(
            [sys.executable, "-uc", "print(1); input()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            close_fds=False,
        )
        try:
            assert hear(child) == "1"
            lock.release()
            ProfileLock.acquire(locks, "hourly").release()
        finally:
            child.communicate("\n")

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can leave files of root behind")
    def test_what_root_makes_by_hand_stays_usable_for_the_owner_of_the_state_directory(self, locks: Path) -> None:
        locks.parent.mkdir()
        os.chown(locks.parent, 65534, 65534)
        ProfileLock.acquire(locks, "hourly").release()
        assert [path.stat().st_uid for path in (locks, path_of(locks))] == [65534, 65534]

    def test_of_many_simultaneous_starts_exactly_one_runs(self, locks: Path) -> None:
        taken, start = [], threading.Barrier(8)

        def attempt() -> None:
            start.wait()
            try:
                taken.append(ProfileLock.acquire(locks, "hourly"))
            except LockedError:
                taken.append(None)

        threads = [threading.Thread(target=attempt) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        winners = [lock for lock in taken if lock is not None]
        assert len(winners) == 1
        winners[0].release()


class TestExec:
    SOURCE = """
        import os, sys
        from pathlib import Path
        from monitoring.base.locks.profile_lock import FDS_VARIABLE, ProfileLock, TreeLock, is_held, surviving_exec
        locks, stage = Path(sys.argv[1]), sys.argv[2]
        profile = ProfileLock.acquire(locks, "hourly")
        tree = TreeLock(locks)
        if stage == "first":
            from datetime import UTC, datetime
            profile.describe(run_id=812, started_at=datetime(2026, 11, 23, tzinfo=UTC), trigger="cron")
            tree.hold_shared()
            with surviving_exec([profile, tree], os.environ) as environ:
                os.execve(sys.executable, [sys.executable, "-c", sys.orig_argv[2], str(locks), "second"], environ)
        print(tree.held, FDS_VARIABLE in os.environ, is_held(profile.path).run_id)
        print(os.get_inheritable(profile.descriptor), os.get_inheritable(tree.descriptor))
        input()
    """

    def test_the_locks_are_held_without_a_gap_and_the_description_stays(self, locks: Path) -> None:
        with running_child(self.SOURCE, locks, "first") as child:
            assert hear(child) == "True False 812"
            assert hear(child) == "False False"
            with pytest.raises(LockedError):
                ProfileLock.acquire(locks, "hourly")
            assert not TreeLock(locks).hold_exclusive(0)

    def test_a_failed_exec_leaves_the_descriptor_closed_to_children(self, locks: Path) -> None:
        lock = ProfileLock.acquire(locks, "hourly")

        def exec_nothing() -> None:
            with surviving_exec([lock], {}) as environ:
                assert os.get_inheritable(lock.descriptor)
                os.execve("/nowhere", ["nowhere"], environ)

        with pytest.raises(FileNotFoundError):
            exec_nothing()
        assert not os.get_inheritable(lock.descriptor)
        lock.release()

    @pytest.mark.parametrize("number", ["0", "4095", "x", ""])
    def test_a_number_that_is_not_this_lock_file_is_not_adopted(self, locks: Path, number: str) -> None:
        environ = {FDS_VARIABLE: f"run.hourly.lock:{number}"}
        lock = ProfileLock.acquire(locks, "hourly", environ=environ)
        assert environ == {}
        assert is_held(lock.path) is not None
        lock.release()


class TestDescription:
    def test_a_reader_never_sees_a_torn_record(self, tmp_path: Path) -> None:
        path = tmp_path / "record"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
        me, stop = current_process(), threading.Event()
        holders = [Holder(me.pid, me, number, AT, f"{number}" * 300) for number in (1, 2)]

        def write() -> None:
            while not stop.is_set():
                for holder in holders:
                    write_record(descriptor, holder)

        writer = threading.Thread(target=write)
        write_record(descriptor, holders[0])
        writer.start()
        try:
            seen = [read_record(descriptor) for _ in range(2000)]
        finally:
            stop.set()
            writer.join()
            os.close(descriptor)
        assert all(holder in holders for holder in seen)

    @pytest.mark.parametrize("damage", [b"", b" " * 10, b"garbage", b"00000000 {}", b"\0" * RECORD_BYTES])
    def test_what_is_no_record_describes_nobody(self, tmp_path: Path, damage: bytes) -> None:
        path = tmp_path / "record"
        path.write_bytes(damage)
        with path.open("rb") as file:
            assert read_record(file.fileno()) is None

    def test_a_record_with_one_changed_byte_is_not_believed(self, tmp_path: Path) -> None:
        path = tmp_path / "record"
        with path.open("wb+") as file:
            write_record(file.fileno(), Holder(1, current_process(), 812, AT, "cron"))
            os.pwrite(file.fileno(), b"9", path.read_bytes().index(b"812"))
            assert read_record(file.fileno()) is None


class TestIsHeld:
    def test_nobody_holds_a_file_that_does_not_exist(self, locks: Path) -> None:
        assert is_held(path_of(locks)) is None

    def test_looking_never_turns_a_starting_run_away(self, locks: Path) -> None:
        ProfileLock.acquire(locks, "hourly").release()
        stop = threading.Event()

        def look() -> None:
            while not stop.is_set():
                is_held(path_of(locks))

        looker = threading.Thread(target=look)
        looker.start()
        try:
            for _ in range(300):
                ProfileLock.acquire(locks, "hourly").release()
        finally:
            stop.set()
            looker.join()

    def test_a_holder_that_could_not_describe_itself_is_found_by_the_kernels_list(self, locks: Path) -> None:
        """As on a full disk, where the lock works and its description cannot be written."""
        if not locks.exists():
            locks.mkdir(parents=True)
        with path_of(locks).open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            holder = is_held(path_of(locks))
        assert holder is not None
        assert holder.pid == os.getpid()

    def test_the_description_of_a_live_process_alone_is_no_lock(self, locks: Path) -> None:
        ProfileLock.acquire(locks, "hourly").release()
        with path_of(locks).open("rb+") as file:
            write_record(file.fileno(), Holder(os.getpid(), current_process(), 812, AT, "cron"))
        assert is_held(path_of(locks)) is None

    def test_the_description_of_a_dead_process_is_not_believed_while_another_holds_the_lock(self, locks: Path) -> None:
        with running_child(HOLD_PROFILE, locks) as child:
            hear(child)
        with path_of(locks).open("rb+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            holder = is_held(path_of(locks))
        assert holder is not None
        assert (holder.pid, holder.run_id) == (os.getpid(), None)

    def test_all_running_profiles_are_listed(self, locks: Path) -> None:
        with running_child(HOLD_PROFILE, locks) as child:
            hear(child)
            ProfileLock.acquire(locks, "daily").release()
            found = running_profiles(locks)
        assert {profile: holder.run_id for profile, holder in found.items()} == {"hourly": 812}


class TestTreeLock:
    def test_runs_share_the_tree(self, locks: Path) -> None:
        with running_child(HOLD_TREE, locks, "shared") as child:
            assert hear(child) == "True"
            tree = TreeLock(locks)
            assert tree.hold_shared(0)
            tree.release()

    def test_a_sync_gives_up_at_its_limit_while_a_run_uses_the_tree(self, locks: Path) -> None:
        with running_child(HOLD_TREE, locks, "shared") as child:
            hear(child)
            tree, before = TreeLock(locks), time.monotonic()
            assert not tree.hold_exclusive(0.3)
            assert time.monotonic() - before >= 0.3
            assert not tree.held

    def test_a_waiting_sync_gets_the_tree_when_the_run_ends(self, locks: Path) -> None:
        with running_child(HOLD_TREE, locks, "shared") as child:
            hear(child)
            threading.Timer(0.2, tell, [child]).start()
            tree = TreeLock(locks)
            assert tree.hold_exclusive(30)
            tree.release()

    def test_a_run_does_not_start_on_a_tree_that_is_being_changed(self, locks: Path) -> None:
        with running_child(HOLD_TREE, locks, "exclusive") as child:
            assert hear(child) == "True"
            assert not TreeLock(locks).hold_shared(0)

    def test_an_exclusive_hold_turns_into_a_shared_one(self, locks: Path) -> None:
        tree, other = TreeLock(locks), TreeLock(locks)
        assert tree.hold_exclusive(0)
        assert not other.hold_shared(0)
        assert tree.hold_shared(0)
        assert other.hold_shared(0)
        other.release()
        assert not other.hold_exclusive(0)
        tree.release()
        assert other.hold_exclusive(0)
        other.release()

    def test_waiting_costs_almost_no_processor_time(self, locks: Path) -> None:
        with running_child(HOLD_TREE, locks, "exclusive") as child:
            hear(child)
            before = time.process_time()
            assert not TreeLock(locks).hold_shared(1.0)
            assert time.process_time() - before < 0.3

    def test_a_lock_file_that_was_removed_under_the_holder_is_not_shared_with_the_next(self, locks: Path) -> None:
        tree = TreeLock(locks)
        assert tree.hold_shared(0)
        (locks / "tree.lock").unlink()
        assert tree.hold_shared(5)
        assert not TreeLock(locks).hold_exclusive(0)
        tree.release()


def test_one_sync_at_a_time(locks: Path) -> None:
    first, second = SyncLock(locks), SyncLock(locks)
    assert first.hold(0)
    assert not second.hold(0)
    first.release()
    assert second.hold(0)
    second.release()


def test_the_record_is_one_line_a_person_can_read(locks: Path) -> None:
    lock = ProfileLock.acquire(locks, "hourly")
    lock.describe(run_id=812, started_at=AT, trigger="cron")
    content = json.loads(lock.path.read_text().split(" ", 1)[1])
    assert (content["run_id"], content["trigger"]) == (812, "cron")
    assert lock.path.stat().st_size == RECORD_BYTES
    lock.release()


def test_a_run_in_another_interpreter_finds_the_lock_taken(locks: Path) -> None:
    lock = ProfileLock.acquire(locks, "hourly")
    done = run_child(
        """
        import sys
        from pathlib import Path
        from monitoring.base.locks.profile_lock import ProfileLock
        from monitoring.base.errors import LockedError
        try:
            ProfileLock.acquire(Path(sys.argv[1]), "hourly")
        except LockedError as error:
            print(error.holder)
        """,
        locks,
    )
    assert f"pid {os.getpid()}" in done.stdout
    lock.release()
