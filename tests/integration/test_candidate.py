from __future__ import annotations

import functools
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from automation.sync.candidate import Judgement, validate_candidate
from automation.sync.sync import SyncStatus
from tests.support.candidate import cannot_run, profile, project, task, write
from tests.support.child import child_environ, wait_until
from tests.support.git import Origin, deploy

VALIDATE = functools.partial(validate_candidate, prove=cannot_run)
GUARDED = "def main():\n    raise SystemExit(3)\n\nif __name__ == '__main__':\n    main()\n"

SECRETS = {
    "TELEGRAM_BOT_TOKEN_DEFAULT": "123:secret",
    "WEBHOOK_SECRET": "secret",
    "PROVIDER_URL_MAINNET": "https://secret",
    "CACHE_DIR": "/srv/cache",
    "PYTHONPATH": "/live/checkout",
}


def judge(directory: Path, files: Mapping[str, str], *, time_limit_s: float = 60, **environ: str) -> Judgement:
    write(directory / "candidate", files)
    own = {"PATH": os.environ["PATH"], "HOME": str(directory), **environ}
    return validate_candidate(directory / "candidate", environ=own, time_limit_s=time_limit_s, prove=cannot_run)


class TestAccepted:
    def test_a_sound_commit(self, tmp_path: Path) -> None:
        assert judge(tmp_path, project({"protocols/aave/main.py": GUARDED})) == Judgement()

    def test_a_script_that_ends_itself_well_at_import(self, tmp_path: Path) -> None:
        assert judge(tmp_path, project({"p/main.py": "import sys; sys.exit(0)"})).accepted

    def test_scripts_that_nobody_runs_are_not_imported(self, tmp_path: Path) -> None:
        profiles = {
            "hourly": profile(task("good/main.py"), task("bad/main.py", enabled=False), task(None)),
            "off": profile(task("bad/main.py"), enabled=False),
        }
        files = project({"good/main.py": GUARDED, "bad/main.py": "1 / 0"}, profiles)
        assert judge(tmp_path, files).accepted

    def test_a_script_finds_what_it_would_find_when_it_is_run(self, tmp_path: Path) -> None:
        check = (
            "import os, sys, helpers, utils.things\n"
            "assert __name__ != '__main__' and sys.modules['__main__'].__spec__.name == 'automation.import_check'\n"
            "here = os.path.dirname(os.path.abspath(__file__))\n"
            "assert sys.path[0] == here and sys.argv == [__file__] and sys.modules[__name__]\n"
            "assert os.getcwd() == os.path.dirname(here)\n"
            "assert sys.stdin.read() == ''\n"
            "assert helpers.WHOSE == os.path.basename(here), helpers.WHOSE\n"
        )
        files = project(
            {
                "one/main.py": check,
                "one/helpers.py": "WHOSE = 'one'",
                "two/main.py": check,
                "two/helpers.py": "WHOSE = 'two'",
                "utils/things.py": "",
            }
        )
        assert judge(tmp_path, files) == Judgement()

    def test_variables_that_jobs_yaml_gives_a_task_are_there(self, tmp_path: Path) -> None:
        source = "import os; assert os.environ['A'] + os.environ['B'] == 'profiletask'"
        profiles = {"daily": profile(task("p/main.py", env={"B": "task"}), env={"A": "profile", "B": "profile"})}
        assert judge(tmp_path, project({"p/main.py": source}, profiles)) == Judgement()

    def test_another_version_of_a_package_is_no_reason_to_refuse(self, tmp_path: Path) -> None:
        lock = "pydantic==99.0.0 \\\n    --hash=sha256:00\npywin32==312 ; sys_platform == 'win32'\n"
        assert judge(tmp_path, {**project({}), "requirements.lock": lock}).accepted

    def test_no_bytecode_is_left_in_it(self, tmp_path: Path) -> None:
        judge(tmp_path, project({"p/main.py": "import automation"}))
        assert list((tmp_path / "candidate").rglob("__pycache__")) == []

    def test_what_scripts_share_is_loaded_once_for_all(self, tmp_path: Path) -> None:
        """Twenty scripts that each import a library of a second still fit into twenty seconds."""
        write(tmp_path / "site", {"heavy.py": f"open({str(tmp_path / 'loads')!r}, 'a').write('x')"})
        names = [f"p{number}/main.py" for number in range(6)]
        link = f"import sys; sys.path.append({str(tmp_path / 'site')!r})\n"
        files = project(dict.fromkeys(names, "import heavy"))
        files["automation/__init__.py"] = link
        assert judge(tmp_path, files).accepted
        assert (tmp_path / "loads").read_text() == "xx"


