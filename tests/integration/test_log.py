"""A run outlives the scheduler that held the other end of its stderr."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CODE = """
import logging, os, sys
from monitoring.base import log
handler = log.set_up(dict(os.environ))
sys.stdin.read()
for number in range(1000):
    logging.getLogger("t").info("line %d", number)
    handler.write_line("task | more")
open(sys.argv[1], "w").write("finished")
"""


def test_a_process_whose_stderr_is_gone_goes_on(tmp_path: Path) -> None:
    done = tmp_path / "done"
    process = subprocess.Popen(
        [sys.executable, "-c", CODE, str(done)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stderr is not None
    process.stderr.close()
    process.stdin.close()
    assert process.wait(30) == 0
    assert done.read_text() == "finished"


def test_a_secret_never_reaches_the_log() -> None:
    code = """
import logging, os
from monitoring.base import log
log.set_up(os.environ)
logging.getLogger("t").warning("got %s", "hunter2-hunter2")
"""
    process = subprocess.run(
        [sys.executable, "-c", code],
        env={"TELEGRAM_BOT_TOKEN_X": "hunter2-hunter2"},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert process.stderr == "WARNING t: got [TELEGRAM_BOT_TOKEN_X]\n"


def test_a_secret_is_not_in_the_traceback_of_a_crash() -> None:
    code = """
import os, threading
from monitoring.base import log
log.set_up(os.environ)
def crash():
    raise ValueError("key " + os.environ["X_API_KEY"])
thread = threading.Thread(target=crash)
thread.start()
thread.join()
crash()
"""
    process = subprocess.run(
        [sys.executable, "-c", code],
        env={"X_API_KEY": "hunter2-hunter2"},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert process.returncode == 1
    assert process.stderr.count("ValueError: key [X_API_KEY]") == 2
    assert "hunter2-hunter2" not in process.stderr
