"""The explainer of alerts, where it is switched on: settings, extra, what a day allows, and whether it answers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from importlib.util import find_spec

from automation.status.doctor import DoctorContext, Examination, Finding, FindingLevel, Problem, ok
from monitoring.base.errors import UsageError
from monitoring.explain.explainer_settings import ExplainerSettings, child_environment, explainer_settings
from monitoring.explain.limits import day_spent, day_words
from monitoring.store.queries import explanations

_LIMIT_S = 25.0
_RECENT, _MOST = timedelta(hours=24), 5
_WHY = "alerts about transactions arrive as always, without two sentences that say what matters"

SETTINGS = Problem(
    "explainer-settings",
    "explainer",
    "no explanation follows an alert about a transaction",
    "a setting of the explainer is missing or cannot be used",
    _WHY,
    "correct it in the env file, see docs/ai.md, then: sudo systemctl restart monitoring",
    FindingLevel.WARN,
)
EXTRA = Problem(
    "explainer-extra",
    "explainer",
    "no explanation follows an alert about a transaction",
    "the explainer is switched on, and the extra `ai` is not installed",
    _WHY,
    "make sync EXTRAS=ai, then: sudo systemctl restart monitoring",
    FindingLevel.WARN,
)
BOUND = Problem(
    "explainer-bound",
    "explainer",
    "explanations stop during a day",
    "as much was asked of the model today as LLM_DAILY_REQUESTS and LLM_DAILY_TOKENS allow",
    _WHY,
    "wait until 00:00 UTC, or raise the bound in the env file, then: sudo systemctl restart monitoring",
    FindingLevel.WARN,
)
REFUSED = Problem(
    "explainer-nothing-sent",
    "explainer",
    "no explanation follows an alert about a transaction",
    "the newest answers of the model were late, refused or not usable",
    _WHY,
    "ask it once: python -m monitoring.explain probe; try another model, see docs/ai.md",
    FindingLevel.WARN,
)
SERVER = Problem(
    "explainer-server",
    "explainer",
    "no explanation follows an alert about a transaction",
    "the model's server does not answer, or no sentence can be made of its answer",
    _WHY,
    "python -m monitoring.explain probe; correct LLM_BASE_URL, LLM_MODEL or LLM_API_KEY in the env file",
    FindingLevel.WARN,
)


def explainer(context: DoctorContext) -> Iterator[Finding]:
    """Say nothing where it is off: nothing is wrong with that."""
    try:
        wanted = explainer_settings(context.in_force.environ)
    except UsageError as error:
        yield SETTINGS.found(str(error))
        return
    if wanted is None:
        return
    if find_spec("pydantic") is None:
        yield EXTRA.found("the extra `ai` is not installed")
        return
    found = list(_of_the_day(context, wanted))
    yield from found
    if context.online and not any(one.kind == BOUND.kind for one in found):
        yield _asked(context)


def _of_the_day(context: DoctorContext, wanted: ExplainerSettings) -> Iterator[Finding]:
    with context.database() as database:
        if database is None or not explanations.is_there(database):
            return
        spent = database.read(lambda tx: day_spent(tx, context.now))
        recent = explanations.newest(database, context.now - _RECENT, _MOST)
    words = day_words(spent, wanted)
    yield BOUND.found(f"today: {words}") if spent.is_reached(wanted) else ok("explainer", f"today: {words}")
    if len(recent) == _MOST and all(status == explanations.NOT_SENT for status, _ in recent):
        yield REFUSED.found(f"the newest {_MOST} were not sent, the last because {recent[0][1]}")


def _asked(context: DoctorContext) -> Finding:
    environ = child_environment(context.in_force.environ, str(context.settings.cache_dir))
    argv = [sys.executable, "-m", "monitoring.explain", "probe"]
    try:
        done = subprocess.run(
            argv,
            cwd=context.settings.checkout,
            env=environ,
            capture_output=True,
            text=True,
            timeout=_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return SERVER.found("no answer in time")
    said = (done.stdout.strip() or done.stderr.strip()).partition("\n")[0]
    return SERVER.found(said or "no answer") if done.returncode else ok("explainer", said)


EXAMINATIONS: tuple[Examination, ...] = (explainer,)
