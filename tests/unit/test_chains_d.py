"""chains.d: chains of a team's own, read with the place of each mistake."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from monitoring.base.settings import CHECKOUT
from monitoring.base.yaml.reference import with_tables
from monitoring.chains.own_chains import OWN_CHAIN, read_own
from tests.support.checkouts import write
from tests.support.host import Host

KNOWN = {1: "mainnet", 42220: "celo"}
PAGE = CHECKOUT / "docs/chains.md"


def read(tmp_path: Path, text: str, name: str = "own.yaml") -> tuple[list[str], list[str]]:
    write(tmp_path / name, text)
    rows, mistakes = read_own(tmp_path, KNOWN)
    return [row.slug for row in rows], [line.removeprefix(f"{tmp_path}/") for line in mistakes]


def test_the_documented_chain_is_read_and_the_page_has_every_key(tmp_path: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert read(tmp_path, page.partition("```yaml\n")[2].partition("```")[0]) == (["acme"], [])
    assert page == with_tables(page, {"chain": OWN_CHAIN}), "python -m monitoring.chains.own_chains"


@pytest.mark.parametrize("key", OWN_CHAIN.keys, ids=lambda key: key.name)
def test_the_example_of_a_key_is_read(tmp_path: Path, key: object) -> None:
    example = yaml.load(key.example, Loader=yaml.BaseLoader)  # type: ignore[attr-defined]
    row = {"id": "31337", "slug": "acme", "name": "Acme"} | example
    text = yaml.safe_dump({"chains": [row]}).replace("'", "")
    assert read(tmp_path, text) == (["acme"], [])


@pytest.mark.parametrize(
    ("row", "mistake"),
    [
        ("id: 5, slug: acme-chain, name: A", "1:24 chains[0].slug: 'acme-chain' is no slug"),
        ("id: 0x7a69, slug: acme, name: A", "1:15 chains[0].id: '0x7a69' does not fit"),
        ("id: 5, slug: acme", "1:10 chains[0].name: missing: write name: Acme Chain"),
        ("id: 5, slug: acme, name: A, block_tim_s: 2", "chains[0].block_tim_s: unknown key: did you mean block_time"),
        ("id: 5, slug: acme, name: A, public_rpcs: [wss://x]", "chains[0].public_rpcs[0]: the address is a WebSocket"),
        ("id: 42220, slug: celo2, name: A", "1:28 chains[0].slug: chain 42220 is known as celo: write slug: celo"),
        ("id: 5, slug: celo, name: A", "1:24 chains[0].slug: 'celo' is another chain: write another slug"),
        ("id: 5, slug: acme, name: A, block_time_s: 0", "chains[0].block_time_s: '0' does not fit"),
    ],
)  # fmt: skip
def test_a_mistake_has_its_place_and_the_row_is_left_out(tmp_path: Path, row: str, mistake: str) -> None:
    rows, lines = read(tmp_path, f"chains: [{{{row}}}, {{id: 6, slug: other, name: B}}]")
    assert rows == ["other"]
    assert len(lines) == 1
    assert lines[0].startswith("own.yaml:1:")
    assert mistake in lines[0]


def test_a_chain_that_is_there_twice_names_both_places_and_a_wrong_suffix_is_a_mistake(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", "chains: [{id: 5, slug: acme, name: A}]")
    write(tmp_path / "c.yml", "chains: []")
    rows, lines = read(tmp_path, "chains: [{id: 5, slug: other, name: B}]", "b.yaml")
    assert rows == ["acme"]
    assert lines == [
        f"b.yaml:1:15 chains[0].id: 5 is taken by the chain in {tmp_path}/a.yaml:1:10: remove one of the two",
        "c.yml:1:1 is not read: rename it to c.yaml",
    ]


MONITOR = """\
monitor: acme
chain: acme
contracts: {token: "0x83F20F44975D03b1b09e64809B757c47f942BEeA"}
checks: [{id: supply, require: token.totalSupply() > 0, severity: high}]
"""
SHOW = """\
from monitoring.chains.networks import network
chain = network("celo")
usual = chain.multicall3 == network(1).multicall3
print(chain.public_rpcs, chain.max_head_age_s, usual, repr(chain.link("tx", hash="0")))
"""
JOBS = "profiles: {hourly: {cron: '5 * * * *', tasks: [{name: acme, monitors: [protocols/acme/monitor.yaml]}]}}"


def test_a_few_lines_make_a_chain_known_and_validate_names_the_mistakes_in_them(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.jobs(JOBS)
    write(host.checkout / "protocols/acme/monitor.yaml", MONITOR)
    own = write(host.checkout / "automation/chains.d/own.yaml", "chains: [{id: 31337, slug: acme, name: Acme Chain}]")
    done = host.automation("validate")
    assert done.returncode == 0
    assert "chains.d" not in done.stderr

    own.write_text("chains: [{id: 31337, slug: acme, nmae: Acme Chain}]")
    refused = host.automation("validate")
    assert refused.returncode == 2
    assert "automation/chains.d/own.yaml:1:34 chains[0].nmae: unknown key: did you mean name?" in refused.stderr
    assert "protocols/acme/monitor.yaml:2:8 chain: acme is no known chain" in refused.stderr


def test_an_own_row_replaces_the_one_of_the_project(tmp_path: Path) -> None:
    host = Host(tmp_path)
    row = "{id: 42220, slug: celo, name: Celo, public_rpcs: ['https://rpc.example/'], max_head_age_s: 60}"
    write(host.checkout / "automation/chains.d/own.yaml", f"chains: [{row}]")
    shown = subprocess.run(
        [sys.executable, "-c", SHOW], cwd=host.checkout, env={**os.environ, "PYTHONPATH": str(host.checkout)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert shown.stdout == "('https://rpc.example',) 60.0 True ''\n"
