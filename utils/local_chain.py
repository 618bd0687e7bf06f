"""A real EVM node on loopback for tests of monitors: `anvil`, as `make node` installs it or found on the PATH.

Used through `utils.testing`. The node is stopped when its block ends.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import orjson

from monitoring.base.errors import UsageError
from monitoring.base.http.client import HttpClient, Request
from monitoring.chains.networks import network

HOW_TO_GET_ANVIL = "anvil is missing: run `make node` (it needs npm), or put an `anvil` on the PATH"
_CHECKOUT = Path(__file__).resolve().parents[1]
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_START_LIMIT_S = 60.0
_STOP_LIMIT_S = 10.0
_ANSWER_LIMIT_S = 30.0
_LISTENING = re.compile(r"Listening on 127\.0\.0\.1:(\d+)")


def anvil_program() -> Path | None:
    """Return the `anvil` that `make node` installed, else the one on the PATH, else None."""
    architecture = _ARCHITECTURES.get(platform.machine(), platform.machine())
    packaged = _CHECKOUT / f"node_modules/@foundry-rs/anvil-{sys.platform}-{architecture}/bin/anvil"
    if packaged.is_file():
        return packaged
    found = shutil.which("anvil")
    return Path(found) if found else None


@dataclass(frozen=True, slots=True)
class LocalChain:
    """A running node that stands for `chain`."""

    url: str
    chain: int | str

    @property
    def environ(self) -> Mapping[str, str]:
        """Return the variables that make this the chain's only provider."""
        return {f"PROVIDER_URL_{network(self.chain).slug.upper()}": self.url, "PROVIDER_PUBLIC": "off"}

    def rpc(self, method: str, *params: Any) -> Any:  # noqa: ANN401 - JSON
        """Ask the node, as in `rpc("anvil_setCode", address, code)`.

        Raises:
            UsageError: it answers an error.
        """
        body = orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        fetch = HttpClient()
        try:
            answer = fetch(Request(self.url, "POST", {"content-type": "application/json"}, body), _ANSWER_LIMIT_S)
        finally:
            fetch.close()
        found = orjson.loads(answer.body)
        if "error" in found:
            raise UsageError(f"{method}: {found['error'].get('message', found['error'])}")
        return found["result"]


@contextmanager
def local_chain(chain: int | str = 1, *, program: Path | str | None = None) -> Iterator[LocalChain]:
    """Start a node that says it is `chain` (an id or a slug), and stop it when the block ends.

    Raises:
        FileNotFoundError: there is no anvil.
    """
    found = program or anvil_program()
    if found is None:
        raise FileNotFoundError(f"{HOW_TO_GET_ANVIL}, or give its path as program=")
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryDirectory() as home:
        command = [str(found), "--host", "127.0.0.1", "--port", "0", "--chain-id", str(network(chain).id)]
        process = subprocess.Popen(
            command, env={**os.environ, "HOME": home}, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            yield LocalChain(_url(process, output), chain)
        finally:
            _stop(process)


def _url(process: subprocess.Popen[bytes], output: IO[str]) -> str:
    deadline = time.monotonic() + _START_LIMIT_S
    while time.monotonic() < deadline and process.poll() is None:
        output.seek(0)
        listening = _LISTENING.search(output.read())
        if listening:
            return f"http://127.0.0.1:{listening[1]}"
        time.sleep(0.01)
    output.seek(0)
    raise RuntimeError(f"anvil did not come up (exit {process.poll()}):\n{output.read()}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
