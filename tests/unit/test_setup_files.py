"""What `init` puts into jobs.d and monitor files, and the tree that `probe` prints: texts from values, no chain."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from automation.jobs.load import load_jobs
from automation.setup.control_tree import tree, watches
from automation.setup.file_plan import FilePlan
from automation.setup.jobs_file import OwnTask, with_examples, with_task
from automation.setup.monitor_files import duration, identifier, watch_files
from automation.setup.watch import WatchWish, read_watch
from monitoring.base.errors import UsageError
from monitoring.chains.inspection.model import ContractFacts, ContractKind, Inspection
from monitoring.checks.builtin import TYPES
from monitoring.checks.config.load import load_monitor

A, B, C, D = ("0x" + digit * 40 for digit in "1234")
SHIPPED = (
    'profiles:\n  hourly:\n    cron: "5 * * * *"\n    tasks: [{name: host, monitors: [protocols/a/monitor.yaml]}]\n'
)
TASK = OwnTask("hourly", "mine", "protocols/mine/monitor.yaml")


def loaded(tmp_path: Path, text: str) -> dict[str, list[str]]:
    """Return the tasks of each profile as the product reads them."""
    (tmp_path / "jobs.d").mkdir(exist_ok=True)
    (tmp_path / "jobs.yaml").write_text(SHIPPED)
    (tmp_path / "jobs.d/own.yaml").write_text(text)
    for name in ("a", "mine", "other"):
        (tmp_path / f"protocols/{name}").mkdir(parents=True, exist_ok=True)
        (tmp_path / f"protocols/{name}/monitor.yaml").write_text("monitor: x\nhost: {}\n")
    jobs = load_jobs(tmp_path / "jobs.yaml", tmp_path)
    return {name: [task.name for task in profile.tasks] for name, profile in jobs.profiles.items()}


def test_tasks_join_the_profiles_of_jobs_yaml_or_bring_their_own(tmp_path: Path) -> None:
    text = with_task(with_examples("", "off"), TASK)
    text = with_task(text, OwnTask("minutely", "other", "protocols/other/monitor.yaml", "* * * * *"))

    assert loaded(tmp_path, text) == {"hourly": ["host", "mine"], "minutely": ["other"]}


@pytest.mark.parametrize(
    "before",
    [
        "# mine\nprofiles:\n  hourly:\n    tasks:\n    - name: x\n      monitors: [protocols/a/monitor.yaml]\n# x\n",
        "profiles:\n  hourly:\n    tasks:\n    - {name: x, monitors: [protocols/a/monitor.yaml]}",
        "profiles:\n    other:\n        cron: '@daily'\n        tasks: []\n",
        "examples: off\n",
    ],
)
def test_a_file_that_somebody_wrote_keeps_its_lines(tmp_path: Path, before: str) -> None:
    text = with_task(before, TASK)

    assert [line for line in text.splitlines() if line in before.splitlines()] == before.splitlines()
    assert "mine" in loaded(tmp_path, text)["hourly"]
    assert with_task(text, TASK) == text


@pytest.mark.parametrize(
    "before", ["profiles: {hourly: {tasks: []}}", "profiles:\n  hourly:\n    tasks: []\n", "profiles:\n"]
)
def test_what_cannot_be_added_to_is_said_with_the_lines_to_add(before: str) -> None:
    with pytest.raises(
        UsageError, match=r"own.yaml, line \d+: nothing can be added here[^$]*protocols/mine/monitor.yaml"
    ):
        with_task(before, TASK)


def test_the_examples_are_switched_in_place() -> None:
    text = with_examples("# mine\nprofiles: {}\n", "off")

    assert text.startswith("# mine\nexamples: off ")
    assert with_examples(text, "on").count("\nexamples: on ") == 1


@pytest.mark.parametrize(("seconds", "text"), [(172_800, "2d"), (5400, "90m"), (61, "61s"), (0, "0d")])
def test_a_span_is_written_in_the_largest_unit_that_fits(seconds: int, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("our-vault", "our_vault"),
        ("zero", "its_zero"),
        ("3jane", "its_3jane"),
        ("if", "its_if"),
        ("vault", "its_vault"),
    ],
)
def test_a_name_becomes_one_that_formulas_can_use(name: str, word: str) -> None:
    assert identifier(name) == word


def inspection(**contracts: ContractFacts) -> Inspection:
    found = {one.address: one for one in contracts.values()}
    return Inspection("mainnet", next(iter(found)), found)


PROXY = ContractFacts(A, ContractKind.CONTRACT, proxy="upgradeable", implementation=D, admin=B, owner=C, paused=True)
ADMIN = ContractFacts(B, ContractKind.CONTRACT, owner=C)
SAFE = ContractFacts(C, ContractKind.SAFE, safe_version="1.4.1", owners=(D, A), threshold=2, proxy="Safe")
PERSON = ContractFacts(D, ContractKind.ACCOUNT)


def test_the_tree_leads_to_the_people_and_shows_each_contract_once() -> None:
    shown = tree(inspection(proxy=PROXY, admin=ADMIN, safe=SAFE, person=PERSON))

    assert shown == (
        f"{A} on Ethereum\n"
        "  contract, upgradeable proxy\n"
        f"  implementation: {D}\n"
        "  it is paused\n"
        f"  proxy admin: {B}\n"
        "    contract\n"
        f"    owner: {C}\n"
        "      Safe 1.4.1, 2 of 2 owners\n"
        f"      owner: {D}\n"
        "        account without code (a person, or a machine with a key)\n"
        f"      owner: {A} (see above)\n"
        f"  owner: {C} (see above)\n"
    )


def test_the_timelocks_and_safes_behind_a_contract_are_to_be_watched_too() -> None:
    found = watches(inspection(proxy=PROXY, admin=ADMIN, safe=SAFE, person=PERSON))

    assert [(one.kind, one.address) for one in found] == [("contract", A), ("safe", C)]


def test_a_contract_is_watched_by_its_owner_its_pause_and_its_proxy_admin(tmp_path: Path) -> None:
    files = watch_files(WatchWish("contract", "mainnet", A, name="mine"), inspection(proxy=PROXY, admin=ADMIN))
    (tmp_path / "monitor.yaml").write_text(files.monitor)

    parts = load_monitor(tmp_path / "monitor.yaml", TYPES).parts()

    assert [part.key.check for part in parts] == ["paused", "owner", "proxy-admin-owner"]
    assert all(f"check: {part.key.check}," in files.drill for part in parts)


def test_what_has_nothing_to_watch_is_refused() -> None:
    bare = ContractFacts(A, ContractKind.CONTRACT)

    with pytest.raises(UsageError, match=r"nothing of 0x1111.* can be watched by a file without code"):
        watch_files(WatchWish("contract", "mainnet", A, name="mine"), inspection(bare=bare))


def test_a_name_is_one_that_a_folder_can_have() -> None:
    with pytest.raises(UsageError, match=r"'\.\./x' is not a name"):
        read_watch("http:https://example.org", "../x")


def test_a_hosts_env_file_may_be_read_by_the_group_of_the_checkout(tmp_path: Path) -> None:
    plan = FilePlan(tmp_path / "etc/monitoring/.env", tmp_path, etc=tmp_path / "etc", env={"A": "1"})

    assert plan.write() == ["etc/monitoring/.env"]

    status = plan.env_file.stat()
    assert (stat.S_IMODE(status.st_mode), status.st_gid) == (0o640, tmp_path.stat().st_gid)


def test_where_only_root_may_write_the_text_is_kept_for_root_to_install(tmp_path: Path) -> None:
    # where root cannot write either
    plan = FilePlan(Path("/proc/monitoring/.env"), tmp_path, etc=Path("/proc"), env={"A": "1"})

    with pytest.raises(
        UsageError, match=r"belongs to root.*\.env\. Install it, then run init again:\n  sudo install -m 0640"
    ):
        plan.write()

    kept = tmp_path / ".env"
    assert kept.read_text() == "A=1\n"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
