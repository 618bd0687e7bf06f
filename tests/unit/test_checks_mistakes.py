"""Wrong monitor files, one per mistake: every message, exactly, at its exact place."""

from pathlib import Path

import pytest

from monitoring.base.errors import ConfigError
from monitoring.checks import builtin
from monitoring.checks.config.load import load_monitor
from monitoring.checks.engine.plugin import registry
from tests.support.roll_call import TYPES

BAD = Path(__file__).parents[1] / "data" / "monitors" / "bad"
FILES = sorted(BAD.glob("[0-9]*.yaml"))  # the others are data of theirs


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_wrong_file_is_refused_with_its_mistake_and_place(path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_monitor(path, builtin.TYPES)
    expected = path.with_suffix(".expected").read_text(encoding="utf-8").splitlines()
    assert [line.removeprefix(f"{BAD}/") for line in caught.value.mistakes] == expected


def test_there_are_enough_wrong_files_each_with_its_expectation() -> None:
    assert len(FILES) >= 60
    assert {path.stem for path in FILES} == {path.stem for path in BAD.glob("*.expected")}


def test_a_place_points_at_what_the_message_quotes() -> None:
    """The column is not only as recorded: the file has there what the message speaks of."""
    for path in FILES:
        line = path.with_suffix(".expected").read_text(encoding="utf-8").splitlines()[0]
        if " is no known view" not in line:
            continue
        _, row, rest = line.split(":", 2)
        column, word = rest.split(" ", 1)[0], line.split(": ")[1].split(" ")[0]
        assert path.read_text(encoding="utf-8").splitlines()[int(row) - 1][int(column) - 1 :].startswith(word)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "nowhere.yaml",
            None,
            "1:1 yaml: the file cannot be read (No such file or directory): correct its path or its permissions",
        ),
        ("latin.yaml", b"monitor: \xff", "1:10 yaml: the byte 0xff is not UTF-8: save the file as UTF-8"),
        ("empty.yaml", b"", "1:1 the file is empty"),
        ("huge.yaml", b"x" * 3_000_000, "1:1 yaml: the file is larger than 1000000 bytes: nobody wrote that by hand"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load_monitor(tmp_path / name)
    assert caught.value.mistakes == [f"{tmp_path / name}:{message}"]


def test_a_built_in_type_notes_its_own_mistakes(tmp_path: Path) -> None:
    path = tmp_path / "queues.yaml"
    path.write_text("monitor: q\nchain: 1\nroll_call:\n  who: [someone.eth]\n  severty: high\n")
    with pytest.raises(ConfigError) as caught:
        load_monitor(path, TYPES)
    assert [line.removeprefix(f"{path}:") for line in caught.value.mistakes] == [
        "4:3 roll_call: severity is missing: a severity",
        "4:9 roll_call.who[0]: 'someone.eth' is not an address: write 0x and 40 hex digits",
        "5:3 roll_call.severty: severty is not known here, did you mean severity?",
    ]


def test_without_its_type_a_section_is_unknown(tmp_path: Path) -> None:
    path = tmp_path / "queues.yaml"
    path.write_text("monitor: q\nchain: 1\nroll_call: {}\nchecks: []\n")
    with pytest.raises(ConfigError, match="roll_call is not known here"):
        load_monitor(path, registry())
