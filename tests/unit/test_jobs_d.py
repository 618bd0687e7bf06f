"""jobs.d: files of a team's own that add profiles and tasks to jobs.yaml, and the switch for the examples."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from automation.jobs.files import open_file, open_jobs, replaced
from automation.jobs.json_schema import FURTHER_SCHEMA_FILE
from automation.jobs.load import load_jobs, load_profile
from automation.jobs.model import Jobs
from automation.sync.following import follows_origin
from monitoring.base.errors import ConfigError
from tests.support.checkouts import make_checkout, write
from tests.support.child import CHECKOUT
from utils.migrate_cache_to_db import cache_files

SHIPPED = """\
profiles:
  hourly:
    cron: "5 * * * *"
    tasks:
      - {name: host, monitors: [protocols/aave/monitor.yaml]}
      - {name: aave, script: protocols/aave/main.py, example: true}
      - {name: lido, script: protocols/lido/main.py}
"""
OWN_TASK = "{name: acme, script: protocols/aave/main.py}"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write(make_checkout(tmp_path) / "automation/jobs.yaml", SHIPPED)
    return tmp_path


def own(checkout: Path, text: str, name: str = "own.yaml") -> None:
    write(checkout / "automation/jobs.d" / name, text)


def loaded(checkout: Path) -> Jobs:
    return load_jobs(Path("automation/jobs.yaml"), checkout)


def mistakes(checkout: Path) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        loaded(checkout)
    return refused.value.mistakes


def tasks(jobs: Jobs, profile: str) -> list[str]:
    return [task.name for task in jobs.profiles[profile].tasks]


def test_tasks_are_added_in_the_order_of_the_names_of_files(checkout: Path) -> None:
    own(checkout, "profiles: {hourly: {tasks: [{name: z, script: protocols/aave/main.py}]}}", "b.yaml")
    own(checkout, "profiles: {hourly: {tasks: [{name: y, script: protocols/aave/main.py, needs: [host]}]}}", "a.yaml")
    own(checkout, "this is no list of profiles", ".hidden.yaml")
    own(checkout, "neither: is this", "README.md")

    assert tasks(loaded(checkout), "hourly") == ["host", "aave", "lido", "y", "z"]
    assert [task.name for task in load_profile(Path("automation/jobs.yaml"), checkout, "hourly").tasks][-2:] == [
        "y",
        "z",
    ]


def test_a_profile_of_its_own_has_every_key_and_a_known_one_gets_what_it_lacks(checkout: Path) -> None:
    own(
        checkout,
        "profiles:\n"
        f"  minutely: {{cron: '* * * * *', parallel: 4, tasks: [{OWN_TASK}]}}\n"
        "  hourly: {heartbeat_env: HEARTBEAT_HOURLY}\n",
    )
    jobs = loaded(checkout)

    assert list(jobs.profiles) == ["hourly", "minutely"]
    assert (jobs.profiles["minutely"].parallel, jobs.profiles["hourly"].heartbeat_env) == (4, "HEARTBEAT_HOURLY")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "profiles:\n  hourly:\n    tasks:\n      - {name: lido, script: protocols/aave/main.py}\n",
            (
                "own.yaml:4:16 profiles.hourly.tasks[0].name: 'lido' is taken by the task in automation/jobs.yaml:7:16:"
                " write another name"
            ),
        ),
        (
            "profiles:\n  hourly:\n    cron: '1 * * * *'\n",
            "own.yaml:3:5 profiles.hourly.cron: this key is also in automation/jobs.yaml:3:5: remove one of the two",
        ),
        (
            f"profiles:\n  minutely:\n    tasks: [{OWN_TASK}]\n",
            'own.yaml:2:3 profiles.minutely.cron: missing: write cron: "5 * * * *"',
        ),
        (
            "profiles:\n  hourly:\n    tasks:\n      - {name: acme, script: protocols/aave/mian.py}\n",
            (
                "own.yaml:4:30 profiles.hourly.tasks[0].script: 'protocols/aave/mian.py' is not in the checkout: did"
                " you mean protocols/aave/main.py?"
            ),
        ),
        (
            "profiles:\n  hourly:\n",
            (
                "own.yaml:2:3 profiles.hourly: the text '' cannot be added to a mapping in automation/jobs.yaml:2:3:"
                " correct one of the two"
            ),
        ),
        ("exmaples: off\n", "own.yaml:1:1 exmaples: unknown key: did you mean examples?"),
        ("examples: no\n", "own.yaml:1:11 examples: 'no' is unknown: write on or off"),
        (
            "- hourly\n",
            (
                "own.yaml:1:1 profiles: a list is not possible here: write profiles:"
                ' {hourly: {cron: "5 * * * *", tasks: []}}'
            ),
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_reported_in_its_own_file_with_both_places(checkout: Path, text: str, expected: str) -> None:
    own(checkout, text)

    assert mistakes(checkout) == [f"automation/jobs.d/{expected}"]


def test_a_key_that_two_further_files_set_names_the_first_of_them(checkout: Path) -> None:
    own(checkout, "examples: off\nprofiles: {hourly: {parallel: 2}}\n", "a.yaml")
    own(checkout, "profiles: {hourly: {parallel: 3}}\nexamples: off\n", "b.yaml")

    assert mistakes(checkout) == [
        (
            "automation/jobs.d/b.yaml:1:21 profiles.hourly.parallel: this key is also in automation/jobs.d/a.yaml:2:21:"
            " remove one of the two"
        ),
        (
            "automation/jobs.d/b.yaml:2:1 examples: this key is also in automation/jobs.d/a.yaml:1:1: remove one of the"
            " two"
        ),
    ]


def test_a_host_has_the_last_word_on_every_setting_but_when_a_profile_runs(checkout: Path) -> None:
    """jobs.yaml may come to set at any time what a host has set before: an upgrade must not stop at it."""
    path = Path("automation/jobs.yaml")
    shipped = (
        "    parallel: 4\n    timeout: 5m\n    run_timeout: 1h\n    heartbeat_env: THEIRS\n    catch_up: latest\n"
        "    max_age: 1d\n    description: Theirs.\n    sync_before_run: true\n    env: {THEIRS: a, BOTH: a}\n"
    )
    write(checkout / path, SHIPPED.replace("    tasks:", f"{shipped}    tasks:", 1))
    theirs = load_profile(path, checkout, "hourly")
    own(
        checkout,
        "profiles:\n  hourly:\n    parallel: 2\n    timeout: 7\n    run_timeout: 70\n    heartbeat_env: OURS\n"
        "    catch_up: none\n    max_age: 2d\n    description: Ours.\n    sync_before_run: false\n    enabled: false\n"
        "    env: {BOTH: b, OURS: b}\n",
    )
    ours = load_profile(path, checkout, "hourly")

    assert {field.name for field in fields(ours) if getattr(ours, field.name) == getattr(theirs, field.name)} == {
        "name",
        "cron",
    }
    assert (ours.parallel, ours.timeout_s, ours.enabled, ours.sync_before_run) == (2, 7, False, False)
    assert dict(ours.env) == {"THEIRS": "a", "BOTH": "b", "OURS": "b"}
    replacements = list(replaced(open_file(path), open_jobs(path)))
    assert len(replacements) == len(shipped.splitlines())
    assert (
        replacements[0]
        == "automation/jobs.d/own.yaml:3:15 profiles.hourly.parallel: in place of automation/jobs.yaml:4:15"
    )


def test_what_a_host_sets_is_held_against_the_same_rules(checkout: Path) -> None:
    shipped = SHIPPED.replace("    tasks:", "    parallel: 4\n    env: {A: a}\n    tasks:", 1)
    write(checkout / "automation/jobs.yaml", shipped)
    own(checkout, "profiles: {hourly: {parallel: none, env: {A: [b]}, cron: '1 * * * *'}}", "a.yaml")
    own(checkout, "profiles: {hourly: {env: {B: b}, timeout: 7}}", "b.yaml")
    own(checkout, "profiles: {hourly: {env: {B: c}, timeout: 8}}", "c.yaml")

    assert [line.removeprefix("automation/jobs.d/").split(": ")[0] for line in mistakes(checkout)] == [
        "a.yaml:1:31 profiles.hourly.parallel",
        "a.yaml:1:43 profiles.hourly.env.A",
        "a.yaml:1:52 profiles.hourly.cron",
        "c.yaml:1:27 profiles.hourly.env.B",
        "c.yaml:1:34 profiles.hourly.timeout",
    ]


def test_a_file_that_would_be_overlooked_is_a_mistake(checkout: Path) -> None:
    own(checkout, "profiles: {}", "own.yml")

    assert mistakes(checkout) == ["automation/jobs.d:1:1 own.yml is not read: rename it to own.yaml"]


def test_a_file_in_the_place_of_the_directory_is_a_mistake(checkout: Path) -> None:
    write(checkout / "automation/jobs.d", "")

    assert mistakes(checkout) == ["automation/jobs.d:1:1 not a directory: make it one, with files NAME.yaml in it"]


def test_a_broken_profile_of_a_further_file_does_not_stop_another(checkout: Path) -> None:
    own(checkout, "profiles: {minutely: {cron: never, tasks: []}, hourly: {parallel: 2}}")
    path = Path("automation/jobs.yaml")

    assert load_profile(path, checkout, "hourly").parallel == 2
    with pytest.raises(ConfigError, match=r"jobs\.d/own\.yaml:1:29 profiles\.minutely\.cron"):
        load_profile(path, checkout, "minutely")


def test_profiles_that_cannot_be_added_stop_every_profile(checkout: Path) -> None:
    own(checkout, "profiles: [hourly]")

    with pytest.raises(ConfigError, match=r"jobs\.d/own\.yaml:1:1 profiles: a list cannot be added to a mapping"):
        load_profile(Path("automation/jobs.yaml"), checkout, "hourly")


def test_one_line_leaves_the_examples_out_and_their_names_are_free(checkout: Path) -> None:
    own(checkout, "examples: off\nprofiles: {hourly: {tasks: [{name: aave, monitors: [protocols/aave/monitor.yaml]}]}}")

    assert tasks(loaded(checkout), "hourly") == ["host", "lido", "aave"]
    assert load_profile(Path("automation/jobs.yaml"), checkout, "hourly").tasks[2].monitors


def test_the_path_of_a_task_counts_the_examples_that_are_left_out_before_it(checkout: Path) -> None:
    own(checkout, "examples: off")
    write(checkout / "automation/jobs.yaml", SHIPPED.replace("lido/main.py", "lido/mian.py"))

    assert mistakes(checkout)[0].startswith("automation/jobs.yaml:7:30 profiles.hourly.tasks[2].script: ")


def test_what_an_example_needs_no_more_stops_nothing(checkout: Path) -> None:
    own(checkout, "examples: off")
    (checkout / "protocols/aave/main.py").unlink()

    assert tasks(loaded(checkout), "hourly") == ["host", "lido"]


def test_the_shipped_file_keeps_what_watches_and_keeps_this_host(tmp_path: Path) -> None:
    write(tmp_path / "jobs.yaml", (CHECKOUT / "automation/jobs.yaml").read_text(encoding="utf-8"))
    write(tmp_path / "jobs.d/own.yaml", "examples: off\n")
    jobs = load_jobs(tmp_path / "jobs.yaml", CHECKOUT)

    assert {name: tasks(jobs, name) for name in jobs.profiles} == {
        "hourly": ["host"],
        "daily": ["backup", "restore-rehearsal", "prune"],
        "multisig": [],
        "weekly": ["drill"],
        "monthly": ["people"],
    }
    assert jobs.profiles["multisig"].sync_before_run


@pytest.mark.parametrize("named", ["automation/jobs.yaml", "automation/jobs.d/own.yaml"])
def test_validate_reads_the_whole_also_when_a_further_file_is_named(checkout: Path, named: str) -> None:
    write(checkout / "automation/jobs.yaml", re.sub(r"protocols/\w+/main.py", "protocols/drill/main.py", SHIPPED))
    own(checkout, "examples: off\nprofiles: {hourly: {tasks: [{name: acme, script: protocols/drill/main.py}]}}")
    done = subprocess.run(
        [sys.executable, "-m", "automation", "validate", named], cwd=checkout, env={"PYTHONPATH": str(CHECKOUT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.stderr == ""
    assert " with jobs.d/own.yaml: no mistakes in 1 profile, 3 tasks" in done.stdout
    assert done.stdout.endswith("; the examples are switched off\n")


def test_editors_accept_a_further_file_and_refuse_its_mistakes() -> None:
    validator = jsonschema.Draft202012Validator(json.loads(FURTHER_SCHEMA_FILE.read_text(encoding="utf-8")))

    def accepts(text: str) -> bool:
        return bool(validator.is_valid(yaml.load(text, Loader=yaml.BaseLoader)))

    assert accepts("examples: off")
    assert accepts("profiles: {hourly: {tasks: [{name: acme, script: protocols/acme/main.py}]}}")
    assert not accepts("profiles: {hourly: {tasks: [{name: acme}]}}")
    assert not accepts("exmaples: off")


def test_the_documented_file_loads(checkout: Path) -> None:
    page = (CHECKOUT / "docs/jobs.md").read_text(encoding="utf-8")
    block: Any = page.partition("```yaml\n# yaml-language-server: $schema=../jobs.d.schema.json\n")[2].partition("```")[
        0
    ]
    write(checkout / "protocols/acme/main.py", "")
    write(checkout / "protocols/acme/monitor.yaml", "monitor: acme\n")
    own(checkout, block)

    assert tasks(loaded(checkout), "hourly") == ["host", "lido", "acme"]


def test_the_sync_and_the_import_of_old_files_look_into_further_files_too(checkout: Path) -> None:
    own(checkout, "examples: off\n", "a.yaml")
    assert not follows_origin(checkout)
    own(checkout, "profiles: {hourly: {sync_before_run: true, env: {MORE_FILENAME: more.txt}}}")
    assert follows_origin(checkout)
    own(checkout, "profiles: {hourly: {enabled: false}}", "z.yaml")
    assert not follows_origin(checkout)

    assert "more.txt" in cache_files(checkout / "automation/jobs.yaml", {})
