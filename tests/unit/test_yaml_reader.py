"""Files made to hurt the reader: deep, self-similar, huge, or not what they seem. None may take the process along."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from automation.jobs.nodes import Mapping, Scalar
from automation.jobs.reader import read_document
from monitoring.base.errors import ConfigError
from monitoring.base.yaml.text import MAX_BYTES
from tests.support.checkouts import write


def refusal(path: Path) -> str:
    with pytest.raises(ConfigError) as refused:
        read_document(path, "f")
    (line,) = refused.value.mistakes
    return line


@pytest.mark.parametrize("text", ["[" * 200_000 + "]" * 200_000, "[" * 200_000, "- " * 5_000, "{a: " * 50_000])
def test_depth_that_would_overflow_the_parser_is_refused(text: str, tmp_path: Path) -> None:
    assert refusal(write(tmp_path / "f.yaml", text)).endswith("yaml: nested more than 32 deep: write it flat")


def test_depth_made_of_aliases_is_refused(tmp_path: Path) -> None:
    names = [f"n{index}" for index in range(40)]
    lines = ["n0: &n0 [x]", *(f"{name}: &{name} [*{before}]" for before, name in pairwise(names))]
    line = refusal(write(tmp_path / "f.yaml", "\n".join(lines)))
    assert line.endswith("nested more than 32 deep through aliases: write it flat")


def test_a_merge_key_cannot_multiply_either(tmp_path: Path) -> None:
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 9)}]}}" for i in range(1, 9)]
    line = refusal(write(tmp_path / "f.yaml", "\n".join(lines)))
    assert line.endswith("aliases multiply the file to over 50000 values: write them out")


def test_a_huge_file_is_refused_without_being_read_whole() -> None:
    assert (
        refusal(Path("/dev/zero"))
        == f"f:1:1 yaml: the file is larger than {MAX_BYTES} bytes: nobody wrote that by hand"
    )


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a: b\nc: d\xff\n", "f:2:5 yaml: the byte 0xff is not UTF-8: save the file as UTF-8"),
        ("a: é\nb: é\x07\n".encode(), "f:2:5 yaml: the control character U+0007 cannot stand in YAML"),
        ("a: 1\n".encode("utf-16"), "f:1:1 yaml: the byte 0xff is not UTF-8: save the file as UTF-8"),
        (b"a: `b`\n", "f:1:4 yaml: a value that begins with ` needs quotes"),
        (b"a: b\n- c\n", "f:2:1 yaml: the indentation does not fit the lines above: align the keys"),
        (b"- c\na: b\n", "f:2:1 yaml: the indentation does not fit the list above: align the dashes"),
        (b"a: &x 1\nb: &x 2\n", "f:2:4 yaml: an anchor of this name stands above: write another name after the &"),
    ],
)
def test_what_is_no_yaml_is_told_with_its_place(data: bytes, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_bytes(data)
    assert refusal(path) == expected


def test_an_empty_file_is_an_empty_mapping(tmp_path: Path) -> None:
    assert read_document(write(tmp_path / "f.yaml", "# nothing\n")).root == {}


def test_values_know_where_they_stand(tmp_path: Path) -> None:
    document = read_document(write(tmp_path / "f.yaml", "a:\n  - b\n  - {c: 0x10}\n"))
    assert isinstance(document.root, Mapping)
    value = document.at(("a", 1, "c"))
    assert isinstance(value, Scalar)
    assert (value, value.kind, value.place) == ("0x10", "int", (3, 9))
    assert document.key_place(("a", 1, "c")) == (3, 6)
    assert document.place(("a", 1, "missing")) == (3, 5)
    assert document.place(("a", 7)) == (1, 1)
    assert document.at(("a", 7)) is None
