"""docs/reverse-proxy.md, nginx: typed command by command into Debian's own nginx, the shipped file passes its test."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.console import Command, commands
from tests.support.parts import missing, require
from tests.support.web import ROOT

PAGE = (ROOT / "docs" / "reverse-proxy.md").read_text()
# What touches the machine beside /etc/nginx, or asks a server that runs.
_LEFT_OUT = ("apt-get install", "systemctl reload", "https://monitoring.example.org", "caddy")


def typed(command: Command) -> str:
    """Return the command as root types it; the password that a person would type twice is given."""
    return command.text.replace("sudo ", "").replace("openssl passwd -6", "openssl passwd -6 secret")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has an /etc/nginx of its own to try this in")
def test_the_commands_of_the_page_make_a_configuration_that_nginx_takes(tmp_path: Path) -> None:
    """In a mount and a network namespace of its own: this machine's /etc/nginx and its ports are left alone."""
    require("nginx")
    require("openssl")
    if not Path("/etc/nginx/nginx.conf").exists():
        missing("Debian's nginx is not installed")
    shutil.copytree("/etc/nginx", tmp_path / "nginx", symlinks=True)
    lines = [typed(found) for found in commands(PAGE) if not any(part in found.text for part in _LEFT_OUT)]
    assert any(line == "nginx -t" for line in lines)
    assert len(lines) >= 11
    script = "\n".join(["set -eux -o pipefail", f"mount --bind {tmp_path}/nginx /etc/nginx", *lines])
    done = subprocess.run(
        [require("unshare"), "-m", "-n", "bash", "-c", script], cwd=ROOT, capture_output=True, text=True, check=False,
        timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "test is successful" in done.stderr
    assert "[warn]" not in done.stderr
    made = tmp_path / "nginx" / "monitoring"
    modes = {path.name: (path.stat().st_mode & 0o777, path.group()) for path in made.iterdir()}
    assert modes["tokens"] == modes["tls.key"] == (0o600, "root")
    assert modes["htpasswd"] == (0o640, "www-data")
    assert not Path("/etc/nginx/monitoring").exists()
