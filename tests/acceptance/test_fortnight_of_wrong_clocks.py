"""Fourteen days with clocks a day behind, two hours, a day and a year ahead: what really did not run is reported.

And nothing else of the time in which the clock was right; nothing is written off that is still to come, and nothing is
forgotten. Every alert arrives, whatever its chat answered meanwhile; none waits for longer than six hours. What
is planted and what a watch beside the host expects stands in tests/support: wrong_clocks.py and wrong_clock_alerts.py.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import timedelta

import pytest

from monitoring.ledger.findings import ProblemKind
from monitoring.store.db.waits import LONGEST_WAIT
from tests.support.simulated_host import state_directory
from tests.support.wrong_clock_alerts import MoodyChat
from tests.support.wrong_clocks import BEGINS_AT, DAY, HOUR, MINUTE, Life, Wrong

STEPS = (-DAY, 2 * HOUR, DAY, 365 * DAY)
ONE_RUN = 10 * MINUTE  # there is always one tick of multisig in it, and sometimes one of hourly
LASTING = 3 * HOUR


def hold(wrong: Sequence[Wrong], until: timedelta) -> None:
    with state_directory() as directory, MoodyChat() as chat:
        life = Life(directory, chat, wrong)
        life.live(until)
        told, expected = life.told(), life.expected()
        different = {tick: (told.get(tick), ran) for tick, ran in expected.items() if told.get(tick) is not ran}
        assert not different, "the ledger says otherwise than a watch beside the host"
        silent = [tick for tick, ran in expected.items() if not ran]
        assert len(silent) >= 6 * len(wrong), "the hours without a scheduler were really silent"
        assert life.dated_ahead() == []
        assert life.kept() == [life.young]
        assert life.alerts.not_delivered() == []
        assert life.alerts.lost() == []
        # A run every ten minutes delivers; in the hour without a scheduler none does.
        assert life.alerts.late(LONGEST_WAIT + ONE_RUN + HOUR, life.runs) == []
        assert len(life.refusals) == sum(abs(each.by) >= DAY for each in wrong)
        found = life.host.audit(BEGINS_AT - 2 * DAY, life.host.clock.now()).findings
        steps = [each.kind for each in found if each.kind in (ProblemKind.CLOCK_SET_BACK, ProblemKind.CLOCK_SET_AHEAD)]
        assert steps.count(ProblemKind.CLOCK_SET_BACK) >= 1
        assert len(steps) >= 2 * len(wrong) - 1, "the audit names each step, in both directions"


def test_four_wrong_clocks_one_after_the_other_for_one_run_each() -> None:
    hold([Wrong(by, 3 * MINUTE + 8 * HOUR * number + HOUR, ONE_RUN) for number, by in enumerate(STEPS)], 34 * HOUR)


@pytest.mark.ci
@pytest.mark.parametrize("lasting", [ONE_RUN, LASTING], ids=["for one run", "for three hours"])
@pytest.mark.parametrize("by", STEPS, ids=str)
def test_a_wrong_clock_hides_nothing_that_did_not_run(by: timedelta, lasting: timedelta) -> None:
    hold([Wrong(by, DAY + 3 * HOUR + 3 * MINUTE, lasting)], 2 * DAY)


@pytest.mark.proof
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(8))
def test_a_fortnight_of_wrong_clocks_in_any_order(seed: int) -> None:
    dice = random.Random(seed)
    wrong = [
        Wrong(
            dice.choice(STEPS),
            day * DAY + dice.randrange(60, 600) * MINUTE + 3 * MINUTE,
            dice.choice([ONE_RUN, LASTING]),
        )
        for day in range(1, 14, 2)
    ]
    hold(wrong, 14 * DAY)
