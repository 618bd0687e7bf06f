"""The releases that hosts upgrade from, as their commits have them; a revert brings a host back to one of them."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from pathlib import Path

from tests.support import parts
from tests.support.checkouts import AS_SHIPPED
from tests.support.host import PACKAGES, ROOT, Host

# Every host that follows main has passed the first of these commits, and most have come to the second.
OLDER = "2eee65ce66e7f75fbeddeecc70e872e5c62eeef3"
NEWEST = "143208a3a8f14ebb7f18b2deed227f34b54772be"
COMMITS = (OLDER, NEWEST)


def name_of(commit: str) -> str:
    return commit[:7]


def extract(commit: str, directory: Path) -> Path:
    """Write the whole tree of a release below `directory`."""
    done = subprocess.run(
        ["git", "-c", "safe.directory=*", "archive", commit], cwd=ROOT, capture_output=True, check=False
    )
    if done.returncode:
        parts.missing(f"the commit {name_of(commit)} is not in this clone: fetch the whole history")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(directory, filter="data")
    return directory


def put(tree: Path, host: Host) -> None:
    """Make the checkout hold another tree, with this host's own jobs and scripts, as a reset does."""
    kept = {path: path.read_text() for path in host.checkout.rglob("*") if path.is_file() and _is_own(host, path)}
    for package in PACKAGES:
        shutil.rmtree(host.checkout / package)
        shutil.copytree(tree / package, host.checkout / package, ignore=AS_SHIPPED)
    for path, text in kept.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _is_own(host: Host, path: Path) -> bool:
    name = path.relative_to(host.checkout).as_posix()
    return name == "automation/jobs.yaml" or name.startswith("protocols/test/")