class TestRefused:
    @pytest.mark.parametrize(
        ("source", "said"),
        [
            ("def broken(:\n", "SyntaxError: invalid syntax (p/main.py, line 1)"),
            ("from automation import gone", "ImportError: cannot import name 'gone' from 'automation'"),
            ("import automation.gone", "ModuleNotFoundError: No module named 'automation.gone'"),
            ("raise ValueError('first\\nsecond')", "ValueError: first second"),
            ("import sys; sys.exit(3)", "SystemExit: 3"),
            ("import os; os._exit(0)", "ChildProcessError: the import ended the interpreter with exit code 0"),
            ("import os; os.kill(os.getpid(), 11)", "ChildProcessError: the import ended the interpreter by SIGSEGV"),
            ("class Odd(BaseException): pass\nraise Odd('x')", "Odd: x"),
        ],
    )
    def test_a_script_that_cannot_be_imported(self, tmp_path: Path, source: str, said: str) -> None:
        judgement = judge(tmp_path, project({"good/main.py": GUARDED, "p/main.py": source}))
        assert judgement.reason.startswith(f"p/main.py cannot be imported: {said}")
        assert judgement.needs == ()

    def test_the_others_are_counted(self, tmp_path: Path) -> None:
        judgement = judge(tmp_path, project({"a/main.py": "1 / 0", "b/main.py": "1 / 0", "c/main.py": "1 / 0"}))
        assert judgement.reason == "a/main.py cannot be imported: ZeroDivisionError: division by zero (and 2 more)"

    def test_a_script_that_hangs_costs_the_limit_and_is_named(self, tmp_path: Path) -> None:
        source = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(600)"
        before = time.monotonic()
        judgement = judge(tmp_path, project({"p/main.py": source}), time_limit_s=8)
        assert time.monotonic() - before < 60
        assert judgement.reason.startswith("p/main.py cannot be imported: TimeoutError: not imported when the")
        pid = (tmp_path / "pid").read_text()
        wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the hanging script is still there")

    def test_a_grandchild_of_a_script_does_not_stay(self, tmp_path: Path) -> None:
        start = "subprocess.Popen(['sleep', '600'])"
        source = f"import subprocess; open({str(tmp_path / 'pid')!r}, 'w').write(str({start}.pid))"
        judge(tmp_path, project({"p/main.py": source}))
        pid = (tmp_path / "pid").read_text()
        wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the grandchild is still there")

    def test_a_script_that_prints_for_ever_fills_nothing(self, tmp_path: Path) -> None:
        source = "import sys\nfor _ in range(300_000): print('x' * 100); print('y' * 100, file=sys.stderr)"
        assert judge(tmp_path, project({"p/main.py": source})).accepted

    def test_mistakes_in_its_jobs_file_are_quoted_with_their_place(self, tmp_path: Path) -> None:
        mistakes = "automation/jobs.yaml:3:5 profiles.hourly: unknown key\nautomation/jobs.yaml:9:1 profiles: empty\n"
        judgement = judge(tmp_path, {**project({}), "mistakes": mistakes})
        assert judgement.reason == "validate: automation/jobs.yaml:3:5 profiles.hourly: unknown key (and 1 more)"

    def test_a_validate_that_crashes(self, tmp_path: Path) -> None:
        files = {**project({}), "automation/__main__.py": "raise KeyError('profiles')"}
        assert judge(tmp_path, files).reason == "validate: KeyError: 'profiles' (automation/__main__.py, line 1)"

    def test_a_runner_that_is_not_python(self, tmp_path: Path) -> None:
        files = {**project({}), "automation/__main__.py": "import automation.main", "automation/main.py": "x =\n= 1"}
        assert judge(tmp_path, files).reason == "validate: SyntaxError: invalid syntax (automation/main.py, line 1)"

    def test_a_validate_that_hangs(self, tmp_path: Path) -> None:
        files = {**project({}), "automation/__main__.py": "import time; time.sleep(600)"}
        assert judge(tmp_path, files, time_limit_s=2).reason == "its own validate was not done after 2 s"

    def test_a_commit_without_automation(self, tmp_path: Path) -> None:
        judgement = judge(tmp_path, {"README": "moved elsewhere"})
        assert judgement.reason == "it has no automation/__main__.py: nothing could be run"

    def test_a_commit_that_cannot_check_its_scripts(self, tmp_path: Path) -> None:
        files = project({"p/main.py": GUARDED})
        del files["automation/import_check.py"]
        assert "No module named automation.import_check" in judge(tmp_path, files).reason

    def test_a_commit_whose_check_speaks_nonsense(self, tmp_path: Path) -> None:
        files = {**project({}), "automation/import_check.py": "print('fine!')"}
        assert judge(tmp_path, files).reason == "import_check: fine!"

    def test_a_jobs_file_its_own_code_cannot_read(self, tmp_path: Path) -> None:
        files = {**project({}), "automation/jobs.yaml": "{"}
        assert judge(tmp_path, files).reason.startswith("import_check: json.decoder.JSONDecodeError")


