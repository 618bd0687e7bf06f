"""From what waits in the outbox to the far sides it goes to: routes resolved with the real environment. Pure.

Called by the delivery loop. Monitors have no credentials, so an alert is stored with kinds of destinations only, and
the way is found here, when it is sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from monitoring.alerts.delivery.destinations import AppriseUrl, Destination, TelegramChat, Webhook
from monitoring.alerts.delivery.rate_limit import RateLimit, RateLimits
from monitoring.alerts.delivery.routing import WEBHOOK_SECRET, ChannelRoutes, RouteReason, fingerprint, plan, split_urls
from monitoring.store.tables.deliveries import PLACEHOLDER, Status
from monitoring.store.tables.outbox import Group

CRASH = "crash"
ANNOUNCEMENTS = "AUTOMATION/ops_error"  # the channel of what delivery itself has to say, as rows spell it
_NO_CRASH_ROUTE = "no errors route is configured: the crash is quoted in the digest"


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
class FarSide:
    """The names under which the store knows a destination; none holds a secret.

    `key` is its own. `shared_key` is of what it has in common with others: the bot, or the host that answers for a
    machine. `mark` changes with the settings it is reached by, so that a refusal met with other ones does not count.
    """

    kind: str
    key: str
    shared_key: str | None = None
    mark: str = ""


@dataclass(frozen=True, slots=True)
class LaneQueue:
    """All that goes to one far side: the destination as rows name it, the channels that lead there."""

    far_side: FarSide
    row_destination: str
    channels: tuple[str, ...]
    worst_rank: int
    first_id: int


@dataclass(slots=True)
class RouteResolver:
    """Finds the way of each channel; the environment does not change while a process lives, so plans are kept."""

    environ: Mapping[str, str]
    moved_chats: dict[str, str] = field(default_factory=dict)
    _plans: dict[str, ChannelRoutes] = field(default_factory=dict)

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
            others = (each for each in route.destinations if not isinstance(each, TelegramChat | Webhook))
            return FanOut(tuple(str(each) for each in others))
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

    def far_side(self, destination: Destination) -> FarSide:
        """Name the far side of a destination."""
        match destination:
            case TelegramChat(chat_id, token_variable):
                token = self._text(token_variable)
                bot_id, colon, _ = token.partition(":")
                bot = bot_id if colon and bot_id.isdigit() else token_variable
                mark = fingerprint(f"{token} {self._text('TELEGRAM_API_URL')}")
                return FarSide("telegram", f"telegram:{bot}:{chat_id}", f"bot:{bot}", mark)
            case Webhook(url_variable):
                url = self._text(url_variable)
                mark = fingerprint(f"{url} {self._text(WEBHOOK_SECRET)}")
                return FarSide("webhook", str(destination), _host_key(url), mark)
            case AppriseUrl(variable, mark):
                listed = split_urls(self._text(variable))
                url = next((url for url in listed if fingerprint(url) == mark), "")
                return FarSide("apprise", str(destination), _host_key(url), mark)
        return FarSide("console", str(destination))

    def is_announced_by(self, refusing: FarSide, *, shared: bool) -> bool:
        """Tell whether word of a refusal would go to the far side, or by the bot, that refuses."""
        way = self.destination("telegram", ANNOUNCEMENTS)
        if isinstance(way, Undeliverable | FanOut):
            return False
        there = self.far_side(way)
        return there.shared_key == refusing.shared_key if shared else there.key == refusing.key

    def _text(self, variable: str) -> str:
        return self.environ.get(variable, "").strip()

    def sort_out(self, groups: Iterable[Group]) -> tuple[list[LaneQueue], list[tuple[Group, Undeliverable | FanOut]]]:
        """Return the lanes, the most urgent first, and the groups that have no way."""
        lanes: dict[tuple[str, str], LaneQueue] = {}
        rest: list[tuple[Group, Undeliverable | FanOut]] = []
        for group in groups:
            way = self.destination(group.destination, group.channel)
            if isinstance(way, Undeliverable | FanOut):
                rest.append((group, way))
                continue
            far_side = self.far_side(way)
            name = (far_side.key, group.destination)
            lanes[name] = _joined(lanes.get(name), group, far_side)
        return sorted(lanes.values(), key=lambda lane: (-lane.worst_rank, lane.first_id)), rest


def limits_of(limits: RateLimits, destination: Destination, rank: int) -> tuple[RateLimit, ...]:
    """Return the pace of a far side for one severity."""
    return limits.of_chat(destination.chat_id, rank) if isinstance(destination, TelegramChat) else (limits.other,)


def _host_key(url: str) -> str | None:
    """Name a host without saying it: in the addresses of some services a token stands in its place."""
    try:
        host = urlsplit(url).netloc.rpartition("@")[2]
    except ValueError:
        return None
    return f"host:{fingerprint(host.lower())}" if host else None


def _joined(lane: LaneQueue | None, group: Group, far_side: FarSide) -> LaneQueue:
    if lane is None:
        return LaneQueue(far_side, group.destination, (group.channel,), group.worst_rank, group.first_id)
    return replace(
        lane,
        channels=(*lane.channels, group.channel),
        worst_rank=max(lane.worst_rank, group.worst_rank),
        first_id=min(lane.first_id, group.first_id),
    )


def _why_not(row_destination: str, route: ChannelRoutes) -> str:
    if row_destination == "telegram" or route.route is RouteReason.TEST_CHAT:
        return route.route.value
    return f"{row_destination.split(' ', 1)[0]}: nothing is configured for {route.channel}"
