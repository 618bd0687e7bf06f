"""No secret in any text, by value."""

from __future__ import annotations

import subprocess
import sys

import pytest

from monitoring.base.secrets import redact as redacting
from monitoring.base.secrets.redact import Redactor, keep_secret, of_this_process
from monitoring.base.secrets.secret_values import is_secret, is_secret_name, secret_texts
from tests.support.child import CHECKOUT

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


def test_what_keep_secret_returns_is_what_this_process_redacts_with() -> None:
    before = of_this_process()
    try:
        kept = keep_secret({"WEBHOOK_SECRET": "s3cr3t-value"})
        assert kept is of_this_process()
        assert kept("s3cr3t-value") == redacting.redact("s3cr3t-value") == "[WEBHOOK_SECRET]"
        assert redacting.excerpt("x s3cr3t-value y", -3) == "] y", "cut after the secret is out, not before"
        assert redacting.excerpt("x s3cr3t-value y", 3) == "x ["
    finally:
        redacting._of_this_process = before


@pytest.mark.parametrize(
    ("value", "text", "shown"),
    [
        ("abc123", "is abc123 here", "is [MY_TOKEN] here"),
        ("abc123", "the word xabc123y stays", "the word xabc123y stays"),
        ("abc1234", "the word xabc1234y stays", "the word xabc1234y stays"),
        ("abc12345", "but xabc12345y", "but x[MY_TOKEN]y"),
        ("abc12", "five characters would blank words: abc12", "five characters would blank words: abc12"),
    ],
)
def test_a_short_value_is_hidden_where_it_is_a_word_of_its_own(value: str, text: str, shown: str) -> None:
    assert Redactor({"MY_TOKEN": value})(text) == shown


@pytest.mark.parametrize(
    ("data", "may"),
    [
        (b"nothing", False), (b"has s3cr3tvalue in it", True), (b"https://user:pw@host", True), (b"a@b", False),
        (b"https://host", False), (b"bot123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw", True),
    ],
)  # fmt: skip
def test_a_quick_look_passes_only_what_holds_no_secret(data: bytes, may: bool) -> None:
    assert Redactor({"A_SECRET": "s3cr3tvalue"}).may_change(data) is may


def test_two_secrets_with_one_anchor_are_both_hidden() -> None:
    environ = {"A_SECRET": "common-part0001", "B_SECRET": "part0001-common"}
    redact = Redactor(environ)
    assert redact("common-part0001, part0001-common") == "[A_SECRET], [B_SECRET]"
    assert redact.longest >= len("common-part0001")


def test_a_cut_never_splits_a_secret() -> None:
    redact = Redactor({"A_SECRET": "s3cr3tvalue"})
    text = "ab s3cr3tvalue cd"
    assert [redact.whole(text, at) for at in (2, 3, 4, 13, 14, 15)] == [2, 3, 3, 3, 14, 15]


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("RPC_URL", True), ("RPC_URLS_2", True), ("MONITORING_PUBLIC_URL", False), ("GITHUB_TOKEN", True),
        ("PATH", False), ("REGION", False), ("SSH_AUTH_SOCK", False), ("db_password", True),
    ],
)  # fmt: skip
def test_a_name_says_whether_its_value_may_be_secret(name: str, secret: bool) -> None:
    assert is_secret_name(name) is secret


def test_the_public_address_of_the_pages_is_never_kept_from_a_process() -> None:
    assert not is_secret("MONITORING_PUBLIC_URL", f"https://monitoring.example/{KEY}")
    assert is_secret("RPC", f"https://rpc.example/v2/{KEY}")
    assert not is_secret("REGION", "us-east-1")


def secrets_of(value: str, name: str = "SETTING") -> set[str]:
    return set(secret_texts({name: value}))


