"""One bad on_call.yaml per mistake in tests/data/on_call, each with its exact lines in expected.txt."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from automation.on_call.json_schema import SCHEMA_FILE, generated
from automation.on_call.load import load_on_call
from monitoring.base.errors import ConfigError

DATA = Path(__file__).parent.parent / "data" / "on_call"
BAD_FILES = sorted(path.name for path in DATA.glob("*.yaml"))
EXPECTED = (DATA / "expected.txt").read_text(encoding="utf-8").splitlines()
PAGE = Path(__file__).resolve().parents[2] / "docs" / "on-call.md"


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_mistake_is_reported_with_its_place_and_its_remedy(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(DATA)
    with pytest.raises(ConfigError) as refused:
        load_on_call(Path(name))
    assert refused.value.mistakes == [line for line in EXPECTED if line.startswith(f"{name}:")]


def test_every_expected_line_belongs_to_a_file_and_every_file_has_one() -> None:
    assert [line.partition(":")[0] for line in EXPECTED] == BAD_FILES


def test_the_committed_schema_and_the_reference_page_are_the_generated_ones() -> None:
    for file, text in generated().items():
        assert file.read_text(encoding="utf-8") == text, f"{file}: run python -m automation.on_call.json_schema"


def test_the_example_of_the_page_is_right_for_the_reader_and_for_editors(tmp_path: Path) -> None:
    example = PAGE.read_text(encoding="utf-8").partition("```yaml\n")[2].partition("```")[0]
    file = tmp_path / "on_call.yaml"
    file.write_text(example, encoding="utf-8")
    assert load_on_call(file) is not None
    schema = json.loads(generated()[SCHEMA_FILE])
    as_editors_read = json.loads(json.dumps(yaml.load(example, Loader=yaml.BaseLoader)))
    for person in as_editors_read["people"].values():
        person["telegram_id"] = int(person["telegram_id"])  # the plain loader leaves every value a text
    jsonschema.Draft202012Validator(schema).validate(as_editors_read)


def test_no_file_is_no_mistake(tmp_path: Path) -> None:
    assert load_on_call(tmp_path / "on_call.yaml") is None
