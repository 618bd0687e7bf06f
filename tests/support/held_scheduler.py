"""A process that looks like supercronic under the unit: its environment is that of the moment it was started."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.support.host import Host, wait_until


@contextmanager
def scheduler(host: Host, environ: Mapping[str, str] = {}, *, user: int | None = None) -> Iterator[int]:
    """Let one run with the host's environment and more; yields its pid. Only root can start it for another `user`."""
    crontab = str(host.checkout.parent / "crontab")
    started = host.automation("render-crontab", "--activate", crontab, **environ)
    assert started.returncode == 0, started.stderr
    with tempfile.TemporaryDirectory(prefix="scheduler-") as directory:
        Path(directory).chmod(0o755)
        binary = Path(directory, "supercronic")
        shutil.copy(shutil.which("sleep") or "", binary)
        process = subprocess.Popen(
            [binary, "600"], cwd="/", env={**host.environ, **environ, "AUTOMATION_TRIGGER": "cron"},
            user=user, extra_groups=[] if user is not None else None,
        )  # fmt: skip
        # The kernel closes the pipe that Popen waits for a moment before it shows the new command line.
        wait_until(Path(f"/proc/{process.pid}/environ").read_bytes, "its environment can be read")
        try:
            yield process.pid
        finally:
            process.kill()
            process.wait()
