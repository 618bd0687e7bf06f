"""Files made to hurt the reader: deep, self-similar, huge, or not what they seem. None may take the process along."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from monitoring.base.yaml.marks import Mapping, Mistakes, Node, Place, Scalar, YamlNode
from monitoring.base.yaml.reader import read_yaml
from monitoring.base.yaml.text import MAX_BYTES
from tests.support.checkouts import write


def read(path: Path) -> Node | None:
    return read_yaml(path, Mistakes("f"), aliases=True)


def refusal(path: Path) -> str:
    mistakes = Mistakes("f")
    assert read_yaml(path, mistakes, aliases=True) is None
    (line,) = mistakes.lines()
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
        ("a: é\nb: é\x07\n".encode(), "f:2:5 yaml: the control character U+0007 is not allowed in YAML"),
        ("a: 1\n".encode("utf-16"), "f:1:1 yaml: the byte 0xff is not UTF-8: save the file as UTF-8"),
        (b"a: `b`\n", "f:1:4 yaml: a value that begins with ` needs quotes"),
        (b"a: b\n- c\n", "f:2:1 yaml: the indentation does not fit the lines above: align the keys"),
        (
            b"- c\na: b\n",
            "f:2:1 yaml: the indentation does not fit the list above: align its dashes, and the keys of each entry",
        ),
        (b"a: &x 1\nb: &x 2\n", "f:2:4 yaml: this anchor is already defined above: write another name after the &"),
    ],
)
def test_what_is_no_yaml_is_told_with_its_place(data: bytes, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_bytes(data)
    assert refusal(path) == expected


def test_an_empty_file_is_an_empty_mapping(tmp_path: Path) -> None:
    assert read(write(tmp_path / "f.yaml", "# nothing\n")) == Mapping((), Place(1, 1))


def test_values_know_their_place(tmp_path: Path) -> None:
    node = read(write(tmp_path / "f.yaml", "a:\n  - b\n  - {c: 0x10}\n"))
    assert node is not None
    root = YamlNode(node, "", Mistakes("f"))
    listed = root.get("a")
    assert listed is not None
    item = listed.elements()[1]
    value = item.get("c")
    assert value is not None
    assert value.node == Scalar("0x10", Place(3, 9), source="0x10")
    assert (value.path, value.named_at) == ("a[1].c", Place(3, 6))
    assert (item.named_at, listed.named_at, root.named_at) == (Place(3, 5), Place(1, 1), None)
    assert item.get("missing") is None


FORM = """\
a: 1
a: 2
b: {c: 1, c: 2, [x]: y}
d: !!python/name:os.system x
"""


@pytest.mark.parametrize("aliases", [True, False])
def test_every_mistake_of_form_is_noted_at_once(aliases: bool, tmp_path: Path) -> None:
    mistakes = Mistakes("f")
    assert read_yaml(write(tmp_path / "f.yaml", FORM), mistakes, aliases=aliases) is not None
    assert mistakes.lines() == [
        "f:2:1 a: this key is here twice, first in line 1: remove one of them",
        "f:3:11 b.c: this key is here twice, first in line 3: remove one of them",
        "f:3:17 b: a key must be one word: write name: value",
        "f:4:4 d: the tag !!python/name:os.system has no meaning here: remove it",
    ]


def test_a_mistake_in_an_anchor_is_noted_wherever_it_is_used(tmp_path: Path) -> None:
    mistakes = Mistakes("f")
    read_yaml(write(tmp_path / "f.yaml", "one: &x {a: {b: 1, b: 2}}\ntwo: [*x]\n"), mistakes, aliases=True)
    said = "this key is here twice, first in line 1: remove one of them"
    assert mistakes.lines() == [f"f:1:20 one.a.b: {said}", f"f:1:20 two[0].a.b: {said}"]
