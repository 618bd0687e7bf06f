from __future__ import annotations

import os
from pathlib import Path

import pytest

from automation.sync.dependencies import marker_holds, missing_distributions, required_distributions, venv_fingerprint
from tests.support.child import CHECKOUT

LINUX = {
    "sys_platform": "linux",
    "python_version": "3.11",
    "python_full_version": "3.11.7",
    "implementation_name": "cpython",
    "platform_machine": "x86_64",
}


@pytest.mark.parametrize(
    ("marker", "holds"),
    [
        ("sys_platform == 'win32'", False),
        ("sys_platform != 'emscripten'", True),
        ("implementation_name == 'cpython' or implementation_name == 'pypy'", True),
        ("python_full_version >= '3.12' and sys_platform == 'emscripten'", False),
        ("python_full_version >= '3.9'", True),
        ("python_full_version < '3.11.10'", True),
        ("python_version == '3.11.0'", True),
        ("'3.10' < python_version", True),
        ("(sys_platform == 'darwin' or sys_platform == 'linux') and python_version > '3.8'", True),
        ("platform_machine in 'x86_64 aarch64'", True),
        ("platform_machine not in 'x86_64 aarch64'", False),
    ],
)
def test_a_marker_is_evaluated(marker: str, holds: bool) -> None:
    assert marker_holds(marker, LINUX) is holds


@pytest.mark.parametrize(
    "marker",
    ["", "python_version ~= '3.1'", "unheard_of == 'x'", "__import__('os')", "sys_platform", "'a' < 'b' < 'c'"],
)
def test_a_marker_nobody_can_evaluate_does_not_hold(marker: str) -> None:
    assert not marker_holds(marker, LINUX)


def test_names_are_read_from_a_compiled_file() -> None:
    text = (
        "# compiled\n"
        "annotated-types==0.7.0 \\\n"
        "    --hash=sha256:aa \\\n"
        "    --hash=sha256:bb\n"
        "    # via pydantic\n"
        "uvicorn[standard]==0.54.0 ; sys_platform != 'win32' \\\n"
        "    --hash=sha256:cc\n"
        "pywin32==312 ; sys_platform == 'win32' \\\n"
        "    --hash=sha256:dd\n"
        "local @ file:///srv/local.whl \\\n"
        "--no-binary x\n"
    )
    assert list(required_distributions(text)) == ["annotated-types", "uvicorn", "local"]


def test_this_projects_own_lock_is_satisfied_by_its_venv() -> None:
    text = (CHECKOUT / "requirements.lock").read_text()
    assert len(list(required_distributions(text))) > 20
    assert missing_distributions(CHECKOUT / "requirements.lock") == []


def test_spelling_does_not_make_a_distribution_missing(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text("PyDantic_Core==1\npyyaml==1\nnot-there==1\n")
    assert missing_distributions(lock) == ["not-there"]


def test_the_fingerprint_follows_what_is_installed(tmp_path: Path) -> None:
    first = tmp_path / "one-1.0.dist-info"
    first.mkdir()
    path = [str(tmp_path), "/nowhere", str(tmp_path / "archive.zip")]
    seen = [venv_fingerprint(path)]
    (tmp_path / "package").mkdir()
    assert venv_fingerprint(path) == seen[0]
    first.rename(tmp_path / "one-1.1.dist-info")
    seen.append(venv_fingerprint(path))
    (tmp_path / "two-1.0.dist-info").mkdir()
    seen.append(venv_fingerprint(path))
    os.utime(tmp_path / "two-1.0.dist-info", (1, 1))
    seen.append(venv_fingerprint(path))
    assert len(set(seen)) == 4
