"""The keys of monitor.yaml are one table: all of it is read, the rest is refused, editors and the page say the same."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from monitoring.base.errors import ConfigError
from monitoring.base.yaml.keys import Key, Section
from monitoring.checks.builtin import TYPES
from monitoring.checks.config.load import load_monitor
from monitoring.checks.json_schema import generated, monitor_table, tables
from monitoring.checks.rules.keys import Everything
from tests.support.drills import monitor_files
from tests.support.monitor_keys import everywhere, said
from tests.support.roll_call import TYPES as ROLL_CALL

DATA = Path(__file__).parents[1] / "data" / "monitors"
EDITOR = jsonschema.Draft202012Validator(monitor_table(TYPES).schema())


def rows() -> dict[str, tuple[Key[Any], list[Any]]]:
    """Return each key that is read, with files in which it has a value that nothing takes."""
    found: dict[str, tuple[Key[Any], list[Any]]] = {}
    for more in (False, True):
        for path, table, whole in everywhere(monitor_table(TYPES), more=more):
            for key in table.keys:
                if not isinstance(key.kind, Everything):
                    files = found.setdefault(f"{path}: {key.name}", (key, []))[1]
                    files.append(whole({key.name: [[["nothing takes this"]]]}))
    return found


def mistakes(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_monitor(path, TYPES)
    return caught.value.mistakes


ROWS = rows()
GOOD = [path for path in sorted((DATA / "good").glob("*.yaml")) if "monitor:" in path.read_text(encoding="utf-8")]
KEYS = [pytest.param(key, id=name) for name, (key, _) in ROWS.items()]


@pytest.mark.parametrize(("key", "files"), [pytest.param(*row, id=name) for name, row in ROWS.items()])
def test_every_key_of_the_table_is_read(key: Key[Any], files: list[Any], tmp_path: Path) -> None:
    """A value that no key takes is a mistake at that key: somebody looks at it."""
    (tmp_path / "markets.yaml").write_text("[{symbol: a}]")
    (tmp_path / "tiers.yaml").write_text("{USDC: 1}")
    path = tmp_path / "monitor.yaml"
    found: list[str] = []
    for whole in files:
        path.write_text(json.dumps(whole))
        found += [line for line in mistakes(path) if key.name in line.removeprefix(f"{path}:").split(" ", 2)[1]]
    assert found
    assert not any("is not known here" in line for line in found)


def test_every_table_of_the_page_is_among_those_that_are_tried() -> None:
    tried = {path for path, _, _ in everywhere(monitor_table(TYPES))}
    assert {name.replace(": ", ".") for name in tables(TYPES)} - {"The file", "checks"} == tried - {""}


@pytest.mark.parametrize("key", KEYS)
def test_an_example_is_what_the_schema_of_its_key_accepts(key: Key[Any]) -> None:
    if key.name == "rows":
        return  # its rows are a table, with examples of their own
    jsonschema.Draft202012Validator(key.schema()).validate(yaml.safe_load(key.example)[key.name])
    jsonschema.Draft202012Validator(key.schema()).validate(said(key))


@pytest.mark.parametrize("path", [*monitor_files(), *GOOD], ids=lambda path: f"{path.parent.name}/{path.name}")
def test_editors_accept_every_file_that_is_read(path: Path) -> None:
    types = ROLL_CALL if "roll_call:" in path.read_text(encoding="utf-8") else TYPES
    load_monitor(path, types)
    editor = jsonschema.Draft202012Validator(monitor_table(types).schema())
    for loader in (yaml.SafeLoader, yaml.BaseLoader):
        editor.validate(json.loads(json.dumps(yaml.load(path.read_text(encoding="utf-8"), Loader=loader))))


def refuses_a_key(expected: Path) -> bool:
    lines = expected.read_text(encoding="utf-8").splitlines()
    return any(re.match(rf"{expected.stem}\.yaml:\S+ (?:\S+\.)?(\S+): \1 is not known here", line) for line in lines)


UNKNOWN = [path.with_suffix(".yaml") for path in sorted((DATA / "bad").glob("*.expected")) if refuses_a_key(path)]


@pytest.mark.parametrize("path", UNKNOWN, ids=lambda path: path.stem)
def test_editors_refuse_a_key_that_is_refused(path: Path) -> None:
    assert not EDITOR.is_valid(yaml.safe_load(path.read_text(encoding="utf-8")))


def test_there_are_files_with_unknown_keys() -> None:
    assert len(UNKNOWN) >= 5


@pytest.mark.parametrize("file", generated(), ids=lambda file: file.name)
def test_the_schema_and_the_page_are_those_of_the_table(file: Path) -> None:
    assert file.read_text(encoding="utf-8") == generated()[file], "run python -m monitoring.checks.json_schema"


def test_a_default_of_the_table_is_one_that_its_key_can_be_given() -> None:
    for key, _ in ROWS.values():
        if key.has_default:
            jsonschema.Draft202012Validator(key.schema()).validate(key.default)


def test_a_key_is_once_in_its_table() -> None:
    for name, table in tables(TYPES).items():
        assert len(set(table.names)) == len(table.names), name
        assert isinstance(table, Section)
