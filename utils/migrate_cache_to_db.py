"""Moves the text cache files of the system this replaces into the database, and back (`--export`).

Behind `deploy/migrate-file-cache-to-db.sh`. Running it again is safe: without `--overwrite` existing values win.
"""

from __future__ import annotations

from monitoring.base.drop_privileges import become_owner_of_checkout

if __name__ == "__main__":
    become_owner_of_checkout()

import argparse
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from monitoring.base import log
from monitoring.base.clock import SystemClock, from_text
from monitoring.base.drop_privileges import become_owner
from monitoring.base.errors import LockedError, MonitoringError, UsageError
from monitoring.base.locks.maintenance_lock import WAIT_FOR_RUNS_S, no_runs
from monitoring.base.settings import Settings, load_settings
from monitoring.base.terminal import write_whatever_comes
from monitoring.store.db.database import Database
from monitoring.store.maintenance import legacy_files
from monitoring.store.maintenance.repair import open_or_repair
from monitoring.store.tables import state

EXAMPLES = """examples:
  python -m utils.migrate_cache_to_db               import; values already in the database win
  python -m utils.migrate_cache_to_db --overwrite   the text files are the truth
  python -m utils.migrate_cache_to_db --export      write the text files from the database, before CACHE_BACKEND=file
"""
DEFAULT_FILES = ("cache-id.txt", "cache-id-daily.txt", "nonces.txt")
_OWN_NAMESPACE = re.compile(r"^monitor:")  # what utils.monitor keeps was never in a text file
_EXIT_RUNNING = 75


@dataclass
class Counts:
    """What became of the lines of one file."""

    imported: int = 0
    kept: int = 0
    invalid: list[tuple[int, str]] = field(default_factory=list)


def cache_files(jobs: Path, environ: Mapping[str, str]) -> list[str]:
    """Name every cache file that jobs.yaml, jobs.d, the environment or a default mentions, by basename.

    They are read leniently: a mistake in one must not stop a migration.
    """
    names = dict.fromkeys(DEFAULT_FILES)
    files = [jobs, *sorted(jobs.with_name("jobs.d").glob("[!.]*.yaml"))]
    mentioned = [(name, value) for name, value in environ.items() if name in ("CACHE_FILENAME", "NONCE_FILENAME")]
    for name, value in [*mentioned, *(pair for file in files for pair in _mentions(_profiles(file)))]:
        if name.endswith("_FILENAME") or name.replace("_", "-") == "cache-file":
            names[Path(str(value)).name] = None
    return [name for name in names if name]


def _profiles(jobs: Path) -> list[Any]:
    try:
        content = yaml.safe_load(jobs.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        print(f"{jobs}: not read ({error}); only the default files are looked for", file=sys.stderr)
        return []
    profiles = content.get("profiles") if isinstance(content, dict) else None
    return list(profiles.values()) if isinstance(profiles, dict) else []


def _mentions(profiles: list[Any]) -> Iterator[tuple[str, object]]:
    for profile in filter(_is_mapping, profiles):
        yield from _pairs(profile.get("env"))
        for task in filter(_is_mapping, profile.get("tasks") or []):
            yield from _pairs(task.get("env"))
            yield from _pairs(task.get("args"))


def _is_mapping(value: object) -> bool:
    return isinstance(value, dict)


def _pairs(mapping: object) -> Iterator[tuple[str, object]]:
    if isinstance(mapping, dict):
        yield from ((str(name), value) for name, value in mapping.items())


def import_file(database: Database, path: Path, *, overwrite: bool) -> Counts:
    """Import one file in one transaction.

    Raises:
        StoreError: nothing of the file was imported then.
    """
    content = legacy_files.read(path)
    counts = Counts(invalid=content.invalid)
    now = SystemClock().now()
    with database.write() as tx:
        for key, value in content.entries.items():
            if overwrite:
                state.put(tx, path.name, key, value, now)
                counts.imported += 1
            elif state.put_if_absent(tx, path.name, key, value, now):
                counts.imported += 1
            else:
                counts.kept += 1
    return counts


def export(database: Database, cache_dir: Path, *, only_older: bool = False) -> dict[str, int]:
    """Write every namespace that can be a file; return the number of values of each.

    `only_older` leaves a file alone that was written after the newest value of its namespace.
    """
    files: dict[str, dict[str, str]] = {}
    for namespace, key, value in state.everything(database):
        if not _OWN_NAMESPACE.match(namespace) and Path(namespace).name == namespace not in ("", ".."):
            files.setdefault(namespace, {})[key] = value
    if only_older:
        files = {name: found for name, found in files.items() if _is_older(cache_dir / name, database)}
    for name, entries in files.items():
        legacy_files.write(cache_dir / name, entries)
    return {name: len(entries) for name, entries in files.items()}


def _is_older(path: Path, database: Database) -> bool:
    if not path.exists():
        return True
    written_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    try:
        return written_at < from_text(state.newest_of(database, path.name))
    except ValueError:
        return False


def main(arguments: list[str] | None = None) -> int:
    write_whatever_comes()
    parser = argparse.ArgumentParser(
        prog="python -m utils.migrate_cache_to_db",
        description=__doc__.partition("\n")[0],
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    direction = parser.add_mutually_exclusive_group()
    direction.add_argument("--overwrite", action="store_true", help="the text files win over the database")
    direction.add_argument("--export", action="store_true", help="write the text files from the database")
    parser.add_argument("--config", type=Path, help="the jobs.yaml that names the files")
    parser.add_argument(
        "--wait", type=float, default=WAIT_FOR_RUNS_S, metavar="SECONDS", help="wait for runs this long"
    )
    parser.add_argument(
        "--at-start", action="store_true", help="wait for no run, and export only over files older than the database"
    )
    args = parser.parse_args(arguments)
    try:
        settings = load_settings()
        log.set_up(settings.environ)
        become_owner(settings.cache_dir)
        return _migrate(args, settings)
    except MonitoringError as error:
        print(error, file=sys.stderr)
        return _EXIT_RUNNING if isinstance(error, LockedError) else 2 if isinstance(error, UsageError) else 1


def _migrate(args: argparse.Namespace, settings: Settings) -> int:
    with nullcontext() if args.at_start else no_runs(settings.locks, args.wait):
        settings.cache_dir.mkdir(parents=True, exist_ok=True)
        database, _ = open_or_repair(settings.database, SystemClock())
        with database:
            if args.export:
                for name, count in export(database, settings.cache_dir, only_older=args.at_start).items():
                    print(f"{name}: {count} exported")
                return 0
            jobs = args.config or settings.checkout / "automation" / "jobs.yaml"
            for name in cache_files(jobs, settings.environ):
                _import_and_report(database, settings.cache_dir / name, overwrite=args.overwrite)
    return 0


def _import_and_report(database: Database, path: Path, *, overwrite: bool) -> None:
    if not path.exists():
        print(f"{path.name}: not there")
        return
    counts = import_file(database, path, overwrite=overwrite)
    print(f"{path.name}: {counts.imported} imported, {counts.kept} kept, {len(counts.invalid)} invalid")
    for number, line in counts.invalid:
        print(f"{path}:{number}: not a key:value line, left out: {line[:120]!r}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
