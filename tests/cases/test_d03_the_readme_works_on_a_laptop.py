"""`.env.example` set `CACHE_DIR=/srv/cache`: README's own steps on a laptop stored nothing and printed 200 lines.

Right: the copied file, with mode 0600, works on a laptop and on a host, and `doctor` finds no fault in the copy.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.child import CHECKOUT
from tests.support.host import Host

pytestmark = [pytest.mark.case("D.3"), pytest.mark.xfail(strict=True, reason="open: first contact")]


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