class TestNeedsDependencies:
    REMEDY = "; run: git fetch && git reset --hard origin/main && make sync && restart"

    def test_a_distribution_the_venv_lacks(self, tmp_path: Path) -> None:
        lock = "pydantic==2.0 \\\n    --hash=x\nNot_Here.Yet==1.0 ; sys_platform != 'emscripten' \\\n    --hash=x\n"
        judgement = judge(tmp_path, {**project({}), "requirements.lock": lock})
        assert judgement.needs == ("Not_Here.Yet",)
        assert judgement.reason == f"needs packages this venv lacks: Not_Here.Yet{self.REMEDY}"

    def test_a_script_that_imports_a_package_nobody_installed(self, tmp_path: Path) -> None:
        judgement = judge(tmp_path, project({"a/main.py": "import not_here.deep", "b/main.py": "import not_here"}))
        assert judgement.needs == ("not_here",)

    def test_a_validate_that_imports_a_package_nobody_installed(self, tmp_path: Path) -> None:
        files = {**project({}), "automation/__main__.py": "import not_here"}
        assert judge(tmp_path, files).needs == ("not_here",)

    def test_a_module_of_the_commit_itself_is_a_plain_mistake(self, tmp_path: Path) -> None:
        judgement = judge(tmp_path, project({"a/main.py": "import utils.gone", "utils/cache.py": ""}))
        assert judgement.needs == ()
        assert "No module named 'utils.gone'" in judgement.reason


class TestSecrets:
    def test_neither_validate_nor_scripts_see_any(self, tmp_path: Path) -> None:
        tell = f"import json, os; json.dump(dict(os.environ), open({str(tmp_path)!r} + '/' + %r, 'w'))\n"
        files = project({"p/main.py": tell % "script"})
        files["automation/__main__.py"] = tell % "validate"
        assert judge(tmp_path, files, **SECRETS) == Judgement()
        for name in ("script", "validate"):
            seen = json.loads((tmp_path / name).read_text())
            assert "secret" not in json.dumps(seen)
            assert seen["CACHE_DIR"] == str(tmp_path / "candidate/.cache")
            assert seen["PYTHONPATH"] == str(tmp_path / "candidate")
            assert seen["MONITORING_ENV_FILE"] == ""

    def test_the_env_file_of_the_host_is_not_read(self, tmp_path: Path) -> None:
        """The settings of this project take an empty MONITORING_ENV_FILE for "none"."""
        from automation.sync.candidate import candidate_environ
        from monitoring.base.settings import load_settings

        settings = load_settings(candidate_environ(tmp_path, SECRETS), tmp_path)
        assert settings.env_file is None
        assert settings.cache_dir == tmp_path / ".cache"

    def test_the_network_is_refused_at_once(self, tmp_path: Path) -> None:
        source = "import urllib.request; urllib.request.urlopen('http://192.0.2.1/', timeout=60)"
        before = time.monotonic()
        assert "Connection refused" in judge(tmp_path, project({"p/main.py": source})).reason
        assert time.monotonic() - before < 30

    def test_its_own_code_is_imported_and_not_the_live_one(self, tmp_path: Path) -> None:
        files = project({"p/main.py": "import utils.which; assert utils.which.WHOSE == 'candidate'"})
        files["utils/which.py"] = "WHOSE = 'candidate'"
        write(tmp_path / "live", {"utils/which.py": "WHOSE = 'live'"})
        environ = {"PYTHONPATH": str(tmp_path / "live"), "PYTHONSAFEPATH": "1"}
        assert judge(tmp_path, files, **environ) == Judgement()

    def test_no_script_finds_what_another_loaded_of_the_candidate(self, tmp_path: Path) -> None:
        """Also when the state directory is reached through a link: only what lies outside is loaded for all."""
        files = project({"a/main.py": "import utils.x", "b/main.py": "import utils.x", "c/main.py": "import utils.x"})
        files["utils/x.py"] = f"open({str(tmp_path / 'loads')!r}, 'a').write('x')"
        write(tmp_path / "real/candidate", files)
        (tmp_path / "link").symlink_to(tmp_path / "real")
        environ = {"PATH": os.environ["PATH"]}
        assert validate_candidate(
            tmp_path / "link/candidate", environ=environ, time_limit_s=60, prove=cannot_run
        ).accepted
        assert (tmp_path / "loads").read_text() == "xxx"


