"""What a Python monitor sees and would report now; nothing is stored, nothing is sent.

`python -m monitoring.checks explain SCRIPT` starts it as `python -m utils.explain`. The function runs with a copy of
what its monitor remembers, in a folder that is removed afterwards. `record SCRIPT` starts it with `--record`: then the
function runs as at first sight, and what services answer it is written into the recordings next to the script.
"""

from __future__ import annotations

import argparse
import os
import runpy
import sys
import traceback
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson

from monitoring.alerts.message.guidance import NO_GUIDANCE
from monitoring.alerts.recording.close_orphaned import SOURCES
from monitoring.alerts.recording.store_alert import NOBODY, Recorded
from monitoring.alerts.recording.unit_of_work import Fire, Resolve, Step
from monitoring.base.clock import SystemClock, to_text
from monitoring.base.errors import ConfigError, StoreError, UsageError
from monitoring.base.http.client import HttpClient
from monitoring.base.secrets.redact import Redactor
from monitoring.base.settings import Settings, load_settings
from monitoring.checks.engine.explain import last_line, last_readings
from monitoring.checks.engine.listing import lines_of
from monitoring.checks.messages.listing_value import bound_in_words, value_in_words
from monitoring.checks.recorded.heard import Heard, record_heard
from monitoring.checks.recorded.write import AnswerKeeper
from monitoring.store.db.database import Database
from monitoring.store.db.handle import ReadOnlyStore, SteadyStore
from monitoring.store.queries.alerts import AlertRow, Filter, newest
from monitoring.store.tables import conditions, state
from utils.context import Context
from utils.judging import Judged
from utils.script import run_function

_MOST = 1000  # messages of one run


class _ExplainedContext(Context):
    """Notes what `m.alert` and `m.resolve` came to. `runs` is the database of this host, which is only read."""

    def __init__(self, main: Any, settings: Settings, arguments: Sequence[str], runs: ReadOnlyStore) -> None:  # noqa: ANN401 - made by `@monitor`
        super().__init__(
            main.monitor, main.channel, settings, SystemClock(), arguments=arguments, origin=NOBODY,
            guidance=main.guidance,
        )  # fmt: skip
        self._runs = runs
        self.raised: list[tuple[Fire | Resolve, Recorded]] = []

    def _write(self, steps: list[Step], judged: Sequence[Judged], *, ends: bool) -> list[Recorded]:
        recorded = super()._write(steps, judged, ends=ends)
        messages = [step for step in steps if isinstance(step, Fire | Resolve) and step.key != self._crash_key]
        self.raised += zip(messages, recorded, strict=False)
        return recorded

    def messages(self) -> dict[str, list[AlertRow]]:
        """Return what would be sent, by key; what has no key under an empty one."""
        found: dict[str, list[AlertRow]] = {}
        for row in reversed(self._steady.read(lambda database: newest(database, Filter(), _MOST))):
            found.setdefault(row.dedupe_key or "", []).append(row)
        return found

    def shown(self) -> list[tuple[str, dict[str, object]]]:
        """Return each judgement as a line for people and as data, then each key that was raised or resolved."""
        lines, before = lines_of(self._evaluated, is_for_people=sys.stdout.isatty()), NO_GUIDANCE
        last = last_readings((one.outcome.condition for one in self._evaluated), self._runs)
        now = SystemClock().now()
        rows: list[tuple[str, dict[str, object]]] = []
        for one, line in zip(self._evaluated, lines, strict=True):
            outcome, guidance = one.outcome, one.part.route.guidance
            found: dict[str, object] = {
                "monitor": self.name, "check": one.key.text, "value": value_in_words(one.part, one.reading),
                "bound": bound_in_words(one.part), "state": outcome.condition.state.value,
                "reason": outcome.reason.value,
                "since": to_text(outcome.condition.since) if outcome.condition.since else None,
                "runbook": guidance.runbook, "note": guidance.note,
                "last_reading": seen.as_json() if (seen := last.get(one.key)) else None,
            }  # fmt: skip
            # Once for all checks in a row that share it.
            shown, before = guidance.texts if guidance != before else [], guidance
            below = [text for text in (last_line(last.get(one.key), now), *shown) if text]
            rows.append(("\n".join([line, *(f"    {text}" for text in below)]), found))
        for step, recorded in self.raised:
            verb, key = ("alert" if isinstance(step, Fire) else "resolve"), step.key.text if step.key else ""
            reason = str(step.outcome.reason) if step.outcome.recorded else recorded.reason.value
            rows.append((
                f"{self.name}/{key or '(no key)'}  m.{verb}  {reason}",
                {"monitor": self.name, "check": key, "verb": verb, "reason": reason},
            ))  # fmt: skip
        return rows


def explain(script: Path, arguments: Sequence[str], *, as_json: bool) -> int:
    """Explain each monitor of a script. 0; 1 if one crashes or most of its checks have no data.

    Raises:
        UsageError: the script cannot be loaded, or has no monitor.
    """
    code, data = 0, []
    settings = load_settings()
    for main in monitors_of(script):
        with TemporaryDirectory(prefix="monitoring-explain-") as folder:
            os.environ.update({"CACHE_DIR": folder, "MONITORING_ENV_FILE": ""})  # for utils.cache, too
            copy = load_settings({**settings.environ, "CACHE_DIR": folder, "MONITORING_ENV_FILE": ""})
            _copy_memory(settings.database, copy.database, main.monitor)
            with closing(_ExplainedContext(main, copy, arguments, ReadOnlyStore(settings.database))) as m:
                code = max(code, _run(m, main.function))
                data += _show(m, as_json=as_json)
    if as_json:
        sys.stdout.write(orjson.dumps(data, option=orjson.OPT_INDENT_2).decode() + "\n")
    return code


