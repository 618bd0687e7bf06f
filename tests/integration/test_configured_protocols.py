"""`/v1/protocols` on the way from jobs.yaml to the API: what is stored, when, and of which file."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

import pytest

from automation.jobs.configured import configured_protocols
from automation.jobs.load import load_jobs
from tests.support.host import ROOT, Host
from tests.support.web import serving


@pytest.fixture
def host(tmp_path: Path) -> Host:
    host = Host(tmp_path)
    host.profile({"aave": "print('fine')"})
    return host


def stored(host: Host) -> Any:
    [(text,)] = host.rows("SELECT value FROM monitor_state WHERE namespace = 'automation' AND key = 'protocols'")
    return json.loads(str(text))


def test_a_host_before_its_first_run_answers_from_activation(host: Host, tmp_path: Path) -> None:
    assert host.automation("render-crontab", "--activate", str(tmp_path / "crontab")).returncode == 0
    assert host.rows("SELECT count(*) FROM runs") == [(0,)]
    with serving(host.cache) as web:
        found = web.get("/v1/protocols")
    script = "protocols/test/aave.py"
    task = {"name": "aave", "script": script, "args": {}, "profile": "hourly", "cron": "5 * * * *"}
    assert found == {"data": [{"name": "aave", "tasks": [task]}], "count": 1}


def test_a_run_follows_jobs_yaml_and_a_run_of_another_file_does_not(host: Host, tmp_path: Path) -> None:
    host.automation("run", "hourly")
    assert [row["name"] for row in stored(host)] == ["aave"]
    host.profile({"lido": "print('fine')"})
    other = tmp_path / "other.yaml"
    other.write_text((host.checkout / "automation" / "jobs.yaml").read_text().replace("name: lido", "name: other"))
    assert host.automation("--config", str(other), "run", "hourly").returncode == 0
    assert [row["name"] for row in stored(host)] == ["aave"]
    host.automation("run", "hourly")
    assert [row["name"] for row in stored(host)] == ["lido"]


def test_what_has_not_changed_is_not_written_again(host: Host) -> None:
    when = "SELECT updated_at FROM monitor_state WHERE namespace = 'automation' AND key = 'protocols'"
    host.automation("run", "hourly")
    before = host.rows(when)
    host.automation("run", "hourly")
    assert host.rows(when) == before


def test_the_names_are_those_of_alerts_and_the_files_those_that_name_them(host: Host) -> None:
    folder = host.checkout / "protocols" / "test"
    (folder / "one.yaml").write_text("monitor: one\nprotocol: acme\nchannel: chat\n")
    (folder / "two.yaml").write_text("monitor: two\nfor_each: {s: {from: rows.yaml}}\n")
    (folder / "rows.yaml").write_text("rows:\n  - {name: a, protocol: acme}\n  - {name: b, protocol: zeta}\n")
    files = "[protocols/test/one.yaml, protocols/test/two.yaml]"
    host.jobs(
        "profiles:\n"
        f"  hourly: {{cron: '5 * * * *', tasks: [{{name: all, monitors: {files}}}]}}\n"
        "  off: {cron: '5 * * * *', enabled: false, tasks: [{name: gone, script: protocols/test/aave.py}]}\n"
        "  daily: {cron: '5 8 * * *', tasks: [{name: gone, enabled: false, script: protocols/test/aave.py}]}\n"
    )
    found = configured_protocols(load_jobs(host.checkout / "automation" / "jobs.yaml", host.checkout), host.checkout)
    files_of = {row["name"]: [task["monitors"] for task in row["tasks"]] for row in found}
    one, two = "protocols/test/one.yaml", "protocols/test/two.yaml"
    assert files_of == {"acme": [[one, two]], "two": [[two]], "zeta": [[two]]}


def test_a_task_has_what_its_files_say_of_themselves_and_the_page_shows_it(host: Host) -> None:
    folder = host.checkout / "protocols" / "test"
    (folder / "one.yaml").write_text(
        "# Acme: is it backed? By its own\n# account.\nmonitor: acme\nrunbook: https://example.org/acme\n"
    )
    (folder / "two.py").write_text('"""Acme\'s large moves,\nfrom its events. And more."""\nprint("fine")  # acme\n')
    (folder / "three.py").write_text("print('fine')\n")
    host.jobs(
        "profiles:\n  hourly:\n    cron: '5 * * * *'\n    tasks:\n"
        "      - {name: one, monitors: [protocols/test/one.yaml]}\n"
        "      - {name: two, script: protocols/test/two.py}\n"
        "      - {name: three, script: protocols/test/three.py}\n"
    )
    found = configured_protocols(load_jobs(host.checkout / "automation" / "jobs.yaml", host.checkout), host.checkout)
    about = {task["name"]: task.get("about") for row in found for task in row["tasks"]}
    assert about == {
        "one": [
            {"file": "protocols/test/one.yaml", "watches": "Acme: is it backed?", "runbook": "https://example.org/acme"}
        ],
        "two": [{"file": "protocols/test/two.py", "watches": "Acme's large moves, from its events."}],
        "three": None,
    }
    host.automation("run", "hourly")
    with serving(host.cache) as web:
        page = html.unescape(web.ask("/monitoring").text)
    assert "Acme's large moves, from its events." in page
    assert '<a href="https://example.org/acme" rel="noopener noreferrer nofollow">runbook</a>' in page
    assert "protocols/test/three.py" in page


def test_every_shipped_file_says_what_it_watches() -> None:
    found = configured_protocols(load_jobs(ROOT / "automation" / "jobs.yaml", ROOT), ROOT)
    about = {one["file"]: one for row in found for task in row["tasks"] for one in task.get("about", ())}
    files = {file for row in found for task in row["tasks"] for file in task.get("monitors") or [task["script"]]}
    assert {file for file in files if not about.get(file, {}).get("watches")} == set()


def test_the_shipped_safes_are_listed_by_protocol() -> None:
    found = configured_protocols(load_jobs(ROOT / "automation" / "jobs.yaml", ROOT), ROOT)
    safes = {row["name"] for row in found for task in row["tasks"] if task["name"] == "safes"}
    assert {"aave", "lido", "euler", "pendle"} <= safes
