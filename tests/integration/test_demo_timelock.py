"""The timelock fixture on a real chain: each scheduled operation is stored once, and the cursor only moves forward."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from monitoring.store.database import Database
from tests.support.anvil import Anvil
from tests.support.child import CHECKOUT, child_environ
from tests.support.contracts import Contract, artifact
from tools.demo_chain import deploy_timelock, schedule_new_delay

pytestmark = pytest.mark.node
MONITOR = CHECKOUT / "protocols/demo_timelock/main.py"


def watch(timelock: Contract, state: Path, *arguments: str, code: int = 0) -> str:
    """Run the monitor by hand and return what it printed."""
    environ = child_environ({
        "CACHE_DIR": str(state), "MONITORING_ENV_FILE": "", "PROVIDER_URL_MAINNET": timelock.node.url,
        "LOG_LEVEL": "DEBUG",  # alerts are recorded and nothing is sent
    })  # fmt: skip
    done = subprocess.run(
        [sys.executable, MONITOR, f"--address={timelock.address}", *arguments],
        env=environ, capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    return done.stdout


def stored(state: Path) -> list[tuple[str, str]]:
    with Database(state / "monitoring.db", readonly=True) as database:
        return [(row[0], row[1]) for row in database.rows("SELECT severity, message FROM alert_events ORDER BY id")]


def test_an_operation_is_told_once_with_everything_to_judge_it(chain: Anvil, tmp_path: Path) -> None:
    timelock = deploy_timelock(chain)
    operation = schedule_new_delay(timelock, days=9)

    assert "1 scheduled" in watch(timelock, tmp_path)
    assert "0 scheduled" in watch(timelock, tmp_path)

    ((severity, message),) = stored(tmp_path)
    assert severity == "HIGH"
    call = timelock.artifact.calldata("updateDelay", 9 * 86_400)
    for part in (operation.id, timelock.address, call, "Index: 0", "Value: 0 wei", "0x" + "00" * 32, "86400 s"):
        assert part.lower() in message.lower()


def test_what_is_scheduled_between_two_runs_is_told_by_the_second(chain: Anvil, tmp_path: Path) -> None:
    timelock = deploy_timelock(chain)
    first = schedule_new_delay(timelock, days=2)
    watch(timelock, tmp_path)
    second, third = schedule_new_delay(timelock, days=3), schedule_new_delay(timelock, days=4)

    assert "2 scheduled" in watch(timelock, tmp_path)

    messages = [message for _, message in stored(tmp_path)]
    assert [operation.id in message for operation, message in zip((first, second, third), messages, strict=True)] == [
        True, True, True,
    ]  # fmt: skip


def test_a_batch_is_one_alert_an_index(chain: Anvil, tmp_path: Path) -> None:
    timelock = deploy_timelock(chain)
    targets = [chain.accounts[1], chain.accounts[2]]
    timelock.send("scheduleBatch", targets, [1, 2], [b"\x01", b""], bytes(32), bytes(32), 86_400)

    watch(timelock, tmp_path)

    messages = [message for _, message in stored(tmp_path)]
    assert ["Index: 0" in messages[0], "Index: 1" in messages[1], len(messages)] == [True, True, 2]


def test_the_first_run_looks_back_so_far_and_no_further(chain: Anvil, tmp_path: Path) -> None:
    timelock = deploy_timelock(chain)
    schedule_new_delay(timelock, days=2)
    chain.mine(50)
    recent = schedule_new_delay(timelock, days=3)

    watch(timelock, tmp_path, "--look-back=10")

    ((_, message),) = stored(tmp_path)
    assert recent.id in message


def test_a_chain_that_does_not_answer_is_a_crash_and_moves_nothing(chain: Anvil, tmp_path: Path) -> None:
    timelock = deploy_timelock(chain)
    watch(timelock, tmp_path)
    operation = schedule_new_delay(timelock, days=2)
    nobody = artifact("oz5", "TimelockController").at(
        Anvil("http://127.0.0.1:9", chain.pid, chain.rpc, chain.accounts), timelock.address
    )

    watch(nobody, tmp_path, code=1)
    watch(timelock, tmp_path)

    assert sum(operation.id in message for _, message in stored(tmp_path)) == 1
