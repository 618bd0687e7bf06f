"""`python -m monitoring.checks record FILE`: writes what services answer now into the recordings of a monitor.

Everything goes through the product's own reader, so what cannot be read is not recorded. What may be a secret or an
address is hidden, long lists are cut, and what is written must read as the same number, or nothing is written.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from monitoring.base.clock import Clock, SystemClock
from monitoring.base.errors import ConfigError
from monitoring.base.http.client import Answer, Request
from monitoring.base.secrets.redact import Redactor
from monitoring.chains.abi.values import Json, Unknown
from monitoring.chains.rpc.provider import Fetch
from monitoring.chains.services.prices import BASE, base_url
from monitoring.chains.services.sources import pick, steps
from monitoring.checks.builtin import TYPES
from monitoring.checks.config.load import load_monitor
from monitoring.checks.engine.formula_checks import FormulaPart
from monitoring.checks.engine.monitor import Monitor
from monitoring.checks.engine.plan import PriceQuery, ReadContext, value_of
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.engine.prices import answer_prices
from monitoring.checks.engine.read import read
from monitoring.checks.engine.sources import document_of, read_sources
from monitoring.checks.recorded.heard import Heard, record_heard
from monitoring.checks.recorded.recording import FOLDER, PRICES, RecordedRequest, Recording, recordings_of
from monitoring.checks.recorded.replay import Replay, put, put_at
from monitoring.checks.recorded.stamps import stamp_of
from monitoring.checks.recorded.write import (
    LATER,
    AnswerKeeper,
    StoppedAt,
    asked_as,
    cut,
    hidden_url,
    recorded_request,
    write_recording,
)

_WHOLE = 500  # elements kept of the lists of an answer whose rows are read
_LIST = 2  # elements kept at each end of a list, and more where a path of the monitor needs them


def record_files(files: Sequence[str], environ: Mapping[str, str]) -> int:
    """Record each monitor. 0 if every source was, 1 if one was not, 2 for a mistake in a file."""
    from monitoring.base.http.client import HttpClient  # noqa: PLC0415 - only here something is fetched

    codes = [0]
    for file in files:
        if file.endswith(".py"):
            codes.append(
                subprocess.run([sys.executable, "-m", "utils.explain", "--record", file], check=False).returncode
            )
            continue
        try:
            lines, is_whole = record(Path(file), environ, SystemClock(), HttpClient(environ))
        except ConfigError as error:
            sys.stderr.writelines(f"{line}\n" for line in error.mistakes)
            codes.append(2)
            continue
        sys.stdout.writelines(f"{line}\n" for line in lines)
        codes.append(0 if is_whole else 1)
    return max(codes)


def record(path: Path, environ: Mapping[str, str], clock: Clock, fetch: Fetch) -> tuple[list[str], bool]:
    """Read every source of a monitor and write its answers; return what to print, and whether all were recorded.

    Raises:
        ConfigError: the monitor, or a recording that is there, has mistakes.
    """
    monitor = load_monitor(path, TYPES)
    heard, answers = _asked_by_types(monitor, environ, clock, fetch)
    if not monitor.sources and not monitor.reads_prices and not heard.documents:
        return [f"{path}: nothing to record: it has no sources"], True
    before = recordings_of(path, monitor.name)
    recorder = AnswerKeeper(fetch)
    readings = read_sources([monitor], EvaluationPoint(environ, clock, fetch=recorder))
    now, redact = clock.now(), Redactor(environ)
    lines: list[str] = []
    is_whole = True
    for request, names in _requests(monitor):
        good = [name for name in names if not isinstance(readings[monitor.name, name], Unknown)]
        for name in names:
            found = readings[monitor.name, name]
            lines += [f"{monitor.name}/{name}: not recorded: {found.reason}"] if isinstance(found, Unknown) else []
        is_whole &= good == names
        if good != names:
            continue  # what is there stays: a recording without one of its sources would not be drilled
        new = _recording(path, monitor, names, request, recorder.answers[asked_as(request)], now, redact)
        problem = _reads_otherwise(monitor, new, readings, now)
        if problem:
            lines.append(f"{monitor.name}/{names[0]}: not recorded: {problem}")
            is_whole = False
            continue
        lines += write_recording(new, [one for one in before if set(one.sources) & set(names)], now)
    said, is_heard = record_heard(path.parent, monitor.name, heard, answers, now, redact)
    lines, is_whole = lines + said, is_whole and is_heard
    if monitor.reads_prices:
        said, is_priced = _record_prices(path, monitor, environ, clock, fetch)
        lines, is_whole = lines + said, is_whole and is_priced
    return lines, is_whole


def _asked_by_types(
    monitor: Monitor, environ: Mapping[str, str], clock: Clock, fetch: Fetch
) -> tuple[Heard, Mapping[Any, Answer]]:
    """Read what the built-in types of a monitor ask of services; chains are left out, as in a drill."""
    heard, keeper = Heard(), AnswerKeeper(fetch)
    alone = {name: value for name, value in environ.items() if not name.startswith("PROVIDER_")}
    at = EvaluationPoint({**alone, "PROVIDER_PUBLIC": "off"}, clock, fetch=keeper)
    at.service.notice = heard
    parts = [part for part in monitor.parts() if not isinstance(part, FormulaPart)]
    read([replace(monitor, sources={})], parts, at, {})
    return heard, keeper.answers


def _record_prices(
    path: Path, monitor: Monitor, environ: Mapping[str, str], clock: Clock, fetch: Fetch
) -> tuple[list[str], bool]:
    """Write the answers for the prices that a monitor's formulas ask for, without their feeds."""
    recorder, now, redact = AnswerKeeper(fetch), clock.now(), Redactor(environ)
    queries = _price_queries(monitor)
    read = answer_prices(queries, EvaluationPoint(environ, clock, fetch=recorder))
    lost = [one.reason for one in read.values() if isinstance(one, Unknown)]
    if lost:
        return [f"{monitor.name}/{PRICES}: not recorded: {reason}" for reason in dict.fromkeys(lost)], False
    new = []
    for number, ((method, url, _), answer) in enumerate(recorder.answers.items(), 1):
        body = json.loads(answer.body, parse_float=Decimal)
        public = url.replace(base_url(environ), BASE, 1)  # as a drill asks, which knows no other server
        for name, row in body["coins"].items():
            stamp = stamp_of(row["timestamp"], now)
            body = body if stamp is None else put_at(body, ["coins", name, "timestamp"], str(stamp), now)
        new.append(Recording(
            path.parent / FOLDER / f"{monitor.name}.prices{'' if number == 1 else f'-{number}'}.json", monitor.name,
            (PRICES,), RecordedRequest(method, hidden_url(public, redact)), answer.status,
            {"content-type": answer.headers.get("content-type", "")}, body, recorded=f"{now:%Y-%m-%d}",
        ))  # fmt: skip
    later = now + LATER
    again = answer_prices(
        queries, EvaluationPoint({}, StoppedAt(later), fetch=Replay(new, later), sleep=lambda _: None)
    )
    if [value_of(one) for one in again.values()] != [value_of(one) for one in read.values()]:
        return [f"{monitor.name}/{PRICES}: not recorded: as it would be written it reads as another number"], False
    before = [one for one in recordings_of(path, monitor.name) if PRICES in one.sources]
    lines = [line for one in new for line in write_recording(one, [old for old in before if old.path == one.path], now)]
    for old in before:
        if old.path not in [one.path for one in new]:
            old.path.unlink()
    return lines, True


