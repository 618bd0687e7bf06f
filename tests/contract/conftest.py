"""Far sides that run while a test does, and the senders that talk to them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from monitoring.alerts.senders.telegram.sender import TelegramSender
from monitoring.alerts.senders.webhook import WebhookSender
from tests.support.fake_telegram import BOT_TOKEN, TelegramStandIn
from tests.support.fake_webhook import FakeWebhook
from tests.support.senders import TOKEN_VARIABLE, webhook_environ


@pytest.fixture
def bot_api() -> Iterator[TelegramStandIn]:
    with TelegramStandIn(tokens=[BOT_TOKEN]) as stand_in:
        yield stand_in


@pytest.fixture
def sender(bot_api: TelegramStandIn) -> Iterator[TelegramSender]:
    environ = {TOKEN_VARIABLE: BOT_TOKEN, "TELEGRAM_API_URL": bot_api.url + "/"}
    with closing(TelegramSender(environ, 1)) as made:
        yield made


@pytest.fixture
def hook() -> Iterator[FakeWebhook]:
    with FakeWebhook() as fake:
        yield fake


@pytest.fixture
def webhook(hook: FakeWebhook) -> Iterator[WebhookSender]:
    with closing(WebhookSender(webhook_environ(hook), 1, now_s=lambda: 1_800_000_000.9)) as made:
        yield made
