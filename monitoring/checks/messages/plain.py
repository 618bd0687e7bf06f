"""How a part speaks of a transition: where its alerts go, and a title with blocks.

Every part carries a `AlertRoute` and makes a `AlertText`; `plain_message` is what stands in for one that cannot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from monitoring.alerts.message.guidance import NO_GUIDANCE, Guidance
from monitoring.alerts.message.text import kv, table
from monitoring.checks.expression.value_text import words
from monitoring.conditions.outcome import Transition, TransitionKind

_ROWS = 20
# What leads a title that is not the first of its problem; `state.save` takes it off again for the condition's row.
HEADS: Mapping[TransitionKind, str] = {
    TransitionKind.RECOVERED: "Over: ",
    TransitionKind.EASED: "Partly over: ",
    TransitionKind.REMINDER: "Still: ",
    TransitionKind.WORSENED: "Worse: ",
}


@dataclass(frozen=True, slots=True)
class OwnRoute:
    """What a check, a row or a call says of its own alerts; empty where it leaves that to what is around it."""

    protocol: str = ""
    channel: str = ""
    machine: bool | None = None
    guidance: Guidance = NO_GUIDANCE


NO_OWN_ROUTE = OwnRoute()


@dataclass(frozen=True, slots=True)
class AlertRoute:
    """Whose alerts these are (`protocol`), where that does not say it which channel they go to, and what to do then.

    `machine`: they call the webhook of the channel. `speaker` is named in the first line in place of the monitor.
    """

    protocol: str
    channel: str = ""
    guidance: Guidance = NO_GUIDANCE
    machine: bool = False
    speaker: str = ""

    @property
    def goes_to(self) -> str:
        """Return the channel: the protocol's own unless another one is named."""
        return self.channel or self.protocol

    def guided(self, guidance: Guidance) -> AlertRoute:
        """Return the route of something inside: what it says itself counts before what is said around it."""
        return replace(self, guidance=guidance.within(self.guidance))

    def narrowed(self, own: OwnRoute) -> AlertRoute:
        """Return the route of something inside with all that it says itself.

        A channel that is written outside stays: an asset of its own name does not leave the chat of its monitor.
        """
        return replace(
            self.guided(own.guidance),
            protocol=own.protocol or self.protocol,
            channel=own.channel or self.channel,
            machine=self.machine if own.machine is None else own.machine,
            speaker=own.protocol or self.speaker,
        )


@dataclass(frozen=True, slots=True)
class AlertText:
    """What an alert says: a title of one line, and blocks of `monitoring.alerts.message.text`.

    `threads` name what it is about, the main thing first, where its entries do not say it (`Alert.threads`).
    """

    title: str
    blocks: tuple[object, ...] = ()
    threads: tuple[str, ...] = ()


def plain_message(about: str, transition: Transition) -> AlertText:
    """Say what is known of any transition in plain words: its facts, then its entries."""
    blocks: list[object] = []
    if transition.facts:
        blocks.append(kv({name: words(value) for name, value in transition.facts.items()}))
    if transition.entries:
        rows = [(entry.kind, words(entry.id)) for entry in transition.entries[:_ROWS]]
        blocks += [table(("what", "which"), rows), *rows_left_out(len(transition.entries) - _ROWS)]
    if transition.detail:
        blocks.append(transition.detail)
    return AlertText(HEADS.get(transition.kind, "") + about, tuple(blocks))


def rows_left_out(more: int) -> list[object]:
    """Return the line under a list that was cut, where it was."""
    return [f"… and {more} more"] if more > 0 else []
