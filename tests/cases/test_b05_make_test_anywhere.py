"""B.5: `make test &` in a script starts the tests with SIGINT ignored: 14 of them failed.

And behind a proxy that inspects TLS, whose CA is only in the system's store, the tools of `make` find no package.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.host import ROOT

pytestmark = pytest.mark.case("B.5")

# The quickest of the fourteen.
INTERRUPTED = "tests/integration/test_cli.py"
STORES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
CERTIFICATES = ("UV_SYSTEM_CERTS", "PIP_CERT", "NODE_EXTRA_CA_CERTS")


def without(*names: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in names and "XDIST" not in name}


def test_tests_hear_an_interrupt_although_the_shell_that_starts_them_ignores_it() -> None:
    pytest_of_its_own = f"exec {sys.executable} -m pytest -q {INTERRUPTED} -k 'ctrl_c or interrupt' -p no:cacheprovider"
    done = subprocess.run(
        ["bash", "-c", f"trap '' INT; {pytest_of_its_own}"], cwd=ROOT, env=without("PYTEST_CURRENT_TEST"),
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def exported(environ: dict[str, str]) -> list[str]:
    show = "show: ; @printf '%s\\n' " + " ".join(f'"$$${name}"' for name in CERTIFICATES)
    done = subprocess.run(
        ["make", "-s", f"--eval={show.replace('$$$', '$$')}", "show"], cwd=ROOT, env=environ, capture_output=True,
        text=True, timeout=60, check=True,
    )  # fmt: skip
    return done.stdout.splitlines()


def test_make_lets_its_tools_trust_the_store_of_the_system() -> None:
    store = next((path for path in STORES if Path(path).exists()), "")
    assert exported(without(*CERTIFICATES)) == ["true", store, store]


def test_whoever_names_another_store_is_heard() -> None:
    own = {"UV_SYSTEM_CERTS": "false", "PIP_CERT": "/own/pip.pem", "NODE_EXTRA_CA_CERTS": "/own/node.pem"}
    assert exported({**os.environ, **own}) == list(own.values())
