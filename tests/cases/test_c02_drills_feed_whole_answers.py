"""A drill gave the number behind URL, path, scale, `ok` and time, so that two files that can never work stayed green.

Right: a drill of a service feeds a whole recorded answer, which passes the product's own reader.
"""

from __future__ import annotations

import pytest
import yaml

from tests.support.drills import PROTOCOLS

pytestmark = [pytest.mark.case("C.2"), pytest.mark.xfail(strict=True, reason="open: everything is watched")]


def test_no_drill_gives_a_number_in_place_of_an_answer() -> None:
    numbers = {
        str(path.relative_to(PROTOCOLS)): name
        for path in PROTOCOLS.glob("*/*drill.yaml")
        for name, answer in (yaml.safe_load(path.read_text()).get("sources") or {}).items()
        if not isinstance(answer, dict | list)
    }

    assert numbers == {}
