"""What `make demo` shows, in order, and the files it shows it with. To show more, add a step."""

from __future__ import annotations

from dataclasses import dataclass

from tools.demo_chain import BOT, SAFE, TIMELOCK

# A person's: of a group more than twenty messages a minute would have to wait.
CHAT = 1000001


@dataclass(frozen=True, slots=True)
class Step:
    """One command of `python -m automation`, why it is shown, and the exit codes that are right.

    A step that needs the chain is left out without one, and so is one whose verb is not there. `first` is what happens
    before it; `hears` are words that must stand in messages Telegram then receives, `says` in what is printed. A run
    that is to be heard of by nobody has no `hears`. While `is_chat_read`, `listen` runs: alerts have buttons.
    """

    why: str
    command: str
    right: tuple[int, ...] = (0,)
    needs_chain: bool = False
    first: str = ""
    hears: tuple[str, ...] = ()
    says: tuple[str, ...] = ()
    is_chat_read: bool = False

    @property
    def verb(self) -> str:
        return self.command.split()[0]


def on_chain(
    why: str, command: str, *hears: str, first: str = "", right: tuple[int, ...] = (0,), is_chat_read: bool = False
) -> Step:
    return Step(why, command, right, needs_chain=True, first=first, hears=hears, is_chat_read=is_chat_read)


STEPS = (
    Step("What is configured: profiles, their schedule in UTC, their next tick.", "list"),
    Step("The crontab that the scheduler of a host would run.", "render-crontab"),
    Step("A file with mistakes: all of them at once, each at its place.", "validate .cache/demo/mistakes.yaml", (2,)),
    on_chain("What a run would do; this touches nothing.", "run hourly --dry-run"),
    on_chain("Morning. A first look at everything is a seed: nothing is news yet.", "run hourly"),
    on_chain(
        "On a timelock an attacker schedules a role for himself and a delay of 0. The alert says what it does.",
        "run hourly",
        "grantRole",
        first="schedule a batch",
    ),
    on_chain("The same once more: nothing is new, so nothing is said.", "run hourly"),
    on_chain(
        "On a Safe a stranger queues a new owner. The Safe's own people would never propose from there. Behind it they "
        "queue a payment. The alert says what each would do: it was run on the newest block, and not sent.",
        "run multisig",
        "addOwnerWithThreshold",
        "leaves: 250,000 “DUSD”",
        first="queue two transactions",
    ),
    on_chain(
        "An owner uses the stranger's nonce up and signs the payment: a reply to each of the two first messages.",
        "run multisig",
        "can be executed",
        first="reject one, sign the other",
    ),
    on_chain(
        "The payment is executed: the last message of its thread.",
        "run multisig",
        "executed",
        first="execute the payment",
    ),
    Step(
        "Two people are named, and `listen` reads the chat from now on: alerts have buttons.",
        "on-call",
        needs_chain=True,
        first="name people",
        says=("alice",),
        is_chat_read=True,
    ),
    on_chain(
        "A vault loses money: its share price falls, and it holds less than it owes.",
        "run hourly",
        "share price",
        "less than it owes",
        first="lose money",
        is_chat_read=True,
    ),
    Step(
        "Alice taps a button. Everybody sees who has it, in the chat and on the host; reminders and questions stop.",
        "incidents",
        needs_chain=True,
        first="tap I have it",
        says=("alice has it",),
        is_chat_read=True,
    ),
    on_chain(
        "The money is paid back: one recovery, with how long it lasted.",
        "run hourly",
        "is ok again",
        first="pay it back",
        is_chat_read=True,
    ),
    on_chain("The timelock's batch is cancelled.", "run hourly", "ancelled", first="cancel the batch"),
    on_chain(
        "The chain's provider breaks down. What cannot be read is unknown: not good, not bad. A run without data is no "
        "good run: it says so, and exits with 1.",
        "run hourly",
        "no data",
        first="break the gateway",
        right=(1,),
    ),
    on_chain("The same once more: no second message.", "run hourly", right=(1,)),
    on_chain(
        "At the third time the source is reported, once, with every check that has no data.",
        "run hourly",
        "cannot be read",
        right=(1,),
    ),
    Step(
        "Is silence good news? Not while checks have no data.",
        "audit --since 1h",
        (1,),
        needs_chain=True,
        says=("5 checks have had no data",),
    ),
    on_chain("The provider is back.", "run hourly", "can be read again", first="repair the gateway"),
    on_chain(
        "Nobody has acknowledged the fall of the share price. From now on people are asked after a minute: by the "
        "next run, or by `listen`, which looks each minute.",
        "run multisig",
        "not acknowledged",
        first="ask after a minute",
    ),
    on_chain(
        "Somebody works on the vault and asks for two quiet hours, with the reason.",
        "silence --protocol cap --for 2h --reason upgrade",
    ),
    on_chain(
        "It is short again meanwhile: stored and counted, not sent. What is sent is who silenced it, since something "
        "CRITICAL is among it.",
        "run hourly",
        "silenced cap",
        first="lose money again",
    ),
    Step("Which alerts are held back, and until when.", "silence --list", needs_chain=True, says=("upgrade",)),
    Step(
        "The profile `daily` has a task that breaks, and this disk has less room than its limit asks for (100%). One "
        "digest names the broken task, the others run nevertheless, and the exit code is 1.",
        "run daily",
        (1,),
        hears=("of the disk is free", "broken"),
    ),
    Step("While both stay so, there is no second message.", "run daily", (1,)),
    Step(
        "Both are repaired: one message says so.",
        "run daily",
        first="repair the day",
        hears=("of the disk is free",),
    ),
    Step("What was stored.", "alerts"),
    Step("How the host is.", "status", (0, 1)),
    Step(
        "Is silence good news? The audit says no, and why: no scheduler serves these profiles.",
        "audit --since 1h",
        (1,),
    ),
)

