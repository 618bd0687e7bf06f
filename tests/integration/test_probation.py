"""The way back from an activated commit: what is noted before it, when it has passed, and how it goes again."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from automation.sync.first_run import _wait
from automation.sync.git import Git
from automation.sync.probation import (
    Probation,
    begin_probation,
    pass_probation,
    read_probation,
    take_back,
    write_probation,
)
from automation.sync.starts import STARTS, account_for_start
from monitoring.base.clock import SystemClock
from monitoring.base.locks.profile_lock import SyncLock, TreeLock
from tests.support.git import Host, Origin, deploy

NOW = datetime(2026, 11, 29, 8, tzinfo=UTC)
A, B, C = "a" * 40, "b" * 40, "c" * 40


class Hurried(SystemClock):
    """A clock that is past every deadline at the second look."""

    def __init__(self) -> None:
        super().__init__()
        self._looks = 0

    def monotonic(self) -> float:
        self._looks += 1
        return self._looks * 1000.0


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    made = Origin(tmp_path / "origin")
    made.push({"automation/run.py": f"clears {STARTS}", "what": "one"})
    return made


@pytest.fixture
def host(tmp_path: Path, origin: Origin) -> Host:
    return deploy(tmp_path / "host", origin.url)


def git_of(host: Host) -> Git:
    return Git(host.checkout, host.environ)


def tree_of(host: Host) -> TreeLock:
    locks = host.cache_dir / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    return TreeLock(locks, clock=SystemClock(), environ={})


def activated(host: Host, origin: Origin) -> tuple[str, str]:
    """Bring a second commit to the host as the sync does; returns it and the one before."""
    before = host.head
    newest = origin.push({"what": "two"})
    host.git("fetch", "--quiet")
    begin_probation(git_of(host), newest, before, NOW)
    host.git("reset", "--hard", "--quiet", newest)
    return newest, before


class TestBegin:
    def test_the_way_back_leads_to_what_ran_until_now(self, host: Host) -> None:
        begin_probation(git_of(host), B, A, NOW)
        assert read_probation(host.checkout) == Probation(B, A, NOW)

    def test_past_a_commit_that_never_passed(self, host: Host) -> None:
        write_probation(host.checkout, Probation(B, A, NOW))
        begin_probation(git_of(host), C, B, NOW)
        assert read_probation(host.checkout) == Probation(C, A, NOW)

    @pytest.mark.parametrize(
        "known", [Probation(B, A, NOW, passed=True), Probation(B, A, NOW, taken_back="it died"), Probation(C, A, NOW)]
    )
    def test_to_the_head_if_it_passed_or_is_another_one(self, host: Host, known: Probation) -> None:
        write_probation(host.checkout, known)
        begin_probation(git_of(host), C, B, NOW)
        found = read_probation(host.checkout)
        assert found is not None
        assert found.before == B

    def test_starts_are_counted_only_for_a_release_that_clears_its_marks(self, host: Host, origin: Origin) -> None:
        git, head = git_of(host), host.head
        older = origin.push({"automation/run.py": "knows of nothing", "docs/x.md": f"names {STARTS}"})
        host.git("fetch", "--quiet")
        for revision, counts in ((head, True), (older, False)):
            begin_probation(git, revision, head, NOW)
            found = read_probation(host.checkout)
            assert found is not None
            assert found.counts_starts is counts

    def test_marks_of_the_release_before_do_not_count_against_the_next(self, host: Host) -> None:
        mark = host.checkout / ".git" / STARTS / "hourly"
        mark.parent.mkdir()
        mark.write_text("..")
        begin_probation(git_of(host), B, A, NOW)
        assert not mark.exists()


class TestPass:
    def test_it_is_noted_once_and_nothing_else_changes(self, host: Host) -> None:
        write_probation(host.checkout, Probation(B, A, NOW, counts_starts=True))
        pass_probation(host.checkout)
        assert read_probation(host.checkout) == Probation(B, A, NOW, counts_starts=True, passed=True)
        written = (host.checkout / ".git/monitoring-probation.json").stat().st_ino
        pass_probation(host.checkout)
        assert (host.checkout / ".git/monitoring-probation.json").stat().st_ino == written

    def test_without_a_record_there_is_nothing_to_pass(self, host: Host) -> None:
        pass_probation(host.checkout)
        assert read_probation(host.checkout) is None

    def test_a_damaged_record_counts_as_none(self, host: Host) -> None:
        (host.checkout / ".git/monitoring-probation.json").write_text('{"revision": "')
        assert read_probation(host.checkout) is None

    def test_a_start_that_was_accounted_for_leaves_no_mark(self, host: Host) -> None:
        mark = host.checkout / ".git" / STARTS / "hourly"
        account_for_start(host.checkout, "hourly")
        mark.parent.mkdir()
        mark.write_text(".")
        account_for_start(host.checkout, "hourly")
        assert not mark.exists()


class TestTakeBack:
    def test_the_commit_before_is_put_back_and_why_is_noted(self, host: Host, origin: Origin) -> None:
        newest, before = activated(host, origin)
        tree = tree_of(host)
        gone = take_back(host.checkout, tree, "it died", clock=SystemClock(), environ=host.environ)
        assert (host.head, host.read("what")) == (before, "one")
        assert gone == read_probation(host.checkout)
        assert gone == replace(Probation(newest, before, NOW), counts_starts=True, taken_back="it died", reported=True)
        assert tree.held, "the run of the commit before goes on in it"
        assert not tree_of(host).hold_exclusive(0)
        assert SyncLock(tree.path.parent, clock=SystemClock()).hold(0), "the next sync can begin"

    @pytest.mark.parametrize("branch", ["main", "release"])
    def test_the_branch_that_is_checked_out_is_put_back(self, host: Host, origin: Origin, branch: str) -> None:
        newest, before = activated(host, origin)
        host.git("checkout", "--quiet", "-B", branch, newest)
        assert take_back(host.checkout, tree_of(host), "it died", clock=SystemClock(), environ=host.environ)
        assert host.head == before
        assert host.git("symbolic-ref", "--short", "HEAD").strip() == branch
        assert host.git("rev-parse", branch).strip() == before

    def test_without_a_branch_main_is_checked_out(self, host: Host, origin: Origin) -> None:
        newest, before = activated(host, origin)
        host.git("checkout", "--quiet", "--detach", newest)
        assert take_back(host.checkout, tree_of(host), "it died", clock=SystemClock(), environ=host.environ)
        assert (host.head, host.git("symbolic-ref", "--short", "HEAD").strip()) == (before, "main")

    def test_it_goes_only_once(self, host: Host, origin: Origin) -> None:
        activated(host, origin)
        tree = tree_of(host)
        assert take_back(host.checkout, tree, "it died", clock=SystemClock(), environ=host.environ)
        assert take_back(host.checkout, tree, "again", clock=SystemClock(), environ=host.environ) is None
        found = read_probation(host.checkout)
        assert found is not None
        assert found.taken_back == "it died"

    def test_nothing_is_taken_back_without_a_record(self, host: Host) -> None:
        assert take_back(host.checkout, tree_of(host), "it died", clock=SystemClock(), environ=host.environ) is None

    def test_a_commit_that_somebody_has_replaced_is_left_alone(self, host: Host, origin: Origin) -> None:
        activated(host, origin)
        host.git("commit", "--quiet", "--allow-empty", "--message", "by hand")
        by_hand = host.head
        assert take_back(host.checkout, tree_of(host), "it died", clock=SystemClock(), environ=host.environ) is None
        assert host.head == by_hand

    def test_another_run_in_the_tree_or_another_sync_is_waited_for_and_then_reported(
        self, host: Host, origin: Origin, caplog: pytest.LogCaptureFixture
    ) -> None:
        newest, _ = activated(host, origin)
        other, sync = tree_of(host), SyncLock(host.cache_dir / "locks", clock=SystemClock())
        for hold, release in ((lambda: other.hold_shared(0), other.release), (lambda: sync.hold(0), sync.release)):
            caplog.clear()
            assert hold()
            tree = TreeLock(host.cache_dir / "locks", clock=Hurried(), environ={})
            assert take_back(host.checkout, tree, "it died", clock=Hurried(), environ=host.environ) is None
            tree.release()
            assert host.head == newest
            assert "could not be taken back: another run or sync uses the tree" in caplog.text
            release()

    def test_a_commit_that_git_cannot_put_back_is_reported(
        self, host: Host, origin: Origin, caplog: pytest.LogCaptureFixture
    ) -> None:
        newest, _ = activated(host, origin)
        write_probation(host.checkout, Probation(newest, C, NOW))
        assert take_back(host.checkout, tree_of(host), "it died", clock=SystemClock(), environ=host.environ) is None
        assert f"commit {newest[:12]} could not be taken back" in caplog.text
        assert host.head == newest


class NoRow:
    """The ledger of a run that has not come to its row."""

    def row(self) -> None:
        return None

    def can_store(self) -> bool:
        return True


def test_a_first_run_that_ends_by_itself_before_its_row_did_not_hang() -> None:
    with subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"]) as child:
        assert _wait(child, NoRow()) is True  # type: ignore[arg-type]
        assert child.returncode == 3, "and it was not killed"
