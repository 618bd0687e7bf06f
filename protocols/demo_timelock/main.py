"""A fixture: tells of every operation scheduled on one OpenZeppelin timelock, once, by its `CallScheduled` logs.

Arguments: `address` of the timelock; `look-back`, the blocks that the first run reads (10000).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx2
from eth_abi.abi import decode
from eth_hash.auto import keccak

from utils.monitor import Context, addr, code, kv, monitor, tx

CALL_SCHEDULED = "0x" + keccak(b"CallScheduled(bytes32,uint256,address,uint256,bytes,bytes32,uint256)").hex()


@monitor("demo_timelock")
def main(m: Context) -> None:
    """Read the logs since the block remembered; their alerts and the new block are stored together."""
    address = m.args["address"]
    with httpx2.Client(base_url=m.env("PROVIDER_URL_MAINNET"), timeout=20, trust_env=False) as node:
        head = int(rpc(node, "eth_blockNumber"), 16)
        start = max(0, head - int(m.args.get("look-back", "10000")))
        first = int(str(m.recall(f"{address} next block", default=start)))
        wanted = {"address": address, "topics": [CALL_SCHEDULED], "fromBlock": hex(first), "toBlock": hex(head)}
        logs = rpc(node, "eth_getLogs", wanted) if first <= head else []
    with m.together():
        for log in logs:
            m.alert("HIGH", "An operation is scheduled on the timelock", kv({"Timelock": addr(address)}, facts(log)))
        m.remember(f"{address} next block", max(first, head + 1))
    print(f"blocks {first} to {head}: {len(logs)} scheduled")


def rpc(node: httpx2.Client, method: str, *params: object) -> Any:  # noqa: ANN401 - JSON
    answer = (
        node.post("", json={"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).raise_for_status().json()
    )
    if "error" in answer:
        raise RuntimeError(f"{method}: {answer['error']}")
    return answer["result"]


def facts(log: Mapping[str, Any]) -> dict[str, object]:
    """Decode one `CallScheduled` log."""
    types = ["address", "uint256", "bytes", "bytes32", "uint256"]
    target, value, data, predecessor, delay = decode(types, bytes.fromhex(log["data"][2:]))
    return {
        "Id": code(log["topics"][1]), "Index": int(log["topics"][2], 16), "Target": addr(target),
        "Value": f"{value} wei", "Data": code("0x" + data.hex()), "Predecessor": code("0x" + predecessor.hex()),
        "Delay": f"{delay} s", "Transaction": tx(log["transactionHash"]),
    }  # fmt: skip


if __name__ == "__main__":
    main()
