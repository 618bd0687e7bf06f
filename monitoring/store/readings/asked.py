"""`provider_requests`: how often a run asked each provider of a chain. Goes with its run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from monitoring.store.db.compatibility import has_table
from monitoring.store.db.database import Database, Tx, fetch


@dataclass(frozen=True, slots=True)
class AskedProvider:
    """Requests to one provider, named by its host, and how many of them brought an answer."""

    chain: int
    provider: str
    requests: int
    answered: int


# A process writes the same row again as it goes on asking; a run whose row is gone (a lost database) has none.
_PUT = """
INSERT INTO provider_requests (run_id, task, chain, provider, requests, answered)
SELECT :run, :task, :chain, :provider, :requests, :answered WHERE EXISTS (SELECT 1 FROM runs WHERE id = :run)
ON CONFLICT DO UPDATE SET requests = excluded.requests, answered = excluded.answered
"""
_OF_RUN = """
SELECT chain, provider, sum(requests), sum(answered) FROM provider_requests WHERE run_id = ?
GROUP BY chain, provider ORDER BY sum(requests) DESC, chain, provider
"""


def put(tx: Tx, run_id: int, task: str, asked: Sequence[AskedProvider]) -> None:
    """Write what a task asked so far; of a task that is tried again the last try counts."""
    if not has_table(tx, "provider_requests"):
        return
    for each in asked:
        values = {"chain": each.chain, "provider": each.provider, "requests": each.requests, "answered": each.answered}
        tx.execute(_PUT, {"run": run_id, "task": task, **values})


def of_run(database: Database, run_id: int) -> list[AskedProvider]:
    """Return the requests of all tasks of a run, the provider that was asked most first."""
    with database.snapshot() as tx:
        if not has_table(tx, "provider_requests"):
            return []
        return [AskedProvider(*row) for row in fetch(tx, _OF_RUN, (run_id,))]
