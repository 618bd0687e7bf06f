"""B.1: a merge that imports and validates, and breaks what every run needs.

Input: one commit of each kind on origin's main, then the next good one. Right: the commit never becomes what runs.
Every tick keeps its row and its checks, the chat hears of the commit once, with the reason, and once more when the
good one has landed, which needs nobody at the host.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.bad_commits import REFUSED, TAKEN_BACK
from tests.support.fake_telegram import BOT_TOKEN, CHAT, TelegramStandIn
from tests.support.following import Following

pytestmark = [pytest.mark.case("B.1"), pytest.mark.ci]


@pytest.fixture
def telegram() -> Iterator[TelegramStandIn]:
    with TelegramStandIn() as stand_in:
        yield stand_in


@pytest.fixture
def followed(tmp_path: Path, telegram: TelegramStandIn) -> Following:
    found = Following(tmp_path)
    found.host.environ |= {
        "TELEGRAM_API_URL": telegram.url,
        "TELEGRAM_BOT_TOKEN_DEFAULT": BOT_TOKEN,
        "TELEGRAM_CHAT_ID_DEFAULT": CHAT,
    }
    return found


@pytest.mark.parametrize("kind", REFUSED)
def test_it_is_refused_with_one_message_and_the_next_good_commit_heals(
    followed: Following, telegram: TelegramStandIn, kind: str
) -> None:
    bad = REFUSED[kind]
    good = bad.apply(followed.author)
    commit = followed.push("bad")
    for _ in range(2):
        assert "look | revision one" in followed.run()
    (message,) = telegram.messages
    assert f"Commit {commit[:12]} is refused" in message.text
    assert bad.why in message.text
    path = followed.author / bad.path
    path.write_text(good) if good else path.unlink()
    followed.write("protocols/test/look.py", "print('revision two')")
    fixed = followed.push("good")
    for _ in range(2):
        assert "look | revision two" in followed.run()
    assert [fixed[:12] in message.text for message in telegram.messages] == [False, True]
    assert followed.host.rows("SELECT status FROM runs") == [("ok",)] * 4, "every tick has its row"


@pytest.mark.parametrize("kind", TAKEN_BACK)
def test_what_dies_only_on_the_host_is_taken_back_in_the_same_tick(
    followed: Following, telegram: TelegramStandIn, kind: str
) -> None:
    bad = TAKEN_BACK[kind]
    followed.write("notes", "")
    before = followed.push("start")
    followed.run()
    good = bad.apply(followed.author)
    commit = followed.push("bad")
    for _ in range(2):
        assert "look | revision one" in followed.run()
    (message,) = telegram.messages
    assert f"Commit {commit[:12]} was taken back, {before[:12]} runs again" in message.text
    assert bad.why in message.text
    (followed.author / bad.path).write_text(good)
    followed.write("protocols/test/look.py", "print('revision two')")
    fixed = followed.push("good")
    for _ in range(2):
        assert "look | revision two" in followed.run()
    assert [fixed[:12] in message.text for message in telegram.messages] == [False, True]
    ran = followed.host.rows("SELECT revision FROM runs WHERE status = 'ok' ORDER BY id")
    assert ran == [(before,), (before,), (before,), (fixed,), (fixed,)], "every tick ran"