# The paths of scripts and monitors count from the checkout, wherever the file lies.
JOBS_TEXT = """\
profiles:
  daily:
    cron: "19 8 * * *"
    parallel: 3
    tasks:
      - {name: host, monitors: [.cache/demo/host.yaml]}
      - {name: sound, script: .cache/demo/sound.py}
      - {name: broken, script: .cache/demo/broken.py}
"""
CHAIN_JOBS_TEXT = """\
  hourly:
    cron: "5 * * * *"
    tasks:
      - {name: cap, monitors: [protocols/cap/monitor.yaml, .cache/demo/timelocks.yaml]}
  multisig:
    cron: "0/10 * * * *"
    tasks:
      - {name: safes, monitors: [.cache/demo/safes.yaml]}
"""
ON_CALL_TEXT = f"""\
zone: UTC
people:
  alice: {{telegram_id: {CHAT}}}
  ben: {{}}
rota: {{order: [alice, ben], handover: monday 09:00, starts: 2026-01-05T09:00}}
"""
ESCALATION_TEXT = """\
escalation:
  critical: {steps: [{after: 1m, to: everybody}]}
  high: {steps: [{after: 1m, to: everybody}]}
"""
MISTAKES_TEXT = """\
profiles:
  hourly:
    cron: "5 * * *"
    tasks:
      - {name: host, monitors: [protocols/hots/monitor.yaml], timeuot: 5m}
"""
FILES = {
    "jobs.yaml": JOBS_TEXT,
    "mistakes.yaml": MISTAKES_TEXT,
    "host.yaml": "monitor: host\nhost: {disk-free: 100%, load: 1000, memory-free: 0%, swap-free: 0%}\n",
    "sound.py": 'print("all is well")\n',
    "broken.py": 'raise ConnectionError("the oracle does not answer")\n',
    "timelocks.yaml": f"""\
monitor: timelocks
chains: [mainnet]
timelocks:
  first_run_lookback: 1h
  rows:
    - name: CAP TimelockController
      chain: mainnet
      address: "{TIMELOCK}"
      protocol: cap
      kind: oz_timelock_controller
""",
    "safes.yaml": f"""\
monitor: safes
chains: [mainnet]
safes:
  first_run_lookback: 12h
  unexpected_proposer: critical
  rows:
    - name: Cap Money Multisig
      chain: mainnet
      address: "{SAFE}"
      protocol: cap
      expected_proposers: ["{BOT}"]
""",
}
MENDED = {
    "host.yaml": FILES["host.yaml"].replace("disk-free: 100%", "disk-free: 0%, disk-free-critical: 0%"),
    "broken.py": 'print("the oracle answers")\n',
}
