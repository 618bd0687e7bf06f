"""The verbs that judge rows, sets and events, as tables: time, rows -> what is told."""

from datetime import timedelta
from typing import Any

import pytest

from monitoring.alerts.message.model import Severity
from monitoring.chains.abi.values import Unknown
from monitoring.checks.rules import items, logs, members, stages
from monitoring.checks.rules.items import ItemsPolicy
from monitoring.checks.rules.logs import LogsPolicy
from monitoring.checks.rules.members import MembersPolicy
from monitoring.checks.rules.readings import SEED, FirstRun, Item, LogBatch, LogEvent, StagedRow
from monitoring.checks.rules.stages import StagesPolicy
from monitoring.conditions.policy import NoDataPolicy, Policy
from tests.support import spec
from tests.support.spec import UNJUDGED, at, plain, run_table

LOW, MEDIUM, HIGH, CRITICAL = Severity
HOUR = timedelta(hours=1)

MEMBERS = {
    "who joins or leaves is told once, in one message": (
        MembersPolicy(added=HIGH, removed=LOW),
        """
        00:00  alice bob   -> - (first sight)
        01:00  bob alice   -> - (nothing new)
        02:00  bob carol   -> fired high: added carol, removed alice
        03:00  carol bob   -> -
        04:00  ?           -> -
        05:00  none        -> -
        06:00  -           -> fired low: removed bob, removed carol
        07:00  -           -> -
        """,
    ),
    "against an expected set the difference lasts": (
        MembersPolicy(added=HIGH, removed=MEDIUM, expected=frozenset({"alice", "bob"})),
        """
        00:00  alice bob       -> -
        01:00  alice bob eve   -> fired high: added eve
        02:00  eve bob alice   -> -
        03:00  alice eve       -> worsened medium: removed bob
        04:00  alice eve       -> -
        05:00  alice bob       -> recovered high
        """,
    ),
    "a member that left the difference and comes back is told again": (
        MembersPolicy(added=HIGH, expected=frozenset({"a"})),
        "00:00 a x y -> fired high: added x, added y\n01:00 a x -> -\n02:00 a x y -> worsened high: added y",
    ),
}


@pytest.mark.parametrize("name", MEMBERS)
def test_members(name: str) -> None:
    policy, table = MEMBERS[name]
    run_table(table, members.judge, policy, spec.members)


def test_a_reading_that_is_no_list_is_unknown() -> None:
    run_table("00:00 5 -> - (unknown)", members.judge, MembersPolicy(), plain)


def staged(text: str) -> Any:
    if text.startswith("?") or text == "none":
        return plain(text)
    rows = [cell.split("=") for cell in text.split()] if text != "-" else []
    return [StagedRow(row, Unknown("no stage") if stage == "?" else stage) for row, stage in rows]


LADDER = ("grace", "late", "7d", "1d", "default")
STAGES = {
    "only later stages are told, from the one asked for": (
        StagesPolicy(order=LADDER, alert_from="late", severities={"default": CRITICAL}),
        """
        00:00  a=grace b=grace      -> - (first sight)
        01:00  a=late  b=grace      -> fired medium: reached a
        02:00  b=grace a=late       -> -
        03:00  a=7d    b=late       -> worsened medium: reached a, reached b
        04:00  a=late  b=late       -> -             # back one stage
        05:00  a=7d    b=late       -> -             # told already
        06:00  a=default b=late     -> worsened critical: reached a
        07:00  a=grace b=late       -> eased critical: eased a
        08:00  b=grace a=grace      -> recovered critical: eased b
        """,
    ),
    "one message has the severity of its worst row": (
        StagesPolicy(order=LADDER, alert_from="late", severities={"default": CRITICAL, "7d": LOW}),
        """
        00:00  a=7d                  -> fired low: reached a
        01:00  a=7d b=default c=7d   -> worsened critical: reached b, reached c
        02:00  a=7d                  -> eased critical: gone b, gone c
        03:00  -                     -> recovered critical: gone a
        """,
    ),
    "vanishing is a stage": (
        StagesPolicy(order=LADDER, alert_from="late"),
        """
        00:00  a=grace b=late c=late -> fired medium: reached b, reached c
        01:00  c=late                -> eased medium: gone b
        02:00  -                     -> recovered medium: gone c
        03:00  b=late                -> fired medium: reached b
        """,
    ),
    "a feed that drops a row once is not believed": (
        StagesPolicy(order=LADDER, alert_from="late", gone_after=2),
        """
        00:00 b=late -> fired medium: reached b
        01:00 -      -> -
        02:00 b=late -> -
        03:00 -      -> -
        04:00 -      -> recovered medium: gone b
        """,
    ),
    "the first sight can seed": (
        StagesPolicy(order=LADDER, alert_from="late", first_run=SEED),
        "00:00 a=7d -> - (first sight)\n01:00 a=7d -> -\n02:00 a=1d -> fired medium: reached a",
    ),
    "a row whose stage is unknown keeps its place and holds up no other": (
        StagesPolicy(order=LADDER, alert_from="late"),
        """
        00:00  a=late b=grace -> fired medium: reached a
        01:00  a=?    b=late  -> worsened medium: reached b
        02:00  a=huh  b=late  -> -
        03:00  a=?    b=late  -> - / source_trouble
        04:00  a=late b=late  -> - / source_recovered
        """,
    ),
    "of rows that share an id the latest stage counts": (
        StagesPolicy(order=LADDER, alert_from="late"),
        "00:00 a=late a=default a=grace -> fired medium: reached a\n01:00 a=grace a=default -> -",
    ),
    "an unknown feed makes nothing vanish": (
        StagesPolicy(order=LADDER, alert_from="late"),
        "00:00 a=late -> fired medium: reached a\n01:00 ? -> -\n02:00 a=late -> -\n03:00 none -> recovered medium",
    ),
    "a standing stage is reminded of": (
        StagesPolicy(order=LADDER, remind=2 * HOUR),
        "00:00 a=late -> fired medium: reached a\n01:00 a=late -> -\n02:00 a=late -> reminder medium",
    ),
}


