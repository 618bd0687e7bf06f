"""A drill gave the number behind URL, path, scale, `ok` and time, so that two files that can never work stayed green.

Right: a drill of a service feeds a whole recorded answer, which passes the product's own reader.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from monitoring.checks.drill.file import load_drilled
from monitoring.checks.drill.rehearse import rehearse
from tests.support.drills import PROTOCOLS

pytestmark = pytest.mark.case("C.2")


def test_no_drill_gives_a_number_in_place_of_an_answer() -> None:
    numbers = {
        str(path.relative_to(PROTOCOLS)): name
        for path in PROTOCOLS.glob("*/*drill.yaml")
        for name, answer in (yaml.safe_load(path.read_text()).get("sources") or {}).items()
        if not isinstance(answer, dict | list)
    }

    assert numbers == {}


MISTAKES = [
    ("ethena/monitor.yaml", "time: queryIndex[0].yields[-1].timestamp", "time: timestamp"),
    ("ethena/monitor.yaml", "number: queryIndex[0].yields[-1].value", "number: queryIndex[0].yields[0].value"),
    ("ethena/monitor.yaml", "scale: 1e18", "scale: 1e6"),
    ("ethena/monitor.yaml", "?symbol=USDe", "?symbol=USDE"),
    ("ethena/monitor.yaml", "?latest=true", ""),
    ("infinifi/monitor.yaml", "ok: code == 'OK'", "ok: code == 'ok'"),
    ("infinifi/monitor.yaml", "ok: code == 'OK'", "ok: code != 'FAILED'"),
    ("infinifi/monitor.yaml", "User-Agent: Mozilla/5.0", "User-Agent: curl/8"),
    ("infinifi/monitor.yaml", "totalLiquidAssetNormalized", "totalLiquidAssetsNormalized"),
    ("maple/disclosure.yaml", "scale: 1e6", "scale: 1"),
    ("maple/disclosure.yaml", "scale: 1e8", "scale: 1e6"),
    ("maple/disclosure.yaml", "{ collateralValue }", "{ collateralValues }"),
    ("maple/disclosure.yaml", "max_age: 3h", "max_age: 4h"),
    ("maple/disclosure.yaml", "max_age: 3h", "max_age: 2h"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "right", "wrong"), MISTAKES, ids=[f"{file}-{wrong}" for file, _, wrong in MISTAKES])
def test_the_drill_of_a_shipped_monitor_notices_that_it_reads_wrongly(
    tmp_path: Path, file: str, right: str, wrong: str
) -> None:
    shutil.copytree(PROTOCOLS / Path(file).parent, tmp_path, dirs_exist_ok=True)
    path = tmp_path / Path(file).name
    text = path.read_text(encoding="utf-8")
    assert right in text
    path.write_text(text.replace(right, wrong), encoding="utf-8")
    assert problems(path)


def problems(path: Path) -> list[str]:
    return [problem for result in rehearse(load_drilled(path)) for problem in result.problems]
