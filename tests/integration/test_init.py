"""`init` as a new user meets it: by flags and on a terminal, with a stand-in for Telegram and a checkout of its own."""

from __future__ import annotations

import json
import re
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from monitoring.base.env_file import read_env_file
from monitoring.chains.abi.addresses import checksum
from monitoring.checks.builtin import TYPES
from monitoring.checks.config.load import load_monitor
from monitoring.checks.engine.formula_checks import FormulaPart
from tests.support.anvil import Anvil
from tests.support.fake_telegram import BOT_TOKEN, CHAT, TelegramStandIn
from tests.support.first_chain import ASSET, VAULT, first_chain
from tests.support.host import Host
from tests.support.safes import CURATION
from tests.support.terminal import Terminal
from tests.support.timelocks import YEARN

PATIENCE_S = 60
JOBS = """\
profiles:
  hourly:
    cron: "5 * * * *"
    tasks: [{name: host, monitors: [protocols/host/monitor.yaml]}]
"""
FIRES = """\
from utils.monitor import HIGH, monitor

@monitor("acme")
def main(m):
    m.limit("size", 5, below=10, severity=HIGH)

main()
"""


@pytest.fixture
def telegram() -> Iterator[TelegramStandIn]:
    with TelegramStandIn(tokens=[BOT_TOKEN], chats=[CHAT, "42"]) as running:
        yield running


@pytest.fixture
def host(tmp_path: Path, telegram: TelegramStandIn) -> Host:
    made = Host(tmp_path)
    made.jobs(JOBS)
    del made.environ["MONITORING_ENV_FILE"]
    made.environ |= {"TELEGRAM_API_URL": telegram.url, "NEW_BOT": BOT_TOKEN}
    return made


def env_file(host: Host) -> Path:
    return host.checkout / ".env"


def init(host: Host, *flags: str, stdin: str | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        host.command("init", "--env-file", str(env_file(host)), *flags), cwd=host.checkout,
        env={**host.environ, **environ}, input=stdin, stdin=None if stdin is not None else subprocess.DEVNULL,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def terminal_of(host: Host, *flags: str) -> Terminal:
    return Terminal(host.command("init", "--env-file", str(env_file(host)), *flags), host.checkout, host.environ)


def message(chat_id: int, text: str = "hello", **more: Any) -> dict[str, Any]:
    kind = "private" if chat_id > 0 else "supergroup"
    chat = {"id": chat_id, "type": kind, "title": "On call", "first_name": "Ann"}
    return {
        "update_id": 1,
        "message": {"chat": chat, "from": {"first_name": "Ann", "username": "ann"}, "text": text, **more},
    }


def test_by_flags_alone_the_env_file_is_written_and_a_drill_arrives(host: Host, telegram: TelegramStandIn) -> None:
    done = init(host, "--bot-token-env", "NEW_BOT", "--chat", CHAT)

    assert done.returncode == 0, done.stdout + done.stderr
    values = read_env_file(env_file(host)).values
    assert values == {"TELEGRAM_BOT_TOKEN_DEFAULT": BOT_TOKEN, "TELEGRAM_CHAT_ID_DEFAULT": CHAT}
    assert stat.S_IMODE(env_file(host).stat().st_mode) == 0o600
    (arrived,) = telegram.messages
    assert (arrived.chat_id, "DRILL" in arrived.text) == (CHAT, True)
    assert "no mistakes" in done.stdout
    assert re.search(r"hourly +5 \* \* \* \* +1/1 +\d{4}-", done.stdout)
    assert BOT_TOKEN not in done.stdout + done.stderr


def test_the_token_may_come_from_stdin(host: Host) -> None:
    done = init(host, "--bot-token-stdin", "--chat", CHAT, stdin=BOT_TOKEN + "\n")

    assert done.returncode == 0, done.stdout + done.stderr
    assert read_env_file(env_file(host)).values["TELEGRAM_BOT_TOKEN_DEFAULT"] == BOT_TOKEN


@pytest.mark.ci
def test_what_is_there_stays_and_a_second_time_nothing_changes(host: Host) -> None:
    env_file(host).write_text("# mine\nTELEGRAM_CHAT_ID_AAVE=-1\n")
    assert init(host, "--bot-token-env", "NEW_BOT", "--chat", CHAT).returncode == 0
    before = env_file(host).read_text()

    again = init(host)

    assert again.returncode == 0, again.stderr
    assert "nothing to change" in again.stdout
    assert env_file(host).read_text() == before
    assert before.startswith("# mine\nTELEGRAM_CHAT_ID_AAVE=-1\n")
    assert init(host, "--chat", "42").returncode == 0
    assert env_file(host).read_text() == before.replace(CHAT, "42")


def test_a_dry_run_shows_the_files_without_the_token_and_writes_nothing(host: Host, telegram: TelegramStandIn) -> None:
    before = sorted(host.checkout.rglob("*"))

    done = init(host, "--bot-token-env", "NEW_BOT", "--chat", CHAT, "--dry-run")

    assert done.returncode == 0
    assert f"TELEGRAM_CHAT_ID_DEFAULT={CHAT}" in done.stdout
    assert "TELEGRAM_BOT_TOKEN_DEFAULT=(hidden)" in done.stdout
    assert f"state: {host.cache} (no database yet)" in done.stdout
    assert BOT_TOKEN.partition(":")[2] not in done.stdout
    assert sorted(host.checkout.rglob("*")) == before
    assert telegram.messages == []


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("1234567:AAwrong_token_of_somebody_else_00000000", "Telegram refuses this token"),
        ("hello", "this is not a bot token"),
        ("", "--bot-token-env WRONG: this variable is not set or empty"),
    ],
)
def test_a_wrong_token_is_refused_and_nothing_is_written(host: Host, token: str, words: str) -> None:
    done = init(host, "--bot-token-env", "WRONG", "--chat", CHAT, WRONG=token)

    assert done.returncode == 2
    assert words in done.stderr
    assert not token or token not in done.stderr
    assert not env_file(host).exists()


