"""Prints alerts on the terminal of `up` and of demos."""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TextIO

from monitoring.alerts.message.render import render_terminal
from monitoring.alerts.senders import Destination, Message, OnPart, RouteSettings, Sender, Sent, ignore_part
from monitoring.base.errors import RefusedError

VARIABLES = ("ALERTS_CONSOLE",)
PUBLIC = ("ALERTS_CONSOLE",)


@dataclass(frozen=True, slots=True)
class Console(Destination):
    """The terminal of `up` and of demos. Nobody may look at it, so it is no way to people."""

    missing: tuple[str, ...] = ()

    kind = "console"
    reaches_people = False

    @classmethod
    def find(cls, channel: str, settings: RouteSettings, *, operational: bool = False) -> Sequence[Self]:  # noqa: ARG003 - there is one console
        return [cls()] if settings.text("ALERTS_CONSOLE").lower() in ("1", "true") else []

    def __str__(self) -> str:
        return "console"

    def describe(self) -> str:
        return "the console"

    def open(self, _environ: Mapping[str, str]) -> Sender[Any]:
        return ConsoleSender(sys.stdout)


DESTINATION = Console


class ConsoleSender:
    """Writes to one stream, which it does not close; in colour if that is a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def send(self, message: Message, destination: Console, on_part: OnPart = ignore_part) -> Sent:  # noqa: ARG002 - there is one console
        """Print the alert; a stream that is gone does not come back."""
        if message.parts_sent:
            return Sent()
        try:
            text = render_terminal(message.shown, now=message.created_at, colour=self._stream.isatty())
            encoding = getattr(self._stream, "encoding", None) or "utf-8"
            self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
            self._stream.flush()
        except (OSError, ValueError) as error:
            raise RefusedError(f"the console is gone: {error}") from None
        on_part(1, ())
        return Sent()

    def close(self) -> None:
        """Leave the stream to its owner."""


if TYPE_CHECKING:
    _: Sender[Console] = ConsoleSender(io.StringIO())