class _RecordedContext(Context):
    """Hears each document that the function asks for."""

    def __init__(self, main: Any, settings: Settings) -> None:  # noqa: ANN401 - made by `@monitor`
        self.keeper, self.heard = AnswerKeeper(HttpClient(settings.environ)), Heard()
        super().__init__(main.monitor, main.channel, settings, SystemClock(), origin=NOBODY, fetch=self.keeper)
        self._bench.at.service.notice = self.heard


def record(script: Path) -> int:
    """Record what each monitor of a script asks. 0; 1 if something could not be recorded.

    Raises:
        UsageError: the script cannot be loaded, or has no monitor.
        ConfigError: a recording that is there has mistakes.
    """
    settings, is_whole = load_settings(), True
    for main in monitors_of(script):
        with TemporaryDirectory(prefix="monitoring-record-") as folder:
            os.environ.update({"CACHE_DIR": folder, "MONITORING_ENV_FILE": ""})  # for utils.cache, too
            copy = load_settings({**settings.environ, "CACHE_DIR": folder, "MONITORING_ENV_FILE": ""})
            with closing(_RecordedContext(main, copy)) as m:
                run_function(m, main.function)
                lines, is_heard = record_heard(
                    script.parent, main.monitor, m.heard, m.keeper.answers, m.now, Redactor(settings.environ)
                )
        sys.stdout.writelines(f"{line}\n" for line in lines or [f"{script}: nothing to record: it asks no service"])
        is_whole &= is_heard
    return int(not is_whole)


def _run(m: _ExplainedContext, function: Any) -> int:  # noqa: ANN401 - the author's
    try:
        return run_function(m, function)
    except SystemExit as ending:
        return ending.code if isinstance(ending.code, int) else int(ending.code is not None)


def _show(m: _ExplainedContext, *, as_json: bool) -> list[dict[str, object]]:
    messages, found = m.messages(), []
    for line, data in m.shown():
        said = messages.pop(str(data["check"]), []) if data["check"] else messages.pop("", [])
        found.append({**data, "would_say": [{"severity": row.severity, "text": row.message} for row in said]})
        if not as_json:
            _write_lines([line], said)
    if not as_json:
        _write_lines([], [row for rows in messages.values() for row in rows])
    return found


def _write_lines(lines: list[str], said: Sequence[AlertRow]) -> None:
    for row in said:
        lines.append(f"    {row.severity or row.kind} to {row.channel or row.protocol}:")
        lines += [f"    | {text}" for text in row.message.split("\n")]
    sys.stdout.writelines(f"{line}\n" for line in lines)


def monitors_of(script: Path) -> list[Any]:
    """Return what `@monitor` made in a script, which is loaded and not run."""
    sys.path.insert(0, str(script.resolve().parent))
    sys.argv = [str(script)]
    try:
        names = runpy.run_path(str(script), run_name="explained")
    except SystemExit:
        raise UsageError(f'{script} ends when it is loaded: put what runs under if __name__ == "__main__":') from None
    except Exception as error:
        raise UsageError(f"{script}:{_line(error, script)} {type(error).__name__}: {error}") from error
    found = {id(one): one for one in names.values() if hasattr(one, "function") and hasattr(one, "monitor")}
    if not found:
        raise UsageError(f'{script}: no function is a monitor: write @monitor("name") above def main(m)')
    return list(found.values())


def _line(error: BaseException, script: Path) -> int:
    if isinstance(error, SyntaxError):
        return error.lineno or 1
    lines = [frame.lineno or 1 for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == script]
    return lines[-1] if lines else 1


def _copy_memory(origin: Path, copy: Path, monitor: str) -> None:
    """Copy the conditions and values of a monitor, and what is known of sources, into a database of its own."""
    namespace = f"monitor:{monitor}"

    def read(database: Database) -> tuple[list[Any], Mapping[str, Any]]:
        with database.snapshot() as tx:
            rows = [row for name in (monitor, SOURCES) for row in conditions.of_monitor(tx, name)]
        return rows, {key: state.get(database, namespace, key) for key in state.keys(database, namespace)}

    try:
        rows, values = ReadOnlyStore(origin).read(read)
    except StoreError as error:
        sys.stderr.write(f"as at first sight: {error}\n")
        return
    store = SteadyStore(copy, SystemClock())
    with closing(store):

        def write(tx: Any) -> None:  # noqa: ANN401 - an open transaction
            for row in rows:
                conditions.put(tx, row, SystemClock().now())
            for key, value in values.items():
                state.put(tx, namespace, key, value.value, value.updated_at)

        store.write(write)


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m utils.explain", description="Explain a Python monitor.")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--record", action="store_true")
    parser.add_argument("script", type=Path)
    options, arguments = parser.parse_known_args(argv)
    try:
        if options.record:
            return record(options.script)
        return explain(options.script, arguments, as_json=options.json)
    except (UsageError, ConfigError) as error:
        sys.stderr.write(f"{error}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