def test_a_chat_that_the_bot_cannot_see_is_refused_with_the_remedy(host: Host) -> None:
    done = init(host, "--bot-token-env", "NEW_BOT", "--chat", "-100999")

    assert done.returncode == 2
    assert "the bot cannot see chat -100999" in done.stderr
    assert "add the bot to the group" in done.stderr
    assert not env_file(host).exists()


@pytest.mark.ci
def test_a_topic_gets_the_digest_and_the_chat_the_rest(host: Host) -> None:
    assert init(host, "--bot-token-env", "NEW_BOT", "--chat", CHAT, "--topic", "7").returncode == 0

    values = read_env_file(env_file(host)).values
    assert values["TELEGRAM_TOPIC_ID_AUTOMATION"] == "7"
    assert values["TELEGRAM_CHAT_ID_TOPICS"] == values["TELEGRAM_CHAT_ID_DEFAULT"] == CHAT


@pytest.mark.ci
def test_on_a_terminal_it_asks_finds_the_chat_shows_it_and_asks_before_it_uses_it(
    host: Host, telegram: TelegramStandIn
) -> None:
    telegram.updates = [message(-100666), message(int(CHAT), message_thread_id=7, is_topic_message=True)]
    terminal = terminal_of(host)

    terminal.until("@BotFather|BotFather")
    terminal.answer("Bot token.*: ", BOT_TOKEN)
    terminal.until("@stand_in_bot")
    terminal.answer(rf"Found supergroup 'On call' \(id {CHAT}, topic 7, last message by Ann \(@ann\)\).*: ", "y")
    terminal.answer("Address or URL.*: ", "")
    terminal.answer("Run the shipped examples too.*: ", "y")
    terminal.answer("Write this.*: ", "y")

    assert terminal.end() == 0, terminal.shown
    assert BOT_TOKEN not in terminal.shown
    values = read_env_file(env_file(host)).values
    assert values["TELEGRAM_TOPIC_ID_AUTOMATION"] == "7"
    assert values["TELEGRAM_CHAT_ID_DEFAULT"] == CHAT
    assert [one.chat_id for one in telegram.messages] == [CHAT]
    asked = [request.body for request in telegram.requests if request.path.endswith("/getUpdates")]
    assert asked
    assert not [body for body in asked if b"offset" in body], "an update was confirmed: its reader would miss it"


@pytest.mark.ci
@pytest.mark.parametrize("reader", ["webhook", "another program"])
def test_updates_of_a_bot_that_somebody_else_reads_are_not_read(
    host: Host, telegram: TelegramStandIn, reader: str
) -> None:
    telegram.updates = [message(-100666)]
    telegram.webhook = "https://example.org/hook" if reader == "webhook" else ""
    telegram.read_elsewhere = reader != "webhook"
    terminal = terminal_of(host)

    terminal.answer("Bot token.*: ", BOT_TOKEN)
    terminal.until("has a webhook" if reader == "webhook" else "another program reads this bot's updates")
    terminal.answer("Chat id.*: ", CHAT)
    terminal.answer("Address or URL.*: ", "")
    terminal.answer("Run the shipped examples too.*: ", "y")
    terminal.answer("Write this.*: ", "")

    assert terminal.end() == 0, terminal.shown
    reads = [request for request in telegram.requests if request.path.endswith("/getUpdates")]
    assert len(reads) == (0 if reader == "webhook" else 1)


