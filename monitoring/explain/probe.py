"""Asks the configured model about a made-up fact, for `doctor`: does it answer in our form, how fast, at what cost?"""

from __future__ import annotations

from monitoring.alerts.message.facts import Fact, FactKind, FactSheet
from monitoring.base.errors import MonitoringError
from monitoring.explain.answer import NotAnAnswerError, answer_schema, read_answer
from monitoring.explain.explainer_settings import ExplainerSettings
from monitoring.explain.patterns import pattern_book, prompt
from monitoring.explain.question import question
from monitoring.explain.sentences import write
from monitoring.explain.step import AskModel

_SHEET = FactSheet("probe", 1, 0, 1, (Fact(FactKind.CALL, "sends 1 ETH to the zero address", id="call_1"),))


class UnusableAnswerError(MonitoringError):
    """The model answers, and no sentence can be made of it."""


def ask_about_nothing(wanted: ExplainerSettings, ask: AskModel, seconds: float) -> str:
    """Return what came, in one line.

    Raises:
        MonitoringError: no answer came, or none that can be used.
    """
    book = pattern_book()
    reply = ask(prompt()[1], question(_SHEET, book, "0" * 16), answer_schema(_SHEET, book), seconds, True)
    try:
        found = write(read_answer(reply.text)[0], _SHEET, book)
    except NotAnAnswerError as error:
        raise UnusableAnswerError(str(error)) from None
    if not found.chosen:
        raise UnusableAnswerError(found.dropped[0] if found.dropped else "it chose no sentence")
    how = "with a JSON schema" if reply.by_schema else "without a JSON schema"
    tokens = reply.prompt_tokens + reply.completion_tokens
    return f"{wanted.model} at {wanted.host} answers {how} in {reply.latency_ms / 1000:.1f} s, {tokens} tokens"
