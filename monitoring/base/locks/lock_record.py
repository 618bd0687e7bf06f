"""What the holder of a lock writes into the lock file, so that others can say who it is; for lock.py alone.

The record is one padded line with a checksum, written at offset 0 in one go: a reader never believes a torn one.
"""

from __future__ import annotations

import json
import os
import time
import zlib
from dataclasses import dataclass
from datetime import datetime

from monitoring.base.clock import from_text, to_text
from monitoring.base.process_identity import ProcessId

RECORD_BYTES = 1024
_READS = 5
_BETWEEN_READS_S = 0.002


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock; `run_id`, `started_at` and `trigger` are unknown until the run has its row.

    What is no run has no `run_id`, and its kind as `trigger`.
    """

    pid: int
    process: ProcessId | None = None
    run_id: int | None = None
    started_at: datetime | None = None
    trigger: str = ""

    def __str__(self) -> str:
        unnamed = "another process" if self.trigger else "a process that has not yet said which run it is"
        who = unnamed if self.run_id is None else f"run {self.run_id}"
        since = "" if self.started_at is None else f", since {self.started_at:%Y-%m-%d %H:%M:%S} UTC"
        trigger = f", trigger {self.trigger}" if self.trigger else ""
        return f"{who} (pid {self.pid}{since}{trigger})"


def write_record(descriptor: int, holder: Holder | None) -> None:
    """Put the record into the lock file; None wipes it."""
    os.pwrite(descriptor, _encode(holder), 0)


def read_record(descriptor: int) -> Holder | None:
    """Return the record, or None where there is none that can be believed."""
    for _ in range(_READS):
        line = os.pread(descriptor, RECORD_BYTES, 0)
        if not line.strip():
            return None
        holder = _decode(line)
        if holder is not None:
            return holder
        time.sleep(_BETWEEN_READS_S)
    return None


def _encode(holder: Holder | None) -> bytes:
    if holder is None:
        return b" " * (RECORD_BYTES - 1) + b"\n"
    content = json.dumps(
        {
            "process": str(holder.process),
            "run_id": holder.run_id,
            "started_at": holder.started_at and to_text(holder.started_at),
            "trigger": holder.trigger,
        }
    )
    return f"{zlib.crc32(content.encode()):08x} {content}".encode().ljust(RECORD_BYTES - 1) + b"\n"


def _decode(line: bytes) -> Holder | None:
    checksum, _, content = line.rstrip().partition(b" ")
    try:
        if int(checksum, 16) != zlib.crc32(content):
            return None
        fields = json.loads(content)
        process = ProcessId.parse(fields["process"])
        started_at = fields["started_at"] and from_text(fields["started_at"])
        return Holder(process.pid, process, fields["run_id"], started_at, fields["trigger"])
    except (ValueError, KeyError, TypeError):
        return None
