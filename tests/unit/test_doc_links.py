"""Every relative link of every document leads to a file that is here, and every anchor to a heading in it."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import pytest

from monitoring.base.settings import CHECKOUT
from tests.test_tree import texts

DOCS = CHECKOUT / "docs"
PAGES = [name for name, _ in texts() if name.endswith(".md")]
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"\[[^\]]*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
_HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$", re.MULTILINE)


@cache
def text_of(path: Path) -> str:
    return _FENCE.sub("", path.read_text(encoding="utf-8"))


@cache
def anchors(path: Path) -> frozenset[str]:
    """Return the anchors that a forge gives the headings of a page."""
    found: list[str] = []
    for heading in _HEADING.findall(text_of(path)):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").strip().lower()
        slug = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        found.append(slug if slug not in found else f"{slug}-{found.count(slug)}")
    return frozenset(found)


def broken(page: Path, text: str) -> list[str]:
    """Return each link of a page that leads nowhere, with the reason."""
    found = []
    for link in _LINK.findall(_CODE.sub("", text)):
        if re.match(r"[a-z][a-z0-9+.-]*:", link):
            continue
        file, _, anchor = unquote(link).partition("#")
        target = (page.parent / file).resolve() if file else page
        if not target.is_relative_to(CHECKOUT) or not target.exists():
            found.append(f"{link}: no such file")
        elif anchor and target.suffix == ".md" and anchor not in anchors(target):
            found.append(f"{link}: no such heading")
    return found


@pytest.mark.parametrize("name", PAGES)
def test_a_relative_link_leads_somewhere(name: str) -> None:
    assert broken(CHECKOUT / name, text_of(CHECKOUT / name)) == []


def test_a_link_to_nowhere_is_found() -> None:
    text = "[a](nowhere.md) [b](README.md#no-such-heading) [c](README.md) [d](https://example.org/x.md) `[e](f.md)`"
    assert broken(CHECKOUT / "README.md", text) == [
        "nowhere.md: no such file",
        "README.md#no-such-heading: no such heading",
    ]


def test_every_page_of_docs_is_in_the_index() -> None:
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    linked = {(DOCS / link.partition("#")[0]).resolve() for link in _LINK.findall(index)}
    pages = {page for page in DOCS.rglob("*.md") if page.parent.name != "decisions"} - {DOCS / "README.md"}
    assert sorted(str(page.relative_to(DOCS)) for page in pages - linked) == []
