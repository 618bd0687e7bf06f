"""Alerts of every shape for property tests, with text no sane monitor would write."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import strategies as st

from monitoring.alerts.message.model import Alert, Severity
from monitoring.alerts.message.text import addr, bold, code, kv, line, link, pct, quote, since, table, tx, usd

NOW = datetime(2026, 11, 23, 22, 32, tzinfo=UTC)
ADDRESS = "0xcCcc62962d17b8914c62D74FfB843d73B2a3cccC"
HASH = "0x" + "5c" * 32

# Emoji with joiners and tags, flags, combining marks, bidi controls, surrogates, controls, astral letters, markup.
_FAMILY = "\U0001f469\u200d\U0001f469\u200d\U0001f467"
_FLAG_OF_TAGS = "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"
_AWKWARD = st.sampled_from(
    [
        *(_FAMILY, _FLAG_OF_TAGS, "\U0001f1f3\U0001f1f1\U0001f1e7\U0001f1ea", "\U0001f44d\U0001f3ff", "\U0001d518"),
        *("e\u0301\u0323", "\u1112\u1161\u11ab", "\u202e", "\ud83d", "\x00", "\x1b[31m", "\u200b", "\u2800"),
        *("\r\n", "\n\n", "\t", "\u2028", " ", "\u3000"),
        *("*_`[x](y)", "<b>&amp;", "</a>", "0x", "\\n", "@all", "https://example.org"),
    ]
)
any_character = st.characters(exclude_categories=())
texts = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=40),
    st.lists(st.one_of(_AWKWARD, any_character), max_size=20).map("".join),
)
numbers = st.one_of(st.integers(), st.fractions(), st.decimals(allow_nan=True), st.integers(0, 2**256))
instants = st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
labels = st.one_of(st.none(), texts)
plain_spans = st.one_of(
    texts,
    texts.map(code),
    st.builds(link, texts, st.one_of(texts, st.just("https://example.org/a?b=c&d"))),
    st.builds(addr, st.one_of(texts, st.just(ADDRESS)), labels),
    st.builds(tx, st.one_of(texts, st.just(HASH)), labels),
    numbers.map(usd),
    numbers.map(pct),
    instants.map(since),
)
spans = st.one_of(plain_spans, st.lists(plain_spans, max_size=3).map(lambda parts: bold(*parts)))
span_lists = st.lists(spans, max_size=6)
lines = span_lists.map(lambda parts: line(*parts))
blocks = st.one_of(
    lines,
    span_lists.map(lambda parts: quote(*parts)),
    texts.map(code),
    st.lists(st.tuples(texts, spans), max_size=5).map(lambda pairs: kv(*pairs)),
    st.builds(table, st.lists(texts, max_size=3), st.lists(st.lists(spans, max_size=4), max_size=5)),
)


def alerts(any_blocks: st.SearchStrategy[list[object]] | None = None) -> st.SearchStrategy[Alert]:
    """Return alerts of any severity with any blocks."""
    some = st.lists(blocks, max_size=6) if any_blocks is None else any_blocks
    return st.builds(
        lambda severity, title, content, protocol, channel, key, silent, threads: Alert(
            severity, title, *content, protocol=protocol, channel=channel, key=key, silent=silent, threads=threads
        ),
        st.sampled_from(Severity), texts, some, texts, texts, labels, st.sampled_from([None, True, False]),
        st.lists(texts, max_size=3),
    )  # fmt: skip
