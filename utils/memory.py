"""What a function remembers from run to run. A part of `Context`.

A value is written with the step it belongs to; what is said of it by hand in the database is read too.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import timedelta

from monitoring.alerts.recording.unit_of_work import SetState, Step, Value, decode, encode
from monitoring.base.clock import Clock, parse_duration
from monitoring.base.errors import StoreError
from monitoring.store.db.handle import SteadyStore
from monitoring.store.tables import state

Duration = str | timedelta


class Remembers(ABC):
    """What a function remembers."""

    name: str
    _clock: Clock
    _steady: SteadyStore

    @abstractmethod
    def _do(self, steps: list[Step]) -> None:
        """Write steps, or add them to the open block."""

    @abstractmethod
    def _open_steps(self) -> Sequence[Step]:
        """Return what an open block has not written yet."""

    @abstractmethod
    def _complain(self, text: str) -> None:
        """Say on stderr that something is wrong with us."""

    def remember(self, key: str, value: Value) -> None:
        """Keep a value for later runs: a text, a number of any size, a bool, or lists and dicts of them.

        Raises:
            UsageError: it would not come back as it is.
        """
        self._do(self._keeps({key: value}))

    def recall(self, key: str, *, max_age: Duration | None = None, default: Value = None) -> Value:
        """Return a remembered value; `default` if there is none, or if it was written longer than `max_age` ago.

        A value exactly as old as `max_age` still counts, one from the future does not.
        """
        for step in reversed(self._open_steps()):
            if isinstance(step, SetState) and step.key == key:
                return default if step.text is None else decode(step.text)
        found = self._read(key)
        if found is None:
            return default
        age = self._clock.now() - found.updated_at
        if max_age is not None and not timedelta(0) <= age <= duration(max_age):
            return default
        return decode(found.value)

    def age_of(self, key: str) -> timedelta | None:
        """Return how long ago a value was remembered, none if it never was."""
        found = self._read(key)
        return None if found is None else self._clock.now() - found.updated_at

    def forget(self, key: str) -> None:
        """Remove a remembered value."""
        self._do([SetState(self._namespace, key, None)])

    @property
    def _namespace(self) -> str:
        return f"monitor:{self.name}"

    def _keeps(self, values: Mapping[str, Value]) -> list[Step]:
        return [SetState(self._namespace, key, encode(key, value)) for key, value in values.items()]

    def _read(self, key: str) -> state.StoredValue | None:
        try:
            return self._steady.read(lambda database: state.get(database, self._namespace, key))
        except StoreError as error:
            self._complain(f"{key} cannot be recalled, the store failed: {error}")
            return None


def duration(value: Duration) -> timedelta:
    """Return a length of time; a text such as `90m` is read."""
    return value if isinstance(value, timedelta) else parse_duration(value)
