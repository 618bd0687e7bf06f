"""Who holds a condition open: what `m.alert(key=…)` raised, or a check that judges it. Each ends only its own.

With two rules one key would fire and recover in every run. Only an open condition has an owner, so that a script may
change from one to the other while all is well. A crash is reported by both, and ended by the task that reported it.
"""

from __future__ import annotations

from monitoring.conditions.condition import CRASH, Condition, Owner, State

_WHAT = {Owner.RAISED: "m.alert or m.resolve", Owner.JUDGED: "a check"}
_DID = {Owner.RAISED: "raised by m.alert", Owner.JUDGED: "judged by a check"}


def why_not(before: Condition, wanted: Owner, task: str | None) -> str:
    """Return why `wanted` may not change this condition now; nothing where it may."""
    owner, key = before.owner, before.key
    if before.state is State.OK or owner in (Owner.UNKNOWN, wanted) or key.check == CRASH:
        return ""
    by = f" in the task {before.owner_task}" if before.owner_task else ""
    here = f" in the task {task}" if task else ""
    return (
        f"the key {key.text!r} of {key.monitor} is {before.state} and {_DID[owner]}{by}: {_WHAT[wanted]}{here} needs a "
        f"key of its own. If nothing holds it any more, end it: incidents --done {key.monitor}/{key.text}"
    )


def is_crash_of_another(before: Condition, task: str | None) -> bool:
    """Return whether another task reported this crash, and so must be the one to end it."""
    return before.key.check == CRASH and bool(task and before.owner_task) and before.owner_task != task
