"""Explains alerts that have arrived: one at a time, each once, within its deadline, and within what a day allows.

Runs in a process of its own and looks only at what is stored: an alert is explained after people have it, so nothing
here can hold one up. Whatever goes wrong, nothing is sent and the reason is written.
"""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from monitoring.alerts.message.facts import METADATA, FactSheet
from monitoring.alerts.message.model import Alert, Severity
from monitoring.alerts.message.text import Line, addr, line
from monitoring.alerts.recording.store_alert import AlertKind, AlertOrigin, store_in
from monitoring.base.clock import Clock
from monitoring.base.exact_json import from_json
from monitoring.chains.networks import networks
from monitoring.explain.answer import NotAnAnswerError, answer_schema, read_answer
from monitoring.explain.client import ModelReply, NotExplainedError
from monitoring.explain.explainer_settings import ExplainerSettings
from monitoring.explain.limits import day_spent
from monitoring.explain.patterns import pattern_book, prompt
from monitoring.explain.question import content_of, question
from monitoring.explain.sentences import ExplainedText, write
from monitoring.explain.sheet_check import problem_of
from monitoring.store.db.database import Database, Tx
from monitoring.store.queries import explanations
from monitoring.store.queries.explanations import DueExplanation, ExplanationCost, QuestionContent

log = logging.getLogger("monitoring.explain")

_POLL_S = 0.2  # how soon it is noticed that an alert has arrived
_LONGEST_REASON = 300
TITLE = "In short: "

_ADDRESS = re.compile(r"(\b0x[0-9a-fA-F]{40}\b)")

AskModel = Callable[[str, str, Mapping[str, Any], float, bool], ModelReply]


@dataclass(slots=True)
class Explainer:
    """Explains what is due. `ask(system, question, schema, seconds, by_schema)` asks the model."""

    database: Database
    settings: ExplainerSettings
    clock: Clock
    ask: AskModel
    sleep: Callable[[float], None] = time.sleep
    sent: int = field(default=0, init=False)

    def run(self) -> int:
        """Go on until no alert with facts is left that may still arrive; return how many explanations were stored."""
        while waiting := self._due():
            arrived = sorted((one for one in waiting if one.is_delivered), key=_worst_first)
            if arrived:
                self._explain(arrived[0])
            else:
                self.sleep(_POLL_S)
        return self.sent

    def _due(self) -> list[DueExplanation]:
        since = self.clock.now() - self.settings.deadline
        return self.database.read(lambda tx: explanations.due(tx, since))

    def _explain(self, one: DueExplanation) -> None:
        sheet, (version, system), book = _sheet(one), prompt(), pattern_book()
        problem = "the facts cannot be read" if sheet is None else problem_of(sheet)
        content = content_of(sheet, book, version, self.settings.model) if sheet else ""
        claimed = self._claim(one, QuestionContent(content, version, self.settings.model))
        if claimed is None:
            return
        if sheet is None or problem or claimed.refusal:
            self._end(one, f"the facts do not hold together: {problem}" if problem else claimed.refusal)
            return
        if claimed.kept is not None:
            self._answered(one, sheet, claimed.kept, ExplanationCost())
            return
        asked_text = question(sheet, book, secrets.token_hex(8))
        left = (one.created_at + self.settings.deadline - self.clock.now()).total_seconds()
        try:
            reply = self.ask(system, asked_text, answer_schema(sheet, book), max(0.1, left), claimed.by_schema)
        except NotExplainedError as error:
            self._end(one, str(error), ExplanationCost(requests=error.requests))
            return
        cost = ExplanationCost(
            reply.requests, reply.prompt_tokens, reply.completion_tokens, reply.latency_ms, reply.by_schema
        )
        self._answered(one, sheet, reply.text, cost)

    def _claim(self, one: DueExplanation, asked: QuestionContent) -> _Claim | None:
        """Take the alert and look what a day still allows, in one transaction; None if another process has it."""
        now, settings = self.clock.now(), self.settings
        with self.database.write() as tx:
            day = day_spent(tx, now)
            if not explanations.claim(tx, one.alert_id, asked, now):
                return None
            kept = explanations.answer_of(tx, asked.content) if asked.content else None
            refusal = "" if kept is not None else day.refusal(settings)
            return _Claim(refusal, kept, explanations.takes_schema(tx, settings.model))

    def _answered(self, one: DueExplanation, sheet: FactSheet, text: str, cost: ExplanationCost) -> None:
        try:
            choices, malformed = read_answer(text)
        except NotAnAnswerError as error:
            self._end(one, str(error), cost)
            return
        found = write(choices, sheet, pattern_book())
        dropped = "; ".join([*malformed, *found.dropped])
        if not found.chosen:
            self._end(one, dropped or "the model chose no sentence", cost)
            return
        self._store(one, found, sheet, text, dropped, cost)

    def _store(
        self,
        one: DueExplanation,
        found: ExplainedText,
        sheet: FactSheet,
        text: str,
        dropped: str,
        cost: ExplanationCost,
    ) -> None:
        """Store the reply with the end of its row, unless it is late or overtaken by now."""
        alert = Alert.from_json(one.body_json)
        with self.database.write() as tx:
            now = self.clock.now()
            is_late = now > one.created_at + self.settings.deadline
            if is_late or _is_overtaken(tx, one, alert):
                refusal = "the answer came too late" if is_late else "a newer message about it was stored meanwhile"
                explanations.end(tx, one.alert_id, explanations.NOT_SENT, refusal, cost, now)
                return
            origin = AlertOrigin(one.run_id, one.task)
            stored = store_in(tx, reply_to(alert, found, sheet), now=now, origin=origin, kind=AlertKind.EXPLANATION)
            explanations.end(
                tx, one.alert_id, explanations.SENT, dropped[:_LONGEST_REASON], cost, now,
                answer=text, reply_id=stored.alert_id,
            )  # fmt: skip
        self.sent += 1

    def _end(self, one: DueExplanation, reason: str, cost: ExplanationCost | None = None) -> None:
        log.info("alert %d is not explained: %s", one.alert_id, reason)
        with self.database.write() as tx:
            now, text = self.clock.now(), reason[:_LONGEST_REASON]
            explanations.end(tx, one.alert_id, explanations.NOT_SENT, text, cost or ExplanationCost(), now)


