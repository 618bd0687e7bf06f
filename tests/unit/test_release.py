"""The headings of CHANGELOG.md are dated releases, newest first, and the newest is the version of the code."""

from __future__ import annotations

import re
import tomllib
from datetime import date

from tests.support.host import ROOT

HEADING = re.compile(r"(\d+)\.(\d+)\.(\d+) – (\d{4}-\d\d-\d\d)")


def test_each_heading_is_a_dated_release_and_the_newest_is_this_version() -> None:
    first, *others = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert first == "Unreleased"
    found = [HEADING.fullmatch(heading) for heading in others]
    assert all(found), others
    releases = [(tuple(map(int, each.groups()[:3])), date.fromisoformat(each[4])) for each in found if each]
    assert releases == sorted(releases, reverse=True)
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert not releases or ".".join(map(str, releases[0][0])) == version
