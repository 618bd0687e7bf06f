"""Variables of the replaced system that nobody reads any more led nowhere silently; `/v1/protocols` listed names that
ever alerted; what was migrated into `monitor_state` was read by nothing shipped; `make sync EXTRAS=ai` had no lock.

Right: `doctor` names each with what replaces it, or it is honoured; the configured protocols with their tasks; an old
value is the first baseline; the extra exists.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.child import CHECKOUT
from tests.support.host import Host
from tests.support.web import serving

pytestmark = pytest.mark.case("F")
OLD = (
    "LIQUIDITY_WEBHOOK_URL", "LIQUIDITY_WEBHOOK_SECRET", "ETHERSCAN_TOKEN", "ENVIO_GRAPHQL_URL", "TALLY_API_KEY",
    "DUNE_API_KEY", "TELEGRAM_CHAT_ID_ENVIO", "TELEGRAM_CHAT_ID_CURATION",
)  # fmt: skip


def test_doctor_names_each_variable_that_nobody_reads(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.profile({"good": "print('fine')"})
    found = host.automation("doctor", **dict.fromkeys(OLD, "https://old.example/value")).stdout

    assert [name for name in OLD if name not in found] == []


def test_doctor_names_the_variables_of_each_family(tmp_path: Path) -> None:
    names = ("TALLY_X", "DUNE_X", "LLM_X", "APYUSD_X", "PEG_ORACLE_X", "USDAI_X")
    host = Host(tmp_path)
    host.profile({"good": "print('fine')"})
    found = host.automation("doctor", **dict.fromkeys(names, "1")).stdout

    assert [name for name in names if f"nothing reads {name} of the replaced system" not in found] == []


def test_doctor_names_each_that_is_read_as_before(tmp_path: Path) -> None:
    names = ("ETHERSCAN_TOKEN", "ENVIO_GRAPHQL_URL", "TELEGRAM_TOPIC_ID_ENVIO", "TELEGRAM_CHAT_ID_CURATION")
    host = Host(tmp_path)
    host.profile({"good": "print('fine')"})
    found = host.automation("doctor", **dict.fromkeys(names, "1")).stdout

    assert [name for name in names if f"{name} of the replaced system: " not in found] == []
    assert "nothing reads" not in found


def test_protocols_are_the_configured_ones_with_their_tasks(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.profile({"aave": "print('fine')"})
    host.automation("run", "hourly")
    with serving(host.cache) as web:
        found = web.get("/v1/protocols")

    rows = {row["name"]: row["tasks"][0] for row in found["data"] if isinstance(row, dict)}
    assert found["count"] == len(rows)
    assert {"name": "aave", "profile": "hourly", "cron": "5 * * * *"}.items() <= rows.get("aave", {}).items()


def test_the_extra_of_the_explainer_can_be_installed() -> None:
    assert (CHECKOUT / "requirements-ai.lock").is_file()
