"""What `make demo` shows, in order, and the files it shows it with. To show more, add a step."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """One command of `python -m automation`, why it is shown, and the exit codes that are right.

    A step that needs the chain is left out without one, and so is one whose verb is not there.
    """

    why: str
    command: str
    right: tuple[int, ...] = (0,)
    needs_chain: bool = False
    first: str = ""  # what happens before it, see Demo.happen

    @property
    def verb(self) -> str:
        return self.command.split()[0]


STEPS = (
    Step("What is configured: profiles, their schedule in UTC, their next tick.", "list"),
    Step("The crontab that the scheduler of a host would run.", "render-crontab"),
    Step("A file with mistakes: all of them at once, each at its place.", "validate .cache/demo/mistakes.yaml", (2,)),
    Step("What a run would do; this touches nothing.", "run multisig --dry-run", needs_chain=True),
    Step(
        "The profile `multisig` runs: it meets a scheduled operation, stores the alert, then sends it.",
        "run multisig",
        needs_chain=True,
        first="schedule an operation",
    ),
    Step("The same once more: nothing is new, so nothing is said.", "run multisig", needs_chain=True),
    Step(
        "Another operation is scheduled: one new alert.",
        "run multisig",
        needs_chain=True,
        first="schedule an operation",
    ),
    Step(
        "The profile `hourly` has a task that breaks. The other one runs all the same, one digest names "
        "the broken one, and the exit code tells the truth (1).",
        "run hourly",
        (1,),
    ),
    Step("The profile `daily`: this disk has less room than its limit asks for (100%). That is said...", "run daily"),
    Step("... and while it stays so, nobody is told again.", "run daily"),
    Step("The limit is set to what it should be: that it is over is told once.", "run daily", first="mend the limit"),
    Step("What was stored.", "alerts"),
    Step("How the host is.", "status", (0, 1)),
    Step(
        "Is silence good news? The audit says no, and why: no scheduler serves these profiles.",
        "audit --since 1h",
        (1,),
    ),
)

# A profile of each kind; the paths of scripts count from the checkout, wherever the file lies.
JOBS_TEXT = """\
profiles:
  hourly:
    cron: "5 * * * *"
    parallel: 2
    tasks:
      - {name: sound, script: .cache/demo/sound.py}
      - {name: broken, script: .cache/demo/broken.py}
  daily:
    cron: "19 8 * * *"
    tasks:
      - {name: host, script: protocols/host/main.py, args: {disk-free: 100%}}
"""
MULTISIG_TEXT = """\
  multisig:
    cron: "0/10 * * * *"
    tasks:
      - {name: timelock, script: protocols/demo_timelock/main.py, args: {address: "TIMELOCK"}}
"""
MISTAKES_TEXT = """\
profiles:
  hourly:
    cron: "5 * * *"
    tasks:
      - {name: host, script: protocols/hots/main.py, timeuot: 5m}
"""
MENDED = ("disk-free: 100%", "disk-free: 0%, disk-free-critical: 0%")
SOUND_TEXT = """\
print("all is well")
"""
BROKEN_TEXT = """\
print("about to ask an oracle that is not there")
raise ConnectionError("the oracle does not answer")
"""
