"""Runs the tasks of one run, each in a process of its own, and reports how each ended.

The runner calls `run_tasks`; lines, starts and results come back through callbacks as they happen. When it
returns or raises, no process of any task is left.
"""

from __future__ import annotations

import os
import selectors
import signal
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from automation.executor import reaper
from automation.executor.attempt import Attempt, AttemptOutcome, Stage, result_of, should_retry, timed_out
from automation.executor.fork_client import Event, ForkServer, Refused, Started, Starting, TaskEnded, server_environment
from automation.executor.fork_supply import ForkSupply, ServerLost
from automation.executor.output import Output
from automation.executor.output_pipe import OutputPipe
from automation.executor.reaper import StopRequest
from automation.executor.task import Death, TaskResult, TaskStatus
from automation.executor.task_order import next_steps
from automation.jobs.model import Task
from monitoring.base.clock import Clock, SystemClock

__all__ = ["StopRequest", "Task", "TaskResult", "TaskStatus", "run_tasks"]

GRACE_S = 5.0
_DRAIN_S = 0.5  # for output still in the pipe when nobody of the task is left to write it


@dataclass(frozen=True, slots=True)
class _Listener:
    """Callbacks for what happens."""

    line: Callable[[str, str], None]
    start: Callable[[str, int], None]
    result: Callable[[TaskResult], None]


def run_tasks(
    tasks: Sequence[Task],
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
    server: ForkServer | None = None,
) -> list[TaskResult]:
    """Run `tasks`, at most `parallel` at once, and return their results in the order written.

    `on_line(task, line)` forwards output, `on_start(task, pid)` is called for each attempt, `on_result(result)` of
    each task's end. `deadline_s` bounds the whole; `stop` ends it early; a task that has to end gets SIGTERM
    and, `grace_s` later, SIGKILL. `preload` names modules that tasks find imported (missing ones are passed
    over). `server` is a fork server that was started beforehand, with its own preload; it is ended here like any
    other. While this runs the process inherits orphans, and when a fork server dies it kills every child it
    has except those it had before and those that `own_children` names.

    Raises:
        ValueError: two tasks have one name.
    """
    if len({task.name for task in tasks}) < len(tasks):
        raise ValueError("two tasks have one name")
    had = reaper.children()
    inherited = reaper.inherit_orphans()
    selector = selectors.DefaultSelector()
    supply = ForkSupply(
        cwd=os.fspath(cwd),
        env=server_environment(task.env for task in tasks),
        preload=list(preload),
        selector=selector,
        clock=clock or SystemClock(),
        spared=lambda: had.union(own_children()),
        first=server,
    )
    run = _TaskRuns(
        tasks,
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


class _TaskRuns:
    """The tasks of one run and the loop that watches over them."""

    def __init__(
        self,
        tasks: Sequence[Task],
        *,
        parallel: int,
        listener: _Listener,
        supply: ForkSupply,
        selector: selectors.BaseSelector,
        clock: Clock,
        grace_s: float,
    ) -> None:
        self._tasks = tasks
        self._parallel = parallel
        self._listener = listener
        self._supply = supply
        self._selector = selector
        self._clock = clock
        self._grace_s = grace_s
        self._tried: dict[str, list[Attempt]] = {task.name: [] for task in tasks}
        self._outputs = defaultdict[str, Output](Output)
        self._results: dict[str, TaskResult] = {}
        self._attempts: dict[int, Attempt] = {}  # those that run, by their number
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
            if len(self._results) == len(self._tasks):
                return [self._results[task.name] for task in self._tasks]
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
            running = {attempt.task.name for attempt in self._attempts.values()}
            steps = next_steps(self._tasks, ended, running, self._parallel)
            for task in (task for task in self._tasks if task.name in steps.skip):
                self._conclude(task, AttemptOutcome(TaskStatus.SKIPPED, steps.skip[task.name]))
            if steps.start and self._supply.is_ready():
                for task in steps.start:
                    self._begin(task)
            if not steps.skip:
                return

    def _begin(self, task: Task) -> None:
        self._begun += 1
        reader = self._supply.start(self._begun, task)
        if reader is None:
            return
        now = self._clock.monotonic()
        attempt = Attempt(task, self._begun, self._clock.now(), began=now, due_at=now + task.timeout_s)
        self._attempts[attempt.number] = attempt
        self._pipes[attempt.number] = OutputPipe(
            reader, self._selector, take=partial(self._take, task), ended=partial(self._drain_soon, attempt)
        )
        tried = self._tried[task.name]
        tried.append(attempt)
        if len(tried) > 1:
            self._forward(task, [f"[attempt {len(tried)} of {task.retries + 1}]"])

    # What the fork server says

    def _on_event(self, event: Event | ServerLost) -> None:
        match event:
            case Starting(number):
                self._attempts[number].taken = True
            case Started(number, pid):
                attempt = self._attempts[number]
                attempt.start(pid, self._clock.monotonic())
                self._listener.start(attempt.task.name, pid)
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
        self._tried[attempt.task.name].remove(attempt)

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
        running = {attempt.task.name for attempt in self._attempts.values()}
        for task in self._tasks:
            if task.name not in running and task.name not in self._results:
                tried = self._tried[task.name]
                self._conclude(task, tried[-1].outcome() if tried else AttemptOutcome(unstarted, verdict.reason))

    def _next_stage(self, attempt: Attempt, now: float) -> None:
        match attempt.stage:
            case Stage.RUNNING:
                self._ask_to_end(attempt, timed_out(attempt.task))
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
        task = attempt.task
        self._forward(task, self._outputs[task.name].end_attempt())
        outcome = attempt.outcome()
        if self._halted or not should_retry(outcome, len(self._tried[task.name]), task.retries):
            self._conclude(task, outcome)

    def _conclude(self, task: Task, outcome: AttemptOutcome) -> None:
        output = self._outputs[task.name]
        self._forward(task, output.summary())
        now, at = self._clock.monotonic(), self._clock.now()
        result = result_of(task, self._tried[task.name], outcome, output, now, at)
        self._results[result.name] = result
        self._listener.result(result)

    def _take(self, task: Task, data: bytes) -> None:
        self._forward(task, self._outputs[task.name].feed(data))

    def _forward(self, task: Task, lines: list[str]) -> None:
        for line in lines:
            self._listener.line(task.name, line)
