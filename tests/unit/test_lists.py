"""Lists that are read: checks over their rows, what is put together over them, and a row that comes, leaves or is odd.

Everything is read from a simulated chain through the product's reader, and recorded in a real store.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from monitoring.alerts.recording.store_alert import NOBODY
from monitoring.base.clock import Clock
from monitoring.base.errors import ConfigError
from monitoring.base.http.client import Answer, Request
from monitoring.checks.config.load import load_monitor
from monitoring.checks.drill.rehearsal import StoppedClock
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.engine.runner import run
from monitoring.checks.recorded.sim_chain import Reverts, SimChain
from monitoring.store.db.handle import SteadyStore

VAULT = "0x" + "11" * 20
A, B, C = ("0x" + digits * 20 for digits in ("aa", "bb", "cc"))
QUEUE, SUPPLY, BALANCE, SYMBOL = (
    "get_default_queue()(address[])", "totalSupply()(uint256)", "balanceOf(address)(uint256)", "symbol()(string)",
)  # fmt: skip
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
OVER_A_LIST = f"""
monitor: lists
chain: mainnet
contracts: {{vault: "{VAULT}"}}
tables: {{known: [AAA, BBB], most: {{AAA: 10, BBB: 20}}}}
for_each: {{one: vault.get_default_queue()}}
values:
  size: erc20(one).totalSupply()
  symbol: erc20(one).symbol()
checks:
  - {{id: "size/{{one}}", require: size <= 100, severity: high, text: "{{symbol}} is too large"}}
