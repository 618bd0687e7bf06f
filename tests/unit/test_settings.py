"""The same world everywhere: env file, quoting, state directory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from monitoring.base.env_file import parse_env_file
from monitoring.base.errors import UsageError
from monitoring.base.settings import ENV_FILE, load_settings


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A=plain", "plain"),
        ("A=  led by blanks and followed  ", "led by blanks and followed"),
        ("A='single $x \\n kept'", "single $x \\n kept"),
        ('A="double \\" \\$ \\n"', 'double " $ \\n'),
        ("A='one'\"two\"three", "onetwothree"),
        ("A=with\\ escape\\\\", "with escape\\"),
        ("A=continued\\\nhere", "continuedhere"),
        ('A="two\nlines"', "two\nlines"),
        ("A=", ""),
        ("A=a=b#c", "a=b#c"),
        ("A=windows\r", "windows"),
    ],
)
def test_an_env_file_is_read_by_systemds_quoting_rules(text: str, value: str) -> None:
    assert parse_env_file(f"# a comment\n; another\n\n{text}\nB=next\n".encode()).values == {"A": value, "B": "next"}


@pytest.mark.parametrize(
    "text", ["A='open", 'A="open', 'A="open\\', "A=end\\", "=x", "no equals", "export A=1", "1A=x"]
)
def test_an_env_file_cut_short_or_with_odd_names_is_no_crash(text: str) -> None:
    assert set(parse_env_file(text.encode()).values) <= {"A"}


def test_the_real_environment_beats_the_env_file(tmp_path: Path) -> None:
    env_file = tmp_path / "env"
    env_file.write_text("CACHE_DIR=/from/file\nLOG_LEVEL=DEBUG\n")
    settings = load_settings({"MONITORING_ENV_FILE": str(env_file), "LOG_LEVEL": "INFO"})
    assert settings.cache_dir == Path("/from/file")
    assert settings.env_file == env_file
    assert not settings.debug


def test_an_env_file_that_is_named_and_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"MONITORING_ENV_FILE=.*gone"):
        load_settings({"MONITORING_ENV_FILE": str(tmp_path / "gone")})


def test_without_a_named_or_a_hosts_file_that_of_the_checkout_counts(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("LOG_LEVEL=DEBUG\n")

    settings = load_settings({"CACHE_DIR": str(tmp_path)}, tmp_path)

    # A machine with /etc/monitoring/.env is a host: that one goes first.
    assert settings.env_file == (ENV_FILE if os.access(ENV_FILE, os.R_OK) else tmp_path / ".env")
    assert settings.debug or settings.env_file == ENV_FILE


def test_an_empty_name_means_no_env_file(tmp_path: Path) -> None:
    assert load_settings({"MONITORING_ENV_FILE": "", "CACHE_DIR": str(tmp_path)}).env_file is None
