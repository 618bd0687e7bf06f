"""Channel → route → destination → sender: where an alert goes, found with the real environment when it is sent. Pure.

Called by the delivery loop and by whatever shows a route (`alerts --route`, `alerts show`, `doctor`). Which variables
mean what is declared by each sender; what a secret variable holds never enters a plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from monitoring.alerts.channels import CRASH, OPERATIONAL_SOURCES, candidates, variable_part
from monitoring.alerts.message.model import Severity
from monitoring.alerts.senders import Destination, Peer, RouteReason, RouteSettings, telegram
from monitoring.alerts.senders.registry import kinds
from monitoring.alerts.senders.telegram import TelegramChat
from monitoring.base.public_address import public_url
from monitoring.base.settings import TEST_CHAT, log_level
from monitoring.store.tables.deliveries import PLACEHOLDER, Status
from monitoring.store.tables.outbox import Group

_ANNOUNCEMENTS = "AUTOMATION/ops_error"  # the channel of what delivery itself has to say, as rows spell it
_NO_CRASH_ROUTE = "no errors route is configured: the crash is quoted in the digest"


@dataclass(frozen=True, slots=True)
class ChannelRoutes:
    """Every destination of a channel's alerts, the reason for the Telegram one, and remarks on odd settings.

    A destination with `missing` variables waits for them (`skipped_missing_credentials`).
    """

    channel: str
    route: RouteReason
    destinations: tuple[Destination, ...]
    notes: tuple[str, ...] = ()

    def for_severity(self, severity: Severity) -> tuple[Destination, ...]:
        """Return those that take an alert this bad: webhooks only HIGH and CRITICAL ones."""
        return tuple(destination for destination in self.destinations if severity >= destination.least)

    @property
    def missing(self) -> tuple[str, ...]:
        """The variables that some destination waits for, each once."""
        return tuple(dict.fromkeys(name for destination in self.destinations for name in destination.missing))

    def explain(self) -> tuple[str, ...]:
        """Return the lines of `alerts --route CHANNEL`."""
        return (
            f"channel {self.channel}: {self.route.value}",
            *(f"  -> {_described(destination)}" for destination in self.destinations),
            *(f"  note: {note}" for note in self.notes),
        )


@dataclass(frozen=True, slots=True)
class Undeliverable:
    """A group that cannot be sent: for good, or until credentials appear."""

    status: Status
    why: str


@dataclass(frozen=True, slots=True)
class FanOut:
    """A placeholder and what takes its place."""

    destinations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LaneQueue:
    """All that goes to one destination: the destination as rows name it, the channels that lead there."""

    peer: Peer
    row_destination: str
    channels: tuple[str, ...]
    worst_rank: int
    first_id: int


def plan(alert_channel: str, protocol: str, source: str, environ: Mapping[str, str]) -> ChannelRoutes:
    """Decide where the alerts of a channel go.

    Telegram, first match: test chat; topic; the channel's chat; default chat; else it waits. Some channels have others
    before or after them, of which the first with a chat or topic counts: docs/telegram.md.
    """
    settings = RouteSettings(environ)
    operational = source in OPERATIONAL_SOURCES
    channel = variable_part(alert_channel.strip() or protocol)
    if log_level(environ)[0] == "DEBUG":
        return ChannelRoutes(channel, RouteReason.DEBUG, ())
    if settings.text(TEST_CHAT):
        return _routes(channel, RouteReason.TEST_CHAT, [TelegramChat.test_chat(settings)], settings)
    channel = next((one for one in candidates(channel, source) if telegram.has_route(one, settings)), channel)
    reason, chat = TelegramChat.route(channel, settings)
    others = [
        found
        for kind in kinds()
        if kind is not TelegramChat
        for found in kind.find(channel, settings, operational=operational)
    ]
    if chat.missing and not telegram.is_used(settings) and any(other.reaches_people for other in others):
        return _routes(channel, RouteReason.NO_TELEGRAM, others, settings)
    return _routes(channel, reason, [chat, *others], settings)


@dataclass(slots=True)
class RouteResolver:
    """Finds the way of each channel; the environment does not change while a process lives, so plans are kept."""

    environ: Mapping[str, str]
    moved_chats: dict[str, str] = field(default_factory=dict)
    _plans: dict[str, ChannelRoutes] = field(default_factory=dict)

    @property
    def pages(self) -> str:
        """Return the address of the dashboard, nothing if it has none that people can use."""
        return public_url(self.environ)

    def plan_of(self, channel: str) -> ChannelRoutes:
        """Return the plan of a channel as delivery rows spell it (`AAVE`, `AAVE/crash`)."""
        found = self._plans.get(channel)
        if found is None:
            name, _, source = channel.partition("/")
            found = self._plans[channel] = plan(name, name, source, self.environ)
        return found

    def destination(self, row_destination: str, channel: str) -> Destination | Undeliverable | FanOut:
        """Say where the deliveries of one kind and channel go."""
        route = self.plan_of(channel)
        if route.route is RouteReason.DEBUG:
            return Undeliverable("skipped_debug", route.route.value)
        if channel.endswith("/" + CRASH) and route.route is not RouteReason.TEST_CHAT and route.channel != "ERRORS":
            return Undeliverable("not_attempted", _NO_CRASH_ROUTE)
        if row_destination == PLACEHOLDER:
            return FanOut(tuple(str(each) for each in route.destinations if not each.of_every_alert))
        return self._found(row_destination, route)

    def _found(self, row_destination: str, route: ChannelRoutes) -> Destination | Undeliverable:
        for each in route.destinations:
            if row_destination in (each.kind, str(each)):
                if each.missing:
                    return Undeliverable("skipped_missing_credentials", f"waiting for {' and '.join(each.missing)}")
                return self._followed(each)
        return Undeliverable("not_attempted", _why_not(row_destination, route))

    def _followed(self, destination: Destination) -> Destination:
        """Follow a group to the supergroup it became, however often it moved."""
        if not isinstance(destination, TelegramChat):
            return destination
        chat_id, seen = destination.chat_id, {destination.chat_id}
        while (moved := self.moved_chats.get(chat_id)) is not None and moved not in seen:
            chat_id = moved
            seen.add(moved)
        return replace(destination, chat_id=chat_id)

    def peer(self, destination: Destination) -> Peer:
        """Return which chat, bot or host a destination shares with others, for its pace and leases."""
        return destination.peer(RouteSettings(self.environ))

    def is_announced_by(self, refusing: Peer, *, shared: bool) -> bool:
        """Return whether word of a refusal would go to the destination, or by the bot, that refuses."""
        way = self.destination(TelegramChat.kind, _ANNOUNCEMENTS)
        if isinstance(way, Undeliverable | FanOut):
            return False
        there = self.peer(way)
        return there.shared_key == refusing.shared_key if shared else there.key == refusing.key

    def sort_out(self, groups: Iterable[Group]) -> tuple[list[LaneQueue], list[tuple[Group, Undeliverable | FanOut]]]:
        """Return the lanes, the most urgent first, and the groups that have no way."""
        lanes: dict[tuple[str, str], LaneQueue] = {}
        rest: list[tuple[Group, Undeliverable | FanOut]] = []
        for group in groups:
            way = self.destination(group.destination, group.channel)
            if isinstance(way, Undeliverable | FanOut):
                rest.append((group, way))
                continue
            peer = self.peer(way)
            name = (peer.key, group.destination)
            lanes[name] = _joined(lanes.get(name), group, peer)
        return sorted(lanes.values(), key=lambda lane: (-lane.worst_rank, lane.first_id)), rest


def _routes(
    channel: str, reason: RouteReason, destinations: Iterable[Destination], settings: RouteSettings
) -> ChannelRoutes:
    found = tuple(destinations)
    waits = any(each.missing for each in found if isinstance(each, TelegramChat))
    return ChannelRoutes(channel, RouteReason.MISSING_CREDENTIALS if waits else reason, found, settings.notes)


def _described(destination: Destination) -> str:
    lacking = f", waiting for {' and '.join(destination.missing)}" if destination.missing else ""
    return f"{destination.describe()}{lacking}"


def _joined(lane: LaneQueue | None, group: Group, peer: Peer) -> LaneQueue:
    if lane is None:
        return LaneQueue(peer, group.destination, (group.channel,), group.worst_rank, group.first_id)
    return replace(
        lane,
        channels=(*lane.channels, group.channel),
        worst_rank=max(lane.worst_rank, group.worst_rank),
        first_id=min(lane.first_id, group.first_id),
    )


def _why_not(row_destination: str, route: ChannelRoutes) -> str:
    if row_destination == TelegramChat.kind or route.route is RouteReason.TEST_CHAT:
        return route.route.value
    return f"{row_destination.split(' ', 1)[0]}: nothing is configured for {route.channel}"
