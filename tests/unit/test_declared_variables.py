"""Each sender declares its variables in its own file, and every list of them comes from there."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

from automation.jobs.values import _reserved_prefixes
from monitoring.alerts.senders.registry import kinds
from monitoring.base.secrets import declared
from monitoring.base.secrets.secret_values import is_secret, secret_texts
from monitoring.base.settings import CHECKOUT

KINDS = {kind.kind: kind for kind in kinds()}


def module_of(kind: str) -> object:
    name = KINDS[kind].__module__
    return import_module(name)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_what_is_read_from_a_senders_text_is_what_it_declares(kind: str) -> None:
    module = module_of(kind)
    read = dict(declared.declared_in(Path(str(module.__file__)).read_text()))  # type: ignore[attr-defined]
    assert read == {"VARIABLES": module.VARIABLES, "PUBLIC": module.PUBLIC}  # type: ignore[attr-defined]
    assert read["VARIABLES"]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_example_env_file_shows_what_a_sender_declares(kind: str) -> None:
    shown = re.findall(r"^#?([A-Z_]+(?:<CHANNEL>)?)=", (CHECKOUT / ".env.example").read_text(), re.MULTILINE)
    for name in module_of(kind).VARIABLES:  # type: ignore[attr-defined]
        assert any(re.match(name.replace("*", ".*"), each) for each in shown), name


def test_every_sender_is_found_by_its_file_and_machines_come_first() -> None:
    assert [kind.kind for kind in kinds()] == ["webhook", "apprise", "console", "telegram"]


@pytest.mark.parametrize(
    ("name", "hidden"),
    [
        ("TELEGRAM_BOT_TOKEN_AAVE", True), ("TELEGRAM_CHAT_ID_AAVE", True), ("WEBHOOK_SECRET", True),
        ("NOTIFY_URLS", True), ("NOTIFY_URLS_AAVE", True), ("LLM_KEY", True), ("HEARTBEAT_HOURLY", True),
        ("ALERTS_CONSOLE", False), ("PROVIDER_URL_MAINNET", False), ("SAFE_API_KEY", False), ("PATH", False),
    ],
)  # fmt: skip
def test_a_task_sees_nothing_of_what_sends(name: str, *, hidden: bool) -> None:
    assert declared.is_kept_from_tasks(name) is hidden


def test_nobody_may_set_for_a_task_what_a_task_may_not_see() -> None:
    assert sorted(_reserved_prefixes()) == [
        "AUTOMATION_", "LIQUIDITY_WEBHOOK_", "LLM_", "MONITORING_", "NOTIFY_URLS", "TELEGRAM_", "WEBHOOK_",
    ]  # fmt: skip


def test_a_declared_variable_is_secret_as_a_whole_unless_it_is_declared_public() -> None:
    value = "plain words that nobody would take for a key"
    assert secret_texts({"WEBHOOK_ANYTHING": value})[value] == "WEBHOOK_ANYTHING"
    assert secret_texts({"TELEGRAM_CHAT_ID_AAVE": "-1001234567890", "TELEGRAM_API_URL": "http://127.0.0.1:8081"}) == {}
    assert is_secret("TELEGRAM_API_URL", "http://127.0.0.1:8081"), "no secret, and nothing for the web process either"


def test_a_declaration_that_is_no_literal_is_refused_and_not_passed_over() -> None:
    with pytest.raises(ValueError, match="malformed"):
        declared.declared_in("VARIABLES = (PREFIX + '_*',)\n")
