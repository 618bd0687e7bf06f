"""Which webhooks no check calls: looked at in the first run, and after each change of the code or of the variables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from automation.jobs.model import Jobs
from automation.runner.run_record import RunRecord
from monitoring.base.settings import Settings
from monitoring.conditions.condition import ConditionKey
from monitoring.store.db.database import Database
from monitoring.store.tables import conditions, state, webhook_calls

KEY = "webhooks"  # of the condition, and of what was looked at last
_PROTOCOL = "automation"
_VARIABLES = ("WEBHOOK_", "LIQUIDITY_WEBHOOK_")


@dataclass(frozen=True, slots=True)
class Uncalled:
    """The variables of webhooks that lead nowhere; whether a machine of this host was called in the past."""

    variables: Sequence[str] = ()
    was_called: bool = False


def look(
    settings: Settings, record: RunRecord, jobs: Callable[[], Jobs | None], revision: str, now: datetime
) -> Uncalled | None:
    """Return what no check calls; None where nothing has changed since it was looked at."""
    names = sorted(name for name in settings.environ if name.startswith(_VARIABLES))
    mark = f"{revision} {' '.join(names)}" if names else ""
    was_called = _is_due(record, mark)
    if was_called is None:
        return None
    record.with_database(lambda database: _remember(database, mark, now))
    found = jobs() if names else None
    if found is None:
        return Uncalled()
    from automation.jobs.described import described, uncalled  # noqa: PLC0415 - a host without a webhook needs it not

    machines = described(found, settings.checkout, settings.cache_dir).machines
    return Uncalled(uncalled(settings.environ, machines), was_called)


def _is_due(record: RunRecord, mark: str) -> bool | None:
    """Return whether a machine was ever called; None where it need not be looked at again."""
    due: list[bool] = []

    def act(database: Database) -> None:
        known = state.get(database, _PROTOCOL, KEY)
        is_open = database.read(lambda tx: conditions.is_open(tx, ConditionKey(_PROTOCOL, KEY)))
        if is_open or (known.value if known else "") != mark:
            due.append(is_open or database.read(webhook_calls.any_at_all))

    record.read(act)
    return due[0] if due else None


def _remember(database: Database, mark: str, now: datetime) -> None:
    with database.write() as tx:
        state.put(tx, _PROTOCOL, KEY, mark, now)