@pytest.mark.parametrize("name", STAGES)
def test_stages(name: str) -> None:
    policy, table = STAGES[name]
    run_table(table, stages.judge, policy, staged)


def queue(text: str) -> Any:
    """Read `7:abc` as the transaction abc at nonce 7, `abc@00:30` as a row with a time, `?` as one without an id."""
    if text.startswith("??") or text == "none":
        return plain(text[1:])
    return [_item(cell) for cell in text.split()] if text != "-" else []


def _item(cell: str) -> Any:
    if cell == "?":
        return Item(Unknown("a row has no id"))
    name, _, time = cell.partition("@")
    slot, _, identity = name.rpartition(":")
    return Item(identity, at(time) if time else None, int(slot) if slot else None)


ITEMS = {
    "the first sight seeds, then each id is told once": (
        ItemsPolicy(severity=LOW),
        """
        00:00  a b    -> - (first sight)
        01:00  b c a  -> fired low: new c
        02:00  c a b  -> - (nothing new)
        03:00  -      -> -
        04:00  c e d  -> fired low: new d, new e
        """,
    ),
    "an empty first sight is a first sight": (
        ItemsPolicy(severity=LOW),
        "00:00 - -> - (first sight)\n01:00 a -> fired low: new a",
    ),
    "the first sight can tell all": (
        ItemsPolicy(severity=LOW, first_run=FirstRun(everything=True)),
        "00:00 a b -> fired low: new a, new b\n01:00 b a -> -",
    ),
    "the first sight can tell what is young": (
        ItemsPolicy(severity=LOW, first_run=FirstRun(within=HOUR)),
        "06:00 old@04:59 edge@05:00 new@05:59 undated -> fired low: new edge, new new\n07:00 old@04:59 undated -> -",
    ),
    "a rival at a known nonce is new and says so": (
        ItemsPolicy(severity=MEDIUM, competing=CRITICAL),
        """
        00:00  7:aa             -> -
        01:00  8:bb 7:aa        -> fired medium: new bb
        02:00  7:cc 8:bb 7:aa   -> fired critical: competing cc
        03:00  8:bb             -> -
        04:00  8:dd             -> fired critical: competing dd     # though bb has left the list
        """,
    ),
    "a lower number after a higher one is new": (
        ItemsPolicy(severity=LOW),
        "00:00 9 -> -\n01:00 9 7 -> fired low: new 7\n02:00 8 -> fired low: new 8",
    ),
    "what stays listed is never forgotten, what left long ago is": (
        ItemsPolicy(severity=LOW, keep=timedelta(days=30)),
        """
        00:00      a b -> -
        20d 00:00  a   -> -
        45d 00:00  a   -> -
        45d 01:00  a b -> fired low: new b
        80d 00:00  b   -> -
        """,
    ),
    "a row without an id counts as unknown and holds up no other": (
        ItemsPolicy(severity=LOW),
        """
        00:00  a       -> -
        01:00  ? b a   -> fired low: new b
        02:00  ? ? a   -> -
        03:00  ?       -> - / source_trouble
        04:00  a c     -> fired low: new c / source_recovered
        """,
    ),
    "a failed feed is not an empty one": (
        ItemsPolicy(severity=LOW),
        "00:00 a -> -\n01:00 ??HTTP 503 -> - (unknown)\n02:00 a -> -",
    ),
}


@pytest.mark.parametrize("name", ITEMS)
def test_items(name: str) -> None:
    policy, table = ITEMS[name]
    run_table(table, items.judge, policy, queue)


