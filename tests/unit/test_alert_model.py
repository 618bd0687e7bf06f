"""What an alert is, and what the store keeps of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.alerts.message.model import Alert, Severity
from monitoring.alerts.message.render import render_plain
from monitoring.alerts.message.text import bold, code, kv, line, link, pct, quote, since, table, usd
from monitoring.base.errors import UsageError
from monitoring.base.secrets.redact import Redactor
from tests.support.alert_texts import NOW, alerts


def test_severities_are_ordered_by_urgency() -> None:
    assert Severity.LOW < Severity.MEDIUM < Severity.HIGH < Severity.CRITICAL
    assert [severity.value for severity in Severity] == [0, 1, 2, 3]


@pytest.mark.parametrize("text", ["high", "HIGH", " High "])
def test_a_severity_is_read_in_any_case(text: str) -> None:
    assert Severity.parse(text) is Severity.HIGH


def test_an_unknown_severity_is_refused_with_the_four_that_exist() -> None:
    with pytest.raises(UsageError, match="'urgent' is not a severity: write LOW, MEDIUM, HIGH or CRITICAL"):
        Severity.parse("urgent")


@pytest.mark.parametrize(("severity", "emoji"), [("low", "ℹ️"), ("medium", "⚠️"), ("high", "🚨"), ("critical", "🔴")])
def test_every_severity_leads_with_its_own_sign(severity: str, emoji: str) -> None:
    alert = Alert(severity, "Something", protocol="aave")

    assert render_plain(alert, now=NOW).startswith(f"{emoji} {severity.upper()} aave: Something")


@pytest.mark.parametrize(
    ("severity", "silent"), [("low", True), ("medium", False), ("high", False), ("critical", False)]
)
def test_only_low_is_silent_by_default(severity: str, silent: bool) -> None:
    assert Alert(severity, "Something", protocol="aave").is_silent is silent


def test_the_author_decides_about_silence() -> None:
    assert not Alert("low", "Something", protocol="aave", silent=False).is_silent
    assert Alert("high", "Something", protocol="aave", silent=True).is_silent


@pytest.mark.parametrize("title", ["", "  ", "\n", "\u200d\ufe0f", "\u2800", "\u3164"])
def test_a_title_nobody_could_see_gets_a_stand_in(title: str) -> None:
    assert Alert("low", title, protocol="aave").title == "(alert of aave without a title)"


def test_a_title_stays_on_one_line() -> None:
    assert Alert("low", "two\r\nlines\there", protocol="aave").title == "two lines here"


def test_an_alert_cannot_be_changed() -> None:
    alert = Alert("low", "Something", protocol="aave")

    with pytest.raises(AttributeError):
        alert.title = "Another"  # type: ignore[misc]


def test_plain_values_become_lines_of_their_own() -> None:
    alert = Alert("low", "Something", "text", 5, usd(7), protocol="aave")

    assert alert.blocks == (line("text"), line(5), line(usd(7)))


@given(alerts())
def test_json_gives_back_the_same_alert(alert: Alert) -> None:
    assert Alert.from_json(alert.to_json()) == alert


@given(alerts())
def test_json_is_text_any_database_takes(alert: Alert) -> None:
    text = alert.to_json()

    assert text.encode().decode() == text
    assert "\x00" not in text
    assert "\n" not in text


def test_amounts_survive_the_store_to_the_last_digit() -> None:
    exact = Fraction(2**256 - 1, 10**18)
    alert = Alert("low", "Something", usd(exact), pct(Decimal("0.1")), protocol="aave")

    assert Alert.from_json(alert.to_json()).blocks == (line(usd(exact)), line(pct(Fraction(1, 10))))


def stored(**changes: object) -> str:
    alert = Alert("high", "Something", line("a line"), protocol="aave")
    return json.dumps({**json.loads(alert.to_json()), **changes})


def test_an_unknown_block_becomes_plain_text_with_every_word() -> None:
    chart = {"kind": "chart", "caption": "Backing", "points": [["monday", "0.99"], ["tuesday", {"kind": "x", "y": 1}]]}

    alert = Alert.from_json(stored(blocks=["loose words", chart]))

    assert render_plain(alert, now=NOW).split("\n")[1:] == ["loose words", "Backing monday 0.99 tuesday 1"]


@pytest.mark.parametrize(
    ("span", "shown"),
    [
        ({"kind": "eta", "text": "in 3 h"}, "in 3 h"),
        ({"kind": "usd", "value": "plenty"}, "plenty"),
        ({"kind": "usd", "value": "1e999999999"}, "1e999999999"),
        ({"kind": "usd", "value": "1/0"}, "1/0"),
        ({"kind": "since", "at": "yesterday"}, "yesterday"),
        ({"kind": "link"}, "(empty)"),
        ({"kind": ["link"]}, "(empty)"),
        ({"kind": "addr", "value": "vitalik.eth", "label": "V"}, "V (vitalik.eth)"),
        (7, "7"),
        (None, "(empty)"),
    ],
)
def test_an_unknown_or_broken_span_becomes_plain_text(span: object, shown: str) -> None:
    alert = Alert.from_json(stored(blocks=[{"kind": "line", "parts": ["> ", span]}]))

    assert render_plain(alert, now=NOW).split("\n")[1] == f"> {shown}"


def test_an_unknown_severity_in_the_store_sounds_but_calls_no_machine() -> None:
    assert Alert.from_json(stored(severity="FATAL")).severity is Severity.MEDIUM
    assert Alert.from_json(stored(severity=None)).severity is Severity.MEDIUM


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '"x"', "{}", '{"severity":"LOW"}', "[" * 100_000])
def test_a_text_that_is_no_alert_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"not an alert|Expecting|Extra"):
        Alert.from_json(text)


def test_every_shown_text_is_redacted_by_value_and_the_condition_stays() -> None:
    secret = "https://rpc.example/v2/0123456789abcdef0123"
    texts = [line("failed: ", secret), kv({secret: secret}), table([secret], [[bold(secret)]]), quote(secret)]
    alert = Alert("high", secret, *texts, code(secret), link("node", secret), protocol="aave", key="rpc/mainnet")

    redacted = alert.redacted(Redactor({"PROVIDER_URL_MAINNET": secret}))

    assert "0123456789abcdef" not in redacted.to_json()
    assert redacted.key == "rpc/mainnet"
    assert redacted.title == "[PROVIDER_URL_MAINNET]"
    assert render_plain(redacted, now=NOW).count("[PROVIDER_URL_MAINNET]") >= 8


def test_an_alert_names_each_thread_once_and_leaves_out_what_is_no_name() -> None:
    long = "safe-tx/1/" + "0" * 500
    alert = Alert("high", "Backing", protocol="cap", threads=["safe-tx/1/0xaa", "", long, "timelock/1\n/7"])

    assert alert.in_threads("incident/cap", "safe-tx/1/0xaa").threads == (
        "safe-tx/1/0xaa", "timelock/1 /7", "incident/cap",
    )  # fmt: skip
    assert len(Alert("high", "x", protocol="cap", threads=[str(each) for each in range(1000)]).threads) == 100


@pytest.mark.parametrize("written", ["", 7, None, {"a": 1}, [None, 3, ["x"]]])
def test_threads_that_are_none_are_read_as_none(written: object) -> None:
    assert Alert.from_json(stored(threads=written)).threads == ()


def test_redaction_without_secrets_changes_nothing() -> None:
    alert = Alert("high", "Backing", kv(Backing=pct(1), Since=since(NOW)), "x", protocol="aave", channel="c", key="k")

    assert alert.redacted(Redactor({})) == alert


@given(
    st.one_of(
        st.integers(), st.decimals(), st.floats(), st.fractions(), st.text(), st.none(), st.binary(), st.datetimes()
    )
)
def test_no_value_however_odd_keeps_an_alert_from_being_made(value: object) -> None:
    alert = Alert("low", value, usd(value), pct(value), since(value), code(value), kv(x=value), value, protocol="aave")

    assert render_plain(alert, now=datetime(2026, 11, 23, tzinfo=UTC))


def test_the_first_line_names_the_monitor_where_it_is_not_the_protocol() -> None:
    alert = Alert("high", "token_side is 95%, above 90%", protocol="pegs", monitor="fluid-pool")

    assert render_plain(alert, now=NOW) == "🚨 HIGH fluid-pool: token_side is 95%, above 90%"


def test_a_title_that_begins_with_the_name_is_not_given_it_twice() -> None:
    assert (
        render_plain(Alert("high", "Aave: USDC is used up", protocol="aave"), now=NOW)
        == "🚨 HIGH Aave: USDC is used up"
    )


def test_good_news_has_its_own_sign_and_no_severity() -> None:
    alert = Alert("low", "backing is ok again", protocol="cap", is_good=True)

    assert render_plain(alert, now=NOW) == "✅ cap: backing is ok again"
    assert Alert.from_json(alert.to_json()) == alert


def test_the_stored_title_and_fields_are_those_of_the_release_before_so_that_either_release_sends_either_row() -> None:
    """The first line is made when an alert is shown: what is stored holds the title alone, and no field was renamed."""
    stored = json.loads(Alert("high", "Backing", protocol="cap", monitor="cap", is_good=True).to_json())

    assert stored["title"] == "Backing"
    assert {"v", "severity", "title", "blocks", "protocol", "channel", "key", "source", "silent"} < set(stored)
    written_before = {name: value for name, value in stored.items() if name not in ("monitor", "is_good")}
    assert render_plain(Alert.from_json(json.dumps(written_before)), now=NOW) == "🚨 HIGH cap: Backing"