@pytest.mark.ci
def test_no_for_an_answer_writes_nothing(host: Host, telegram: TelegramStandIn) -> None:
    terminal = terminal_of(host, "--chat", CHAT, "--bot-token-env", "NEW_BOT")

    terminal.answer("Address or URL.*: ", "")
    terminal.answer("Run the shipped examples too.*: ", "y")
    terminal.answer("Write this.*: ", "n")

    assert terminal.end() == 0
    assert not env_file(host).exists()
    assert telegram.messages == []


@pytest.mark.ci
def test_a_title_of_a_stranger_is_one_clean_short_line(host: Host, telegram: TelegramStandIn) -> None:
    evil = message(int(CHAT))
    evil["message"]["chat"]["title"] = "\x1b[2J\r\nyes\n" + "x" * 5000
    telegram.updates = [evil, {"message": 7}, 3, {"message": {"chat": {"id": "x"}}}]  # type: ignore[list-item]
    terminal = terminal_of(host)

    terminal.answer("Bot token.*: ", BOT_TOKEN)
    terminal.answer("Found supergroup .*: ", "n")
    terminal.stop()
    terminal.end()

    assert "\x1b[2J" not in terminal.shown
    assert "x" * 100 not in terminal.shown


def test_without_anything_to_do_it_says_what_waits(host: Host) -> None:
    done = init(host)

    assert done.returncode == 0, done.stderr
    assert "No drill was sent: there is no bot or no chat yet" in done.stdout


@pytest.mark.ci
def test_alerts_that_wait_from_before_are_announced_and_not_sent_against_a_no(
    host: Host, telegram: TelegramStandIn
) -> None:
    host.profile({"acme": FIRES})
    host.automation("run", "hourly")
    flags = ("--chat", CHAT, "--bot-token-env", "NEW_BOT")
    terminal = terminal_of(host, *flags)

    terminal.answer("Address or URL.*: ", "")
    terminal.answer("Run the shipped examples too.*: ", "")
    terminal.until(r"monitoring.db, 1 alert waiting from before")
    terminal.answer("Send what waits from before.*: ", "n")

    assert terminal.end() == 0, terminal.shown
    assert not env_file(host).exists()
    assert telegram.messages == []
    done = init(host, *flags, "--yes")
    assert "1 alert from before will be sent: it goes to this chat" in done.stdout


@pytest.fixture(scope="module")
def mainnet() -> Iterator[Anvil]:
    with first_chain() as node:
        yield node


def own_jobs(host: Host) -> str:
    return (host.checkout / "automation/jobs.d/own.yaml").read_text()


@pytest.mark.ci
@pytest.mark.parametrize(
    ("wish", "name", "words"),
    [
        (f"safe:mainnet:{CURATION}", "treasury", "Safe 1.4.1, 1 of 1 owner"),
        (f"timelock:mainnet:{YEARN}", "delay", "timelock (oz_timelock_controller), delay 2d"),
        (f"vault:mainnet:{VAULT}", "our-vault", "vault vUSDC of USDC"),
        (f"token:mainnet:{ASSET}", "usdc2", "token USDC, 6 decimals"),
        (f"contract:mainnet:{VAULT}", "any", "vault vUSDC of USDC"),
    ],
)
def test_what_is_watched_is_read_from_the_chain_and_written_with_its_drill(
    host: Host, mainnet: Anvil, wish: str, name: str, words: str
) -> None:
    done = init(host, "--rpc", f"mainnet={mainnet.url}", "--watch", wish, "--name", name, "--examples", "off")

    assert done.returncode == 0, done.stdout + done.stderr
    assert words in done.stdout
    assert "with old state (archive); logs of 100,000 blocks at once" in done.stdout
    monitor = host.checkout / f"protocols/{name}/monitor.yaml"
    assert load_monitor(monitor, TYPES).parts()
    if formulas(monitor):
        assert (host.checkout / f"protocols/{name}/drill.yaml").exists()
    assert "examples: off" in own_jobs(host)
    assert f"monitors: [protocols/{name}/monitor.yaml]" in own_jobs(host)
    assert read_env_file(env_file(host)).values["PROVIDER_URL_MAINNET"] == mainnet.url
    ran = host.automation("run", "multisig" if name == "treasury" else "hourly", PROVIDER_URL_MAINNET=mainnet.url)
    # Of a Safe only the queue has no data: nobody plays the Safe service here.
    expected = "1 no data (safe service 1)" if name == "treasury" else " 0 no data"
    summary = re.search(r"(?m)^(hourly|multisig): .*", ran.stderr)
    assert summary, ran.stderr
    assert expected in summary[0], ran.stderr


