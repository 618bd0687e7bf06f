"""No secret in any text, by value."""

from __future__ import annotations

import pytest

from monitoring.base.secrets.redact import Redactor

TOKEN = "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
KEY = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("TELEGRAM_BOT_TOKEN_AAVE", TOKEN, f"POST /bot{TOKEN}/sendMessage failed"),
        ("TELEGRAM_BOT_TOKEN_DEFAULT", TOKEN, f"https://api.telegram.org/bot{TOKEN.replace(':', '%3A')}/getMe"),
        ("PROVIDER_URL_MAINNET_1", f"https://rpc.example/v2/{KEY}", f"GET https://rpc.example/v2/{KEY} 429"),
        ("PROVIDER_URL_MAINNET", f"https://rpc.example/v2/{KEY}", f"path /v2/{KEY} refused"),
        ("SAFE_API_KEY_2", KEY, f"key={KEY}"),
        ("WEBHOOK_SECRET", "s3cr3t-value", "hmac with s3cr3t-value"),
    ],
)
def test_the_value_of_a_secret_variable_never_stands_in_a_text(name: str, value: str, text: str) -> None:
    shown = Redactor({name: value})(text)
    assert value not in shown
    assert KEY not in shown
    assert TOKEN not in shown


def test_a_bot_token_nobody_told_us_of_is_hidden_all_the_same() -> None:
    assert TOKEN not in Redactor({})(f"error at /bot{TOKEN}/x")


def test_credentials_inside_a_url_are_hidden() -> None:
    assert Redactor({})("git fetch https://user:hunter2@host/x") == "git fetch https://[credentials]@host/x"


def test_ordinary_words_and_addresses_stay() -> None:
    redact = Redactor({"WEBHOOK_URL_AAVE": "http://127.0.0.1:8080/notify", "API_KEY": "abc"})
    assert redact("notify 0x88Ba032be87d5EF1fbE87336B7090767F367BF73 abc") == (
        "notify 0x88Ba032be87d5EF1fbE87336B7090767F367BF73 abc"
    )


def test_an_instant_in_a_variable_is_public() -> None:
    instants = ["2026-11-29T08:07:32+00:00", "2026-11-29T08:07:32.123456Z", "2026-11-29 08:07", "2026-11-29"]
    for instant in instants:
        assert Redactor({"LAST_TICK": instant})(f"the tick of {instant}") == f"the tick of {instant}"
