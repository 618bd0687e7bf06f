from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from automation.sync.candidate import Judgement
from automation.sync.git import UNVERSIONED, current_revision, origin_state
from automation.sync.state import REFUSAL_LASTS, read_sync_state
from automation.sync.sync import SyncStatus, SyncTimeouts
from monitoring.base.clock import SystemClock
from monitoring.base.locks.profile_lock import ProfileLock, SyncLock, TreeLock
from tests.support.git import Host, Origin, deploy, git_environ, run_git

QUICK = SyncTimeouts(lock_s=0.3)


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    origin = Origin(tmp_path / "far")
    origin.push({"a": "one\n", "folder/b": "two\n"})
    return origin


@pytest.fixture
def host(tmp_path: Path, origin: Origin) -> Host:
    return deploy(tmp_path / "host", origin.url)


class Refusing:
    """A validator that counts how often it is asked."""

    def __init__(self, reason: str = "automation/jobs.yaml:3:5 broken") -> None:
        self.reason = reason
        self.asked: list[str] = []

    def __call__(self, candidate: Path, *, environ: Mapping[str, str], time_limit_s: float) -> Judgement:
        self.asked.append(candidate.name)
        return Judgement(self.reason)


class LaterClock(SystemClock):
    def __init__(self, by: timedelta) -> None:
        self._by = by

    def now(self) -> datetime:
        return datetime.now(UTC) + self._by


