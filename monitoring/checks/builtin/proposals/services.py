"""The kinds of governance that a service lists: what is asked of it, and how a row of its answer is read. Pure.

A service's own filter is never believed: what was executed or closed is left out here. A row that is not of its form is
`Unknown`, and so is a list that was cut.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from monitoring.chains.abi.values import Json, Unknown
from monitoring.chains.networks import networks
from monitoring.chains.services.sources import ServiceDocument, pick
from monitoring.chains.services.times import parse_time
from monitoring.checks.builtin.proposals.proposal import Proposal, ProposalList, ProposalStage, id_of, title_of
from monitoring.checks.builtin.proposals.source import ServiceSource
from monitoring.checks.builtin.shared.documents import DocumentOf
from monitoring.checks.engine.plan import ReadContext
from monitoring.checks.expression.evaluate import NotYet

MAX_PAGES = 5  # each is a pass of the reading
_PAGE = 100
Rows = list[Json] | Unknown | NotYet


@dataclass(frozen=True, slots=True)
class ServiceReading:
    """One reading of a service: asks for its documents under names that recordings are found by."""

    desk: ReadContext
    monitor: str
    source: ServiceSource

    @property
    def host(self) -> str:
        return f"{self.monitor}/{self.source.name}"

    def document(
        self, query: str = "", part: str = "", *, proof: str = "", form: str = ""
    ) -> ServiceDocument | Unknown | NotYet:
        source = self.source
        name = f"{source.name}-{part}" if part else source.name
        ok = None if part == _PAYLOADS else source.ok
        found: Any = self.desk.ask(
            DocumentOf(self.monitor, name, source.url, query, source.key, ok, proof=proof, form=form or query)
        )
        return found  # type: ignore[no-any-return]  # as its answerer has it

    def rows(self, at: str, proof: str, query: str = "", part: str = "") -> Rows:
        """Return the list at a path of one document, with an empty path the document; `proof` is what a row has."""
        document = self.document(query, part, proof=f"{at}[0].{proof}")
        if not isinstance(document, ServiceDocument):
            return document
        found = document.at_path(at) if at else document.body
        return (
            found if isinstance(found, list | Unknown) else Unknown(f"{self.host}: {at or 'it'} is no list", self.host)
        )


def read_service(reading: ServiceReading) -> ProposalList | Unknown | NotYet:
    """Read what a service lists."""
    return _KINDS[reading.source.kind](reading)


def _each(
    rows: Sequence[Json], read: Callable[[Mapping[str, Json]], Proposal | Unknown | None], host: str, date: str = ""
) -> ProposalList:
    """Read row by row; what is no object, or lacks what it must have, counts as unknown. `date`: its time."""
    found = [read(row) if isinstance(row, dict) else Unknown(f"{host}: a row is no object", host) for row in rows]
    dates = [at for row in rows if date and isinstance(row, dict) and (at := _time(row, date))]
    return ProposalList(tuple(one for one in found if one is not None), max(dates, default=None))


def _field(row: Mapping[str, Json], path: str, host: str) -> Json | Unknown:
    return pick(dict(row), path, host)


def _identity(row: Mapping[str, Json], name: str, host: str) -> str | Unknown:
    found = id_of(row.get(name))
    return Unknown(f"{host}: a proposal has no {name}", host) if found is None else found


def _time(row: Mapping[str, Json], path: str) -> datetime | None:
    found = _field(row, path, "")
    return None if isinstance(found, Unknown) else parse_time(found)


def _ended(row: Mapping[str, Json], identity: str, reading: ServiceReading, stage: ProposalStage) -> Proposal:
    """Return what became of a proposal, for those who heard of it before."""
    title = title_of(row.get("title")) or title_of(row.get("description"))
    return Proposal(identity, stage, title, link=_link(reading.source, identity))


def _link(source: ServiceSource, identity: str) -> str:
    return source.link.replace("{id}", identity)


# -- Aave -------------------------------------------------------------------------------------------------------------

_AAVE_QUEUED = (
    f'{{ getProposalsByState(stateFilter: "queued", limitCount: {_PAGE}) {{ nodes {{ proposalId title state }} }} }}'
)
_AAVE_PAYLOADS = "p{id}: getProposalPayloads(pProposalId: {id}) {{ nodes {{ proposalId payloadId chainId state }} }}"
_DIGITS = re.compile("[0-9]{1,20}")
_PAYLOADS = "payloads"
_OVER = ("executed", "cancelled", "expired")


def _aave(reading: ServiceReading) -> ProposalList | Unknown | NotYet:
    """Of what is queued, those with a payload that still waits on some chain; the payloads of all in one request."""
    host, rows = reading.host, reading.rows("getProposalsByState.nodes", "proposalId", _AAVE_QUEUED)
    if not isinstance(rows, list):
        return rows
    if len(rows) >= _PAGE:
        return Unknown(f"{host}: it lists {_PAGE} proposals or more", host)
    ids = [str(row["proposalId"]) for row in rows if isinstance(row, dict) and "proposalId" in row]
    known = sorted({one for one in ids if _DIGITS.fullmatch(one)}, key=int)
    if not known:
        return _each(rows, lambda row: _aave_row(row, {}, reading), host)
    query = "{ " + " ".join(_AAVE_PAYLOADS.format(id=one) for one in known) + " }"
    payloads = reading.document(query, _PAYLOADS, proof=f"p{known[0]}.nodes[0].state", form=_AAVE_PAYLOADS)
    if not isinstance(payloads, ServiceDocument):
        return payloads
    body = payloads.body if isinstance(payloads.body, dict) else {}
    return _each(rows, lambda row: _aave_row(row, body, reading), host)


def _aave_row(row: Mapping[str, Json], payloads: dict[str, Json], reading: ServiceReading) -> Proposal | Unknown | None:
    host, identity = reading.host, _identity(row, "proposalId", reading.host)
    if isinstance(identity, Unknown):
        return identity
    if str(row.get("state", "")).lower() != "queued":
        return None
    found = pick(payloads, f"p{identity}.nodes", host)
    if not isinstance(found, list):
        return found if isinstance(found, Unknown) else Unknown(f"{host}: payloads of {identity} are no list", host)
    if not all(isinstance(one, dict) and isinstance(one.get("state"), str) for one in found):
        return Unknown(f"{host}: a payload of {identity} has no state", host)
    waiting = [one for one in found if isinstance(one, dict) and str(one["state"]).lower() not in _OVER]
    if found and not waiting:
        done = any(isinstance(one, dict) and str(one["state"]).lower() == "executed" for one in found)
        return _ended(row, identity, reading, ProposalStage.EXECUTED if done else ProposalStage.CANCELLED)
    chains = dict.fromkeys(_chain_name(one.get("chainId")) for one in waiting)
    more = (("Payloads waiting on", ", ".join(chains)),) if chains else ()
    return Proposal(
        identity, ProposalStage.QUEUED, title_of(row.get("title")), link=_link(reading.source, identity), more=more
    )


def _chain_name(chain: Json) -> str:
    known = networks().get(int(str(chain))) if str(chain).isdecimal() else None
    return known.name if known else f"chain {id_of(chain) or 'unknown'}"


# -- Sky --------------------------------------------------------------------------------------------------------------


def _sky(reading: ServiceReading) -> ProposalList | Unknown | NotYet:
    """Spells that were scheduled and are not cast; the newest come first, and no spell waits for months."""
    rows = reading.rows("", "spellData.hasBeenCast")
    if not isinstance(rows, list):
        return rows
    return _each(rows, lambda row: _sky_row(row, reading), reading.host, "date")


def _sky_row(row: Mapping[str, Json], reading: ServiceReading) -> Proposal | Unknown | None:
    host = reading.host
    identity = _identity(row, "key", host)
    scheduled, cast = _field(row, "spellData.hasBeenScheduled", host), _field(row, "spellData.hasBeenCast", host)
    for found in (identity, scheduled, cast):
        if isinstance(found, Unknown):
            return found
    if not isinstance(scheduled, bool) or not isinstance(cast, bool) or isinstance(identity, Unknown):
        return Unknown(f"{host}: spellData of {identity} does not say whether it is scheduled and cast", host)
    if not scheduled:
        return None
    if cast:
        return _ended(row, identity, reading, ProposalStage.EXECUTED)
    return Proposal(
        identity, ProposalStage.QUEUED, title_of(row.get("title")), _time(row, "spellData.datePassed"),
        ready_at=_time(row, "spellData.eta"), link=_link(reading.source, identity), dated=_time(row, "date"),
    )  # fmt: skip


# -- Fluid ------------------------------------------------------------------------------------------------------------


def _fluid(reading: ServiceReading) -> ProposalList | Unknown | NotYet:
    rows = reading.rows("data", "id")
    return _each(rows, lambda row: _fluid_row(row, reading), reading.host) if isinstance(rows, list) else rows


def _fluid_row(row: Mapping[str, Json], reading: ServiceReading) -> Proposal | Unknown | None:
    identity = _identity(row, "id", reading.host)
    if isinstance(identity, Unknown):
        return identity
    # The fields that would contradict the filter are read where they are there.
    status = str(row.get("status", "queued")).lower()
    if row.get("cancelled_at") or status in ("cancelled", "canceled"):
        return _ended(row, identity, reading, ProposalStage.CANCELLED)
    if row.get("executed_at") or status == "executed":
        return _ended(row, identity, reading, ProposalStage.EXECUTED)
    if status != "queued":
        return None
    title = title_of(row.get("title")) or title_of(row.get("description"))
    return Proposal(
        identity, ProposalStage.QUEUED, title, _time(row, "queued_at"), link=_link(reading.source, identity)
    )


# -- Snapshot ---------------------------------------------------------------------------------------------------------

_SNAPSHOT = (
    '{ proposals(first: %d, skip: %d, where: {space: "%s"}, orderBy: "created", orderDirection: desc)'
    " { id title state start end created link space { id } } }"
)


def _snapshot(reading: ServiceReading) -> ProposalList | Unknown | NotYet:
    """Return votes that are open or announced; a space's list is read to the page on which all are closed."""
    host, found = reading.host, list[Json]()
    for number in range(MAX_PAGES):
        query = _SNAPSHOT % (_PAGE, number * _PAGE, reading.source.subject)
        rows = reading.rows("proposals", "state", query, str(number + 1) if number else "")
        if not isinstance(rows, list):
            return rows
        found += rows
        if len(rows) < _PAGE or all(map(_is_closed, rows)):
            break
    else:
        return Unknown(f"{host}: it lists more than {MAX_PAGES * _PAGE} proposals, open ones on each page", host)
    return _each(found, lambda row: _snapshot_row(row, reading), host, "created")