"""


@dataclass
class World:
    """One monitor on a simulated chain, run after run, an hour apart."""

    folder: Path
    store: SteadyStore
    now: datetime = NOW
    chain: SimChain = field(default_factory=SimChain)
    body: Any = None

    def set(self, **of_tokens: Any) -> None:
        """Say which tokens are in the queue, and how large each is: `a=5`."""
        addresses = {"a": A, "b": B, "c": C}
        self.chain.calls[VAULT, QUEUE] = [addresses[name] for name in of_tokens]
        for name, size in of_tokens.items():
            self.chain.calls[addresses[name], SUPPLY] = size
            self.chain.calls[addresses[name], SYMBOL] = name.upper() * 3

    def run(self, text: str = OVER_A_LIST) -> dict[str, tuple[str, str]]:
        """Run once; return the state and the reading or reason of each condition that was judged, by check and row."""
        path = self.folder / "monitor.yaml"
        path.write_text(text)
        clock = StoppedClock(self.now)

        def fetch(request: Request, timeout_s: float) -> Answer:
            if request.url.startswith("https://api.example.org"):
                return Answer(request.host, 200, {}, json.dumps(self.body).encode())
            return self.chain.fetch(request, clock)

        at = EvaluationPoint(self.chain.environ, clock, fetch=fetch, sleep=lambda _: None)
        ran = run([load_monitor(path)], at, self.store, NOBODY)
        assert ran.error is None
        assert not ran.crashed
        self.now += timedelta(hours=1)
        return {
            "/".join(part for part in (one.key.check, one.key.subject) if part): (
                "no data" if one.outcome.condition.no_data else one.outcome.condition.state.value,
                one.outcome.condition.no_data.reason if one.outcome.condition.no_data else str(one.reading),
            )
            for one in ran.seen
        }

    def alerts(self) -> list[tuple[str, str, str]]:
        rows = self.store.read(lambda db: db.rows("SELECT kind, severity, message FROM alert_events ORDER BY id"))
        return [(kind, severity, message.split("\n")[0]) for kind, severity, message in rows]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    found = World(tmp_path, SteadyStore(tmp_path / "alerts.db", StoppedClock(NOW)))
    yield found
    found.store.close()


def test_a_check_runs_over_each_element_of_a_list_and_names_it(world: World) -> None:
    world.set(a=5, b=101)

    assert world.run() == {f"size/{A}": ("ok", "5"), f"size/{B}": ("firing", "101")}
    assert [(kind, severity) for kind, severity, _ in world.alerts()] == [("alert", "HIGH")]
    assert "BBB is too large" in world.alerts()[0][2]


def test_a_row_that_joins_the_list_is_judged_at_once(world: World) -> None:
    world.set(a=5)
    world.run()
    world.set(a=5, c=300)

    assert world.run()[f"size/{C}"] == ("firing", "300")


def test_a_firing_row_that_leaves_the_list_is_no_longer_watched_and_never_good(world: World) -> None:
    world.set(a=5, b=101)
    world.run()
    world.set(a=5)

    assert world.run() == {f"size/{A}": ("ok", "5")}
    kind, severity, title = world.alerts()[-1]
    assert (kind, severity) == ("recovery", "LOW")
    assert "No longer watched: BBB is too large" in title
    whole = world.store.read(lambda db: db.rows("SELECT message FROM alert_events ORDER BY id"))[-1][0]
    assert "Its row is not in the list any more" in whole
    world.run()
    assert len(world.alerts()) == 2, "it is said once"


def test_a_row_that_comes_back_fires_again(world: World) -> None:
    for tokens in ({"a": 5, "b": 101}, {"a": 5}, {"a": 5, "b": 101}):
        world.set(**tokens)
        world.run()

    assert [kind for kind, _, _ in world.alerts()] == ["alert", "recovery", "alert"]


def test_rows_go_on_firing_without_data_while_their_list_cannot_be_read(world: World) -> None:
    world.set(a=5, b=101)
    world.run()
    world.chain.calls[VAULT, QUEUE] = Reverts("paused")

    seen = world.run()
    assert {name: state for name, (state, _) in seen.items()} == {f"size/{A}": "no data", f"size/{B}": "no data"}
    firing = world.store.read(lambda db: db.rows("SELECT subject FROM conditions WHERE state = 'firing'"))
    assert firing == [(B,)]
    world.set(a=5, b=101)
    assert {name: state for name, (state, _) in world.run().items()} == {f"size/{A}": "ok", f"size/{B}": "firing"}
    assert [kind for kind, _, _ in world.alerts()] == ["alert"]


def test_a_list_that_was_never_read_is_reported_as_a_source_without_data(world: World) -> None:
    world.chain.calls[VAULT, QUEUE] = Reverts("paused")

    for _ in range(3):
        assert {name: state for name, (state, _) in world.run().items()} == {"size": "no data"}
    assert [kind for kind, _, _ in world.alerts()] == ["alert"]
    assert "get_default_queue() of 0x1111…1111 cannot be read, 1 check has no data" in world.alerts()[0][2]
    world.set(a=5)
    assert world.run() == {f"size/{A}": ("ok", "5")}
    left = world.store.read(lambda db: db.rows("SELECT count(*) FROM conditions WHERE declared = 1"))
    assert left == [(1,)]


def test_more_rows_than_allowed_are_unknown_and_say_what_to_raise(world: World) -> None:
    world.set(a=5, b=6, c=7)
    text = OVER_A_LIST.replace("{one: vault.get_default_queue()}", "{one: {of: vault.get_default_queue(), most: 2}}")

    reason = "vault.get_default_queue() has 3 rows, more than 2: raise `most` of one"
    assert world.run(text) == {"size": ("no data", reason)}


def test_one_row_that_cannot_be_read_leaves_the_others_alone_and_every_sum_unknown(world: World) -> None:
    world.set(a=5, b=Reverts("broken"))
    text = OVER_A_LIST + "  - {id: total, require: sum(size) <= 100, severity: high}\n"

    seen = world.run(text)
    assert seen[f"size/{A}"] == ("ok", "5")
    assert seen[f"size/{B}"][0] == "no data"
    assert seen["total"][0] == "no data"


PUT_TOGETHER = {
    "sum(size) >= 0": "60",
    "sum(size, where=size > 15) >= 0": "50",
    "sum(size if size > 15 else none) >= 0": "50",
    "count(size > 15) >= 0": "2",
    "min(size) >= 0": "10",
    "max(size, where=size < 30) >= 0": "20",
    "sum(share(size)) >= 0": "1",
    "sum(most[symbol] if symbol in known else 1000) >= 0": "1030",
    "sum(1 if not symbol in known else 0, where=size > 0) >= 0": "1",
}


@pytest.mark.parametrize("text", PUT_TOGETHER)
def test_what_is_put_together_over_rows_is_exact(world: World, text: str) -> None:
    world.set(a=10, b=20, c=30)

    seen = world.run(f"{OVER_A_LIST}  - {{id: all, require: '{text}', severity: high}}\n")
    assert seen["all"] == ("ok", PUT_TOGETHER[text])


def test_a_share_is_of_all_rows(world: World) -> None:
    world.set(a=10, b=30)

    seen = world.run(f'{OVER_A_LIST}  - {{id: "part/{{one}}", require: share(size) <= 0.5, severity: high}}\n')
    assert seen[f"part/{A}"] == ("ok", "1/4")
    assert seen[f"part/{B}"] == ("firing", "3/4")


def test_no_row_is_a_sum_of_zero_and_no_smallest_one(world: World) -> None:
    world.set()
    text = OVER_A_LIST + (
        "  - {id: total, require: sum(size) >= 1, severity: high}\n"
        "  - {id: least, require: min(size) >= 1, severity: high}\n"
    )

    seen = world.run(text)
    assert seen["total"] == ("firing", "0")
    assert seen["least"][0] == "ok"


def test_rows_of_a_count_nest_in_written_rows_and_their_order_is_no_identity(world: World) -> None:
    other = "0x" + "22" * 20
    owned = "tokenOfOwnerByIndex(address,uint256)(uint256)"
    ids = {VAULT: [7, 9], other: [9]}
    for vault, tokens in ids.items():
        world.chain.calls[vault, BALANCE] = len(tokens)
        world.chain.calls[vault, owned] = lambda _owner, index, tokens=tokens: tokens[index]
    text = f"""
