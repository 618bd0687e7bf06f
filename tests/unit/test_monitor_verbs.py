"""Functions that read and judge, run as an author's tests run them: over a table of calls and a real store."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from utils.monitor import CRITICAL, HIGH, LOW, MEDIUM, Context, Unknown, UnknownError, call, monitor, none
from utils.testing import Reverts, SimChain, SimClock, run

VAULT = "0x83F20F44975D03b1b09e64809B757c47f942BEeA"
ASSETS, SUPPLY = "totalAssets()(uint256)", "totalSupply()(uint256)"
API = "https://api.example/data"


def judging(act: Any) -> Any:
    """Make a monitor of a function of one line."""
    return monitor("vault")(act)


class World:
    """One store, chain and clock for a story of several runs."""

    def __init__(self, folder: Path) -> None:
        self.store, self.chain, self.clock, self.http = folder, SimChain(), SimClock(), dict[str, Any]()

    def run(self, act: Any, after: str = "1h") -> Any:
        self.clock.move(after)
        return run(judging(act), store=self.store, chain=self.chain, clock=self.clock, http=self.http)

    def kinds(self, act: Any, after: str = "1h") -> list[str]:
        return [f"{one.kind} {one.severity}" for one in self.run(act, after)]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_breach_far_beyond_its_bound_does_not_wait(world: World) -> None:
    def off(value: str, of: str = "peg") -> Any:
        def act(m: Context) -> None:
            m.limit(
                of, Fraction(value), above="2%", for_runs=2, at_once=Fraction(value) > Fraction("0.04"), severity=HIGH
            )

        return act

    assert [world.kinds(off(value)) for value in ("0.03", "0.01", "0.03", "0.03")] == [[], [], [], ["fired HIGH"]]
    assert world.kinds(off("0.04", "exactly twice")) == []
    assert world.kinds(off("0.041", "more than twice")) == ["fired HIGH"]


def test_an_alert_names_what_its_value_was_made_of_and_the_one_contract_it_is_about(world: World) -> None:
    world.chain.calls |= {(VAULT, ASSETS): 3, ("0x" + "11" * 20, SUPPLY): 7}

    def act(m: Context) -> None:
        read = m.chain(1).read(held=call(VAULT, ASSETS), owed=call("0x" + "11" * 20, SUPPLY))
        parts = {"held": read.held, "owed": "7 cUSD", "price": Unknown("no price")}
        m.limit("backing", read.held / read.owed, below=1, severity=HIGH, chain=1, inputs=parts, contract=VAULT)

    (fired,) = world.run(act)

    assert "From: held 3, owed 7 cUSD, price unknown: no price" in fired.text
    assert f"Contract {VAULT} · " in fired.text  # and not the other one


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"contract": "0x12"}, "'0x12' is not an address: write 0x and 40 hex digits"),
     ({"inputs": [1, 2]}, "m.flag(…, inputs=…): name each, as in inputs={'assets': vault.assets}")],
)  # fmt: skip
def test_what_an_alert_cannot_show_is_refused(world: World, wrong: Any, said: str) -> None:
    (crash,) = world.run(lambda m: m.flag("paused", False, severity=HIGH, **wrong))

    assert said in crash.text


def limit(value: Any) -> Any:
    def act(m: Context) -> None:
        m.limit("backing", value, below=[(1, HIGH), ("95%", CRITICAL)], unit="%")

    return act


def test_a_limit_fires_worsens_keeps_while_unknown_and_recovers(world: World) -> None:
    assert world.kinds(limit(1)) == []
    assert world.kinds(limit(0.97)) == ["fired HIGH"]
    assert world.kinds(limit(Fraction(96, 100))) == []
    assert world.kinds(limit("0.9")) == [], "a text is no number: unknown"
    seen = world.run(limit(Unknown("no answer", "a host")))
    assert (list(seen), seen.states["backing"], seen.unknown["backing"]) == ([], "firing", "no answer")
    assert world.kinds(limit(0.9)) == ["worsened CRITICAL"]
    assert world.kinds(limit(1.2)) == ["recovered LOW"]
    assert world.kinds(limit(none)) == []


def test_a_breach_must_hold_where_it_is_asked_to_and_is_said_again(world: World) -> None:
    def act(m: Context) -> None:
        m.flag("x", True, severity=HIGH, for_runs=2, fire_after="90m", remind="3h", text="it is {value}")

    assert [world.kinds(act) for _ in range(6)] == [[], [], ["fired HIGH"], [], [], ["reminder HIGH"]]


STORIES: list[tuple[str, Any, list[tuple[Any, list[str]]]]] = [
    ("delta", lambda m, v: m.delta("x", v, max_rise="5%", severity=LOW), [(100, []), (105, []), (120, ["fired LOW"])]),
    ("priced", lambda m, v: m.delta("x", v, max_drop=50, priced_at=2, severity=LOW), [(100, []), (70, ["fired LOW"])]),
    (
        "never_falls",
        lambda m, v: m.never_falls("x", v, severity=HIGH, rebase="hold"),
        [(5, []), (4, ["fired HIGH"]), (5, ["recovered LOW"])],
    ),
    ("changed", lambda m, v: m.changed("x", v, severity=LOW), [("a", []), ("a", []), ("b", ["fired LOW"])]),
    ("flag", lambda m, v: m.flag("x", v, severity=HIGH), [(True, ["fired HIGH"]), (False, ["recovered LOW"])]),
    (
        "diverge",
        lambda m, v: m.diverge("x", v, 100, max="1%", severity=HIGH),
        [(101, []), (102, ["fired HIGH"]), (Unknown("gone"), []), (100, ["recovered LOW"])],
    ),
    (
        "age",
        lambda m, v: m.age("x", datetime(2026, 1, 1, v, tzinfo=UTC), max="2h", severity=HIGH),
        [(1, []), (1, []), (0, ["fired HIGH"])],
    ),
    (
        "deadline",
        lambda m, v: m.deadline("x", datetime(2026, 1, 1, v, tzinfo=UTC), steps=["2h"], severity=HIGH),
        [(9, []), (4, ["fired HIGH"]), (9, ["recovered LOW"])],
    ),
    (
        "members",
        lambda m, v: m.members("x", v, severity=MEDIUM, removed=HIGH),
        [(["a", "b"], []), (["a"], ["fired HIGH"]), (Unknown("gone"), []), (["a", "c"], ["fired MEDIUM"])],
    ),
    (
        "items",
        lambda m, v: m.items("x", v, id=lambda row: row, when=lambda row: row > 0, severity=LOW),
        [([1], []), ([1, 2, -3], ["fired LOW"]), ([2, 1], [])],
    ),
    (
        "logs",
        lambda m, v: m.logs("x", m.chain(1).logs("x", VAULT, "Paused(address)"), severity=LOW),
        [(None, []), (None, [])],  # more of it in tests/integration/test_logs_of_authors.py
    ),
    (
        "stages",
        lambda m, v: m.stages(
            "x", v, id=lambda r: r[0], stage=lambda r: r[1], order=["grace", "late", "lost"], alert_from="late",
            severities={"lost": CRITICAL}, severity=MEDIUM,
        ),
        [([("a", "grace")], []), ([("a", "late")], ["fired MEDIUM"]), ([("a", "lost")], ["worsened CRITICAL"]),
         ([], ["recovered LOW"])],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("verb", "act", "story"), STORIES, ids=[story[0] for story in STORIES])
def test_each_verb_tells_its_story(world: World, verb: str, act: Any, story: list[tuple[Any, list[str]]]) -> None:
    assert [world.kinds(lambda m, value=value: act(m, value)) for value, _ in story] == [told for _, told in story]


def test_a_title_of_rows_counts_the_new_ones_and_never_shows_its_placeholder(world: World) -> None:
    def act(rows: list[tuple[str, str]]) -> Any:
        return lambda m: m.stages(
            "x", rows, id=lambda r: r[0], stage=lambda r: r[1], order=["late", "lost"], severity=HIGH, remind="1h",
            text="{value} borrowers came nearer to default",
        )  # fmt: skip

    late = [("a", "late"), ("b", "late")]
    titles = [one.title for rows in (late, [("a", "lost"), ("b", "late")], late) for one in world.run(act(rows))]
    assert titles[:2] == ["2 borrowers came nearer to default", "Worse: 1 borrowers came nearer to default"]
    assert not any("{" in title for title in titles)
    assert len(titles) == 3  # the last one is a reminder, in which nothing is new


def test_what_is_read_of_a_chain_is_exact_and_one_request(world: World) -> None:
    world.chain.calls |= {
        (VAULT, ASSETS): 3 * 10**18,
        (VAULT, SUPPLY): 2 * 10**18,
        (VAULT, "pair()(uint256,bool)"): (7, True),
        (VAULT, "balanceOf(address)(uint256)"): lambda owner: 5 if owner.lower() == VAULT.lower() else 0,
        (VAULT, "broken()(uint256)"): Reverts("paused"),
        (VAULT, "symbol()(string)"): "vlt",
        (VAULT, "symbol()(bytes32)"): b"vlt".ljust(32, b"\0"),
        (VAULT, "decimals()(uint256)"): 6,
    }
    found: dict[str, Any] = {}

    def act(m: Context) -> None:
        mainnet = m.chain("mainnet")
        row = mainnet.read(
            assets=call(VAULT, ASSETS, decimals=18),
            supply=call(VAULT, SUPPLY, decimals=18),
            pair=call(VAULT, "pair()(uint256,bool)"),
            own=call(VAULT, "balanceOf(address)(uint256)", VAULT),
            broken=call(VAULT, "broken()(uint256)"),
            nested=call(VAULT, "balanceOf(address)(uint256)", Unknown("who")),
        )
        each = mainnet.read_each([VAULT], lambda one: {"assets": call(one, ASSETS)})
        found.update(vars(row), each=each[0][1].assets, token=mainnet.token(VAULT), block=mainnet.block.number)
        found["link"], found["label"] = mainnet.link(VAULT), mainnet.label(VAULT)
        m.limit("ratio", row.assets / row.supply, below=2, severity=HIGH, chain=1)

    assert [(one.check, one.title) for one in world.run(act)] == [("ratio/1", "ratio: 1.5 is below 2")]
    assert (found["assets"] / found["supply"], found["pair"], found["own"]) == (Fraction(3, 2), (7, True), 5)
    assert "broken() of" in found["broken"].reason or "paused" in found["broken"].reason
    assert (found["nested"].reason, found["each"], found["block"]) == ("who", 3 * 10**18, 20_000_000)
    assert (found["token"].symbol, found["token"].decimals) == ("vlt", 6)
    assert found["link"].endswith(f"/address/{VAULT}")
    assert found["label"].startswith("0x") or "0x" in found["label"]


def test_a_service_is_believed_only_when_it_is_whole_fresh_and_well(world: World) -> None:
    found: list[Any] = []

    def act(m: Context) -> None:
        body = m.http(API, ok=lambda body: body["code"] == "OK", time="at", max_age="2h", require=["data"])
        found[:] = [body, body["data.tvl"], body["data.text"] * 2, body["data.rows"], body["data"].number("text")]
        found.append(m.http(API, number="data.tvl"))

    fresh = {"code": "OK", "at": "2026-01-01T00:30:00Z", "data": {"tvl": 1.5, "rows": [{"a": 1}], "text": "12"}}
    world.http[API] = fresh
    world.run(act)
    assert found[1:3] == [Fraction(3, 2), "1212"]
    assert (found[3][0]["a"], found[4], found[5]) == (1, 12, Fraction(3, 2))
    assert found[3][0]["nothing"].reason.endswith("nothing is missing")
    for wrong in (fresh | {"code": "BUSY"}, fresh | {"at": "2025-01-01T00:00:00Z"}, {"code": "OK"}, 503, b"<html>"):
        world.http[API] = wrong
        world.run(act)
        assert isinstance(found[0], Unknown)
        assert found[1] is found[0], "a part of what is unknown is unknown"


def test_graphql_with_an_error_is_unknown_and_a_price_is_gated(world: World) -> None:
    found: list[Any] = []

    def act(m: Context) -> None:
        found[:] = [m.graphql(API, "{ rows { id } }", require=["rows"]), m.price(VAULT, chain=1)]

    price = {"price": 1.25, "timestamp": 1767229200, "confidence": 0.99}
    url = f"https://coins.llama.fi/prices/current/ethereum:{VAULT}"
    world.http |= {API: {"data": {"rows": [{"id": 1}]}}, url: {"coins": {f"ethereum:{VAULT}": price}}}
    world.run(act)
    assert (found[0]["rows"][0]["id"], found[1]) == (1, Fraction(5, 4))
    world.http |= {API: {"data": {"rows": []}, "errors": [{"message": "lost"}]}}
    world.http[url] = {"coins": {f"ethereum:{VAULT}": price | {"confidence": 0.5}}}
    world.run(act)
    assert "GraphQL error: lost" in found[0].reason
    assert "confidence" in found[1].reason


def test_a_dead_source_is_told_once_and_so_is_its_return(world: World) -> None:
    world.chain.calls[VAULT, ASSETS] = 5

    def act(m: Context) -> None:
        m.limit("assets", m.chain(1).read(assets=call(VAULT, ASSETS)).assets, below=1, severity=HIGH)

    assert world.run(act) == []
    world.chain.down = True
    told = [[(one.kind, one.title) for one in world.run(act)] for _ in range(5)]
    assert [rows for rows in told if rows] == [
        [("fired", "Ethereum cannot be read, 1 check has no data (vault 1) since 02:00 UTC")]
    ]
    world.chain.down = False
    assert [one.title for one in world.run(act)] == [
        "Ethereum can be read again, no check is without data because of it"
    ]


def test_deciding_upon_an_unknown_ends_the_run_as_the_sources_fault(world: World) -> None:
    def act(m: Context) -> None:
        m.limit("before", 0, below=1, severity=HIGH)
        for row in m.http(API)["rows"]:
            m.limit(f"row/{row['id']}", row["value"], below=1, severity=LOW)

    seen = world.run(act)
    assert ([one.check for one in seen], seen.code) == (["before"], 0)
    assert "no answer was recorded" in seen.unknown["(readings)"]
    told = [one.title for _ in range(4) for one in world.run(act)]
    assert told == ["api.example cannot be read, 1 of 2 checks have no data (vault 1) since 01:00 UTC"]
    world.http[API] = {"rows": [{"id": "a", "value": 0}]}
    seen = world.run(act)
    assert [one.check for one in seen] == ["row/a", "api.example"]
    assert (seen.unknown, seen.code) == ({}, 0)


def test_a_crash_is_told_with_what_was_judged_before_it(world: World) -> None:
    def act(m: Context) -> None:
        m.limit("before", 0, below=1, severity=HIGH)
        raise ValueError("a bug")

    seen = world.run(act)
    assert (sorted(one.kind for one in seen), seen.code) == (["crash", "fired"], 1)
    assert [one.kind for one in world.run(lambda m: None)] == ["recovery"]


def test_what_a_block_judges_alerts_and_remembers_is_one_thing(world: World) -> None:
    def broken(m: Context) -> None:
        with m.together():
            m.limit("backing", 0, below=1, severity=HIGH)
            m.remember("cursor", 7)
            raise UnknownError(Unknown("half of it"))

    assert list(world.run(broken)) == []

    def whole(m: Context) -> None:
        with m.together():
            judged = m.limit("backing", 0, below=1, severity=HIGH)
            m.remember("cursor", m.recall("cursor", default=0) + 1)
        assert (judged.told, judged.state, m.recall("cursor")) == ("fired", "firing", 1)

    assert [(one.kind, one.check) for one in world.run(whole)] == [("fired", "backing")]


@pytest.mark.parametrize(
    ("act", "complaint"),
    [
        (lambda m: m.limit("x", 1, severity=HIGH), "exactly one of below, above"),
        (lambda m: m.limit("x", 1, below=2), "severity is missing"),
        (lambda m: m.limit("x", 1, below=[(2, HIGH), (3, CRITICAL)]), "from the mildest bound to the worst"),
        (lambda m: m.limit("x", 1, below="much", severity=HIGH), "is not a number"),
        (lambda m: m.limit("x", 1, below=5, clear=4, severity=HIGH), "could never clear"),
        (lambda m: m.changed("x", 1, severity=HIGH, remind="1d"), "remind has no meaning"),
        (lambda m: m.members("x", [], severity=HIGH, for_runs=2), "for_runs has no meaning"),
        (lambda m: m.flag("x", True, severity=HIGH, for_runs=0), "at least 1"),
        (lambda m: m.flag("x", True, severity=HIGH, at_once=True), "needs for_runs or fire_after"),
        (lambda m: m.members("x", [], severity=HIGH, at_once=True), "at_once has no meaning"),
        (lambda m: m.never_falls("x", 1, severity=HIGH, worse_by=1), "needs rebase='hold'"),
        (lambda m: m.never_falls("x", 1, severity=HIGH, rebase="no"), "after_alert or hold"),
        (lambda m: m.diverge("x", 1, 1, max=1, severity=HIGH, direction="up"), "both or a_over_b"),
        (lambda m: m.flag("", True, severity=HIGH), "a key is a text"),
        (lambda m: [m.flag("x", True, severity=HIGH) for _ in "ab"], "judged in this run already"),
        (lambda m: m.flag("x", True, severity=HIGH).told, "nothing is recorded yet"),
        (lambda m: m.stages("x", [], id=id, stage=id, order="ac", alert_from="b", severity=HIGH), "none of the stages"),
        (
            lambda m: m.stages("x", ["b"], id=str, stage=str, order="ab", show=lambda _: "Bob", severity=HIGH),
            "show=… must return facts by name, as in {'borrower': row['borrower']}, not 'Bob'",
        ),
        (lambda m: m.http(API, max_age="1h"), "needs time="),
        (lambda m: m.chain("nowhere"), "is not known"),
    ],
)  # fmt: skip
def test_misuse_of_a_verb_is_explained(
    world: World, capfd: pytest.CaptureFixture[str], act: Any, complaint: str
) -> None:
    assert world.run(act).code == 1
    assert complaint in capfd.readouterr().err
