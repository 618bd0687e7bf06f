"""`never_falls`, `delta` and `changed` never entered the incidents; a breach that lasts was said once and never again.

Right: what happens once is an incident until `incidents --done KEY` or a day later, without a recovery message; a
CRITICAL that lasts is said again after 6 h, a HIGH one after a day.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from monitoring.alerts.recording.release_silenced import release_in
from monitoring.base.clock import parse_duration
from monitoring.conditions.transition import done
from monitoring.store.db.schema import open_database, open_readonly
from monitoring.store.tables import conditions, silences
from tests.support.child import CHECKOUT
from utils.monitor import CRITICAL, HIGH, LOW, Context, monitor
from utils.testing import SimChain, SimClock, run

pytestmark = pytest.mark.case("D.6")
VAULT = "0x83F20F44975D03b1b09e64809B757c47f942BEeA"
SUPPLY = (VAULT, "totalSupply()(uint256)")


def command(cache: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "automation", *arguments],
        env={"PATH": os.environ["PATH"], "CACHE_DIR": str(cache), "MONITORING_ENV_FILE": ""},
        cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def incidents(cache: Path) -> list[dict[str, object]]:
    done = command(cache, "incidents", "--json")
    assert done.returncode == 0, done.stderr
    found: list[dict[str, object]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("verb", ["never_falls", "changed", "delta"])
def test_what_happened_once_is_an_incident(tmp_path: Path, verb: str) -> None:
    values = iter([100, 50])

    @monitor("acme")
    def main(m: Context) -> None:
        bounds = {"max_drop": "5%"} if verb == "delta" else {}
        getattr(m, verb)("price", next(values), severity=HIGH, **bounds)

    assert run(main, store=tmp_path) == []
    assert len(run(main, store=tmp_path)) == 1
    assert [one["key"] for one in incidents(tmp_path)] == ["price"]


@monitor("acme")
def owner(m: Context) -> None:
    m.changed("owner", m.recall("seen", default="alice"), severity=HIGH)
    m.flag("paused", m.recall("seen") is not None, severity=HIGH)
    m.remember("seen", "mallory")


def test_it_is_done_when_somebody_says_so_and_who_did_is_recorded(tmp_path: Path) -> None:
    run(owner, store=tmp_path)
    assert sorted(one.kind for one in run(owner, store=tmp_path)) == ["fired", "fired"]
    listed = {str(one["key"]): one for one in incidents(tmp_path)}
    assert {key: (one["state"], one["once"]) for key, one in listed.items()} == {
        "owner": ("firing", True), "paused": ("firing", False),
    }  # fmt: skip
    done = command(tmp_path, "incidents", "--done", "acme/owner")
    assert (done.returncode, done.stdout.split(";")[0]) == (0, "acme/owner is done")
    assert [one["key"] for one in incidents(tmp_path)] == ["paused"]
    (over,) = [
        one for one in json.loads(command(tmp_path, "incidents", "--all", "--json").stdout) if one["key"] == "owner"
    ]
    assert over["state"] == "ok"
    assert " at 20" in over["done_by"]
    assert run(owner, store=tmp_path) == [], "no recovery is told of what happened once"


DECLARED = f"""
monitor: vault
chain: mainnet
contracts: {{vault: "{VAULT}"}}
checks:
  - {{id: supply, require: vault.totalSupply() >= 2, severity: high}}
