"""B.6: root runs a monitor by hand on an empty state directory (`sudo python protocols/x/main.py`,
`sudo python -m monitoring.checks run FILE`, a verb): every file it leaves belongs to the owner of the checkout.
"""

from __future__ import annotations

import pytest

from tests.support.deployed_by_nobody import NOBODY, Checkout, deployed_checkout

pytestmark = pytest.mark.case("B.6")

checkout = deployed_checkout

SCRIPT = """\
from utils.monitor import HIGH, monitor


@monitor("x")
def main(m):
    m.alert(HIGH, "it is high", key="high")
    m.remember("seen", 1)


if __name__ == "__main__":
    main()
"""


def test_a_monitor_script(checkout: Checkout) -> None:
    checkout.write("protocols/x/main.py", SCRIPT)
    checkout.python("protocols/x/main.py", PYTHONPATH=str(checkout.path))
    _state_is_all_theirs(checkout)


def test_a_monitor_file(checkout: Checkout) -> None:
    checkout.write("protocols/x/monitor.yaml", (checkout.path / "protocols/host/monitor.yaml").read_text())
    checkout.python("-m", "monitoring.checks", "run", "protocols/x/monitor.yaml")
    _state_is_all_theirs(checkout)


def test_verbs_and_the_shipped_scripts(checkout: Checkout) -> None:
    checkout.python("-m", "utils.migrate_cache_to_db")
    checkout.python("-m", "automation", "deliver")
    checkout.python("-m", "automation", "backup")
    checkout.python("protocols/housekeeping/main.py", "--do=prune", PYTHONPATH=str(checkout.path))
    _state_is_all_theirs(checkout)


def _state_is_all_theirs(checkout: Checkout) -> None:
    files = list(checkout.cache.rglob("*"))
    assert files
    assert {path.stat().st_uid for path in files} == {NOBODY}