monitor: nested
chain: mainnet
contracts: {{vault: "{VAULT}"}}
for_each:
  m: [{{name: first, at: "{VAULT}"}}, {{name: second, at: "{other}"}}]
  i: 0..erc20(m.at).balanceOf(vault)
values: {{token: "erc20(m.at).tokenOfOwnerByIndex(vault, i)"}}
checks:
  - {{id: "token/{{m.name}}/{{token}}", require: token <= 8, severity: high}}
  - {{id: "sum/{{m.name}}", require: sum(token) <= 100, severity: high}}
"""
    wanted = {
        "token/first/7": ("ok", "7"), "token/first/9": ("firing", "9"), "token/second/9": ("firing", "9"),
        "sum/first": ("ok", "16"), "sum/second": ("ok", "9"),
    }  # fmt: skip
    assert world.run(text) == wanted
    ids[VAULT].reverse()
    assert world.run(text) == wanted
    assert [kind for kind, _, _ in world.alerts()] == ["alert", "alert"]


def test_two_rows_of_one_name_are_unknown_rather_than_one_of_them(world: World) -> None:
    world.set(a=5, b=6)
    world.chain.calls[B, SYMBOL] = "AAA"

    seen = world.run(OVER_A_LIST.replace("size/{one}", "size/{symbol}"))
    assert seen == {"size/AAA": ("no data", "two rows are called AAA")}


def test_a_row_that_cannot_be_named_keeps_what_may_be_its_condition(world: World) -> None:
    text = OVER_A_LIST.replace("size/{one}", "size/{symbol}")
    world.set(a=5, b=101)
    world.run(text)
    world.chain.calls[B, SYMBOL] = Reverts("no name")

    seen = world.run(text)
    assert seen["size/AAA"] == ("ok", "5")
    assert seen["size/BBB"][0] == "no data"
    assert [kind for kind, _, _ in world.alerts()] == ["alert"]


@pytest.mark.parametrize("count", [8, 64])
def test_eight_times_as_many_rows_cost_no_more_passes(world: World, count: int) -> None:
    addresses = [f"0x{number:040x}" for number in range(1, count + 1)]
    world.chain.calls[VAULT, QUEUE] = addresses
    for address in addresses:
        world.chain.calls[address, SUPPLY], world.chain.calls[address, SYMBOL] = 5, "T"
    asked: list[str] = []
    answer = world.chain.fetch

    def noted(request: Request, clock: Clock) -> Answer:
        asked.append(request.url)
        return answer(request, clock)

    world.chain.fetch = noted  # type: ignore[method-assign]

    assert len(world.run()) == count
    assert len(asked) <= 4, "chain and head, the list, the rows"


IN_AN_ANSWER = """
monitor: farms
chain: mainnet
sources:
  farms: {url: "https://api.example.org/farms", rows: data.farms, texts: {name: name}, numbers: {size: "sizes.usd"}}
