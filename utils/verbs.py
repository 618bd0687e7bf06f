"""The verbs of a monitor's function: what it judges is told once, when it worsens, and when it is over.

A part of `Context`. Everything is recorded together when the function ends, or at the end of `with m.together()`.
What the verbs need is loaded when the first is used.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from monitoring.alerts.message.model import Severity

if TYPE_CHECKING:
    from utils.judging import Judged

Duration = str | timedelta
Grade = Severity | str
Row = Any
"""What a feed or a list of entities holds: whatever `id` and `stage` can read."""


class CommonKeywords(TypedDict, total=False):
    """What every verb understands.

    `severity`; `fire_after` and `for_runs`: only once it has lasted so long; `remind`: again while it stands;
    `unit` of the value (`usd`, `%`, `ETH`); `text`: the title in your own words, with `{value}`, `{bound}`,
    `{before}`; `chain`, where one key is judged on several.
    """

    severity: Grade
    fire_after: Duration
    for_runs: int
    remind: Duration
    unit: str
    text: str
    chain: int | str


def _policies() -> ModuleType:
    from utils import policies  # noqa: PLC0415 - the checks are loaded by the first verb

    return policies


class Verbs(ABC):
    """What a function judges with. Each returns a `Judged`, which knows what came of it once it is recorded.

    A key is the name of a check, and what stands behind its first `/` the subject, as in `utilisation/USDC`.
    """

    @abstractmethod
    def _judge(self, key: str, verb: str, reading: Callable[[], Any], policy: Any, ways: Any) -> Judged:  # noqa: ANN401
        """Note a judgement; the context records it."""

    def limit(
        self,
        key: str,
        value: Any,  # noqa: ANN401 - a number, Unknown or none
        *,
        below: Any = None,  # noqa: ANN401 - a bound, or a list of (bound, severity)
        above: Any = None,  # noqa: ANN401 - as above
        clear: Any = None,  # noqa: ANN401 - a number
        worse_by: Any = None,  # noqa: ANN401 - a number
        **ways: Unpack[CommonKeywords],
    ) -> Judged:
        """Fire while the value is `below` or `above` its bound (exactly there is well), or one of several levels.

        `clear`: over only beyond this; `worse_by`: told again at each such step beyond the worst value told.
        """
        policies = _policies()
        common = policies.common_options("limit", ways)
        policy = policies.limit(common, below, above, clear, worse_by)
        return self._judge(key, "limit", lambda: policies.reading(value), policy, common)

    def delta(
        self,
        key: str,
        value: Any,  # noqa: ANN401 - as for limit
        *,
        max_change: Any = None,  # noqa: ANN401 - a step, or a list of (step, severity)
        max_rise: Any = None,  # noqa: ANN401 - as above
        max_drop: Any = None,  # noqa: ANN401 - as above
        min_abs: Any = 0,  # noqa: ANN401 - a number
        baseline_max_age: Duration = "36h",
        window: Duration | None = None,
        priced_at: Any = None,  # noqa: ANN401 - a number
        **ways: Unpack[CommonKeywords],
    ) -> Judged:
        """Tell a move that is larger than `5%` or than an amount since the last value, or within a `window`.

        `min_abs`: smaller moves never; `baseline_max_age`: an older value is not compared with; `priced_at`: moves
        are amounts times this price.
        """
        policies = _policies()
        common = policies.common_options("delta", ways)
        moves = {"max_change": max_change, "max_rise": max_rise, "max_drop": max_drop}
        policy = policies.delta(common, moves, min_abs, baseline_max_age, window)
        return self._judge(key, "delta", lambda: _priced(policies, value, priced_at), policy, common)

    def never_falls(
        self,
        key: str,
        value: Any,  # noqa: ANN401 - as for limit
        *,
        tolerance: Any = None,  # noqa: ANN401 - a step
        rebase: str = "after_alert",
        worse_by: Any = None,  # noqa: ANN401 - a number
        **ways: Unpack[CommonKeywords],
    ) -> Judged:
        """Tell a value below the highest ever seen; with `rebase="hold"` it lasts until the value is back there."""
        policies = _policies()
        common = policies.common_options("never_falls", ways)
        policy = policies.never_falls(common, tolerance, rebase, worse_by)
        return self._judge(key, "never_falls", lambda: policies.reading(value), policy, common)

    def changed(self, key: str, value: Any, **ways: Unpack[CommonKeywords]) -> Judged:  # noqa: ANN401 - any value
        """Tell each change of a value of any kind."""
        policies = _policies()
        common = policies.common_options("changed", ways)
        return self._judge(key, "changed", lambda: policies.reading(value), policies.plain(common, "changed"), common)

    def flag(self, key: str, value: Any, **ways: Unpack[CommonKeywords]) -> Judged:  # noqa: ANN401 - a bool, Unknown or none
        """Fire while a boolean is true."""
        policies = _policies()
        common = policies.common_options("flag", ways)
        return self._judge(key, "flag", lambda: policies.reading(value), policies.plain(common, "flag"), common)

    def diverge(
        self,
        key: str,
        first: Any,  # noqa: ANN401 - as for limit
        second: Any,  # noqa: ANN401 - as for limit
        *,
        max: Any,  # noqa: A002, ANN401 - the word of monitor files
        direction: str = "both",
        **ways: Unpack[CommonKeywords],
    ) -> Judged:
        """Fire while two values differ by more than a share (`0.5%`) of the second."""
        policies = _policies()
        common = policies.common_options("diverge", ways)
        policy = policies.diverge(common, max, direction)
        return self._judge(key, "diverge", lambda: (policies.reading(first), policies.reading(second)), policy, common)

    def age(
        self,
        key: str,
        at: datetime | Any,  # noqa: ANN401 - or unix seconds, Unknown, none
        *,
        max: Any,  # noqa: A002, ANN401 - a duration, or a list of (duration, severity)
        **ways: Unpack[CommonKeywords],
    ) -> Judged:
        """Fire while an instant lies longer ago than `max`."""
        policies = _policies()
        common = policies.common_options("age", ways)
        return self._judge(key, "age", lambda: policies.reading(at), policies.age(common, max), common)

    def deadline(
        self,
        key: str,
        at: datetime | Any,  # noqa: ANN401 - as for age
        *,
        steps: Iterable[Duration] = (),
        **ways: Unpack[CommonKeywords],
    ) -> Judged:
        """Tell that an instant is near, at each of the `steps` before it (`["30d", "7d", "1d"]`) and when it passes."""
        policies = _policies()
        common = policies.common_options("deadline", ways)
        return self._judge(key, "deadline", lambda: policies.reading(at), policies.deadline(common, steps), common)

    def members(
        self,
        key: str,
        current: Iterable[Any] | Any,  # noqa: ANN401 - or Unknown, none
        *,
        expected: Iterable[Any] | None = None,
        added: Grade | None = None,
        removed: Grade | None = None,
        **ways: Unpack[CommonKeywords],
    ) -> Judged:
        """Tell who joined or left a set; with `expected` fire while it is another one."""
        policies = _policies()
        common = policies.common_options("members", ways)
        policy = policies.members(common, expected, added, removed)
        return self._judge(key, "members", lambda: policies.reading(current), policy, common)

    def items(
        self,
        key: str,
        rows: Iterable[Row] | Any,  # noqa: ANN401 - or Unknown, none
        *,
        id: Callable[[Row], Any],  # noqa: A002 - what it is
        at: Callable[[Row], Any] | None = None,
        when: Callable[[Row], bool] | None = None,
        show: Callable[[Row], Mapping[str, Any]] | None = None,
        first_run: Duration = "skip",
        keep: Duration = "90d",
        **ways: Unpack[CommonKeywords],
    ) -> Judged:
        """Tell the rows of a feed whose `id` was never seen, all in one message.

        `first_run`: `skip` learns them, `alert` tells them all, `24h` those whose `at` is younger; `when` leaves rows
        out; `show` names what the message says of each.
        """
        policies = _policies()
        common = policies.common_options("items", ways)
        from utils.rows import as_items  # noqa: PLC0415 - as above

        policy = policies.items(common, first_run, keep)
        return self._judge(key, "items", lambda: as_items(rows, id, at, when, show), policy, common)

    def stages(
        self,
        key: str,
        rows: Iterable[Row] | Any,  # noqa: ANN401 - or Unknown, none
        *,
        id: Callable[[Row], Any],  # noqa: A002 - what it is
        stage: Callable[[Row], Any],
        order: Sequence[str],
        alert_from: str | None = None,
        severities: Mapping[str, Grade] | None = None,
        show: Callable[[Row], Mapping[str, Any]] | None = None,
        gone_after: int = 1,
        **ways: Unpack[CommonKeywords],
    ) -> Judged:
        """Tell rows that reach a later stage of `order`, from `alert_from` on, and those that vanish from there."""
        policies = _policies()
        common = policies.common_options("stages", ways)
        from utils.rows import as_staged  # noqa: PLC0415 - as above

        policy = policies.stages(common, order, alert_from, severities or {}, gone_after)
        return self._judge(key, "stages", lambda: as_staged(rows, id, stage, show), policy, common)


def _priced(policies: ModuleType, value: Any, price: Any) -> Any:  # noqa: ANN401 - as for delta
    from monitoring.checks.rules.delta import Priced  # noqa: PLC0415 - as above

    amount = policies.reading(value)
    return amount if price is None else Priced(amount, policies.reading(price))
