"""The verbs of a monitor's function: what it judges is reported once, when it worsens, and when it is over.

A part of `Context`. Each verb is found by its name in `monitoring.checks.rules`, where its keywords are, and is loaded
when it is used. Everything is recorded together when the function ends, or at the end of `with m.together()`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

from monitoring.base.suggest import did_you_mean

if TYPE_CHECKING:
    from monitoring.checks.rules import changed, delta, diverge, flag, items, limit, logs, members, never_falls, stages
    from monitoring.checks.rules.age import python_age, python_deadline
    from monitoring.checks.rules.verb import Asked, Verb
    from utils.judging import Judged

    P = ParamSpec("P")

    def _of(python: Callable[P, Asked]) -> Callable[Concatenate[Any, str, P], Judged]:
        """Give editors and type checkers the keywords of a verb; what runs is found by `Verbs.__getattr__`."""


class Verbs(ABC):
    """What a function judges with. Each returns a `Judged`, which knows what came of it once it is recorded.

    A key is the name of a check, and what comes after its first `/` the subject, as in `utilisation/USDC`.
    """

    if TYPE_CHECKING:
        limit = _of(limit.python)
        delta = _of(delta.python)
        never_falls = _of(never_falls.python)
        changed = _of(changed.python)
        flag = _of(flag.python)
        diverge = _of(diverge.python)
        age = _of(python_age)
        deadline = _of(python_deadline)
        members = _of(members.python)
        items = _of(items.python)
        logs = _of(logs.python)
        stages = _of(stages.python)

    @abstractmethod
    def _judge(self, key: str, verb: str, asked: Asked) -> Judged:
        """Note a judgement; the context records it."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - a verb's own keywords
        from monitoring.checks.rules.verb import find_verb, verbs  # noqa: PLC0415 - loaded by the first verb

        found = None if name.startswith("_") else find_verb(name)
        if found is None or found.python is None:
            known = [*(one for one in dir(type(self)) if not one.startswith("_")), *verbs()]
            raise AttributeError(f"m.{name} is not known{did_you_mean(name, known)}", name=name, obj=self)
        return _bound(self, found, found.python)


def _bound(verbs: Verbs, verb: Verb, python: Callable[..., Asked]) -> Callable[..., Judged]:
    def judge(key: str, *arguments: Any, **keywords: Any) -> Judged:  # noqa: ANN401 - as above
        return verbs._judge(key, verb.name, python(*arguments, **keywords))  # noqa: SLF001 - a part of it

    return update_wrapper(judge, python)