@dataclass(frozen=True, slots=True)
class _Claim:
    """What is known once an alert is taken: why nothing may be asked, an answer that is kept, how to ask."""

    refusal: str
    kept: str | None
    by_schema: bool


def reply_to(alert: Alert, found: ExplainedText, sheet: FactSheet) -> Alert:
    """Return the reply: as severe as its alert and without a sound, in its thread; no machine hears of it."""
    origin = f"A model chose {found.used} of {len(sheet.facts)} facts of the alert above; numbers and words are ours."
    said = (linked(text, sheet.chain) for text in (*found.chosen, *found.added))
    return Alert(
        alert.severity, f"{TITLE}{alert.title}", *said, line(origin),
        protocol=alert.protocol, channel=alert.channel, key=alert.key, source=alert.source, silent=True,
        monitor=alert.monitor, threads=alert.threads,
    )  # fmt: skip


def linked(text: str, chain: int) -> Line:
    """Return a sentence whose whole addresses lead to the explorer of the chain."""
    known = networks().get(chain)
    parts = [addr(one, chain=known) if _ADDRESS.fullmatch(one) else one for one in _ADDRESS.split(text)]
    return line(*parts)


def _sheet(one: DueExplanation) -> FactSheet | None:
    try:
        return FactSheet.from_data(from_json(one.metadata_json)[METADATA])
    except (ValueError, LookupError, TypeError):
        return None


def _worst_first(one: DueExplanation) -> tuple[int, int]:
    return -Severity.parse(one.severity), one.alert_id


def _is_overtaken(tx: Tx, one: DueExplanation, alert: Alert) -> bool:
    """Return whether something newer was said in a thread of this alert: what it shows may not be so any more."""
    return any(
        set(alert.threads) & set(Alert.from_json(body).threads)
        for body in explanations.bodies_after(tx, one.alert_id, AlertKind.EXPLANATION)
    )
