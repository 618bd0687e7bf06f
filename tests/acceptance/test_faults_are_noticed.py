"""`python -m tools.mutation` on a small sample of each decision: hardly any small fault may go unnoticed.

benchmarks/mutation.md has the figures of larger samples, and the survivors with their reasons.
"""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.support.child import CHECKOUT
from tools.mutation import TARGETS

# Of a sample of six faults a module, a share that leaves room for the survivors with a reason.
LEAST = {"transition": 0.9, "reconcile": 0.7, "redaction": 0.6, "probation": 0.5, "outbox": 0.4}


@pytest.mark.proof
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("target", TARGETS)
def test_the_tests_notice_small_faults(target: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tools.mutation", "--limit", "6", target],
        cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=7000,
    )  # fmt: skip
    found = re.search(rf"^{target}: (\d+) of (\d+) noticed$", done.stdout, re.MULTILINE)
    assert found, done.stdout + done.stderr
    noticed, faults = int(found[1]), int(found[2])
    assert noticed >= LEAST[target] * faults, done.stdout
