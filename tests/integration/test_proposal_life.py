"""The life of a governor's proposal, by OpenZeppelin's contracts on a local chain, as the thread of a chat shows it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode

from monitoring.chains.abi.addresses import checksum
from monitoring.chains.abi.selectors import events
from monitoring.store.db.schema import open_database
from tests.support.anvil import Anvil
from tests.support.fake_telegram import TelegramStandIn
from tests.support.governors import DELAY_S, Ballot, Governance, governance_on
from tests.support.monitor_world import monitor_world
from tests.support.rpc_server import Provider, event_log, serving
from tests.support.told_in_chat import ToldInChat

pytestmark = pytest.mark.node


@pytest.fixture
def gov(node: Anvil) -> Governance:
    return governance_on(node)


@pytest.fixture
def chat(gov: Governance, tmp_path: Path) -> Iterator[ToldInChat]:
    file = tmp_path / "monitor.yaml"
    address = checksum(gov.governor.address)
    row = f'{{name: Gov, kind: oz_governor, chain: mainnet, address: "{address}", protocol: acme}}'
    file.write_text(f"monitor: proposals\nchains: [mainnet]\nproposals:\n  rows: [{row}]\n")
    with TelegramStandIn() as telegram:
        found = ToldInChat(gov.node, file, telegram)
        assert found.titles() == []
        yield found


def said(chat: ToldInChat) -> list[str]:
    """Look; return what each new message says of the proposal."""
    return [title.rpartition(": ")[0].partition("… ")[2] or title for title in map(_shortened, chat.titles())]


def _shortened(title: str) -> str:
    head, _, rest = title.partition("…")
    return f"{head}… {rest.partition(' ')[2]}" if rest else title


def put_to_the_vote(gov: Governance, chat: ToldInChat) -> Ballot:
    ballot = gov.ballot("Lower the delay")
    gov.propose(ballot)
    (title,) = chat.titles()
    assert title.endswith("is put to the vote: Lower the delay")
    return ballot


def test_from_the_vote_to_the_execution_all_is_one_thread(gov: Governance, chat: ToldInChat) -> None:
    ballot = put_to_the_vote(gov, chat)
    gov.pass_vote(ballot)
    (passed,) = chat.look()
    assert "has passed: Lower the delay" in passed.text
    assert "Votes: 100% for" in passed.text
    gov.queue(ballot)
    (queued,) = chat.look()
    assert "is queued for execution: Lower the delay" in queued.text
    assert chat.titles() == []
    gov.node.increase_time(DELAY_S)
    (ready,) = chat.look()
    assert "can be executed now: Lower the delay" in ready.text
    assert "updateDelay" in ready.text
    gov.execute(ballot)
    (executed,) = chat.look()
    assert "is executed: Lower the delay" in executed.text
    start, *replies = chat.telegram.messages
    assert [one.reply_to for one in replies] == [start.message_id] * 4
    gov.node.increase_time(90 * 24 * 3600)
    assert chat.titles() == []


def test_one_that_is_cancelled_is_over_and_one_that_is_defeated_is_not_reported(
    gov: Governance, chat: ToldInChat
) -> None:
    ballot = put_to_the_vote(gov, chat)
    gov.pass_vote(ballot)
    gov.queue(ballot)
    assert len(chat.look()) == 1
    gov.timelock.send("cancel", _operation(gov, ballot))
    chat.look()
    lost = gov.ballot("Nobody votes for this", 9000)
    gov.propose(lost)
    assert len(chat.look()) == 1
    gov.node.mine(60)
    assert chat.titles() == []
    assert gov.governor.call("state", gov.number(lost)) == 3, "it is defeated"
    assert _open(chat) == [] or str(gov.number(lost)) not in _open(chat), "nobody asks for it again"


def test_one_that_was_reported_before_the_update_is_followed_and_not_reported_again(
    gov: Governance, chat: ToldInChat
) -> None:
    ballot = put_to_the_vote(gov, chat)
    gov.pass_vote(ballot)
    gov.queue(ballot)
    chat.look()
    (memory,) = _memories(chat)
    assert set(memory) == {"next", "open", "seen"}, "as the release before remembers it"
    gov.node.increase_time(DELAY_S)
    (title,) = chat.titles()
    assert "can be executed now" in title


def test_one_whose_beginning_nobody_got_is_not_followed(gov: Governance, chat: ToldInChat) -> None:
    ballot = gov.ballot("Quick")
    gov.propose(ballot)
    gov.pass_vote(ballot)
    gov.queue(ballot)
    gov.execute(ballot)
    assert chat.titles() == []


def _operation(gov: Governance, ballot: Ballot) -> bytes:
    """The id under which the governor scheduled a ballot on its timelock."""
    to, values, data, hashed = ballot.hashed
    salt = bytes(a ^ b for a, b in zip(bytes.fromhex(gov.governor.address[2:]).ljust(32, b"\0"), hashed, strict=True))
    found: bytes = gov.timelock.call("hashOperationBatch", to, values, data, b"\0" * 32, salt)
    return found


def _memories(chat: ToldInChat) -> list[dict[str, object]]:
    with closing(open_database(chat.file.parent / "monitoring.db")) as database:
        rows = database.rows("SELECT data_json FROM conditions WHERE check_name = 'proposals'")
    return [json.loads(str(row[0]))["memory"] for row in rows]


def _open(chat: ToldInChat) -> list[str]:
    (memory,) = _memories(chat)
    found = memory.get("open")
    return [*found] if isinstance(found, dict) else []


BRAVO_AT = checksum("0x" + "b7" * 20)
VIEW = "proposals(uint256)(uint256,address,uint256,uint256,uint256,uint256,uint256,uint256,bool,bool)"


def created_log(number: int, block: int) -> Any:
    event = events("oz_governor")["ProposalCreated"]
    zero = "0x" + "0" * 40
    values = [number, zero, [BRAVO_AT], [0], [""], [b""], block + 10, block + 50_000, "Raise the cap"]
    data = encode([str(field.kind) for field in event.fields], values).hex()
    return event_log(block, address=BRAVO_AT, topic=event.topic) | {"topics": [event.topic], "data": "0x" + data}


def test_compound_s_governor_says_when_one_is_ready_and_when_it_expired(tmp_path: Path) -> None:
    file = tmp_path / "monitor.yaml"
    row = f'{{name: Gov, kind: compound_bravo, chain: mainnet, address: "{BRAVO_AT}", protocol: acme}}'
    file.write_text(f"monitor: proposals\nchains: [mainnet]\nproposals:\n  rows: [{row}]\n")
    provider = Provider(head=300_000, head_time=time.time, logs=[created_log(7, 299_990)])
    state = (BRAVO_AT, "state(uint256)(uint8)")
    zero = "0x" + "0" * 40
    with serving(provider) as urls:
        world = monitor_world(file, {"PROVIDER_URL_MAINNET": urls[0]})

        def then(number: int, eta: int) -> list[str]:
            provider.views[state] = number
            provider.views[BRAVO_AT, VIEW] = (7, zero, eta, 1, 2, 600, 200, 200, False, False)
            provider.head += 100
            return [one.text for one in world.run().told]

        later = int(time.time()) + 10**6
        (put,) = then(1, 0)
        assert "proposal 7 is put to the vote: Raise the cap" in put
        (passed,) = then(4, 0)
        assert "Votes: 60% for, 20% against, 20% abstained" in passed
        assert then(5, later) == []
        (ready,) = then(5, later - 2 * 10**6)
        assert "proposal 7 can be executed now: Raise the cap" in ready
        assert then(5, later - 2 * 10**6) == []
        (expired,) = then(6, later)
        assert "proposal 7 expired: it was not executed in time: Raise the cap" in expired
        before = provider.count("eth_call")
        assert then(6, later) == []
        assert provider.count("eth_call") == before, "nobody asks for what is over"
