"""`Recovered: stcUSD holds less than it owes / missed by: 1 cUSD`: the opposite of the truth. Firing: `missed by: -1`.

Right: a recovery says what is good now; a shortfall is a positive amount; ages and instants are read by people.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from utils.testing import SimChain, SimClock, run

pytestmark = [pytest.mark.case("D.2")]
VAULT = "0x83F20F44975D03b1b09e64809B757c47f942BEeA"
FILE = f"""\
monitor: acme
chain: mainnet
contracts: {{vault: "{VAULT}"}}
checks:
  - {{id: backing, require: vault.held() >= vault.owed(), severity: critical, unit: cUSD, text: acme holds too little}}
functions: [held()(uint256), owed()(uint256)]
"""
OLD = """\
monitor: acme
http:
  - {name: reserve, url: "https://reserve.example/now", time: at, max_age: 1h, severity: medium}
"""


def test_a_shortfall_is_positive_and_its_recovery_does_not_repeat_the_fault(tmp_path: Path) -> None:
    path = tmp_path / "monitor.yaml"
    path.write_text(FILE)
    held, owed = (VAULT, "held()(uint256)"), (VAULT, "owed()(uint256)")
    (fired,) = run(path, store=tmp_path / "store", chain=SimChain({held: 299, owed: 300}))
    (recovered,) = run(path, store=tmp_path / "store", chain=SimChain({held: 301, owed: 300}))

    assert "-1" not in fired.text
    assert "1 cUSD" in fired.text
    assert recovered.kind == "recovered"
    assert "holds too little" not in recovered.text
    assert "missed by" not in recovered.text


def test_the_age_of_a_stale_source_is_read_as_a_span_and_a_date(tmp_path: Path) -> None:
    path, clock = tmp_path / "monitor.yaml", SimClock()
    path.write_text(OLD)
    texts = []
    for _ in range(2):
        answer = {"https://reserve.example/now": {"value": 5, "at": 1_700_000_000}}
        texts += [one.text for one in run(path, store=tmp_path / "store", clock=clock, http=answer)]
        clock.move("2h")

    (text,) = texts
    assert "reserve" in text
    assert "e+0" not in text
    assert "2023-11-14 22:13" in text
