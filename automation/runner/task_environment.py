"""What a task's process gets to see: the operator's environment without the secrets that only delivery needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from monitoring.base.secrets.declared import is_kept_from_tasks

# Our own marks between processes, and what must not leak from one run into the next.
_OURS = ("AUTOMATION_",)


def task_environment(
    environ: Mapping[str, str],
    *,
    checkout: Path,
    cache_dir: Path,
    temporary: Path,
    run_id: int | None,
    task: str,
    heartbeat_names: Iterable[str],
    own: Mapping[str, str],
    is_brief: bool = False,
) -> dict[str, str]:
    """Build the complete environment of one task.

    Monitors need nothing of what sends: the runner delivers for them. `own` is what jobs.yaml says for profile and
    task; it wins. `heartbeat_names` are the variables that hold ping addresses. `is_brief` asks monitors to list only
    what is not fine. PYTHONPATH makes `import utils` find this checkout, wherever the script lies.
    """
    hidden = set(heartbeat_names)
    kept = {
        name: value
        for name, value in environ.items()
        if not is_kept_from_tasks(name) and not name.startswith(_OURS) and name not in hidden
    }
    kept |= {
        "CACHE_DIR": str(cache_dir),
        "TMPDIR": str(temporary),
        "PYTHONPATH": str(checkout),
        "AUTOMATION_TASK": task,
        "AUTOMATION_LISTING": "brief" if is_brief else "full",
    }
    if run_id is not None:
        kept["AUTOMATION_RUN_ID"] = str(run_id)
    return {**kept, **own}
