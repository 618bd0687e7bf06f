"""A backtest of the whole shipped hourly profile against providers with latency and limits: requests, time, disk.

Run from the checkout: `.venv/bin/python -m benchmarks.backtest [--days 30] [--latency 0.1] [--rounds 2]`. The providers
are those of the case `requests`; their chains have a block every 12 s, and answer at each as the drills say. Prices of
the past come from a stand-in. The second round plays the same again, from what the first one kept.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import unquote

from automation.jobs.load import load_jobs
from benchmarks.cases.requests import PROFILE, drilled_answers
from benchmarks.measuring import Size
from benchmarks.worlds.providers import Noted, Provider, answering, serving
from monitoring.base.clock import to_text
from monitoring.base.settings import CHECKOUT
from monitoring.chains.networks import networks
from monitoring.checks.drill.rehearsal import simulated
from monitoring.checks.recorded.sim_chain import SimChain

_PRICES = re.compile(r"/prices/historical/(\d+)/([^?]*)")


@dataclass(frozen=True)
class StoppedChain:
    """A clock at which the chains have their newest block."""

    at: datetime

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return 0.0


def pricing(latency_s: float) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            time.sleep(latency_s)
            found = _PRICES.match(self.path)
            row = {"price": 1, "confidence": 0.99, "timestamp": int(found[1]) if found else 0}
            keys = unquote(found[2]).split(",") if found else []
            body = json.dumps({"coins": dict.fromkeys(keys, row)}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=float, default=30.0)
    parser.add_argument("--latency", type=float, default=0.1, help="of each answer, in seconds")
    parser.add_argument("--rounds", type=int, default=2)
    asked = parser.parse_args()
    now = datetime.now(UTC)
    tasks = [
        one for one in load_jobs(CHECKOUT / "automation/jobs.yaml", CHECKOUT).profiles[PROFILE].tasks if one.enabled
    ]
    files = [file for task in tasks for file in task.monitors]
    answers = drilled_answers(Size.FULL)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        chains = {chain.id: chain for chain in simulated(answers).values()}
        providers = {
            id_: Provider(chains.get(id_, SimChain(chain=id_)), asked.latency, Noted(), StoppedChain(now))
            for id_ in networks()
        }
        urls = {id_: stack.enter_context(serving(answering(one))) for id_, one in providers.items()}
        environ = {f"PROVIDER_URL_{networks()[id_].slug.upper()}": url for id_, url in urls.items()}
        environ |= {"PROVIDER_PUBLIC": "off", "DEFILLAMA_URL": stack.enter_context(serving(pricing(asked.latency)))}
        environ |= {"CACHE_DIR": str(folder), "MONITORING_ENV_FILE": "", "PYTHONPATH": str(CHECKOUT)}
        since, until = to_text(now - timedelta(days=asked.days)), to_text(now)
        load = f"load {os.getloadavg()[0]:.1f} of {os.cpu_count()}"
        print(
            f"{len(files)} monitor files, {asked.days:g} days hourly, latency {asked.latency:g} s, {load}", flush=True
        )
        for name in ("first", "again")[: asked.rounds]:
            measure(name, files, since, until, environ, providers)
        kept = sum(path.stat().st_size for path in (folder / "backtest").rglob("*") if path.is_file())
        print(f"kept on disk: {kept / 1e6:.1f} MB")
    return 0


def measure(
    name: str, files: list[str], since: str, until: str, environ: dict[str, str], providers: dict[int, Provider]
) -> None:
    before = {id_: len(one.noted.spans) for id_, one in providers.items()}
    command = [sys.executable, "-m", "automation", "backtest", *files, "--since", since, "--until", until]
    process = subprocess.Popen(
        [*command, "--requests", "1000000", "--json"], cwd=CHECKOUT, env={**os.environ, **environ},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    out, err = process.communicate()
    wall_s, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    found = json.loads(out)
    (run,) = found["runs"]
    print(err.strip())
    print(
        f"{name}: {found['judged']} of {found['steps']} steps, {found['requests']:,} requests, {wall_s:.0f} s wall, "
        f"{after.ru_utime - used.ru_utime:.0f} s CPU, {after.ru_maxrss / 1024:.0f} MB, {len(run['checks'])} checks, "
        f"{len(run['left_out'])} left out, {len(run['incidents'])} incidents, stopped: {found['stopped']}"
    )
    for id_, one in providers.items():
        if asked := len(one.noted.spans) - before[id_]:
            print(f"  {networks()[id_].slug:<10} {asked:>7,} requests, {one.noted.refused} refused")
    print("  left out: " + ", ".join(sorted(set(run["left_out"].values()))))


if __name__ == "__main__":
    sys.exit(main())
