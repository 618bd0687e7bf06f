"""`make demo`: a day of the whole system, on a local chain, with stand-ins for the destinations; shown step by step.

Everything it starts ends with it, everything it writes lies in .cache/demo. Exit 0 only if what it shows is true.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from automation.cli.commands import command_names
from automation.cli.layout import fold
from monitoring.base.secrets.declared import is_kept_from_tasks
from monitoring.store.db.database import Database
from tests.support import anvil
from tools.demo_chain import World, open_world
from tools.demo_story import CHAIN_JOBS_TEXT, CHAT, ESCALATION_TEXT, FILES, MENDED, ON_CALL_TEXT, STEPS, Step
from tools.telegram_stand_in import Received, TelegramStandIn

CHECKOUT = Path(__file__).resolve().parents[1]
HOME = CHECKOUT / ".cache" / "demo"
JOBS = HOME / "jobs.yaml"
ON_CALL = HOME / "on_call.yaml"
STEP_LIMIT_S = 60
STOP_LIMIT_S = 15
_ASKED_AFTER_S = 61.0  # of on_call.yaml, and a second
_CODE = re.compile(r"\x1b\[\d+m")
INTERRUPTED, TERMINATED = 130, 143  # a shell's 128 + the signal
# What a developer's own environment must not bring in: the demo sends nothing to anybody.
OURS = (
    "ALERTS_", "AUTOMATION_", "CACHE_", "DEFILLAMA_", "LOG_LEVEL", "NONCE_", "PROVIDER_", "SAFE_",
)  # fmt: skip


@dataclass
class Demo:
    """What the steps share; `wrong` collects everything that was not as it should be."""

    telegram: TelegramStandIn
    environ: dict[str, str]
    world: World | None = None
    wrong: list[str] = field(default_factory=list)
    started_s: float = field(default_factory=time.monotonic)
    commands: int = 0
    shown: int = 0
    lost_at_s: float = 0.0

    # -- the steps ----------------------------------------------------------------------------------------------------

    def play(self) -> None:
        with contextlib.ExitStack() as reading:
            is_read = False
            for step in STEPS:
                if step.verb in command_names() and (self.world or not step.needs_chain):
                    if step.is_chat_read and not is_read:
                        reading.enter_context(self.reading_the_chat())
                    elif is_read and not step.is_chat_read:
                        reading.close()
                    is_read = step.is_chat_read
                    self.take(step)

    def take(self, step: Step) -> None:
        self.commands += 1
        title(f"{self.commands}. {step.why}")
        if self.world:
            self.world.go_on()
        self.happen(step.first)
        command = f"python -m automation --config {JOBS.relative_to(CHECKOUT)} {step.command}"
        say(bold(f"$ {command}"))
        started = time.monotonic()
        code, lines = run([sys.executable, *command.split()[1:]], self.environ)
        say(dim(f"exit {code} after {time.monotonic() - started:.1f} s"))
        if code not in step.right:
            self.wrong.append(f"`{step.command}` ended with {code}, not {' or '.join(map(str, step.right))}")
        if not all(any(words in line for line in lines) for words in step.says):
            self.wrong.append(f"`{step.command}` does not say {' and '.join(step.says)}")
        self.hear(step)

    def happen(self, what: str) -> None:
        if what == "repair the day":
            for name, text in MENDED.items():
                (HOME / name).write_text(text)
        elif what == "name people":
            ON_CALL.write_text(ON_CALL_TEXT)
        elif what == "ask after a minute":
            ON_CALL.write_text(ON_CALL_TEXT + ESCALATION_TEXT)
            time.sleep(max(0.0, self.lost_at_s + _ASKED_AFTER_S - time.monotonic()))
        elif what == "tap I have it":
            self.tap("I have it", "less than it owes")
        elif what and self.world:
            self.lost_at_s = time.monotonic() if what == "lose money" else self.lost_at_s
            say(f"In the world: {self.world.happen(what)}.")

    @contextlib.contextmanager
    def reading_the_chat(self) -> Iterator[None]:
        """Let `listen` run, from when it waits for what people do."""
        before = self.polls()
        command = [sys.executable, "-m", "automation", "--config", str(JOBS), "listen"]
        with subprocess.Popen(command, cwd=CHECKOUT, env=self.environ, stderr=subprocess.DEVNULL) as reader:
            try:
                self.telegram.wait_for(lambda: self.polls() > before + 1)
                yield
            finally:
                reader.terminate()

    def polls(self) -> int:
        return sum(request.path.endswith("/getUpdates") for request in self.telegram.requests)

    def tap(self, label: str, words: str) -> None:
        """Tap a button of the message with these words, and show what it says then."""
        found = [(each, button) for each in self.telegram.messages if words in each.text for button in buttons(each)]
        data, message = next(((one["callback_data"], each) for each, one in found if one["text"] == label), ("", None))
        if message is None:
            self.wrong.append(f"no message has a button {label!r}")
            return
        say(f"In the chat: somebody taps *{label}* under message {message.message_id}.")
        self.telegram.tap(CHAT, data, message)
        if not self.telegram.wait_for(lambda: any("✋" in each.text for each in self.telegram.edits)):
            self.wrong.append("no message shows who has the incident")
            return
        say(green(f"Message {self.telegram.edits[-1].message_id} says now:"))
        say(self.telegram.edits[-1].text, before=green("  ┃ "))

    def hear(self, step: Step) -> None:
        """Show what Telegram received since the last look, and hold it against what the step says."""
        heard = [message.text for message in self.telegram.messages[self.shown :]]
        for message in self.telegram.messages[self.shown :]:
            how = "silently" if message.silent else "with sound"
            reply = f", a reply to message {message.reply_to}" if message.reply_to else ""
            say(green(f"Telegram received message {message.message_id}, {how}{reply}:"))
            say(message.text, before=green("  ┃ "))
            if buttons(message):
                say(bold("  ".join(f"[ {button['text']} ]" for button in buttons(message))), before=green("  ┃ "))
        self.shown = len(self.telegram.messages)
        if step.verb == "run" and bool(heard) is not bool(step.hears):
            self.wrong.append(f"`{step.command}` sent {len(heard)} messages: {step.why}")
        self.wrong += [
            f"`{step.command}`: no message says {words!r}"
            for words in step.hears
            if not any(words in one for one in heard)
        ]

    def join(self, world: World) -> None:
        """Point the demo at its world."""
        self.world = world
        self.environ |= {"PROVIDER_URL_MAINNET": world.gateway.url, "PROVIDER_PUBLIC": "off"}
        self.environ |= {"SAFE_SERVICE_URL": world.safes.url, "DEFILLAMA_URL": world.market.url}
        with JOBS.open("a") as jobs:
            jobs.write(CHAIN_JOBS_TEXT)
        say(f"A local chain answers at {world.node.url}; its timelock, Safe and vault have their real addresses.")

    # -- the truth ----------------------------------------------------------------------------------------------------

    def verify(self) -> None:
        """Hold the database and the messages against what must be there."""
        title("What is now in the database, and whether it is what it should be")
        with Database(HOME / "state" / "monitoring.db", readonly=True) as database:
            runs = database.rows("SELECT id, profile, status, exit_code, reason FROM runs ORDER BY id")
            tasks = database.rows("SELECT run_id, name, status, reason FROM task_runs ORDER BY id")
            alerts = database.rows("SELECT source, severity, message, delivery_status FROM alert_events ORDER BY id")
        for number, profile, status, code, reason in runs:
            say(f"run {number}  {profile:<9} {status:<7} exit {code}  {dim(reason)}")
            for run_id, name, task_status, task_reason in tasks:
                if run_id == number:
                    say(f"         task {name:<9} {task_status:<7} {dim(task_reason)}")
        for source, severity, message, delivery_status in alerts:
            say(f"alert    {severity:<8} {source:<17} {delivery_status:<9} {message.splitlines()[0][:70]}")
        say()
        self.check_runs([(profile, status) for _, profile, status, *_ in runs])
        self.check_alerts(alerts)

    def check_runs(self, runs: list[tuple[str, str]]) -> None:
        expected = [("daily", "failed"), ("daily", "failed"), ("daily", "ok")]
        if self.world:
            hourly = [step.right == (0,) for step in STEPS if step.command == "run hourly"]
            expected += [("hourly", "ok" if right else "failed") for right in hourly]
            expected += [("multisig", "ok") for step in STEPS if step.command == "run multisig"]
        self.check("every run has its row, and what broke is reported", sorted(runs) == sorted(expected))

    def check_alerts(self, alerts: list[tuple[str, str, str, str]]) -> None:
        digests = [
            message
            for source, _, message, status in alerts
            if source == "automation_digest" and status == "delivered" and "daily: " in message
        ]
        self.check("one digest names the broken task, one says that all is well again", len(digests) == 2)  # noqa: PLR2004
        disk = sum("of the disk is free" in message for _, _, message, _ in alerts)
        self.check("the full disk was reported once, and once that it is over", disk == 2)  # noqa: PLR2004
        unsent = [status for *_, status in alerts if status not in ("delivered", "not_attempted")]
        self.check(
            "every alert was delivered" + (", but the silenced one" if self.world else ""),
            unsent == (["silenced"] if self.world else []),
        )
        if self.world:
            self.check_chain([message for *_, message, _ in alerts])

    def check_chain(self, messages: list[str]) -> None:
        assert self.world is not None
        sent = [message.text for message in self.telegram.messages]
        stored = sum(f"Id: {self.world.operation[:10]}" in message for message in messages)
        received = sum(f"Id: {self.world.operation[:10]}" in text for text in sent)
        self.check(
            "the batch was reported when it was scheduled and when it was cancelled", (stored, received) == (2, 2)
        )
        thread = self.thread_of(f"{self.world.payment['safeTxHash'][:10]}…")
        self.check("the payment has one thread: queued with its simulation, signed, executed", thread)
        blind = sum("Ethereum cannot be read" in text for text in sent)
        self.check("the broken provider was reported once, with the checks that had no data", blind == 1)

    def thread_of(self, mark: str) -> bool:
        """Return whether a transaction was queued, could be executed and was, each a reply to the first message."""
        first, *replies = [one for one in self.telegram.messages if mark in one.text] or [None]
        if first is None or "Simulated: it runs" not in first.text:
            return False
        said = [any(words in one.text for one in replies) for words in ("can be executed now", "was executed")]
        return len(replies) == len(said) and all(said) and all(one.reply_to == first.message_id for one in replies)

    def conclude(self) -> int:
        """Say how it went and return the exit code."""
        title(f"{self.commands} commands in {time.monotonic() - self.started_s:.0f} s")
        for wrong in self.wrong:
            say(red(wrong))
        say(red("The demo failed.") if self.wrong else "All of it as it should be.")
        say(dim("Look for yourself, with any command in place of `incidents`:"))
        say(dim("CACHE_DIR=.cache/demo/state .venv/bin/monitoring --config .cache/demo/jobs.yaml incidents"))
        return 1 if self.wrong else 0

    def check(self, what: str, true: bool) -> None:
        say(f"{green('✓') if true else red('✗')} {what}")
        if not true:
            self.wrong.append(f"not so: {what}")


def buttons(message: Received) -> list[dict[str, str]]:
    """Return the buttons under a message."""
    return [button for row in message.payload.get("reply_markup", {}).get("inline_keyboard", []) for button in row]


# -- the stage --------------------------------------------------------------------------------------------------------


def main() -> int:
    parser = argparse.ArgumentParser(description="Show the whole system once, on this machine alone.")
    parser.add_argument("--without-chain", action="store_true", help="as on a machine without npm")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    with alone(), TelegramStandIn() as telegram, contextlib.ExitStack() as stack:
        set_the_stage()
        title("A day of a monitoring system, in a minute")
        say("Nothing leaves this machine: chain, services and Telegram are stand-ins, all state is in .cache/demo.")
        demo = Demo(telegram, environment(telegram.url))
        if asked.without_chain:
            say("Without a chain, as asked.")
        elif anvil.binary() is None:
            say(f"Without a chain: {anvil.HOW_TO_GET_IT}.")
        else:
            demo.join(stack.enter_context(open_world()))
        demo.play()
        demo.verify()
    return demo.conclude()


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Keep a second demo of this checkout from wiping the state of the first."""
    HOME.parent.mkdir(exist_ok=True)
    with HOME.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit("another demo of this checkout is running")
        yield


