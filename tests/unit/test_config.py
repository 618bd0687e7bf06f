"""What a jobs.yaml means once it is read: defaults, texts as written, all mistakes at once, one profile alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from automation.jobs.files import open_file
from automation.jobs.json_schema import SCHEMA_FILE
from automation.jobs.load import load_jobs, load_profile, read_jobs
from automation.jobs.model import Jobs, Profile, Task
from monitoring.base.errors import ConfigError, UsageError
from monitoring.ledger.cron import Cron
from tests.support.checkouts import make_checkout, write

TASK = "      - {name: aave, script: protocols/aave/main.py"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return make_checkout(tmp_path)


def load(checkout: Path, text: str) -> Jobs:
    return load_jobs(write(checkout / "jobs.yaml", text), checkout)


def load_hourly(checkout: Path, lines: str) -> Profile:
    return load(checkout, f'profiles:\n  hourly:\n    cron: "5 * * * *"\n{lines}\n').profiles["hourly"]


def load_task(checkout: Path, keys: str) -> Task:
    return load_hourly(checkout, f"    tasks:\n{TASK}, {keys}}}").tasks[0]


def mistakes_in(checkout: Path, text: str) -> list[str]:
    """The lines of every mistake, without the name of the file."""
    with pytest.raises(ConfigError) as refused:
        load(checkout, text)
    return [line.removeprefix(f"{checkout}/jobs.yaml:") for line in refused.value.mistakes]


def test_a_file_with_only_the_old_keys_loads(checkout: Path) -> None:
    jobs = load(
        checkout,
        """\
profiles:
  daily:
    cron: "19 8 * * *"
    description: Slow checks
    enabled: true
    sync_before_run: false
    env: {CACHE_FILENAME: cache-id-daily.txt}
    tasks:
      - {name: aave, script: protocols/aave/main.py, args: {cache-file: x.json}, enabled: true}
      - {name: lido, script: protocols/lido/main.py, enabled: false}
""",
    )
    aave = Task(
        name="aave",
        script="protocols/aave/main.py",
        monitors=(),
        args={"cache-file": "x.json"},
        env={},
        enabled=True,
        timeout_s=600,
        needs=(),
        retries=0,
        isolate=False,
        alert_after=1,
    )
    daily = jobs.profiles["daily"]
    assert daily.tasks[0] == aave
    assert daily.enabled_tasks == (aave,)
    assert daily == Profile(
        name="daily",
        cron=Cron.parse("19 8 * * *"),
        description="Slow checks",
        enabled=True,
        sync_before_run=False,
        env={"CACHE_FILENAME": "cache-id-daily.txt"},
        tasks=daily.tasks,
        parallel=1,
        timeout_s=600,
        run_timeout_s=None,
        heartbeat_env=None,
        catch_up="none",
        max_age_s=None,
    )


def test_every_further_key_is_read(checkout: Path) -> None:
    profile = load_hourly(
        checkout,
        """\
    parallel: 28
    timeout: 2m
    run_timeout: 1h
    heartbeat_env: HEARTBEAT_HOURLY
    catch_up: latest
    max_age: 1d
    tasks:
      - {name: aave, script: protocols/aave/main.py, env: {A: b}, timeout: 90, retries: 2, isolate: true,
         alert_after: 3}
      - {name: lido, monitors: [protocols/aave/monitor.yaml], needs: [aave]}
