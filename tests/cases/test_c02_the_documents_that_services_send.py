"""Two shipped monitors read fields that the service's document does not have, or not in that unit.

Input: the whole documents of Ethena's and Maple's services, in the shape they are published in. Ethena's reserve fund
carries its time in each point (`queryIndex[0].yields[-1].timestamp`), not at the root; Maple states the collateral in
millionths of a dollar and its proof of reserves in dollars. Right result: the shipped files, read by the real reader
from a real server, judge the backing and stay quiet while it is good, fire while it is not, and know an old point.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.checks_host import CHECKOUT, ChecksHost
from tests.support.http_service import Reply, Seen, http_service
from tests.support.rpc_server import Provider, serving

pytestmark = pytest.mark.case("C.2")
USDE = "0x4c9EDD5852cd905f086C759E8383e09bff1E68B3"
MINTED = 4_800_000_000


def ago(**span: float) -> str:
    return f"{datetime.now(UTC) - timedelta(**span):%Y-%m-%d %H:%M:%S.%f} UTC"


class Ethena:
    """Its three documents."""

    def __init__(self) -> None:
        self.collateral = "4798123456.789012"
        self.reserve = 62_040_000.5
        self.point = ago(minutes=40)

    def answer(self, seen: Seen) -> Reply:
        if seen.path == "/api/solvency/token-supply?symbol=USDe":
            return Reply({"symbol": "USDe", "supply": str(MINTED * 10**18), "timestamp": ago(minutes=5)})
        if seen.path == "/api/positions/current/collateral?latest=true":
            return Reply({"collateral": [], "totalBackingAssetsInUsd": self.collateral})
        if seen.path == "/api/solvency/reserve-fund":
            older = [{"timestamp": ago(hours=24 * days), "value": 61_000_000 + days} for days in (3, 2, 1)]
            newest = {"timestamp": self.point, "value": self.reserve}
            return Reply({"queryIndex": [{"name": "Reserve Fund", "yields": [*older, newest]}]})
        return Reply({"error": "no such route"}, 404)


@contextmanager
def ethena(tmp_path: Path) -> Iterator[tuple[ChecksHost, Path, Ethena]]:
    scripted = Ethena()
    chain = Provider(head_time=time.time, views={(USDE, "totalSupply()(uint256)"): MINTED * 10**18})
    shipped = (CHECKOUT / "protocols/ethena/monitor.yaml").read_text(encoding="utf-8")
    with http_service(scripted.answer) as service, serving(chain) as (url,):
        host = ChecksHost(tmp_path, {"PROVIDER_URL_MAINNET": url})
        yield host, host.file(shipped.replace("https://app.ethena.fi", service.url)), scripted


def test_the_backing_of_ethena_is_judged_from_the_documents_its_services_send(tmp_path: Path) -> None:
    with ethena(tmp_path) as (host, file, scripted):
        lines = host.run(file)
        assert [line for line in lines if line.endswith("unknown")] == []
        assert host.told == []
        scripted.collateral = "4737000000.0"  # with the reserve 4,799,040,000: less than was minted
        host.run(file)
        assert [told.split()[0] for told in host.told] == ["CRITICAL"]


def test_a_reserve_whose_newest_point_is_old_is_unknown(tmp_path: Path) -> None:
    with ethena(tmp_path) as (host, file, scripted):
        scripted.point, scripted.collateral = ago(hours=4), "1"
        (backing,) = [line for line in host.run(file) if line.startswith("ethena/backing")]
        assert "older than 3 h" in backing
        assert host.told == []


def pool(asset: str) -> dict[str, Any]:
    disclosed = {"collateralDisclosure": [{"asset": "WBTC"}]}
    return {"id": asset, "name": asset, "totalAssets": "1000", "unrealizedLosses": "0", "poolMeta": disclosed}


def maple(proven: float) -> Any:
    documents = {
        "collateralRatio": {
            "syrupGlobals": {"collateralRatio": "165000000"},
            "_meta": {"block": {"timestamp": int(time.time()) - 60}},
        },
        "collateralValue": {"syrupGlobals": {"collateralValue": "1416830633713149"}},
        "totalCollateralValue": {"proofOfReserves": [{"totalCollateralValue": proven}]},
        "poolV2S(where": {"poolV2S": [pool("USDC"), pool("USDT")]},
    }

    def answer(seen: Seen) -> Reply:
        query = json.loads(seen.body)["query"]
        (found,) = [document for field, document in documents.items() if re.search(rf"{re.escape(field)}[ :]", query)]
        return Reply({"data": found})

    return answer


@pytest.mark.parametrize(("proven", "told"), [(1_390_000_000.25, []), (1_200_000_000.0, ["MEDIUM"])])
def test_what_maple_claims_is_held_against_its_proof_in_one_unit(
    tmp_path: Path, proven: float, told: list[str]
) -> None:
    shipped = (CHECKOUT / "protocols/maple/disclosure.yaml").read_text(encoding="utf-8")
    with http_service(maple(proven)) as service:
        host = ChecksHost(tmp_path)
        lines = host.run(host.file(shipped.replace("https://api.maple.finance", service.url)))
    assert [line for line in lines if line.endswith("unknown")] == []
    assert [one.split()[0] for one in host.told] == told