class TestFollowing:
    def test_a_new_commit_lands(self, origin: Origin, host: Host) -> None:
        before = host.head
        pushed = origin.push({"a": "new\n", "c": "three\n", "folder/b": None})
        result = host.sync()
        assert (result.status, result.revision, result.candidate) == (SyncStatus.UPDATED, pushed, pushed)
        assert result.reason == f"{before[:7]} -> {pushed[:7]} (1 new commits)"
        assert (host.read("a"), host.read("c")) == ("new\n", "three\n")
        assert not (host.checkout / "folder/b").exists()
        assert host.git("status", "--porcelain") == ""

    def test_nothing_new_changes_nothing_and_validates_nothing(self, host: Host) -> None:
        validate = Refusing()
        result = host.sync(validate=validate)
        assert (result.status, result.revision, validate.asked) == (SyncStatus.UNCHANGED, host.head, [])

    def test_no_candidate_is_left_behind(self, origin: Origin, host: Host) -> None:
        leftover = host.cache_dir / "sync" / ("0" * 40)
        leftover.mkdir(parents=True)
        origin.push({"a": "new\n"})
        host.sync()
        assert [path.name for path in (host.cache_dir / "sync").iterdir()] == ["state.json"]

    def test_tracked_edits_are_discarded_and_untracked_files_stay(self, host: Host) -> None:
        (host.checkout / "a").write_text("hotfix\n")
        (host.checkout / "folder/b").unlink()
        (host.checkout / "notes").write_text("mine\n")
        result = host.sync()
        assert result.status is SyncStatus.RESTORED
        assert (host.read("a"), host.read("folder/b"), host.read("notes")) == ("one\n", "two\n", "mine\n")

    def test_a_changed_file_mode_is_an_edit_too(self, host: Host) -> None:
        (host.checkout / "a").chmod(0o755)
        assert host.sync().status is SyncStatus.RESTORED
        assert not os.access(host.checkout / "a", os.X_OK)

    def test_a_new_file_mode_lands(self, origin: Origin, host: Host) -> None:
        (origin.work / "a").chmod(0o755)
        origin.push({})
        assert host.sync().status is SyncStatus.UPDATED
        assert (host.checkout / "a").stat().st_mode & 0o111

    def test_staged_edits_and_new_staged_files_are_discarded(self, host: Host) -> None:
        (host.checkout / "a").write_text("hotfix\n")
        (host.checkout / "staged").write_text("x\n")
        host.git("add", "--all")
        assert host.sync().status is SyncStatus.RESTORED
        assert host.read("a") == "one\n"

    def test_local_commits_give_way_to_origin(self, host: Host) -> None:
        reviewed = host.head
        (host.checkout / "a").write_text("hotfix\n")
        host.git("commit", "--quiet", "--all", "--message", "hotfix")
        result = host.sync()
        assert (result.status, host.head, host.read("a")) == (SyncStatus.UPDATED, reviewed, "one\n")
        assert "1 commits that origin does not have were discarded" in result.reason

    def test_a_force_push_is_followed(self, origin: Origin, host: Host) -> None:
        origin.push({"a": "regretted\n"})
        host.sync()
        run_git(origin.work, "reset", "--quiet", "--hard", "HEAD~1")
        pushed = origin.push({"a": "instead\n"})
        assert host.sync().status is SyncStatus.UPDATED
        assert (host.head, host.read("a")) == (pushed, "instead\n")

    def test_a_detached_head_comes_back_to_the_branch(self, origin: Origin, host: Host) -> None:
        host.git("checkout", "--quiet", "--detach")
        pushed = origin.push({"a": "new\n"})
        assert host.sync().status is SyncStatus.UPDATED
        assert (host.git("symbolic-ref", "HEAD"), host.head) == ("refs/heads/main", pushed)

    def test_another_local_branch_is_left_where_it_is(self, origin: Origin, host: Host) -> None:
        host.git("checkout", "--quiet", "-b", "experiment")
        (host.checkout / "a").write_text("experiment\n")
        host.git("commit", "--quiet", "--all", "--message", "experiment")
        experiment, pushed = host.head, origin.push({"a": "new\n"})
        assert host.sync().status is SyncStatus.UPDATED
        assert (host.head, host.read("a")) == (pushed, "new\n")
        assert host.git("rev-parse", "experiment") == experiment

    @pytest.mark.parametrize("operation", ["merge", "rebase", "cherry-pick"])
    def test_an_operation_in_progress_is_ended(self, origin: Origin, host: Host, operation: str) -> None:
        host.git("checkout", "--quiet", "-b", "other")
        (host.checkout / "a").write_text("other\n")
        host.git("commit", "--quiet", "--all", "--message", "other")
        host.git("checkout", "--quiet", "main")
        (host.checkout / "a").write_text("mine\n")
        host.git("commit", "--quiet", "--all", "--message", "mine")
        host.git(operation, "other", check=False)
        assert "UU a" in host.git("status", "--porcelain")
        pushed = origin.push({"c": "three\n"})
        assert host.sync().status is SyncStatus.UPDATED
        assert (host.head, host.read("a")) == (pushed, "one\n")
        assert host.git("status").splitlines()[0] == "On branch main"
        left = {path.name for path in (host.checkout / ".git").iterdir()}
        assert left & {"MERGE_HEAD", "CHERRY_PICK_HEAD", "rebase-merge", "rebase-apply", "sequencer"} == set()

    def test_an_untracked_file_gives_way_to_a_tracked_one(self, origin: Origin, host: Host) -> None:
        (host.checkout / "c").write_text("mine\n")
        origin.push({"c": "reviewed\n"})
        assert host.sync().status is SyncStatus.UPDATED
        assert host.read("c") == "reviewed\n"

    def test_a_file_becomes_a_folder_and_a_folder_a_file(self, origin: Origin, host: Host) -> None:
        origin.push({"a": None, "folder/b": None})
        (origin.work / "folder").rmdir()
        origin.push({"a/deep": "1\n", "folder": "2\n"})
        assert host.sync().status is SyncStatus.UPDATED
        assert (host.read("a/deep"), host.read("folder")) == ("1\n", "2\n")

    def test_a_shallow_clone_follows(self, tmp_path: Path, origin: Origin) -> None:
        origin.push({"a": "2\n"})
        host = deploy(tmp_path / "shallow", origin.url, "--depth=1")
        pushed = origin.push({"a": "3\n"})
        assert host.sync().status is SyncStatus.UPDATED
        assert host.head == pushed
        assert (host.checkout / ".git/shallow").exists()

    def test_submodules_are_ignored(self, origin: Origin, host: Host) -> None:
        commit = host.head
        run_git(origin.work, "update-index", "--add", "--cacheinfo", f"160000,{commit},vendored")
        module = '[submodule "vendored"]\n\tpath = vendored\n\turl = file:///nowhere\n'
        (origin.work / ".gitmodules").write_text(module)
        run_git(origin.work, "add", ".gitmodules")
        run_git(origin.work, "commit", "--quiet", "--message", "submodule")
        run_git(origin.work, "push", "--quiet", "origin", "HEAD:refs/heads/main")
        host.git("config", "submodule.recurse", "true")
        assert host.sync().status is SyncStatus.UPDATED
        assert host.sync().status is SyncStatus.UNCHANGED
        assert list((host.checkout / "vendored").iterdir()) == []

    def test_no_hook_runs(self, origin: Origin, host: Host, tmp_path: Path) -> None:
        for name in ("post-checkout", "reference-transaction", "post-merge", "pre-auto-gc"):
            hook = host.checkout / ".git/hooks" / name
            hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/hooked\n")
            hook.chmod(0o755)
        origin.push({"a": "new\n"})
        assert host.sync().status is SyncStatus.UPDATED
        assert not (tmp_path / "hooked").exists()

    def test_variables_of_a_calling_git_lead_nowhere(self, origin: Origin, host: Host, tmp_path: Path) -> None:
        """As when somebody runs this out of a git hook."""
        stray = {"GIT_DIR": str(origin.bare), "GIT_WORK_TREE": str(tmp_path), "GIT_INDEX_FILE": str(tmp_path / "index")}
        pushed = origin.push({"a": "new\n"})
        assert host.sync(environ={**host.environ, **stray}).revision == pushed
        assert not (tmp_path / "index").exists()

    def test_tokens_do_not_reach_git(self, origin: Origin, host: Host, tmp_path: Path) -> None:
        spy = tmp_path / "upload-pack"
        spy.write_text(f'#!/bin/sh\nenv > {tmp_path}/seen\nexec git-upload-pack "$@"\n')
        spy.chmod(0o755)
        host.git("config", "remote.origin.uploadpack", str(spy))
        origin.push({"a": "new\n"})
        secret = {"TELEGRAM_BOT_TOKEN_DEFAULT": "123:secret", "GITHUB_TOKEN": "secret"}
        assert host.sync(environ={**host.environ, **secret}).status is SyncStatus.UPDATED
        seen = (tmp_path / "seen").read_text()
        assert "secret" not in seen
        assert "GIT_TERMINAL_PROMPT=0" in seen

    def test_packs_are_tidied_in_the_end(self, origin: Origin, host: Host) -> None:
        host.git("config", "gc.autoPackLimit", "2")
        host.git("config", "fetch.unpackLimit", "1")
        for number in range(4):
            origin.push({"a": f"{number}\n"})
            assert host.sync().status is SyncStatus.UPDATED
        assert len(list((host.checkout / ".git/objects/pack").glob("*.pack"))) <= 2

    def test_what_stays_inert_until_a_restart_is_said(self, origin: Origin, host: Host) -> None:
        origin.push({"requirements-web3.lock": "x==1\n"})
        assert (host.sync().lock_changed, host.sync().jobs_changed) == (True, False)
        origin.push({"automation/jobs.yaml": "profiles: {}\n"})
        result = host.sync()
        assert (result.lock_changed, result.jobs_changed) == (False, True)


