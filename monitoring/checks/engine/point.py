"""Where and when monitors are evaluated: providers, blocks, state overrides, clock. One for a task.

Made by the code that evaluates. What it reads with is opened by the first reading, so that a monitor which has its
readings already loads no chain; from then on one point is one block of each chain, one budget and one memory.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monitoring.base.clock import Clock, SystemClock
from monitoring.base.secrets.redact import redact
from monitoring.chains.rpc.budget import TASK_S, Budget
from monitoring.chains.rpc.memory import ChainMemory, RunMemory

if TYPE_CHECKING:
    from monitoring.alerts.message.facts import Fact
    from monitoring.chains.decode.calldata import Decoder
    from monitoring.chains.decode.labels import Labels
    from monitoring.chains.decode.signature_resolver import ExplorerAbi
    from monitoring.chains.rpc.provider import Fetch
    from monitoring.chains.rpc.supposed import StateOverrides, Supposed
    from monitoring.chains.rpc.views import Chains
    from monitoring.chains.sentences.catalogue import Catalogue
    from monitoring.chains.services.client import Service
    from monitoring.conditions.condition import ConditionKey

# All simulations of a task together: the alerts they belong to wait for them. Ours.
SPARE_S, SPARE_REQUEST_S, SPARE_RETRIES = 20.0, 8.0, 6


@dataclass(frozen=True)
class EvaluationPoint:
    """The world as an evaluation meets it; `environ` is the task's, without what it must not see.

    `blocks` has the block to read a chain at, others are read at their head; `overrides` what a chain's state is
    supposed to be, in the form of eth_call's third parameter or as calls that come first. `known` are answers that are
    there already: a view's by its `ViewRead`, a source's by the names of monitor and source; they are not asked again.
    `monitors` is the folder with the files of all monitors, where others than those evaluated may be looked at.
    `noted` are the facts of the alert that is being written, `troubled` the conditions of sources that were recorded as
    bad: a function may record often, and is one run all the same.
    """

    environ: Mapping[str, str]
    clock: Clock = field(default_factory=SystemClock)
    blocks: Mapping[int, int] = field(default_factory=dict)
    overrides: Mapping[int, StateOverrides | Supposed] = field(default_factory=dict)
    known: Mapping[Hashable, Any] = field(default_factory=dict)
    memory: ChainMemory = field(default_factory=RunMemory)
    fetch: Fetch | None = None
    budget_s: float = TASK_S
    budget: Budget | None = None
    monitors: Path | None = None
    sleep: Callable[[float], None] = time.sleep
    redact: Callable[[str], str] = redact
    noted: list[Fact] = field(default_factory=list)
    troubled: set[ConditionKey] = field(default_factory=set)

    @cached_property
    def chains(self) -> Chains:
        from monitoring.chains.rpc.views import Chains  # noqa: PLC0415 - chains are loaded by the first reading

        budget = self.budget or Budget(seconds=self.budget_s, clock=self.clock, sleep=self.sleep)
        return Chains(
            self.environ, budget=budget, memory=self.memory, fetch=self.fetch, blocks=self.blocks,
            overrides=self.overrides,
        )  # fmt: skip

    @cached_property
    def spare(self) -> EvaluationPoint:
        """Return the same world with a small budget of its own, for what an alert can go without.

        It has providers of its own: one that lacks a method for simulations is not failing for that. Views are pinned
        to the blocks of this point.
        """
        budget = Budget(
            seconds=min(SPARE_S, self.chains.budget.left_s), retries=SPARE_RETRIES, request_s=SPARE_REQUEST_S,
            clock=self.clock, sleep=self.sleep,
        )  # fmt: skip
        blocks = {chain: view.block.number for chain, view in self.chains.views.items() if hasattr(view, "block")}
        return replace(self, blocks={**self.blocks, **blocks}, fetch=self.chains.fetch, budget=budget)

    @property
    def has_read(self) -> bool:
        """Return whether anything was read from a chain or a service."""
        return "chains" in vars(self)

    @cached_property
    def service(self) -> Service:
        from monitoring.chains.services.client import Service  # noqa: PLC0415 - as above

        return Service(self.chains.fetch, self.chains.budget)

    @cached_property
    def decoder(self) -> Decoder:
        from monitoring.chains.decode.calldata import Decoder  # noqa: PLC0415 - as above
        from monitoring.chains.decode.signature_resolver import ladder  # noqa: PLC0415 - as above

        rungs = (self.catalogue, *ladder(self.environ, self.service, self.memory))
        return Decoder(rungs, clock=self.clock)

    @cached_property
    def explorer(self) -> ExplorerAbi | None:
        from monitoring.chains.decode.signature_resolver import explorer  # noqa: PLC0415 - as above

        return explorer(self.environ, self.service, self.memory)

    @cached_property
    def catalogue(self) -> Catalogue:
        from monitoring.chains.sentences.catalogue import Catalogue  # noqa: PLC0415 - as above
        from monitoring.chains.sentences.own import own_patterns  # noqa: PLC0415 - as above

        return Catalogue(own_patterns())

    @cached_property
    def labels(self) -> Labels:
        from monitoring.chains.decode.labels import Labels  # noqa: PLC0415 - as above
        from monitoring.checks.config.own_names import own_names  # noqa: PLC0415 - reads every monitor file

        return Labels(own_names())
