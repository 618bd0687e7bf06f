"""Alerts that the database could not take, kept in a reserve until it can: the worst first where room is short.

Written by the monitor's process that met the fault, read by whatever reports on this host, emptied by the next run or
`deliver` that can write the database. What an alert is, `monitoring.alerts` knows.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from pathlib import Path

from monitoring.base.clock import from_text, to_text
from monitoring.store.spool.reserve import BLANK, Reserve, opened, read
from monitoring.store.tables.alerts import SEVERITIES

RESERVE = Reserve("unstored-alerts.log", "unstored-alerts", 256 * 1024)
# A monitor that cannot even keep an alert writes it to stderr behind this: then that line is all there is.
LOST = "ALERT NOT KEPT: "
_DROPPED = "dropped"
_ROOM_FOR_COUNTS = 300


@dataclass(frozen=True, slots=True)
class KeptAlert:
    """One alert; `body_json` is all of it. `condition` is the key it raises, of a monitor that raises by key.

    `times` counts how often the same was kept, since the first at `at`; `is_announced`: people were sent its title
    directly.
    """

    at: datetime
    severity: str
    protocol: str
    title: str
    body_json: str
    key: str | None = None
    condition: tuple[str, ...] | None = None
    kind: str = "alert"
    metadata_json: str | None = None
    run_id: int | None = None
    task: str | None = None
    debug: bool = False
    times: int = 1
    is_announced: bool = False

    @property
    def identity(self) -> tuple[object, ...]:
        """The same problem found by two runs is one alert; without a key only the same text is the same."""
        return (self.protocol, self.severity, self.kind, self.key if self.key is not None else self.body_json)

    @property
    def rank(self) -> int:
        return SEVERITIES.index(self.severity) if self.severity in SEVERITIES else 1


_FIELDS = tuple(each.name for each in fields(KeptAlert))


@dataclass(frozen=True, slots=True)
class Kept:
    """What a reserve holds, the worst first; `dropped` counts by severity what it had no room for."""

    alerts: tuple[KeptAlert, ...] = ()
    dropped: Counter[str] = field(default_factory=Counter)

    @property
    def counts(self) -> Counter[str]:
        return Counter(alert.severity for alert in self.alerts)


def by_severity(counts: Counter[str]) -> str:
    """Return counts in words, the worst severity first."""
    return ", ".join(f"{counts[name]} {name}" for name in reversed(SEVERITIES) if counts[name])


def prepare(directory: Path) -> None:
    """Allocate the room while there is some."""
    RESERVE.prepare(directory)


def keep(alerts: Sequence[KeptAlert], directory: Path) -> bool:
    """Keep alerts in the first place that can be written; False if there is none."""
    for place in RESERVE.places(directory):
        own = place == RESERVE.own_file(directory)
        with contextlib.suppress(OSError), opened(place, create=not own) as descriptor:
            _add(descriptor, alerts, keeps_size=own)
            return True
    return False


def look(directory: Path) -> Kept:
    """Return what is kept; of what cannot be read nothing is known."""
    users = _users(directory)
    found = Kept()
    for place in _places(directory, users):
        with contextlib.suppress(OSError):
            found = _joined(found, _parsed(read(place, RESERVE.size_bytes, users).rstrip(BLANK).split(BLANK)))
    return found


def changed_at(directory: Path) -> int:
    """Return a number that changes when what is kept does."""
    newest = 0
    for place in _places(directory, _users(directory)):
        with contextlib.suppress(OSError):
            newest = max(newest, place.lstat().st_mtime_ns)
    return newest


def announce(directory: Path, *, is_done: bool = True) -> bool:
    """Mark everything kept as sent to people directly, or not; say whether a CRITICAL alert had another mark."""
    is_news = False
    for place in RESERVE.places(directory):
        with contextlib.suppress(OSError), opened(place, create=False) as descriptor:
            kept = _parsed(RESERVE.lines(descriptor))
            changing = [alert for alert in kept.alerts if alert.is_announced is not is_done]
            is_news = is_news or any(alert.severity == SEVERITIES[-1] for alert in changing)
            if changing:
                marked = tuple(replace(alert, is_announced=is_done) for alert in kept.alerts)
                _write(descriptor, Kept(marked, kept.dropped), keeps_size=place == RESERVE.own_file(directory))
    return is_news


def hand_over(directory: Path, store: Callable[[Kept], None]) -> int:
    """Have everything kept stored, then forget it; return how many alerts that were.

    Raises:
        StoreError: what `store` raises; nothing is forgotten.
    """
    count = 0
    for place in RESERVE.places(directory):
        with contextlib.suppress(OSError), opened(place, create=False) as descriptor:
            kept = _parsed(RESERVE.lines(descriptor))
            if kept.alerts or kept.dropped:
                store(kept)
                RESERVE.rewrite(descriptor, [], keeps_size=place == RESERVE.own_file(directory))
                count += len(kept.alerts)
    return count


def _users(directory: Path) -> list[int]:
    """Whose files count: ours, and those of the state directory's owner, who runs the monitors."""
    users = [os.geteuid()]
    with contextlib.suppress(OSError):
        users.append(directory.stat().st_uid)
    return list(dict.fromkeys(users))


