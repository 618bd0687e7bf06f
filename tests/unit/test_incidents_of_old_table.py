"""docs/incidents-of-old.md: each incident has a reason why it cannot come back and tests that exist; some are here."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml

from monitoring.base.errors import UsageError
from monitoring.base.settings import CHECKOUT, load_settings
from monitoring.chains.abi.function import selector_of
from monitoring.chains.abi.selectors import table
from monitoring.chains.decode.labels import Labels, is_multisend
from monitoring.chains.rpc.logs import EventLog, LogFilter
from protocols.morpho.markets_data import load

PAGE = CHECKOUT / "docs/incidents-of-old.md"
ROWS = re.findall(r"^\| (H?\d+) \| .+? \| .+? \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
TESTS = yaml.safe_load((CHECKOUT / "tests/data/incidents_of_old.yaml").read_text(encoding="utf-8"))


def is_there(named: str) -> bool:
    """Return whether a test, or a file of drills, exists."""
    path, _, function = named.partition("::")
    file = CHECKOUT / (path if path.startswith("protocols/") else f"tests/{path}")
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    return bool(text) and (not function or re.search(rf"^\s*def {function}\(", text, re.MULTILINE) is not None)


def test_every_incident_and_defect_has_a_row_and_tests() -> None:
    numbers = [*map(str, range(1, 46)), *(f"H{number}" for number in range(1, 27))]

    assert numbers == ROWS
    assert numbers == [*TESTS]


@pytest.mark.parametrize("number", TESTS)
def test_its_tests_are_there(number: str) -> None:
    assert TESTS[number]
    assert [one for one in TESTS[number] if not is_there(one)] == []


def test_the_state_is_at_the_same_place_wherever_a_command_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
        monkeypatch.chdir(tmp_path / folder)
        found.append(load_settings({"MONITORING_ENV_FILE": ""}).database)

    assert found[0] == found[1]
    assert found[0].is_absolute()
    assert tmp_path not in found[0].parents


def test_an_address_is_the_same_with_its_checksum_and_in_small_letters() -> None:
    with_checksum, topic = "0x88Ba032be87d5EF1fbE87336B7090767F367BF73", "0x" + "1" * 64
    small = with_checksum.lower()
    for asked, answered in ((with_checksum, small), (small, with_checksum), (small, small)):
        log = EventLog(1, answered, (topic,), "0x", 1, "0x01", "0x02", 0)
        assert LogFilter((asked,), ((topic,),)).matches(log)


def test_the_labels_and_selectors_that_were_wrong_are_right() -> None:
    versions = {
        "0xA238CBeb142c10Ef7Ad8442C6D1f9E89e07e7761": "v1.3.0",
        "0x38869bf66a61cF6bDB996A6aE40D5853Fd43B526": "v1.4.1",
        "0xA1dabEF33b3B82c7814B6D82A79e50F4AC44102B": "v1.3.0",
        "0x218543288004CD07832472D464648173c77D7eB7": "v1.5.0",
    }
    for address, version in versions.items():
        assert is_multisend(address)
        assert version in Labels().name(1, address)
    names = {selector.hex(): one.function.name for selector, one in table().items()}
    assert names["f2fde38b"] == "transferOwnership"
    assert names["7eff275e"] == "changeProxyAdmin"
    assert selector_of("transferOwnership(address)").hex() == "f2fde38b"


def test_a_market_that_is_listed_twice_is_refused(tmp_path: Path) -> None:
    for file in (CHECKOUT / "protocols/morpho").glob("*.yaml"):
        shutil.copy(file, tmp_path)
    markets = tmp_path / "markets.yaml"
    rows = markets.read_text(encoding="utf-8")
    first = next(line for line in rows.splitlines() if line.startswith("- "))
    markets.write_text(f"{rows}{first}\n", encoding="utf-8")

    with pytest.raises(UsageError, match="listed twice"):
        load(tmp_path)
