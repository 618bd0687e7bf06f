"""`make demo` as a person runs it: real processes, its own account of what is true, and nothing left behind."""

from __future__ import annotations

import fcntl
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

import pytest

from tests.support import anvil, parts
from tests.support.child import CHECKOUT, child_environ, wait_until
from tests.support.rpc import Rpc

pytestmark = [pytest.mark.timeout(900), pytest.mark.ci]
DEMO = [sys.executable, "-m", "tools.demo"]
# What a developer may have set: none of it may be used.
REAL_WORLD = {
    "TELEGRAM_BOT_TOKEN_DEFAULT": "1:real", "TELEGRAM_TEST_CHAT_ID": "42", "TELEGRAM_API_URL": "http://127.0.0.1:9",
    "PROVIDER_URL_MAINNET": "http://127.0.0.1:9", "CACHE_DIR": "/nowhere", "LOG_LEVEL": "DEBUG",
    "CACHE_BACKEND": "file", "HTTP_PROXY": "http://127.0.0.1:9",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _one_at_a_time() -> Iterator[None]:
    """Take turns with other workers: two demos of one checkout would share its .cache/demo."""
    (CHECKOUT / ".cache").mkdir(exist_ok=True)
    with (CHECKOUT / ".cache/demo-tests.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        yield


def test_the_demo_needs_nothing_that_only_tests_need() -> None:
    # `make demo` of a fresh clone makes the venv of a host, without the packages of requirements-dev.lock.
    hidden = "import sys; sys.modules.update(dict.fromkeys(('pytest', 'hypothesis', 'xdist', 'jsonschema', 'web3')))"
    done = subprocess.run(
        [sys.executable, "-c", f"{hidden}; import tools.demo"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def demo(*arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*DEMO, *arguments],
        cwd=CHECKOUT,
        env=child_environ(env),
        capture_output=True,
        text=True,
        timeout=390,
        check=False,
    )


@contextmanager
def demo_on_its_way(log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(DEMO, cwd=CHECKOUT, env=child_environ(), stdout=output, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.node
def test_the_demo_shows_what_it_says_whatever_the_environment_holds() -> None:
    if anvil.binary() is None:
        parts.missing(anvil.HOW_TO_GET_IT)
    done = demo(env=REAL_WORLD)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "All of it as it should be." in done.stdout
    assert len(re.findall("^✓ ", done.stdout, re.MULTILINE)) == 7
    assert "✗" not in done.stdout


def test_without_a_chain_it_says_so_and_shows_the_rest() -> None:
    done = demo("--without-chain")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Without a chain, as asked." in done.stdout
    assert "run hourly" not in done.stdout
    assert "✓ one digest names the broken task, one says that all is well again" in done.stdout
    assert len(re.findall("^✓ ", done.stdout, re.MULTILINE)) == 4


@pytest.mark.node
def test_an_interrupted_demo_leaves_nothing_running(tmp_path: Path) -> None:
    if anvil.binary() is None:
        parts.missing(anvil.HOW_TO_GET_IT)
    log = tmp_path / "log"
    with demo_on_its_way(log) as process:
        wait_until(lambda: b"run hourly\n" in log.read_bytes() or process.poll() is not None, "a run", limit_s=120)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 128 + signal.SIGTERM

    url = re.search(r"A local chain answers at (\S+);", log.read_text())
    assert url is not None
    with pytest.raises(URLError):
        Rpc(url[1])("eth_chainId")
    assert not [process for process in Path("/proc").glob("[0-9]*") if _works_in_the_demo(process)]


def _works_in_the_demo(process: Path) -> bool:
    try:
        return str(CHECKOUT / ".cache/demo/state").encode() in (process / "environ").read_bytes()
    except OSError:
        return False


def test_a_second_demo_of_the_same_checkout_is_refused(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with demo_on_its_way(log) as process:
        wait_until(lambda: log.stat().st_size > 0, "the first demo to speak", limit_s=120)

        second = demo("--without-chain")

        assert (second.returncode, second.stderr) == (1, "another demo of this checkout is running\n")
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 128 + signal.SIGINT
