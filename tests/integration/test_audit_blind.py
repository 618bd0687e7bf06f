"""The audit and checks that could not see: every run took place, and yet silence proves nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.support.checks_host import CHECKOUT, ChecksHost
from tests.support.http_service import Reply, http_service

FILE = """\
monitor: supply
chain: mainnet
sources: {told: {url: "URL", number: supply}}
checks: [{id: least, require: told >= 5, severity: high}]
"""


def findings(host: ChecksHost) -> list[tuple[str, str, bool]]:
    """Ask the verb, as an operator does."""
    done = subprocess.run(
        [sys.executable, "-m", "automation", "audit", "--since", "1h", "--json"],
        env=dict(host.env(by_hand=True)), cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr  # no schedule is in force here, so it never is 0
    found = json.loads(done.stdout)["findings"]
    return [(one["kind"], one["text"], one["breaks_silence"]) for one in found if one["kind"] == "checks blind"]


def test_checks_that_cannot_see_break_the_silence_while_it_lasts_and_after(tmp_path: Path) -> None:
    host = ChecksHost(tmp_path)
    replies = [Reply({"supply": 7}), Reply({"nothing": 1}), Reply({"supply": 7})]
    with http_service(lambda _: replies[0]) as service:
        path = host.file(FILE.replace("URL", service.url))
        host.run(path)
        assert findings(host) == []

        replies.pop(0)
        host.run_without_data(path)
        ((_, text, breaks),) = findings(host)
        assert breaks
        assert text.startswith("1 check has had no data since ")
        assert "told could not be read" in text

        replies.pop(0)
        host.run(path)
        ((_, text, breaks),) = findings(host)
        assert breaks
        assert text.startswith("1 check had no data from ")
