"""SIGKILL at any step of recording and delivery loses nothing. `make kill-sweep` kills at every one of them."""

from __future__ import annotations

import pytest

from tests.support.kill_sweep import Stage, sweep, table


@pytest.mark.ci
@pytest.mark.timeout(400)
def test_a_kill_at_any_step_loses_nothing_and_repeats_at_most_one_message() -> None:
    with Stage() as stage:
        points = list(sweep(stage, every_step=17, every_piece=4))
    assert [point for point in points if not point.is_sound] == [], table(points)
    assert len(points) >= 40
    assert sum(point.killed for point in points) >= 0.9 * len(points), "the sweep must really kill"