def _is_closed(row: Json) -> bool:
    return isinstance(row, dict) and row.get("state") == "closed"


def _snapshot_row(row: Mapping[str, Json], reading: ServiceReading) -> Proposal | Unknown | None:
    host, identity, ends = reading.host, _identity(row, "id", reading.host), _time(row, "end")
    if isinstance(identity, Unknown):
        return identity
    if row.get("state") not in ("pending", "active", "closed") or ends is None:
        return Unknown(f"{host}: {identity} does not say whether and until when people vote", host)
    space = _field(row, "space.id", host)
    if isinstance(space, str) and space.lower() != reading.source.subject.lower():
        return Unknown(f"{host}: it answers with a proposal of another space", host)
    if row["state"] == "closed":
        return None
    link = str(row.get("link") or "") or _link(reading.source, identity)
    return Proposal(
        identity, ProposalStage.VOTING, title_of(row.get("title")), _time(row, "created"), voting_ends=ends,
        link=reading.source.link or link, dated=_time(row, "created"),
    )  # fmt: skip


# -- Tally ------------------------------------------------------------------------------------------------------------

_TALLY = (
    '{ proposals(input: {filters: {organizationId: "%s"}, sort: {sortBy: id, isDescending: true}, page: {limit: 20}})'
    " { nodes { ... on Proposal { id onchainId status createdAt metadata { title description } } } } }"
)
_TALLY_STAGES = {
    "active": ProposalStage.VOTING,
    "pending": ProposalStage.VOTING,
    "extended": ProposalStage.VOTING,
    "queued": ProposalStage.QUEUED,
    "succeeded": ProposalStage.PASSED,
    "executed": ProposalStage.EXECUTED,
    "canceled": ProposalStage.CANCELLED,
    "expired": ProposalStage.EXPIRED,
}