def test_one_message_has_the_severity_of_its_worst_item() -> None:
    policy = ItemsPolicy(severity=LOW, first_run=FirstRun(everything=True))
    outcome = items.judge(UNJUDGED, [Item("a"), Item("b", severity=CRITICAL)], at("00:00"), policy)
    assert spec.said(outcome) == "fired critical: new a, new b"


def test_a_gap_and_a_stale_head_say_which_blocks() -> None:
    before = logs.judge(UNJUDGED, LogBatch(0, 100), at("00:00"), LogsPolicy(silence=NoDataPolicy(runs=1))).condition
    for batch_read, reason in (
        (LogBatch(105, 110), "blocks 101 to 104 were not read"),
        (LogBatch(80, 99), "the head 99 lies behind block 100, which was judged already"),
    ):
        outcome = logs.judge(before, batch_read, at("01:00"), LogsPolicy(silence=NoDataPolicy(runs=1)))
        assert outcome.source
        assert outcome.source.detail == reason


def test_an_id_may_hold_any_separator() -> None:
    first, second = ("a", "b,c"), ("a,b", "c")
    policy = ItemsPolicy(severity=LOW)
    before = items.judge(UNJUDGED, [Item(first)], at("00:00"), policy).condition
    outcome = items.judge(before, [Item(first), Item(second)], at("01:00"), policy)
    assert outcome.transition
    assert [entry.id for entry in outcome.transition.entries] == [second]


def batch(text: str) -> Any:
    """Read `100-200 150:t1 160:t2.h` as two events; the block's hash is its number, unless one is given."""
    if text.startswith("?") or text == "none":
        return plain(text)
    span, *cells = text.split()
    first, last = (int(number) for number in span.split("-"))
    events = []
    for position, cell in enumerate(cells):
        block, tx = cell.split(":")
        tx, _, block_hash = tx.partition(".")
        events.append(LogEvent(int(block), block_hash or block, tx, position if "#" in tx else 0, at("00:00")))
    return LogBatch(first, last, tuple(events))


NEAR = LogsPolicy(severity=HIGH, margin=10)
LOGS = {
    "the first sight seeds, then each event is told once": (
        NEAR,
        """
        00:00  0-100 95:t1           -> - (first sight)
        01:00  91-110 95:t1 105:t2   -> fired high: new 105/t2/0
        02:00  101-110 105:t2        -> - (nothing new)
        03:00  101-120 105:t2        -> -
        """,
    ),
    "the first sight can look back": (
        LogsPolicy(severity=HIGH, first_run=FirstRun(within=12 * HOUR)),
        "06:00 0-100 95:t1 -> fired high: new 95/t1/0\n07:00 91-110 95:t1 -> -",
    ),
    "a gap behind the cursor is unknown and moves nothing": (
        NEAR,
        """
        00:00  0-100         -> -
        01:00  102-110       -> - (unknown)
        02:00  91-110 101:t1 -> fired high: new 101/t1/0
        """,
    ),
    "a head behind the last judged block is unknown": (
        NEAR,
        "00:00 0-100 -> -\n01:00 80-99 -> - (unknown)\n02:00 91-100 -> -",
    ),
    "a told event that a reorganisation removed is told": (
        NEAR,
        """
        00:00  0-100         -> -
        01:00  91-110 105:t1 -> fired high: new 105/t1/0
        02:00  101-115       -> fired high: reorganised away 105/t1/0
        03:00  106-120       -> -
        """,
    ),
    "an event mined again in another block is neither new nor gone": (
        NEAR,
        """
        00:00  0-100             -> -
        01:00  91-110 105:t1     -> fired high: new 105/t1/0
        02:00  101-115 107:t1.x  -> -
        03:00  106-120 107:t1.x  -> -
        """,
    ),
    "a seeded event that disappears is nobody's business": (
        NEAR,
        "00:00 0-100 95:t1 -> -\n01:00 91-110 -> -",
    ),
    "events further back than the margin were judged before": (
        NEAR,
        "00:00 0-100 -> -\n01:00 91-200 105:t1 -> fired high: new 105/t1/0\n02:00 100-210 105:t1 -> -",
    ),
    "an unknown batch moves nothing": (
        NEAR,
        "00:00 0-100 -> -\n01:00 ? -> -\n02:00 91-110 105:t1 -> fired high: new 105/t1/0",
    ),
}


@pytest.mark.parametrize("name", LOGS)
def test_logs(name: str) -> None:
    policy, table = LOGS[name]
    run_table(table, logs.judge, policy, batch)


def test_the_next_batch_starts_a_margin_before_the_cursor() -> None:
    condition = logs.judge(UNJUDGED, LogBatch(0, 100), at("00:00"), NEAR).condition
    assert logs.read_from(UNJUDGED, NEAR) is None
    assert logs.read_from(condition, NEAR) == 91


def test_policies_share_one_base() -> None:
    assert all(issubclass(one, Policy) for one in (MembersPolicy, StagesPolicy, ItemsPolicy, LogsPolicy))