def set_the_stage() -> None:
    """Start from nothing: an empty state directory, a jobs.yaml with its monitors and scripts, a file with mistakes."""
    shutil.rmtree(HOME, ignore_errors=True)
    (HOME / "state").mkdir(parents=True)
    # As after a restore: on the first day of a host its own findings would be one folded message.
    (HOME / "state" / "monitoring.db.replaced-before-the-demo").touch()
    for name, text in FILES.items():
        (HOME / name).write_text(text)


def environment(telegram_url: str) -> dict[str, str]:
    ours = [name for name in os.environ if name.startswith(OURS) or is_kept_from_tasks(name)]
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    return kept | {
        "CACHE_DIR": str(HOME / "state"),
        "MONITORING_ENV_FILE": "",  # not the host's own
        "TELEGRAM_API_URL": telegram_url,
        "TELEGRAM_BOT_TOKEN_DEFAULT": "1000001:a-token-of-the-demo",
        "TELEGRAM_CHAT_ID_DEFAULT": str(CHAT),
        "PYTHONUNBUFFERED": "1",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }


def run(command: list[str], environ: dict[str, str]) -> tuple[int, list[str]]:
    """Run one command in a process group of its own, show its lines as they come; return its exit code and them."""
    process = subprocess.Popen(
        command, cwd=CHECKOUT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        stdin=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    lines: list[str] = []
    with ending(process):
        for line in process.stdout:
            lines.append(line.rstrip("\n"))
            say(lines[-1], before=dim("  │ "))
        return process.wait(), lines


@contextlib.contextmanager
def ending(process: subprocess.Popen[str]) -> Iterator[None]:
    """Stop the command at the time limit, and when we are interrupted; it stops what it started itself."""
    timer = threading.Timer(STEP_LIMIT_S, process.terminate)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        process.terminate()
        try:
            process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


# -- words on a terminal ----------------------------------------------------------------------------------------------


def _style(code: int) -> Callable[[str], str]:
    plain = "NO_COLOR" in os.environ or not sys.stdout.isatty()
    return lambda text: text if plain or not text else f"\x1b[{code}m{text}\x1b[0m"


bold, dim, red, green = _style(1), _style(2), _style(31), _style(32)


def say(text: str = "", before: str = "") -> None:
    """Print lines, each behind what stands `before` it; on a terminal folded between words."""
    room = shutil.get_terminal_size().columns - len(_CODE.sub("", before)) if sys.stdout.isatty() else None
    for line in text.split("\n"):
        for part in [line] if room is None else fold(line, room, "python -m automation"):
            print(before + part, flush=True)


def title(text: str) -> None:
    say()
    for line in textwrap.wrap(text, min(100, shutil.get_terminal_size((100, 0)).columns)):
        say(bold(line))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
