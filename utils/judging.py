"""What a function judges, recorded: one session a run, one transaction for what is recorded together.

Made by `Context` when its first verb or reading is used.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from monitoring.alerts.message.guidance import Guidance
from monitoring.alerts.recording.store_alert import AlertOrigin, DueReminder
from monitoring.base.clock import Clock
from monitoring.base.errors import StoreError, UsageError
from monitoring.chains.abi.values import Unknown
from monitoring.chains.networks import network
from monitoring.chains.rpc.provider import Fetch
from monitoring.checks.engine import runner
from monitoring.checks.engine.evaluation import EvaluatedCheck
from monitoring.checks.engine.evidence import AskedContract, Evidence
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.engine.python_checks import Given, GivenPart
from monitoring.checks.messages.plain import AlertRoute
from monitoring.checks.rules.keywords import facts_shown
from monitoring.checks.rules.readings import LogBatch
from monitoring.checks.rules.verb import Asked
from monitoring.checks.rules.words import Subject
from monitoring.checks.state.load import StoredMemory
from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.conditions.policy import Policy
from monitoring.store.db.database import Tx
from monitoring.store.db.handle import SteadyStore

WHOLE = "(readings)"  # no author would choose it: whether the function could read what it decides upon


@dataclass(slots=True)
class Judged:
    """What came of a verb; it can be asked once that is recorded, at the end of the function or of `together`."""

    part: GivenPart
    seen: EvaluatedCheck | None = field(default=None)

    @property
    def state(self) -> str:
        """Return `ok`, `pending` or `firing`."""
        return self._done().outcome.condition.state.value

    @property
    def told(self) -> str:
        """Return what people receive (`fired`, `worsened`, `reminder`, `eased`, `recovered`), or nothing."""
        transition = self._done().outcome.transition
        return transition.kind.value if transition else ""

    @property
    def reason(self) -> str:
        return self._done().outcome.reason.value

    def _done(self) -> EvaluatedCheck:
        if self.seen is None:
            raise UsageError("nothing is recorded yet: that happens when the function ends, or `with m.together():`")
        return self.seen


class EvaluationSession:
    """Where one run of a function judges and reads."""

    def __init__(
        self,
        name: str,
        channel: str,
        environ: Mapping[str, str],
        store: SteadyStore,
        origin: AlertOrigin,
        clock: Clock,
        *,
        guidance: Guidance,
        redact: Callable[[str], str],
        fetch: Fetch | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = name
        self._store = store
        self._origin = origin
        self._given = Given(name, AlertRoute(name, channel, guidance))
        memory = StoredMemory(store, clock)
        # What the function reads with, too: one budget and one block a chain for the whole run.
        self.at = EvaluationPoint(environ, clock, memory=memory, fetch=fetch, sleep=sleep, redact=redact)
        self.crashed = False  # whether a verb, or what it says, met a bug
        self._keys: set[ConditionKey] = set()
        self._answers: list[tuple[AskedContract, Any]] = []

    def note_answer(self, chain: int, address: str, value: Any) -> None:  # noqa: ANN401 - whatever a view returns
        """Remember which contract gave which value."""
        self._answers.append((AskedContract(chain, address.lower()), value))

    def _contracts_of(self, reading: Any) -> list[AskedContract]:  # noqa: ANN401 - as above
        """Return the contracts that gave exactly this reading; of one that was calculated, all that were asked."""
        if isinstance(reading, LogBatch):
            return []  # its lines name the contracts
        readings = reading if isinstance(reading, tuple) else (reading,)
        exact = [asked for asked, value in self._answers if value in readings]
        return list(dict.fromkeys(exact or [asked for asked, _ in self._answers]))

    def part(self, key: str, verb: str, asked: Asked) -> Judged:
        """Note a judgement.

        Raises:
            UsageError: the key is empty, or was judged in this run already.
        """
        options = asked.options
        chain = network(options.chain).id if options.chain else 0
        found = self._key(key, chain, f"m.{verb}")
        if asked.key and asked.key != key:
            raise UsageError(f"m.{verb}({key!r}, …): this was read for {asked.key!r}: use the same key for both")
        if found in self._keys:
            raise UsageError(f"m.{verb}({key!r}, …): this was judged in this run already: give each its own key")
        self._keys.add(found)

        described = Subject(key, verb, asked.policy, options.unit, text=options.text, chain=chain)
        reading = asked.reading
        route = self._given.route.narrowed(options.own_route(verb))
        named = [AskedContract(chain, options.contract.lower())] if options.contract else self._contracts_of(reading)
        evidence = Evidence(tuple(facts_shown(options.inputs, dict).items()), tuple(named))
        causes = tuple(self._key(each, on, "unless=") for each in options.causes for on in dict.fromkeys((chain, 0)))
        return Judged(GivenPart(found, route, described, reading, evidence, causes))

    def before(self, key: str, chain: int) -> Condition:
        """Return what is remembered under a key; of a store that cannot be read nothing is."""
        found = self._key(key, chain, "m.chain(…).logs")
        try:
            state = runner.recalled([self._given], self.at, self._store, self._origin)
        except StoreError as error:
            runner.say(self.at, f"the store cannot be read, so nothing is remembered: {error}")
            return Condition(found)
        return state.conditions.get(found) or Condition(found)

    def _key(self, key: str, chain: int, call: str) -> ConditionKey:
        check, _, subject = key.partition("/") if isinstance(key, str) else ("", "", "")
        if not check:
            raise UsageError(f"{call}({key!r}, …): a key is a text that is not empty, as in utilisation/USDC")
        return ConditionKey(self._given.name, check, chain, subject)

    def forget(self, judged: Sequence[Judged]) -> None:
        """Take back what was never recorded."""
        self._keys -= {one.part.key for one in judged}

    def whole(self, unknown: Unknown | None) -> Judged | None:
        """Return the judgement that the function stopped at something unknown; or that it did not, if it did before."""
        key = ConditionKey(self._given.name, WHOLE, 0)
        if unknown is None and not self._was_blind(key):
            return None
        self._keys.add(key)
        described = Subject("what it reads is known", "flag", Policy())
        return Judged(GivenPart(key, self._given.route, described, False if unknown is None else unknown))

    def _was_blind(self, key: ConditionKey) -> bool:
        row = runner.recalled([self._given], self.at, self._store, self._origin).conditions.get(key)
        return row is not None and row.no_data is not None

    def record(self, judged: Sequence[Judged], also_write: Callable[[Tx], Sequence[DueReminder]]) -> runner.RunOutcome:
        """Judge and record in one transaction, together with what `also_write` writes."""
        self._given.given = [one.part for one in judged]
        outcome = runner.run([self._given], self.at, self._store, self._origin, also_write)
        self.crashed = self.crashed or outcome.crashed
        for one, seen in zip(judged, outcome.seen, strict=True):
            one.seen = seen
        return outcome
