"""The tree itself: sizes, docstrings, and what must not stand in any file that is tracked."""

from __future__ import annotations

import ast
import json
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from monitoring.base.env_file import EnvFile, read_env_file
from tests.support.checkouts import is_of_a_team

CHECKOUT = Path(__file__).resolve().parents[1]
MAX_FILE_LINES = 400
MAX_TEST_LINES = 600  # a table of cases is read from end to end only by who adds one
MAX_FUNCTION_LINES = 60
MAX_MODULES = 20
COMMANDS = "automation/cli/commands"  # not counted: a list of files that are found by the name that is typed
PACKAGES = ("automation", "monitoring", "utils", "protocols")
# Assembled, so that this file does not hold what it forbids.
UNFINISHED = ("TO" + "DO", "FIX" + "ME", "X" * 3)
REGISTRIES = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("npmjs", "com"), ("yarnpkg", "com"),
        ("deb", "debian", "org"), ("debian", "org/debian"), ("archive", "ubuntu", "com"), ("golang", "org"),
        ("crates", "io"), ("rubygems", "org"), ("ghcr", "io"), ("docker", "io"),
    )
)  # fmt: skip
# A path of the machine somebody worked on says nothing to anybody else.
_ROOTS = "|".join(("wo" + "rk", "ro" + "ot", "fa" + "rm", "ho" + "me/[a-z]+"))
MACHINE_PATH = re.compile(rf"(?<![\w.~-])/(?:{_ROOTS})/")


