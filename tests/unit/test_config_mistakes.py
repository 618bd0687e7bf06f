"""One bad jobs.yaml per mistake in tests/data/jobs, each with its exact lines in expected.txt beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from automation.jobs.json_schema import SCHEMA_FILE, generated
from automation.jobs.load import load_jobs
from monitoring.base.errors import ConfigError
from tests.support.checkouts import make_checkout

DATA = Path(__file__).parent.parent / "data" / "jobs"
BAD_FILES = sorted(path.name for path in DATA.glob("*.yaml"))
EXPECTED = (DATA / "expected.txt").read_text(encoding="utf-8").splitlines()

# What no JSON Schema can say: it would have to look at the disk, at other values, or at how a text is written.
BEYOND_SCHEMA = {
    "argument_with_nul",
    "cron_backwards_range",
    "cron_impossible_date",
    "cron_last_day",
    "cron_midnight",
    "cron_out_of_range",
    "cron_reboot",
    "cron_weekday_range_to_7",
    "duplicate_env_name",
    "duplicate_key",
    "duplicate_profile",
    "monitor_not_there",
    "needs_a_disabled_task",
    "needs_in_a_circle",
    "needs_itself",
    "needs_misspelt",
    "needs_unknown",
    "profile_name_too_long",
    "script_is_a_directory",
    "script_leads_out",
    "script_misspelt",
    "script_not_there",
    "task_name_twice",
    "timeout_huge",
    "timeout_over_a_month",
}


class AsEditorsRead(yaml.SafeLoader):
    """YAML 1.2, which the language server speaks: `yes` and `off` are texts."""


AsEditorsRead.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":bool") or first in "tTfF"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(DATA)  # so that files are named as they are in expected.txt
    return make_checkout(tmp_path)


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_mistake_is_told_with_its_place_and_its_remedy(name: str, checkout: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        load_jobs(Path(name), checkout)
    assert refused.value.mistakes == [line for line in EXPECTED if line.startswith(f"{name}:")]


def test_every_expected_line_belongs_to_a_file_and_every_file_has_one() -> None:
    assert {line.partition(":")[0] for line in EXPECTED} == set(BAD_FILES)
    assert len(EXPECTED) == len(BAD_FILES)  # one mistake each
    assert len(BAD_FILES) >= 100


def test_the_committed_schema_and_the_reference_page_are_the_generated_ones() -> None:
    for file, text in generated().items():
        assert file.read_text(encoding="utf-8") == text, f"{file}: run python -m automation.jobs.json_schema"


def read_as_editors_do(name: str) -> Any:
    """What the schema would see; None where the file is not readable YAML or is beyond a safe loader."""
    try:
        return yaml.load((DATA / name).read_bytes(), Loader=AsEditorsRead)
    except (yaml.YAMLError, RecursionError):
        return None


def test_the_schema_rejects_every_mistake_it_can_express() -> None:
    validator = jsonschema.Draft202012Validator(json.loads(generated()[SCHEMA_FILE]))
    readable = {name: read_as_editors_do(name) for name in BAD_FILES if name != "alias_bomb.yaml"}
    accepted = {name for name, value in readable.items() if value is not None and validator.is_valid(value)}
    assert {Path(name).stem for name in accepted} == BEYOND_SCHEMA


def test_the_schema_accepts_the_shipped_jobs_file() -> None:
    jobs_file = SCHEMA_FILE.with_name("jobs.yaml").read_text(encoding="utf-8")
    assert jobs_file.startswith("# yaml-language-server: $schema=jobs.schema.json\n")
    jsonschema.Draft202012Validator(json.loads(generated()[SCHEMA_FILE])).validate(yaml.safe_load(jobs_file))
