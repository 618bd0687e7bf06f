"""A table of keys: one declaration is the reading, the mistakes, the schema for editors and the reference page."""

from __future__ import annotations

from collections.abc import Mapping

import jsonschema
import pytest

from monitoring.base.yaml.keys import Many, Named, One, Table, key, keys, read_value
from monitoring.base.yaml.marks import Mistakes, Scalar, YamlNode
from monitoring.base.yaml.reader import compose
from monitoring.base.yaml.reference import with_tables


def _number(value: Scalar) -> int:
    if not value.text.isdecimal():
        raise ValueError(f"{value.text!r} is not a number: write digits")
    return int(value.text)


NUMBER = One("number", _number, {"type": "integer"})
NAME = One("name", lambda value: value.text, {"type": "string", "pattern": "^[a-z]+$"})


@keys
class Box:
    """A box of fruit."""

    size: int = key(NUMBER, "How large it is.", example="size: 3")
    weight_kg: int | None = key(NUMBER, "How heavy it is.", name="weight", default=None)
    fruit: tuple[str, ...] = key(
        Many(NAME, may_be_empty=False), "What is in it.", default=("apple",), example="fruit: [x]"
    )
    prices: Mapping[str, int] = key(Named(NAME, NUMBER), "By fruit | kind.", default={}, example="prices: {apple: 1}")
    owner: str = "nobody"  # not a key of the file


BOX = Table(Box, example="{size: 3}")


def read(text: str) -> tuple[Box | None, list[str]]:
    mistakes = Mistakes("f")
    box = read_value(BOX, YamlNode(compose(text, mistakes), "box", mistakes))
    return box, mistakes.lines()


def test_a_class_is_filled_and_what_is_left_out_has_its_default() -> None:
    assert read("size: 4") == (Box(size=4), [])
    full = Box(size=4, weight_kg=2, fruit=("pear", "fig"), prices={"fig": 7})
    assert read("{size: 4, weight: 2, fruit: [pear, fig], prices: {fig: 7}}") == (full, [])


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("{}", ["f:1:1 box.size: missing: write size: 3"]),
        ("sise: 3", ["f:1:1 box.sise: unknown key: did you mean size?"]),
        ("{size: 3, xyz: 1}", ["f:1:11 box.xyz: unknown key: remove it, known are size, weight, fruit, prices"]),
        ("{size: 3, owner: me}", ["f:1:11 box.owner: unknown key: remove it, known are size, weight, fruit, prices"]),
        ("size: x", ["f:1:7 box.size: 'x' is not a number: write digits"]),
        ("size: [1]", ["f:1:7 box.size: a list is not possible here: write one value"]),
        ("{size: 3, fruit: }", ["f:1:18 box.fruit: there is no value: write fruit: [x]"]),
        ("{size: 3, fruit: []}", ["f:1:18 box.fruit: a list without anything in it: write fruit: [x]"]),
        ("{size: 3, prices: [1]}", ["f:1:19 box.prices: a list is not possible here: write prices: {apple: 1}"]),
        ("[]", ["f:1:1 box: a list is not possible here: write {size: 3}"]),
        (
            "{size: 3, fruit: [{}], prices: {a: b, c: 1, d: e}}",
            [
                "f:1:19 box.fruit[0]: a mapping is not possible here: write one value",
                "f:1:36 box.prices.a: 'b' is not a number: write digits",
                "f:1:48 box.prices.d: 'e' is not a number: write digits",
            ],
        ),
    ],
)
def test_every_mistake_has_its_place_and_its_remedy(text: str, lines: list[str]) -> None:
    assert read(text)[1] == lines


def test_the_schema_accepts_and_refuses_what_the_reader_does() -> None:
    editor = jsonschema.Draft202012Validator(BOX.schema())
    assert editor.is_valid({"size": 4, "weight": 2, "fruit": ["pear"], "prices": {"fig": 7}})
    for wrong in (
        {},
        {"size": "x"},
        {"size": 3, "fruit": []},
        {"size": 3, "owner": "me"},
        {"size": 3, "prices": {"A": 1}},
    ):
        assert not editor.is_valid(wrong)


def test_the_reference_page_has_one_row_for_each_key() -> None:
    page = "before\n<!-- keys of box -->\nold\n<!-- end of keys -->\nafter\n"
    rows = with_tables(page, {"box": BOX}).splitlines()
    assert rows[0] == "before"
    assert rows[4:] == [
        "| `size` | number | required | How large it is. | `size: 3` |",
        "| `weight` | number | none | How heavy it is. |  |",
        '| `fruit` | list of name | `["apple"]` | What is in it. | `fruit: [x]` |',
        "| `prices` | name: number | none | By fruit \\| kind. | `prices: {apple: 1}` |",
        "<!-- end of keys -->",
        "after",
    ]
    with pytest.raises(ValueError, match="keys of crate"):
        with_tables(page, {"crate": BOX})