"""


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("acme/nothing", "there is no incident acme/nothing: one of acme/owner"),
        ("vault/supply/1", "it ends when the check is good again. To mute it: silence --protocol vault --key supply/1"),
    ],
)
def test_what_cannot_be_done_is_an_error_that_says_why(tmp_path: Path, name: str, why: str) -> None:
    @monitor("acme")
    def once(m: Context) -> None:
        m.changed("owner", m.recall("seen", default="alice"), severity=HIGH)
        m.remember("seen", "mallory")

    for _ in range(2):
        run(once, store=tmp_path)
    file = tmp_path / "monitor.yaml"
    file.write_text(DECLARED)
    run(file, chain=SimChain({SUPPLY: 1}), store=tmp_path)
    refused = command(tmp_path, "incidents", "--done", name)
    assert refused.returncode == 2
    assert why in refused.stderr
    assert len(incidents(tmp_path)) == 2


@pytest.mark.parametrize("raises", [True, False], ids=["m.alert", "m.flag"])
def test_what_a_removed_script_left_firing_is_ended_by_a_person(tmp_path: Path, raises: bool) -> None:
    @monitor("acme")
    def main(m: Context) -> None:
        if raises:
            m.alert(HIGH, "the vault is paused", key="paused")
        else:
            m.flag("paused", True, severity=HIGH, text="the vault is paused")

    run(main, store=tmp_path)
    done = command(tmp_path, "incidents", "--done", "acme/paused")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1] == "It was firing. If a script still finds it, it fires again."
    assert incidents(tmp_path) == []
    found = json.loads(command(tmp_path, "audit", "--json").stdout)["findings"]
    (ended,) = [one for one in found if one["kind"] == "incident ended by hand"]
    assert ended["text"].startswith("acme: paused was ended by ")
    assert ended["breaks_silence"] is False
    with open_readonly(tmp_path / "monitoring.db") as database:
        said = database.rows("SELECT title, kind FROM alert_events ORDER BY id DESC LIMIT 1")
    assert said == [("Ended by hand: the vault is paused", "recovery")]
    again = run(main, store=tmp_path)
    assert [one.kind for one in again] == ["alert" if raises else "fired"], "a script that is still there says so"


def end_as_a_person(cache: Path, clock: SimClock) -> None:
    with open_database(cache / "monitoring.db") as database, database.write() as tx:
        (found,) = conditions.incidents(tx, clock.now())
        conditions.put(tx, done(found, "alice"), clock.now())


def test_what_a_person_ends_while_a_run_reads_stays_ended(tmp_path: Path) -> None:
    file, clock = tmp_path / "monitor.yaml", SimClock()
    file.write_text(
        f"""
monitor: acme
chain: mainnet
contracts: {{vault: "{VAULT}"}}
checks:
  - {{id: supply, changed: vault.totalSupply(), severity: high}}