class TestDeployedSwitch:
    def test_a_checkout_that_is_not_deployed_is_left_alone(self, origin: Origin, host: Host) -> None:
        host.git("config", "--unset", "monitoring.sync")
        origin.push({"a": "new\n"})
        (host.checkout / "a").write_text("work in progress\n")
        result = host.sync()
        assert (result.status, result.revision) == (SyncStatus.NOT_DEPLOYED, host.head)
        assert host.read("a") == "work in progress\n"
        assert not host.cache_dir.exists()

    @pytest.mark.parametrize("value", ["false", "0", "no"])
    def test_a_switch_that_is_off_is_off(self, host: Host, value: str) -> None:
        host.git("config", "monitoring.sync", value)
        assert host.sync().status is SyncStatus.NOT_DEPLOYED

    def test_the_users_own_configuration_does_not_deploy_every_checkout(self, host: Host) -> None:
        host.git("config", "--unset", "monitoring.sync")
        host.git("config", "--global", "monitoring.sync", "true")
        assert host.sync().status is SyncStatus.NOT_DEPLOYED

    def test_a_linked_worktree_of_a_deployed_checkout_is_not_deployed(self, host: Host, tmp_path: Path) -> None:
        host.git("worktree", "add", "--quiet", "--detach", str(tmp_path / "beside"))
        beside = Host(tmp_path / "beside", host.cache_dir, host.environ)
        assert beside.sync().status is SyncStatus.NOT_DEPLOYED

    def test_a_directory_without_git_is_not_deployed(self, tmp_path: Path) -> None:
        (tmp_path / "plain").mkdir()
        result = Host(tmp_path / "plain", tmp_path / "cache", git_environ(tmp_path)).sync()
        assert (result.status, result.revision) == (SyncStatus.NOT_DEPLOYED, UNVERSIONED)


