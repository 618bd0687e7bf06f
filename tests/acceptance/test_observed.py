"""Scheduler and runs are killed at random moments: what the audit says is what an independent observer saw."""

from __future__ import annotations

import os
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest

from monitoring.base.clock import from_text
from monitoring.ledger.audit import judge
from monitoring.ledger.outcomes import Facts
from tests.support.fake_telegram import TelegramStandIn
from tests.support.host import wait_until
from tests.support.observed import GRACE, PERIODS, Scene, disagreements, heard, stored, ticks

SEEDS = range(4, 4 + int(os.environ.get("OBSERVED_SEEDS", "1")))  # more: `make kill-runs`


@pytest.mark.parametrize("seed", SEEDS)
def test_the_audit_claims_and_denies_nothing_against_what_an_observer_saw(tmp_path: Path, seed: int) -> None:
    with TelegramStandIn() as chat:
        scene = Scene(tmp_path, chat, seed)
        try:
            live(scene)
            facts = scene.facts()
        finally:
            scene.kill_everything()
    assert disagreements(scene, facts) == []
    fates = Counter(fate.status for fate in facts.ticks)
    due = due_or_recorded(scene, facts)
    assert [(fate.profile, fate.tick_at) for fate in facts.ticks] == due, "every tick has its row, and no other has"
    assert {"ok", "missed", "aborted"} <= fates.keys(), "the scene was too quiet to prove anything"
    told = judge(facts)
    assert not told.is_ok
    assert (told.ticks, told.due) == (fates, len(due))

    raised = {f"{name} {tick.isoformat()}" for name, tick, _ in scene.seen("done")}
    claimed = {title for title, status in stored(scene).items() if status == "delivered"}
    assert raised <= stored(scene).keys(), "what a monitor raised is stored"
    assert claimed <= heard(scene), "what is called delivered was heard"
    assert heard(scene) <= stored(scene).keys(), "what was heard is in the ledger"
    waiting = sum(1 for alert in facts.alerts if alert.status != "delivered")
    assert waiting == len(stored(scene)) - len(claimed)


def due_or_recorded(scene: Scene, facts: Facts) -> list[tuple[str, datetime]]:
    """The ticks past their grace, and younger ones whose run wrote its row already: their outcome is decided too."""
    recorded = {(name, from_text(tick)) for name, tick in scene.host.rows("SELECT profile, tick_at FROM runs")}
    ticked = [(name, tick) for name in PERIODS for tick in ticks(name, facts.since, facts.now)]
    return [(name, tick) for name, tick in ticked if tick <= facts.now - GRACE or (name, tick) in recorded]


def live(scene: Scene) -> None:
    """Kill at random within moments that matter: a task at work, a run at its start, the scheduler."""
    scene.start_scheduler()
    scene.kill_a_run("slow", "began")
    scene.kill_scheduler(for_s=scene.chance.uniform(2.0, 4.0))
    scene.kill_a_run("quick")
    scene.kill_scheduler(for_s=scene.chance.uniform(0.1, 2.0))
    scene.kill_a_run("quick", "began")
    wait_until(lambda: scene.host.peek("SELECT 1 FROM runs WHERE status = 'ok'"), "one run was left in peace", 60)
    scene.stop()