""",
    )
    assert (profile.parallel, profile.timeout_s, profile.run_timeout_s) == (28, 120, 3600)
    assert (profile.heartbeat_env, profile.catch_up, profile.max_age_s) == ("HEARTBEAT_HOURLY", "latest", 86400)
    aave, lido = profile.tasks
    assert (aave.env, aave.timeout_s, aave.retries, aave.isolate, aave.alert_after) == ({"A": "b"}, 90, 2, True, 3)
    assert (lido.script, lido.monitors, lido.needs) == (None, ("protocols/aave/monitor.yaml",), ("aave",))
    assert lido.timeout_s == 120  # the profile's


@pytest.mark.parametrize(
    "text", ["0x10", "007", "1e3", "true", "no", "1_000", "2026-01-01", "12:30", "-5", ".5", "=", "ä"]
)
def test_values_arrive_as_they_are_written(text: str, checkout: Path) -> None:
    task = load_task(checkout, f"args: {{key: {text}}}, env: {{KEY: {text}}}")
    assert task.args == {"key": text}
    assert task.env == {"KEY": text}


@pytest.mark.parametrize(
    ("written", "value"), [('""', ""), ("'~'", "~"), ('"null"', "null"), ('"a b"', "a b"), ('"a\\nb"', "a\nb")]
)
def test_quotes_make_a_text_of_anything(written: str, value: str, checkout: Path) -> None:
    assert load_task(checkout, f"args: {{key: {written}}}").args == {"key": value}


def test_arguments_keep_their_order(checkout: Path) -> None:
    task = load_task(checkout, "args: {z: 1, a: 2, m: 3}")
    assert list(task.args.items()) == [("z", "1"), ("a", "2"), ("m", "3")]


@pytest.mark.parametrize("name", ["off", "no", "true", "null", "007", "1e3", "3jane", "a_b-c"])
def test_names_are_the_characters_written(name: str, checkout: Path) -> None:
    jobs = load(
        checkout,
        f"profiles:\n  {name}:\n    cron: '@daily'\n    tasks:\n"
        f"      - {{name: {name}, script: protocols/aave/main.py}}\n"
        f"      - {{name: other, script: protocols/aave/main.py, needs: [{name}]}}\n",
    )
    profile = jobs.profiles[name]
    assert (profile.name, profile.tasks[0].name, profile.tasks[1].needs) == (name, name, (name,))


def test_anchors_and_merge_keys_work(checkout: Path) -> None:
    profile = load_hourly(
        checkout,
        """\
    env: &shared {A: shared, B: shared}
    tasks:
      - &aave
        name: aave
        script: protocols/aave/main.py
        timeout: 1m
        env:
          <<: *shared
          B: own
      - {<<: *aave, name: again}
      - {<<: [{timeout: 5m}, *aave], name: third}
""",
    )
    aave, again, third = profile.tasks
    assert aave.env == {"A": "shared", "B": "own"}
    assert (again.name, again.script, again.timeout_s) == ("again", "protocols/aave/main.py", 60)
    assert third.timeout_s == 300  # the first that says it


def test_scripts_are_relative_to_the_checkout_wherever_the_file_lies(
    checkout: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "jobs.yaml"
    write(elsewhere, f'profiles:\n  hourly:\n    cron: "@hourly"\n    tasks:\n{TASK}}}\n')
    assert load_jobs(elsewhere, checkout).profiles["hourly"].tasks[0].script == "protocols/aave/main.py"


def test_a_script_may_be_a_link_within_the_checkout_and_its_path_is_made_plain(checkout: Path) -> None:
    (checkout / "protocols/lido/link.py").symlink_to("../aave/main.py")
    profile = load_hourly(checkout, "    tasks:\n      - {name: aave, script: ./protocols//lido/link.py}")
    assert profile.tasks[0].script == "protocols/lido/link.py"


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(checkout: Path) -> None:
    path = checkout / "jobs.yaml"
    path.write_bytes(b'\xef\xbb\xbfprofiles:\r\n  hourly:\r\n    cron: "5 * * * *"\r\n    tasks: []\r\n')
    assert load_jobs(path, checkout).profiles["hourly"].cron.text == "5 * * * *"


def test_every_mistake_is_told_at_once_and_sorted_by_place(checkout: Path) -> None:
    text = """\
version: 2
profiles:
  hourly:
    cron: "61 * * * *"
    enabled: yes
    sync_befor_run: true
    env: {CACHE_DIR: /tmp, NAME: }
    tasks:
      - name: aave
        scrpt: protocols/aave/main.py
        timeout: -1
        needs: [lidoo, aave]
      - {name: lido, script: protocols/lido/mian.py, enabled: false, enabled: true}
      - just text
  Daily:
    cron: "19 8 * * *"