def _places(directory: Path, users: Iterable[int]) -> list[Path]:
    return list(dict.fromkeys(place for user in users for place in RESERVE.places(directory, user)))


def _add(descriptor: int, alerts: Sequence[KeptAlert], *, keeps_size: bool) -> None:
    """Add alerts to a file; where they do not fit, the least severe and the newest are dropped and counted."""
    together = _joined(_parsed(RESERVE.lines(descriptor)), Kept(tuple(alerts)))
    fitting, dropped = list[KeptAlert](), Counter(together.dropped)
    room = RESERVE.size_bytes - _ROOM_FOR_COUNTS
    for alert in together.alerts:
        room -= len(_line(alert)) + 1
        if room > 0:
            fitting.append(alert)
        else:
            dropped[alert.severity] += 1
    _write(descriptor, Kept(tuple(fitting), dropped), keeps_size=keeps_size)


def _joined(first: Kept, second: Kept) -> Kept:
    """Return both as one, the worst first and of those the oldest first; the same alert stands once."""
    by_identity: dict[tuple[object, ...], KeptAlert] = {}
    for alert in (*first.alerts, *second.alerts):
        known = by_identity.get(alert.identity)
        by_identity[alert.identity] = replace(known, times=known.times + alert.times) if known else alert
    ordered = sorted(by_identity.values(), key=lambda alert: (-alert.rank, alert.at))
    return Kept(tuple(ordered), first.dropped + second.dropped)


def _write(descriptor: int, kept: Kept, *, keeps_size: bool) -> None:
    import orjson  # noqa: PLC0415 - it brings uuid and platform, which no start needs

    head = [orjson.dumps({_DROPPED: dict(kept.dropped)})] if kept.dropped else []
    RESERVE.rewrite(descriptor, [*head, *map(_line, kept.alerts)], keeps_size=keeps_size)


def _line(alert: KeptAlert) -> bytes:
    import orjson  # noqa: PLC0415 - it brings uuid and platform, which no start needs

    return orjson.dumps({**asdict(alert), "at": to_text(alert.at)})


def _parsed(lines: Iterable[bytes]) -> Kept:
    """Read the lines of a file; what is torn, or was written there by somebody else, is left out."""
    alerts, dropped = [], Counter[str]()
    # A reserve that holds nothing is a quarter of a million empty lines, and every run looks at it.
    for line in filter(None, lines):
        with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError, RecursionError):
            found = json.loads(line)
            if _DROPPED in found:
                dropped += Counter({str(name): int(count) for name, count in found[_DROPPED].items()})
            else:
                known = {name: found[name] for name in _FIELDS if name in found}  # another release may know more
                condition = tuple(found["condition"]) if found.get("condition") else None
                alerts.append(KeptAlert(**{**known, "at": from_text(found["at"]), "condition": condition}))
    return Kept(tuple(alerts), dropped)
