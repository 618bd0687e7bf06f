"""The reading end of one attempt's output: serves the executor's selector and never waits."""

from __future__ import annotations

import os
import selectors
from collections.abc import Callable

_READ_BYTES = 65_536  # what a pipe holds, pipe(7)
_LAST_READS = 16  # one more pipe of the largest size an unprivileged process may make, 1 MiB


class OutputPipe:
    """Hands what a task writes to `take`; `ended` is called once, when nobody can write any more."""

    def __init__(
        self,
        descriptor: int,
        selector: selectors.BaseSelector,
        *,
        take: Callable[[bytes], None],
        ended: Callable[[], None],
    ) -> None:
        self._descriptor = descriptor
        self._selector = selector
        self._take = take
        self._ended = ended
        self.is_open = True
        selector.register(descriptor, selectors.EVENT_READ, self.read)

    def read(self) -> bool:
        """Take what there is; False when there is nothing now, or nothing will come."""
        if not self.is_open:
            return False
        try:
            data = os.read(self._descriptor, _READ_BYTES)
        except BlockingIOError:
            return False
        if data:
            self._take(data)
            return True
        self.close()
        self._ended()
        return False

    def drain(self) -> None:
        """Take the rest and close, even if a process still holds the other end."""
        for _ in range(_LAST_READS):
            if not self.read():
                break
        self.close()

    def close(self) -> None:
        if self.is_open:
            self.is_open = False
            self._selector.unregister(self._descriptor)
            os.close(self._descriptor)
