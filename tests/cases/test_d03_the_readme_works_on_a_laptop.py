"""`.env.example` set `CACHE_DIR=/srv/cache`: README's own steps on a laptop stored nothing and printed 200 lines.

Right: the copied file, with mode 0600, works on a laptop and on a host, and `doctor` finds no fault in the copy.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.child import CHECKOUT
from tests.support.host import Host

pytestmark = [
    pytest.mark.case("D.3"),
    pytest.mark.skipif(
        os.access("/srv/cache", os.W_OK),
        reason="this machine has a host's state directory, which is used before .cache",
    ),
]
STEP = re.compile(
    r"^\$ \S*(?:python -m automation|monitoring) ((?:validate|list|run hourly|audit|status|alerts))\b", re.MULTILINE
)


@pytest.fixture
def laptop(tmp_path: Path) -> Host:
    host = Host(tmp_path)
    host.profile({"good": "print('fine')"})
    del host.environ["CACHE_DIR"], host.environ["MONITORING_ENV_FILE"]
    return host


def test_the_copied_example_keeps_the_state_in_the_checkout_of_a_laptop(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.profile({"good": "print('fine')"})
    copied = host.checkout / ".env"
    copied.write_bytes((CHECKOUT / ".env.example").read_bytes())
    copied.chmod(0o600)
    del host.environ["CACHE_DIR"]
    shown = host.automation("status", MONITORING_ENV_FILE=".env")

    assert shown.returncode == 0, shown.stderr
    assert str(host.checkout / ".cache") in shown.stdout


def test_the_steps_of_the_readme_store_a_run_and_print_what_a_user_expects(laptop: Host) -> None:
    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    (copy,) = re.findall(r"^\$ (install -m 600 \.env\.example \.env)\b", readme, re.MULTILINE)
    (laptop.checkout / ".env.example").write_bytes((CHECKOUT / ".env.example").read_bytes())
    subprocess.run(copy.split(), cwd=laptop.checkout, check=True)
    steps = list(dict.fromkeys(STEP.findall(readme)))
    assert {"validate", "list", "run hourly", "audit", "status"} <= set(steps)

    for step in steps:
        done = laptop.automation(*step.split())
        # Nothing is due before a scheduler runs (`up`), and `audit` says so with exit code 1.
        assert done.returncode == (1 if step == "audit" else 0), (step, done.stdout, done.stderr)
        assert len((done.stdout + done.stderr).splitlines()) < 25, step

    assert (laptop.checkout / ".cache/monitoring.db").exists()
    assert "hourly" in laptop.automation("status").stdout
    found = laptop.automation("doctor").stdout
    assert "checks" in found
    assert not [line for line in found.splitlines() if line.startswith(("FAIL", "warn")) and "/.env" in line], found
