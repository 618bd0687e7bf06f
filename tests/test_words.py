"""One word per idea: the glossary of ARCHITECTURE.md, and what must not come back into code, texts and documents.

A word that the glossary forbids has one that is used in its place. Stored names (tables, columns, the kinds in JSON)
stay as they were written by earlier releases and are listed here.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

from tests.test_tree import CHECKOUT, texts

PRODUCT = ("automation/", "monitoring/", "utils/", "protocols/", "deploy/")
DOCUMENTS = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "docs/", "deploy/")
# Decisions and the changelog keep the words of their day.
NOT_READ = ("docs/decisions/", "CHANGELOG.md")
_SECTION = re.compile(r"^## Words\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_ROW = re.compile(r"^\| \*\*(.+?)\*\* \| (.+?) \| (.*?) \|$", re.MULTILINE)

# Words of no idea in particular that a reader stumbles over, and what says it plainly.
PLAIN = {
    "told": "reported, sent, named", "tell": "report, return", "tells": "reports, says", "telling": "message, alert",
    "untold": "not reported", "whoever": "name the actor", "beneath": "under, below", "beside": "next to, during, with",
    "besides": "also", "mend": "fix, repair", "mended": "fixed, repaired", "mends": "fixes", "anew": "again",
    "for ever": "permanently",
}  # fmt: skip

# What is stored, what programs read and what authors call keep the word of earlier releases.
KEPT = re.compile(
    r"\bblind_(?:since|by|why|spells)\b|\b(?:condition_blind|blind_spell_end|told_at|checks blind)\b"
    r"|[\"`]untold[\"`]|\bTold\b|\bdef told\b|\.told\b|\"told\"|\btold="
)

# A class name that several modules may share, with the reason.
SHARED_CLASS_NAMES = {
    "Unknown": "utils.unknown: the same value as authors meet it",
    "Readings": "utils.chain: the result of an author's `read`",
}


@cache
def glossary() -> dict[str, tuple[str, ...]]:
    """Return each term with the words that are not used for its idea."""
    section = _SECTION.search((CHECKOUT / "ARCHITECTURE.md").read_text(encoding="utf-8"))
    assert section, "ARCHITECTURE.md has no section Words"
    return {
        row[1]: tuple(word.strip(" `") for word in row[3].split(",") if word.strip(" `–"))
        for row in _ROW.finditer(section[1])
    }


def read_texts() -> list[tuple[str, str]]:
    return [
        (name, KEPT.sub("", text))
        for name, text in texts()
        if name.startswith((*PRODUCT, *DOCUMENTS))
        and not name.startswith(NOT_READ)
        and not name.endswith((".js", ".css", ".sql"))
    ]


def uses_of(word: str) -> list[str]:
    """Return `file:line: text` of each use, also as a part of an identifier."""
    found = re.compile(rf"(?<![A-Za-z]){re.escape(word)}(?![A-Za-z])", re.IGNORECASE)
    return [
        f"{name}:{number}: {line.strip()[:100]}"
        for name, text in read_texts()
        if found.search(text)
        for number, line in enumerate(text.splitlines(), 1)
        if found.search(line) and not _is_in_glossary(name, line)
    ]


def _is_in_glossary(name: str, line: str) -> bool:
    return name == "ARCHITECTURE.md" and bool(_ROW.match(line))


def test_the_glossary_has_some_twenty_terms_and_each_is_used() -> None:
    code = "\n".join(text for name, text in texts() if name.startswith(PRODUCT)).lower()
    assert 20 <= len(glossary()) <= 40
    assert [term for term in glossary() if not re.search(rf"\b{term}", code)] == []


def test_no_word_is_both_used_and_forbidden() -> None:
    forbidden = [word for words in glossary().values() for word in words]
    assert len(forbidden) == len(set(forbidden))
    assert set(forbidden) & set(glossary()) == set()


@pytest.mark.parametrize("word", sorted(PLAIN))
def test_it_is_said_plainly(word: str) -> None:
    assert uses_of(word) == [], f"write instead: {PLAIN[word]}"


@pytest.mark.parametrize(("term", "word"), [(term, word) for term, words in glossary().items() for word in words])
def test_one_idea_has_one_word(term: str, word: str) -> None:
    assert uses_of(word) == [], f"write instead: {term}"


def test_a_class_name_means_one_thing() -> None:
    places = defaultdict(list)
    for name, text in texts():
        if name.startswith(PRODUCT) and name.endswith(".py"):
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.ClassDef):
                    places[node.name.lstrip("_")].append(Path(name).as_posix())
    assert {name: where for name, where in places.items() if len(where) > 1 and name not in SHARED_CLASS_NAMES} == {}