for_each: {farm: farms}
checks:
  - {id: "size/{farm.name}", require: farm.size <= 100, severity: high}
  - {id: total, require: sum(farm.size) <= 1000, severity: low}
"""


def farm(name: Any, size: Any) -> dict[str, Any]:
    return {"name": name, "sizes": {"usd": size}}


def test_a_list_in_an_answer_is_rows_by_the_names_in_it(world: World) -> None:
    world.body = {"data": {"farms": [farm("Aave", 5), farm(7, "101.5")]}}

    wanted = {"size/Aave": ("ok", "5"), "size/7": ("firing", "203/2"), "total": ("ok", "213/2")}
    assert world.run(IN_AN_ANSWER) == wanted


@pytest.mark.parametrize("odd", [{"name": "Sky"}, farm("Sky", None), farm("Sky", "much"), farm("Sky", True)])
def test_a_row_with_an_odd_number_is_unknown_alone_and_so_is_the_sum(world: World, odd: Any) -> None:
    world.body = {"data": {"farms": [farm("Aave", 5), odd]}}

    seen = world.run(IN_AN_ANSWER)
    assert {name: state for name, (state, _) in seen.items()} == {
        "size/Aave": "ok", "size/Sky": "no data", "total": "no data",
    }  # fmt: skip


@pytest.mark.parametrize("odd", [None, "Sky", [], {}, farm(None, 5), farm("", 5), farm("x" * 300, 5), farm(True, 5)])
def test_a_row_without_a_name_is_unknown_and_keeps_what_fires(world: World, odd: Any) -> None:
    world.body = {"data": {"farms": [farm("Aave", 5), farm("Sky", 500)]}}
    world.run(IN_AN_ANSWER)
    world.body = {"data": {"farms": [farm("Aave", 5), odd]}}

    seen = world.run(IN_AN_ANSWER)
    assert seen["size/Aave"] == ("ok", "5")
    assert seen["size/Sky"][0] == "no data"
    assert [kind for kind, _, _ in world.alerts()] == ["alert"]


@pytest.mark.parametrize("body", [None, {}, {"data": {}}, {"data": {"farms": []}}, {"data": {"farms": {"a": 1}}}, []])
def test_a_list_that_is_missing_or_empty_ends_nothing(world: World, body: Any) -> None:
    world.body = {"data": {"farms": [farm("Sky", 500)]}}
    world.run(IN_AN_ANSWER)
    world.body = body

    assert {name: state for name, (state, _) in world.run(IN_AN_ANSWER).items()} == {
        "size/Sky": "no data", "total": "no data",
    }  # fmt: skip
    assert [kind for kind, _, _ in world.alerts()] == ["alert"]


def test_rows_of_every_element_are_rows_and_alike_ones_are_one(world: World) -> None:
    world.body = {"pools": [{"of": [{"asset": "BTC"}, {"asset": "SOL"}]}, {"of": [{"asset": "BTC"}]}]}
    text = """