def _tally(reading: ServiceReading) -> ProposalList | Unknown | NotYet:
    rows = reading.rows("proposals.nodes", "onchainId", _TALLY % reading.source.subject)
    if isinstance(rows, Unknown):
        return Unknown(f"{rows.reason} (Tally is being closed: use oz_governor or compound_bravo)", rows.source)
    if not isinstance(rows, list):
        return rows
    return _each(rows, lambda row: _tally_row(row, reading), reading.host, "createdAt")


def _tally_row(row: Mapping[str, Json], reading: ServiceReading) -> Proposal | Unknown | None:
    identity, status = _identity(row, "onchainId", reading.host), row.get("status")
    if isinstance(identity, Unknown):
        return identity
    if not isinstance(status, str):
        return Unknown(f"{reading.host}: {identity} has no status", reading.host)
    stage = _TALLY_STAGES.get(status.lower())
    if stage is None:
        return None
    titles = (title_of(_field(row, f"metadata.{name}", "")) for name in ("title", "description"))
    link = _link(reading.source, id_of(row.get("id")) or identity)
    return Proposal(identity, stage, next(filter(None, titles), ""), _time(row, "createdAt"), link=link)


_KINDS: Mapping[str, Callable[[ServiceReading], ProposalList | Unknown | NotYet]] = {
    "aave_governance": _aave,
    "sky_executive": _sky,
    "fluid": _fluid,
    "snapshot": _snapshot,
    "tally": _tally,
}