class TestWithTheSync:
    def test_a_jobs_file_broken_on_the_host_is_healed_by_the_next_commit(self, tmp_path: Path) -> None:
        """The live configuration is not read at all: after one bad merge the host must still heal itself."""
        origin = Origin(tmp_path / "far")
        origin.push({**project({"p/main.py": GUARDED}), "automation/jobs.yaml": "{broken", "mistakes": "x:1:1 broken"})
        host = deploy(tmp_path / "host", origin.url)
        fixed = origin.push({**project({"p/main.py": GUARDED}), "mistakes": None})
        result = host.sync(validate=VALIDATE)
        assert (result.status, result.revision, result.jobs_changed) == (SyncStatus.UPDATED, fixed, True)

    def test_a_bad_merge_is_never_activated_and_its_successor_is(self, tmp_path: Path) -> None:
        origin = Origin(tmp_path / "far")
        good = origin.push(project({"p/main.py": GUARDED}))
        host = deploy(tmp_path / "host", origin.url)
        bad = origin.push({"p/main.py": "import not_here"})
        refused = host.sync(validate=VALIDATE)
        assert (refused.status, refused.revision, refused.candidate) == (SyncStatus.REFUSED, good, bad)
        assert refused.needs_dependencies
        assert host.read("p/main.py") == GUARDED
        fixed = origin.push({"p/main.py": "import json"})
        assert host.sync(validate=VALIDATE).revision == fixed

    def test_an_untracked_file_of_the_host_does_not_make_a_commit_look_sound(self, tmp_path: Path) -> None:
        origin = Origin(tmp_path / "far")
        origin.push(project({"p/main.py": GUARDED}))
        host = deploy(tmp_path / "host", origin.url)
        (host.checkout / "p/forgotten.py").write_text("")
        origin.push({"p/main.py": "import forgotten"})
        assert host.sync(validate=VALIDATE).status is SyncStatus.REFUSED


def test_the_check_runs_by_hand_over_a_directory(tmp_path: Path) -> None:
    import subprocess
    import sys

    write(tmp_path, project({"p/main.py": "1 / 0"}))
    environ = {**child_environ(), "PYTHONPATH": str(tmp_path)}
    argv = [sys.executable, "-m", "automation.import_check", "20"]
    done = subprocess.run(argv, cwd=tmp_path, env=environ, capture_output=True, text=True, check=True, timeout=60)
    (failure,) = json.loads(done.stdout)
    assert failure == {
        "script": "p/main.py",
        "kind": "ZeroDivisionError",
        "message": "division by zero",
        "missing": None,
    }


@pytest.mark.parametrize("name", [".cache", ".proof"])
@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_commit_that_stands_where_its_own_run_is_kept_is_refused(tmp_path: Path, name: str, kind: str) -> None:
    """A link there could lead into the live state directory, and a file would fail every sync without a verdict."""
    live = tmp_path / "live"
    live.mkdir()
    candidate = tmp_path / "candidate"
    write(candidate, project({"p/main.py": GUARDED}))
    (candidate / name).write_text("") if kind == "file" else (candidate / name).symlink_to(live)
    found = judge(tmp_path, {})
    assert found.reason == f"it holds {name}, where the run of a candidate is kept: remove that"
    assert list(live.iterdir()) == []
