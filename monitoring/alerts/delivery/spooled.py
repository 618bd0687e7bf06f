"""What becomes of an alert that the database cannot take: kept in the reserve, and stored when it can be.

Called by monitors when a write fails, by the runner and `deliver` once writing works again. It is then delivered as any
other, under the time at which it was raised.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from monitoring.alerts.message.model import Alert, Severity
from monitoring.alerts.message.render import render_plain
from monitoring.alerts.message.text import code
from monitoring.alerts.recording.store_alert import UNSTORED, AlertKind, AlertOrigin, raise_in, store_in
from monitoring.base.exact_json import from_json, to_json
from monitoring.conditions.condition import ConditionKey
from monitoring.store.db.database import Database, Tx
from monitoring.store.spool import unstored
from monitoring.store.spool.unstored import LOST, Kept, KeptAlert, by_severity

_LONGEST_BYTES = 16 * 1024
_SHORTENED_CHARS = 3000
_KINDS = frozenset(kind.value for kind in AlertKind)


@dataclass(frozen=True, slots=True)
class Unstored:
    """An alert whose transaction failed. `condition` is the key it would have raised by `raise_in`."""

    alert: Alert
    condition: ConditionKey | None = None
    kind: AlertKind = AlertKind.ALERT
    metadata: Mapping[str, object] | None = None


def keep(found: Sequence[Unstored], directory: Path, now: datetime, origin: AlertOrigin) -> list[str]:
    """Keep alerts in the reserve; return a line for each, for the log of the run."""
    is_kept = unstored.keep([_kept(each, now, origin) for each in found], directory) if found else True
    mark = UNSTORED if is_kept else LOST
    return [mark + _one_line(each.alert, now) for each in found]


def store_kept(database: Database, now: datetime) -> int:
    """Store everything that was kept, in one transaction; return how many alerts that were.

    Raises:
        StoreError: the database still cannot be written; nothing is lost.
    """

    def store(kept: Kept) -> None:
        with database.write() as tx:
            for alert in sorted(kept.alerts, key=lambda each: each.at):
                _store(tx, alert)
            if kept.dropped:
                store_in(tx, _about_dropped(kept.dropped), now=now)

    return unstored.hand_over(database.path.parent, store)


def _kept(found: Unstored, now: datetime, origin: AlertOrigin) -> KeptAlert:
    alert = _shortened(found.alert, now)
    key = found.condition
    return KeptAlert(
        at=now,
        severity=alert.severity.name,
        protocol=alert.protocol,
        title=alert.title,
        body_json=alert.to_json(),
        key=str(key) if key else alert.key,
        condition=(key.monitor, key.check, str(key.chain or ""), key.subject) if key else None,
        kind=found.kind.value,
        metadata_json=to_json(found.metadata).decode() if found.metadata else None,
        run_id=origin.run_id,
        task=origin.task,
        debug=origin.debug,
    )


def _shortened(alert: Alert, now: datetime) -> Alert:
    """Room is short: of an alert longer than all others the beginning must do."""
    if len(alert.to_json().encode()) <= _LONGEST_BYTES:
        return alert
    return Alert(
        alert.severity, alert.title[:300], code(render_plain(alert, now=now)[:_SHORTENED_CHARS]),
        "The rest was cut: the database could not be written when this was raised.",
        protocol=alert.protocol, channel=alert.channel, key=alert.key, source=alert.source, silent=alert.silent,
    )  # fmt: skip


def _store(tx: Tx, kept: KeptAlert) -> None:
    alert = Alert.from_json(kept.body_json)
    origin = AlertOrigin(kept.run_id, kept.task, debug=kept.debug)
    if kept.condition is not None:
        raise_in(tx, alert, now=kept.at, origin=origin, key=ConditionKey.of_texts(*kept.condition))
        return
    kind = AlertKind(kept.kind) if kept.kind in _KINDS else AlertKind.ALERT
    metadata = from_json(kept.metadata_json) if kept.metadata_json else None
    store_in(tx, alert, now=kept.at, origin=origin, kind=kind, metadata=metadata)


def _about_dropped(dropped: Counter[str]) -> Alert:
    return Alert(
        Severity.HIGH,
        f"{dropped.total()} alerts were lost: the database could not be written, and the reserve was full",
        f"By severity: {by_severity(dropped)}. Their texts are in the logs of the runs.",
        protocol="automation",
        source="ops_error",
    )


def _one_line(alert: Alert, now: datetime) -> str:
    text = " | ".join([alert.title, *render_plain(alert, now=now).split("\n")[1:]])
    return f"{alert.severity.name} {alert.protocol}: {text}"
