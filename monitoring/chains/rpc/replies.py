"""What came back from an RPC gateway, in the shapes that gateways really use: errors, ids, results. Pure.

Called by `provider`, and by `multicall` for what a revert looks like.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal

from monitoring.chains.abi.values import Json
from monitoring.chains.rpc.errors import Fault

_WORD, _SELECTOR = 32, 4
_DATA_METHODS = frozenset({"eth_call", "eth_getCode"})  # whole bytes; the others may drop a leading zero
_HEX_METHODS = frozenset(
    {
        "eth_call",
        "eth_chainId",
        "eth_blockNumber",
        "eth_getCode",
        "eth_getStorageAt",
        "eth_getBalance",
        "eth_getTransactionCount",
    }
)
# Where a gateway that answers in a shape of its own says what is wrong.
_WORDS = ("message", "msg", "detail", "reason", "errors")
_RETRY = ("retry_after", "retryAfter", "backoff_seconds", "try_again_in")
_SPAN = re.compile(r"(\d{1,9}(?:\.\d{1,9})?) ?(ms|s)?")
_BLOCK_FIELDS = ("number", "hash", "timestamp")


def misshapen(method: str, result: Json) -> Fault | None:
    """Return what is wrong with a result's shape: a block that is null is one the node has not got."""
    if method in _HEX_METHODS:
        ok = isinstance(result, str) and re.fullmatch(r"0x[0-9a-fA-F]*", result) is not None
        halved = ok and method in _DATA_METHODS and len(str(result)) % 2 == 1
        missing = result == "0x" and method not in _DATA_METHODS  # a number or a word has digits, even zero
        return None if ok and not halved and not missing else Fault.DECODE
    if method == "eth_getBlockByNumber":
        if result is None:
            return Fault.STALE_HEAD
        ok = isinstance(result, dict) and all(isinstance(result.get(name), str) for name in _BLOCK_FIELDS)
        return None if ok else Fault.DECODE
    if method == "eth_getLogs":
        return None if isinstance(result, list) else Fault.DECODE
    return None


def is_revert(result: Json) -> bool:
    """Return whether a call's result is what a revert returned: a selector before whole words, which no value has."""
    return isinstance(result, str) and len(result) % (2 * _WORD) == len("0x") + 2 * _SELECTOR


def paired(replies: Sequence[Mapping[str, Json]], ids: Sequence[int]) -> dict[int, Mapping[str, Json]]:
    """Give each request its reply, by its id, which comes back as text from some.

    An error for nobody (its id is null where the gateway could not read the request) is for all without a reply.
    Two replies to one id that say different things are none.
    """
    by_id: dict[str, Mapping[str, Json]] = {}
    for reply in replies:
        id_ = _id_of(reply)
        by_id[id_] = {} if by_id.get(id_, reply) != reply else reply
    failures = [reply for reply in replies if error_of(reply) and (len(ids) == 1 or reply.get("id") is None)]
    found = {id_: by_id.get(str(id_)) or next(iter(failures), None) for id_ in ids}
    return {id_: reply for id_, reply in found.items() if reply is not None}


def _id_of(reply: Mapping[str, Json]) -> str:
    """Return an id as text; a gateway that knows no whole numbers writes 1 as 1.0."""
    id_: object = reply.get("id")
    return str(int(id_) if isinstance(id_, float) and id_.is_integer() else id_)


def error_of(reply: Mapping[str, Json]) -> Mapping[str, Json] | None:
    """Return the error in a reply: as JSON-RPC has it, a bare text, or bare `code` and words of a gateway."""
    error = reply.get("error")
    if isinstance(error, dict):
        return error
    if error is not None and not ("result" in reply and error in (False, "")):
        return {"message": str(error), "code": reply.get("code")}
    words = next((reply[name] for name in _WORDS if reply.get(name)), None)
    bare = "result" not in reply and (words is not None or "code" in reply)
    return {"code": reply.get("code"), "message": words, "data": reply.get("data")} if bare else None


def code_of(detail: Mapping[str, Json]) -> int:
    """Return an error's code, given as a number or as its text; 0 for none."""
    text = str(detail.get("code"))
    return int(text) if re.fullmatch(r"-?\d{1,9}", text) else 0


def is_reply(body: Json) -> bool:
    """Some gateways send a proper JSON-RPC error with status 4xx or 5xx."""
    replies = body if isinstance(body, list) else [body]
    return bool(replies) and all(isinstance(reply, dict) and "jsonrpc" in reply for reply in replies)


def retry_after(data: Json) -> float | None:
    """Return the seconds an error asks for: at the top of its data, or one level down, as in `rate`."""
    if not isinstance(data, dict):
        return None
    places = [data, *(place for place in data.values() if isinstance(place, dict))]
    found = (_seconds(place.get(key)) for place in places for key in _RETRY)
    return next((seconds for seconds in found if seconds is not None), None)


def _seconds(value: Json) -> float | None:
    """Read a number of seconds, or a text such as `5`, `14.3s` and `591ms`."""
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        return float(value)
    span = _SPAN.fullmatch(value) if isinstance(value, str) else None
    return float(span[1]) / (1000 if span[2] == "ms" else 1) if span else None