def _price_queries(monitor: Monitor) -> list[PriceQuery]:
    context = ReadContext({}, {})
    for part in monitor.parts():
        part.read(context)
    found = [one for one in context.wanted if isinstance(one, PriceQuery)]
    return list(dict.fromkeys(replace(one, read=replace(one.read, feed="")) for one in found))


def _requests(monitor: Monitor) -> list[tuple[Request, list[str]]]:
    """Return each request of a monitor once, with the sources that read its answer."""
    found: dict[tuple[str, str, bytes], tuple[Request, list[str]]] = {}
    for name, source in monitor.sources.items():
        request = document_of((monitor.name, name), source).request()
        found.setdefault(asked_as(request), (request, []))[1].append(name)
    return list(found.values())


def _recording(
    path: Path,
    monitor: Monitor,
    names: Sequence[str],
    request: Request,
    answer: Answer,
    now: datetime,
    redact: Callable[[str], str],
) -> Recording:
    sources = [monitor.sources[name] for name in names]
    base = "data." if sources[0].query else ""
    paths = [base + one for source in sources for one in (source.path, source.time, *source.require) if one]
    body: Json = json.loads(answer.body, parse_float=Decimal)
    for stamped in {base + source.time for source in sources if source.time}:
        stamp = stamp_of(pick(body, stamped, ""), now)  # type: ignore[arg-type]  # what is not there is no time
        body = body if stamp is None else put(body, stamped, str(stamp), now)
    most = max([abs(step) for one in paths for step, _ in steps(one) if isinstance(step, int)], default=0)
    return Recording(
        path.parent / FOLDER / f"{monitor.name}.{names[0]}.json", monitor.name, tuple(names),
        recorded_request(request, redact),
        answer.status, {"content-type": answer.headers.get("content-type", "")},
        cut(body, _WHOLE if any(one.rows for one in sources) else _LIST + most, redact), recorded=f"{now:%Y-%m-%d}",
    )  # fmt: skip


def _reads_otherwise(monitor: Monitor, new: Recording, read: Mapping[Any, Any], now: datetime) -> str:
    """Read the recording as a drill does, years later; return what differs from the live reading, or nothing."""
    alone = replace(monitor, sources={name: monitor.sources[name] for name in new.sources})
    later = now + LATER  # a time that was not understood is old by then
    again = read_sources(
        [alone], EvaluationPoint({}, StoppedAt(later), fetch=Replay([new], later), sleep=lambda _: None)
    )
    for key, found in again.items():
        if isinstance(found, Unknown):
            return f"as it would be written it cannot be read: {found.reason}"
        if found != read[key]:
            return "as it would be written it reads as another number"
    return ""
