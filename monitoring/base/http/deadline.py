"""One time limit over a call that takes none itself, such as the resolution of a name."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


def call_within(limit_s: float, call: Callable[[], _T]) -> _T | None:
    """Return what the call returns; none if it does not come back in time. What it raises is raised here.

    The call runs in a thread of its own, which is left behind when the time is up: nothing can end it from outside.
    """
    returned: list[_T] = []
    raised: list[BaseException] = []

    def work() -> None:
        try:
            returned.append(call())
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            raised.append(error)

    thread = threading.Thread(target=work, name="call-within", daemon=True)
    thread.start()
    thread.join(limit_s)
    if raised:
        raise raised[0]
    return returned[0] if returned else None
