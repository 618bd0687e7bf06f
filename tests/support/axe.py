"""axe-core, the audit of accessibility, inside a page that is open in Chromium."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.support import parts
from tests.support.web import ROOT

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
_RUN = """async (options) => (await axe.run(document, { resultTypes: ["violations"], ...options })).violations
  .map((found) => `${found.id}: ${found.nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(" | ")}`)"""


def faults(page: Page, *rules: str) -> list[str]:
    """Return what axe finds by its rules, or by those that are named, and what hangs over the right edge."""
    if not AXE.is_file():
        parts.missing("axe-core is not installed: make node")
    if page.evaluate("typeof axe") == "undefined":
        page.evaluate(f"{AXE.read_text(encoding='utf-8')}; null")
    found: list[str] = page.evaluate(_RUN, {"runOnly": list(rules)} if rules else {})
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return found + ([f"{wide} pixels wider than the window"] if wide > 0 else [])
