"""The question "what does this service say?", for built-in types: a document that is believed as a source's is.

Recorded, replayed and confirmed as the `sources` of a monitor are, under the name that the question gives it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from monitoring.chains.abi.values import Json, Unknown
from monitoring.chains.services.sources import ServiceDocument, Source, pick, read_source
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.engine.sources import verdict_of
from monitoring.checks.expression.tree import Expression
from monitoring.checks.recorded.shape import remember_readings

_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class DocumentOf:
    """Ask for one document. `name` is its own in the monitor; `key` names a header and the variable that holds it.

    `proof` is the path of something that an answer has which can be read: only with it the shape counts as confirmed,
    for an empty list confirms nothing. `form` is the query without what differs from run to run.
    """

    monitor: str
    name: str
    url: str = field(repr=False)
    query: str = ""
    key: tuple[str, str] | None = None
    ok: Expression | None = None
    proof: str = ""
    form: str = ""

    def source(self, environ: Mapping[str, str]) -> Source:
        header = {self.key[0]: environ.get(self.key[1], "")} if self.key else {}
        return Source(
            f"{self.monitor}/{self.name}", self.url, header, self.query,
            ok=verdict_of(self.ok) if self.ok else None,
        )  # fmt: skip


def answer_documents(
    questions: Sequence[DocumentOf], at: EvaluationPoint
) -> Mapping[DocumentOf, ServiceDocument | Unknown]:
    """Read all documents at the same time, and note which of them have been parsed."""
    service, now = at.service, at.clock.now()  # opened here, and not by several threads at once

    def read(one: DocumentOf) -> ServiceDocument | Unknown:
        if one.key and not at.environ.get(one.key[1], "").strip():
            return Unknown(f"{one.monitor}/{one.name}: the variable {one.key[1]} is not set", one.key[1])
        return read_source(service, one.source(at.environ), now)

    with ThreadPoolExecutor(min(_AT_ONCE, len(questions))) as threads:
        found = dict(zip(questions, threads.map(read, questions), strict=True))
    for monitor in dict.fromkeys(one.monitor for one in questions):
        read_now = {
            one.name: ((one.url, one.form, one.proof if one.form == one.query else ""), _proven(one, document))
            for one, document in found.items()
            if one.monitor == monitor
        }
        remember_readings(at.memory, monitor, read_now, asked=True)
    return found


def _proven(question: DocumentOf, document: ServiceDocument | Unknown) -> Json | None:
    if isinstance(document, Unknown) or isinstance(pick(document.body, question.proof, ""), Unknown):
        return None
    return document.body
