"""Everything that says whether people are being reached, asked at one moment."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tests.support.host import Host, wait_until
from tests.support.web import Web
from tools.scripted_server import ScriptedServer

# What an audit says of alerts that reach nobody.
_OF_REACH = {"people not reached", "alerts waiting", "alerts not sent"}


@dataclass
class Surfaces:
    """A host with its page and its watcher outside; `environ` is what every process of it is given."""

    host: Host
    web: Web
    watcher: ScriptedServer
    environ: Mapping[str, str]

    def after_a_run(self) -> dict[str, bool]:
        """Run the profile, and ask all: True where people are said to be reached."""
        pings = len(self.watcher.requests)
        run = self.host.start("run", "hourly", **self.environ)

        def has_ended() -> bool:
            return run.poll() is not None or any("/start" not in ping for ping in self._pings(pings))

        wait_until(has_ended, "the run reports its end", 60)
        try:
            # With nothing left to deliver it ends by itself; a signal that meets its exit would hide the exit code.
            output, _ = run.communicate(timeout=5)
        except subprocess.TimeoutExpired:
            run.send_signal(signal.SIGTERM)  # its tasks are done: it need not go on delivering until its next tick
            output, _ = run.communicate(timeout=60)
        said = {"exit code": run.returncode == 0, "heartbeat": not self._pings(pings)[-1].endswith("/fail")}
        assert run.returncode in (0, 1), output
        return said | self.now()

    def now(self) -> dict[str, bool]:
        """Ask all that can be asked without a run."""
        asks = {
            "healthz": lambda: self.web.ask("/healthz").status == 200,
            "page": lambda: "People are not being reached" not in self.web.ask("/").text,
            "metrics": lambda: self._metric("monitoring_people_reached") == 1,
            "status": lambda: self._json("status")["reach"]["ok"],
            "doctor": lambda: (
                not [each for each in self._json("doctor") if each["subject"] == "outbox" and each["level"] == "wrong"]
            ),
            "audit": lambda: (
                not [
                    each
                    for each in self._json("audit")["findings"]
                    if each["kind"] in _OF_REACH and each["breaks_silence"]
                ]
            ),
        }
        with ThreadPoolExecutor(len(asks)) as pool:
            going = {name: pool.submit(ask) for name, ask in asks.items()}
            return {name: each.result() for name, each in going.items()}

    def _pings(self, since: int) -> list[str]:
        return [request.path.partition("?")[0] for request in self.watcher.requests[since:]]

    def _json(self, verb: str) -> dict:  # type: ignore[type-arg]
        done = self.host.automation(verb, "--json", **self.environ)
        assert done.stdout, done.stderr
        return json.loads(done.stdout)  # type: ignore[no-any-return]

    def _metric(self, name: str) -> float:
        found = re.search(rf"^{name} (\S+)$", self.web.ask("/metrics").text, re.MULTILINE)
        assert found, name
        return float(found[1])
