"""`local_chain()` did not find the anvil of `make node`; `Ways.__init__() got an unexpected keyword argument 'blow'`;
a misspelt view in a Python monitor printed nothing and exited 0; one's own monitor broke three tests of the product.

Right: it is found; the keyword is named with the nearest one; a view that no contract has is said; own folders do not
count in the product's tests.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import anvil, parts
from tests.support.child import CHECKOUT, child_environ
from utils.monitor import HIGH, Context, call, monitor
from utils.testing import SimChain, local_chain, run

pytestmark = pytest.mark.case("D.10")
A = "0x" + "11" * 20


def test_the_node_of_make_node_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    if anvil.binary() is None:
        parts.missing(anvil.HOW_TO_GET_IT)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    with local_chain() as chain:
        assert chain.rpc("eth_blockNumber") == "0x0"


def test_an_unknown_keyword_is_answered_with_the_nearest_one(tmp_path: Path) -> None:
    @monitor("acme")
    def main(m: Context) -> None:
        m.limit("backing", 1, blow=2, severity=HIGH)  # type: ignore[call-arg]

    (crash,) = run(main, store=tmp_path)
    assert "blow" in crash.text
    assert "below" in crash.text
    assert "__init__" not in crash.text


def test_a_view_that_the_contract_does_not_have_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    @monitor("acme")
    def main(m: Context) -> None:
        m.limit("assets", m.chain(1).read(assets=call(A, "totalAsets()(uint256)")).assets, below=2, severity=HIGH)

    seen = run(main, store=tmp_path, chain=SimChain({(A, "totalAssets()(uint256)"): 1}))
    shown = "".join(capsys.readouterr())
    assert "totalAsets" in shown
    assert "no data: 1 of 1 checks" in shown
    assert seen.code == 1


@pytest.mark.ci
def test_a_monitor_of_ones_own_breaks_no_test_of_the_product(tmp_path: Path) -> None:
    copied = tmp_path / "checkout"
    names = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files"], cwd=CHECKOUT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    for name in names:
        (copied / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(CHECKOUT / name, copied / name)
    own = copied / "protocols" / "mine"
    own.mkdir()
    (own / "monitor.yaml").write_text("monitor: mine\nhost: {disk: {}}\n")
    jobs = copied / "automation" / "jobs.yaml"
    first = "      - name: host\n"
    own_task = "      - name: mine\n        monitors: [protocols/mine/monitor.yaml]\n"
    jobs.write_text(jobs.read_text().replace(first, own_task + first, 1))
    subprocess.run(["git", "init", "-q", "."], cwd=copied, check=True)
    files = ["tests/test_tree.py", "tests/unit/test_watched.py", "tests/unit/test_drills.py"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *files],
        cwd=copied, env=child_environ() | {"PYTHONPATH": str(copied)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]