@pytest.mark.parametrize(
    ("value", "hidden"),
    [
        (f"https://user:{KEY}@host.example/x", {KEY}),
        (f"https://{KEY}.rpc.example/", {KEY}),
        (f"https://rpc.example/a:{KEY}", {KEY}),
        (f"https://rpc.example/?key={KEY}&x=1", {KEY}),
        (f"https://rpc.example/?{KEY}", {KEY}),
        (f"https://rpc.example/#{KEY}", {KEY}),
        (f"redis://{KEY}:6379", {KEY}),
        (f"rpc.example/v2/{KEY}", {KEY}),
        (f"{KEY}@rpc.example", {KEY}),
        (f"//rpc.example/{KEY}", {KEY}),
        (f"https://[broken/{KEY}", {KEY}),
        (f"key={KEY}", {KEY}),
    ],
)
def test_every_place_of_an_address_that_can_be_a_key_is_looked_at(value: str, hidden: set[str]) -> None:
    assert hidden <= secrets_of(value)


@pytest.mark.parametrize(
    "value",
    [
        "https://eth-mainnet.rpc.example/", "https://polygonnode.rpc.example/", "https://node12.rpc.example:8545/",
        "https://rpc.example/v2/short12", "https://rpc.example/?id=1234567", "us-east-1", "eu-central-1-zo2",
        "0x88Ba032be87d5EF1fbE87336B7090767F367BF73", "2026-11-29T08:07:32Z", "~/folder/file.txt", "host.example:8080",
        "12345678",
    ],
)  # fmt: skip
def test_what_anybody_may_read_is_no_secret(value: str) -> None:
    assert secrets_of(value) == set()


def test_words_with_numbers_are_a_name_up_to_sixteen_characters() -> None:
    assert secrets_of("eu-central-1-zon2") == {"eu-central-1-zon2"}


def test_what_comes_before_the_key_in_an_address_without_a_scheme_stays_readable() -> None:
    found = secrets_of(f"longservice12345678:{KEY}")
    assert KEY in found
    assert "longservice12345678" not in found


def test_a_password_is_also_hidden_as_a_client_sends_it() -> None:
    assert "dXNlcjpodW50ZXIyMg" in secrets_of("https://user:hunter22@host.example/")


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("PASSWORD", "12345678", True), ("PASSWORD", "1234567", False), ("TOKEN_ID", "12345678", False),
        ("PRIVATE_KEY", "0x" + "ab" * 20, False), ("PRIVATE_KEY", "0x" + "ab" * 32, True),
    ],
)  # fmt: skip
def test_digits_are_a_password_where_the_name_leaves_no_doubt(name: str, value: str, secret: bool) -> None:
    assert bool(secrets_of(value, name)) is secret


def test_a_key_of_letters_and_digits_is_hidden_without_its_prefix_and_in_either_case() -> None:
    found = secrets_of("0x" + "aB" * 32, "PRIVATE_KEY")
    assert {"aB" * 32, "ab" * 32, "AB" * 32} <= found


def test_each_line_of_a_value_is_hidden_and_short_lines_stay() -> None:
    found = secrets_of("-----BEGIN KEY-----\nMIIEvQIBADANBg\nshort12\n-----END KEY-----", "TLS_PRIVATE_KEY")
    assert "MIIEvQIBADANBg" in found
    assert not {"short12", "-----BEGIN KEY-----", "-----END KEY-----"} & found


def test_a_value_in_words_costs_a_few_files_and_only_an_unknown_word_all_of_them() -> None:
    asked = (
        "import sys; from monitoring.base.secrets.secret_values import secret_texts; opened = []\n"
        "sys.addaudithook(lambda event, given: opened.append(given[0]) if event == 'open' else None)\n"
        "for value in ('monitoring-of-the-gateway', 'monitoring-of-the-qzvwxk'):\n"
        "    print(len(secret_texts({'PLACE': value})), len(opened))"
    )
    done = subprocess.run([sys.executable, "-c", asked], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    known, unknown = ([int(number) for number in line.split()] for line in done.stdout.splitlines())
    assert known[0] == 0
    assert known[1] < 100
    assert unknown[0] == 1
    assert unknown[1] > 500