monitor: pools
chain: mainnet
tables: {known: [BTC], safe: {contains: [so]}}
sources: {held: {url: "https://api.example.org/pools", rows: "pools[].of", texts: {asset: asset}}}
for_each: {item: held}
checks:
  - {id: "unknown/{item.asset}", flag: not item.asset in known, severity: medium}
  - {id: safe, require: count(item.asset in safe) <= 0, severity: low}
"""
    assert world.run(text) == {
        "unknown/BTC": ("ok", "False"), "unknown/SOL": ("firing", "True"), "safe": ("firing", "1"),
    }  # fmt: skip
    world.body = {"pools": [{"of": [{"asset": "BTC"}]}, {"of": None}]}
    assert world.run(text)["unknown/SOL"][0] == "no data"


def test_a_path_quotes_what_is_no_word(world: World) -> None:
    world.body = {"coins": {"ethereum:0xaa": {"price": 0.97}}}
    text = """
monitor: coins
chain: mainnet
sources: {price: {url: "https://api.example.org/coins", number: 'coins."ethereum:0xaa".price'}}
checks: [{id: floor, require: price >= 0.98, severity: high}]
"""
    assert world.run(text) == {"floor": ("firing", "97/100")}


MISTAKES = {
    "sources: {f: {url: 'https://a.b/c', rows: data}}": "texts and numbers say what is read of each row",
    "sources: {f: {url: 'https://a.b/c', rows: data, number: x, texts: {n: n}}}": "number says which",
    "sources: {f: {url: 'https://a.b/c', number: data, texts: {n: n}}}": "texts and numbers are of rows",
    "sources: {f: {url: 'https://a.b/c', rows: data, scale: 5, texts: {n: n}}}": "have their own scales",
    "sources: {f: {url: 'https://a.b/c', rows: data, texts: {'a b': n}}}": "cannot be named in an expression",
    "sources: {f: {url: 'https://a.b/c', rows: 'a b', texts: {n: n}}}": "is not a path of a list",
    "for_each: {one: vault.totalAssets()}": "a list is needed here, this is a number",
    "for_each: {one: 0..vault.get_default_queue()}": "a number is needed here, this is a list",
    "for_each: {one: 0..5}": "this reads nothing: write the rows themselves",
    "for_each: {one: {most: 5}}": "of is missing: the list that is read",
    "for_each: {one: {of: vault.get_default_queue(), most: 0}}": "a whole number from 1 to 1000",
    "for_each: {one: vault.get_default_queues()}": "no known view, did you mean get_default_queue?",
    "for_each: {a: [{x: 1}], b: [{x: 1}]}": "for_each has one name of written rows",
    "values: {all: sum(vault.totalAssets())}": "sum goes over the rows of for_each, and this reads nothing of them",
    "values: {all: 'vault.totalAssets() in known'}": "a table of tables: is needed after in",
    "tables: {known: [A]}\nvalues: {x: 'known[vault.symbol()]'}": "known is a list: write … in known",
    "tables: {known: {A: 1}}\nvalues: {x: known + 1}": "known is a table: write known[…], or … in known",
    "tables: {known: {A: 1, A: 2}}": "twice",
    "tables: {known: [A, A]}": "A is here twice",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_in_a_list_or_a_table_is_found_offline(tmp_path: Path, text: str) -> None:
    path = tmp_path / "monitor.yaml"
    head = f'monitor: m\nchain: 1\ncontracts: {{vault: "{VAULT}"}}\n'
    path.write_text(f"{head}{text}\nchecks: [{{id: size, require: vault.totalAssets() >= 5, severity: high}}]\n")
    with pytest.raises(ConfigError) as caught:
        load_monitor(path)
    assert any(MISTAKES[text] in line for line in caught.value.mistakes), caught.value.mistakes


def test_the_id_of_a_check_over_two_names_must_name_both(tmp_path: Path) -> None:
    path = tmp_path / "monitor.yaml"
    path.write_text(OVER_A_LIST.replace("size/{one}", "size"))
    with pytest.raises(ConfigError) as caught:
        load_monitor(path)
    assert "its id must differ for each row: size/{one}" in caught.value.mistakes[0]
