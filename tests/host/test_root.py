"""What root types on a host: none of it runs a file of the checkout as root (case E.3)."""

from __future__ import annotations

import pytest

from tests.support.deployed import CACHE, CHECKOUT, INSTALL, USER, Deployed

pytestmark = [pytest.mark.host, pytest.mark.case("E.3")]

_RECORD = "/var/tmp/loaded"
# Python's start, a package, and what git starts: each writes down as whom.
_PLANT = f"""
set -e
touch {_RECORD} && chmod 0666 {_RECORD}
cd {CHECKOUT}
python='import os; open("{_RECORD}", "a").write("%s %d\\n" % ("WHAT", os.geteuid()))'
for package in automation monitoring utils; do echo "${{python/WHAT/$package}}" >>$package/__init__.py; done
echo "${{python/WHAT/venv}}" >"$(echo .venv/lib/python3*/site-packages)/planted.pth"
printf '#!/bin/sh\\necho "git $(id -u)" >>{_RECORD}\\n' >.git/planted && chmod 0755 .git/planted
chown -R {USER}: .
runuser -u {USER} -- git config core.fsmonitor {CHECKOUT}/.git/planted
"""


def test_root_runs_no_file_of_the_checkout(host: Deployed) -> None:
    host.write_env()
    host.machine.run(_PLANT)
    for command in (
        "monitoring status",
        "monitoring doctor || true",
        "cd / && monitoring deliver || true",
        f"REPO_DIR={CHECKOUT} CACHE_DIR={CACHE} bash /srv/clone/deploy/migrate-file-cache-to-db.sh",
        f"cd {CHECKOUT} && sudo -u {USER} deploy/migrate-file-cache-to-db.sh || true",
        INSTALL,
        "systemctl start monitoring && systemctl stop monitoring",
        "bash /srv/clone/deploy/uninstall.sh",
    ):
        host.machine.run(command)
    loaded = {tuple(line.split()) for line in host.machine.said(f"cat {_RECORD}").splitlines()}
    uid = host.machine.said(f"stat -c %u {CACHE}")
    assert loaded == {(what, uid) for what in ("venv", "automation", "monitoring", "utils", "git")}
    assert host.machine.said(f"find {CACHE} ! -user {USER}") == ""