@cache
def tracked() -> tuple[Path, ...]:
    """Return every file of the project that is, or is about to be, under version control."""
    listed = subprocess.run(
        # A checkout of another user, as CI may have it, is ours to read all the same.
        ["git", "-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=CHECKOUT, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    paths = [CHECKOUT / name for name in listed.split("\0") if name and not is_of_a_team(name)]
    return tuple(path for path in paths if path.is_file() and not path.is_symlink())


@cache
def texts() -> tuple[tuple[str, str], ...]:
    """Return (name, text) of every tracked file that is text."""
    found = []
    for path in tracked():
        content = path.read_bytes()
        if b"\0" not in content:
            found.append((path.relative_to(CHECKOUT).as_posix(), content.decode("utf-8", errors="replace")))
    return tuple(found)


def python_files() -> list[tuple[str, str]]:
    return [(name, text) for name, text in texts() if name.endswith(".py")]


def places(pattern: re.Pattern[str]) -> list[str]:
    """Return `file:line: text` for every line that matches."""
    return [
        f"{name}:{number}: {line.strip()[:120]}"
        for name, text in texts()
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


def functions(text: str) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def test_there_is_something_to_look_at() -> None:
    names = {name for name, _ in texts()}

    assert {"Makefile", "tests/test_tree.py", "monitoring/base/errors.py"} <= names
    assert len(python_files()) > 20


def test_no_file_is_longer_than_a_reader_bears() -> None:
    long = [
        f"{name}: {lines}"
        for name, text in python_files()
        if (lines := text.count("\n")) > (MAX_TEST_LINES if name.startswith("tests/") else MAX_FILE_LINES)
    ]

    assert not long


def test_no_function_is_longer_than_a_screen() -> None:
    long = [
        f"{name}: {function}: {lines}"
        for name, text in python_files()
        if not name.startswith("tests/")
        for function, lines in functions(text)
        if lines > MAX_FUNCTION_LINES
    ]

    assert not long


def test_every_module_opens_with_what_it_is_for() -> None:
    silent = [
        name for name, text in python_files() if name.startswith(PACKAGES) and not ast.get_docstring(ast.parse(text))
    ]

    assert not silent


def test_nothing_is_marked_unfinished() -> None:
    assert places(re.compile(rf"\b({'|'.join(UNFINISHED)})\b")) == []


def test_no_merge_is_left_half_done() -> None:
    found = places(re.compile("^(<{7}|>{7}) "))

    assert [place for place in found if not place.startswith("tests/data/")] == []  # mistakes on purpose


def test_no_registry_is_named() -> None:
    assert places(re.compile("|".join(re.escape(name) for name in REGISTRIES), re.IGNORECASE)) == []


def test_no_path_of_anybodys_machine_is_named() -> None:
    assert places(MACHINE_PATH) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [("see /ro" + "ot/x", True), ("`/wo" + "rk/x`", True), ("/ho" + "me/ann/x", True), ("net/wo" + "rk/x", False),
     ("/srv/monitoring", False), ("~/wo" + "rk/x", False)],
)  # fmt: skip
def test_what_counts_as_such_a_path(text: str, found: bool) -> None:
    assert bool(MACHINE_PATH.search(text)) is found


def test_the_npm_lock_pins_by_hash_and_names_no_address() -> None:
    lock = (CHECKOUT / "package-lock.json").read_text()
    packages = [entry for name, entry in json.loads(lock)["packages"].items() if name]

    assert '"resolved"' not in lock
    assert "://" not in lock
    assert packages
    assert all(entry["integrity"].startswith("sha512-") for entry in packages)


def test_every_python_lock_pins_by_hash() -> None:
    locks = [text for name, text in texts() if re.fullmatch(r"requirements[\w-]*\.lock", name)]

    assert len(locks) >= 2
    for lock in locks:
        pins, hashes = re.findall(r"(?m)^\S+==\S+", lock), lock.count("--hash=sha256:")
        assert 0 < len(pins) <= hashes


def test_no_lock_file_of_another_kind_is_tracked() -> None:
    assert not {name for name, _ in texts()} & {"uv.lock", "poetry.lock", "yarn.lock", "pnpm-lock.yaml"}


def test_the_licence_is_mit() -> None:
    licence = (CHECKOUT / "LICENSE").read_text()

    assert licence.startswith("MIT License\n")
    assert "the monitoring authors" in licence
    assert "without restriction" in licence


def test_the_readme_shows_the_two_commands_that_matter() -> None:
    readme = CHECKOUT / "README.md"
    if not readme.exists():
        pytest.skip("the README is not written yet")
    first_screen = "\n".join(readme.read_text().splitlines()[:40])

    assert "make demo" in first_screen
    assert "make test" in first_screen


def test_the_map_names_only_what_is_there() -> None:
    text = (CHECKOUT / "ARCHITECTURE.md").read_text()
    named = set(re.findall(r"`((?:automation|monitoring|utils|tests)/[\w/.-]+\.\w+)`", text))

    assert len(named) > 20
    assert not [name for name in sorted(named) if not (CHECKOUT / name).exists()]


def test_the_example_env_file_names_every_variable_the_code_reads() -> None:
    example = (CHECKOUT / ".env.example").read_text()
    ours = re.compile(
        r"(?:ALERTS|CACHE|DEFILLAMA|ETHERSCAN|FOURBYTE|LOG|MONITORING|NO|NONCE|PROVIDER|SAFE|TELEGRAM|WEBHOOK)(?:_[A-Z]+)+"
        r"|[A-Z]+_PROXY"
    )
    read = {
        node.value
        for name, text in python_files()
        # Which names to suggest in place of others is no reading of them.
        if name.startswith(PACKAGES) and name != "automation/status/doctor/variables.py"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and ours.fullmatch(node.value)
    }

    assert "TELEGRAM_CHAT_ID_DEFAULT" in read
    assert not {name for name in read if not re.search(rf"\b{name}\b", example)}


def test_the_example_env_file_sets_nothing() -> None:
    assert read_env_file(CHECKOUT / ".env.example") == EnvFile({}, ())


def test_shell_scripts_stop_at_the_first_error() -> None:
    scripts = [(name, text) for name, text in texts() if text.startswith("#!") and "bash" in text.splitlines()[0]]

    assert scripts
    for name, text in scripts:
        assert "set -Eeuo pipefail" in text, name
        assert (CHECKOUT / name).stat().st_mode & 0o111, f"{name} is not executable"


def test_no_folder_is_wider_than_a_reader_can_survey() -> None:
    count = Counter(str(Path(name).parent) for name, _ in python_files() if name.split("/")[0] in PACKAGES)
    del count[COMMANDS]
    assert not [f"{folder}: {many} modules" for folder, many in count.items() if many > MAX_MODULES]


def test_every_package_says_what_belongs_in_it_and_where_its_tests_are() -> None:
    missing = []
    for name, text in python_files():
        if name.startswith(("automation/", "monitoring/")) and name.endswith("/__init__.py"):
            said = ast.get_docstring(ast.parse(text)) or ""
            named = [each.rstrip(".,") for each in re.findall(r"tests/[\w*/.]+", said)]
            missing += [f"{name}: names no tests"] if not named else []
            missing += [f"{name}: there is no {each}" for each in named if not any(CHECKOUT.glob(each))]
    assert not missing


def test_a_module_that_is_named_in_a_docstring_exists() -> None:
    names = [f"/{path.relative_to(CHECKOUT).as_posix()}" for path in tracked()]
    gone = []
    for name, text in python_files():
        if name.split("/")[0] in PACKAGES:
            said = ast.get_docstring(ast.parse(text)) or ""
            found = re.findall(r"`([a-z_/]+\.py)`", said)
            gone += [f"{name}: {each}" for each in found if not any(path.endswith(f"/{each}") for path in names)]
    assert not gone
