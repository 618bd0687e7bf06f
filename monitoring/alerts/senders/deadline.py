"""One time limit over a call that takes none itself, such as the resolution of a name.

Called by the senders. The call runs in a thread of its own, which is left behind when time is up.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")
_GRACE_S = 0.5  # for a call that was cut off to come back with what it has


def call_within(limit_s: float, call: Callable[[], _T], cut: Callable[[], None] = lambda: None) -> _T | None:
    """Return what the call returns, or none if it does not come back in time, not even after `cut`.

    What it raises is raised here.
    """
    returned: list[_T] = []
    raised: list[BaseException] = []

    def work() -> None:
        try:
            returned.append(call())
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            raised.append(error)

    thread = threading.Thread(target=work, name="sender-call", daemon=True)
    thread.start()
    thread.join(limit_s)
    if thread.is_alive():
        cut()
        thread.join(_GRACE_S)
    if raised:
        raise raised[0]
    return returned[0] if returned else None