class TestSteps:
    """A release works on the database of the next one: no host passes two migrations at once."""

    FIRST, SECOND, THIRD = (f"monitoring/store/migrations/000{number}_x.sql" for number in (1, 2, 3))

    @pytest.fixture
    def commits(self, origin: Origin, host: Host) -> dict[str, str]:
        origin.push({self.FIRST: "1"})
        host.sync()
        origin.push({self.SECOND: "2"})
        between = origin.push({"a": "between"})
        origin.push({self.THIRD: "3"})
        return {"between": between, "newest": origin.push({"a": "newest"})}

    def test_a_host_that_was_off_for_long_stops_before_the_second_migration(
        self, host: Host, commits: dict[str, str]
    ) -> None:
        stop = host.sync()
        assert (stop.status, stop.revision) == (SyncStatus.UPDATED, commits["between"])
        assert stop.reason.endswith(f"(2 new commits), a stop on the way to {commits['newest'][:7]}")
        assert host.sync().revision == commits["newest"]

    def test_a_stop_that_is_refused_is_passed_by(self, host: Host, commits: dict[str, str]) -> None:
        def refuse_the_stop(candidate: Path, **_: object) -> Judgement:
            return Judgement("broken" if candidate.name == commits["between"] else "")

        assert host.sync(validate=refuse_the_stop).revision == commits["newest"]

    def test_two_migrations_of_one_commit_come_together(self, origin: Origin, host: Host) -> None:
        both = origin.push({self.FIRST: "1", self.SECOND: "2"})
        assert host.sync().revision == both

    def test_a_history_too_short_to_stop_in_is_passed_at_once(
        self, origin: Origin, tmp_path: Path, commits: dict[str, str]
    ) -> None:
        shallow = deploy(tmp_path / "shallow", origin.url, "--depth=1")
        newest = origin.push({"monitoring/store/migrations/0004_x.sql": "4", "a": "4"})
        newest = origin.push({"monitoring/store/migrations/0005_x.sql": "5"})
        shallow.git("fetch", "-q", "--depth=1", "origin", "main")
        assert shallow.sync().revision == newest


