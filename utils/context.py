"""The context a monitor works with: alerts, conditions and memory.

Made by `utils.script`. An alert or a remembered value commits by itself, what is judged when the function ends, and all
of a `together()` at its end; nothing is sent here.
"""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from monitoring.alerts.delivery.spooled import Unstored, keep
from monitoring.alerts.message.guidance import NO_GUIDANCE, Guidance, guidance_of_call
from monitoring.alerts.message.model import Alert, Severity
from monitoring.alerts.message.text import code
from monitoring.alerts.recording.reminders import remind_in
from monitoring.alerts.recording.store_alert import AlertOrigin, DueReminder, Recorded
from monitoring.alerts.recording.unit_of_work import (
    Fire,
    Resolve,
    Step,
    StoredOutcome,
    Value,
    commit_in,
)
from monitoring.alerts.task_context import LISTING
from monitoring.base.clock import Clock
from monitoring.base.errors import StoreError, UsageError
from monitoring.base.secrets.redact import Redactor
from monitoring.base.settings import Settings
from monitoring.conditions.condition import CRASH, ConditionKey
from monitoring.conditions.policy import USUAL, PendingPolicy, Policy, Reminders
from monitoring.conditions.values import Unknown
from monitoring.store.db.database import Tx
from monitoring.store.db.handle import SteadyStore
from utils.key_uses import KeyUses
from utils.memory import Duration, Remembers, duration
from utils.reading import Reads
from utils.verbs import Verbs

if TYPE_CHECKING:
    from monitoring.chains.rpc.provider import Fetch
    from monitoring.checks.engine.evaluation import EvaluatedCheck
    from monitoring.checks.rules.verb import Asked
    from utils.judging import EvaluationSession, Judged

_CRASH = "crash"


@dataclass(slots=True)
class _Batch:
    """What commits together."""

    steps: list[Step] = field(default_factory=list)
    judged: list[Judged] = field(default_factory=list)