def formulas(monitor: Path) -> bool:
    return any(isinstance(part, FormulaPart) for part in load_monitor(monitor, TYPES).parts())


@pytest.mark.ci
def test_a_second_watch_joins_the_first_and_neither_is_written_twice(host: Host, mainnet: Anvil) -> None:
    first = ["--watch", f"vault:mainnet:{VAULT}", "--name", "our-vault"]
    second = ["--watch", f"safe:mainnet:{CURATION}", "--name", "treasury"]
    assert init(host, "--rpc", f"mainnet={mainnet.url}", *first).returncode == 0
    jobs = host.checkout / "automation/jobs.d/own.yaml"
    jobs.write_text(jobs.read_text() + "# mine\n")
    file = host.checkout / "protocols/our-vault/monitor.yaml"
    file.write_text(file.read_text().replace("20%", "30%"))

    # the environment of a test names an endpoint that is down, and the environment wins
    done = init(host, *first, *second, PROVIDER_URL_MAINNET=mainnet.url)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "protocols/our-vault watches it already" in done.stdout
    assert "30%" in file.read_text()
    text = jobs.read_text()
    assert text.endswith("# mine\n")
    assert text.count("our-vault") == 2  # its name and its file
    assert "treasury" in text
    again = init(host, *first, *second, PROVIDER_URL_MAINNET=mainnet.url)
    assert "nothing to change" in again.stdout


@pytest.mark.ci
@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ("safe:marsnet:0x" + "1" * 40, "chain 'marsnet' is not known"),
        ("safe:mainnet:0x12", "is not an address"),
        (f"safe:mainnet:{CURATION[:-1]}2", "wrong checksum"),
        ("save:mainnet:0x", "did you mean safe?"),
        ("safe:mainnet", "--watch takes KIND:CHAIN:ADDRESS"),
        (f"safe:mainnet:{checksum('0x' + '77' * 20)}", "has no code on mainnet"),
        (f"safe:mainnet:{VAULT}", "is a vault and not a safe: write vault: in place of safe:"),
        ("http:ftp://x", "does not begin with https://"),
    ],
)
def test_what_cannot_be_watched_is_refused_in_a_sentence_and_nothing_is_written(
    host: Host, mainnet: Anvil, wish: str, words: str
) -> None:
    done = init(host, "--watch", wish, "--name", "x", PROVIDER_URL_MAINNET=mainnet.url)

    assert done.returncode == 2
    assert words in done.stderr
    assert not (host.checkout / "protocols/x").exists()


def test_an_endpoint_of_another_chain_is_refused(host: Host, mainnet: Anvil) -> None:
    done = init(host, "--rpc", f"base={mainnet.url}")

    assert done.returncode == 2
    assert "is on another chain: 1 instead of 8453" in done.stderr


def test_a_name_that_is_taken_is_refused(host: Host, mainnet: Anvil) -> None:
    done = init(host, "--watch", f"vault:mainnet:{VAULT}", "--name", "aave", PROVIDER_URL_MAINNET=mainnet.url)

    assert done.returncode == 2
    assert "protocols/aave is there already and watches something else: give another --name" in done.stderr


def test_a_url_with_a_key_in_it_goes_into_the_env_file_alone(host: Host) -> None:
    url = "https://api.example.org/health?key=abcdef0123456789"

    done = init(host, "--watch", f"http:{url}", "--name", "api")

    assert done.returncode == 0, done.stdout + done.stderr
    assert read_env_file(env_file(host)).values["API_URL"] == url
    assert "abcdef0123456789" not in (host.checkout / "protocols/api/monitor.yaml").read_text() + done.stdout


