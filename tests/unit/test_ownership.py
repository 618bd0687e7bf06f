"""Who may change a condition: what one rule opened, another neither ends nor reports again."""

from __future__ import annotations

import pytest

from monitoring.conditions.condition import CRASH, Condition, ConditionKey, Owner, State
from monitoring.conditions.ownership import is_crash_of_another, why_not
from monitoring.store.tables.condition_data import read_data, write_data

KEY = ConditionKey("acme", "backing")


def opened(owner: Owner, state: State = State.FIRING, check: str = "backing") -> Condition:
    return Condition(ConditionKey("acme", check), state=state, owner=owner, owner_task="watch")


@pytest.mark.parametrize("state", [State.PENDING, State.FIRING])
@pytest.mark.parametrize(
    ("owner", "wanted", "words"),
    [
        (Owner.RAISED, Owner.JUDGED, "raised by m.alert in the task watch: a check in the task other needs"),
        (
            Owner.JUDGED,
            Owner.RAISED,
            "judged by a check in the task watch: m.alert or m.resolve in the task other needs",
        ),
    ],
)
def test_what_is_open_is_refused_to_the_other_rule_with_both_named(
    state: State, owner: Owner, wanted: Owner, words: str
) -> None:
    said = why_not(opened(owner, state), wanted, "other")
    assert f"the key 'backing' of acme is {state} and {words}" in said
    assert said.endswith("end it: incidents --done acme/backing")


@pytest.mark.parametrize(
    "before",
    [
        opened(Owner.JUDGED),
        opened(Owner.UNKNOWN),
        opened(Owner.RAISED, State.OK),
        opened(Owner.RAISED, check=CRASH),
    ],
    ids=["its own", "of the release before", "not open", "a crash"],
)
def test_anything_else_may_be_changed(before: Condition) -> None:
    assert why_not(before, Owner.JUDGED, "watch") == ""


@pytest.mark.parametrize(
    ("check", "task", "another"),
    [(CRASH, "other", True), (CRASH, "watch", False), (CRASH, None, False), ("backing", "other", False)],
)
def test_a_crash_is_ended_by_the_task_that_reported_it(check: str, task: str | None, another: bool) -> None:
    assert is_crash_of_another(opened(Owner.RAISED, check=check), task) is another


@pytest.mark.parametrize(("text", "owner"), [(Owner.RAISED, Owner.RAISED), ("a later word", Owner.UNKNOWN)])
def test_an_owner_survives_the_row_and_an_unknown_word_loses_nothing_else(text: str, owner: Owner) -> None:
    kept = opened(Owner.RAISED)
    data = str(write_data(kept)).replace(Owner.RAISED, text)
    read = read_data(Condition(KEY, state=State.FIRING), data)
    assert (read.owner, read.owner_task, read.memory) == (owner, "watch", {})
    assert "owner" not in str(write_data(opened(Owner.RAISED, State.OK)))
