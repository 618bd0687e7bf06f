"""utils.cache over both backends, and the way between them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.base.errors import UsageError
from monitoring.base.locks.profile_lock import TreeLock
from monitoring.store.maintenance import legacy_files
from tests.support.host import ROOT
from tests.support.old_database import build
from utils import cache


@pytest.fixture(params=["", "file"], ids=["database", "files"])
def backend(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("MONITORING_ENV_FILE", "")
    monkeypatch.setenv("CACHE_BACKEND", request.param)
    return str(request.param)


def migrate(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "utils.migrate_cache_to_db", *arguments],
        cwd=ROOT,
        env={"CACHE_DIR": str(directory), "MONITORING_ENV_FILE": "", "CACHE_FILENAME": "mine.txt"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.usefixtures("backend")
def test_a_value_is_kept_by_file_and_key() -> None:
    assert cache.get("cache-id.txt", "aave") is None
    assert cache.get("cache-id.txt", "aave", "0") == "0"
    cache.set("cache-id.txt", "aave", 7)
    cache.set("nonces.txt", "aave", "other")
    cache.set("some/where/cache-id.txt", "comp", "8")
    assert cache.get("cache-id.txt", "aave") == "7"
    assert cache.keys("cache-id.txt") == ["aave", "comp"]
    cache.delete("cache-id.txt", "aave")
    cache.delete("cache-id.txt", "aave")
    assert cache.get("cache-id.txt", "aave") is None
    assert cache.get("nonces.txt", "aave") == "other"


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("key", ["PREFIX:market:0xB:1", "with space", "per%3Acent", "ünï"])
@pytest.mark.parametrize("value", ["1", "a:b", "two\nlines", "%0A literally", "123.0", "100%"])
def test_a_key_and_value_of_any_shape_come_back_as_they_were(key: str, value: str) -> None:
    cache.set("cache-id.txt", key, value)
    assert cache.get("cache-id.txt", key) == value


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("name", ["", "..", "a/.."])
def test_a_name_that_is_no_file_is_refused(name: str) -> None:
    with pytest.raises(UsageError):
        cache.get(name, "key")


@pytest.mark.usefixtures("backend")
def test_a_corrupt_file_or_database_is_not_fatal(tmp_path: Path) -> None:
    (tmp_path / "cache-id.txt").write_bytes(b"\xff\xfe\x00broken")
    (tmp_path / "monitoring.db").write_bytes(b"broken" * 999)
    assert cache.get("cache-id.txt", "aave") is None
    cache.set("cache-id.txt", "aave", "1")
    assert cache.get("cache-id.txt", "aave") == "1"
    assert [path for path in tmp_path.iterdir() if ".damaged-" in path.name]


def test_two_writers_of_one_file_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "cache-id.txt"

    def write(name: str) -> None:
        for number in range(50):
            with legacy_files.change(path) as entries:
                entries[f"{name}{number}"] = "x"

    threads = [threading.Thread(target=write, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(legacy_files.read(path).entries) == 100


@given(st.dictionaries(st.text(min_size=1).filter(lambda key: key.strip() == key and "\0" not in key), st.text()))
def test_what_is_written_to_a_file_is_read_back(entries: dict[str, str]) -> None:
    entries = {key: value.replace("\0", "").strip() for key, value in entries.items()}
    text = "".join(f"{legacy_files._escape_key(k)}:{legacy_files._escape_value(v)}\n" for k, v in entries.items())
    assert legacy_files.parse(text.encode()).entries == entries


def test_migration_twice_imports_once_and_names_invalid_lines(tmp_path: Path) -> None:
    (tmp_path / "cache-id.txt").write_text("aave:7\n\nno colon here\ncomp:a:b\n")
    (tmp_path / "nonces.txt").write_text("0xSafe:41\n")
    (tmp_path / "mine.txt").write_text("k:v\n")
    first, second = migrate(tmp_path), migrate(tmp_path)
    assert first.returncode == second.returncode == 0, first.stderr
    assert "cache-id.txt: 2 imported, 0 kept, 1 invalid" in first.stdout
    assert "mine.txt: 1 imported" in first.stdout, "named by an environment variable"
    assert "cache-id.txt:3: not a key:value line" in first.stderr
    assert "cache-id.txt: 0 imported, 2 kept, 1 invalid" in second.stdout


def test_existing_values_win_unless_told_otherwise(tmp_path: Path) -> None:
    (tmp_path / "cache-id.txt").write_text("aave:1\n")
    migrate(tmp_path)
    (tmp_path / "cache-id.txt").write_text("aave:2\n")
    assert "0 imported, 1 kept" in migrate(tmp_path).stdout
    assert "1 imported, 0 kept" in migrate(tmp_path, "--overwrite").stdout
    migrate(tmp_path, "--export")
    assert (tmp_path / "cache-id.txt").read_text() == "aave:2\n"


def test_an_adopted_database_is_exported_and_comes_back_whole(tmp_path: Path) -> None:
    build(tmp_path / "monitoring.db", rows=5)
    assert migrate(tmp_path, "--export").returncode == 0
    assert (tmp_path / "nonces.txt").read_text() == "0xSafe:41\n"
    assert "nonces.txt: 0 imported, 1 kept" in migrate(tmp_path).stdout


def test_a_migration_waits_for_runs_and_names_the_one_that_does_not_end(tmp_path: Path) -> None:
    tree = TreeLock(tmp_path / "locks")
    assert tree.hold_shared()
    (tmp_path / "cache-id.txt").write_text("aave:7\n")
    done = migrate(tmp_path, "--wait", "0.3")
    assert done.returncode == 75
    assert "nothing was changed" in done.stderr
    tree.release()
    assert migrate(tmp_path).returncode == 0


def test_the_operators_script_does_the_same(tmp_path: Path) -> None:
    (tmp_path / "cache-id.txt").write_text("aave:7\n")
    done = subprocess.run(
        [str(ROOT / "deploy" / "migrate-file-cache-to-db.sh")],
        env={"PATH": os.environ["PATH"], "CACHE_DIR": str(tmp_path), "MONITORING_ENV_FILE": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "cache-id.txt: 1 imported" in done.stdout, done.stderr
    missing = subprocess.run(
        [str(ROOT / "deploy" / "migrate-file-cache-to-db.sh")],
        env={"PATH": os.environ["PATH"], "REPO_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert missing.returncode == 2
    assert "make sync" in missing.stderr
