"""Every error this project raises on purpose. A subclass exists only where somebody catches it."""

from __future__ import annotations


class MonitoringError(Exception):
    """Something this project knows about went wrong; the message says what, where and what to do."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (self.__doc__ or "").strip())


class UsageError(MonitoringError):
    """The command line, the environment or a file an operator wrote cannot be used (exit 2)."""


class ConfigError(UsageError):
    """A configuration file has mistakes; `mistakes` holds one finished line for each."""

    def __init__(self, mistakes: list[str]) -> None:
        self.mistakes = mistakes
        super().__init__("\n".join(mistakes))


class StoreError(MonitoringError):
    """The database could not be read or written."""


class StoreBusyError(StoreError):
    """The database stayed locked by another process for longer than the time limit."""


class LockedError(MonitoringError):
    """Somebody else holds the lock (exit 75); `holder` describes who."""

    def __init__(self, message: str, holder: str = "") -> None:
        self.holder = holder
        super().__init__(message)


class SyncError(MonitoringError):
    """The checkout could not be brought to the reviewed revision."""


class SendError(MonitoringError):
    """A destination did not accept a message.

    `retry_after_s` is what the destination asked for; `unanswered` says that it did not answer at all.
    """

    def __init__(self, message: str, *, retry_after_s: float | None = None, unanswered: bool = False) -> None:
        self.retry_after_s = retry_after_s
        self.unanswered = unanswered
        super().__init__(message)


class RefusedError(SendError):
    """The destination answered and said no: it is asked again after long pauses, until somebody changes something.

    `of_text` says that it takes other messages and refuses this one.
    """

    def __init__(self, message: str, *, of_text: bool = False) -> None:
        self.of_text = of_text
        super().__init__(message)


class CredentialsError(SendError):
    """Credentials are missing or were refused: the delivery waits until they change."""


class ChatMigratedError(SendError):
    """The chat became a supergroup; `new_chat_id` is where its messages go from now on."""

    def __init__(self, message: str, new_chat_id: str) -> None:
        self.new_chat_id = new_chat_id
        super().__init__(message)


class ChainError(MonitoringError):
    """A chain could not be read."""