@pytest.mark.ci
def test_on_a_terminal_an_address_is_enough(host: Host, telegram: TelegramStandIn, mainnet: Anvil) -> None:
    telegram.updates = [message(42)]
    del host.environ["PROVIDER_URL_MAINNET"]
    terminal = terminal_of(host)

    terminal.answer("Bot token.*: ", BOT_TOKEN)
    terminal.answer(r"Found private .*: ", "y")
    terminal.answer("Address or URL.*: ", VAULT)
    terminal.answer(r"Chain \[mainnet\]: ", "")
    terminal.answer("Your RPC endpoint for Ethereum.*: ", mainnet.url)
    terminal.until("vault vUSDC of USDC")
    terminal.answer(r"Name \[vusdc\]: ", "")
    terminal.answer("Address or URL.*: ", "")
    terminal.answer(r"Run the shipped examples too\?.*: ", "")
    terminal.answer("Write this.*: ", "")

    assert terminal.end() == 0, terminal.shown
    assert "examples: off" in own_jobs(host)
    assert load_monitor(host.checkout / "protocols/vusdc/monitor.yaml", TYPES).name == "vusdc"
    assert terminal.inputs == 9


def test_probe_says_who_controls_a_vault_and_prints_what_would_watch_it(host: Host, mainnet: Anvil) -> None:
    person = checksum(mainnet.accounts[0])
    shown = host.automation("probe", VAULT, "--chain", "1", PROVIDER_URL_MAINNET=mainnet.url)
    machine = host.automation("probe", VAULT, "--json", PROVIDER_URL_MAINNET=mainnet.url)

    assert shown.returncode == machine.returncode == 0, shown.stderr + machine.stderr
    safe = f"  owner: {CURATION}\n    Safe 1.4.1, 1 of 1 owner\n    owner: {person}\n      account without code"
    assert f"{VAULT} on Ethereum\n  vault vUSDC of USDC\n  asset: {ASSET}\n{safe}" in shown.stdout
    command = shown.stdout.rpartition("are formulas):\n")[2].replace("\\\n", "").split()[4:]
    assert command[:2] == ["--watch", f"vault:mainnet:{VAULT}"]
    assert f"safe:mainnet:{CURATION}" in command
    found = json.loads(machine.stdout)
    assert found["contracts"][CURATION]["owners"] == [person]
    assert set(found["monitors"]) == {"vusdc", "safe-90d0f2"}
    assert max(map(len, shown.stdout.partition("\nprotocols/")[0].splitlines())) <= 80


def test_probe_of_an_account_and_of_a_chain_that_cannot_be_read(host: Host, mainnet: Anvil) -> None:
    account = host.automation("probe", checksum(mainnet.accounts[0]), PROVIDER_URL_MAINNET=mainnet.url)
    unread = host.automation("probe", CURATION)

    assert account.returncode == 0
    assert account.stdout.endswith("account without code (a person, or a machine with a key)\n")
    assert unread.returncode == 2
    assert "give an endpoint of your own (PROVIDER_URL_MAINNET, or init --rpc mainnet=URL)" in unread.stderr


@pytest.mark.ci
def test_an_address_alone_is_one_of_mainnet_and_is_not_watched_twice(host: Host, mainnet: Anvil) -> None:
    environ = {"PROVIDER_URL_MAINNET": mainnet.url}
    assert init(host, "--watch", CURATION, "--name", "treasury", **environ).returncode == 0

    again = init(host, "--watch", f"safe:mainnet:{CURATION}", "--name", "other", **environ)
    probed = host.automation("probe", VAULT, **environ)

    assert "protocols/treasury watches it already" in again.stdout, again.stderr
    assert "nothing to change" in again.stdout
    assert f"{CURATION}: protocols/treasury watches it already" in probed.stdout
    assert f"--watch safe:mainnet:{CURATION}" not in probed.stdout
    assert f"--watch vault:mainnet:{VAULT}" in probed.stdout


@pytest.mark.ci
def test_on_a_narrow_terminal_the_rows_of_probe_can_still_be_copied(host: Host, mainnet: Anvil, tmp_path: Path) -> None:
    environ = {**host.environ, "PROVIDER_URL_MAINNET": mainnet.url, "COLUMNS": "80"}
    terminal = Terminal(host.command("probe", CURATION), host.checkout, environ)

    assert terminal.end() == 0, terminal.shown
    rows = terminal.shown.replace("\r", "").partition("monitor.yaml:\n")[2].partition("\n\n")[0]
    (tmp_path / "monitor.yaml").write_text("".join(f"{line[2:]}\n" for line in rows.splitlines()))
    assert {part.key.subject for part in load_monitor(tmp_path / "monitor.yaml", TYPES).parts()} == {CURATION.lower()}
    assert f"--watch safe:mainnet:{CURATION} --name" in terminal.shown
