"""The Safe Transaction Service: the queue of a Safe, whole or visibly not, at a pace the keys allow.

Called by the monitor of Safes. Every filter is checked again here, because the service has answered executed rows to a
question for pending ones. A failure is `Unknown`, which an empty queue is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from monitoring.base.http.client import Request
from monitoring.chains.abi.addresses import checksum
from monitoring.chains.abi.values import Json, Unknown
from monitoring.chains.networks import Network
from monitoring.chains.rpc.budget import Budget
from monitoring.chains.services.client import TRIES, NoAnswer, Service, read_json
from monitoring.chains.services.safe_rows import (
    SafeInfo,
    SafeQueue,
    SafeTransaction,
    claimed_executed,
    read_info,
    read_transaction,
)

BASE = "https://api.safe.global/tx-service"
PAGE = 100
MAX_ROWS = 1000
MAX_PAGES = 50  # enough for pages of twenty rows
KEYS = ("SAFE_API_KEY", *(f"SAFE_API_KEY_{place}" for place in range(2, 10)))
# The published plans: without a key 2 requests/s and 5,000 a month, with a free key 5/s and 50,000. Paced below them.
_PACE_ANONYMOUS_S, _PACE_KEY_S = 0.55, 0.25
_MONTH_ANONYMOUS, _MONTH_KEY = 5_000, 50_000
_MONTH_S = 30 * 86_400
_KEY_TROUBLE = frozenset({401, 403, 429})
_NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class Quota:
    """Whether a month of polling fits the plans."""

    calls_per_month: int
    allowed: int

    @property
    def fits(self) -> bool:
        return self.calls_per_month <= self.allowed


def quota(safes: int, every_s: float, keys: int, calls_per_safe: float = 1) -> Quota:
    """Return what polling this many Safes costs in a month against what the keys allow."""
    allowed = keys * _MONTH_KEY if keys else _MONTH_ANONYMOUS
    return Quota(round(safes * calls_per_safe * _MONTH_S / every_s), allowed)


def keys_from(environ: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(environ[name].strip() for name in KEYS if environ.get(name, "").strip()))


def open_safe_service(environ: Mapping[str, str], service: Service) -> SafeService:
    """Make a client from `SAFE_API_KEY`, `SAFE_API_KEY_2` … and `SAFE_SERVICE_URL` (another server)."""
    return SafeService(service, keys_from(environ), environ.get("SAFE_SERVICE_URL") or BASE)


class SafeService:
    """Asks with the keys in turn; a key that is refused or used up is left out for the rest of the task."""

    def __init__(self, service: Service, keys: tuple[str, ...] = (), base: str = BASE) -> None:
        self._service = service
        self._keys = list(keys)
        self._base = base.rstrip("/")
        self._turn = 0
        self._free_at = 0.0
        self.requests = 0

    @property
    def _budget(self) -> Budget:
        return self._service.budget

    def queue(self, network: Network, safe: str, from_nonce: int) -> SafeQueue | Unknown:
        """Return everything pending at or above a nonce: give the Safe's current one, read from the chain.

        Pages are read to the end, from the number of rows that came: they may be smaller than asked for. What the
        service counts must have come, or the queue is not complete.
        """
        address = checksum(safe)
        rows: dict[str, Json] = {}
        for _ in range(MAX_PAGES):
            query = f"executed=false&nonce__gte={from_nonce}&ordering=nonce&limit={PAGE}&offset={len(rows)}"
            body = self._versioned(network, f"safes/{address}/multisig-transactions/?{query}")
            page = body.get("results") if isinstance(body, dict) else None
            if isinstance(body, Unknown):
                return body
            if not isinstance(body, dict) or not isinstance(page, list):
                return self._unknown(network, f"the queue of {address} has no results in it")
            known, count = len(rows), body.get("count")
            rows |= {_identity(row, place): row for place, row in enumerate(page, known)}
            missing = isinstance(count, int) and len(rows) < count
            more = missing or bool(body.get("next"))
            if not more or len(rows) == known:
                complete = not missing and (not more or not page)
                return _queue(rows.values(), network.id, address, from_nonce, complete=complete)
            if len(rows) >= MAX_ROWS:
                break
        return _queue(rows.values(), network.id, address, from_nonce, complete=False)

    def info(self, network: Network, safe: str) -> SafeInfo | Unknown:
        """Return owners, threshold and the rest as indexed; the chain itself is the better witness."""
        address = checksum(safe)
        body = self._get(network, f"api/v1/safes/{address}/")
        if isinstance(body, Unknown):
            return body
        info = read_info(body)
        return info or self._unknown(network, f"what it says of {address} lacks fields")

    def indexing(self, network: Network) -> bool | Unknown:
        """Return whether the service says that it is in step with the chain."""
        body = self._get(network, "api/v1/about/indexing/")
        if isinstance(body, Unknown):
            return body
        synced = body.get("synced") if isinstance(body, dict) else None
        return synced if isinstance(synced, bool) else self._unknown(network, "it does not say whether it is in step")

    def _versioned(self, network: Network, path: str) -> Json | Unknown:
        """Ask v2, and v1 where there is no v2: both shapes are read alike."""
        answer = self._get(network, f"api/v2/{path}")
        if isinstance(answer, NoAnswer) and answer.status == _NOT_FOUND:
            return self._get(network, f"api/v1/{path}")
        return answer

    def _get(self, network: Network, path: str) -> Json | Unknown:
        """Ask with the next key; with several, a key that is refused or used up is left out and another one tried."""
        if not network.safe_service:
            return self._unknown(network, "no such service is known for this chain")
        url = f"{self._base}/{network.safe_service}/{path}"
        failures = 0
        while True:
            key = self._next_key()
            others = len(self._keys) > 1
            self._pace()
            self.requests += 1
            headers = {"accept": "application/json"} | ({"authorization": f"Bearer {key}"} if key else {})
            answer = self._service.ask(Request(url, headers=headers), tries=1 if others else TRIES)
            if not isinstance(answer, NoAnswer):
                return read_json(answer)
            if others and answer.status in _KEY_TROUBLE:
                self._keys.remove(key)
                continue
            failures += 1
            if not others or not answer.transient or failures >= TRIES:
                return answer

    def _next_key(self) -> str:
        if not self._keys:
            return ""
        self._turn += 1
        return self._keys[self._turn % len(self._keys)]

    def _pace(self) -> None:
        """Wait until the plan allows another request; keys add up."""
        now_s = self._budget.clock.monotonic()
        if self._free_at > now_s:
            self._budget.wait(self._free_at - now_s)
        step_s = _PACE_KEY_S / len(self._keys) if self._keys else _PACE_ANONYMOUS_S
        self._free_at = max(self._free_at, now_s) + step_s

    def _unknown(self, network: Network, reason: str) -> Unknown:
        return Unknown(f"Safe service for {network.slug}: {reason}", "safe service")


def _identity(row: Json, place: int) -> str:
    """Return the row's identity, so that a row repeated on the next page is counted once."""
    tx_hash = row.get("safeTxHash") if isinstance(row, dict) else None
    return str(tx_hash) if tx_hash else f"row {place}"


def _queue(rows: Iterable[Json], chain: int, safe: str, from_nonce: int, *, complete: bool) -> SafeQueue:
    rows = list(rows)
    read = [read_transaction(row, chain, safe) for row in rows]
    problems = [one for one in read if isinstance(one, str)]
    found = {one.safe_tx_hash: one for one in read if isinstance(one, SafeTransaction) and one.nonce >= from_nonce}
    ordered = sorted(found.values(), key=lambda one: (one.nonce, one.safe_tx_hash))
    executed = frozenset(filter(None, (claimed_executed(row, safe) for row in rows)))
    return SafeQueue(tuple(ordered), complete, tuple(problems), executed)
