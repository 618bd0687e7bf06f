"""Words, numbers and their plain, HTML and terminal forms."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.alerts.message.model import Alert
from monitoring.alerts.message.render import render_html, render_plain, render_terminal
from monitoring.alerts.message.sanitize import (
    MAX_TEXT,
    clean,
    clean_line,
    display_width,
    grapheme_cut,
    is_blank,
    shorten,
    utf16_units,
)
from monitoring.alerts.message.text import addr, bold, code, kv, line, link, pct, quote, since, table, tx, usd
from tests.support.alert_texts import ADDRESS, HASH, NOW, alerts, any_character


def plain(*blocks: object) -> str:
    return render_plain(Alert("low", "T", *blocks, protocol="aave"), now=NOW).partition("\n")[2]


def html(*blocks: object) -> str:
    return render_html(Alert("low", "T", *blocks, protocol="aave"), now=NOW).partition("\n")[2]


class Mainnet:
    name = "Ethereum"

    def link(self, kind: str, **parts: object) -> str:
        return f"https://explorer.example/{kind}/{next(iter(parts.values()))}"


# -- foreign text -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("a\r\nb\rc\u2028d\x85e\x0bf", "a\nb\nc\nd\ne\nf"),
        ("nul\x00bell\x07esc\x1b[31m", "nul␀bell␇esc␛[31m"),
        ("del\x7fcsi\x9b", "del<U+007F>csi<U+009B>"),
        ("lone \ud83d surrogate", "lone <U+D83D> surrogate"),
        ("usdc\u202egpj.exe", "usdc<U+202E>gpj.exe"),
        ("US\u200bDC", "US<U+200B>DC"),
        ("tab\tstays", "tab\tstays"),
        (
            "\U0001f469\u200d\U0001f467 \U0001f3f4\U000e0067 👍🏿",
            "\U0001f469\u200d\U0001f467 \U0001f3f4\U000e0067 👍🏿",
        ),
        ("literal \\n stays", "literal \\n stays"),
    ],
)
def test_what_hides_or_reorders_is_spelled_out_and_nothing_is_lost(raw: str, shown: str) -> None:
    assert clean(raw) == shown


@given(st.text(any_character))
def test_cleaned_text_is_encodable_and_stays_as_it_is(raw: str) -> None:
    text = clean(raw)

    assert text.encode("utf-8").decode("utf-8") == text
    assert clean(text) == text
    assert clean_line(clean_line(raw)) == clean_line(raw)


def test_a_dump_is_cut_and_says_how_much_is_missing() -> None:
    text = clean("\u202e" * MAX_TEXT)

    assert len(text) <= MAX_TEXT
    assert clean(text) == text
    assert re.search(r"… \([\d,]+ more characters\)$", text)


@pytest.mark.parametrize("text", ["", " \n\t", "\u200d", "\u2800", "\ufe0f\u3164 "])
def test_what_shows_nothing_is_blank(text: str) -> None:
    assert is_blank(text)
    assert not is_blank(text + "x")


def test_length_is_counted_in_utf16_units() -> None:
    assert [utf16_units(text) for text in ("abc", "é", "€", "🚨", "\U0001d518x")] == [3, 1, 1, 2, 3]


def test_width_is_counted_in_columns() -> None:
    assert [display_width(text) for text in ("abc", "e\u0301", "한", "👍")] == [3, 1, 2, 2]


FAMILY = "\U0001f469\u200d\U0001f469\u200d\U0001f467"


@pytest.mark.parametrize(
    "cluster",
    [
        "e\u0301\u0323",
        FAMILY,
        "\U0001f44d\U0001f3ff",  # a thumb with a skin tone
        "\U0001f1f3\U0001f1f1",  # a flag
        "\U0001f3f4\U000e0067\U000e0062\U000e007f",  # a flag made of tags
        "\u2764\ufe0f",
        "\u1112\u1161\u11ab",  # a Korean syllable in three letters
    ],
)
def test_text_is_not_cut_inside_what_readers_see_as_one_character(cluster: str) -> None:
    text = f"ab{cluster}cd"
    after = 2 + len(cluster)

    assert {grapheme_cut(text, most) for most in range(3, after)} == {2}
    assert grapheme_cut(text, after) == after


def test_flags_are_cut_between_pairs() -> None:
    assert [grapheme_cut("🇳🇱🇧🇪🇩🇪", most) for most in range(1, 6)] == [1, 2, 2, 4, 4]


def test_a_pile_of_marks_without_end_is_cut_anyway() -> None:
    assert grapheme_cut("e" + "\u0301" * 5000, 4000) == 4000


def test_shortening_marks_the_place() -> None:
    assert shorten("abcdef", 6) == "abcdef"
    assert shorten("abcdefg", 6) == "abcde…"


# -- spans and blocks -------------------------------------------------------------------------------------------------


def test_a_plain_string_is_literal_whatever_it_looks_like() -> None:
    text = "*bold* _it_ `code` [x](https://e.org) <b>b</b> &amp; YEARN_TIMELOCK"

    assert plain(line(text)) == text
    assert html(line(text)) == (
        "<p>*bold* _it_ `code` [x](https://e.org) &lt;b&gt;b&lt;/b&gt; &amp;amp; YEARN_TIMELOCK</p>"
    )


def test_an_address_is_short_beside_its_label() -> None:
    assert plain(line("to ", addr(ADDRESS, "cUSD"))) == "to cUSD (0xcCcc…cccC)"


def test_an_address_nobody_labelled_is_shown_whole() -> None:
    assert plain(line(addr(ADDRESS))) == ADDRESS


def test_a_transaction_is_treated_like_an_address() -> None:
    assert plain(line(tx(HASH, "execute"))) == "execute (0x5c5c…5c5c)"
    assert plain(line(tx(HASH))) == HASH


def test_a_chain_with_an_explorer_links_addresses_and_transactions() -> None:
    assert html(line(addr(ADDRESS, "cUSD", Mainnet()))) == (
        f'<p>cUSD (<a href="https://explorer.example/address/{ADDRESS}" title="{ADDRESS}" '
        'rel="noopener noreferrer nofollow">0xcCcc…cccC</a>)</p>'
    )
    assert f'href="https://explorer.example/tx/{HASH}"' in html(line(tx(HASH, chain=Mainnet())))


def test_a_chain_by_number_is_kept_without_a_link() -> None:
    span = addr(ADDRESS, "cUSD", 8453)

    assert "8453" in Alert("low", "T", span, protocol="p").to_json()
    assert f'<code title="{ADDRESS}">0xcCcc…cccC</code>' in html(line(span))


def test_what_is_no_address_is_literal() -> None:
    assert plain(line(addr("vitalik.eth", "V"))) == "V (vitalik.eth)"
    assert plain(line(addr(None))) == "None"


@pytest.mark.parametrize(
    "url", ["https://example.org/a?b=1&c=%20", "http://127.0.0.1:8923/alerts/5", "https://пример.рф/"]
)
def test_links_lead_to_http_and_https(url: str) -> None:
    assert plain(line(link("details", url))) == f"details ({url})"
    assert 'rel="noopener noreferrer nofollow">details</a>' in html(line(link("details", url)))


@pytest.mark.parametrize(
    "url",
    [
        *("javascript:alert(1)", "ftp://example.org", "tg://resolve?domain=x", "data:text/html,x", "//example.org"),
        *("https://", "https://[", "a b", "https://exam ple.org", "https://example.org/\u202e"),
        "https://example.org/" + "a" * 2000,
    ],
)
def test_any_other_address_is_plain_text(url: str) -> None:
    assert "<a" not in html(line(link("details", url)))
    assert plain(line(link("details", url))) == clean(f"details ({url})")


def test_a_link_without_a_label_shows_its_address() -> None:
    assert plain(line(link("", "https://example.org/"))) == "https://example.org/"


@pytest.mark.parametrize(
    ("instant", "shown"),
    [
        (NOW - timedelta(hours=3, minutes=20), "2026-11-23 19:12 UTC (3 h 20 min before this alert)"),
        (NOW + timedelta(minutes=5), "2026-11-23 22:37 UTC (5 min after this alert)"),
        (
            (NOW - timedelta(minutes=30)).astimezone(timezone(timedelta(hours=5))),
            "2026-11-23 22:02 UTC (30 min before this alert)",
        ),
        (datetime(2026, 11, 23, 22, 31, 30), "2026-11-23 22:31 UTC (30 s before this alert)"),  # noqa: DTZ001 - as authors write it
        (int(NOW.timestamp()) - 86_400, "2026-11-22 22:32 UTC (1 d before this alert)"),
        ("yesterday", "yesterday"),
        (10**30, str(10**30)),
        (None, "None"),
        (datetime.min.replace(tzinfo=timezone(timedelta(hours=5))), "0001-01-01 00:00:00+05:00"),
    ],
)
def test_an_instant_is_shown_with_its_age(instant: object, shown: str) -> None:
    assert plain(line(since(instant))) == shown


def test_an_instant_carries_its_exact_time_for_the_reader_in_another_zone() -> None:
    assert '<time datetime="2026-11-23T22:32:00.000000Z">' in html(line(since(NOW)))


def test_blocks_of_every_kind_have_a_plain_form() -> None:
    text = plain(
        line("Backing fell to ", bold(pct(Decimal("0.993")))),
        kv({"Backing": pct(Decimal("0.993"))}, Vault=addr(ADDRESS, "cUSD"), Count=5, Joined=["a", usd(1)]),
        table(["Market", "Utilisation"], [["USDC", pct(Decimal("0.98"))], ["WETH/x", pct(Decimal("0.9"))], ["short"]]),
        quote("two\nlines"),
        code("Traceback:\n  boom"),
    )

    assert text == (
        "Backing fell to 99.3%\n"
        "Backing: 99.3%\nVault: cUSD (0xcCcc…cccC)\nCount: 5\nJoined: a$1\n"
        "Market  Utilisation\nUSDC            98%\nWETH/x          90%\nshort\n"
        "> two\n> lines\n"
        "Traceback:\n  boom"
    )


def test_blocks_of_every_kind_have_an_html_form() -> None:
    text = html(
        line(bold("a"), code("b")),
        kv({"k": "v"}),
        table(["h"], [["c"]]),
        table([], [["c"]]),
        quote("q\nr"),
        code("<x>"),
    )

    assert text.split("\n") == [
        "<p><strong>a</strong><code>b</code></p>",
        "<dl><dt>k</dt><dd>v</dd></dl>",
        "<table><thead><tr><th>h</th></tr></thead><tbody><tr><td>c</td></tr></tbody></table>",
        "<table><tbody><tr><td>c</td></tr></tbody></table>",
        "<blockquote>q<br>r</blockquote>",
        "<pre><code>&lt;x&gt;</code></pre>",
    ]


class Tags(HTMLParser):
    """Collects tags, attributes and text, and notices what is not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes.update(name for name, _ in attrs)
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


OUR_TAGS = {
    *("p", "strong", "code", "a", "time", "dl", "dt", "dd", "table", "thead", "tbody", "tr", "th", "td"),
    *("blockquote", "br", "pre"),
}


@given(alerts())
def test_html_holds_only_our_own_tags_each_closed(alert: Alert) -> None:
    tags = Tags()
    tags.feed(render_html(alert, now=NOW))
    tags.close()

    assert not tags.open
    assert tags.seen <= OUR_TAGS
    assert tags.attributes <= {"class", "href", "title", "rel", "datetime"}


def test_a_terminal_gets_the_protocol_and_colour_only_where_asked() -> None:
    alert = Alert("high", "Backing", line("a"), line(""), line("b"), protocol="cap")

    assert render_terminal(alert, now=NOW) == "🚨 HIGH cap: Backing\n   a\n\n   b"
    assert render_terminal(alert, now=NOW, colour=True).startswith("\x1b[31m🚨 HIGH cap: Backing\x1b[0m\n   a")


@given(alerts())
def test_no_alert_can_send_the_terminal_a_control_sequence(alert: Alert) -> None:
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", render_terminal(alert, now=NOW))
