"""Runs the tasks of one run, each in a process of its own, and reports how each ended.

The runner calls `run_tasks`; lines, starts and results come back through callbacks as they happen. When it
returns or raises, no process of any task is left.
"""

from __future__ import annotations

import os
import selectors
import signal
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from automation.executor import reaper
from automation.executor.attempt import Attempt, AttemptOutcome, Stage, should_retry, timed_out
from automation.executor.fork_client import Event, Refused, Started, Starting, TaskEnded, server_environment
from automation.executor.fork_supply import ForkSupply, ServerLost
from automation.executor.output_pipe import OutputPipe
from automation.executor.progress import Progress
from automation.executor.reaper import StopRequest
from automation.executor.task import Command, Death, TaskResult, TaskStatus
from automation.executor.task_order import next_steps
from monitoring.base.clock import Clock, SystemClock

__all__ = ["Command", "StopRequest", "TaskResult", "TaskStatus", "run_tasks"]

GRACE_S = 5.0
_DRAIN_S = 0.5  # for output still in the pipe when nobody of the task is left to write it


@dataclass(frozen=True, slots=True)
class _Listener:
    """Callbacks for what happens."""

    line: Callable[[str, str], None]
    start: Callable[[str, int], None]
    result: Callable[[TaskResult], None]


def run_tasks(
    commands: Sequence[Command],
    *,
    cwd: str | os.PathLike[str],
    on_line: Callable[[str, str], None],
    on_start: Callable[[str, int], None],
    on_result: Callable[[TaskResult], None],
    parallel: int = 1,
    deadline_s: float | None = None,
    preload: Iterable[str] = (),
    stop: StopRequest | None = None,
    clock: Clock | None = None,
    grace_s: float = GRACE_S,
    own_children: Callable[[], Collection[int]] = tuple,
) -> list[TaskResult]:
    """Run `commands`, at most `parallel` at once, and return their results in the order written.

    `on_line(task, line)` forwards output, `on_start(task, pid)` is called for each attempt, `on_result(result)` of
    each task's end. `deadline_s` bounds the whole; `stop` ends it early; a task that has to end gets SIGTERM
    and, `grace_s` later, SIGKILL. `preload` names modules that tasks find imported (missing ones are passed
    over). While this runs the process inherits orphans, and when a fork server dies it kills every child it
    has except those it had before and those that `own_children` names.

    Raises:
        ValueError: two tasks have one name.
    """
    if len({command.name for command in commands}) < len(commands):
        raise ValueError("two tasks have one name")
    had = reaper.children()
    inherited = reaper.inherit_orphans()
    selector = selectors.DefaultSelector()
    supply = ForkSupply(
        cwd=os.fspath(cwd),
        env=server_environment(command.env for command in commands),
        preload=list(preload),
        selector=selector,
        clock=clock or SystemClock(),
        spared=lambda: had.union(own_children()),
    )
    run = _Run(
        commands,
        parallel=max(1, parallel),
        listener=_Listener(on_line, on_start, on_result),
        supply=supply,
        selector=selector,
        clock=clock or SystemClock(),
        grace_s=grace_s,
    )
    try:
        return run.to_the_end(stop, deadline_s)
    finally:
        supply.close()
        run.close()
        reaper.inherit_orphans(inherited)


