"""Adding a key of a task is one entry in its table, and one line where the process uses it: shown by adding `nice`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.support.host import Host

ENTRY = """\
    nice: int = key(whole_number(0, 19), "Lower its priority by this much.", default=0, example="nice: 10")
"""
USE = "    os.nice(task.nice)\n"
SCRIPT = "import os\nprint('priority', os.nice(0))\n"


def put_before(file: Path, line: str, text: str) -> None:
    found = file.read_text(encoding="utf-8")
    assert found.count(line) == 1
    file.write_text(found.replace(line, text + line), encoding="utf-8")


def test_a_key_added_to_the_table_reaches_the_process_of_the_task(tmp_path: Path) -> None:
    host = Host(tmp_path)
    put_before(host.checkout / "automation/jobs/model.py", "    # Not keys of the file:", ENTRY)
    put_before(host.checkout / "automation/executor/task_child.py", "    os.chdir(task.cwd)\n", USE)
    host.profile({"slow": SCRIPT}, task="nice: 7")
    done = host.automation("run", "hourly")
    assert f"slow | priority {os.nice(0) + 7}" in done.stderr

    host.profile({"slow": SCRIPT}, task="nice: 20, nicee: 1")
    refused = host.automation("validate").stderr
    assert "tasks[0].nice: '20' does not fit: write a whole number from 0 to 19" in refused
    assert "tasks[0].nicee: unknown key: did you mean nice?" in refused

    (host.checkout / "docs").mkdir()
    (host.checkout / "docs/jobs.md").write_text(
        "".join(f"<!-- keys of {name} -->\n<!-- end of keys -->\n" for name in ("file", "profile", "task"))
    )
    generate = [sys.executable, "-m", "automation.jobs.json_schema"]
    subprocess.run(generate, cwd=host.checkout, env=host.environ, check=True, timeout=60)
    schema = json.loads((host.checkout / "automation/jobs.schema.json").read_text())
    tasks = schema["properties"]["profiles"]["patternProperties"]
    (profile,) = tasks.values()
    assert profile["properties"]["tasks"]["items"]["properties"]["nice"]["maximum"] == 19
    assert (
        "| `nice` | number, 0 to 19 | `0` | Lower its priority by this much. | `nice: 10` |"
        in (host.checkout / "docs/jobs.md").read_text()
    )