"""
    )
    chain = SimChain({SUPPLY: 1})
    assert run(file, chain=chain, clock=clock, store=tmp_path) == []
    chain.calls[SUPPLY] = 2
    assert [one.kind for one in run(file, chain=chain, clock=clock, store=tmp_path)] == ["fired"]
    asked = []

    def answer() -> int:
        if not asked:
            end_as_a_person(tmp_path, clock)
        asked.append(1)
        return 2

    chain.calls[SUPPLY] = answer
    assert run(file, chain=chain, clock=clock, store=tmp_path) == []
    with open_readonly(tmp_path / "monitoring.db") as database, database.snapshot() as tx:
        assert (len(asked), conditions.incidents(tx, clock.now())) == (1, [])


def test_status_shows_the_worst_first_and_which_of_it_happened_once(tmp_path: Path) -> None:
    values = iter([1, 2])

    @monitor("acme")
    def main(m: Context) -> None:
        m.alert(HIGH, "the vault is paused", key="paused")
        m.changed("owner", next(values), severity=CRITICAL)

    for _ in range(2):
        run(main, store=tmp_path)
    shown = command(tmp_path, "status").stdout.splitlines()
    first = shown.index("firing      2") + 1
    assert shown[first].startswith("  CRITICAL, happened once ")
    assert shown[first].endswith(" ago: acme: owner changed: 1 → 2")
    assert shown[first + 1].startswith("  HIGH for ")
    assert shown[first + 1].endswith(": acme: paused: the vault is paused")


def test_status_counts_the_alerts_that_wait_and_not_the_places_they_wait_for(tmp_path: Path) -> None:
    @monitor("acme")
    def main(m: Context) -> None:
        for number in range(4):
            m.alert(HIGH, f"message {number}")

    run(main, store=tmp_path)
    assert "undelivered 4 alerts" in command(tmp_path, "status").stdout.splitlines()


def test_conditions_that_read_the_same_are_told_apart_and_ended_by_what_the_list_shows(tmp_path: Path) -> None:
    @monitor("acme")
    def main(m: Context) -> None:
        m.flag("paused", True, severity=HIGH, chain="mainnet")
        m.flag("paused/1", True, severity=HIGH)
        m.flag("other", True, severity=HIGH)

    run(main, store=tmp_path)
    listed = command(tmp_path, "incidents").stdout
    names = ["other", "paused/1 (chain 1)", "paused/1 (no chain, subject 1)"]
    assert all(name in listed for name in names)
    assert "other (" not in listed
    assert all(f": acme: {name}" in command(tmp_path, "status").stdout for name in names)
    refused = command(tmp_path, "incidents", "--done", "acme/paused/1")
    assert refused.returncode == 2
    assert "write one of 'acme/paused/1 (chain 1)', 'acme/paused/1 (no chain, subject 1)'" in refused.stderr
    assert command(tmp_path, "incidents", "--done", "acme/paused/1 (chain 1)").returncode == 0
    assert sorted(str(one["subject"]) for one in incidents(tmp_path)) == ["", "1"]


def test_what_fires_after_somebody_ended_what_happened_once_is_nothing_that_was_ended(tmp_path: Path) -> None:
    values, clock = iter([1, 2]), SimClock()

    @monitor("acme")
    def once(m: Context) -> None:
        m.changed("owner", next(values), severity=HIGH)

    @monitor("acme")
    def lasting(m: Context) -> None:
        m.flag("owner", True, severity=HIGH)

    for _ in range(2):
        run(once, store=tmp_path, clock=clock)
    end_as_a_person(tmp_path, clock)
    assert [one.kind for one in run(lasting, store=tmp_path, clock=clock)] == ["fired"]
    with open_readonly(tmp_path / "monitoring.db") as database, database.snapshot() as tx:
        assert [one.done_by for one in conditions.incidents(tx, clock.now())] == [""]


@pytest.mark.parametrize(
    ("after", "ended", "sent"), [("2h", False, 1), ("2h", True, 0), ("25h", False, 1), ("25h", True, 0)]
)
def test_what_happened_once_under_a_silence_is_sent_at_its_end_unless_somebody_said_it_is_done(
    tmp_path: Path, after: str, ended: bool, sent: int
) -> None:
    values, clock = iter([1, 2]), SimClock()

    @monitor("acme")
    def main(m: Context) -> None:
        m.changed("owner", next(values), severity=CRITICAL)

    run(main, store=tmp_path, clock=clock)
    ends_at = clock.now() + parse_duration(after)
    with open_database(tmp_path / "monitoring.db") as database, database.write() as tx:
        silences.add(tx, "acme", None, now=clock.now(), ends_at=ends_at, reason="upgrade", created_by="alice")
    run(main, store=tmp_path, clock=clock)
    if ended:
        end_as_a_person(tmp_path, clock)
    clock.move(after)
    with open_database(tmp_path / "monitoring.db") as database, database.write() as tx:
        assert [len(release_in(tx, clock.now())) for _ in range(2)] == [sent, 0]


def held_for_days(folder: Path, days: Sequence[int]) -> SimClock:
    """Play a silence of five days, an event on each of these days in it, and go to the fifth day."""
    values, clock, at = iter(range(len(days) + 1)), SimClock(), 0

    @monitor("acme")
    def main(m: Context) -> None:
        m.changed("owner", next(values), severity=CRITICAL)

    run(main, store=folder, clock=clock)
    with open_database(folder / "monitoring.db") as database, database.write() as tx:
        ends_at = clock.now() + timedelta(days=5)
        silences.add(tx, "acme", None, now=clock.now(), ends_at=ends_at, reason="audit", created_by="alice")
    for day in (*days, 5):
        clock.move(f"{24 * (day - at) or 1}h")
        at = day
        if day < 5:
            run(main, store=folder, clock=clock)
    return clock


def test_all_that_happened_in_a_silence_of_days_is_sent_at_its_end_and_once(tmp_path: Path) -> None:
    clock = held_for_days(tmp_path, [1, 3])
    with open_database(tmp_path / "monitoring.db") as database, database.write() as tx:
        (released,) = release_in(tx, clock.now())
        assert release_in(tx, clock.now()) == []
        [(title, message, status)] = database.rows(
            "SELECT title, message, delivery_status FROM alert_events WHERE id = ?", (released,)
        )
    assert (title, status) == ("owner changed: 1 → 2, the last of 2 alerts while it was silenced", "pending")
    assert "owner changed: 0 → 1" in message


def test_what_a_second_silence_covers_at_the_end_of_the_first_is_sent_after_both(tmp_path: Path) -> None:
    clock = held_for_days(tmp_path, [1])
    with open_database(tmp_path / "monitoring.db") as database, database.write() as tx:
        ends_at = clock.now() + timedelta(days=9)
        silences.add(tx, "acme", "owner", now=clock.now(), ends_at=ends_at, reason="longer", created_by="bo")
        assert release_in(tx, clock.now()) == []
        assert release_in(tx, ends_at) == [1]


def test_what_a_silence_held_back_that_ended_before_this_release_is_never_sent(tmp_path: Path) -> None:
    clock = held_for_days(tmp_path, [1])
    clock.move("1h")
    with open_database(tmp_path / "monitoring.db") as database, database.write() as tx:
        tx.execute("DELETE FROM monitor_state WHERE namespace = 'silences'")  # as the release before leaves it
        assert release_in(tx, clock.now()) == []
        silences.add(
            tx, "acme", None, now=clock.now(), ends_at=clock.now() + timedelta(hours=1), reason="", created_by="bo"
        )
        assert release_in(tx, clock.now() + timedelta(hours=2)) == []


def test_who_ends_a_silence_reads_how_much_it_held_back_and_what_of_it_is_sent(tmp_path: Path) -> None:
    held_for_days(tmp_path, [1, 3])
    with open_database(tmp_path / "monitoring.db") as database, database.write() as tx:
        tx.execute("UPDATE silences SET ends_at = '2100-01-01T00:00:00.000000Z'")
    ended = command(tmp_path, "silence", "--end", "1")
    assert ended.stdout.splitlines()[0] == (
        "silence 1 has ended; it held back 2 alerts; 2 of them will be sent with the next delivery"
    )
    assert command(tmp_path, "silence", "--end", "1").returncode == 1
    found = json.loads(command(tmp_path, "audit", "--json").stdout)["findings"]
    (note,) = [one["text"] for one in found if one["kind"] == "silence in force"]
    assert note.startswith("silence 1 covered acme and ended at 20")


@pytest.mark.parametrize("sent_meanwhile", [False, True])
def test_each_of_several_that_happened_under_a_silence_is_sent_at_its_end(tmp_path: Path, sent_meanwhile: bool) -> None:
    values, clock = iter([1, 2, 3, 4, 5]), SimClock()

    @monitor("acme")
    def main(m: Context) -> None:
        m.changed("owner", next(values), severity=CRITICAL)

    run(main, store=tmp_path, clock=clock)
    with open_database(tmp_path / "monitoring.db") as database, database.write() as tx:
        ends_at = clock.now() + timedelta(hours=2)
        silences.add(tx, "acme", None, now=clock.now(), ends_at=ends_at, reason="upgrade", created_by="alice")
    for _ in range(3):
        clock.move("10m")
        run(main, store=tmp_path, clock=clock)
    clock.move("2h")
    if sent_meanwhile:
        run(main, store=tmp_path, clock=clock)
    with open_database(tmp_path / "monitoring.db") as database, database.write() as tx:
        (released,) = release_in(tx, clock.now())
        assert release_in(tx, clock.now()) == []
        found = database.rows("SELECT title, message, delivery_status FROM alert_events ORDER BY id")
        assert [row[2] for row in found[:3]] == ["not_attempted"] * 3
        title, message, status = database.rows(
            "SELECT title, message, delivery_status FROM alert_events WHERE id = ?", (released,)
        )[0]
    assert (title, status) == ("owner changed: 3 → 4, the last of 3 alerts while it was silenced", "pending")
    assert all(f"owner changed: {old} → {old + 1}" in message for old in (1, 2, 3))
    assert "4 → 5" not in message, "that one was sent by itself"
    shown = command(tmp_path, "alerts", "show", "1").stdout
    assert f"sent in one message with others, as alert {released}" in " ".join(shown.split())


def test_it_is_over_after_a_day_without_a_word(tmp_path: Path) -> None:
    clock = SimClock()
    for _ in range(2):
        run(owner, store=tmp_path, clock=clock)

    def listed() -> list[str]:
        with open_readonly(tmp_path / "monitoring.db") as database, database.snapshot() as tx:
            return [row.key.text for row in conditions.incidents(tx, clock.now())]

    clock.move("23h")
    assert listed() == ["owner", "paused"]
    clock.move("1h")
    assert listed() == ["paused"]
    assert [one.kind for one in run(owner, store=tmp_path, clock=clock)] == ["reminder"], "of what lasts alone"


def test_what_happened_under_the_release_before_is_not_announced(tmp_path: Path) -> None:
    """Its row says that it is over, and no more."""
    for _ in range(2):
        run(owner, store=tmp_path)
    with open_database(tmp_path / "monitoring.db") as database, database.write() as tx:
        tx.execute("UPDATE conditions SET clear_since = NULL, fired_at = NULL, times = 0 WHERE check_name = 'owner'")
    assert run(owner, store=tmp_path) == []
    assert [one["key"] for one in incidents(tmp_path)] == ["paused"]


@pytest.mark.parametrize(("severity", "after"), [(CRITICAL, "6h"), (HIGH, "24h")])
def test_a_breach_that_lasts_is_said_again(tmp_path: Path, severity: str, after: str) -> None:
    clock = SimClock()

    @monitor("acme")
    def main(m: Context) -> None:
        m.limit("backing", 0.5, below=1, severity=severity)

    assert [one.kind for one in run(main, store=tmp_path, clock=clock)] == ["fired"]
    clock.move(after)
    clock.move("1m")
    assert [one.kind for one in run(main, store=tmp_path, clock=clock)] == ["reminder"]


def test_reminders_that_are_due_in_one_run_are_one_message(tmp_path: Path) -> None:
    clock = SimClock()

    @monitor("acme")
    def main(m: Context) -> None:
        m.limit("backing", 0.5, below=1, severity=CRITICAL)
        m.limit("peg", 0.9, below=1, severity=CRITICAL)
        m.flag("paused", True, severity=CRITICAL)

    assert len(run(main, store=tmp_path, clock=clock)) == 3
    clock.move("6h")
    (reminder,) = run(main, store=tmp_path, clock=clock)
    assert reminder.kind == "reminder"
    assert reminder.title == "3 conditions of acme are still firing"
    assert all(name in reminder.text for name in ("backing", "peg", "paused"))
    clock.move("5h")
    assert run(main, store=tmp_path, clock=clock) == []
    clock.move("1h")
    assert len(run(main, store=tmp_path, clock=clock)) == 1


def raised(m: Context) -> None:
    m.alert(CRITICAL, "backing is low", key="backing")
    m.alert(CRITICAL, "the peg is lost", key="peg")
    m.alert(HIGH, "the owner is new", key="owner")


def test_reminders_of_what_scripts_raise_are_one_message_with_those_of_verbs(tmp_path: Path) -> None:
    clock, over = SimClock(), []

    @monitor("acme")
    def main(m: Context) -> None:
        raised(m)
        m.flag("paused", True, severity=CRITICAL)
        if over:
            m.resolve("peg")

    assert len(run(main, store=tmp_path, clock=clock)) == 4
    clock.move("6h")
    (reminder,) = run(main, store=tmp_path, clock=clock)
    assert (reminder.kind, reminder.title) == ("reminder", "3 conditions of acme are still firing")
    assert all(name in reminder.text for name in ("backing is low", "the peg is lost", "paused"))
    clock.move("5h")
    assert run(main, store=tmp_path, clock=clock) == []
    clock.move("1h")
    over.append(True)
    found = run(main, store=tmp_path, clock=clock)
    assert sorted(one.kind for one in found) == ["recovery", "reminder"], "nothing is repeated that ended in this run"
    assert "the peg is lost" not in next(one for one in found if one.kind == "reminder").text


def test_a_reminder_of_a_run_that_crashes_or_is_killed_is_not_lost(tmp_path: Path) -> None:
    clock, endings = SimClock(), iter([None, ValueError("a bug"), KeyboardInterrupt(), KeyboardInterrupt(), None])

    @monitor("acme")
    def main(m: Context) -> None:
        m.alert(CRITICAL, "backing is low", key="backing")
        if (ending := next(endings)) is not None:
            raise ending

    def kinds() -> list[str]:
        with suppress(KeyboardInterrupt):
            run(main, store=tmp_path, clock=clock)
        with open_readonly(tmp_path / "monitoring.db") as database:
            return [row[0] for row in database.rows("SELECT kind FROM alert_events WHERE title = 'backing is low'")]

    assert kinds() == ["alert"]
    clock.move("6h")
    assert kinds() == ["alert", "reminder"], "stored with the crash"
    clock.move("6h")
    assert kinds() == ["alert", "reminder"], "killed before its end"
    clock.move("10m")
    assert kinds() == ["alert", "reminder", "reminder"], "the next run does not wait for its own end"
    assert kinds() == ["alert", "reminder", "reminder"]


def test_incidents_say_how_often_what_fires_is_repeated_and_when_next(tmp_path: Path) -> None:
    @monitor("acme")
    def main(m: Context) -> None:
        raised(m)
        m.alert(LOW, "a parameter is unusual", key="parameter")

    run(main, store=tmp_path)
    lines = command(tmp_path, "incidents").stdout
    assert "every 6 h, next in " in lines
    assert "every 1 d, next in " in lines
    assert "no reminder" in lines
    listed = {str(one["key"]): one for one in incidents(tmp_path)}
    assert listed["backing"]["remind_every_s"] == 6 * 3600
    assert str(listed["backing"]["next_reminder_at"]).endswith("Z")
    assert (listed["parameter"]["remind_every_s"], listed["parameter"]["next_reminder_at"]) == (0, None)


def test_a_silenced_reminder_is_not_sent_with_the_others(tmp_path: Path) -> None:
    clock = SimClock()

    @monitor("acme")
    def main(m: Context) -> None:
        m.limit("backing", 0.5, below=1, severity=CRITICAL)
        m.limit("peg", 0.9, below=1, severity=CRITICAL)

    run(main, store=tmp_path, clock=clock)
    clock.move("6h")
    ends_at = clock.now() + timedelta(hours=1)
    with open_database(tmp_path / "monitoring.db") as database, database.write() as tx:
        silences.add(tx, "acme", "peg", now=clock.now(), ends_at=ends_at, reason="known", created_by="ops")
    run(main, store=tmp_path, clock=clock)
    with open_readonly(tmp_path / "monitoring.db") as database:
        found = database.rows("SELECT dedupe_key, delivery_status FROM alert_events WHERE kind = 'reminder'")
    assert sorted(found) == [("backing", "pending"), ("peg", "silenced")]