class TestRefusal:
    def test_a_refused_commit_never_reaches_the_tree(self, origin: Origin, host: Host) -> None:
        good = host.head
        bad = origin.push({"a": "bad\n"})
        result = host.sync(validate=Refusing())
        assert (result.status, result.candidate, result.revision) == (SyncStatus.REFUSED, bad, good)
        assert result.reason == f"{bad[:7]} automation/jobs.yaml:3:5 broken"
        assert host.read("a") == "one\n"
        assert host.git("status", "--porcelain") == ""

    def test_it_is_remembered_and_not_validated_again(self, origin: Origin, host: Host) -> None:
        origin.push({"a": "bad\n"})
        validate = Refusing()
        first, second = host.sync(validate=validate), host.sync(validate=validate)
        assert (first.remembered, second.remembered, len(validate.asked)) == (False, True, 1)
        assert (second.status, second.reason) == (SyncStatus.REFUSED, first.reason)

    def test_another_commit_is_validated(self, origin: Origin, host: Host) -> None:
        origin.push({"a": "bad\n"})
        host.sync(validate=Refusing())
        fixed = origin.push({"a": "fixed\n"})
        assert host.sync().revision == fixed

    def test_it_is_validated_again_after_an_hour(self, origin: Origin, host: Host) -> None:
        """The refusal may have been the host's fault: load, memory, a slow disk."""
        pushed = origin.push({"a": "new\n"})
        host.sync(validate=Refusing("took too long"))
        result = host.sync(clock=LaterClock(REFUSAL_LASTS))
        assert (result.status, result.revision) == (SyncStatus.UPDATED, pushed)

    def test_it_is_validated_again_when_the_venv_changed(
        self, origin: Origin, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pushed = origin.push({"a": "new\n"})
        host.sync(validate=Refusing("needs packages"))
        (tmp_path / "site/newcomer-1.0.dist-info").mkdir(parents=True)
        monkeypatch.syspath_prepend(str(tmp_path / "site"))
        assert host.sync().revision == pushed

    def test_edits_are_not_discarded_in_favour_of_a_refused_commit(self, origin: Origin, host: Host) -> None:
        """Somebody landed the commit by hand and mended it in place: validation still decides."""
        (host.checkout / "a").write_text("mended by hand\n")
        assert host.sync(validate=Refusing()).status is SyncStatus.REFUSED
        assert host.read("a") == "mended by hand\n"

    def test_the_candidate_is_the_whole_commit_and_nothing_else(self, origin: Origin, host: Host) -> None:
        (host.checkout / "untracked").write_text("x")
        origin.push({"a": "new\n"})
        seen = {}

        def look(candidate: Path, *, environ: Mapping[str, str], time_limit_s: float) -> Judgement:
            seen.update({str(path.relative_to(candidate)): path for path in candidate.rglob("*") if path.is_file()})
            seen["content"] = (candidate / "a").read_text()
            seen["parent"] = candidate.parent
            return Judgement()

        host.sync(validate=look)
        assert set(seen) == {"a", "folder/b", "content", "parent"}
        assert (seen["content"], seen["parent"]) == ("new\n", host.cache_dir / "sync")

    def test_a_validator_that_raises_is_a_failed_sync(self, origin: Origin, host: Host) -> None:
        origin.push({"a": "new\n"})

        def broken(candidate: Path, *, environ: Mapping[str, str], time_limit_s: float) -> Judgement:
            raise RuntimeError("nobody thought of this")

        result = host.sync(validate=broken)
        assert (result.status, result.reason) == (SyncStatus.FAILED, "nobody thought of this")
        assert host.sync().status is SyncStatus.UPDATED


class TestTree:
    def test_a_running_profile_defers_the_change(self, origin: Origin, host: Host) -> None:
        locks = host.cache_dir / "locks"
        reader = TreeLock(locks)
        assert reader.hold_shared()
        pushed = origin.push({"a": "new\n"})
        result = host.sync(limits=QUICK)
        assert (result.status, result.deferrals) == (SyncStatus.DEFERRED, 1)
        assert "waits for a run that still uses the tree" in result.reason
        assert host.read("a") == "one\n"
        reader.release()
        assert host.sync(limits=QUICK).revision == pushed

    def test_deferrals_in_a_row_are_counted_until_it_works(self, origin: Origin, host: Host) -> None:
        reader = TreeLock(host.cache_dir / "locks")
        assert reader.hold_shared()
        origin.push({"a": "new\n"})
        assert [host.sync(limits=QUICK).deferrals for _ in range(3)] == [1, 2, 3]
        assert read_sync_state(host.cache_dir).deferrals == 3
        reader.release()
        assert host.sync().deferrals == 0

    def test_a_deferred_commit_is_not_validated_twice(self, origin: Origin, host: Host) -> None:
        reader, asked = TreeLock(host.cache_dir / "locks"), []
        assert reader.hold_shared()
        origin.push({"a": "new\n"})

        def count(candidate: Path, *, environ: Mapping[str, str], time_limit_s: float) -> Judgement:
            asked.append(candidate.name)
            return Judgement()

        host.sync(validate=count, limits=QUICK)
        reader.release()
        assert host.sync(validate=count).status is SyncStatus.UPDATED
        assert len(asked) == 1

    def test_the_deferral_names_the_profile_that_holds_it_up(self, origin: Origin, host: Host, tmp_path: Path) -> None:
        from tests.integration.test_lock import HOLD_PROFILE
        from tests.support.child import hear, running_child

        reader = TreeLock(host.cache_dir / "locks")
        assert reader.hold_shared()
        origin.push({"a": "new\n"})
        with running_child(HOLD_PROFILE, host.cache_dir / "locks") as child:
            hear(child)
            assert "hourly, run 812" in host.sync(limits=QUICK).reason

    def test_the_callers_tree_lock_is_shared_after_an_update(self, origin: Origin, host: Host) -> None:
        tree, other = TreeLock(host.cache_dir / "locks"), TreeLock(host.cache_dir / "locks")
        origin.push({"a": "new\n"})
        assert host.sync(tree=tree).status is SyncStatus.UPDATED
        assert tree.held
        assert other.hold_shared(0)
        other.release()
        assert not other.hold_exclusive(0)
        tree.release()

    def test_without_a_tree_lock_of_the_caller_nothing_stays_held(self, origin: Origin, host: Host) -> None:
        origin.push({"a": "new\n"})
        host.sync()
        assert TreeLock(host.cache_dir / "locks").hold_exclusive(0)

    def test_nothing_is_locked_while_a_candidate_is_validated(self, origin: Origin, host: Host) -> None:
        locks, free = host.cache_dir / "locks", []
        origin.push({"a": "new\n"})

        def look(candidate: Path, *, environ: Mapping[str, str], time_limit_s: float) -> Judgement:
            tree = TreeLock(locks)
            free.append(tree.hold_exclusive(0))
            tree.release()
            return Judgement()

        host.sync(validate=look)
        assert free == [True]

    def test_two_syncs_at_once_do_not_disturb_each_other(self, origin: Origin, host: Host) -> None:
        pushed, results = origin.push({"a": "new\n"}), []
        threads = [threading.Thread(target=lambda: results.append(host.sync())) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(result.status for result in results) == ["unchanged", "unchanged", "updated"]
        assert {result.revision for result in results} == {pushed}

    def test_a_sync_does_not_wait_for_ever_for_another(self, host: Host) -> None:
        other = SyncLock(host.cache_dir / "locks")
        assert other.hold(0)
        result = host.sync(limits=QUICK)
        assert (result.status, result.reason) == (SyncStatus.DEFERRED, "another sync is still at work")
        other.release()

    def test_the_profile_of_this_very_process_is_not_named(self, origin: Origin, host: Host) -> None:
        locks = host.cache_dir / "locks"
        own, reader = ProfileLock.acquire(locks, "multisig"), TreeLock(locks)
        assert reader.hold_shared()
        origin.push({"a": "new\n"})
        assert "multisig" not in host.sync(limits=QUICK).reason
        own.release()
        reader.release()


class TestLog:
    def test_success_is_information_and_a_refusal_a_warning(
        self, origin: Origin, host: Host, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        origin.push({"a": "new\n"})
        host.sync()
        origin.push({"a": "bad\n"})
        host.sync(validate=Refusing())
        levels = [record.levelname for record in caplog.records]
        assert levels == ["INFO", "WARNING"]
        assert all("pre-run git sync: " in record.getMessage() for record in caplog.records)


class TestRevision:
    def test_the_revision_is_the_full_commit(self, host: Host) -> None:
        assert current_revision(host.checkout, host.environ) == host.head
        assert len(host.head) == 40

    def test_a_directory_inside_somebody_elses_repository_is_unversioned(self, host: Host) -> None:
        assert current_revision(host.checkout / "folder", host.environ) == UNVERSIONED

    def test_a_damaged_git_directory_does_not_lead_to_the_repository_around_it(
        self, origin: Origin, host: Host
    ) -> None:
        """git looks for the next repository upwards: `reset --hard` would hit that one."""
        inner = host.checkout / "inner"
        run_git(host.checkout, "clone", "--quiet", origin.url, str(inner), environ=host.environ)
        (inner / ".git/HEAD").write_text("")
        assert current_revision(inner, host.environ) == UNVERSIONED

    def test_the_state_against_origin_is_counted_without_the_network(self, origin: Origin, host: Host) -> None:
        origin.push({"a": "1\n"})
        origin.push({"a": "2\n"})
        host.git("fetch", "--quiet", "origin")
        host.git("commit", "--quiet", "--allow-empty", "--message", "local")
        (host.checkout / "a").write_text("edit\n")
        origin.bare.rename(origin.bare.with_name("gone.git"))
        state = origin_state(host.checkout, environ=host.environ)
        assert state is not None
        assert (state.revision, state.branch, state.ahead, state.behind, state.dirty) == (host.head, "main", 1, 2, True)
        assert state.fetched_at is not None
        assert datetime.now(UTC) - state.fetched_at < timedelta(hours=1)

    def test_a_failed_fetch_is_no_fetch(self, origin: Origin, host: Host) -> None:
        origin.bare.rename(origin.bare.with_name("gone.git"))
        assert host.sync().status is SyncStatus.FAILED
        state = origin_state(host.checkout, environ=host.environ)
        assert state is not None
        assert state.fetched_at is None

    def test_without_git_there_is_no_state(self, tmp_path: Path) -> None:
        assert origin_state(tmp_path, environ=git_environ(tmp_path)) is None

    def test_without_the_git_program_there_is_no_revision_and_no_crash(self, host: Host) -> None:
        environ = {**host.environ, "PATH": "/nowhere"}
        assert current_revision(host.checkout, environ) == UNVERSIONED
        result = host.sync(environ=environ)
        assert result.status is SyncStatus.FAILED
        assert "git cannot be started" in result.reason


def test_the_naive_reset_would_have_mixed_two_commits_in_one_run(origin: Origin, host: Host) -> None:
    """A run holds the tree from its first task to its last: both see the same file."""
    tree, seen = TreeLock(host.cache_dir / "locks"), []
    assert tree.hold_shared()
    seen.append(host.read("a"))
    origin.push({"a": "new\n"})
    host.sync(limits=QUICK)
    seen.append(host.read("a"))
    tree.release()
    assert seen == ["one\n", "one\n"]
