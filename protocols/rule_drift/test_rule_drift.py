"""The drill of the drift of rules: whole answers through the reader that a run reads with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from protocols.rule_drift.main import ACCOUNT, KEY, PROJECT, main
from utils.testing import RecordedAnswers, Run, SimClock, run

ENVIRON = {KEY: "k3y-of-the-operator", ACCOUNT: "acme", PROJECT: "risk"}


def watch(folder: Path, changes: dict[str, Any] | None = None, **broken: Any) -> Run:
    answers = RecordedAnswers({"alerts": changes or {}}, **broken)
    return run(main, store=folder, clock=SimClock(), answers=answers, environ=ENVIRON)


def test_a_rule_that_is_switched_off_or_edited_is_reported_once(tmp_path: Path) -> None:
    assert watch(tmp_path) == []
    (sent,) = watch(tmp_path, {"alerts[0].enabled": False})
    assert (sent.check, sent.kind, sent.severity) == ("tenderly", "fired", "MEDIUM")
    assert watch(tmp_path, {"alerts[0].enabled": False}) == []
    assert watch(tmp_path, {"alerts[1].expressions[0].expression.address": "0x01"}).kinds == {"tenderly": "fired"}


def test_a_rule_that_is_gone_is_reported(tmp_path: Path) -> None:
    watch(tmp_path)
    assert watch(tmp_path, {"alerts": []}).kinds == {"tenderly": "fired"}


def test_another_order_and_what_moves_by_itself_are_no_change(tmp_path: Path) -> None:
    rules = [{"id": "a", "enabled": True, "updated_at": "2026-01-01"}, {"id": "b", "enabled": True, "last_run": 1}]
    watch(tmp_path, {"alerts": rules})
    moved = [{"id": "b", "enabled": True, "last_run": 2}, {"id": "a", "enabled": True, "updated_at": "2026-02-01"}]
    assert watch(tmp_path, {"alerts": moved}) == []


def test_rules_that_cannot_be_read_are_no_data(tmp_path: Path) -> None:
    broken: list[dict[str, Any]] = [
        {"down": ["alerts"]},
        {"instead": {"alerts": 401}},
        {"instead": {"alerts": b"<html></html>"}},
        {"instead": {"alerts": b"{}"}},
        {"instead": {"alerts": b'{"alerts": "none"}'}},
    ]
    for case, damage in enumerate(broken):
        folder = tmp_path / str(case)
        watch(folder)
        sent = watch(folder, None, **damage)
        assert (sent, [*sent.unknown]) == ([], ["tenderly"]), damage
        assert watch(folder) == [], damage


def test_it_is_off_without_its_variables(tmp_path: Path) -> None:
    sent = run(main, store=tmp_path, clock=SimClock(), environ={KEY: "k3y-of-the-operator"})
    assert (sent, sent.code, dict(sent.states)) == ([], 0, {})
