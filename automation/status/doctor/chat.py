"""What people write to the bot: whether somebody reads it, and whether escalation has its minutes."""

from __future__ import annotations

from collections.abc import Iterator

from automation.on_call import path_of
from automation.on_call.load import load_on_call
from automation.status.doctor import DoctorContext, Examination, Finding, FindingLevel, Problem, ok
from monitoring.base.clock import instant_or_none
from monitoring.base.errors import ConfigError
from monitoring.base.formatting import format_duration
from monitoring.base.locks.chat_reader import FRESH, holder, read_state

_START = "sudo systemctl enable --now monitoring-chat; without systemd: python -m automation up"
_ESCALATES = "people are asked at the end of each run instead of in their minute, and messages have no buttons"

UNREAD = Problem(
    "chat-unread",
    "chat",
    "a question to somebody on call comes minutes late, and alerts have no buttons",
    "on_call.yaml has an escalation, and nothing reads the bot's chat",
    _ESCALATES,
    _START,
    FindingLevel.WARN,
)
NOT_READABLE = Problem(
    "chat-not-readable",
    "chat",
    "the bot does not answer, and taps on buttons do nothing",
    "Telegram refuses to give the bot's messages to this host: another reader, a webhook, a refused token, no network",
    "nobody can acknowledge an alert from the chat",
    "do what the message says; `listen` tries again by itself",
)
HANGS = Problem(
    "chat-hangs",
    "chat",
    "the bot does not answer, and taps on buttons do nothing",
    "the process that reads the chat is there and has polled nothing for minutes",
    "nobody can acknowledge an alert from the chat",
    "sudo systemctl restart monitoring-chat; journalctl -u monitoring-chat -n 50",
)


def chat(context: DoctorContext) -> Iterator[Finding]:
    """Say nothing where nobody reads and nobody has to: it is optional."""
    process, state = holder(context.settings.locks), read_state(context.settings.locks)
    if process is None:
        if _has_minutes(context):
            yield UNREAD.found("nobody reads the bot's chat: the next run escalates")
        return
    if state.problem:
        yield NOT_READABLE.found(f"{state.problem} (since {state.since[:16]}Z)")
        return
    polled_at = instant_or_none(state.polled_at)
    if polled_at is None or abs(context.now - polled_at) > FRESH:
        ago = format_duration(context.now - polled_at) if polled_at else "ever"
        yield HANGS.found(f"pid {process.pid} has not polled for {ago}")
        return
    yield ok("chat", f"@{state.username} is read by pid {process.pid}")


def _has_minutes(context: DoctorContext) -> bool:
    try:
        team = load_on_call(path_of(context.config))
    except ConfigError:
        return False  # `validate` and the next run report it
    return team is not None and team.escalation is not None


EXAMINATIONS: tuple[Examination, ...] = (chat,)
