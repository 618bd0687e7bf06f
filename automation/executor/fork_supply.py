"""Keeps one fork server at hand for a run: starts it, replaces it when it dies, gives up when that is hopeless.

Used by the executor, whose selector it serves. After a server's death it also kills what fell to this process.
"""

from __future__ import annotations

import selectors
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from automation.executor import reaper
from automation.executor.fork_client import Event, ForkServer, Lost, Ready, Starting
from automation.executor.task import Death
from automation.jobs.model import Task
from monitoring.base.clock import Clock

_READY_S = 30.0  # a preload takes about a second
_NEVER = float("inf")
_ORPHANS_S = 5.0
_IDLE_LOSSES = 3  # servers in a row that may die without having started a task


@dataclass(frozen=True, slots=True)
class ServerLost:
    """The fork server died; `deaths` are the ends of the processes that fell to us by that, by pid."""

    reason: str
    deaths: Mapping[int, Death]


class ForkSupply:
    """The fork server of a run, whichever it is at the moment.

    `first` is one that was started beforehand. Its events go to `on_event`. `hopeless` says why there will be no server
    any more. `due_at` is when `act_on_time` wants to be called (monotonic).
    """

    def __init__(
        self,
        *,
        cwd: str,
        env: Mapping[str, str],
        preload: list[str],
        selector: selectors.BaseSelector,
        clock: Clock,
        spared: Callable[[], Collection[int]],
        first: ForkServer | None = None,
    ) -> None:
        self._cwd = cwd
        self._env = env
        self._preload = preload
        self._selector = selector
        self._clock = clock
        self._spared = spared
        self._first = first
        self.on_event: Callable[[Event | ServerLost], None] = lambda _: None
        self._server: ForkServer | None = None
        self._is_ready = False
        self.due_at = _NEVER
        self._idle_losses = 0
        self.hopeless = ""

    def is_ready(self) -> bool:
        """Return whether tasks can start; when there is no server yet, start one."""
        if self._server is None and not self.hopeless:
            self._server = self._first or ForkServer(cwd=self._cwd, env=self._env, preload=self._preload)
            self._first = None
            self._selector.register(self._server, selectors.EVENT_READ, self._receive)
            self.due_at = self._clock.monotonic() + _READY_S
        return self._is_ready

    def act_on_time(self, now: float) -> None:
        if now >= self.due_at:
            self.due_at = now + _READY_S
            self.kill()

    def start(self, number: int, task: Task) -> int | None:
        """Have a task started; return the reader of its output, or None when there is no server."""
        reader = self._server.start(number, task) if self._server is not None else None
        self._watch()
        return reader

    def signal(self, number: int, signum: int) -> None:
        if self._server is not None:
            self._server.signal(number, signum)
            self._watch()

    def kill(self) -> None:
        """End a server that does not answer; its death is reported like any other."""
        if self._server is not None:
            self._server.kill()

    def close(self) -> None:
        """End the server and with it every process of a task."""
        for server in filter(None, (self._server, self._first)):
            if not server.close():
                reaper.kill_orphans(self._spared, _ORPHANS_S)
        self._server = self._first = None

    def _watch(self) -> None:
        """Wait for the link to become writable only while there is something to send."""
        if self._server is not None:
            interest = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._server.has_mail() else 0)
            self._selector.modify(self._server, interest, self._receive)

    def _receive(self) -> None:
        if self._server is None:
            return
        self._server.send_mail()
        self._watch()
        for event in self._server.events():
            match event:
                case Lost(reason):
                    self._report_loss(reason)
                    continue
                case Ready():
                    self._is_ready, self.due_at = True, _NEVER
                case Starting():
                    self._idle_losses = 0
            self.on_event(event)

    def _report_loss(self, reason: str) -> None:
        """Clear up after a server, and go without a preload when it died before its first task."""
        self._selector.unregister(self._server)  # type: ignore[arg-type]
        self._server, self._is_ready, self.due_at = None, False, _NEVER
        self._idle_losses += 1
        if self._idle_losses:
            self._preload = []
        if self._idle_losses > _IDLE_LOSSES:
            self.hopeless = reason
        self.on_event(ServerLost(reason, reaper.kill_orphans(self._spared, _ORPHANS_S)))
