"""A new sender's token (`MATRIX_ACCESS_TOKEN_DEFAULT`) was handed to every monitor: the list is kept by hand elsewhere.

Right: each sender declares its variables in its own file, and what is declared there never reaches a task. When the
place of that declaration is decided, the file that this test adds follows it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.host import Host

pytestmark = [pytest.mark.case("E.5"), pytest.mark.xfail(strict=True, reason="open: a sender is one file")]
SENDER = '''"""A sender of a test."""

VARIABLES = ("MATRIX_ACCESS_TOKEN_*",)
'''
PRINTS = "import os; print('seen', [name for name in os.environ if name.startswith('MATRIX')])"


def test_what_a_sender_declares_is_kept_from_tasks(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.profile({"prints": PRINTS})
    (host.checkout / "monitoring/alerts/senders/matrix.py").write_text(SENDER)
    done = host.automation("run", "hourly", MATRIX_ACCESS_TOKEN_DEFAULT="syt_abcdefghijklmnop")

    assert "prints | seen []" in done.stderr
