"""Finds the senders: every module of this package that has a `DESTINATION`. Nobody else keeps a list of them.

The delivery loop holds one `Senders` and closes it. What is heavy about a sender is imported with its first message:
an HTTP client takes longer to load than most runs take.
"""

from __future__ import annotations

import functools
import pkgutil
from collections.abc import Mapping
from contextlib import ExitStack
from importlib import import_module
from typing import Any, Self

import monitoring.alerts.senders as package
from monitoring.alerts.senders import Destination, Message, OnPart, Sender, Sent, ignore_part


@functools.cache
def kinds() -> tuple[type[Destination], ...]:
    """Return every kind of destination, machines first, then by name."""
    names = [f"{package.__name__}.{found.name}" for found in pkgutil.iter_modules(package.__path__)]
    # One that only declares its variables has nothing to send with yet; they are protected all the same.
    found = [getattr(import_module(name), "DESTINATION", None) for name in names]
    ready = [kind for kind in found if kind is not None]
    return tuple(sorted(ready, key=lambda kind: (not kind.for_machines, kind.kind)))


def load_senders() -> None:
    """Import all of them now: who delivers on after letting go of the tree must not meet those of another revision."""
    for kind in kinds():
        for name in kind.opens_with:
            import_module(name)


class Senders:
    """Opens a sender when it is first needed; the environment holds the secrets that destinations only name."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._open: dict[str, Sender[Any]] = {}
        self._closing = ExitStack()

    def send(self, message: Message, destination: Destination, on_part: OnPart = ignore_part) -> Sent:
        """Deliver what is left of a message; see `Sender.send` for what is raised."""
        if destination.kind not in self._open:
            sender = self._made(destination)
            self._closing.callback(sender.close)
            self._open[destination.kind] = sender
        return self._open[destination.kind].send(message, destination, on_part)

    def close(self) -> None:
        """Let go of all connections."""
        self._closing.close()
        self._open.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def _made(self, destination: Destination) -> Sender[Any]:
        return destination.open(self._environ)
