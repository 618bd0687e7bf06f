"""What an alert is: how bad, about what, and the structured text; with the JSON the store keeps of it.

Made by monitors and by the runner; rendered and sent by others. Nothing here knows a database or a destination.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from monitoring.alerts.message.codec import decode_block, encode_block
from monitoring.alerts.message.guidance import NO_GUIDANCE, Guidance
from monitoring.alerts.message.sanitize import clean, clean_line, is_blank, shorten
from monitoring.alerts.message.text import Block, as_block
from monitoring.base.formatting import show
from monitoring.conditions.severity import Severity

__all__ = ["VERSION", "Alert", "Severity"]

VERSION = 1
RUNNER = "automation"  # the protocol of what the runner and the delivery report about themselves
_LONGEST_NAME = 64  # ours: the first line has to leave room for what happened
_MOST_THREADS, _LONGEST_THREAD = 100, 500  # ours: a name is an address and a hash or two
_KEPT_BY_REDACTION = frozenset({"kind", "v", "severity", "protocol", "channel", "source", "key", "monitor"})


@dataclass(frozen=True, slots=True, init=False)
class Alert:
    """One thing people are notified of. `key` names its condition, `source` its kind (`protocol`, `crash`, …).

    `machine`: it calls the webhook of its channel, if it is HIGH or CRITICAL.

    `threads` name the things it is about, the main one first, such as `safe-tx/1/0x…`: where messages can answer each
    other it is a reply to the first message about one of them.

    The title says what happened and nothing else: severity and `monitor` (the protocol, where that is empty) are put
    before it when it is shown. `is_good` marks the end of something bad. What `guidance` says is among the blocks of
    an alert that is about to be stored.
    """

    severity: Severity
    title: str
    blocks: tuple[Block, ...]
    protocol: str
    channel: str
    key: str | None
    source: str
    silent: bool | None
    monitor: str
    is_good: bool
    guidance: Guidance
    machine: bool
    threads: tuple[str, ...]

    def __init__(
        self,
        severity: Severity | str,
        title: object,
        *blocks: object,
        protocol: str,
        channel: str = "",
        key: str | None = None,
        source: str = "protocol",
        silent: bool | None = None,
        monitor: str = "",
        is_good: bool = False,
        guidance: Guidance = NO_GUIDANCE,
        machine: bool = False,
        threads: Iterable[str] = (),
    ) -> None:
        """Take blocks, spans and plain values alike; a blank title gets a stand-in.

        Raises:
            UsageError: the severity is none of the four.
        """
        headline = clean_line(show(title))
        values = {
            "severity": Severity.parse(severity),
            "title": f"(alert of {clean_line(protocol) or 'nobody'} without a title)"
            if is_blank(headline)
            else headline,
            "blocks": tuple(as_block(block) for block in blocks),
            "protocol": clean_line(protocol),
            "channel": clean_line(channel),
            "key": None if key is None else clean(key),
            "source": clean_line(source),
            "silent": silent,
            "monitor": clean_line(monitor),
            "is_good": is_good,
            "guidance": guidance,
            "machine": machine,
            "threads": _cleaned(threads),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names by which a silence may mean it."""
        return self.protocol, self.channel, self.monitor

    @property
    def is_silent(self) -> bool:
        """Return whether it arrives without a sound: LOW does unless the author says otherwise."""
        return self.severity is Severity.LOW if self.silent is None else self.silent

    @property
    def lead(self) -> str:
        """Return what is shown before the title: `🔴 CRITICAL aave: `, `✅ aave: `."""
        return self.lead_after("")

    def lead_after(self, label: str) -> str:
        """Return it where `label` is shown before it: the same name is not said twice."""
        who = shorten(self.monitor or self.protocol, _LONGEST_NAME)
        # Scripts written before this existed begin their titles with their own name.
        named = "" if who in ("", label) or self.title.casefold().startswith(f"{who.casefold()}:") else f"{who}: "
        return f"✅ {named}" if self.is_good else f"{self.severity.emoji} {self.severity.name} {named}"

    def with_blocks(self, *blocks: object) -> Alert:
        """Return the alert with more blocks at its end."""
        return self._with(blocks=(*self.blocks, *(as_block(block) for block in blocks)))

    def reported_by(self, monitor: str) -> Alert:
        """Return the alert with another name in its first line."""
        return self._with(monitor=clean_line(monitor))

    def in_threads(self, *threads: str) -> Alert:
        """Return the alert with more names of what it is about, after those it has."""
        return self._with(threads=_cleaned((*self.threads, *threads)))

    def _with(self, **changed: object) -> Alert:
        """Return a copy in which only what changes was cleaned again: others wait while an alert is stored."""
        twin = object.__new__(Alert)
        for name in self.__slots__:
            object.__setattr__(twin, name, changed.get(name, getattr(self, name)))
        return twin

    def to_json(self) -> str:
        """Return all of it as one line of JSON, which `from_json` reads back equal."""
        return json.dumps(self._data(), ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Alert:
        """Read what any version wrote: unknown kinds of text become plain, an unknown severity MEDIUM.

        MEDIUM, because it sounds and no machine acts on it.

        Raises:
            ValueError: the text is not an alert at all.
        """
        try:
            orjson.loads(text)  # refuses what is nested so deep that json would exhaust the C stack
            return cls._from_data(json.loads(text))
        except (ValueError, RecursionError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"not an alert: {error!r}") from None

    def redacted(self, redact: Callable[[str], str]) -> Alert:
        """Return it with every shown text passed through `redact`; the condition it belongs to stays the same."""
        data = self._data()
        shown = _redacted(data, redact)
        return self if shown == data else self._from_data(shown)

    def _data(self) -> dict[str, Any]:
        return {
            "v": VERSION,
            "severity": self.severity.name,
            "title": self.title,
            "blocks": [encode_block(block) for block in self.blocks],
            "protocol": self.protocol,
            "channel": self.channel,
            "key": self.key,
            "source": self.source,
            "silent": self.silent,
            # Releases before these ignore them; without the first two they show the title behind its sign alone.
            **({"monitor": self.monitor} if self.monitor else {}),
            **({"is_good": True} if self.is_good else {}),
            **({"runbook": self.guidance.runbook} if self.guidance.runbook else {}),
            **({"note": self.guidance.note} if self.guidance.note else {}),
            **({"machine": True} if self.machine else {}),
            **({"threads": list(self.threads)} if self.threads else {}),
        }

    @classmethod
    def _from_data(cls, data: dict[str, Any]) -> Alert:
        severity, silent, key = str(data["severity"]).upper(), data.get("silent"), data.get("key")
        return cls(
            severity if severity in Severity.__members__ else Severity.MEDIUM,
            data["title"],
            *(decode_block(block) for block in data.get("blocks") or ()),
            protocol=str(data["protocol"]),
            channel=str(data.get("channel") or ""),
            key=None if key is None else str(key),
            source=str(data.get("source") or "protocol"),
            silent=silent if isinstance(silent, bool) else None,
            monitor=str(data.get("monitor") or ""),
            is_good=data.get("is_good") is True,
            guidance=Guidance(str(data.get("runbook") or ""), str(data.get("note") or "")),
            machine=data.get("machine") is True,
            threads=(name for name in _items(data.get("threads")) if isinstance(name, str)),
        )


def of_this_host(alert: Alert) -> Alert:
    """Return what the runner itself says with the name of its machine in the first line: a team has more than one."""
    if alert.protocol != RUNNER or alert.monitor:
        return alert
    return alert.reported_by(f"{RUNNER} {os.uname().nodename}")


def _cleaned(threads: Iterable[str]) -> tuple[str, ...]:
    """Return each name once; one that is too long would be another's once it is cut, so it is left out."""
    names = dict.fromkeys(clean_line(name) for name in threads)
    return tuple(name for name in names if 0 < len(name) <= _LONGEST_THREAD)[:_MOST_THREADS]


def _items(found: object) -> list[object]:
    return found if isinstance(found, list) else []


def _redacted(data: Any, redact: Callable[[str], str]) -> Any:  # noqa: ANN401 - JSON
    if isinstance(data, str):
        return redact(data)
    if isinstance(data, list):
        return [_redacted(item, redact) for item in data]
    if isinstance(data, dict):
        return {name: value if name in _KEPT_BY_REDACTION else _redacted(value, redact) for name, value in data.items()}
    return data
