"""The verdict in one sentence: what is worst is said, and green only where nothing at all is wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest

from monitoring.web.pages.headline import Standing, headline
from monitoring.web.pages.page import Alarms

WELL = Standing(3, has_run=True, unreached=0, alarms=Alarms(), checks=147, no_data=0, problems=0)
FIRES = Alarms(60, "CRITICAL")


@pytest.mark.parametrize(
    ("known", "text", "tone"),
    [
        (WELL, "All is well: nothing is firing, nothing was missed", "good"),
        (replace(WELL, problems=1), "Not verified: 1 problem", "bad"),
        (replace(WELL, no_data=1), "1 of 147 checks have no data", "warn"),
        (replace(WELL, no_data=136, problems=2), "136 of 147 checks have no data", "bad"),
        (replace(WELL, checks=1, no_data=1), "1 of 1 check has no data", "bad"),
        (replace(WELL, alarms=Alarms(1, "LOW")), "1 incident is firing, LOW", "fires-LOW"),
        (replace(WELL, alarms=FIRES, no_data=136), "60 incidents are firing, the worst CRITICAL", "fires-CRITICAL"),
        (replace(WELL, alarms=FIRES, unreached=1), "People are not being reached", "bad"),
        (replace(WELL, has_run=False, problems=1), "Nothing has run yet", "unknown"),
        (replace(WELL, has_run=False, profiles=0), "Nothing is scheduled yet", "unknown"),
    ],
)
def test_the_worst_of_all_that_is_known_is_the_verdict(known: Standing, text: str, tone: str) -> None:
    assert (headline(known).text, headline(known).tone) == (text, tone)
