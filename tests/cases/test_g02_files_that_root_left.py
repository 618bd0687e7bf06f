"""G.2: `make sync` typed as root left 19 root-owned files in the venv, and doctor was silent.

`make sync` refuses that now (G.3's file), and doctor finds what root left by any other way, wherever it lies.
What the runbook says is typed as it is written on a booted host: `tests/host/test_runbook.py`.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from automation.status.doctor.owners import CHECKOUT_OWNERS, foreign_files
from tests.support import parts
from tests.support.host import Host

pytestmark = pytest.mark.case("G.2")


@pytest.mark.parametrize(
    ("place", "subject"),
    [
        ("checkout/.venv/lib/python3/site-packages/apsw.so", "checkout"),
        ("checkout/.git/objects/ab/cdef", "checkout"),
        ("checkout/protocols/aave/__pycache__/main.pyc", "checkout"),
        ("cache/tmp/run/file", "state directory"),
        ("cache/cache-id.txt", "state directory"),
        ("cache/backups/monitoring-20261124T081903Z.db", "state directory"),
    ],
)
def test_doctor_finds_a_file_of_somebody_else_wherever_it_lies(tmp_path: Path, place: str, subject: str) -> None:
    if os.geteuid() != 0:
        parts.missing("only root can give files away")
    host = Host(tmp_path)
    host.profile({"good": "print('fine')"}, cron="0 0 1 1 *")
    path = tmp_path / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.chown(path, 12345, 12345)
    found = json.loads(host.automation("doctor", "--json").stdout)
    (told,) = [each for each in found if "have another owner" in each["text"]]
    assert (told["subject"], told["level"]) == (subject, "wrong")
    assert told["text"] == f"1 files have another owner, for example {path} (uid 12345)"
    assert told["remedy"] == f"sudo chown -R root: {tmp_path / place.partition('/')[0]}"


def test_objects_that_a_clone_of_a_local_path_shares_with_it_are_fine(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        parts.missing("only root can give files away")
    shared = tmp_path / "checkout" / ".git" / "objects" / "ab" / "cdef"
    shared.parent.mkdir(parents=True)
    (tmp_path / "theirs").touch()
    os.chown(tmp_path / "theirs", 12345, 12345)
    shared.hardlink_to(tmp_path / "theirs")
    assert not [*foreign_files(CHECKOUT_OWNERS, tmp_path / "checkout")]
