"""Whatever is done to a jobs.yaml, the answer is the profiles or finished lines with a place, never a crash."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from automation.jobs.load import load_jobs
from automation.jobs.model import PROFILE, TASK, Jobs
from monitoring.base.errors import ConfigError
from tests.support.checkouts import make_checkout
from tests.support.properties import patient

GOOD = """\
# a comment
profiles:
  hourly: &h
    cron: "5 * * * *"
    env: {NAME: 0x10, OTHER: "quoted"}
    timeout: 10m
    tasks:
      - name: aave
        script: protocols/aave/main.py
        args: {cache-file: x.json}
      - {name: lido, monitors: [protocols/aave/monitor.yaml], needs: [aave]}
  daily:
    <<: *h
    cron: '@daily'
    enabled: false
"""
LINE = re.compile(r"f\.yaml:[1-9]\d*:[1-9]\d* \S.*?: \S.*")
PROFILE_KEYS, TASK_KEYS = ([key.name for key in table.keys] for table in (PROFILE, TASK))
WORDS = st.sampled_from([*PROFILE_KEYS, *TASK_KEYS, "profiles", "x", "<<", "", "~", "é\n"])
LEAVES = st.none() | st.booleans() | st.integers(-5, 700) | st.floats() | st.text(max_size=5) | WORDS | st.dates()
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4))
TASKS = st.lists(st.dictionaries(st.sampled_from(TASK_KEYS), VALUES), max_size=3)
PROFILES = st.dictionaries(st.sampled_from(PROFILE_KEYS), VALUES)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkout(tmp_path_factory.mktemp("checkout"))


def answer(data: bytes, checkout: Path) -> Jobs | list[str]:
    """The profiles, or the lines of the refusal without the directory."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "f.yaml")
        path.write_bytes(data)
        try:
            return load_jobs(path, checkout)
        except ConfigError as refused:
            return [line.removeprefix(f"{directory}/") for line in refused.mistakes]


def is_finished(answered: Jobs | list[str]) -> bool:
    if isinstance(answered, Jobs):
        return bool(answered.profiles)
    return bool(answered) and all(LINE.fullmatch(line) for line in answered)


def test_the_file_the_edits_start_from_is_good(checkout: Path) -> None:
    assert isinstance(answer(GOOD.encode(), checkout), Jobs)


@patient
@given(st.data())
def test_any_edit_of_a_good_file_gets_a_finished_answer(checkout: Path, data: st.DataObject) -> None:
    text = GOOD.encode()
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 12)))
        insert = data.draw(
            st.binary(max_size=3) | st.sampled_from([b"&h", b"*h", b"- ", b": ", b"[", b"{", b"'", b"\t"])
        )
        text = text[:start] + insert + text[end:]
    assert is_finished(answer(text, checkout))


@patient
@given(PROFILES, TASKS, VALUES)
def test_any_value_at_any_key_gets_a_finished_answer(
    checkout: Path, profile: dict[str, Any], tasks: list[dict[str, Any]], value: object
) -> None:
    jobs = {"profiles": {"hourly": {**profile, "tasks": tasks}, "daily": value}}
    assert is_finished(answer(yaml.safe_dump(jobs, allow_unicode=True).encode(), checkout))
