"""How hints name a command, and what a Python without the packages is answered."""

from __future__ import annotations

import importlib.util

import pytest

from monitoring.base.invocation import called_as, missing_package
from tests.support.host import ROOT


@pytest.mark.parametrize(
    ("argv", "environ", "name"),
    [
        (["python", "-m", "automation", "status"], {}, "python -m automation"),
        ([".venv/bin/python", "-P", "-m", "automation"], {}, ".venv/bin/python -m automation"),
        (["/a b/python", "-m", "automation"], {}, "'/a b/python' -m automation"),
        (["python", "-m", "automation"], {"AUTOMATION_CALLED_AS": "sudo monitoring"}, "sudo monitoring"),
        (["/x/python", "-m", "automation"], {"UV_RUN_RECURSION_DEPTH": "1"}, "uv run python -m automation"),
        (["python", "-m", "pytest"], {}, "python -m automation"),
        (["python", "protocols/aave/main.py"], {}, "python -m automation"),
    ],
)
def test_a_hint_names_the_command_as_it_was_typed(argv: list[str], environ: dict[str, str], name: str) -> None:
    assert called_as(argv, environ) == name


def test_a_missing_package_is_one_line_and_a_missing_module_of_ours_is_a_bug() -> None:
    line = missing_package(ModuleNotFoundError("no", name="apsw.ext"), ["automation", "status"])
    assert line is not None
    assert "lacks the package apsw; type: make sync" in line
    assert line.count("\n") == 1
    assert missing_package(ModuleNotFoundError("no", name="monitoring.store.gone")) is None


@pytest.mark.parametrize(
    ("command", "is_found"),
    [
        ("python protocols/aave/main.py", True),
        ("python -u -W ignore protocols/aave/main.py --now", True),
        ("python -m automation run hourly", False),
        ("python -c pass x.py", False),
        ("python /etc/nothing.py", False),
        ("python", False),
    ],
)
def test_the_checkout_of_a_script_is_found_from_its_place(
    command: str, is_found: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = ROOT / "deploy/launcher/monitoring_script.py"
    spec = importlib.util.spec_from_file_location("the_script_launcher", file)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.chdir(ROOT)
    assert module.checkout_of(command.split()) == (str(ROOT) if is_found else "")
