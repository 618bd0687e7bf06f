"""The parts of a minute's work: what nobody foresaw in one of them stops no other, and is reported until it is over."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from monitoring.alerts.message.model import RUNNER, Alert, Severity
from monitoring.alerts.recording.store_alert import AlertOrigin, raise_in, resolve_in
from monitoring.base.errors import StoreError
from monitoring.conditions.condition import ConditionKey
from monitoring.conditions.policy import Policy
from monitoring.store.db.database import OF_THE_FILE, Database, Tx
from monitoring.store.tables import conditions

log = logging.getLogger("automation.on_call")

KEY = ConditionKey(RUNNER, "on-call")
_REMINDED_EVERY = timedelta(days=1)
_MOST_NAMED, _MOST_ROWS = 5, 30


@dataclass(slots=True)
class Attempts:
    """What failed, by name, with the kind of its error. It is tried again in the next minute, or by the next run."""

    failed: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def part(self, name: str, tx: Tx | None = None) -> Iterator[None]:
        """Do one part; with `tx` what it had written is taken back if it fails.

        Raises:
            StoreError: the file cannot be used, which stops all parts alike.
        """
        try:
            if tx is None:
                yield
            else:
                with tx:
                    yield
        except (StoreError, *OF_THE_FILE):
            raise
        except Exception as error:  # noqa: BLE001 - the border of one part: somebody else must still be asked
            # Only the kind: the text of an unforeseen error may hold a secret.
            log.error("%s failed: %s", name, type(error).__name__)  # noqa: TRY400 - likewise
            self.failed[name] = type(error).__name__

    def report(self, database: Database, now: datetime, origin: AlertOrigin) -> None:
        """Raise the condition of what failed, or end it: it is an incident like any other."""
        if not self.failed and not database.read(lambda tx: conditions.is_open(tx, KEY)):
            return
        with database.write() as tx:
            if self.failed:
                policy = Policy(remind=_REMINDED_EVERY)
                alert, before = _alert(self.failed), conditions.get(tx, KEY)
                # What fails in addition is news: somebody has to look at it.
                is_news = before is not None and any(name not in before.title for name in self._named())
                raise_in(tx, alert, now=now, origin=origin, policy=policy, key=KEY, is_news=is_news)
            else:
                resolve_in(tx, KEY, now=now, origin=origin, note="escalation works again")

    def _named(self) -> list[str]:
        return list(self.failed)[:_MOST_NAMED]


def _alert(failed: dict[str, str]) -> Alert:
    more = len(failed) - _MOST_NAMED
    named = ", ".join(list(failed)[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
    return Alert(
        Severity.HIGH,
        f"Escalation failed in part: {named}",
        *(f"{name}: {kind}" for name, kind in list(failed.items())[:_MOST_ROWS]),
        "Nobody is asked about these until it works: look at them yourself. It is tried again each minute, or with the "
        "next run. The cause is an error in this program: report it with the log.",
        protocol=RUNNER,
        source="ops_error",
        key=KEY.check,
    )
