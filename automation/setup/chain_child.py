"""Asks chains by a child process: what an address is, and what the endpoints of a chain can do."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automation.sync.command import run_command
from monitoring.base.errors import UsageError
from monitoring.chains.inspection.model import ContractKind, Inspection

_LIMIT_S = 150.0  # the budget of a task's reads, and the start


@dataclass(frozen=True, slots=True)
class ChainReader:
    """Reads by the endpoints of an environment; `environ` is this shell's with what `init` is about to write."""

    checkout: Path
    environ: Mapping[str, str]

    def inspect(self, address: str, chain: str) -> Inspection:
        """Return what an address is and who controls it.

        Raises:
            UsageError: no such address or chain, or the chain cannot be read.
        """
        found = Inspection.from_json(self._json("inspect", address, "--chain", chain))
        if found.facts.kind is ContractKind.UNREAD:
            variable = f"PROVIDER_URL_{found.chain.upper()}"
            raise UsageError(
                f"{found.address} on {found.chain} cannot be read: {found.facts.problem}: "
                f"give an endpoint of your own ({variable}, or init --rpc {found.chain}=URL)"
            )
        return found

    def endpoints(self, chain: str) -> list[dict[str, Any]]:
        """Return what each endpoint of a chain says of itself, as `python -m monitoring.chains probe --deep`."""
        found = self._json("probe", "--deep", "--json", "--chain", chain)
        return list(found)

    def _json(self, *arguments: str) -> Any:  # noqa: ANN401 - what a JSON document is
        argv = [sys.executable, "-m", "monitoring.chains", *arguments]
        environ = {**os.environ, **self.environ}
        done = run_command(argv, cwd=self.checkout, environ=environ, time_limit_s=_LIMIT_S)
        try:
            return json.loads(done.stdout)
        except ValueError:
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise UsageError(f"no end after {_LIMIT_S:.0f} s" if done.timed_out else last) from None
