"""The pages for who cannot use a mouse, hears them, or reads them at night on a phone."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser
Open = Callable[..., Page]
INCIDENT = "/incident?monitor=aave&check=utilisation%2FUSDC"
PAGES = (
    "/", "/alerts", "/alerts/61", "/runs", "/runs/330", "/incidents", INCIDENT, "/silences", "/monitoring",
    "/profiles/hourly", "/nothing",
)  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES[:-1])
def test_a_phone_shows_it_without_scrolling_sideways_and_with_enough_contrast(
    open_page: Open, path: str, scheme: str
) -> None:
    page = open_page(path, viewport={"width": 390, "height": 844}, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    low = page.evaluate(_CONTRAST)
    assert low == []
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    dark = sum(int(part) for part in re.findall(r"\d+", background)[:3]) < 200
    assert dark is (scheme == "dark")


@pytest.mark.parametrize("path", PAGES[:-1])
def test_a_page_is_built_for_who_hears_it(open_page: Open, path: str) -> None:
    """Landmarks, one first heading and none skipped, a name on everything that can be used, no id twice."""
    page = open_page(path)
    assert page.evaluate(_BUILT) == []
    assert page.locator("html").get_attribute("lang") == "en"
    for landmark in ("banner", "main", "contentinfo"):
        expect(page.get_by_role(landmark)).to_have_count(1)  # type: ignore[arg-type]
    expect(page.get_by_role("navigation", name="Main").locator("[aria-current=page]")).to_have_count(1)


@pytest.mark.parametrize("path", ["/", "/alerts", INCIDENT, "/monitoring"])
def test_every_stop_of_the_tab_key_shows_where_it_is(open_page: Open, path: str) -> None:
    page = open_page(path, viewport={"width": 390, "height": 844})
    page.keyboard.press("Tab")
    stops = set()
    for _ in range(60):
        stop = page.evaluate(_FOCUS)
        if stop is None or stop["name"] in stops:
            break
        assert stop["outline"] >= 2, stop
        stops.add(stop["name"])
        page.keyboard.press("Tab")
    assert len(stops) > 6


def test_the_keyboard_reaches_everything_and_the_focus_is_seen(open_page: Open) -> None:
    page = open_page("/alerts")
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to content")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Text")).to_be_focused()
    page.get_by_role("link", name="Overview").focus()
    page.keyboard.press("/")
    expect(page.get_by_label("Text")).to_be_focused()
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


# WCAG 2 contrast of every text against the nearest opaque background: 4.5, or 3 for large text.
_CONTRAST = """() => {
  const rgb = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const linear = (v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const [r, g, b, a = 1] = rgb(getComputedStyle(at).backgroundColor);
      if (a > 0.99) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const low = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
    if (!own || node.closest("svg, [hidden], .unseen, .skip") || !node.getClientRects().length) continue;
    const style = getComputedStyle(node);
    const [a, b] = [light(rgb(style.color)), light(behind(node))].sort((x, y) => y - x);
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < (isLarge ? 3 : 4.5)) low.push(`${node.className} ${node.textContent.slice(0, 30)} ${contrast}`);
  }
  return low;
}"""

# What an automatic audit of accessibility looks for.
_BUILT = """() => {
  const faults = [];
  const levels = [...document.querySelectorAll("h1, h2, h3, h4")].map((node) => Number(node.tagName[1]));
  if (levels.filter((level) => level === 1).length !== 1) faults.push(`first headings: ${levels}`);
  levels.forEach((level, at) => { if (at && level > levels[at - 1] + 1) faults.push(`skipped a heading: ${levels}`); });
  const said = (node) => node.getAttribute("aria-label");
  const check = (selector, name) => document.querySelectorAll(selector).forEach((node) => {
    if (!name(node)) faults.push(`without a name: ${node.outerHTML.slice(0, 80)}`);
  });
  check("a[href], button, summary", (node) => said(node) || node.textContent.trim() || node.querySelector("title"));
  check("input, select", (node) => said(node) || document.querySelector(`label[for="${node.id}"]`));
  check("nav, form, section, svg[role=img]", (node) => said(node) || node.hasAttribute("aria-labelledby"));
  check("[aria-labelledby]", (node) => document.getElementById(node.getAttribute("aria-labelledby")));
  check("table", (node) => node.querySelector("thead th"));
  const ids = [...document.querySelectorAll("[id]")].map((node) => node.id);
  ids.filter((id, at) => ids.indexOf(id) !== at).forEach((id) => faults.push(`twice: ${id}`));
  return faults;
}"""
_FOCUS = """() => {
  const node = document.activeElement;
  if (!node || node === document.body) return null;
  const all = [...document.querySelectorAll("*")];
  const style = getComputedStyle(node);
  const shown = style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth);
  return { name: all.indexOf(node), outline: shown, html: node.outerHTML.slice(0, 80) };
}"""
