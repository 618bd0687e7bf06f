"""Who types on a booted host: the deploy user with what install.sh lets them do, and people with sudo of their own."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass

from tests.support.console import Command
from tests.support.deployed import CHECKOUT, INSTALL, USER, Deployed

PERSON = "anna"
_EDITOR = "/usr/local/bin/an-editor"
# What install.sh would download comes from elsewhere on a host without a network; the line itself stays as it is.
_INSTEAD_OF_THE_NETWORK = [word for word in INSTALL.split() if "=" in word]
_STARTS = re.compile(r"systemctl (start|restart|enable)")


@dataclass(frozen=True)
class Typed:
    """A line and what came of it."""

    line: str
    code: int
    output: str


def let_people_type(host: Deployed) -> None:
    """Give both an editor that writes a line, and the person an account that may use sudo for anything."""
    host.machine.write(_EDITOR, '#!/bin/sh\ncat /tmp/to-write >>"$1" 2>/dev/null || echo "# seen" >>"$1"\n', 0o755)
    names = " ".join(word.partition("=")[0] for word in _INSTEAD_OF_THE_NETWORK)
    rules = f'Defaults env_keep += "{names}"\n{PERSON} ALL=(ALL:ALL) NOPASSWD: ALL\n'
    host.machine.run(f"id -u {PERSON} >/dev/null 2>&1 || useradd --create-home --shell /bin/bash {PERSON}")
    host.machine.write(f"/etc/sudoers.d/{PERSON}", rules, 0o440)
    profile = "".join(f"export {word}\n" for word in (f"EDITOR={_EDITOR}", *_INSTEAD_OF_THE_NETWORK))
    for user in (USER, PERSON):
        host.machine.run(f"cat >~{user}/.bash_profile", stdin=profile)


def let_deploy_user_do_anything(host: Deployed) -> None:
    """What the deploy user of an old host was: somebody's account, with sudo."""
    host.machine.write("/etc/sudoers.d/old-host", f"{USER} ALL=(ALL:ALL) NOPASSWD: ALL\n", 0o440)


def type_line(host: Deployed, line: str, *, user: str = USER, where: str = CHECKOUT, ends_s: int = 0) -> Typed:
    """Type a line as it stands; one that does not end by itself gets Ctrl-C after `ends_s` seconds."""
    if _STARTS.search(line):
        # A page typed without a pause starts a unit more often than five times in a minute.
        host.machine.run("systemctl reset-failed monitoring monitoring-api", check=False)
    shell = f"cd {where} && {line}"
    if ends_s:
        shell = f"cd {where} && timeout --preserve-status --signal=INT --kill-after=80 {ends_s} {line}"
    done = host.machine.run(shell, user=user, check=False, limit_s=180)
    assert isinstance(done, subprocess.CompletedProcess)
    return Typed(line, done.returncode, done.stdout + done.stderr)


def type_command(host: Deployed, command: Command) -> Typed:
    """Type a command of our runbook as the user its block names."""
    if command.where == "admin":
        return type_line(host, command.text, user=PERSON, where="/srv/clone")
    is_up = command.where == "foreground" and "sudo " not in command.text
    return type_line(host, command.text, ends_s=8 if is_up else 0)
