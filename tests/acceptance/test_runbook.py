"""The runbook cannot lie: its verbs and flags exist, its paths are the contract's, and what can be run here is run.

Blocks marked `console` run on any checkout, here on a scratch one; `console host` needs a booted host; `console admin`
is for an account with sudo of its own, `console foreground` does not end by itself, `console elsewhere` is typed on
another machine.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from automation.cli.commands import command_names, load_command
from tests.support.console import Command, commands
from tests.support.host import ROOT, Host

PAGE = (ROOT / "deploy" / "runbook.md").read_text()
COMMANDS = commands(PAGE)
CONTRACT = (
    "/srv/monitoring", "/srv/cache", "/etc/monitoring/.env", "/etc/systemd/system/monitoring.service",
    "/etc/systemd/system/monitoring-api.service", "/etc/systemd/system/monitoring-chat.service", "/tmp/crontab",
    "/usr/local/bin/supercronic", "/usr/local/bin/monitoring", "/usr/local/bin/uv",
    "/etc/sudoers.d/monitoring", "/opt/uv",
)  # fmt: skip
ELSEWHERE = ("/etc/nginx", "/var/log/nginx", "/var/backups/monitoring")
TOPICS = (
    "What runs", "Logs", "Run a profile by hand", "Edits reach the host", "Rotate a secret", "A test run",
    "This host is lost", "Who watches the watcher", "The API", "State", "From the legacy text caches",
    "When something is wrong",
    "Where things are", "A run that does not end", "The unit does not start", "The first minute",
)  # fmt: skip


def label(command: Command) -> str:
    return f"{command.line}: {command.text}"[:70]


def test_every_section_an_operator_looks_for_is_there() -> None:
    headings = re.findall(r"(?m)^## (.*)$", PAGE)
    assert [topic for topic in TOPICS if not any(heading.startswith(topic) for heading in headings)] == []
    assert len(COMMANDS) > 50
    assert PAGE.count("```console") * 2 == PAGE.count("```")


@pytest.mark.parametrize("command", [found for found in COMMANDS if " -m automation" in found.text], ids=label)
def test_every_verb_and_flag_exists(command: Command) -> None:
    verb, *arguments = shlex.split(command.text.split(" -m automation ", 1)[1].partition(" | ")[0])
    assert verb in command_names()
    parser = argparse.ArgumentParser(exit_on_error=False)
    load_command(verb).add_arguments(parser)
    parser.parse_args(arguments)


def test_what_the_text_says_in_passing_exists_as_well() -> None:
    """`prune --older-than 30d`, `deliver`: code in the text and the tables that begins with a verb."""
    spans = [span for span in re.findall(r"(?<!`)`([^`\n]+)`(?!`)", PAGE) if span.split()[0] in command_names()]
    assert len(spans) > 20
    for span in spans:
        verb, *arguments = span.split()
        parser = argparse.ArgumentParser(exit_on_error=False)
        load_command(verb).add_arguments(parser)
        flags = {option for action in parser._actions for option in action.option_strings}
        assert {argument for argument in arguments if argument.startswith("--")} <= flags, span


def test_every_path_is_the_contracts() -> None:
    named = set(re.findall(r"(?<![\w:/.<-])/(?:srv|etc|tmp|usr|opt|var)/[\w./-]*\w", PAGE))
    assert len(named) > 12
    assert [path for path in sorted(named) if not path.startswith(CONTRACT + ELSEWHERE)] == []
    for path in CONTRACT:
        assert path in PAGE, path


def test_what_it_points_to_is_there() -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)\)", PAGE)
    named = re.findall(r"(?<![\w/])((?:\./)?deploy/[\w.-]+\.(?:sh|md))", PAGE)
    assert links
    missing = [link for link in links if not (ROOT / "deploy" / link).exists()]
    assert missing == []
    assert {Path(name).name for name in named} <= {"install.sh", "migrate-file-cache-to-db.sh", "runbook.md"}
    assert (ROOT / "deploy" / "migrate-file-cache-to-db.sh").exists()


@pytest.mark.parametrize("command", [found for found in COMMANDS if "systemctl" in found.text], ids=label)
def test_units_are_ours_and_the_verbs_systemds(command: Command) -> None:
    words = shlex.split(command.text)
    words = words[words.index("systemctl") + 1 :]
    verb, *units = [word for word in words if not word.startswith("-")]
    assert verb in {"status", "cat", "start", "stop", "restart", "enable", "disable", "reset-failed", "edit"}
    assert units
    assert set(units) <= {"monitoring", "monitoring-api"}


@pytest.mark.parametrize("command", COMMANDS, ids=label)
def test_every_command_is_sound_shell(command: Command) -> None:
    done = subprocess.run(["bash", "-n", "-c", command.text], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert command.where in ("", "host", "admin", "foreground", "elsewhere")


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Host:
    """A checkout with the shipped profiles, and `uv run python` that is this Python, as the page says."""
    host = Host(tmp_path_factory.mktemp("runbook"))
    host.keep_tasks("host", "drill", "backup", "restore-rehearsal", "prune")
    shutil.copytree(ROOT / "deploy", host.checkout / "deploy")
    uv = host.checkout.parent / "bin" / "uv"
    uv.parent.mkdir()
    uv.write_text(f'#!/bin/sh\n[ "$1" = run ] && [ "$2" = python ] || exit 99\nshift 2\nexec {sys.executable} "$@"\n')
    uv.chmod(0o755)
    host.environ["PATH"] = f"{uv.parent}:{os.environ['PATH']}"
    assert host.automation("run", "weekly", "--dry-run").returncode == 0
    assert host.automation("run", "multisig").returncode == 0
    return host


ANYWHERE = [found for found in COMMANDS if found.where == ""]


def test_what_can_be_run_here_runs_and_fails_only_as_the_page_says(scratch: Host) -> None:
    """In the order of the page, on one checkout: an operator does not begin anew for each command either."""
    assert len(ANYWHERE) >= 18
    for command in ANYWHERE:
        done = subprocess.run(
            ["bash", "-c", command.text], cwd=scratch.checkout, env=scratch.environ, capture_output=True, text=True,
            check=False, timeout=120, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        told = f"{command.line}: {command.text}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in told, told
        # What finds something, or has no credentials to send with, says so by 1: that is its work.
        assert done.returncode in ((0, 1) if _may_find_something(command) else (0,)), told
        assert done.stdout + done.stderr, told


def _may_find_something(command: Command) -> bool:
    return (
        bool(re.search(r" (audit|doctor|deliver|run hourly.*)( |$)", command.text)) and "--dry-run" not in command.text
    )