class Context(Reads, Verbs, Remembers):
    """What a monitor function is given as `m`. `fetch` and `sleep` are what it reads and waits with."""

    def __init__(
        self,
        name: str,
        channel: str,
        settings: Settings,
        clock: Clock,
        *,
        arguments: Sequence[str] = (),
        origin: AlertOrigin | None = None,
        fetch: Fetch | None = None,
        sleep: Callable[[float], None] = time.sleep,
        guidance: Guidance = NO_GUIDANCE,
    ) -> None:
        self.name = name
        self.channel = channel
        self._guidance = guidance
        self.arguments = tuple(arguments)
        self.now: datetime = clock.now()
        self.trouble = False
        self.stored = 0
        self._settings = settings
        self._clock = clock
        self._redact = Redactor(settings.environ)
        self._origin = origin or AlertOrigin(debug=settings.debug)
        self._steady = SteadyStore(settings.database, clock)
        self._open_batch: _Batch | None = None
        self._judged: list[Judged] = []
        self._uses = KeyUses()
        self._due: dict[ConditionKey, DueReminder] = {}
        self._evaluated: list[EvaluatedCheck] = []
        self._fetch = fetch
        self._sleep = sleep

    # -- alerts --------------------------------------------------------------------------------------------------------

    def alert(
        self,
        severity: Severity | str,
        title: object,
        *blocks: object,
        key: str | None = None,
        remember: Mapping[str, Value] | None = None,
        fire_after: Duration = "0",
        remind: Duration | Reminders | None = USUAL,
        protocol: str | None = None,
        channel: str | None = None,
        silent: bool | None = None,
        runbook: str = "",
        note: str = "",
        machine: bool = False,
    ) -> StoredOutcome:
        """Send people an alert; with a `key`, send it once for as long as the problem lasts.

        A repeat is counted and not sent until `remind` has passed (left out: 6 h for CRITICAL, a day for HIGH, never
        for milder ones; None is never) or the severity is worse than any before. `fire_after`: only once it has been
        raised for so long. `remember`: values that are written if and only if this is. `runbook` (a URL, or a path in
        the repository) and `note`, shown in it, default to those of `@monitor`. `machine`: if it is HIGH or CRITICAL it
        calls the webhook of its channel. The outcome says what came of it.

        Raises:
            UsageError: the severity is none of the four, a value cannot be remembered, or a keyword is not usable.
        """
        if not isinstance(severity, Severity | str):
            raise UsageError(f"m.alert({severity!r}, …): the severity comes first: LOW, MEDIUM, HIGH or CRITICAL")
        if key is not None and (not isinstance(key, str) or not key):
            raise UsageError(f"m.alert(…, key={key!r}): a key is a text that is not empty, as in utilisation/USDC")
        if not isinstance(machine, bool):
            raise UsageError(f"m.alert(…, machine={machine!r}): write True or False")
        if key is not None:
            self._raises(key, f"m.alert(…, key={key!r})")
        alert = Alert(
            severity, title, *blocks,
            protocol=protocol or self.name,
            channel=self.channel if channel is None else channel,
            key=key,
            silent=silent,
            guidance=guidance_of_call("m.alert(…, ", runbook, note).within(self._guidance),
            machine=machine,
        ).redacted(self._redact)  # fmt: skip
        if key is None:
            alert = alert.with_blocks(*alert.guidance.lines())
        held = PendingPolicy(span=duration(fire_after), shared=True)
        if remind == "never":
            remind = None
        policy = Policy(hold=held, remind=duration(remind) if isinstance(remind, str | timedelta) else remind)
        step = Fire(alert, ConditionKey(self.name, key) if key else None, policy)
        self._do([step, *self._keeps(remember or {})])
        return step.outcome

    def resolve(self, key: str, *, note: str = "", clear_after: Duration = "0") -> StoredOutcome:
        """Say that what `key` names is over; if it was firing, people are notified once, with how long it took.

        `clear_after`: only once it has been resolved for so long without being raised in between.
        """
        self._raises(key, f"m.resolve({key!r})")
        step = Resolve(ConditionKey(self.name, key), Policy(clear_after=duration(clear_after)), note)
        self._do([step])
        return step.outcome

    @contextmanager
    def together(self) -> Iterator[None]:
        """Commit what a `with` block judges, alerts and remembers at its end, in one transaction, or none of it."""
        if self._open_batch is not None:
            yield
            return
        batch, uses = _Batch(), self._uses.kept()
        self._open_batch = batch
        try:
            yield
        except BaseException:
            if batch.judged:
                self._bench.forget(batch.judged)
            self._uses.put_back(uses)
            raise
        finally:
            self._open_batch = None
        self._commit(batch.steps, batch.judged)

    # -- what it was started with --------------------------------------------------------------------------------------

    @property
    def args(self) -> dict[str, str]:
        """Return the `--key=value` arguments of jobs.yaml; a script with a parser of its own reads `arguments`.

        Raises:
            UsageError: an argument is of another form.
        """
        return dict(_pair(argument) for argument in self.arguments)

    def env(self, name: str, default: str | None = None) -> str:
        """Return a variable of the environment, or of the env file when started by hand.

        Raises:
            UsageError: it is not set and there is no default.
        """
        value = self._settings.environ.get(name) or default
        if value is None:
            raise UsageError(f"{self.name}: the variable {name} is not set: set it in the env file or in jobs.yaml")
        return value

    # -- the store -----------------------------------------------------------------------------------------------------

    def crashed(self, error: Exception) -> None:
        """Store the one alert a crash becomes, with what was judged before."""
        last = "".join(traceback.format_exception(error)[-4:])
        kind, words, trace = type(error).__name__, self._redact(str(error))[:500], self._redact(last)[-2500:].rstrip()
        alert = Alert(
            Severity.HIGH, f"script crashed: {kind}", words, code(trace),
            protocol=self.name, channel=self.channel, key=CRASH, source=_CRASH, guidance=self._guidance,
        ).redacted(self._redact)  # fmt: skip
        self._open_batch = None
        self._record([Fire(alert, self._crash_key, Policy())])

    def stopped(self, unknown: Unknown) -> None:
        """Record a run that ended where it would have decided upon something unknown: the source's fault, not ours."""
        self.say(f"{self.name} stopped: {unknown.reason}")
        self._record(unknown=unknown)
        self._report_no_data()

    def left(self) -> None:
        """Record what was judged before the function called for an end."""
        self._record()
        self._report_no_data()

    def finished(self) -> None:
        """Record a run to the end: an earlier crash is over. If the store fails, the next run says it."""
        self._record()
        self._report_no_data()
        if self._crashed_checks:
            return
        with suppress(StoreError):
            over = Resolve(self._crash_key, Policy(), "the script ends without a crash again")
            (recorded,) = self._write([over], (), ends=False)
            self.stored += recorded.is_sent

    def close(self) -> None:
        self._steady.close()

    def _report_no_data(self) -> None:
        """Name each check without data; as for a file of checks, a run that had none for most of them has failed."""
        if not self._evaluated:
            return
        from monitoring.checks.engine.runner import no_data  # noqa: PLC0415 - loaded by the first verb

        for one in self._evaluated:
            if one.outcome.condition.no_data is not None:
                self.say(f"{self.name}: no data for {one.key.check}: {one.outcome.condition.no_data.reason}")
        if self._settings.environ.get(LISTING):
            from monitoring.checks.engine.listing import summary_of  # noqa: PLC0415 - likewise

            self.say(summary_of(self._evaluated))
        if line := no_data(self._evaluated):
            self._complain(line)

    @property
    def _crash_key(self) -> ConditionKey:
        return ConditionKey(self.name, CRASH)

    @cached_property
    def _bench(self) -> EvaluationSession:
        """Where this run judges and reads."""
        from utils.judging import EvaluationSession  # noqa: PLC0415 - a script that only raises alerts starts without it

        return EvaluationSession(
            self.name, self.channel, self._settings.environ, self._steady, self._origin, self._clock,
            guidance=self._guidance, redact=self._redact, fetch=self._fetch, sleep=self._sleep,
        )  # fmt: skip

    def _judge(self, key: str, verb: str, asked: Asked) -> Judged:
        judged = self._bench.part(key, verb, asked)
        try:
            self._uses.note(judged.part.key.text, f"m.{verb}({key!r}, …)", judges=True)
        except UsageError:
            self._bench.forget([judged])
            raise
        (self._judged if self._open_batch is None else self._open_batch.judged).append(judged)
        return judged

    def _raises(self, key: str, call: str) -> None:
        """Note that a key is raised or resolved; if a verb judged it before, that is never recorded either."""
        try:
            self._uses.note(key, call, judges=False)
        except UsageError:
            for judged in (self._judged, self._open_batch.judged if self._open_batch else []):
                judged[:] = [one for one in judged if one.part.key.text != key]
            raise

    def _record(self, steps: Sequence[Step] = (), unknown: Unknown | None = None) -> None:
        """Write what was judged outside of `together`, `steps` and the reminders that are due, in one transaction."""
        if unknown is not None or "_bench" in vars(self):
            with suppress(StoreError):  # recording complains of the store
                self._judged += [one for one in [self._bench.whole(unknown)] if one is not None]
        judged, self._judged = self._judged, []
        if judged or steps or self._due:
            self._commit(list(steps), judged, ends=True)

    def _open_steps(self) -> Sequence[Step]:
        return self._open_batch.steps if self._open_batch else ()

    def _do(self, steps: list[Step]) -> None:
        if self._open_batch is None:
            self._commit(steps)
        else:
            self._open_batch.steps += steps

    def _commit(self, steps: list[Step], judged: Sequence[Judged] = (), *, ends: bool = False) -> None:
        """Write steps and judgements; an alert that cannot be stored is kept until it can, and said on stderr.

        Reminders of `m.alert` wait until the function `ends`, so that all of a run are one message.
        """
        messages = [step for step in steps if isinstance(step, Fire | Resolve)]
        try:
            recorded = self._write(steps, judged, ends=ends)
        except StoreError as error:
            if not judged:  # whose runner has said it
                self._complain(f"the store failed: {error}")
            for step in messages:
                step.outcome.unstored = True
            self._keep([Unstored(step.alert, step.key) for step in messages if isinstance(step, Fire)])
            return
        for step, came_of_it in zip(messages, recorded, strict=True):
            step.outcome.recorded = came_of_it
            self.stored += came_of_it.is_sent
            if came_of_it.due is not None and not ends:
                self._due[came_of_it.due.key] = came_of_it.due

    def _keep(self, unstored: Sequence[Unstored]) -> None:
        for line in keep(unstored, self._settings.database.parent, self._clock.now(), self._origin):
            self._complain(line)

    def _write(self, steps: list[Step], judged: Sequence[Judged], *, ends: bool) -> list[Recorded]:
        recorded: list[Recorded] = []

        def also_write(tx: Tx) -> Sequence[DueReminder]:
            recorded[:] = commit_in(tx, steps, self._clock.now(), self._origin)
            due = self._due | {one.due.key: one.due for one in recorded if one.due is not None}
            return tuple(due.values()) if ends else ()

        if not judged:
            self._steady.write(lambda tx: remind_in(tx, also_write(tx), self._clock.now(), self._origin))
            return recorded
        outcome = self._bench.record(judged, also_write)
        self.stored += outcome.stored
        self._evaluated += outcome.seen
        self.trouble = self.trouble or outcome.trouble
        if outcome.error is not None:
            raise outcome.error
        return recorded

    @property
    def _crashed_checks(self) -> bool:
        """Return whether a verb itself met a bug, which is reported as this monitor's crash."""
        return "_bench" in vars(self) and self._bench.crashed

    def _complain(self, text: str) -> None:
        self.trouble = True
        self.say(text)

    def say(self, text: str) -> None:
        """Write to stderr, secrets replaced, whether somebody still reads it or not."""
        with suppress(OSError, ValueError):
            sys.stderr.write(self._redact(text) + "\n")
            sys.stderr.flush()


def _pair(argument: str) -> tuple[str, str]:
    key, equals, value = argument.removeprefix("--").partition("=")
    if not argument.startswith("--") or not equals or not key:
        raise UsageError(f"{argument!r} is not of the form --key=value")
    return key, value
