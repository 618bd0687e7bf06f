"""What was migrated into `monitor_state` was read by nothing shipped: after a takeover every baseline was a seed.

Right: a value the replaced system remembered, where it means the same, is the first baseline: a change across the
takeover is seen.
"""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from monitoring.base.clock import to_text
from monitoring.store.db.schema import open_database
from tests.support.child import CHECKOUT
from utils.testing import SimChain, run

pytestmark = pytest.mark.case("F")
ORACLE = "0xa2ef2e7bF32248083E514A737259F3785EA8D37D"


def test_a_jump_across_the_takeover_is_seen(tmp_path: Path) -> None:
    with closing(open_database(tmp_path / "monitoring.db")) as database, database.write() as tx:
        tx.execute(
            "INSERT INTO monitor_state (namespace, key, value, updated_at) VALUES (?, ?, ?, ?)",
            ("cache-id.txt", "apyusd_rate", "1.0", to_text(datetime(2026, 1, 1, tzinfo=UTC))),
        )
    chain = SimChain({(ORACLE, "rate()(uint256)"): 2 * 10**18})

    assert [one.check for one in run(CHECKOUT / "protocols/apyusd/monitor.yaml", store=tmp_path, chain=chain)] == [
        "rate/1"
    ]
