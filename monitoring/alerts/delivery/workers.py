"""The threads that talk to destinations, each with its own connections. They never touch the store.

Called by the delivery loop, which hands out jobs and takes outcomes; a hanging destination blocks one thread.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from monitoring.alerts.delivery.outbox import LONGEST_PAUSE_S, Outcome, Paused
from monitoring.alerts.delivery.pace import Job
from monitoring.alerts.senders import Accepted, Destination, Message, OnPart, Sent
from monitoring.base.errors import SendError

log = logging.getLogger("monitoring.delivery")
# The loop answers within one transaction; a loop that died must not hold the thread permanently.
_REPLY_TIMEOUT_S = 30.0


class Sending(Protocol):
    """What a thread sends with; `senders.registry.Senders` is one."""

    def send(self, message: Message, destination: Destination, on_part: OnPart = ...) -> Sent: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Done:
    """A job has come to an end."""

    job: Job
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class PartDone:
    """A part of a long message was accepted; `reply` takes the seconds to wait, or none to stop here."""

    job: Job
    parts_sent: int
    messages: Sequence[Accepted] = ()
    reply: queue.SimpleQueue[float | None] = field(default_factory=queue.SimpleQueue)


Report: TypeAlias = Done | PartDone


class _PauseError(Exception):
    """Raised through a sender to stop between two parts."""

    def __init__(self, parts_sent: int) -> None:
        self.parts_sent = parts_sent
        super().__init__(f"paused after part {parts_sent}")


class Pools:
    """Threads for each kind of destination, so that one that hangs delays no other. Reports arrive in `reports`."""

    def __init__(self, open_senders: Callable[[], Sending], most: int) -> None:
        self.reports: queue.SimpleQueue[Report] = queue.SimpleQueue()
        self._open_senders = open_senders
        self._most = most
        self._pools: dict[str, Workers] = {}

    def give(self, job: Job, in_flight: int) -> None:
        """Hand out a job to the threads of its kind; `in_flight` counts those of the kind with it."""
        kind = job.peer.kind
        if kind not in self._pools:
            self._pools[kind] = Workers(self._open_senders, self._most, self.reports)
        self._pools[kind].give(job, in_flight)

    def stop(self) -> None:
        """Let all threads end after what they are doing; long messages stop at their next part."""
        for pool in self._pools.values():
            pool.stop()


class Workers:
    """Up to `most` daemon threads, started when they are first needed."""

    def __init__(self, open_senders: Callable[[], Sending], most: int, reports: queue.SimpleQueue[Report]) -> None:
        self._reports = reports
        self._most = most
        self._open_senders = open_senders
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._started = 0
        self._stopping = threading.Event()

    def give(self, job: Job, in_flight: int) -> None:
        """Hand out a job; `in_flight` counts those being worked on with it."""
        if self._started < min(in_flight, self._most):
            self._started += 1
            threading.Thread(target=self._work, name=f"delivery-{self._started}", daemon=True).start()
        self._jobs.put(job)

    def stop(self) -> None:
        """Let the threads end after what they are doing; long messages stop at their next part."""
        self._stopping.set()
        for _ in range(self._started):
            self._jobs.put(None)

    def _work(self) -> None:
        senders = self._open_senders()
        try:
            while (job := self._jobs.get()) is not None:
                self._reports.put(Done(job, self._attempt(senders, job)))
        finally:
            senders.close()

    def _attempt(self, senders: Sending, job: Job) -> Outcome:
        try:
            return senders.send(job.message, job.destination, self._on_part(job))
        except _PauseError as pause:
            return Paused(pause.parts_sent)
        except SendError as error:
            return error
        except Exception as error:  # noqa: BLE001 - the delivery loop's border: one message stops only itself
            # Only the kind: the text of an unforeseen error may hold an address, and with it a token.
            log.error("alert %d: the sender broke (%s)", job.message.id, type(error).__name__)  # noqa: TRY400 - likewise
            return SendError(f"the sender broke ({type(error).__name__})")

    def _on_part(self, job: Job) -> OnPart:
        total = job.destination.parts(job.message)

        def on_part(parts_sent: int, messages: Sequence[Accepted]) -> None:
            if parts_sent >= total:
                return  # the end of the message is reported with it
            report = PartDone(job, parts_sent, messages)
            self._reports.put(report)
            try:
                wait_s = report.reply.get(timeout=_REPLY_TIMEOUT_S)
            except queue.Empty:
                wait_s = None
            if wait_s is None or wait_s > LONGEST_PAUSE_S or self._stopping.wait(wait_s):
                raise _PauseError(parts_sent)

        return on_part
