"""Messages and entities, judged by the stand-in's own rules."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitoring.alerts.message.model import Alert
from monitoring.alerts.message.sanitize import utf16_units
from monitoring.alerts.message.text import addr, bold, code, kv, line, link, pct, quote, table, usd
from monitoring.alerts.senders.telegram.text import MAX_PARTS, MessagePart, Rendered, render_telegram
from tests.support.alert_texts import ADDRESS, NOW, alerts, blocks
from tools.telegram_rules import fault_of


def rendered(*content: object, title: str = "T", label: str = "") -> Rendered:
    return render_telegram(Alert("low", title, *content, protocol="aave"), now=NOW, label=label)


def only(*content: object, title: str = "T") -> MessagePart:
    (part,) = rendered(*content, title=title).parts
    return part


def marked(part: MessagePart) -> list[tuple[str, str]]:
    """Return each entity's type with the text under it, as a UTF-16 machine would cut it."""
    units = part.text.encode("utf-16-le")
    return [
        (entity.type, units[2 * entity.offset : 2 * (entity.offset + entity.length)].decode("utf-16-le"))
        for entity in part.entities
    ]


def fault(part: MessagePart) -> str:
    payload: dict[str, object] = {"chat_id": 1, "text": part.text}
    if part.entities:
        payload["entities"] = [entity.payload() for entity in part.entities]
    return fault_of(json.loads(json.dumps(payload)))


# -- entities ---------------------------------------------------------------------------------------------------------


def test_the_sign_leads_and_the_title_is_bold() -> None:
    part = only("text", title="Backing")

    assert part.text == "ℹ️ LOW aave: Backing\ntext"
    assert marked(part) == [("bold", "Backing")]


def test_offsets_count_emoji_as_two_units() -> None:
    part = only(line("🚨🚨 ", bold("𐍈 old")), title="👩‍👧")

    assert marked(part) == [("bold", "👩‍👧"), ("bold", "𐍈 old")]


def test_every_span_keeps_its_look() -> None:
    part = only(line(bold("b"), " ", code("c"), " ", link("l", "https://e.org/"), " ", usd(5)))

    assert marked(part)[1:] == [("bold", "b"), ("code", "c"), ("text_link", "l")]
    assert part.entities[3].url == "https://e.org/"


def test_a_bold_link_nests() -> None:
    part = only(line(bold("see ", link("this", "https://e.org/"))))

    assert marked(part)[1:] == [("bold", "see"), ("text_link", "this"), ("bold", "this")]
    assert fault(part) == ""


def test_code_shares_its_text_with_nothing() -> None:
    assert marked(only(line(bold(code("c")))))[1:] == [("code", "c")]


def test_a_quote_writes_links_out_because_none_may_stand_inside() -> None:
    part = only(quote("he said ", link("this", "https://e.org/"), code(" c "), bold("!")))

    assert part.text.endswith("he said this (https://e.org/) c !")
    assert [kind for kind, _ in marked(part)[1:]] == ["blockquote", "bold"]
    assert fault(part) == ""


def test_named_values_have_bold_names() -> None:
    part = only(kv({"Backing": pct(1), "Vault": addr(ADDRESS, "cUSD")}))

    assert part.text.split("\n")[1:] == ["Backing: 100%", "Vault: cUSD (0xcCcc…cccC)"]
    assert marked(part)[1:] == [("bold", "Backing"), ("bold", "Vault"), ("code", "0xcCcc…cccC")]


def test_a_table_is_aligned_in_fixed_width() -> None:
    part = only(table(["Asset", "Share"], [["USDC", pct("0.5")], ["한국", pct("0.25")]]))

    assert marked(part)[1:] == [("pre", "Asset  Share\nUSDC     50%\n한국     25%")]


def test_a_table_with_links_becomes_lines_that_can_be_clicked() -> None:
    part = only(table(["Tx", "What"], [[link("1", "https://e.org/1"), "mint"], [link("2", "https://e.org/2"), "burn"]]))

    assert part.text.split("\n")[1:] == ["Tx · What", "1 · mint", "2 · burn"]
    assert [entity.url for entity in part.entities if entity.type == "text_link"] == [
        "https://e.org/1",
        "https://e.org/2",
    ]