class _Run:
    """The tasks of one run and the loop that watches over them."""

    def __init__(
        self,
        commands: Sequence[Command],
        *,
        parallel: int,
        listener: _Listener,
        supply: ForkSupply,
        selector: selectors.BaseSelector,
        clock: Clock,
        grace_s: float,
    ) -> None:
        self._commands = commands
        self._parallel = parallel
        self._listener = listener
        self._supply = supply
        self._selector = selector
        self._clock = clock
        self._grace_s = grace_s
        self._progress = {command.name: Progress(command) for command in commands}
        self._results: dict[str, TaskResult] = {}
        self._attempts: dict[int, Attempt] = {}
        self._pipes: dict[int, OutputPipe] = {}  # by the attempt's number
        self._begun = 0
        self._halted = False  # nothing starts any more
        supply.on_event = self._on_event

    def to_the_end(self, stop: StopRequest | None, deadline_s: float | None) -> list[TaskResult]:
        ends_at = float("inf") if deadline_s is None else self._clock.monotonic() + deadline_s
        if stop is not None:
            self._selector.register(stop, selectors.EVENT_READ, partial(self._stop, stop))
        while True:
            if self._clock.monotonic() >= ends_at:
                ends_at = float("inf")
                self._halt(AttemptOutcome(TaskStatus.TIMEOUT, f"the run's deadline of {deadline_s:g} s passed"))
            self._begin_tasks()
            if len(self._results) == len(self._commands):
                return [self._results[command.name] for command in self._commands]
            for key, _ in self._selector.select(self._pause(ends_at)):
                key.data()
            self._act_on_time()

    def close(self) -> None:
        for pipe in self._pipes.values():
            pipe.close()
        self._selector.close()

    def _pause(self, ends_at: float) -> float | None:
        """Return the seconds until something is due; None when nothing is."""
        due_at = min(ends_at, self._supply.due_at, *(attempt.due_at for attempt in self._attempts.values()))
        return max(0.0, due_at - self._clock.monotonic()) if due_at < float("inf") else None

    def _act_on_time(self) -> None:
        now = self._clock.monotonic()
        self._supply.act_on_time(now)
        for attempt in [attempt for attempt in self._attempts.values() if attempt.due_at <= now]:
            self._next_stage(attempt, now)

    # Starting

    def _begin_tasks(self) -> None:
        while not self._halted:
            ended = {name: result.status for name, result in self._results.items()}
            running = {attempt.command.name for attempt in self._attempts.values()}
            steps = next_steps(self._commands, ended, running, self._parallel)
            for name, reason in steps.skip.items():
                self._conclude(self._progress[name], AttemptOutcome(TaskStatus.SKIPPED, reason))
            if steps.start and self._supply.is_ready():
                for command in steps.start:
                    self._begin(command)
            if not steps.skip:
                return

    def _begin(self, command: Command) -> None:
        self._begun += 1
        reader = self._supply.start(self._begun, command)
        if reader is None:
            return
        now = self._clock.monotonic()
        attempt = Attempt(command, self._begun, began=now, due_at=now + command.timeout_s)
        self._attempts[attempt.number] = attempt
        self._pipes[attempt.number] = OutputPipe(
            reader, self._selector, take=partial(self._take, command), ended=partial(self._drain_soon, attempt)
        )
        self._tell(command, self._progress[command.name].begin(now, self._clock.now()))

    # What the fork server says

    def _on_event(self, event: Event | ServerLost) -> None:
        match event:
            case Starting(number):
                self._attempts[number].taken = True
            case Started(number, pid):
                attempt = self._attempts[number]
                attempt.start(pid, self._clock.monotonic())
                self._listener.start(attempt.command.name, pid)
            case Refused(number, reason):
                attempt = self._attempts[number]
                attempt.verdict = AttemptOutcome(TaskStatus.FAILED, f"could not be started: {reason}")
                self._end(attempt, None)
            case TaskEnded(number, death):
                self._end(self._attempts[number], death)
            case ServerLost():
                self._on_server_lost(event)

    def _on_server_lost(self, lost: ServerLost) -> None:
        """Settle every attempt after the server's death.

        One that had ended by itself keeps its own end; one that the server never took up is made again.
        """
        for attempt in list(self._attempts.values()):
            if attempt.stage is Stage.ENDED:
                continue
            if not attempt.taken and attempt.verdict is None:
                self._requeue(attempt)
                continue
            death = lost.deaths.get(attempt.pid or 0)
            by_itself = death is not None and death.signal != signal.SIGKILL
            if attempt.verdict is None and not by_itself:
                attempt.verdict = AttemptOutcome(TaskStatus.ABORTED, lost.reason)
            self._end(attempt, death)
        if self._supply.hopeless:
            self._halt(AttemptOutcome(TaskStatus.ABORTED, self._supply.hopeless), unstarted=TaskStatus.ABORTED)

    def _requeue(self, attempt: Attempt) -> None:
        self._pipes.pop(attempt.number).close()
        del self._attempts[attempt.number]
        self._progress[attempt.command.name].attempts -= 1

    def _end(self, attempt: Attempt, death: Death | None) -> None:
        wait_s = _DRAIN_S if self._pipes[attempt.number].is_open else 0.0
        attempt.end(death, self._clock.monotonic() + wait_s)

    def _drain_soon(self, attempt: Attempt) -> None:
        if attempt.stage is Stage.ENDED:
            attempt.due_at = self._clock.monotonic()

    # Ending tasks

    def _stop(self, stop: StopRequest) -> None:
        self._selector.unregister(stop)
        self._halt(AttemptOutcome(TaskStatus.ABORTED, "the run was stopped"))

    def _halt(self, verdict: AttemptOutcome, unstarted: TaskStatus = TaskStatus.SKIPPED) -> None:
        """Start nothing more. Running tasks are ended with `verdict`; those between attempts keep their last."""
        if self._halted:
            return
        self._halted = True
        for attempt in self._attempts.values():
            if attempt.stage is Stage.RUNNING:
                self._ask_to_end(attempt, verdict)
        running = {attempt.command.name for attempt in self._attempts.values()}
        for name in self._progress.keys() - running - self._results.keys():
            progress = self._progress[name]
            self._conclude(
                progress, progress.last.outcome() if progress.last else AttemptOutcome(unstarted, verdict.reason)
            )

    def _next_stage(self, attempt: Attempt, now: float) -> None:
        match attempt.stage:
            case Stage.RUNNING:
                self._ask_to_end(attempt, timed_out(attempt.command))
            case Stage.ASKED:
                attempt.stage, attempt.due_at = Stage.KILLED, now + self._grace_s
                self._supply.signal(attempt.number, signal.SIGKILL)
            case Stage.KILLED:
                attempt.due_at = now + self._grace_s
                self._supply.kill()  # it does not answer; its death is its children's
            case Stage.ENDED:
                self._finish(attempt)

    def _ask_to_end(self, attempt: Attempt, verdict: AttemptOutcome) -> None:
        attempt.verdict = verdict
        attempt.stage, attempt.due_at = Stage.ASKED, self._clock.monotonic() + self._grace_s
        self._supply.signal(attempt.number, signal.SIGTERM)
        self._supply.signal(attempt.number, signal.SIGCONT)  # a stopped process could not obey

    def _finish(self, attempt: Attempt) -> None:
        """Settle an attempt whose process is gone: take the last of its output, then retry or conclude."""
        self._pipes.pop(attempt.number).drain()
        del self._attempts[attempt.number]
        progress = self._progress[attempt.command.name]
        progress.end(attempt)
        self._tell(attempt.command, progress.output.end_attempt())
        outcome = attempt.outcome()
        if self._halted or not should_retry(outcome, progress.attempts, attempt.command.retries):
            self._conclude(progress, outcome)

    def _conclude(self, progress: Progress, verdict: AttemptOutcome) -> None:
        self._tell(progress.command, progress.output.summary())
        result = progress.result(verdict, self._clock.monotonic(), self._clock.now())
        self._results[result.name] = result
        self._listener.result(result)

    def _take(self, command: Command, data: bytes) -> None:
        self._tell(command, self._progress[command.name].output.feed(data))

    def _tell(self, command: Command, lines: list[str]) -> None:
        for line in lines:
            self._listener.line(command.name, line)
