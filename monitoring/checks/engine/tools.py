"""What a run of monitors may use of the world: chains, services, decoding. Made once per task, handed to whoever asks.

Questions are answered with it (`answers.py`), and messages about transactions are written with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from monitoring.base.clock import Clock
from monitoring.chains.decode.calldata import Decoder
from monitoring.chains.decode.labels import Labels
from monitoring.chains.decode.signature_resolver import ladder
from monitoring.chains.rpc.views import Chains
from monitoring.chains.services.client import Service


@dataclass(frozen=True, slots=True)
class Tools:
    """The world as a run of monitors meets it; `environ` is the task's, without what it must not see."""

    environ: Mapping[str, str]
    clock: Clock
    chains: Chains
    service: Service
    decoder: Decoder
    labels: Labels


def open_tools(environ: Mapping[str, str], chains: Chains) -> Tools:
    """Make the tools of one task around its chains: one budget, one memory, one way out."""
    service = Service(chains.fetch, chains.budget)
    decoder = Decoder(ladder(environ, service, chains.memory), clock=chains.budget.clock)
    return Tools(environ, chains.budget.clock, chains, service, decoder, Labels())
