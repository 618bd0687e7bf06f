"""A runner in small, as a process of its own that tests may kill: `python -m tests.support.task_driver SPEC`.

SPEC is a JSON file: `tasks` (fields of Task), `cwd`, `options` (of run_tasks), `stop_itself` (when a task
starts). It holds a lock file and an inheritable pipe as a runner does. It prints one JSON value a line.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path

from automation.executor.executor import StopRequest, Task, run_tasks


def say(kind: str, **more: object) -> None:
    print(json.dumps({"kind": kind, **more}, default=str), flush=True)


def on_start(task: str, pid: int) -> None:
    say("start", task=task, pid=pid)


def peak_mib() -> float:
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024


def main() -> None:
    spec = json.loads(Path(sys.argv[1]).read_text())
    stop = StopRequest()
    signal.signal(signal.SIGTERM, lambda *_: stop.make())
    lock = os.open(Path(spec["cwd"]).parent / "lock", os.O_CREAT | os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    for descriptor in (lock, *os.pipe()):
        os.set_inheritable(descriptor, True)
    say("begun", pid=os.getpid())
    results = run_tasks(
        [Task(**fields) for fields in spec["tasks"]],
        cwd=spec["cwd"],
        on_line=lambda task, line: say("line", task=task, line=line) if spec.get("lines", True) else None,
        on_start=on_start if not spec.get("stop_itself") else lambda *_: os.kill(os.getpid(), signal.SIGSTOP),
        on_result=lambda _: None,
        stop=stop,
        **spec["options"],
    )
    for result in results:
        say("result", **asdict(result))
    say("done", peak_mib=peak_mib())


if __name__ == "__main__":
    main()
