"""docs/alerts-api.md cannot lie: its commands are run, its answers have the shape of the real ones, it is complete."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from monitoring.web import pages
from tests.support import parts
from tests.support.filled import fill
from tests.support.web import ROOT, Web, serving

TEXT = (ROOT / "docs" / "alerts-api.md").read_text(encoding="utf-8")
SPEC = yaml.safe_load((ROOT / "monitoring" / "web" / "openapi.yaml").read_text(encoding="utf-8"))
ADDRESS = "127.0.0.1:8923"


def examples() -> list[tuple[str, str]]:
    """Return (command, answer as the page shows it) of every example."""
    found = []
    for block in re.findall(r"```console\n(.*?)```", TEXT, re.DOTALL):
        found += [(command, answer.strip()) for command, answer in re.findall(r"\$ (.*)\n((?:(?!\$ ).*\n)*)", block)]
    return found


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    cache = tmp_path_factory.mktemp("docs") / "cache"
    fill(cache / "monitoring.db", datetime.now(UTC), checks=True).close()
    with serving(cache) as found:
        yield found


@pytest.mark.parametrize(("command", "shown"), examples(), ids=lambda text: text[:60])
def test_an_example_does_what_the_page_shows(web: Web, command: str, shown: str) -> None:
    parts.require("curl")
    arguments = shlex.split(command.replace(ADDRESS, f"127.0.0.1:{web.port}"))
    assert arguments[0] == "curl"
    done = subprocess.run([*arguments, "--max-time", "60"], capture_output=True, text=True, check=True, timeout=90)
    if "/metrics" in command:
        assert done.stdout.startswith("# HELP")
        return
    answer = json.loads(done.stdout)
    if not shown:
        assert "error" not in answer
    elif "error" in json.loads(shown):
        assert answer == json.loads(shown)
    else:
        assert shape(answer) == shape(json.loads(shown))


def shape(value: Any) -> Any:
    """Names and kinds; what is null somewhere is of no kind."""
    if isinstance(value, dict):
        return {name: "any" if name in ("next_cursor", "metadata") else shape(item) for name, item in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


def test_the_page_has_examples_of_every_route_and_names_every_parameter() -> None:
    assert len(examples()) > 12
    commands = " ".join(command for command, _ in examples())
    for path, item in SPEC["paths"].items():
        address = re.escape(ADDRESS + path).replace(re.escape("{id}"), "[^ '?]+")
        assert re.search(rf"{address}['? ]", commands + " "), path
        assert f"`GET {path}`" in TEXT or path == "/openapi.json"
        for parameter in item["get"].get("parameters", []):
            name = parameter.get("name") or parameter["$ref"].rpartition("/")[2]
            assert f"`{name}`" in TEXT or name == "id"


def test_the_page_names_exactly_the_metrics_there_are(web: Web) -> None:
    there = set()
    for family in text_string_to_metric_families(web.ask("/metrics").text):
        there |= {f"{family.name}_total"} if family.type == "counter" else {family.name}
    named = set(re.findall(r"`(monitoring_[a-z_]+)", TEXT))
    assert named == there


def test_the_page_of_the_dashboard_names_every_page() -> None:
    text = (ROOT / "docs" / "dashboard.md").read_text(encoding="utf-8")
    for route in pages.ROUTES:
        path = route.path.replace(":path", "")
        address = re.escape(path).replace(re.escape("{id}"), "[^ '?]+").replace(re.escape("{name}"), "[a-z]+")
        assert re.search(rf"`{address}[`?]", text), route.path
    for image in re.findall(r"images/[a-z-]+\.png", text):
        assert (ROOT / "docs" / image).stat().st_size < 150_000
