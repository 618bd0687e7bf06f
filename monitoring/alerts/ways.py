"""From what waits in the outbox to the far sides it goes to: routes resolved with the real environment. Pure.

Called by the delivery loop. Monitors have no credentials, so an alert is stored with kinds of destinations only, and
the way is found here, when it is sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from monitoring.alerts.destinations import Destination, TelegramChat, Webhook
from monitoring.alerts.pacing import Limit, Limits
from monitoring.alerts.routing import Plan, Route, plan
from monitoring.store.deliveries import PLACEHOLDER, Group, Status

CRASH = "crash"
_NO_CRASH_ROUTE = "no errors route is configured: the crash is quoted in the digest"


@dataclass(frozen=True, slots=True)
class End:
    """A group that cannot be sent: for good, or until credentials appear."""

    status: Status
    why: str


@dataclass(frozen=True, slots=True)
class Split:
    """A placeholder and what takes its place."""

    destinations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LaneQueue:
    """All that goes to one far side: the destination as rows name it, the channels that lead there."""

    key: str
    bot_key: str | None
    row_destination: str
    channels: tuple[str, ...]
    worst_rank: int
    first_id: int


@dataclass(slots=True)
class Ways:
    """Finds the way of each channel; the environment does not change while a process lives, so plans are kept."""

    environ: Mapping[str, str]
    moved_chats: dict[str, str] = field(default_factory=dict)
    _plans: dict[str, Plan] = field(default_factory=dict)

    def plan_of(self, channel: str) -> Plan:
        """Return the plan of a channel as delivery rows spell it (`AAVE`, `AAVE/crash`)."""
        found = self._plans.get(channel)
        if found is None:
            name, _, source = channel.partition("/")
            found = self._plans[channel] = plan(name, name, source, self.environ)
        return found

    def destination(self, row_destination: str, channel: str) -> Destination | End | Split:
        """Say where the deliveries of one kind and channel go."""
        route = self.plan_of(channel)
        if route.route is Route.DEBUG:
            return End("skipped_debug", route.route.value)
        if channel.endswith("/" + CRASH) and route.route is not Route.TEST_CHAT and route.channel != "ERRORS":
            return End("not_attempted", _NO_CRASH_ROUTE)
        if row_destination == PLACEHOLDER:
            others = (each for each in route.destinations if not isinstance(each, TelegramChat | Webhook))
            return Split(tuple(str(each) for each in others))
        return self._found(row_destination, route)

    def _found(self, row_destination: str, route: Plan) -> Destination | End:
        for each in route.destinations:
            if row_destination in (each.kind, str(each)):
                if each.missing:
                    return End("skipped_missing_credentials", f"waiting for {' and '.join(each.missing)}")
                return self._followed(each)
        return End("not_attempted", _why_not(row_destination, route))

    def _followed(self, destination: Destination) -> Destination:
        """Follow a group to the supergroup it became, however often it moved."""
        if not isinstance(destination, TelegramChat):
            return destination
        chat_id, seen = destination.chat_id, {destination.chat_id}
        while (moved := self.moved_chats.get(chat_id)) is not None and moved not in seen:
            chat_id = moved
            seen.add(moved)
        return replace(destination, chat_id=chat_id)

    def lane_of(self, destination: Destination) -> tuple[str, str | None]:
        """Return the keys of the far side and of the bot that is paced as a whole; neither holds a secret."""
        if isinstance(destination, TelegramChat):
            bot_id, colon, _ = self.environ.get(destination.token_variable, "").strip().partition(":")
            bot = bot_id if colon and bot_id.isdigit() else destination.token_variable
            return f"telegram:{bot}:{destination.chat_id}", f"bot:{bot}"
        return str(destination), None

    def sort_out(self, groups: Iterable[Group]) -> tuple[list[LaneQueue], list[tuple[Group, End | Split]]]:
        """Return the lanes, the most urgent first, and the groups that have no way."""
        lanes: dict[tuple[str, str], LaneQueue] = {}
        rest: list[tuple[Group, End | Split]] = []
        for group in groups:
            way = self.destination(group.destination, group.channel)
            if isinstance(way, End | Split):
                rest.append((group, way))
                continue
            key, bot_key = self.lane_of(way)
            name = (key, group.destination)
            lanes[name] = _joined(lanes.get(name), group, key, bot_key)
        return sorted(lanes.values(), key=lambda lane: (-lane.worst_rank, lane.first_id)), rest


def limits_of(limits: Limits, destination: Destination, rank: int) -> tuple[Limit, ...]:
    """Return the pace of a far side for one severity."""
    return limits.of_chat(destination.chat_id, rank) if isinstance(destination, TelegramChat) else (limits.other,)


def _joined(lane: LaneQueue | None, group: Group, key: str, bot_key: str | None) -> LaneQueue:
    if lane is None:
        return LaneQueue(key, bot_key, group.destination, (group.channel,), group.worst_rank, group.first_id)
    return replace(
        lane,
        channels=(*lane.channels, group.channel),
        worst_rank=max(lane.worst_rank, group.worst_rank),
        first_id=min(lane.first_id, group.first_id),
    )


def _why_not(row_destination: str, route: Plan) -> str:
    if row_destination == "telegram" or route.route is Route.TEST_CHAT:
        return route.route.value
    return f"{row_destination.split(' ', 1)[0]}: nothing is configured for {route.channel}"
