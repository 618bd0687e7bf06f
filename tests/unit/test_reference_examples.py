"""Every example of the pages that list keys is read by the reader of its file without a mistake."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from automation.jobs.load import load_jobs
from automation.jobs.model import JOBS, PROFILE, TASK
from monitoring.base.settings import CHECKOUT
from monitoring.base.yaml.keys import Key
from monitoring.chains.services.sources import Source
from monitoring.checks.builtin import TYPES
from monitoring.checks.config.load import load_monitor
from monitoring.checks.drill.answers import READ
from monitoring.checks.drill.file import DRILL_KEYS, FILE_KEYS
from monitoring.checks.json_schema import monitor_table, tables
from monitoring.checks.recorded.recording import recordings_of
from monitoring.checks.recorded.replay import Replay
from tests.support.checkouts import make_checkout, write
from tests.support.drills import monitor_files
from tests.support.monitor_keys import everywhere, said

ADDRESS = "0x83F20F44975D03b1b09e64809B757c47f942BEeA"
A_SAFE = {"name": "Treasury", "chain": "mainnet", "address": ADDRESS, "protocol": "euler"}
A_TIMELOCK = {**A_SAFE, "kind": "oz_timelock_controller"}
A_GOVERNANCE = {"name": "Fluid", "kind": "fluid", "protocol": "fluid"}
A_CHECK = {"id": "size", "require": "vault.totalAssets() >= 5", "severity": "high"}
MOVES = ("max_rise", "max_drop", "max_change")


def monitor_examples() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each example in the smallest file around it."""
    for path, table, whole in everywhere(monitor_table(TYPES), more=False):
        for key in table.keys:
            if key.example:
                yield f"{path}: {key.name}", fitted(json.loads(json.dumps(whole({key.name: said(key)}))))


def fitted(file: dict[str, Any]) -> dict[str, Any]:
    """Add what an example needs next to it, and leave out what it excludes; the reader says why."""
    if "chains" in file:
        del file["chain"]
    if "vault" not in file["contracts"]:
        file["contracts"]["vault"] = ADDRESS
    if not {"checks", *TYPES} & file.keys():
        file["checks"] = [A_CHECK]
    for check in file.get("checks", ()):
        fit_check(check)
    if any("unless" in check for check in file.get("checks", ())):
        file["checks"] = [*file["checks"], {**A_CHECK, "id": "stale"}]
    for source in file.get("sources", {}).values():
        fit_source(source)
    fit_rows(file)
    fit_types(file)
    return file


def fit_source(source: dict[str, Any]) -> None:
    if "max_age" in source:
        source["time"] = "updated"
    if {"rows", "texts", "numbers"} & source.keys():
        source.setdefault("rows", "data.farms")
        if not {"texts", "numbers"} & source.keys():
            source["texts"] = {"name": "name"}
    else:
        source.setdefault("number", "data.supply")


def fit_rows(file: dict[str, Any]) -> None:
    for rows in file.get("for_each", {}).values():
        if "most" in rows:
            rows["of"] = "vault.get_default_queue()"
    for table in file.get("tables", {}).values():
        if "path" in table:
            table["from"] = "tiers.yaml"


def fit_check(check: dict[str, Any]) -> None:
    for level in check.get("levels", ()):
        fit_level(check, level)
    if "levels" in check:
        check.pop("severity", None)
    elif "age" in check:
        check.setdefault("max", "25h")
    elif "change_of" in check and not {*MOVES} & check.keys():
        check["max_rise"] = "5%"
    if "at_once" in check:
        check.setdefault("for", "2 runs")
    if "clear_below" in check:
        of_verb = (
            {"require": "size <= 100"} if "require" in check else {"levels": [{"above": "100", "severity": "high"}]}
        )
        check.update(of_verb)
    fit_memory(check)


def fit_level(check: dict[str, Any], level: dict[str, Any]) -> None:
    if "change_of" in check and not {*MOVES} & level.keys():
        level["max_rise"] = "5%"
    if "watch" in check and "above" in level:
        level.pop("below", None)
    elif "watch" in check:
        level.setdefault("below", "5")


def fit_memory(check: dict[str, Any]) -> None:
    if "members" in check and {"for", "remind"} & check.keys():
        check["expected"] = [ADDRESS]
    if "members" in check and "text" in check:
        check["text"] = "the owners changed"  # a set has no {value}
    if "at_once" in check:
        check.setdefault("for", "2 runs")
    if "never_falls" in check and "worse_by" in check:
        check["rebase"] = "hold"


def fit_types(file: dict[str, Any]) -> None:
    for vault in file.get("erc4626", ()):
        fit_vault(vault)
    for endpoint in file.get("http", ()):
        if {"time", "max_age"} & endpoint.keys():
            endpoint.update({"time": "data.updated_at", "max_age": "1h"})
        if "url_env" not in endpoint:
            endpoint.setdefault("url", "https://api.example.org/health")
    for name, row in (("safes", A_SAFE), ("timelocks", A_TIMELOCK), ("proposals", A_GOVERNANCE)):
        if "from" not in file.get(name, {"from": ""}):
            file[name].setdefault("rows", [row])
    for row in file.get("proposals", {}).get("rows", ()):
        fit_governance(row)
    for skip in file.get("safes", {}).get("skip", ()):
        if not {"unless_to", "unless_calls"} & skip.keys():
            skip["unless_to"] = [ADDRESS]


def fit_governance(row: dict[str, Any]) -> None:
    if {"chain", "address", "report", "timelock"} & row.keys():
        row.update({"kind": "oz_governor", "chain": "mainnet", "address": ADDRESS})
    for key, kind in (("space", "snapshot"), ("organization", "tally"), ("max_age", "sky_executive")):
        if key in row:
            row["kind"] = kind