def test_a_block_of_code_keeps_its_indent() -> None:
    assert marked(only(code("  indented\n    more\n\n")))[1:] == [("pre", "  indented\n    more")]


def test_white_space_at_the_ends_is_left_out_where_telegram_would_trim_it() -> None:
    part = only(line("x "), line(" ", bold(" y "), " \n"), line("\n\n"), title="  T  ")

    assert part.text == "ℹ️ LOW aave: T\nx \n  y"
    assert marked(part) == [("bold", "T"), ("bold", "y")]


def test_beyond_a_hundred_entities_links_stay_and_emphasis_goes() -> None:
    part = only(line(*(bold(str(number)) for number in range(150))), line(link("here", "https://e.org/")))

    assert len(part.entities) == 100
    assert ("text_link", "here") in marked(part)
    assert "149" in part.text
    assert fault(part) == ""


# -- parts ------------------------------------------------------------------------------------------------------------


def test_a_short_alert_is_one_message_without_a_number() -> None:
    assert [part.text for part in rendered("text").parts] == ["ℹ️ LOW aave: T\ntext"]


def test_a_message_may_be_full_to_the_last_unit() -> None:
    room = 4096 - utf16_units("ℹ️ LOW aave: T (9/9)\n")

    assert len(rendered("🚨" * (room // 2)).parts) == 1
    assert len(rendered("🚨" * (room // 2) + "abc").parts) == 2


def test_length_is_counted_in_utf16_units_so_emoji_heavy_texts_are_split() -> None:
    parts = rendered("🚨" * 2500).parts

    assert len(parts) == 2
    assert all(fault(part) == "" for part in parts)


def test_whole_blocks_move_to_the_next_part_and_parts_are_numbered() -> None:
    texts = [str(number) * 1500 for number in range(5)]

    parts = rendered(*texts).parts

    assert [part.text.split("\n")[0] for part in parts] == [
        "ℹ️ LOW aave: T (1/3)",
        "ℹ️ LOW aave: T (2/3)",
        "ℹ️ LOW aave: T (3/3)",
    ]
    assert [part.text.split("\n")[1:] for part in parts] == [texts[:2], texts[2:4], texts[4:]]


def test_a_block_too_large_alone_is_cut_at_line_ends() -> None:
    lines = [f"{number:04d} " + "x" * 95 for number in range(100)]

    parts = rendered(code("\n".join(lines))).parts

    assert [part_line for part in parts for part_line in part.text.split("\n")[1:]] == lines
    assert all(marked(part)[-1][0] == "pre" for part in parts)


def test_a_line_too_large_alone_is_cut_between_characters_as_readers_see_them() -> None:
    family = "\U0001f469\u200d\U0001f469\u200d\U0001f467"

    parts = rendered(family * 1000).parts

    assert all(set(part.text.split("\n")[1].split(family)) == {""} for part in parts)
    assert "".join(part.text.split("\n")[1] for part in parts) == family * 1000


def test_a_link_across_a_cut_leads_to_the_same_address_on_both_sides() -> None:
    parts = rendered(line(bold("x" * 5000))).parts

    assert [len(text) for part in parts for kind, text in marked(part)[1:] if kind == "bold"] == [
        len(part.text.split("\n")[1]) for part in parts
    ]


def test_after_five_parts_whole_blocks_are_left_out_and_counted() -> None:
    texts = [f"{number:03d} " + "x" * 1000 for number in range(100)]

    result = rendered(*texts)
    shown = [text for part in result.parts for text in part.text.split("\n")[1:]]

    assert len(result.parts) == MAX_PARTS
    assert shown[:-1] == texts[: len(shown) - 1]
    assert result.left_out == 100 - (len(shown) - 1)
    assert shown[-1] == f"… {result.left_out} blocks are cut or left out here; the dashboard shows the whole alert."


def test_a_single_block_beyond_all_room_shows_its_beginning_and_says_so() -> None:
    result = rendered(code("\n".join(f"line {number}" for number in range(4000))))

    assert result.left_out == 1
    assert "line 0" in result.parts[0].text
    assert result.parts[-1].text.endswith("… 1 block is cut or left out here; the dashboard shows the whole alert.")


def test_a_title_of_any_length_is_told_whole() -> None:
    title = "word " * 1500

    parts = rendered("text", title=title).parts

    assert all(part.text.startswith("ℹ️ LOW aave: word word") for part in parts)
    assert sum(part.text.count("word") for part in parts) >= 1500
    assert parts[-1].text.endswith("\ntext")


def test_the_test_chat_sees_the_protocol_before_every_part() -> None:
    parts = rendered("x" * 3000, "y" * 3000, label="cap\nmoney").parts

    assert [part.text.split("\n")[0] for part in parts] == [
        "[cap money] ℹ️ LOW aave: T (1/2)",
        "[cap money] ℹ️ LOW aave: T (2/2)",
    ]


def test_the_test_chat_sees_the_protocol_once() -> None:
    assert rendered("text", label="aave").parts[0].text == "[aave] ℹ️ LOW T\ntext"


def test_a_label_without_end_leaves_room_for_the_alert() -> None:
    assert "text" in rendered("text", label="x" * 9000).parts[0].text


def test_the_same_alert_gives_the_same_parts() -> None:
    alert = Alert("high", "T", *("x" * 3000 for _ in range(4)), protocol="aave")

    assert render_telegram(alert, now=NOW) == render_telegram(Alert.from_json(alert.to_json()), now=NOW)


# -- whatever comes ---------------------------------------------------------------------------------------------------


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None)
@given(alerts(), st.sampled_from(["", "aave", "\u202ex"]))
def test_telegram_takes_any_alert(alert: Alert, label: str) -> None:
    result = render_telegram(alert, now=NOW, label=label)

    assert [fault(part) for part in result.parts] == [""] * len(result.parts)


repeated = st.builds(lambda block, times: [block] * times, blocks, st.sampled_from([1, 3, 40, 400]))
long_lines = st.builds(
    lambda text, times: [line((text or "x") * times)],
    st.text(st.characters(codec="utf-8"), max_size=20),
    st.sampled_from([200, 3000]),
)
large_blocks = st.lists(st.one_of(repeated, long_lines), max_size=4).map(lambda groups: list(itertools.chain(*groups)))


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None, max_examples=60)
@given(alerts(large_blocks))
def test_telegram_takes_any_length_and_only_whole_blocks_are_lost(alert: Alert) -> None:
    result = render_telegram(alert, now=NOW)
    shown = "".join("".join(part.text.split("\n")[1:]) for part in result.parts)

    assert [fault(part) for part in result.parts] == [""] * len(result.parts)
    assert 1 <= len(result.parts) <= MAX_PARTS
    assert bool(result.left_out) == ("cut or left out here; the dashboard" in shown)
    assert words_of_kept_blocks(alert, result) in squeezed(shown)


def words_of_kept_blocks(alert: Alert, result: Rendered) -> str:
    """Return what the blocks before the first one left out say, each rendered alone and free of white space."""
    kept = alert.blocks[: len(alert.blocks) - result.left_out]
    return squeezed("".join(body_of(block) for block in kept))


def body_of(block: object) -> str:
    parts = render_telegram(Alert("low", "T", block, protocol="aave"), now=NOW).parts
    return "".join(part.text.partition("\n")[2] for part in parts)


def squeezed(text: str) -> str:
    return "".join(text.split())


@pytest.mark.parametrize("protocol", ["", "x"])
def test_an_alert_of_nothing_is_still_a_message(protocol: str) -> None:
    part = render_telegram(
        Alert("low", "", line(""), code("\n"), table([], []), kv(), protocol=protocol), now=NOW
    ).parts[0]

    assert fault(part) == ""
    assert "without a title" in part.text