"""
    places_and_paths = [line.partition(": ")[0] for line in mistakes_in(checkout, text)]
    assert places_and_paths == [
        "1:1 version",
        "4:11 profiles.hourly.cron",
        "5:14 profiles.hourly.enabled",
        "6:5 profiles.hourly.sync_befor_run",
        "7:11 profiles.hourly.env.CACHE_DIR",
        "7:34 profiles.hourly.env.NAME",
        "10:9 profiles.hourly.tasks[0].scrpt",
        "11:18 profiles.hourly.tasks[0].timeout",
        "12:17 profiles.hourly.tasks[0].needs[0]",
        "12:24 profiles.hourly.tasks[0].needs[1]",
        "13:30 profiles.hourly.tasks[1].script",
        "13:70 profiles.hourly.tasks[1].enabled",
        "14:9 profiles.hourly.tasks[2]",
        "15:3 profiles.Daily",
        "15:3 profiles.Daily.tasks",
    ]


def test_columns_count_characters_not_bytes(checkout: Path) -> None:
    text = 'profiles:\n  hourly:\n    {description: "Größe 🙂", cron: "x", tasks: []}\n'
    (line,) = mistakes_in(checkout, text)
    assert line.startswith("3:36 profiles.hourly.cron: ")


def test_a_mistake_never_breaks_its_line(checkout: Path) -> None:
    text = 'profiles:\n  "a\\nb":\n    cron: "5 *\\n"\n    tasks: []\n'
    lines = mistakes_in(checkout, text)
    assert len(lines) == 2
    assert all(line.isprintable() for line in lines)


def test_each_of_two_circles_is_told_once(checkout: Path) -> None:
    tasks = "\n".join(
        f"      - {{name: {name}, script: protocols/aave/main.py, needs: [{need}]}}"
        for name, need in ["ab", "bc", "ca", "de", "ed"]
    )
    lines = mistakes_in(checkout, f'profiles:\n  hourly:\n    cron: "@hourly"\n    tasks:\n{tasks}\n')
    circles = [match[1] for line in lines if (match := re.search(r"\((.*)\)", line))]
    assert circles == ["a -> b -> c -> a", "d -> e -> d"]
    assert len(lines) == 2


def test_a_disabled_task_may_need_another_disabled_one(checkout: Path) -> None:
    profile = load_hourly(
        checkout,
        f"    tasks:\n{TASK}, enabled: false}}\n"
        "      - {name: lido, script: protocols/lido/main.py, enabled: false, needs: [aave]}",
    )
    assert profile.enabled_tasks == ()


BROKEN_DAILY = """\
version: 2
profiles:
  hourly:
    cron: "5 * * * *"
    tasks: []
  daily:
    cron: "61 * * * *"
    tasks: [{name: Bad}]
    tasks: []
"""


def test_a_broken_profile_does_not_stop_another(checkout: Path) -> None:
    path = write(checkout / "jobs.yaml", BROKEN_DAILY)
    assert load_profile(path, checkout, "hourly").cron.text == "5 * * * *"
    with pytest.raises(ConfigError) as refused:
        load_profile(path, checkout, "daily")
    assert [line.split(": ")[0].removeprefix(f"{path}:") for line in refused.value.mistakes] == [
        "7:11 profiles.daily.cron",
        "8:13 profiles.daily.tasks[0]",
        "8:20 profiles.daily.tasks[0].name",
        "9:5 profiles.daily.tasks",
    ]


def test_an_unknown_profile_is_answered_with_the_known_ones(checkout: Path) -> None:
    path = write(checkout / "jobs.yaml", BROKEN_DAILY)
    with pytest.raises(UsageError) as near:
        load_profile(path, checkout, "hurly")
    assert str(near.value) == f"{path} has no profile 'hurly': did you mean hourly? The profiles are hourly, daily"
    with pytest.raises(UsageError) as far:
        load_profile(path, checkout, "xyz")
    assert str(far.value) == f"{path} has no profile 'xyz': the profiles are hourly, daily"


def test_a_file_without_profiles_stops_every_profile(checkout: Path) -> None:
    path = write(checkout / "jobs.yaml", "profiles: []\n")
    with pytest.raises(ConfigError, match=r"1:11 profiles: a list is not possible here"):
        load_profile(path, checkout, "hourly")


def test_a_file_that_cannot_be_opened_says_why(checkout: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml:1:1 yaml: the file cannot be read \(No such file"):
        load_jobs(checkout / "none.yaml", checkout)
    with pytest.raises(ConfigError, match=r":1:1 yaml: the file cannot be read \(Is a directory\)"):
        load_jobs(checkout, checkout)


def test_the_shipped_file_has_the_three_profiles(checkout: Path) -> None:
    shipped = SCHEMA_FILE.with_name("jobs.yaml")
    for file in re.findall(r"(?:protocols|automation/drills)/[\w/]+\.(?:py|yaml)", shipped.read_text(encoding="utf-8")):
        write(checkout / file, "")
    profiles = read_jobs(open_file(shipped), checkout).profiles
    assert {name: profile.cron.text for name, profile in profiles.items()} == {
        "hourly": "5 * * * *",
        "daily": "19 8 * * *",
        "multisig": "0/10 * * * *",
        "weekly": "43 9 * * 1",
        "monthly": "23 7 1 * *",
    }
    assert [name for name, profile in profiles.items() if profile.sync_before_run] == ["multisig"]
    assert profiles["daily"].env["CACHE_FILENAME"] == "cache-id-daily.txt"
