"""Where alerts go, rule by rule, and that no secret ever enters a plan."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.alerts.channels import variable_part
from monitoring.alerts.delivery.routes import ChannelRoutes, plan
from monitoring.alerts.message.model import Severity
from monitoring.alerts.senders import Destination, RouteReason, fingerprint
from monitoring.alerts.senders.apprise import AppriseUrl, split_urls
from monitoring.alerts.senders.console import Console
from monitoring.alerts.senders.telegram import TelegramChat
from monitoring.alerts.senders.webhook import Webhook

TOKEN = "123456789:AAExample-token_that_no_log_may_show_0"
DEFAULTS = {"TELEGRAM_CHAT_ID_DEFAULT": "-100", "TELEGRAM_BOT_TOKEN_DEFAULT": TOKEN}
DEFAULT_BOT = "TELEGRAM_BOT_TOKEN_DEFAULT"


def route(
    environ: dict[str, str], channel: str = "", protocol: str = "aave", source: str = "protocol"
) -> ChannelRoutes:
    return plan(channel, protocol, source, {**DEFAULTS, **environ})


def test_the_channel_comes_before_the_protocol() -> None:
    environ = {"TELEGRAM_CHAT_ID_CURATION": "-1", "TELEGRAM_CHAT_ID_AAVE": "-2"}

    assert route(environ, channel="curation").destinations == (TelegramChat("-1", DEFAULT_BOT),)
    assert route(environ).destinations == (TelegramChat("-2", DEFAULT_BOT),)
    assert route(environ, channel="  ").destinations == (TelegramChat("-2", DEFAULT_BOT),)


@pytest.mark.parametrize(
    ("channel", "part"),
    [
        ("aave", "AAVE"),
        ("cap money", "CAP_MONEY"),
        ("3jane", "3JANE"),
        ("lrt-pegs", "LRT_PEGS"),
        ("YEARN_TIMELOCK", "YEARN_TIMELOCK"),
        ("straße.é", "STRASSE__"),
        ("a\nb", "A_B"),
    ],
)
def test_any_channel_can_be_named_by_a_variable(channel: str, part: str) -> None:
    assert variable_part(channel) == part
    assert route({f"TELEGRAM_CHAT_ID_{part}": "-7"}, channel=channel).destinations == (TelegramChat("-7", DEFAULT_BOT),)


def test_rule_1_the_test_chat_takes_everything_and_silences_every_other_destination() -> None:
    everything = {
        "TELEGRAM_TEST_CHAT_ID": "-9", "TELEGRAM_TOPIC_ID_AAVE": "5", "TELEGRAM_CHAT_ID_TOPICS": "-3",
        "TELEGRAM_CHAT_ID_AAVE": "-2", "TELEGRAM_BOT_TOKEN_AAVE": "2:b", "TELEGRAM_CHAT_ID_ERRORS": "-4",
        "WEBHOOK_URL_AAVE": "https://hook.example/", "WEBHOOK_SECRET": "s", "NOTIFY_URLS_AAVE": "json://x",
        "ALERTS_CONSOLE": "1",
    }  # fmt: skip

    for source in ("protocol", "crash"):
        planned = route(everything, source=source)
        assert planned.route is RouteReason.TEST_CHAT
        assert planned.destinations == (TelegramChat("-9", DEFAULT_BOT, labelled=True),)


@pytest.mark.parametrize(
    ("environ", "missing"),
    [
        ({"TELEGRAM_TEST_CHAT_ID": "my group"}, ("TELEGRAM_TEST_CHAT_ID",)),
        ({"TELEGRAM_TEST_CHAT_ID": "-9", "TELEGRAM_BOT_TOKEN_DEFAULT": ""}, ("TELEGRAM_BOT_TOKEN_DEFAULT",)),
    ],
)
def test_a_broken_test_chat_never_falls_back_to_production(environ: dict[str, str], missing: tuple[str, ...]) -> None:
    planned = route({"TELEGRAM_CHAT_ID_AAVE": "-2", "WEBHOOK_URL_AAVE": "https://hook.example/", **environ})

    assert planned.route is RouteReason.MISSING_CREDENTIALS
    assert planned.missing == missing
    assert len(planned.destinations) == 1


def test_rule_2_a_topic_goes_by_the_default_bot_to_the_topics_chat() -> None:
    planned = route(
        {
            "TELEGRAM_TOPIC_ID_AAVE": "45",
            "TELEGRAM_CHAT_ID_TOPICS": "-3",
            "TELEGRAM_CHAT_ID_AAVE": "-2",
            "TELEGRAM_BOT_TOKEN_AAVE": "2:b",
        }
    )

    assert planned.route is RouteReason.TOPIC
    assert planned.destinations == (TelegramChat("-3", DEFAULT_BOT, 45),)


@pytest.mark.parametrize("topic", ["0", "-5", "general", "4.5"])
def test_a_topic_that_is_no_number_is_passed_over_and_remarked_upon(topic: str) -> None:
    planned = route({"TELEGRAM_TOPIC_ID_AAVE": topic, "TELEGRAM_CHAT_ID_TOPICS": "-3"})

    assert planned.route is RouteReason.DEFAULT_CHAT
    assert planned.notes == ("TELEGRAM_TOPIC_ID_AAVE is not a topic id: a positive integer; it counts as not set",)


def test_a_topic_without_the_topics_chat_does_not_lose_the_alert() -> None:
    planned = route({"TELEGRAM_TOPIC_ID_AAVE": "45"})

    assert planned.destinations == (TelegramChat("-100", DEFAULT_BOT),)
    assert planned.notes == ("TELEGRAM_TOPIC_ID_AAVE is set but TELEGRAM_CHAT_ID_TOPICS is not: the topic is not used",)


def test_rule_3_the_channels_chat_by_its_own_bot_or_the_default_one() -> None:
    own = route({"TELEGRAM_CHAT_ID_AAVE": "-2", "TELEGRAM_BOT_TOKEN_AAVE": "2:b"})
    default = route({"TELEGRAM_CHAT_ID_AAVE": "@aave_alerts"})

    assert own.destinations == (TelegramChat("-2", "TELEGRAM_BOT_TOKEN_AAVE"),)
    assert default.destinations == (TelegramChat("@aave_alerts", DEFAULT_BOT),)
    assert own.route is default.route is RouteReason.CHANNEL_CHAT


@pytest.mark.parametrize(
    ("channel", "source", "configured", "chat"),
    [
        ("SOURCES", "alert", ("ENVIO",), "ENVIO"),
        ("SOURCES", "alert", ("ENVIO", "SOURCES"), "SOURCES"),
        ("SOURCES", "alert", ("ERRORS",), "DEFAULT"),
        ("ENVIO", "alert", ("ERRORS",), "ERRORS"),
        ("ENVIO", "alert", ("ERRORS", "ENVIO"), "ENVIO"),
        ("CURATION", "alert", ("YEARN_MS",), "YEARN_MS"),
        ("CURATION", "alert", ("YEARN_MS", "CURATION"), "CURATION"),
        ("CURATION", "alert", (), "DEFAULT"),
        ("AAVE", "envio_error", ("ERRORS", "ENVIO", "AAVE"), "ENVIO"),
        ("AAVE", "envio_error", ("ERRORS", "AAVE"), "ERRORS"),
        ("AAVE", "envio_error", ("AAVE",), "AAVE"),
        ("AAVE", "crash", ("ENVIO", "AAVE"), "AAVE"),
    ],
)
@pytest.mark.parametrize("in_topics", [False, True])
def test_some_channels_have_others_and_the_first_with_a_chat_or_topic_gets_the_alert(
    channel: str, source: str, configured: tuple[str, ...], chat: str, *, in_topics: bool
) -> None:
    number = {name: str(place + 1) for place, name in enumerate(configured)}
    kind = "TOPIC" if in_topics else "CHAT"
    environ = {f"TELEGRAM_{kind}_ID_{name}": one for name, one in number.items()} | {"TELEGRAM_CHAT_ID_TOPICS": "-3"}
    planned = route(environ, channel=channel, source=source)

    (found,) = planned.destinations
    assert isinstance(found, TelegramChat)
    expected = "-100" if chat == "DEFAULT" else "-3" if in_topics else number[chat]
    assert found.chat_id == expected
    assert str(found.thread_id or "") == (number[chat] if in_topics and chat != "DEFAULT" else "")


def test_rule_4_the_default_chat_by_the_default_bot() -> None:
    planned = route({"TELEGRAM_BOT_TOKEN_AAVE": "2:b"})

    assert planned.route is RouteReason.DEFAULT_CHAT
    assert planned.destinations == (TelegramChat("-100", DEFAULT_BOT),)


def test_without_credentials_the_alert_waits_and_the_plan_names_what_is_missing() -> None:
    planned = plan("", "aave", "protocol", {"TELEGRAM_CHAT_ID_DEFAULT": " "})

    assert planned.route is RouteReason.MISSING_CREDENTIALS
    assert planned.missing == ("TELEGRAM_CHAT_ID_DEFAULT", "TELEGRAM_BOT_TOKEN_DEFAULT")
    assert planned.explain() == (
        "channel AAVE: credentials are missing: the alert waits and goes out once they exist",
        (
            "  -> Telegram chat (none) by TELEGRAM_BOT_TOKEN_DEFAULT, "
            "waiting for TELEGRAM_CHAT_ID_DEFAULT and TELEGRAM_BOT_TOKEN_DEFAULT"
        ),
    )


@pytest.mark.parametrize("chat_id", ["my group", "https://t.me/x", "-", "@a b", "١٢٣", "1.5"])
def test_a_malformed_chat_id_counts_as_not_set(chat_id: str) -> None:
    planned = route({"TELEGRAM_CHAT_ID_AAVE": chat_id})

    assert planned.destinations == (TelegramChat("-100", DEFAULT_BOT),)
    assert "TELEGRAM_CHAT_ID_AAVE is not a chat id" in planned.notes[0]


def test_two_protocols_of_one_run_go_to_their_own_chats() -> None:
    environ = {"TELEGRAM_CHAT_ID_AAVE": "-2", "TELEGRAM_CHAT_ID_CAP": "-3"}

    chats = [route(environ, protocol=protocol).destinations for protocol in ("aave", "cap")]

    assert chats == [(TelegramChat("-2", DEFAULT_BOT),), (TelegramChat("-3", DEFAULT_BOT),)]


def test_the_digest_has_a_channel_of_its_own() -> None:
    planned = route({"TELEGRAM_CHAT_ID_AUTOMATION": "-8"}, protocol="automation", source="automation_digest")

    assert planned.destinations == (TelegramChat("-8", DEFAULT_BOT),)


@pytest.mark.parametrize("source", ["ops_error", "crash"])
@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"TELEGRAM_CHAT_ID_ERRORS": "-4"}, TelegramChat("-4", DEFAULT_BOT)),
        (
            {"TELEGRAM_TOPIC_ID_ERRORS": "6", "TELEGRAM_CHAT_ID_TOPICS": "-3"},
            TelegramChat("-3", DEFAULT_BOT, 6),
        ),
        ({"TELEGRAM_TOPIC_ID_ERRORS": "6"}, TelegramChat("-2", DEFAULT_BOT)),
        ({}, TelegramChat("-2", DEFAULT_BOT)),
    ],
)
def test_operational_errors_go_to_the_errors_chat_or_topic_where_there_is_one(
    source: str, environ: dict[str, str], expected: TelegramChat
) -> None:
    planned = route({"TELEGRAM_CHAT_ID_AAVE": "-2", **environ}, source=source)

    assert planned.destinations == (expected,)


@pytest.mark.parametrize("source", ["protocol", "automation_digest", "indexer_freshness"])
def test_risk_alerts_stay_in_their_channel(source: str) -> None:
    planned = route({"TELEGRAM_CHAT_ID_AAVE": "-2", "TELEGRAM_CHAT_ID_ERRORS": "-4"}, source=source)

    assert planned.destinations == (TelegramChat("-2", DEFAULT_BOT),)


@pytest.mark.parametrize("level", ["DEBUG", "debug", " Debug "])
def test_debug_sends_nothing_anywhere(level: str) -> None:
    planned = route(
        {
            "LOG_LEVEL": level,
            "WEBHOOK_URL_AAVE": "https://hook.example/",
            "WEBHOOK_SECRET": "s",
            "TELEGRAM_TEST_CHAT_ID": "1",
        }
    )

    assert (planned.route, planned.destinations) == (RouteReason.DEBUG, ())


# -- other destinations -----------------------------------------------------------------------------------------------

HOOK = {"WEBHOOK_URL_AAVE": "https://hook.example/secret-path", "WEBHOOK_SECRET": "signing secret"}


def test_a_webhook_hears_high_and_critical_only() -> None:
    planned = route(HOOK)
    kinds = {severity.name: [each.kind for each in planned.for_severity(severity)] for severity in Severity}

    assert kinds == {
        "LOW": ["telegram"],
        "MEDIUM": ["telegram"],
        "HIGH": ["telegram", "webhook"],
        "CRITICAL": ["telegram", "webhook"],
    }


def test_a_webhook_does_not_depend_on_the_chat() -> None:
    planned = plan("", "aave", "protocol", HOOK)

    assert [(each.kind, bool(each.missing)) for each in planned.destinations] == [
        ("telegram", True),
        ("webhook", False),
    ]


def test_a_webhook_without_a_secret_waits_and_is_never_sent_unsigned() -> None:
    planned = route({"WEBHOOK_URL_AAVE": "https://hook.example/"})

    assert planned.destinations[1] == Webhook("WEBHOOK_URL_AAVE", missing=("WEBHOOK_SECRET",))
    assert planned.route is RouteReason.DEFAULT_CHAT
    assert planned.missing == ("WEBHOOK_SECRET",)


def test_only_the_channels_own_webhook_is_called() -> None:
    assert len(route({**HOOK, "WEBHOOK_URL": "https://e/"}, protocol="cap").destinations) == 1


@pytest.mark.parametrize("source", ["ops_error", "crash"])
def test_an_operational_error_never_moves_funds(source: str) -> None:
    both = {**HOOK, "WEBHOOK_URL_ERRORS": "https://pager.example/"}

    assert len(route(HOOK, source=source).destinations) == 1
    assert route(both, source=source).destinations[1:] == (Webhook("WEBHOOK_URL_ERRORS"),)


def test_every_apprise_address_is_a_destination_of_its_own() -> None:
    urls = "mailto://user:pw@example.org?to=a@example.org,b@example.org, ntfy://topic\njson://localhost/x"

    planned = route({"NOTIFY_URLS_AAVE": urls})

    assert split_urls(urls) == [
        "mailto://user:pw@example.org?to=a@example.org,b@example.org",
        "ntfy://topic",
        "json://localhost/x",
    ]
    assert planned.destinations[1:] == tuple(
        AppriseUrl("NOTIFY_URLS_AAVE", fingerprint(url)) for url in split_urls(urls)
    )


def test_who_uses_apprise_alone_is_not_told_that_telegram_is_missing() -> None:
    planned = plan("", "aave", "protocol", {"NOTIFY_URLS_AAVE": "ntfy://topic"})

    assert planned.route is RouteReason.NO_TELEGRAM
    assert [each.kind for each in planned.destinations] == ["apprise"]


def test_a_terminal_alone_does_not_count_as_told() -> None:
    planned = plan("", "aave", "protocol", {"ALERTS_CONSOLE": "1"})

    assert planned.route is RouteReason.MISSING_CREDENTIALS
    assert planned.destinations[1:] == (Console(),)


def test_the_plan_is_explained_without_secrets() -> None:
    lines = route({**HOOK, "NOTIFY_URLS_AAVE": "ntfy://secret-topic", "ALERTS_CONSOLE": "true"}).explain()

    assert lines == (
        "channel AAVE: the channel has no chat or topic of its own: the default chat",
        "  -> Telegram chat -100 by TELEGRAM_BOT_TOKEN_DEFAULT",
        "  -> webhook WEBHOOK_URL_AAVE signed with WEBHOOK_SECRET, HIGH and CRITICAL of checks with machine: true only",
        f"  -> Apprise address {fingerprint('ntfy://secret-topic')} of NOTIFY_URLS_AAVE",
        "  -> the console",
    )


def test_topic_and_label_are_explained() -> None:
    topic = route({"TELEGRAM_TOPIC_ID_AAVE": "45", "TELEGRAM_CHAT_ID_TOPICS": "-3"})
    test = route({"TELEGRAM_TEST_CHAT_ID": "-9"})

    assert "  -> Telegram chat -3, topic 45 by TELEGRAM_BOT_TOKEN_DEFAULT" in topic.explain()
    assert "with [protocol] before each text" in test.explain()[1]


SECRET = "S3cret-value-that-must-not-show"
_NAMES = st.sampled_from(
    [
        f"{stem}_{channel}"
        for stem in ("TELEGRAM_BOT_TOKEN", "WEBHOOK_URL", "NOTIFY_URLS")
        for channel in ("AAVE", "DEFAULT", "ERRORS")
    ]
    + ["WEBHOOK_SECRET"]
)
_IDS = st.sampled_from(["TELEGRAM_TEST_CHAT_ID", *(f"TELEGRAM_{kind}_ID_{name}" for kind in ("CHAT", "TOPIC") for name in ("AAVE", "TOPICS", "DEFAULT", "ERRORS"))])  # fmt: skip  # noqa: E501


@given(
    st.dictionaries(_NAMES, st.sampled_from([f"https://{SECRET}/", SECRET, "", f"json://{SECRET}"])),
    st.dictionaries(_IDS, st.sampled_from(["-5", "7", "@name_x", "", "nonsense"])),
    st.sampled_from(["protocol", "crash", "automation_digest"]),
)
def test_no_environment_puts_a_secret_into_a_plan_or_loses_an_alert(
    secrets: dict[str, str], ids: dict[str, str], source: str
) -> None:
    planned = plan("", "aave", source, {**secrets, **ids})

    assert SECRET not in repr(planned) + "".join(planned.explain()) + "".join(map(str, planned.destinations))
    assert planned.for_severity(Severity.LOW)


@pytest.mark.parametrize(
    ("destination", "text"),
    [
        (AppriseUrl("NOTIFY_URLS_AAVE", "0a1b2c3d"), "apprise urls=NOTIFY_URLS_AAVE fingerprint=0a1b2c3d"),
        (Console(), "console"),
    ],
)
def test_the_text_of_a_destination_in_a_row_stays_what_it_was(destination: Destination, text: str) -> None:
    assert str(destination) == text, "rows of the release before wait under this text"
