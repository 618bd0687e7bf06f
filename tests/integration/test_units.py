"""The units as systemd itself reads them, without a booted host: no mistake in them, and little that they may touch."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.support import parts
from tests.support.host import ROOT

UNITS = ROOT / "deploy/systemd"
# What they need to do their work leaves this much, by `systemd-analyze security`; the scale ends at 10.
MOST_EXPOSED = {"monitoring.service": 2.4, "monitoring-api.service": 1.7, "monitoring-chat.service": 1.7}


def render(directory: Path) -> dict[str, Path]:
    """Render the templates with programs that exist, as install.sh does with the real ones."""
    checkout = directory / "checkout"
    (checkout / ".venv/bin").mkdir(parents=True)
    (checkout / ".venv/bin/python").symlink_to("/bin/true")
    values = {"REPO_DIR": str(checkout), "CACHE_DIR": "/srv/cache", "ETC_DIR": "/etc/monitoring"}
    values |= {"USER": "daemon", "GROUP": "daemon", "SUPERCRONIC": "/bin/true"}
    rendered = {}
    for template in UNITS.glob("*.service"):
        text = re.sub(r"@([A-Z_]+)@", lambda name: values[name[1]], template.read_text())
        rendered[template.name] = directory / template.name
        rendered[template.name].write_text(text)
    return rendered


@pytest.mark.parametrize("unit", MOST_EXPOSED)
def test_systemd_finds_no_mistake_in_the_unit(unit: str, tmp_path: Path) -> None:
    analyze = parts.require("systemd-analyze")
    found = subprocess.run(
        [analyze, "verify", "--man=no", render(tmp_path)[unit]], capture_output=True, text=True, check=False
    )
    # It exits with 0 on a key it does not know: what it says counts.
    assert (found.returncode, found.stderr) == (0, "")


@pytest.mark.parametrize(("unit", "limit"), MOST_EXPOSED.items())
def test_the_unit_may_touch_little(unit: str, limit: float, tmp_path: Path) -> None:
    analyze = parts.require("systemd-analyze")
    found = subprocess.run(
        [analyze, "security", "--offline=yes", "--no-pager", render(tmp_path)[unit]],
        capture_output=True,
        text=True,
        check=True,
    )
    level = re.search(r"Overall exposure level for \S+: ([\d.]+)", found.stdout)
    assert level is not None
    assert float(level[1]) <= limit, found.stdout


def test_a_start_limit_that_systemd_would_ignore_is_found(tmp_path: Path) -> None:
    """The trap itself: in [Service] the limit does nothing, and only the words of `verify` tell."""
    analyze = parts.require("systemd-analyze")
    unit = render(tmp_path)["monitoring.service"]
    unit.write_text(unit.read_text().replace("[Service]", "[Service]\nStartLimitIntervalSec=60"))
    found = subprocess.run([analyze, "verify", "--man=no", unit], capture_output=True, text=True, check=False)
    assert "StartLimitIntervalSec" in found.stderr


def test_five_starts_fit_into_the_interval_of_the_start_limit() -> None:
    """A burst that cannot be reached within the interval never trips."""
    for unit in UNITS.glob("*.service"):
        text = unit.read_text()
        found = {
            name: int(value) for name, value in re.findall(r"^(StartLimit\w+|RestartSec)=(\d+)$", text, re.MULTILINE)
        }
        if unit.stem == "monitoring-chat":  # it says why: no limit, but a pause between two starts
            assert found == {"StartLimitIntervalSec": 0, "RestartSec": 10}
            continue
        assert found["RestartSec"] * found["StartLimitBurst"] < found["StartLimitIntervalSec"] / 2
        assert text.index("\nStartLimitBurst") < text.index("\n[Service]")


def test_pins_agree_wherever_they_are_written() -> None:
    install = (ROOT / "deploy/install.sh").read_text()
    uv = re.search(r"^UV_VERSION=(\S+)$", install, re.MULTILINE)
    supercronic = re.search(r"^SUPERCRONIC_VERSION=(\S+)$", install, re.MULTILINE)
    assert uv is not None
    assert supercronic is not None
    assert f"UV_VERSION := {uv[1]}\n" in (ROOT / "Makefile").read_text()
    assert f"SUPERCRONIC_VERSIONS = {supercronic[1]} " in (ROOT / "Makefile").read_text()


def test_the_header_of_install_names_every_variable_it_reads() -> None:
    text = (ROOT / "deploy/install.sh").read_text()
    header = text[: text.index("set -Eeuo pipefail")]
    read = set(re.findall(r"\$\{([A-Z_]+):-", text)) - {"STEP"}
    documented = set(re.findall(r"^#   ([A-Z_]+)\s", header, re.MULTILINE))
    assert read <= documented
    assert documented <= read