def fit_vault(vault: dict[str, Any]) -> None:
    if not {"share_price", "total_assets", "exit", "flags", "asset"} & vault.keys():
        vault["share_price"] = "critical"
    if "account" in vault.get("exit", {}):
        vault["exit"]["of"] = "maxWithdraw"
    if "total_assets" in vault and not {*MOVES} & vault["total_assets"].keys():
        vault["total_assets"]["max_change"] = "5%"


EXAMPLES = dict(monitor_examples())


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_of_a_key_is_read(name: str, tmp_path: Path) -> None:
    file = EXAMPLES[name]
    rows: Any = [{"symbol": "USDC"}]
    has_path = any("path" in each for each in file.get("for_each", {}).values())
    write(tmp_path / "markets.yaml", json.dumps({"markets": [rows]} if has_path else rows))
    has_path = any("path" in each for each in file.get("tables", {}).values())
    tiers: Any = {"USDC": 1}
    write(tmp_path / "tiers.yaml", json.dumps({"symbols": tiers} if has_path else tiers))
    write(
        tmp_path / "safes.yaml", json.dumps({"safes": [A_SAFE], "timelocks": [A_TIMELOCK], "proposals": [A_GOVERNANCE]})
    )
    write(tmp_path / "proposals.yaml", json.dumps({"proposals": [A_GOVERNANCE]}))
    write(tmp_path / "timelocks.yaml", json.dumps({"timelocks": [A_TIMELOCK]}))

    monitor = load_monitor(write(tmp_path / "monitor.yaml", json.dumps(file)), TYPES)
    assert bool(monitor.parts()) is not name.endswith("rows: enabled")  # whose example switches its row off


def test_every_key_has_an_example_but_the_list_of_rows_whose_keys_have_theirs() -> None:
    without = {f"{name}.{key.name}" for name, table in tables(TYPES).items() for key in table.keys if not key.example}
    assert without == {"proposals.rows", "safes.rows", "timelocks.rows"}


JOBS_KEYS = [
    pytest.param(name, key, id=f"{name}: {key.name}")
    for name, table in (("file", JOBS), ("profile", PROFILE), ("task", TASK))
    for key in table.keys
]


@pytest.mark.parametrize(("name", "key"), JOBS_KEYS)
def test_the_example_of_a_key_of_jobs_yaml_is_read(name: str, key: Key[Any], tmp_path: Path) -> None:
    value = yaml.safe_load(key.example)
    other = {"name": "other-task", "script": "protocols/aave/main.py"}
    source = {} if key.name == "monitors" else {"script": "protocols/aave/main.py"}
    task = {"name": "aave", **source, **(value if name == "task" else {})}
    profile = {"cron": "5 * * * *", "tasks": [other, task], **(value if name == "profile" else {})}
    rest = {} if key.name == "profiles" else {"profiles": {"hourly": profile}}
    text = (yaml.safe_dump(rest, sort_keys=False) if rest else "") + (key.example if name == "file" else "")
    checkout = make_checkout(tmp_path)

    assert load_jobs(write(checkout / "jobs.yaml", text), checkout).profiles


def keys_of(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield str(key)
            yield from keys_of(value)
    elif isinstance(node, list):
        for value in node:
            yield from keys_of(value)


@pytest.mark.parametrize("path", monitor_files(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_page_has_every_key_that_a_shipped_monitor_uses(path: Path) -> None:
    """But the names its author gives: contracts, values, sources, tables and the row of `for_each`."""
    page = (CHECKOUT / "docs" / "monitor-yaml.md").read_text(encoding="utf-8")
    file = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    named = {name for part in ("contracts", "values", "sources", "for_each", "tables") for name in file.get(part, {})}
    for given in ("contracts", "values", "tables"):
        file[given] = {}
    free = {name for vault in file.get("erc4626", ()) for name in vault.get("flags", ())}
    free |= set(keys_of(file.get("for_each", {})))
    free |= {name for check in file.get("checks", ()) for name in check.get("values", {})}
    given = ("headers", "texts", "numbers")
    free |= {name for source in file.get("sources", {}).values() for part in given for name in source.get(part, {})}

    missing = {key for key in keys_of(file) if f"| `{key}` |" not in page} - named - free

    assert not missing


def test_the_page_of_drills_has_every_key_and_its_example_no_other() -> None:
    page = (CHECKOUT / "docs" / "drill-yaml.md").read_text(encoding="utf-8")
    known = [key.name for section in (FILE_KEYS, DRILL_KEYS, READ) for key in section.keys]
    cells = {name for line in page.splitlines() if line.startswith("|") for name in re.findall(r"`(\w+)`", line)}
    assert {*known} - cells == set()

    example = yaml.load(page.partition("```yaml\n")[2].partition("```")[0], Loader=yaml.BaseLoader)
    assert example.keys() <= {key.name for key in FILE_KEYS.keys}
    assert {key for one in example["drills"] for key in one} <= {key.name for key in DRILL_KEYS.keys}
    assert {key for one in example["reads"] for key in one} <= {key.name for key in READ.keys}


def test_the_answer_that_the_page_of_drills_writes_by_hand_is_one(tmp_path: Path) -> None:
    page = (CHECKOUT / "docs" / "drill-yaml.md").read_text(encoding="utf-8")
    write(tmp_path / "answers" / "acme.reserve.json", page.partition("```json\n")[2].partition("```")[0])
    (found,) = recordings_of(tmp_path / "monitor.yaml", "acme")
    now = datetime(2026, 1, 1, tzinfo=UTC)
    asked = Source("reserve", "https://api.example.org/supply").request()

    answer = Replay([found], now)(asked, 1.0)

    assert json.loads(answer.body) == {"data": {"value": 20000, "time": int(now.timestamp()) - 60}}
