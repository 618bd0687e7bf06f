"""Changing an env file: what is asked changes, every other line stays, and the reader reads what was written."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.base.env_file import parse_env_file
from monitoring.base.env_file_edit import assignment, with_values, write_env_file
from monitoring.base.errors import UsageError

VALUES = st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=60)


@given(VALUES)
def test_what_is_written_is_read_again(value: str) -> None:
    found = parse_env_file((assignment("NAME", value) + "\n").encode())

    assert found.values == {"NAME": value}
    assert found.mistakes == ()


@given(VALUES, VALUES)
def test_one_change_leaves_the_other_values(first: str, second: str) -> None:
    text = with_values(with_values("# mine\n", {"A": first, "B": "b"}), {"A": second})

    assert parse_env_file(text.encode()).values == {"A": second, "B": "b"}
    assert text.startswith("# mine\n")


def test_a_variable_keeps_its_place_and_comments_stay() -> None:
    text = '# chats\nCHAT="1 \\\n2" \nOTHER=3\n#TOKEN=\n# end'

    changed = with_values(text, {"CHAT": "-100", "TOKEN": "1:a b", "NEW": ""})

    assert changed == '# chats\nCHAT=-100\nOTHER=3\n#TOKEN=\nTOKEN="1:a b"\n# end\nNEW=\n'


def test_of_two_lines_the_one_in_force_changes() -> None:
    assert with_values("A=1\nA=2\n", {"A": "3"}) == "A=1\nA=3\n"


def test_behind_a_quote_that_is_left_open_nothing_is_written() -> None:
    with pytest.raises(
        UsageError, match=r"NEW cannot be set in this file.*line 1: A goes on over the lines that follow"
    ):
        with_values('A="1\n', {"NEW": "2"})


@pytest.mark.parametrize("value", ["a\nB=1", "a\x00", "\x1b[31m"])
def test_a_value_with_a_control_character_is_refused_without_quoting_it(value: str) -> None:
    with pytest.raises(UsageError, match="TOKEN: the value has a control character") as caught:
        assignment("TOKEN", value)
    assert value not in str(caught.value)


def test_the_file_is_its_owners_alone_from_its_first_moment_and_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / ".env"
    link.symlink_to(tmp_path / "real" / "env")

    write_env_file(link, "A=1\n")
    write_env_file(link, "A=2\n")

    assert link.is_symlink()
    assert (tmp_path / "real" / "env").read_text() == "A=2\n"
    assert stat.S_IMODE((tmp_path / "real" / "env").stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "real").iterdir()] == ["env"]


def test_with_a_group_the_group_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "env"

    write_env_file(path, "A=1\n", group=path.parent.stat().st_gid)

    assert stat.S_IMODE(path.stat().st_mode) == 0o640
