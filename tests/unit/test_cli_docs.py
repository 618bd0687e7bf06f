"""docs/cli.md names every flag of the verbs it describes, and no other."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest

from automation.cli.commands import command_names, load_command
from monitoring.ledger.findings import ProblemKind

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "cli.md").read_text()
SECTIONS = dict(re.findall(r"(?ms)^## ([\w-]+)\n(.*?)(?=^## |\Z)", PAGE))


@pytest.mark.parametrize("verb", command_names())
def test_the_page_names_exactly_the_flags_of_a_verb(verb: str) -> None:
    parser = argparse.ArgumentParser(add_help=False)
    load_command(verb).add_arguments(parser)
    assert verb in SECTIONS, f"docs/cli.md has no section ## {verb}"
    flags = {option for action in parser._actions for option in action.option_strings if option[:2] == "--"}
    assert set(re.findall(r"(?<![\w|-])--[a-z][a-z-]*", SECTIONS[verb])) == flags


@pytest.mark.parametrize("kind", ProblemKind)
def test_the_page_names_every_kind_of_exception(kind: ProblemKind) -> None:
    assert f"| {kind.heading} |" in SECTIONS["audit"]


def test_every_page_calls_a_command_by_its_whole_name() -> None:
    """Neither `automation audit` nor a bare `monitoring audit` can be typed in a checkout."""
    verbs = "|".join(command_names())
    bare = re.compile(rf"(?:`|^\$ |= |… )(?:automation|monitoring) (?:{verbs})\b", re.MULTILINE)
    pages = [
        ROOT / "README.md",
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("docs/how-to/*.md"),
        *ROOT.glob("protocols/*/*.md"),
    ]
    found = {str(page.relative_to(ROOT)): bare.findall(page.read_text()) for page in pages}
    assert {page: names for page, names in found.items() if names} == {}
