"""The files of a revision, of a monitor that lies deep in its checkout."""

import subprocess
from pathlib import Path

import pytest

from automation.cli.past_files import files_at
from monitoring.base.errors import UsageError


def git(checkout: Path, *arguments: str) -> None:
    who = ("-c", "user.name=ana", "-c", "user.email=ana@example.org")
    subprocess.run(["git", "-C", str(checkout), *who, *arguments], check=True, capture_output=True)


@pytest.fixture
def monitor(tmp_path: Path) -> Path:
    """A monitor at the place where monitors are, committed and then changed."""
    file = tmp_path / "protocols" / "acme" / "monitor.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("as it was", encoding="utf-8")
    (file.parent / "rows.yaml").write_text("rows", encoding="utf-8")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "as it was")
    file.write_text("as it is\n", encoding="utf-8")
    return file


def test_a_monitor_below_the_root_of_its_checkout_is_found_with_what_lies_next_to_it(monitor: Path) -> None:
    with files_at("HEAD", [monitor]) as (name, found):
        assert name.startswith("HEAD (")
        assert found[0].read_text(encoding="utf-8") == "as it was"
        assert (found[0].parent / "rows.yaml").read_text(encoding="utf-8") == "rows"
        assert found[0].parent.name == "acme"


def test_a_monitor_that_the_revision_does_not_have_is_a_mistake_that_says_so(monitor: Path) -> None:
    new = monitor.parent.parent / "new" / "monitor.yaml"
    new.parent.mkdir()
    new.write_text("monitor: new\n", encoding="utf-8")

    refused = pytest.raises(UsageError, match=r"new/monitor.yaml is not in HEAD \([0-9a-f]{8}\): choose a later")
    with refused, files_at("HEAD", [new]):
        pass
