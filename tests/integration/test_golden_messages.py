"""All messages in files that a person can read, made again and compared: tests/golden/messages.txt and people.txt.

After a change of a text: `REWRITE_GOLDEN=1 python -m pytest tests/integration/test_golden_messages.py`, then read it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from tests.support import golden_people
from tests.support.golden_messages import messages, text_of

GOLDEN = Path(__file__).parents[1] / "golden" / "messages.txt"
PEOPLE = GOLDEN.with_name("people.txt")
_LINE_NUMBER = re.compile(r"line \d+")
# What a signer compares with a wallet, digit by digit, and the key of one transaction, to copy: the only whole hashes.
_TO_COMPARE = re.compile(
    r"^(Hash to sign|Domain hash|Message hash|python -m automation safe-hash|Mute: .* --key safe-transaction)\b.*\n",
    re.MULTILINE,
)


def test_every_message_reads_as_the_file_says(tmp_path: Path) -> None:
    text = _LINE_NUMBER.sub("line N", text_of(messages, tmp_path))
    if os.environ.get("REWRITE_GOLDEN"):
        GOLDEN.write_text(text, encoding="utf-8")

    assert text == GOLDEN.read_text(encoding="utf-8")


def test_what_people_read_and_answer_is_as_the_file_says(tmp_path: Path) -> None:
    text = text_of(golden_people.messages, tmp_path)
    if os.environ.get("REWRITE_GOLDEN"):
        PEOPLE.write_text(text, encoding="utf-8")

    assert text == PEOPLE.read_text(encoding="utf-8")


def test_no_message_says_what_no_message_may_say() -> None:
    text = _TO_COMPARE.sub("", GOLDEN.read_text(encoding="utf-8"))

    assert not re.search(r"Recovered: |missed by: -|e\+\d\d|127\.0\.0\.1|0x[0-9a-f]{64}|\btold\b|\bblind\b", text)
    firsts = [after.split("\n")[0] for after in re.split(r"\n\n", text) if not after.startswith(("===", "Mute: "))]
    assert all(
        re.match(r"(✅|(ℹ️|⚠️|🚨|🔴) (LOW|MEDIUM|HIGH|CRITICAL)) ((host|automation) )?\S+: ", line)
        for line in firsts
        if line
    )
